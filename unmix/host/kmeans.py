"""k-means on NumPy arrays: rows in blocks that stay in cache, and no sample looked at in vain.

The loops over samples are NumPy's here and numba's in `_kmeans_loops`; what they share is below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from .._typing import Array, HostArray
from ..ops.kmeans import is_far
from ..ops.reassign import Reassignment, limits

BLOCK_BYTES = 1 << 20
"""Rows that are looked at together: half of them may be copied, and all stay in cache."""


Found = tuple[HostArray, HostArray, HostArray]
r"""Number of the nearest centre, and \|x - c\|^2 - \|x - o\|^2 of the nearest and the second."""


class Loops(NamedTuple):
    """The loops over samples for one start."""

    waiting: Callable[[HostArray, HostArray, HostArray], HostArray]
    """(labels, limits, drift) -> numbers of the rows that must be looked at."""
    two_nearest: Callable[..., Found]
    """(rows, numbers, base, away, offset) -> of each row the nearest centre and two distances."""
    settle: Callable[..., HostArray]
    """(found, numbers, norms, reach, drift, n_features, labels, limits) -> the old labels."""
    transfer: Callable[..., None]
    """(rows, numbers, base, old, labels, counts, sums): what changed, added to the last two."""


def reassign(
    rows: Array, centers: Array, origin: Array, norms: Array, known: Array, drift: Array
) -> Reassignment:
    """Sort samples to moved centres with NumPy; see `unmix.ops.reassign`."""
    return reassign_by(NUMPY, rows, centers, origin, norms, known, drift)


def reassign_by(
    loops: Loops,
    rows: Array,
    centers: Array,
    origin: Array,
    norms: Array,
    known: Array,
    drift: Array,
) -> Reassignment:
    """Look at the samples whose limit is reached, block by block, for one start after another."""
    (s, k, f), dtype = centers.shape, rows.dtype
    rows, norms = np.ascontiguousarray(rows), np.ascontiguousarray(norms)
    drift, known = np.ascontiguousarray(drift, dtype), np.array(known)
    counts, sums = np.zeros((s, k)), np.zeros((s, k, f))
    base, away, offset = _bases(centers, origin)
    for i in range(s):
        labels, until = known[:, i], known[:, s + i]
        reach = np.max(np.vecdot(away[i], away[i]), keepdims=True) / 4
        numbers = loops.waiting(labels, until, drift[i])
        for block in _blocks(rows, numbers):
            found = loops.two_nearest(rows, block, base, away[i], offset[i])
            old = loops.settle(found, block, norms, reach, drift[i], f, labels, until)
            loops.transfer(rows, block, base, old, labels, counts[i], sums[i])
    sums += counts[:, :, None] * base.astype(np.float64)
    return Reassignment(counts, sums, known)


def nearest(rows: Array, centers: Array, origin: Array) -> tuple[Array, Array]:
    """Nearest centre of each row with NumPy; see `unmix.ops.nearest`."""
    return nearest_by(NUMPY, rows, centers, origin)


def nearest_by(
    loops: Loops, rows: Array, centers: Array, origin: Array
) -> tuple[HostArray, HostArray]:
    """Find the nearest centre of each row, block by block, for all starts."""
    shape = (rows.shape[0], centers.shape[0])
    labels, least = np.empty(shape, np.int32), np.empty(shape, rows.dtype)
    rows = np.ascontiguousarray(rows)
    base, away, offset = _bases(centers, origin)
    for block in _blocks(rows, np.arange(shape[0])):
        where = slice(block[0], block[-1] + 1)
        for i in range(shape[1]):
            found = loops.two_nearest(rows, block, base, away[i], offset[i])
            labels[where, i], least[where, i], _ = found
    return labels, least


def _bases(centers: Array, origin: Array) -> tuple[HostArray, HostArray, HostArray]:
    """Return the point that products are about, and factors and terms of all distances."""
    base = np.array(origin) if is_far(centers, origin) else np.zeros_like(origin)
    away = centers - origin
    offset = np.vecdot(away, away) + 2 * (away @ (origin - base))
    return base, -2 * away, offset


def _blocks(rows: HostArray, numbers: HostArray) -> Iterator[HostArray]:
    """Cut numbers of rows into blocks."""
    step = max(64, BLOCK_BYTES // (rows.itemsize * max(rows.shape[1], 64)))
    return (numbers[i : i + step] for i in range(0, len(numbers), step))


def _taken(rows: HostArray, numbers: HostArray) -> HostArray:
    """Return some rows: a view, where they follow one another."""
    first, stop = numbers[0], numbers[-1] + 1
    return rows[first:stop] if stop - first == len(numbers) else rows[numbers]


def _waiting(labels: HostArray, until: HostArray, drift: HostArray) -> HostArray:
    return np.flatnonzero(until <= drift[labels.astype(np.intp)])


def _two_nearest(
    rows: HostArray, numbers: HostArray, base: HostArray, away: HostArray, offset: HostArray
) -> Found:
    part = _taken(rows, numbers)
    relative = away @ (part - base if base.any() else part).T
    relative += offset[:, None]
    labels, least = np.empty(len(numbers), np.intp), np.min(relative, axis=0)
    for j in reversed(range(len(relative))):  # the lowest of equals is written last
        np.copyto(labels, j, where=relative[j] == least)
    relative[labels, np.arange(len(numbers))] = np.inf
    return labels, least, np.min(relative, axis=0)


def _settle(
    found: Found,
    numbers: HostArray,
    norms: HostArray,
    reach: HostArray,
    drift: HostArray,
    n_features: int,
    labels: HostArray,
    until: HostArray,
) -> HostArray:
    new, least, second = found
    old = labels[numbers]
    labels[numbers] = new
    until[numbers] = limits(least, second, norms[numbers], reach, drift[new], n_features)
    return old


def _transfer(
    rows: HostArray,
    numbers: HostArray,
    base: HostArray,
    old: HostArray,
    labels: HostArray,
    counts: HostArray,
    sums: HostArray,
) -> None:
    new = labels[numbers]
    changed = np.flatnonzero(new != old)
    if not len(changed):
        return
    part = _taken(rows, numbers[changed])
    near = part - base if base.any() else part
    clusters = np.arange(len(counts), dtype=rows.dtype)[:, None]
    change = (clusters == new[changed]).astype(rows.dtype)
    change -= clusters == old[changed]
    counts += change.sum(axis=1, dtype=np.float64)
    sums += change @ near


NUMPY = Loops(_waiting, _two_nearest, _settle, _transfer)
