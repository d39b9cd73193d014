"""An array that does what CuPy's does, refuses what it refuses, and lies in main memory."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from .device import Device, allocated, is_pinned, waited

KINDS = {"b": (1,), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (2, 4, 8), "c": (8, 16)}


class ndarray:
    """A device array; `_memory` is the only way to its values that does not count as waiting."""

    __slots__ = ("_memory",)
    __array_priority__ = 100
    __hash__ = None  # type: ignore[assignment]
    _memory: np.ndarray[Any, Any]

    def __init__(self, shape: Any, dtype: Any = float, order: str = "C") -> None:
        self._memory = np.empty(plain(shape), dtype, order)
        # what was there before is no number that a test could pass with
        whole = self._memory if order == "C" else self._memory.T
        whole.reshape(-1).view(np.uint8)[:] = 0xFF
        wrap(self._memory)  # looks at the type, and counts the bytes

    # -- what it is ----------------------------------------------------------------------------

    dtype = property(lambda self: self._memory.dtype)
    shape = property(lambda self: self._memory.shape)
    strides = property(lambda self: self._memory.strides)
    ndim = property(lambda self: self._memory.ndim)
    size = property(lambda self: self._memory.size)
    itemsize = property(lambda self: self._memory.itemsize)
    nbytes = property(lambda self: self._memory.nbytes)
    device = property(lambda self: Device(0))
    T = property(lambda self: wrap(self._memory.T))
    mT = property(lambda self: wrap(self._memory.mT))
    real = property(lambda self: wrap(self._memory.real))
    imag = property(lambda self: wrap(self._memory.imag))

    @property
    def flags(self) -> Any:
        flags = self._memory.flags
        return SimpleNamespace(
            c_contiguous=flags.c_contiguous, f_contiguous=flags.f_contiguous, owndata=flags.owndata
        )

    @property
    def data(self) -> Any:
        return SimpleNamespace(ptr=self._memory.ctypes.data)

    # -- what goes to the host and back: each waits for the device -------------------------------

    def get(self, *_: Any, **__: Any) -> np.ndarray[Any, Any]:
        waited("get")
        return self._memory.copy()

    def set(self, values: np.ndarray[Any, Any], stream: Any = None) -> None:
        if not isinstance(values, np.ndarray):
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if values.dtype != self.dtype:
            raise TypeError(f"{values.dtype} array cannot be set to {self.dtype} array")
        if values.shape != self.shape:
            raise ValueError(f"Shape mismatch. Old shape: {self.shape}, new shape: {values.shape}")

        def copy() -> None:
            self._memory[...] = values

        if stream is not None and is_pinned(values):
            stream._waiting.append(copy)
        else:
            copy()

    def item(self, *args: int) -> Any:
        waited("item")
        return self._memory.item(*args)

    def tolist(self) -> Any:
        waited("tolist")
        return self._memory.tolist()

    def __bool__(self) -> bool:
        waited("__bool__")
        return bool(self._memory)

    def __int__(self) -> int:
        waited("__int__")
        return int(self._memory)

    def __float__(self) -> float:
        waited("__float__")
        return float(self._memory)

    def __complex__(self) -> complex:
        waited("__complex__")
        return complex(self._memory)

    def __repr__(self) -> str:
        waited("__repr__")
        return repr(self._memory)

    def __format__(self, spec: str) -> str:
        waited("__format__")
        return format(self._memory[()] if self.ndim == 0 else self._memory, spec)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly."
        )

    def __dlpack_device__(self) -> tuple[int, int]:
        return (2, 0)  # CUDA: NumPy and CPU frameworks refuse it

    def __dlpack__(self, **_: Any) -> Any:
        raise BufferError("the memory of a device array; its stand-in has none to share")

    # -- parts ---------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._memory)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: Any) -> Any:
        return wrap(self._memory[_key(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        place = _key(key)
        if isinstance(value, np.ndarray) and value.ndim:
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        self._memory[place] = value if isinstance(value, np.ndarray) else plain(value)

    def take(self, indices: Any, axis: int | None = None, out: Any = None) -> Any:
        indices = indices if isinstance(indices, np.ndarray) else plain(indices)
        return wrap(np.take(self._memory, indices, axis, None if out is None else out._memory))

    def astype(self, dtype: Any, order: str = "K", casting: Any = None, copy: bool = True) -> Any:
        with quiet():
            result = self._memory.astype(dtype, order=order, copy=copy)
        return self if result is self._memory else wrap(result)

    # -- arithmetic ----------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if method != "__call__":
            return NotImplemented
        return elementwise(ufunc, *inputs, **options)

    def __array_function__(self, function: Any, _types: Any, args: Any, options: Any) -> Any:
        from . import modules

        path = function.__module__.split(".")[1:]
        module = modules()[".".join(["cupy", *path])]
        return getattr(module, function.__name__)(*args, **options)


def wrap(value: Any) -> Any:
    """Make device arrays of arrays and NumPy's scalars; everything else stays."""
    if isinstance(value, tuple):
        return tuple(wrap(v) for v in value)
    if isinstance(value, list):
        return [wrap(v) for v in value]
    if not isinstance(value, np.ndarray | np.generic):
        return value
    if value.itemsize not in KINDS.get(value.dtype.kind, ()) or not value.dtype.isnative:
        raise ValueError(f"Unsupported dtype {value.dtype}")
    array = ndarray.__new__(ndarray)
    array._memory = np.asarray(value)
    if array._memory.flags.owndata:
        allocated(value.nbytes)
    return array


def plain(value: Any) -> Any:
    """Return what NumPy works with; arrays in main memory are refused."""
    if isinstance(value, ndarray):
        return value._memory
    if isinstance(value, tuple | list) and type(value) in (tuple, list):
        return type(value)(plain(v) for v in value)
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)}")
    return value


def quiet() -> Any:
    """A device warns of nothing: neither of a division by zero nor of an empty mean."""
    return warnings.catch_warnings(action="ignore", category=RuntimeWarning)


def elementwise(ufunc: Any, *inputs: Any, **options: Any) -> Any:
    """Apply one of NumPy's ufuncs to device arrays and scalars: to nothing else."""
    if unknown := options.keys() - {"out", "dtype", "casting"}:
        raise TypeError(f"Wrong arguments {unknown}")
    for value in inputs:
        if not isinstance(value, ndarray | np.generic | bool | int | float | complex):
            raise TypeError(f"Unsupported type {type(value)}")
    with quiet():
        result = ufunc(*map(plain, inputs), **{k: plain(v) for k, v in options.items()})
    out = options.get("out")
    if out is not None:
        return out[0] if isinstance(out, tuple) else out
    return wrap(result)


def _key(key: Any) -> Any:
    """Return an index for NumPy: CuPy takes host arrays and lists here, and copies them."""
    if isinstance(key, tuple):
        return tuple(_key(k) for k in key)
    if isinstance(key, ndarray):
        if key.dtype.kind == "b":
            waited("boolean index")
        elif key.dtype.kind not in "iu":
            raise IndexError("arrays used as indices must be of integer or boolean type")
        return key._memory
    bounds = (key.start, key.stop, key.step) if isinstance(key, slice) else ()
    if any(isinstance(b, ndarray) for b in bounds):
        raise TypeError("slice indices must be integers or None or have an __index__ method")
    return key
