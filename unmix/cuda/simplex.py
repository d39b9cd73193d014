"""The search of N-FINDR in one read of the points: ``kernels/simplex.cu``."""

from __future__ import annotations

from .._typing import Array, HostArray
from ._load import Kernels, c_type, flattened, host_to, kernels_for, on_torch

FILE = "simplex.cu"
WARPS = 4
THREADS = 32 * WARPS
SHARED = 48 * 1024
"""Bytes of shared memory that a block may have without asking."""
WIDTHS = (4, 8, 12, 16, 20, 24)
"""Columns that `simplex_search` is instantiated for; more take `simplex_wide`."""
WIDE_FORMS, WIDE_ROWS = 16, 64
MOST_BLOCKS = 1024


def largest_forms(points: Array, forms: HostArray, offsets: HostArray) -> tuple[Array, Array]:
    """Largest modulus of linear forms over the rows of a CuPy array; see `unmix.ops.largest_forms`.

    Points of float32 or float64 with any steps but negative ones, read where they lie. Values come
    in the points' type, positions as int64, both on the device. Allocates at most 16 KiB for each
    form beside these and the forms themselves.
    """
    with kernels_for(points) as kernels:
        return search(kernels, points, forms, offsets)


def largest_forms_torch(points: Array, forms: HostArray, offsets: HostArray) -> tuple[Array, Array]:
    """Search the rows of a CUDA tensor; see `largest_forms`."""
    found: tuple[Array, Array] = on_torch(largest_forms, points, forms, offsets)
    return found


def search(
    kernels: Kernels, points: Array, forms: HostArray, offsets: HostArray, *, first: int = 0
) -> tuple[Array, Array]:
    """Search the rows from number ``first`` on; positions count from row 0."""
    xp, real, size = kernels.xp, c_type(points), points.dtype.itemsize
    (n, d), s = points.shape, len(forms)
    values, positions = xp.empty(s, dtype=points.dtype), xp.empty(s, dtype=xp.int64)
    if s == 0:
        return values, positions
    flat, steps = flattened(kernels, points)
    table = host_to(kernels, forms, points.dtype).reshape(-1)
    shifts = host_to(kernels, offsets, points.dtype)
    args = [flat, first, n, *steps, d, table, shifts, s]
    width = next((w for w in WIDTHS if d <= w), None)
    if width is None:
        kernel, shared = kernels.get(FILE, f"simplex_wide<{real}>"), 0
        per_block, rows = WIDE_FORMS, WARPS * WIDE_ROWS
    else:
        kernel = kernels.get(FILE, f"simplex_search<{real}, {width}>")
        per_block = forms_at_once(s, width, size)
        args.append(per_block)
        shared = search_shared(per_block, width, size)
        rows = THREADS * rows_of_lane(width, size)
    blocks = max(1, min(MOST_BLOCKS, -(-(n - first) // rows)))
    best, best_row = (xp.empty((s, blocks), dtype=t) for t in (points.dtype, xp.int64))
    kernel((blocks, -(-s // per_block)), (THREADS,), (*args, best, best_row), shared_mem=shared)
    finish = kernels.get(FILE, f"simplex_finish<{real}>")
    finish((s,), (THREADS,), (best, best_row, blocks, values, positions))
    return values, positions


def rows_of_lane(width: int, size: int) -> int:
    """Rows that one lane holds; as in the kernel."""
    words = width * size // 4
    return 4 if words <= 8 else 2 if words <= 24 else 1


def search_shared(per_block: int, width: int, size: int) -> int:
    """Bytes of shared memory for ``per_block`` forms at once; as the kernel lays them out."""
    return per_block * _of_form(width, size) + _staged(width, size)


def forms_at_once(s: int, width: int, size: int) -> int:
    """Forms for one read of the points: as many as fit, in equal groups."""
    most = (SHARED - _staged(width, size)) // _of_form(width, size)
    return -(-s // -(-s // most))


def _of_form(width: int, size: int) -> int:
    return (width + 1 + WARPS) * size + WARPS * 8


def _staged(width: int, size: int) -> int:
    return WARPS * 33 * width * size
