"""k-means in one or two reads of the rows: ``kernels/kmeans.cu``."""

from __future__ import annotations

from typing import Any

from .._typing import Array
from ..ops.kmeans import Assignment, Seed
from ._load import Kernels, c_type, flattened, kernels_for, on_torch, rows_per_block

FILE = "kmeans.cu"
TILE, WARPS = 64, 4
THREADS = 32 * WARPS
PARTS, GROUP, SEGMENT = 256, 32, 512
MOST_BLOCKS = 4096
SHARED = 48 * 1024
"""Bytes of shared memory that a block may have without asking."""
MOST_SHARED = 64 * 1024
"""Bytes that every card since compute capability 7.5 gives to a kernel that asks."""
ROWS = 4096
"""Rows that sums in the computing type run over, at most; beyond, they are added in double."""


def nearest(rows: Array, centers: Array, origin: Array) -> tuple[Array, Array]:
    """Nearest centre of each row of a CuPy array; see `unmix.ops.nearest`.

    Rows of float32 or float64 with any steps but negative ones, read where they lie, once for 32
    or 64 centres. Allocates the results and a copy of the centres. Ties go to the lowest centre.
    """
    with kernels_for(rows) as kernels:
        return label_rows(kernels, rows, centers, origin)


def assign(rows: Array, centers: Array, origin: Array, norms: Array) -> Assignment:
    """One part of a step of Lloyd's iteration on a CuPy array; see `unmix.ops.assign`.

    Rows as for `nearest`, read once where centres and sums fit in shared memory, else twice, else
    (more than 96 centres in float32, 48 in float64) once for the labels and once for each start.
    Allocates partial sums of at most 2 (f + 1) bytes for each row, or one set of sums; where rows
    are read more than once, for each row and start 4 bytes and one number; for many centres, 11
    bytes for each row. Norms are copied where they are not dense or of another type.
    """
    with kernels_for(rows) as kernels:
        return assign_rows(kernels, rows, centers, origin, norms)


def race(rows: Array, squared: Array, exponentials: Array) -> Seed:
    """Draw the next k-means++ centre on CuPy arrays; see `unmix.ops.race`.

    Squared distances and exponentials are copied where they are not dense or differ in type.
    Allocates at most 16 KiB for each start beside that and the results.
    """
    with kernels_for(rows) as kernels:
        return race_rows(kernels, rows, squared, exponentials)


def nearest_torch(rows: Array, centers: Array, origin: Array) -> tuple[Array, Array]:
    """Nearest centre of each row of a CUDA tensor; see `nearest`."""
    found: tuple[Array, Array] = on_torch(nearest, rows, centers, origin)
    return found


def assign_torch(rows: Array, centers: Array, origin: Array, norms: Array) -> Assignment:
    """One part of a step of Lloyd's iteration on CUDA tensors; see `assign`."""
    seen: Assignment = on_torch(assign, rows, centers, origin, norms)
    return seen


def race_torch(rows: Array, squared: Array, exponentials: Array) -> Seed:
    """Draw the next k-means++ centre on CUDA tensors; see `race`."""
    seed: Seed = on_torch(race, rows, squared, exponentials)
    return seed


class _Step:
    """What every kernel of one step needs: rows with their steps, and centres about the origin."""

    def __init__(self, kernels: Kernels, rows: Array, centers: Array, origin: Array) -> None:
        xp = kernels.xp
        self.kernels, self.xp, self.rows = kernels, xp, rows
        self.real, self.size = c_type(rows), rows.dtype.itemsize
        self.n, self.f = rows.shape
        self.s, self.k = centers.shape[:2]
        flat, steps = flattened(kernels, rows)
        self.row_args = (flat, self.n, *steps, self.f)
        self.origin = xp.ascontiguousarray(origin, dtype=rows.dtype)
        centers = xp.ascontiguousarray(centers, dtype=rows.dtype).reshape(-1)
        self.away = xp.empty(centers.shape, dtype=rows.dtype)
        self.squares = xp.empty(self.n_centers, dtype=rows.dtype)
        args = (centers, self.origin, self.f, self.away, self.squares)
        self.run("kmeans_offsets<{}>", (self.n_centers,), THREADS, args)

    @property
    def n_centers(self) -> int:
        return int(self.s * self.k)

    @property
    def lane_centers(self) -> int:
        """Centres of one lane in a product: C of the kernels."""
        return 4 if self.size == 8 or self.n_centers <= 32 else 8

    def fused_lane_centers(self) -> int | None:
        """Centres of one lane in `kmeans_fused`, or None if no number lets it run."""
        for c in (self.lane_centers, 4):
            if fused_shared(self.s, self.k, self.f, self.size, c, 1) <= MOST_SHARED:
                return c
        return None

    def run(
        self,
        kernel: str,
        grid: tuple[int, ...],
        threads: int,
        args: tuple[Any, ...],
        shared: int = 0,
    ) -> None:
        """Launch one kernel; ``{}`` in its name stands for the type of the rows."""
        call: Any = self.kernels.get(FILE, kernel.format(self.real))
        if shared > SHARED:
            call.max_dynamic_shared_size_bytes = MOST_SHARED
        call(grid, (threads,), args, shared_mem=shared)

    def empty(self, shape: Any, dtype: Any) -> Array:
        return self.xp.empty(shape, dtype=dtype)


