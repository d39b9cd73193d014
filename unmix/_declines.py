"""Why kernels cannot run on an array: reasons for `unmix.explain`.

Nothing here imports cupy or numba.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from ._fft_shape import SIDES, fft_shared, project_block
from ._typing import Array, HostArray
from .ops.abundances import Mixing
from .ops.windows import pair

SHARED = 48 * 1024
"""Bytes of shared memory that a block may have without asking."""
MOST_SHARED = 227 * 1024
"""The most that it may ask for on any device."""
MOST_VECTORS = 32
"""Vectors that spectra are projected on in the kernel that computes them."""
LARGEST_FACTOR = 13
"""The largest factor of the height of a window that numba's loops are written for."""
MOST_DIRECTIONS = 64
"""Columns of a sketch."""


def table(rows: Array, *_: Any, **__: Any) -> str | None:
    """Decline what the kernels for tables of samples do not read; the first array is the table."""
    name = str(rows.dtype).removeprefix("torch.")
    if name not in ("float32", "float64"):
        return f"its kernel reads float32 and float64, and the rows are {name}"
    return _unfit(rows)


def compiled(rows: Array, *_: Any, **__: Any) -> str | None:
    """Decline what `table` declines, and everything where numba is missing."""
    if not has_numba():
        return "its kernel is compiled by numba, which is not installed: pip install 'unmix[cpu]'"
    return table(rows)


@cache
def has_numba() -> bool:
    """Tell whether numba can be imported, without importing it."""
    return find_spec("numba") is not None


def _unfit(rows: Array) -> str | None:
    """Decline what is no table, or lies in memory as no kernel reads it."""
    if rows.ndim != 2:
        return f"its kernel reads a table (sample, feature), and the array has {rows.ndim} axes"
    if 0 in rows.shape:
        return f"the table has shape {tuple(rows.shape)}: there is nothing to launch a kernel for"
    if any(step < 0 for step in getattr(rows, "strides", ())):
        return "its kernel walks forward in memory, and the rows lie backwards: copy them first"
    return None


def raced(
    rows: Array,
    *_: Any,
    squared: Array | None = None,
    exponentials: Array | None = None,
    **__: Any,
) -> str | None:
    """Decline what `table` declines, and races in numbers that the kernel does not read."""
    for numbers in (squared, exponentials):
        name = "float64" if numbers is None else str(numbers.dtype).removeprefix("torch.")
        if name not in ("float32", "float64"):
            return f"its kernel divides float32 and float64, and the distances or draws are {name}"
    return table(rows)


def torch_tensor(tensor: Array) -> str | None:
    """Decline tensors that no kernel can reach."""
    if tensor.device.type != "cuda":
        return f"its kernel needs a CUDA device, and the tensor lies on {tensor.device}"
    if tensor.requires_grad:
        return "its kernel gives no gradients, and the tensor asks for them: detach it first"
    if find_spec("cupy") is None:
        return "its kernel is launched by CuPy, which is not installed"
    return None


def on_torch(declines: Callable[..., str | None]) -> Callable[..., str | None]:
    """Decline tensors that no kernel can reach, and those that ``declines`` declines."""
    return lambda tensor, *rest, **options: (
        torch_tensor(tensor) or declines(tensor, *rest, **options)
    )


def most_shared(array: Array) -> int:
    """Return how many bytes of shared memory a block may ask for on the device of an array."""
    attributes = getattr(getattr(array, "device", None), "attributes", None)
    return attributes["MaxSharedMemoryPerBlockOptin"] if attributes else MOST_SHARED


