"""The one door to array-api-compat: namespaces, devices, float types, host copies, draws.

Nothing here looks for a GPU library that the caller has not imported already.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import array_api_compat as compat
import numpy as np

from ._errors import BackendError, DataError, DTypeError, ParameterError
from ._typing import RNG, Array, HostArray, Namespace

FINITE_BLOCK = 1 << 22
"""Values that are looked at together when they are checked."""

is_array: Callable[[Any], bool] = compat.is_array_api_obj
is_numpy: Callable[[Namespace], bool] = compat.is_numpy_namespace
is_cupy: Callable[[Namespace], bool] = compat.is_cupy_namespace
is_torch: Callable[[Namespace], bool] = compat.is_torch_namespace
is_dask: Callable[[Any], bool] = compat.is_dask_array


def namespace_of(*arrays: Array) -> Namespace:
    """Return the common namespace of ``arrays`` (None is passed over), on one device."""
    # NumPy is a namespace of the standard itself; its shim would import numpy.testing and f2py
    if all(a is None or isinstance(a, (np.ndarray, np.generic)) for a in arrays):
        return np
    given = [a for a in arrays if a is not None]
    for a in given:
        if not is_array(a):
            raise BackendError(
                f"expected an array of an Array API namespace, but got {type(a).__name__}; "
                "wrap it with numpy.asarray"
            )
    try:
        xp = compat.array_namespace(*given)
    except TypeError:
        kinds = ", ".join(f"{type(a).__module__.split('.')[0]}.{type(a).__name__}" for a in given)
        raise BackendError(
            f"the arrays come from different namespaces ({kinds}); "
            "convert them to one before the call"
        ) from None
    devices = {str(compat.device(a)) for a in given}
    if len(devices) > 1:
        raise BackendError(
            f"the arrays lie on different devices ({', '.join(sorted(devices))}); "
            "move them to one before the call"
        )
    return xp


def device_of(array: Array) -> Any:
    """Return the device that ``array`` lies on."""
    return compat.device(array)


def namespace_name(xp: Namespace) -> str:
    """Return the plain name of a namespace: ``numpy``, ``torch``, ``array_api_strict``."""
    return str(xp.__name__).removeprefix("array_api_compat.").split(".")[0]


def float_type(array: Array) -> Any:
    """Return the floating type to compute in: float32 for up to 16 bits, else as it came.

    Integers of up to 16 bits and half precision are exact in float32; wider integers take float64.
    """
    xp = namespace_of(array)
    dtype = array.dtype
    # by size and not by name: NumPy's types of another byte order are not equal to its own
    if xp.isdtype(dtype, ("real floating", "complex floating")):
        return xp.float32 if xp.finfo(dtype).bits <= 32 else xp.float64
    narrow = xp.isdtype(dtype, "integral") and xp.iinfo(dtype).bits <= 16
    return xp.float32 if narrow else xp.float64


def as_float(array: Array) -> Array:
    """Return ``array`` in its computing type, in native byte order; no copy if it is so already."""
    xp = namespace_of(array)
    return xp.astype(array, float_type(array), copy=False)


def require_real(array: Array, what: str) -> Array:
    """Return ``array`` if it holds real numbers, else raise."""
    if isinstance(array, np.ndarray) and array.dtype.kind not in "iufcb":
        raise DTypeError(f"{what} has dtype {array.dtype}; expected integers or real floats")
    xp = namespace_of(array)
    if xp.isdtype(array.dtype, "bool"):
        raise DTypeError(
            f"{what} is boolean; expected integers or real floats: "
            "convert it first (for example with astype('uint8')) if this is intended"
        )
    if xp.isdtype(array.dtype, "complex floating"):
        raise DTypeError(
            f"{what} is complex ({array.dtype}); expected integers or real floats: "
            "take its modulus, phase, real or imaginary part first"
        )
    return array


def require_finite(array: Array, what: str) -> Array:
    """Return ``array`` if every value is finite, else raise with the count and the first place."""
    xp = namespace_of(array)
    if not xp.isdtype(array.dtype, "real floating"):
        return array
    # in blocks: the answer for a large array is not worth a mask of its size
    rows = array if array.ndim else xp.reshape(array, (1,))
    step = max(1, FINITE_BLOCK // max(1, math.prod(rows.shape[1:])))
    ends = [*range(step, rows.shape[0], step), rows.shape[0]]
    if all(xp.all(xp.isfinite(rows[i - min(step, i) : i, ...])) for i in ends):
        return array
    bad = np.argwhere(~to_host(xp.isfinite(array)))
    place = tuple(int(i) for i in bad[0])
    raise DataError(
        f"{what} holds {len(bad)} values that are NaN or infinite, the first at {place}; "
        "expected finite numbers: crop them away, or leave their samples out with nan='skip' "
        "(unmix.samples, unmix.open)"
    )


def to_host(array: Array) -> HostArray:
    """Copy (or view) ``array`` as a NumPy array."""
    if isinstance(array, np.ndarray):
        return array
    xp = namespace_of(array)
    if is_numpy(xp):  # a scalar: NumPy's functions give one for an array without axes
        return np.asarray(array)
    if is_cupy(xp):
        return np.asarray(array.get())
    if is_torch(xp):
        return np.asarray(array.detach().cpu().numpy())
    return np.asarray(np.from_dlpack(array))


def from_host(values: Any, like: Array, dtype: Any = None) -> Array:
    """Bring host ``values`` into the namespace and onto the device of ``like``."""
    xp = namespace_of(like)
    values = np.asarray(values)
    if is_numpy(xp):
        return np.asarray(values, dtype=dtype)
    if dtype is None:
        dtype = getattr(xp, values.dtype.name if values.dtype != np.bool_ else "bool")
    if not values.flags.writeable:  # torch warns about memory that it must not write to
        values = values.copy()
    values = np.asarray(values, dtype=values.dtype.newbyteorder("="), order="C")
    return xp.asarray(values, dtype=dtype, device=device_of(like))


class _HostExtension:
    """An optional extension of the standard, computed by NumPy for a namespace without it."""

    def __init__(self, module: Any, like: Array) -> None:
        self._module, self._like = module, like

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = getattr(self._module, name)

        def call(*args: Any, **options: Any) -> Any:
            host = [to_host(a) if is_array(a) else a for a in args]
            out = function(*host, **options)
            if isinstance(out, tuple):
                return tuple(from_host(o, self._like) for o in out)
            return from_host(out, self._like)

        return call


def linalg(like: Array) -> Any:
    """Return the ``linalg`` extension for the namespace of ``like``."""
    return getattr(namespace_of(like), "linalg", None) or _HostExtension(np.linalg, like)


def fft(like: Array) -> Any:
    """Return the ``fft`` extension for the namespace of ``like``."""
    return getattr(namespace_of(like), "fft", None) or _HostExtension(np.fft, like)


def rng_key(rng: RNG) -> int:
    """Turn ``rng`` into the one 63-bit key that every draw of a call comes from.

    A whole number is its own key; a generator gives its next one.
    """
    if isinstance(rng, np.random.Generator):
        return int(rng.integers(0, 2**63 - 1))
    value: Any = rng
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or not 0 <= rng < 2**63:
        raise ParameterError(
            f"rng is {rng!r}; expected a whole number from 0 to 2**63 - 1 "
            "or a numpy.random.Generator"
        )
    return int(rng)


def generator(key: int, stream: int, block: int = 0) -> np.random.Generator:
    """Return the generator of one numbered stream of ``key``; streams are independent.

    A stream has blocks that are independent too: they are 2**192 steps of the counter apart.
    """
    return np.random.Generator(np.random.Philox(key=[key, stream], counter=[0, 0, 0, block]))


def uniform_per_sample(key: int, stream: int, numbers: HostArray, width: int) -> HostArray:
    """Draw ``width`` uniform numbers for each sample, the same ones in whatever tile it comes.

    ``numbers`` are the samples' numbers in the whole map, ascending. The counter of the generator
    is advanced to each run of consecutive numbers.
    """
    blocks = -(-width // 4)  # one step of Philox's counter gives four numbers
    out = np.empty((len(numbers), width))
    breaks = np.flatnonzero(np.diff(numbers) != 1) + 1
    for start, stop in zip([0, *breaks], [*breaks, len(numbers)], strict=True):
        if stop > start:
            bits = np.random.Philox(key=[key, stream]).advance(int(numbers[start]) * blocks)
            draws = np.random.Generator(bits).random((stop - start, blocks * 4))
            out[start:stop] = draws[:, :width]
    return out