def label_rows(kernels: Kernels, rows: Array, centers: Array, origin: Array) -> tuple[Array, Array]:
    """Labels (n, s) and relative distances (n, s), as transposed views."""
    labels, relative = _labels(_Step(kernels, rows, centers, origin))
    return labels.T, relative.T


def assign_rows(
    kernels: Kernels, rows: Array, centers: Array, origin: Array, norms: Array
) -> Assignment:
    """Choose the way to the sums by the shapes, and put the results together."""
    step = _Step(kernels, rows, centers, origin)
    xp, s, k, f = step.xp, step.s, step.k, step.f
    norms = xp.ascontiguousarray(norms, dtype=rows.dtype)
    c = step.fused_lane_centers()
    if c is not None:
        cells, *spread = _fused(step, norms, c)
    else:
        labels, relative = _labels(step)
        spread = list(_spread(step, relative, norms))
        cells = _sums(step, labels) if k <= column_centers(step.size) else _sorted(step, labels)
    inertia, farthest, row = _spread_totals(step, *spread)
    counts = cells[:, f]
    sums = cells[:, :f] + counts[:, None] * step.origin.astype(xp.float64)
    return Assignment(
        counts.reshape(s, k),
        sums.reshape(s, k, f),
        inertia,
        farthest,
        xp.take(rows, row, axis=0),
    )


