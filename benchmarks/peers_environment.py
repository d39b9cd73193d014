"""Virtual environments of the peers, and processes that end with this one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent

TORCH = "torch --index-url https://download.pytorch.org/whl/cpu"
"""The default wheel for Linux brings gigabytes of CUDA."""

REQUIREMENTS = {
    "peers": (
        f"-e {ROOT}[cpu]",
        "h5py",
        TORCH,
        "scikit-learn",
        "faiss-cpu",
        "spams-bin",
        "pysptools cvxopt",
        "hyperspy",
        "fbpca",
        "dask-ml",
    ),
    # pinned by hand: what its own pins need to be imported together
    "pycroscopy": (
        TORCH,
        "pycroscopy==0.63.3 scikit-learn==1.6.1 pandas<2.3 pyarrow<19 dask-ml numpy<2",
    ),
}
"""Environment -> what is installed, one after the other: what fails is missing, the rest runs."""


class Environment:
    """The Python of a virtual environment, and why some of its packages are missing."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
        self.missing: dict[str, str] = {}
        if not self.python.exists():
            venv.create(folder, with_pip=True)
            for requirement in REQUIREMENTS[name]:
                self._install(requirement)

    def _install(self, requirement: str) -> None:
        command = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        print(f"installing {requirement}", file=sys.stderr)
        why = self.run([*command, *requirement.split()])
        if why:
            self.missing[requirement] = why

    def run(self, arguments: list[str], seconds: float | None = None, **variables: str) -> str:
        """Run Python with arguments; return an empty string, or why it failed in one line."""
        command = [str(self.python), *arguments]
        with ended(command, os.environ | variables) as process:
            try:
                said, errors = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                return f"took over {seconds:.0f} s"
        if process.returncode == 0:
            return ""
        lines = [line for line in (errors or said).splitlines() if line.strip()]
        return lines[-1].strip()[:200] if lines else f"ended with {process.returncode}"

    def versions(self) -> dict[str, str]:
        """Return the versions of all installed packages."""
        command = [str(self.python), "-m", "pip", "list", "--format=freeze"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        pairs = (line.partition("==") for line in said.splitlines())
        return {name.lower(): version for name, _, version in pairs if version}


@contextmanager
def ended(command: list[str], variables: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Start a process in a session of its own; whatever happens, it and its children are ended."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=variables,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def interrupt_when_terminated() -> None:
    """Let SIGTERM end this process as Ctrl-C does: nothing is left running, and no file."""

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
