"""Loaders of kernels: the emulator, in several orders of threads, and a GPU where there is one."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from hostcuda import HostKernels

ORDERS: tuple[Any, ...] = ("ascending", "descending", ("random", 1), ("random", 2), ("random", 3))
HOST = {order: HostKernels(order=order) for order in ORDERS}


def _gpu_loader() -> Any:
    if find_spec("cupy") is None:
        pytest.skip("CuPy is not installed")
    import cupy

    try:
        cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError:
        pytest.skip("needs a CUDA GPU")
    from unmix.cuda._load import cupy_kernels

    return cupy_kernels(cupy.cuda.Device().id)


@pytest.fixture(params=["host", "gpu"])
def kernels(request: pytest.FixtureRequest) -> Any:
    """Return a loader: of the emulator, and of CuPy where there is a GPU."""
    return HOST["ascending"] if request.param == "host" else _gpu_loader()


@pytest.fixture(params=["host", "gpu"])
def orders(request: pytest.FixtureRequest) -> list[Any]:
    """Return five loaders that must give the same bits: a GPU's own order is another each time."""
    return list(HOST.values()) if request.param == "host" else [_gpu_loader()] * len(ORDERS)


@pytest.fixture
def gpu() -> Any:
    """Return the loader of a real device with room for tables of more than 2^31 numbers."""
    loader = _gpu_loader()
    if loader.xp.cuda.runtime.memGetInfo()[1] < 32e9:
        pytest.skip("needs a CUDA GPU with 32 GB")
    return loader


def on_host(array: Any) -> np.ndarray[Any, Any]:
    """Bring a result to NumPy."""
    return np.asarray(array.get() if hasattr(array, "get") else array)


LAYOUTS = ("C", "F", "block of C", "block of F")


def laid_out(xp: Any, table: Any, layout: str) -> Any:
    """Put a table into memory as whole rows, whole columns, or a block amid others."""
    order, n, d = layout[-1], *table.shape
    if layout in ("C", "F"):
        return xp.asarray(table, order=layout)
    around = np.full((n + 3, d + 2), np.nan, dtype=table.dtype, order=order)
    around[1 : n + 1, 1 : d + 1] = table
    return xp.asarray(around, order=order)[1 : n + 1, 1 : d + 1]
