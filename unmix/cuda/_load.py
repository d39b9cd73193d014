"""Where launchers get kernels and arrays: CuPy, and PyTorch's tensors through DLPack."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from .._typing import Array, Namespace

OPTIONS = ("-std=c++17",)

C_TYPES = {"float32": "float", "float64": "double"}
"""What kernels of floating numbers are instantiated for."""


class Kernels(Protocol):
    """What a launcher works with: an array namespace, and kernels for its arrays."""

    @property
    def xp(self) -> Namespace:
        """CuPy, or what stands in for it where kernels run on the host."""

    def get(self, file: str, instance: str) -> Callable[..., None]:
        """Return one kernel: ``kernel(grid, block, args, shared_mem=...)``."""


class CupyKernels:
    """Kernels for CuPy arrays on one device, each compiled when it is first asked for."""

    def __init__(self) -> None:
        import cupy

        self.xp: Namespace = cupy
        self._compiled: dict[tuple[str, str], Callable[..., None]] = {}

    def get(self, file: str, instance: str) -> Callable[..., None]:
        """Return one kernel, compiled with NVRTC by itself."""
        key = (file, instance)
        if key not in self._compiled:
            code = import_module("unmix._kernels").source(file)  # lies outside this folder
            module = self.xp.RawModule(code=code, options=OPTIONS, name_expressions=(instance,))
            self._compiled[key] = module.get_function(instance)
        return self._compiled[key]


@cache
def cupy_kernels(_device: int) -> CupyKernels:
    """Return the kernels of a device; they are compiled once for each."""
    return CupyKernels()


@contextmanager
def kernels_for(array: Array) -> Iterator[CupyKernels]:
    """Give the kernels for a CuPy array, with its device current."""
    with array.device:
        yield cupy_kernels(array.device.id)


def c_type(array: Array) -> str:
    """Return the name of the template argument for the numbers of an array."""
    return C_TYPES[array.dtype.name]


def flattened(kernels: Kernels, array: Array) -> tuple[Array, tuple[int, ...]]:
    """Return the memory under an array as one dense axis, and the steps along its own, in elements.

    A kernel takes an address: the dense view says how much of memory belongs to it. No copy.
    """
    size = array.dtype.itemsize
    steps = tuple(step // size for step in array.strides)
    if array.size == 0:
        return array.reshape(-1), steps
    reach = 1 + sum((n - 1) * step for n, step in zip(array.shape, steps, strict=True))
    strided = kernels.xp.lib.stride_tricks.as_strided
    return strided(array, shape=(reach,), strides=(size,)), steps


def on_torch(launch: Callable[..., Any], tensor: Array, *args: Any) -> Any:
    """Call a twin for CuPy arrays with CUDA tensors of PyTorch; nothing is copied.

    The work goes to PyTorch's current stream of the tensor's device, in order with the work around
    it. Tensors come back, a named tuple of arrays as one of tensors; host arrays and numbers pass
    through.
    """
    import cupy

    torch = import_module("torch")  # from_dlpack is no part of what its types declare
    stream = torch.cuda.current_stream(tensor.device).cuda_stream
    with cupy.cuda.Device(tensor.device.index), cupy.cuda.ExternalStream(stream):
        given = [cupy.from_dlpack(a) if isinstance(a, torch.Tensor) else a for a in args]
        return _tensors(launch(cupy.from_dlpack(tensor), *given), torch.from_dlpack)


def _tensors(result: Any, convert: Callable[[Any], Any]) -> Any:
    if not isinstance(result, tuple):
        return convert(result)
    items = [_tensors(r, convert) for r in result]
    return type(result)(*items) if hasattr(result, "_fields") else tuple(items)


def rows_per_block(
    n: int, *, most_blocks: int, least: int, most: int | None = None, step: int
) -> int:
    """Choose how many rows each block takes: whole ``step``, from the shapes alone.

    About ``most_blocks`` blocks where that leaves each from ``least`` to ``most`` rows. The card
    has no say in it: partial sums are the same everywhere.
    """
    rows = max(least, -(-n // most_blocks))
    if most is not None:
        rows = min(rows, max(most, least))
    return -(-rows // step) * step


def host_to(kernels: Kernels, values: Any, dtype: Any) -> Array:
    """Bring small host values to the device, dense and in the type that a kernel takes."""
    return kernels.xp.asarray(np.ascontiguousarray(values, dtype=dtype))
