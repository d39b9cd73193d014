"""Compile kernels and the runtime with the host's C++ compiler, once each."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path

from .errors import BuildError
from .source import translation_unit

HERE = Path(__file__).parent
COMMON = ("-std=c++17", "-g1", "-gdwarf-4", "-fPIC", "-fno-strict-aliasing", "-w")
# Rounded as written. Local variables without a value are a pattern that is no sensible number. Two
# versions of a kernel in one process share no static variable.
VALUES = ("-fno-math-errno", "-ffp-contract=off", "-ftrivial-auto-var-init=pattern")
KERNEL = (*VALUES, "-fno-gnu-unique", "-fno-exceptions")
UBSAN = ("-fsanitize=undefined", "-fno-sanitize-recover=all")
MODES: dict[str, tuple[str, ...]] = {
    "plain": ("-O2",),
    # Not optimized: nothing wrong is folded away, and checks take the optimizer ten times as long.
    "asan": ("-O0", "-DHOSTCUDA_ASAN", "-fno-omit-frame-pointer", "-fsanitize=address", *UBSAN),
    "tsan": ("-O1", "-DHOSTCUDA_TSAN", "-fno-omit-frame-pointer", "-fsanitize=thread"),
}
OWN_FILES = {path.name for path in (HERE / "include").iterdir()} | {"instance"}
KEPT_DAYS = 14


def default_cache() -> Path:
    """Return where compiled kernels are kept: below the home, or else a folder of this process."""
    try:
        folder = Path.home() / ".cache" / "unmix-hostcuda"
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK | os.X_OK):
            return folder
    except (OSError, RuntimeError):
        pass
    return _own_folder()


@cache
def _own_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="unmix-hostcuda-"))


@cache
def compiler() -> tuple[str, str]:
    """Return the path and the version of the C++ compiler."""
    path = shutil.which("g++")
    if path is None:
        raise BuildError("g++ is not installed, and the kernels are executed through it")
    run = subprocess.run([path, "--version"], check=True, capture_output=True, text=True)
    return path, run.stdout.splitlines()[0]


@cache
def _own_text() -> str:
    files = sorted([*(HERE / "include").iterdir(), *(HERE / "runtime").iterdir()])
    return "".join(f.read_text() for f in files)


@cache
def _prune(folder: Path) -> None:
    """Remove what nobody has used for days; using a library renews its date."""
    oldest = time.time() - KEPT_DAYS * 86400
    for path in folder.iterdir():
        if path.is_file() and path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)


def _cached(folder: Path, stem: str, suffix: str, text: str, command: list[str]) -> Path:
    """Return the product of ``command``, which reads ``text`` and ends in ``-o``."""
    parts = (compiler()[1], _own_text(), text, *command)
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]
    _prune(folder)
    path = folder / f"{stem}-{key}{suffix}"
    try:
        os.utime(path)
    except FileNotFoundError:
        # Made elsewhere and moved here whole: others may build the same thing at the same time.
        with tempfile.TemporaryDirectory(dir=folder) as work:
            product = Path(work) / path.name
            run = subprocess.run(
                [*command, str(product)],
                input=text,
                capture_output=True,
                text=True,
                check=False,
                env=os.environ | {"TMPDIR": work, "LC_ALL": "C"},
            )
            if run.returncode:
                raise BuildError(f"{stem}:\n{run.stderr[:4000]}") from None
            product.replace(path)
    return path


def build_runtime(folder: Path, mode: str, flags: tuple[str, ...] = ()) -> Path:
    """Return the compiled runtime: a shared library, or an object for the sanitized programs."""
    # Not instrumented itself: its accesses are not the kernel's.
    own = [f for f in MODES[mode] if not f.startswith(("-fsanitize", "-fno-sanitize", "-O"))]
    shared, suffix = (["-shared"], ".so") if mode == "plain" else (["-r", "-nostdlib"], ".o")
    files = sorted(str(f) for f in (HERE / "runtime").glob("*.cpp"))
    # And without calls of memset for loops: the race checker watches it in the kernel's name.
    own.append("-fno-tree-loop-distribute-patterns")
    command = [compiler()[0], *COMMON, "-O2", *own, *flags, *shared, *files, "-o"]
    return _cached(folder, f"runtime-{mode}", suffix, "", command)


def build_kernel(
    folder: Path, text: str, file: str, instance: str, mode: str, flags: tuple[str, ...] = ()
) -> Path:
    """Return a compiled instance: a shared library in mode "plain", a program in the others."""
    runtime = build_runtime(folder, mode, flags)
    shared, suffix = (
        (["-shared", "-Wl,--no-as-needed"], ".so") if mode == "plain" else (["-pie"], "")
    )
    command = [compiler()[0], *COMMON, *KERNEL, *MODES[mode], *flags, *shared]
    command += [
        "-fmax-errors=5",
        "-ftrack-macro-expansion=0",
        f"-I{HERE / 'include'}",
        "-x",
        "c++",
        "-",
    ]
    command += ["-x", "none", str(runtime), "-o"]
    unit = translation_unit(text, Path(file).with_suffix(".cu").name, instance)
    stem = "".join(c if c.isalnum() else "_" for c in instance)[:60]
    try:
        return _cached(folder, f"{stem}-{mode}", suffix, unit, command)
    except BuildError as error:
        raise BuildError(f"{file}: {instance}: {error}") from None