def spectra(
    image: Array,
    *_: Any,
    window: int | tuple[int, int] | None = None,
    output: str = "amplitude",
    fft_shape: tuple[int, int] | None = None,
    rows: HostArray | None = None,
    columns: HostArray | None = None,
    **__: Any,
) -> str | None:
    """Decline images, windows and outputs that the FFT kernel is not written for."""
    name = str(image.dtype).removeprefix("torch.")
    if name not in ("uint8", "uint16", "int16", "float16", "float32"):
        return (
            "its kernel computes in float32 and reads uint8, uint16, int16, float16 and float32, "
            f"and the image is {name}"
        )
    if output == "complex":
        return "its kernel writes moduli alone, and the output is 'complex'"
    for numbers in (rows, columns):
        if numbers is not None and len(np.unique(numbers)) != len(numbers):
            return "its kernel writes a row or a column once, and one is asked for twice"
    if window is None:
        return None
    n_y, n_x = pair(window)
    if n_y not in SIDES or n_x not in SIDES:
        return (
            "its kernel transforms windows of 8, 16, 32, 64 or 128 pixels a side, and these are "
            f"{n_y} x {n_x}"
        )
    if fft_shape is not None and pair(fft_shape) != (n_y, n_x):
        return (
            f"its kernel does not pad windows, and those of {n_y} x {n_x} are to become "
            f"{fft_shape[0]} x {fft_shape[1]}"
        )
    return _too_much(
        image, fft_shared((n_y, n_x), n_x // 2 + 1 if columns is None else len(columns))
    )


def compiled_spectra(
    _: Array,
    *__: Any,
    window: int | tuple[int, int] | None = None,
    fft_shape: tuple[int, int] | None = None,
    **___: Any,
) -> str | None:
    """Decline where there is no compiler, and transforms that do not split into short ones."""
    if find_spec("numba") is None:
        return "its kernel is compiled by numba, which is not installed: pip install 'unmix[cpu]'"
    if window is None:
        return None
    n = pair(window if fft_shape is None else fft_shape)[0]
    rest = n
    for r in range(2, LARGEST_FACTOR + 1):
        while rest > 1 and rest % r == 0:
            rest //= r
    if rest > 1:
        return (
            f"its kernel splits transforms into those of up to {LARGEST_FACTOR} rows, and "
            f"{n} = {n // rest} x {rest}"
        )
    return None


def _too_much(array: Array, needed: int) -> str | None:
    """Decline what a block of the device has no room for."""
    if needed <= SHARED or needed <= most_shared(array):
        return None
    return (
        f"its kernel needs {needed} bytes of shared memory for these windows, and a block of the "
        f"device has {most_shared(array)}"
    )


def projected(
    image: Array,
    *_: Any,
    vectors: Array | None = None,
    window: int | tuple[int, int] | None = None,
    rows: HostArray | None = None,
    columns: HostArray | None = None,
    **options: Any,
) -> str | None:
    """Decline what `spectra` declines, and what a block cannot hold sums for."""
    if vectors is not None and not 1 <= vectors.shape[1] <= MOST_VECTORS:
        return (
            f"its kernel projects on 1 to {MOST_VECTORS} vectors, and there are {vectors.shape[1]}"
        )
    why = spectra(image, window=window, rows=rows, columns=columns, **options)
    if why is not None or window is None:
        return why
    n_y, n_x = pair(window)
    n_rows = n_y if rows is None else len(rows)
    n_columns = n_x // 2 + 1 if columns is None else len(columns)
    return _too_much(image, project_block((n_y, n_x), n_rows, n_columns, 0).shared)


def counted(rows: Array, *_: Any, q: Array | None = None, **__: Any) -> str | None:
    """Decline tables and numbers of directions that the sketch kernels are not written for."""
    name = str(rows.dtype).removeprefix("torch.")
    if name not in ("uint8", "uint16", "float32"):
        return (
            "its kernels multiply in float32 and read uint8, uint16 and float32, and the rows are "
            f"{name}"
        )
    if q is not None and not 1 <= q.shape[1] <= MOST_DIRECTIONS:
        return (
            f"its kernels take 1 to {MOST_DIRECTIONS} directions at once, and there are "
            f"{q.shape[1]}"
        )
    return _unfit(rows)


def supports(points: Array, *_: Any, problem: Mixing | None = None, **__: Any) -> str | None:
    """Decline where there is no compiler, or no table of the maps of all supports."""
    if find_spec("numba") is None:
        return "its kernel is compiled by Numba, which is not installed: pip install unmix[cpu]"
    if problem is not None and problem.table is None:
        return (
            "its kernel reads the maps of all supports from a table, which is not made for so many "
            f"endmembers or so few samples: {len(problem.vertices)} and {points.shape[1]} here"
        )
    return None
