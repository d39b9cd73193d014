"""The samples nearest to given points of the descriptor space."""

from __future__ import annotations

import numpy as np

from . import ops
from ._arrays import from_host, namespace_of, to_host
from ._fold import fold
from ._samples import Samples
from ._tiles import Tile
from ._typing import Array, HostArray

ROUNDING = 16
"""Distances by products are wrong by up to this many units in the last place of their terms."""

Nearest = tuple[HostArray, HostArray]
"""Numbers and squared distances, (k, m) each, the nearest first."""


def nearest_samples(samples: Samples, rows: Array, n: int) -> Nearest:
    """Find the ``n`` samples nearest to each row, in one pass.

    Parameters
    ----------
    samples : Samples
        The table.
    rows : array
        Shape (k, n_features), as tiles hold them; of the samples' namespace or on the host.
    n : int
        How many for each row.

    Returns
    -------
    numbers, squared : numpy.ndarray
        Shape (k, min(n, n_samples)): numbers in the whole map, int64, the nearest first and of
        equals the lowest; squared distances, float64, exact to the rounding of the samples.

    Notes
    -----
    One matrix product per tile says which samples may be among the nearest; only theirs are then
    taken by differences, in float64. So neither the tiling nor the namespace changes the choice.
    """
    points = to_host(rows).astype(np.float64)
    middle = points.mean(axis=0)
    norms = np.linalg.norm(points - middle, axis=1)
    like = samples.source.like
    centers, origin = (from_host(a, like, samples.dtype) for a in (points, middle))

    def update(tile: Tile, _: None, centers: Array, origin: Array) -> Nearest:
        xp, eps = namespace_of(tile.rows), _eps(tile.rows)
        rough = to_host(_rough_distances(tile.rows, centers, origin)).astype(np.float64)
        found = []
        for point, norm, near in zip(points, norms, rough, strict=True):
            may = _candidates(near, norm, n, eps * np.sqrt(len(point)))
            taken = to_host(xp.take(tile.rows, from_host(may, tile.rows), axis=0))
            squared = np.sum((taken.astype(np.float64) - point) ** 2, axis=1)
            found.append(_least(tile.numbers_at(may), squared, n))
        return _stacked(found)

    def merge(a: Nearest, b: Nearest) -> Nearest:
        both = [np.concatenate(pair, axis=1) for pair in zip(a, b, strict=True)]
        return _stacked([_least(i, s, n) for i, s in zip(*both, strict=True)])

    nearest, _ = fold(samples, update, merge, state=(centers, origin), label="nearest samples")
    result: Nearest = nearest
    return result


def _eps(rows: Array) -> float:
    return float(namespace_of(rows).finfo(rows.dtype).eps)


def _rough_distances(rows: Array, centers: Array, origin: Array) -> Array:
    """Squared distances (k, b), by one product."""
    xp = namespace_of(rows)
    away, out = rows - origin, centers - origin
    offset = xp.vecdot(out, out)
    return offset[:, None] - 2 * xp.matmul(out, away.T) + ops.squared_norms(rows, origin)


def _candidates(near: HostArray, norm: float, n: int, eps: float) -> HostArray:
    """Positions of all that may be among the ``n`` nearest, by distances with rounding errors."""
    if n >= len(near):
        return np.arange(len(near))
    last = np.partition(near, n - 1)[n - 1]
    margin = ROUNDING * eps * (norm + np.sqrt(max(last, 0.0))) ** 2
    return np.flatnonzero(near <= last + 2 * margin)


def _least(numbers: HostArray, squared: HostArray, n: int) -> Nearest:
    order = np.lexsort((numbers, squared))[:n]
    return numbers[order], squared[order]


def _stacked(found: list[Nearest]) -> Nearest:
    numbers, squared = zip(*found, strict=True)
    return np.stack(numbers), np.stack(squared)
