"""k-means on NumPy arrays with loops that numba compiles."""

from __future__ import annotations

from functools import cache

import numpy as np

from .._typing import Array, HostArray
from ..ops.reassign import ROUNDED, ROUNDING, Reassignment
from ._numba import compiled
from .kmeans import Loops, nearest_by, reassign_by

LANES = 256
"""Narrow rows are turned this many at a time, and lie side by side in vector registers."""

SPARSE = 16
"""Up to one in so many narrow rows all are touched: memory reads ahead where it sees a pace."""

NARROW = 32
"""Features up to which rows are turned."""

FUSED = frozenset({"contract"})
REORDERED = frozenset({"contract", "reassoc", "nsz"})


def reassign(
    rows: Array, centers: Array, origin: Array, norms: Array, known: Array, drift: Array
) -> Reassignment:
    """Sort samples to moved centres with numba; see `unmix.ops.reassign`."""
    return reassign_by(_loops(rows.shape[1]), rows, centers, origin, norms, known, drift)


def nearest(rows: Array, centers: Array, origin: Array) -> tuple[Array, Array]:
    """Nearest centre of each row with numba; see `unmix.ops.nearest`."""
    return nearest_by(_loops(rows.shape[1]), rows, centers, origin)


@cache
def _loops(n_features: int) -> Loops:
    narrow = n_features <= NARROW
    return Loops(
        compiled(_waiting),
        compiled(_turned, FUSED) if narrow else compiled(_tiled, REORDERED),
        compiled(_settle),
        compiled(_transfer),
    )


def _waiting(labels: HostArray, until: HostArray, drift: HostArray) -> HostArray:
    numbers = np.empty(len(labels), np.int64)
    m = 0
    for i in range(len(labels)):
        numbers[m] = i
        m += until[i] <= drift[int(labels[i])]  # no branch: none could be foretold
    return numbers[:m].copy()


def _turned(
    rows: HostArray, numbers: HostArray, base: HostArray, away: HostArray, offset: HostArray
) -> tuple[HostArray, HostArray, HostArray]:
    """Two nearest centres of narrow rows: a row in each lane, and two centres in each read."""
    (k, f), m, inf = away.shape, len(numbers), rows.dtype.type(np.inf)
    labels, least, second = np.empty(m, np.int32), np.empty(m, rows.dtype), np.empty(m, rows.dtype)
    turned = np.zeros((f, LANES), rows.dtype)
    now, then = np.empty_like(turned[0]), np.empty_like(turned[0])
    first, next_ = np.empty_like(turned[0]), np.empty_like(turned[0])
    label = np.empty(LANES, np.int32)
    for start in range(0, m, LANES):
        here = min(LANES, m - start)
        begin, end = numbers[start], numbers[start + here - 1]
        if end - begin < SPARSE * here:
            touched = base[0]
            for i in range(begin, end):
                touched += rows[i, 0]
            turned[0, here - 1] = touched  # so that it is not left out
        for lane in range(here):
            row = rows[numbers[start + lane]]
            for d in range(f):
                turned[d, lane] = row[d] - base[d]
        first[:], next_[:], label[:] = inf, inf, 0
        for j in range(0, k, 2):
            other = min(j + 1, k - 1)  # an odd one has no partner, and then infinity has none
            now[:], then[:] = offset[j], offset[other] if other > j else inf
            for d in range(0, f - 3, 4):
                a, b, c, e = away[j, d], away[j, d + 1], away[j, d + 2], away[j, d + 3]
                g, h = away[other, d], away[other, d + 1]
                p, q = away[other, d + 2], away[other, d + 3]
                for lane in range(LANES):
                    w, x = turned[d, lane], turned[d + 1, lane]
                    y, z = turned[d + 2, lane], turned[d + 3, lane]
                    now[lane] += a * w + b * x + c * y + e * z
                    then[lane] += g * w + h * x + p * y + q * z
            for d in range(f - f % 4, f):
                for lane in range(LANES):
                    now[lane] += away[j, d] * turned[d, lane]
                    then[lane] += away[other, d] * turned[d, lane]
            for lane in range(LANES):
                closer = now[lane] < first[lane]
                nearest_ = now[lane] if closer else first[lane]
                behind = first[lane] if closer else min(next_[lane], now[lane])
                number = np.int32(j) if closer else label[lane]
                closer = then[lane] < nearest_
                first[lane] = then[lane] if closer else nearest_
                next_[lane] = nearest_ if closer else min(behind, then[lane])
                label[lane] = np.int32(other) if closer else number
        for lane in range(here):
            labels[start + lane], least[start + lane] = label[lane], first[lane]
            second[start + lane] = next_[lane]
    return labels, least, second


