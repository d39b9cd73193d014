"""Check the arguments of a launch against the parameters of the kernel, and lay them out.

CuPy copies whatever it is given into the launch; what it would misread is refused here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import LaunchError

DEFAULT_SHARED = 48 * 1024
MOST_SHARED = 227 * 1024  # of compute capability 9.0 and 10.0, with the opt-in
_KIND = {"b": "b", "i": "i", "u": "u", "f": "f"}
_VECTOR = {"float": "f4", "double": "f8", "int": "i4", "uint": "u4", "short": "i2", "ushort": "u2"}
_VECTOR |= {"char": "i1", "uchar": "u1", "longlong": "i8", "ulonglong": "u8"}


@dataclass(frozen=True)
class Parameter:
    """One parameter of a kernel; kind, constant and size are the pointee's if it is a pointer."""

    kind: str
    pointer: bool
    constant: bool
    size: int
    type: str

    @classmethod
    def parse(cls, line: str) -> Parameter:
        """Read a line of ``hostcuda_describe``."""
        kind, pointer, constant, size, type_ = line.split(" ", 4)
        return cls(kind, pointer == "1", constant == "1", int(size), type_)

    def vector(self) -> str | None:
        """Return the dtype of the elements if this points at CUDA vectors such as float4."""
        name = self.type.removeprefix("const ").split(" ")[0].split("*")[0]
        return _VECTOR.get(name[:-1]) if name[-1:] in "1234" else None


@dataclass(frozen=True)
class Signature:
    """What a kernel takes."""

    most_threads: int
    parameters: list[Parameter]

    @classmethod
    def parse(cls, text: str) -> Signature:
        """Read what ``hostcuda_describe`` returns."""
        first, *rest = text.splitlines()
        return cls(int(first), [Parameter.parse(line) for line in rest])


@dataclass(frozen=True)
class Packed:
    """What the runtime is given."""

    buffers: list[tuple[int, int, int, bool]]  # address, bytes, skew, constant
    arguments: list[tuple[int, int, bytes]]  # buffer or -1, offset, value
    keep: list[Any]  # what must outlive the launch


def _check_array(where: str, parameter: Parameter, array: np.ndarray) -> None:
    if not parameter.pointer:
        raise LaunchError(f"{where} is no pointer, but an array of {array.dtype} came")
    if not array.flags.c_contiguous:
        raise LaunchError(f"{where}: the array is not C-contiguous, and the kernel sees no strides")
    if not array.flags.writeable and not parameter.constant:
        raise LaunchError(f"{where} may be written, but the array is read-only")
    if not array.dtype.isnative:
        raise LaunchError(f"{where}: {array.dtype} is not in the byte order of the machine")
    dtype, size = array.dtype, array.dtype.itemsize
    if parameter.kind == "v":
        return
    if parameter.kind == "s":
        element = parameter.vector()
        if element is None:  # a struct of the kernel's own: its size is all that is known
            fits = size == parameter.size
        else:
            real = np.dtype(f"f{size // 2}") if dtype.kind == "c" else dtype
            fits = real == np.dtype(element) and array.nbytes % parameter.size == 0
    elif (parameter.kind, parameter.size) == ("u", 2) and dtype == np.float16:
        fits = True  # without a header, a half is its bits
    else:
        fits = _KIND.get(dtype.kind) == parameter.kind and size == parameter.size
    if not fits:
        raise LaunchError(f"{where}: an array of {dtype} came")


def _scalar(where: str, parameter: Parameter, value: Any) -> bytes:
    given = type(value).__name__
    if isinstance(value, bool | int | float) and not isinstance(value, np.generic):
        # CuPy passes these as bool, long long and double.
        value = {bool: np.bool_, int: np.int64, float: np.float64}[type(value)](value)
        given = f"{given} (which CuPy passes as {value.dtype})"
    if not isinstance(value, np.generic):
        raise LaunchError(f"{where}: {given} is neither an array nor a NumPy scalar")
    if parameter.pointer:
        raise LaunchError(f"{where} is a pointer, but {given} came")
    if _KIND.get(value.dtype.kind) != parameter.kind or value.dtype.itemsize != parameter.size:
        raise LaunchError(f"{where}: {given} came")
    return value.tobytes()


def pack(name: str, signature: Signature, args: Sequence[Any]) -> Packed:
    """Check ``args`` and group the arrays that share memory into buffers."""
    if not isinstance(args, tuple):
        raise LaunchError(f"{name}: the arguments are a tuple, not {type(args).__name__}")
    parameters = signature.parameters
    if len(args) != len(parameters):
        raise LaunchError(f"{name} takes {len(parameters)} arguments, and {len(args)} came")
    values: list[bytes] = []
    spans: list[tuple[int, int, int]] = []  # first byte, end, argument
    for i, (parameter, value) in enumerate(zip(parameters, args, strict=True)):
        where = f"{name}: argument {i} ({parameter.type})"
        values.append(b"")
        if isinstance(value, np.ndarray):
            _check_array(where, parameter, value)
            spans.append((value.ctypes.data, value.ctypes.data + value.nbytes, i))
        else:
            values[i] = _scalar(where, parameter, value)
    buffers: list[tuple[int, int, int, bool]] = []
    places: dict[int, tuple[int, int]] = {}
    for start, end, i in sorted(spans):
        constant = parameters[i].constant
        if buffers and start < buffers[-1][0] + buffers[-1][1]:  # overlaps with the one before
            base, nbytes, skew, const = buffers[-1]
            buffers[-1] = (base, max(nbytes, end - base), skew, const and constant)
        else:
            buffers.append((start, end - start, start % 16, constant))
        places[i] = (len(buffers) - 1, start - buffers[-1][0])
    arguments = [(*places.get(i, (-1, 0)), values[i]) for i in range(len(args))]
    return Packed(buffers, arguments, list(args))


def _three(name: str, what: str, size: Any) -> tuple[int, int, int]:
    numbers = size if isinstance(size, tuple) and 1 <= len(size) <= 3 else (None,)
    if not all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in numbers):
        raise LaunchError(f"{name}: the {what} is a tuple of one to three integers, not {size!r}")
    x, y, z = (*(int(n) for n in size), 1, 1)[:3]
    if min(x, y, z) < 1:
        raise LaunchError(f"{name}: the {what} {size} is empty: launch nothing for an empty input")
    return x, y, z


def check_geometry(
    name: str, signature: Signature, grid: Any, block: Any, shared: Any, opted: int | None
) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Return grid and block as three integers each, if a device would take them."""
    grid, block = _three(name, "grid", grid), _three(name, "block", block)
    if any(n > most for n, most in zip(grid, (2**31 - 1, 65535, 65535), strict=True)):
        raise LaunchError(f"{name}: the grid {grid} is over (2147483647, 65535, 65535)")
    if math.prod(block) > 1024 or block[2] > 64:
        raise LaunchError(f"{name}: the block {block} is over 1024 threads or (1024, 1024, 64)")
    if math.prod(block) > signature.most_threads:
        raise LaunchError(
            f"{name}: the block {block} is over the kernel's {signature.most_threads}"
        )
    if not isinstance(shared, int | np.integer) or shared < 0:
        raise LaunchError(f"{name}: shared_mem is a number of bytes, not {shared!r}")
    most = DEFAULT_SHARED if opted is None else opted
    if shared > most:
        raise LaunchError(
            f"{name}: {shared} bytes of dynamic shared memory, but {most} is the most; "
            "max_dynamic_shared_size_bytes of the kernel raises it"
        )
    return grid, block
