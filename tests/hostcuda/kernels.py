"""Kernels on the host, called as CuPy's are."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from .arguments import DEFAULT_SHARED, MOST_SHARED, check_geometry, pack
from .build import MODES, build_kernel, default_cache
from .errors import LaunchError
from .plain import Geometry, PlainProgram
from .sanitized import SanitizedProgram

Program = PlainProgram | SanitizedProgram
ORDERS = {"ascending": 0, "descending": 1, "random": 2}
FOLDER = Path(__file__).resolve().parents[2] / "kernels"


@cache
def _own_loader() -> Callable[[str], str] | None:
    """Return ``source`` of the kernels beside these tests: what the wheel installs."""
    path = FOLDER / "__init__.py"
    if not path.exists():
        return None
    name = "unmix_kernels_under_test"
    spec = importlib.util.spec_from_file_location(
        name, path, submodule_search_locations=[str(FOLDER)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, "source", None)


def own_source(file: str) -> str:
    """Return the text of a file of the project's kernels."""
    if loader := _own_loader():
        return loader(file)
    return (FOLDER / file).with_suffix(".cu").read_text()


@cache
def _program(path: Path, name: str, plain: bool) -> Program:
    return PlainProgram(path, name) if plain else SanitizedProgram(path, name)


class HostKernel:
    """One instance of a kernel, with the call of ``cupy.RawKernel``."""

    def __init__(self, program: Program, name: str, order: tuple[int, int], seconds: float):
        self._program, self.name = program, name
        self._order, self._seconds = order, seconds
        self._opted: int | None = None

    @property
    def max_dynamic_shared_size_bytes(self) -> int:
        """The most dynamic shared memory of a launch; more than 48 KiB must be asked for here."""
        return DEFAULT_SHARED if self._opted is None else self._opted

    @max_dynamic_shared_size_bytes.setter
    def max_dynamic_shared_size_bytes(self, nbytes: int) -> None:
        if not 0 <= nbytes <= MOST_SHARED:
            raise LaunchError(f"{self.name}: {nbytes} bytes of shared memory, over {MOST_SHARED}")
        self._opted = int(nbytes)

    def __call__(
        self,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        args: tuple[Any, ...],
        *,
        shared_mem: int = 0,
    ) -> None:
        """Run the kernel; its arrays are written when this returns."""
        signature = self._program.signature
        grid, block = check_geometry(self.name, signature, grid, block, shared_mem, self._opted)
        packed = pack(self.name, signature, args)
        limit = DEFAULT_SHARED if self._opted is None else MOST_SHARED
        geometry = Geometry(grid, block, int(shared_mem), limit, *self._order, self._seconds)
        self._program.launch(geometry, packed)


class HostKernels:
    """The loader that launch code is given: kernels that run on the host, on NumPy arrays.

    Parameters
    ----------
    mode
        "plain" runs in this process, behind guard pages. "asan" and "tsan" run in a program of
        their own: addresses and undefined behaviour, or races, are checked.
    order
        Which ready thread runs next: "ascending" (the lowest), "descending", ("random", seed).
    source
        From the name of a file to its text; the project's own kernels unless given.
    cache
        Where compiled kernels are kept.
    seconds
        After so much processor time a kernel counts as hung.
    flags
        Further words for the compiler.
    """

    xp = np

    def __init__(
        self,
        mode: str = "plain",
        order: str | tuple[str, int] = "ascending",
        *,
        source: Callable[[str], str] = own_source,
        cache: Path | None = None,
        seconds: float = 60,
        flags: tuple[str, ...] = (),
    ) -> None:
        kind, seed = (order, 0) if isinstance(order, str) else order
        if mode not in MODES or kind not in ORDERS:
            raise ValueError(f"mode {mode!r} of {list(MODES)}, order {order!r} of {list(ORDERS)}")
        self.mode, self.order = mode, order
        self._order = (ORDERS[kind], seed)
        self._source, self._seconds, self._flags = source, seconds, flags
        self._cache = default_cache() if cache is None else cache
        self._kernels: dict[tuple[str, str], HostKernel] = {}

    def get(self, file: str, instance: str) -> HostKernel:
        """Return an instance, such as ``simplex_search<float, 7>``, of a kernel in ``file``."""
        key = (file, instance)
        if key not in self._kernels:
            text = self._source(file)
            path = build_kernel(self._cache, text, file, instance, self.mode, self._flags)
            program = _program(path, instance, self.mode == "plain")
            self._kernels[key] = HostKernel(program, instance, self._order, self._seconds)
        return self._kernels[key]