def _tiled(
    rows: HostArray, numbers: HostArray, base: HostArray, away: HostArray, offset: HostArray
) -> tuple[HostArray, HostArray, HostArray]:
    """Two nearest centres of wide rows: products of two rows and four centres stay in registers."""
    (k, f), m = away.shape, len(numbers)
    labels, least = np.zeros(m, np.int32), np.full(m, np.inf, rows.dtype)
    second = least.copy()
    now = np.empty((2, 4), rows.dtype)
    for start in range(0, m, 2):
        x, y = rows[numbers[start]], rows[numbers[min(start + 1, m - 1)]]
        for j in range(0, k, 4):
            a, b = away[j], away[min(j + 1, k - 1)]
            c, e = away[min(j + 2, k - 1)], away[min(j + 3, k - 1)]
            xa = xb = xc = xe = ya = yb = yc = ye = rows.dtype.type(0)
            for d in range(f):
                u, v = x[d] - base[d], y[d] - base[d]
                xa += u * a[d]
                xb += u * b[d]
                xc += u * c[d]
                xe += u * e[d]
                ya += v * a[d]
                yb += v * b[d]
                yc += v * c[d]
                ye += v * e[d]
            now[0, 0], now[0, 1], now[0, 2], now[0, 3] = xa, xb, xc, xe
            now[1, 0], now[1, 1], now[1, 2], now[1, 3] = ya, yb, yc, ye
            for i in range(start, min(start + 2, m)):
                for center in range(j, min(j + 4, k)):
                    value = now[i - start, center - j] + offset[center]
                    closer = value < least[i]
                    second[i] = least[i] if closer else min(second[i], value)
                    labels[i] = center if closer else labels[i]
                    least[i] = value if closer else least[i]
    return labels, least, second


def _settle(
    found: tuple[HostArray, HostArray, HostArray],
    numbers: HostArray,
    norms: HostArray,
    reach: HostArray,
    drift: HostArray,
    n_features: int,
    labels: HostArray,
    until: HostArray,
) -> HostArray:
    new, least, second = found
    real = least.dtype.type
    eps = np.finfo(least.dtype).eps
    rounding, rounded = real(ROUNDING * eps * n_features**0.5), real(1 - ROUNDED * eps)
    old = np.empty(len(numbers), labels.dtype)
    for i in range(len(numbers)):
        at, label = numbers[i], new[i]
        error = rounding * (norms[at] + reach[0])
        upper = np.sqrt(max(least[i] + norms[at], real(0)) + error)
        lower = np.sqrt(max(second[i] + norms[at] - error, real(0)))
        old[i], labels[at] = labels[at], label
        until[at] = (lower - upper + drift[label]) * rounded
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
    for i in range(len(numbers)):
        came, left = int(labels[numbers[i]]), int(old[i])
        if came == left:
            continue
        row = rows[numbers[i]]
        counts[came] += 1
        for d in range(len(row)):
            sums[came, d] += row[d] - base[d]
        if left >= 0:
            counts[left] -= 1
            for d in range(len(row)):
                sums[left, d] -= row[d] - base[d]
