"""Build sdist and wheel, and check that nothing is missing from them and nothing is left over.

The list of packages in pyproject.toml is kept by hand; this is what keeps it true.
"""

import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SDIST_ONLY = ("benchmarks", "ci", "examples", "tests")


def files_under(folder: str) -> set[str]:
    """Return the files of the tree below ``folder``, compiled and hidden ones aside."""
    paths = (
        p for p in (ROOT / folder).rglob("*") if p.is_file() and p.parent.name != "__pycache__"
    )
    names = {p.relative_to(ROOT).as_posix() for p in paths}
    return {n for n in names if not any(part.startswith(".") for part in n.split("/"))}


def installed(folder: str, name: str) -> set[str]:
    """Return the files below ``folder`` under the names that package ``name`` has in the wheel."""
    place = name.replace(".", "/")
    return {place + n.removeprefix(folder) for n in files_under(folder)}


def build(where: str) -> tuple[set[str], set[str]]:
    """Build both and return the names of the files in the sdist and in the wheel."""
    # setuptools takes every file that an older list names, whatever the rules say now.
    (ROOT / "unmix.egg-info" / "SOURCES.txt").unlink(missing_ok=True)
    command = [sys.executable, "-m", "build", "--outdir", where, str(ROOT)]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"{run.stdout}{run.stderr}\nthe build failed")
    (sdist,) = Path(where).glob("*.tar.gz")
    (wheel,) = Path(where).glob("*.whl")
    with tarfile.open(sdist) as tar:
        in_sdist = {m.name.split("/", 1)[1] for m in tar.getmembers() if m.isfile()}
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = {n for n in archive.namelist() if ".dist-info/" not in n}
    print(f"built {sdist.name} ({len(in_sdist)} files) and {wheel.name} ({len(in_wheel)} files)")
    return in_sdist, in_wheel


def main() -> int:
    """Print every difference; return 1 if there is any."""
    problems: list[str] = []

    def check(names: set[str], problem: str) -> None:
        problems.extend(f"{problem}: {name}" for name in sorted(names))

    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    elsewhere: dict[str, str] = setuptools["package-dir"]
    package = installed("unmix", "unmix")
    for name, folder in elsewhere.items():
        package |= installed(folder, name)
    folders = {n.rpartition("/")[0].replace("/", ".") for n in package if n.endswith(".py")}
    listed = set(setuptools["packages"])
    check(folders - listed, "a folder with Python files that pyproject.toml does not list")
    check(listed - folders, "listed in pyproject.toml, but no folder with Python files")

    with tempfile.TemporaryDirectory() as where:
        in_sdist, in_wheel = build(where)
    check(package - in_wheel, "not in the wheel")
    check(in_wheel - package, "in the wheel, but not in the tree")
    check({"unmix/py.typed"} - in_wheel, "not in the wheel (type checkers look for it)")
    kernels = {f"unmix/_kernels/{n.name}" for n in (ROOT / "kernels").glob("*.cu*")}
    if not kernels:
        problems.append("no CUDA source in kernels/")
    check(kernels - in_wheel, "a CUDA source that is not in the wheel")
    sources = set().union(*map(files_under, ("unmix", *elsewhere.values(), *SDIST_ONLY)))
    check((sources | {"LICENSE", "CHANGELOG.md"}) - in_sdist, "not in the sdist")

    print("\n".join(problems) or "both hold every file that they should")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