def race_rows(kernels: Kernels, rows: Array, squared: Array, exponentials: Array) -> Seed:
    """Run the race of each start: rows of blocks first, then the best of the blocks."""
    xp = kernels.xp
    n, s = squared.shape
    dtype = xp.promote_types(squared.dtype, exponentials.dtype)
    squared, exponentials = (xp.ascontiguousarray(a, dtype=dtype) for a in (squared, exponentials))
    per_block = rows_per_block(n, most_blocks=1024, least=2048, step=1)
    blocks = -(-n // per_block)
    best, best_row = (xp.empty((s, blocks), dtype=t) for t in (dtype, xp.int64))
    times, winners = xp.empty(s, dtype=dtype), xp.empty(s, dtype=xp.int64)
    real = c_type(squared)
    run = kernels.get(FILE, f"kmeans_race<{real}>")
    run((blocks,), (PARTS,), (squared, exponentials, n, s, per_block, best, best_row))
    finish = kernels.get(FILE, f"kmeans_race_finish<{real}>")
    finish((s,), (PARTS,), (best, best_row, blocks, times, winners))
    return Seed(times, xp.take(rows, winners, axis=0))


def fused_shared(s: int, k: int, f: int, size: int, lane_centers: int, copies: int) -> int:
    """Bytes of shared memory of `kmeans_fused`, as it lays them out."""
    stride, centers = tile_stride(f, size), s * k
    table = -(-centers // (2 * lane_centers)) * 2 * lane_centers
    scores = 2 * WARPS * lane_centers * (TILE + 16 // lane_centers)
    numbers = (TILE + table) * stride + copies * centers * f + scores + s * (TILE + 2)
    return 32 * s + size * numbers + 4 * (s * TILE + centers)


def tile_stride(f: int, size: int) -> int:
    """Numbers from one row of a tile to the next: an odd count of 16-byte packs."""
    pack = 16 // size
    return (-(-f // pack) | 1) * pack


def column_centers(size: int) -> int:
    """Centres whose sums for 128 columns fit in shared memory."""
    return SHARED // (128 * size)


def _rows_of_block(step: _Step, columns: int) -> int:
    """Rows for one block: partial sums of one start stay under half the size of the rows."""
    least = min(ROWS, max(TILE, 4 * step.n_centers))
    blocks = max(1, 1024 // columns)
    return rows_per_block(step.n, most_blocks=blocks, least=least, most=ROWS, step=TILE)


def _fused(step: _Step, norms: Array, c: int) -> tuple[Array, ...]:
    s, k, f = step.s, step.k, step.f
    copies = min(TILE, max(1, THREADS // f))
    while copies > 1 and fused_shared(s, k, f, step.size, c, copies) > SHARED:
        copies //= 2
    per_block = _rows_of_block(step, 1)
    blocks = -(-step.n // per_block)
    cells = step.empty((blocks, step.n_centers * (f + 1)), step.xp.float64)
    spread = _spread_arrays(step, blocks)
    args = (*step.row_args, step.away, step.squares, step.origin, norms, s, k, per_block, copies)
    shared = fused_shared(s, k, f, step.size, c, copies)
    step.run(f"kmeans_fused<{{}}, {c}>", (blocks,), THREADS, (*args, cells, *spread), shared)
    return _total(step, cells, step.n_centers), *spread


def _labels(step: _Step) -> tuple[Array, Array]:
    shape = (step.s, step.n)
    labels, relative = step.empty(shape, step.xp.int32), step.empty(shape, step.rows.dtype)
    args = (*step.row_args, step.away, step.squares, step.origin, step.s, step.k, labels, relative)
    blocks = min(MOST_BLOCKS, -(-step.n // TILE))
    if blocks:
        step.run(f"kmeans_nearest<{{}}, {step.lane_centers}>", (blocks,), THREADS, args)
    return labels, relative


def _spread_arrays(step: _Step, blocks: int) -> tuple[Array, ...]:
    xp = step.xp
    return tuple(step.empty((blocks, step.s), t) for t in (xp.float64, step.rows.dtype, xp.int64))


def _spread(step: _Step, relative: Array, norms: Array) -> tuple[Array, ...]:
    per_block = rows_per_block(step.n, most_blocks=1024, least=2048, step=1)
    blocks = -(-step.n // per_block)
    spread = _spread_arrays(step, blocks)
    args = (relative, norms, step.n, per_block, *spread)
    step.run("kmeans_spread<{}>", (blocks, step.s), PARTS, args)
    return spread


def _spread_totals(
    step: _Step, inertia: Array, farthest: Array, row: Array
) -> tuple[Array, Array, Array]:
    xp = step.xp
    total, largest, at = (step.empty(step.s, t) for t in (xp.float64, xp.float64, xp.int64))
    args = (inertia, farthest, row, inertia.shape[0], total, largest, at)
    step.run("kmeans_spread_finish<{}>", (step.s,), PARTS, args)
    return total, largest, at


def _sums(step: _Step, labels: Array) -> Array:
    """Sums with one column per thread, for as many starts at once as shared memory holds."""
    width = next((w for w in (32, 64) if step.f + 1 <= w), 128)
    columns = -(-(step.f + 1) // width)
    at_once = max(1, column_centers(step.size) // step.k)
    per_block = _rows_of_block(step, columns)
    blocks = -(-step.n // per_block)
    parts = []
    for first in range(0, step.s, at_once):
        s = min(at_once, step.s - first)
        cells = step.empty((blocks, s * step.k * (step.f + 1)), step.xp.float64)
        its_labels = labels[first : first + s]
        args = (*step.row_args, step.origin, its_labels, s, step.k, per_block, cells)
        shared = s * step.k * width * step.size
        step.run("kmeans_sums<{}>", (blocks, columns), width, args, shared)
        parts.append(_total(step, cells, s * step.k))
    return parts[0] if len(parts) == 1 else step.xp.concatenate(parts)


def _total(step: _Step, cells: Array, n_centers: int) -> Array:
    """Add partial sums (partials, cells) up: (n_centers, f + 1)."""
    while cells.shape[0] > 1:
        partials, n_cells = cells.shape
        groups = -(-partials // GROUP)
        out = step.empty((groups, n_cells), step.xp.float64)
        grid = (groups * -(-n_cells // THREADS),)
        step.run("kmeans_total", grid, THREADS, (cells, partials, n_cells, out))
        cells = out
    return cells.reshape(n_centers, step.f + 1)


def _sorted(step: _Step, labels: Array) -> Array:
    """Sums along the rows sorted by label, start by start."""
    xp, n, k, f = step.xp, step.n, step.k, step.f
    per_piece = max(1024, 4 * k)
    pieces, segments = -(-n // per_piece), -(-n // SEGMENT)
    width = next((w for w in (32, 64) if f + 1 <= w), 128)
    columns = min(65535, -(-(f + 1) // width))
    order = step.empty(n, xp.int64)
    runs = step.empty((segments + k, f + 1), xp.float64)
    cells = step.empty((step.s, k, f + 1), xp.float64)
    for start in range(step.s):
        of_start = labels[start]
        counts = xp.zeros(k * pieces, dtype=xp.int32)
        step.run("kmeans_count", (pieces,), THREADS, (of_start, n, per_piece, counts))
        ends = xp.cumsum(counts, dtype=xp.int64)
        step.run("kmeans_place", (pieces,), 32, (of_start, n, per_piece, ends, counts, order))
        args = (*step.row_args, step.origin, of_start, order, runs)
        step.run("kmeans_segments<{}>", (segments, columns), width, args)
        grid = (k, min(65535, -(-(f + 1) // 32)))
        step.run("kmeans_join", grid, PARTS, (runs, ends, pieces, f, cells[start]))
    return cells.reshape(step.n_centers, f + 1)
