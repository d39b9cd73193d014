"""The house: who may import whom, and what is imported only when it is called."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import unmix

ROOT = Path(unmix.__file__).parent

FLOORS: list[set[str]] = [
    {"_typing", "_errors"},
    {"_arrays", "config"},
    {"_dispatch", "_record", "_axes", "_fft_shape", "_write"},
    {"ops"},
    {"_declines"},
    {"host", "cuda"},
    {"routes", "layout"},
    {
        "_executors",
        "_sources",
        "_chunks",
        "_binning",
        "_described",
        "_joined",
        "_stacked",
        "_stored",
        "_filters",
        "_fold",
        "_lattice",
        "_lengths",
        "_samples",
        "_normalize",
        "_unmixing",
        "_results",
        "_endmembers",
        "_mixture",
        "_edits",
        "_door",
        "_nearest",
        "_windows",
        "_tiles",
    },
    {"prepare", "sampling", "describe", "decompose", "synthetic", "combine"},
    {"maps"},
    {"pipeline"},
    {"io", "plot", "reading"},
    {"cli"},
    {"__init__"},  # the door of the package: everything lies below it
]
TOGETHER = next(names for names in FLOORS if "_samples" in names)
"""`Samples` and what it is made of is one package in all but its folder."""

LIBRARIES = {
    "_arrays": {"array_api_compat"},
    "host": {"numba"},  # in modules that are imported when a route runs
    "cuda": {"cupy"},
    "cli": {"click"},
}
"""What a module may import at its top beside the standard library and NumPy."""

MODULES = sorted(ROOT.rglob("*.py"))


def dotted(path: Path) -> str:
    """Return the name of a module inside the package: ``ops.windows``, ``ops``, ``__init__``."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


NAMES = {dotted(path) for path in MODULES}


def floor(module: str) -> int:
    """Return the floor of a module."""
    found = [i for i, names in enumerate(FLOORS) if module.partition(".")[0] in names]
    assert len(found) == 1, f"give {module} one floor in docs/design.md and here"
    return found[0]


def import_nodes(
    node: ast.AST, *, everywhere: bool = False
) -> Iterator[ast.Import | ast.ImportFrom]:
    """Find the imports that run with a module; ``everywhere``: those of its functions too."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child
        elif everywhere:
            yield from import_nodes(child, everywhere=True)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            for other in child.orelse:
                yield from import_nodes(ast.Module([other], []))
        elif not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield from import_nodes(child)


def imported(source: str, package: str, *, everywhere: bool = False) -> set[str]:
    """Return the full names of the modules that a source text imports.

    ``package`` is that of the module: relative names start there.
    """
    found = set()
    for node in import_nodes(ast.parse(source), everywhere=everywhere):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
            continue
        base = node.module or ""
        if node.level:
            up = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*up, *([base] if base else [])])
        for alias in node.names:
            inner = f"{base}.{alias.name}"
            is_module = inner.removeprefix("unmix.") in NAMES and inner.startswith("unmix.")
            found.add(inner if is_module else base)
    return found


def of_file(path: Path, *, everywhere: bool = False) -> set[str]:
    """Return what a module imports."""
    package = ".".join(["unmix", *path.relative_to(ROOT).parts[:-1]])
    return imported(path.read_text(encoding="utf-8"), package, everywhere=everywhere)


def inner(names: set[str]) -> set[str]:
    """Keep the modules of the package, by their names inside of it."""
    return {
        "__init__" if name == "unmix" else name.removeprefix("unmix.")
        for name in names
        if name.partition(".")[0] == "unmix"
    }


def roots(names: set[str]) -> set[str]:
    """Return the libraries that names belong to."""
    return {name.partition(".")[0] for name in names}


class TestReader:
    """The test itself must see what it is to forbid."""

    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("from . import ops", {"unmix.ops"}),
            ("from .ops import windows", {"unmix.ops.windows"}),
            ("from .ops.windows import pair", {"unmix.ops.windows"}),
            ("from . import nothing_like_it", {"unmix"}),
            ("import unmix.cli as c, os", {"unmix.cli", "os"}),
            ("try:\n import scipy.fft\nexcept ImportError:\n import numba", {"scipy.fft", "numba"}),
            ("class A:\n import torch", {"torch"}),
            ("def f():\n import torch", set()),
            ("g = lambda: __import__('torch')", set()),
            ("if TYPE_CHECKING:\n import torch\nelse:\n import dask", {"dask"}),
            ("import typing\nif typing.TYPE_CHECKING:\n import torch", {"typing"}),
        ],
    )
    def test_sees_what_runs_at_import(self, source, expected):
        assert imported(source, "unmix") == expected

    def test_climbs_to_the_package_above(self):
        assert imported("from .. import ops\nfrom ..layout import Axis", "unmix.describe") == {
            "unmix.ops",
            "unmix.layout",
        }
        assert imported("from ._common import x", "unmix.decompose") == {"unmix.decompose._common"}

    def test_sees_functions_when_asked(self):
        assert imported("def f():\n  if 1:\n    import torch", "unmix", everywhere=True) == {
            "torch"
        }


def test_every_module_has_a_floor():
    assert all(floor(name) >= 0 for name in NAMES)


@pytest.mark.parametrize("path", MODULES, ids=dotted)
class TestModules:
    def test_imports_only_from_below(self, path):
        module = dotted(path)
        package = module.partition(".")[0]
        above = {
            other
            for other in inner(of_file(path))
            if floor(other) >= floor(module)
            and other.partition(".")[0] != package
            and not {package, other.partition(".")[0]} <= TOGETHER
        }
        assert not above, f"floor {floor(module)} imports from its own or a higher floor"

    def test_imports_no_heavy_library(self, path):
        allowed = LIBRARIES.get(dotted(path).partition(".")[0], set())
        outside = roots(of_file(path)) - {"unmix", "numpy"} - set(sys.stdlib_module_names)
        assert outside <= allowed, "import it in the function that needs it"

    def test_only_cuda_imports_cupy_and_only_arrays_the_compat_layer(self, path):
        found = roots(of_file(path, everywhere=True))
        package = dotted(path).partition(".")[0]
        assert "cupy" not in found or package == "cuda"
        assert "array_api_compat" not in found or package == "_arrays"
        assert not found & {"cupyx", "jax"}


def test_no_module_imports_itself_in_a_circle():
    graph = {dotted(path): inner(of_file(path)) - {dotted(path)} for path in MODULES}
    order = list(TopologicalSorter(graph).static_order())  # raises CycleError with the circle
    assert set(order) >= NAMES


def test_functions_import_only_what_the_package_declares():
    declared = {"scipy", "threadpoolctl", "tqdm", "click", "array_api_compat", "cupy"}
    optional = {
        "matplotlib",
        "PIL",
        "h5py",
        "tifffile",
        "rsciio",
        "zarr",
        "dask",
        "distributed",
        "numba",
        "torch",
        "skimage",
        "sklearn",
    }
    found = set().union(*(roots(of_file(path, everywhere=True)) for path in MODULES))
    strangers = found - {"unmix", "numpy"} - set(sys.stdlib_module_names) - declared - optional
    assert not strangers, "name the library in pyproject.toml"
