"""A strict stand-in for CuPy where there is no GPU: NumPy's arithmetic, and the emulator's kernels.

    with fakecupy.installed():
        import cupy
        x = cupy.asarray(...)

It has the names and parameters of the real wheel (tests/cupy_names.txt) and no others, refuses what
the real one refuses, and counts what makes the host wait for the device.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import array_api_compat
import numpy as np

from . import device, operators
from .array import ndarray
from .device import Launch, Watch, waited, watched
from .functions import content, frozen

__all__ = [
    "Launch",
    "Watch",
    "frozen",
    "installed",
    "modules",
    "ndarray",
    "operators",
    "shared",
    "watched",
]


def empty(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    """Memory with what was there before: no sensible number."""
    return ndarray(shape, dtype, order)


def empty_like(a: ndarray, dtype: Any = None, **_: Any) -> ndarray:
    return ndarray(a.shape, a.dtype if dtype is None else dtype)


def asnumpy(a: Any, **_: Any) -> Any:
    return a.get() if isinstance(a, ndarray) else np.asarray(a)


def memoize(for_each_device: bool = False) -> Callable[..., Any]:
    return cache


def from_dlpack(array: Any) -> ndarray:
    """Share the memory of a tensor that says that it lies on the device."""
    if array.__dlpack_device__()[0] not in (2, 13):
        raise BufferError("the memory does not lie on a CUDA device")
    return shared(array.memory)


def shared(memory: np.ndarray[Any, Any]) -> ndarray:
    """Return a device array in memory that a test holds."""
    array = ndarray.__new__(ndarray)
    array._memory = memory
    return array


def _cholesky(a: ndarray) -> Any:
    """CuPy does not look at what cuSOLVER says unless asked to: no error, but no numbers."""
    try:
        return _numpy_linalg("cholesky")(a)
    except np.linalg.LinAlgError:
        return modules()["cupy"].full_like(a, np.nan)


def _numpy_linalg(name: str) -> Any:
    return content("cupy.linalg", name, frozen()["cupy.linalg"][name])


class Pool:
    """The memory pool: nothing is kept."""

    def free_all_blocks(self) -> None:
        pass

    def used_bytes(self) -> int:
        return 0


OWN: dict[str, dict[str, Any]] = {
    "cupy": {
        "ndarray": ndarray,
        "RawKernel": device.RawKernel,
        "RawModule": device.RawModule,
        "asnumpy": asnumpy,
        "empty": empty,
        "empty_like": empty_like,
        "from_dlpack": from_dlpack,
        "is_available": lambda: True,
        "memoize": memoize,
        "size": lambda a, axis=None: a.size if axis is None else a.shape[axis],
        "get_default_memory_pool": Pool,
    },
    "cupy.cuda": {
        "Device": device.Device,
        "Event": device.Event,
        "ExternalStream": device.ExternalStream,
        "Stream": device.Stream,
        "alloc_pinned_memory": device.alloc_pinned_memory,
        "get_current_stream": device.get_current_stream,
        "get_elapsed_time": device.get_elapsed_time,
        "get_device_id": lambda: 0,
        "is_available": lambda: True,
        "set_allocator": lambda allocator=None: None,
    },
    "cupy.cuda.device": {"Device": device.Device},
    "cupy.cuda.runtime": {
        "CUDARuntimeError": device.CUDARuntimeError,
        "deviceSynchronize": lambda: waited("deviceSynchronize"),
        "driverGetVersion": lambda: 13000,
        "getDevice": lambda: 0,
        "getDeviceCount": lambda: 1,
        "getDeviceProperties": lambda _: {"name": b"emulated", "multiProcessorCount": 132},
        "memGetInfo": lambda: device.Device.mem_info,
        "runtimeGetVersion": lambda: 13000,
    },
    "cupy.linalg": {"cholesky": _cholesky},
}


@cache
def modules() -> dict[str, ModuleType]:
    """Return every module of the stand-in by its name; each name of the list is there."""
    made = {}
    for path, names in frozen().items():
        if path.rpartition(".")[2][0].isupper() or path == "cupy.ndarray":
            continue  # a class
        module = made[path] = ModuleType(path)
        module.__path__ = []
        module.__spec__ = ModuleSpec(path, None, is_package=True)  # find_spec looks for it here
        module.__dict__.update(
            {n: content(path, n, w) for n, w in names.items() if w != "module"} | OWN.get(path, {})
        )
        parent, _, name = path.rpartition(".")
        if parent:
            setattr(made[parent], name, module)
    made["cupy"].__version__ = "14.0.0"  # type: ignore[attr-defined]
    return made


@contextmanager
def installed() -> Iterator[ModuleType]:
    """Make ``import cupy`` give the stand-in, to array_api_compat and to unmix too."""
    from unmix.cuda import _load

    before = {name: sys.modules.pop(name) for name in list(sys.modules) if _holds_cupy(name)}
    kept = array_api_compat.__dict__.pop("cupy", None)
    sys.modules.update(modules() | _IMPORTED)
    _load.cupy_kernels.cache_clear()
    try:
        yield modules()["cupy"]
    finally:
        now = {name: sys.modules.pop(name) for name in list(sys.modules) if _holds_cupy(name)}
        _IMPORTED.update(now)
        sys.modules.update(before)
        array_api_compat.__dict__.pop("cupy", None)
        if kept is not None:
            array_api_compat.cupy = kept  # type: ignore[attr-defined]
        _load.cupy_kernels.cache_clear()


_IMPORTED: dict[str, ModuleType] = {}
"""What was imported while the stand-in was there, and holds names of it."""


def _holds_cupy(name: str) -> bool:
    """Tell the modules of CuPy and those that hold names of it; a lazy one loads when looked at."""
    roots = ("cupy", "cupyx", "cupy_backends", "array_api_compat.cupy", "unmix.cuda.windows")
    return any(name == root or name.startswith(f"{root}.") for root in roots)
