"""Supports: sets of endmembers, as bits, and the linear maps that belong to them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .._arrays import from_host, namespace_of
from .._typing import Array, HostArray

MOST_BYTES = 1 << 24
"""A table of the maps of all supports is not larger: 13 endmembers."""


@dataclass(frozen=True, eq=False)
class Maps:
    """What turns points into abundances inside supports and multipliers outside.

    Parameters
    ----------
    rows : numpy.ndarray
        Shape (c, p, m), for m supports: one map each from points (c,) to p numbers. Its rows have
        unit length, so that one tolerance fits abundances and multipliers.
    lengths : numpy.ndarray
        Shape (p, m): what those of abundances are multiplied by.
    """

    rows: HostArray
    lengths: HostArray

    @cached_property
    def by_support(self) -> tuple[HostArray, HostArray]:
        """Shapes (m, p, c) and (m, p): the map of one support lies together in memory."""
        rows, lengths = self.rows.transpose(2, 1, 0), self.lengths.T
        return np.ascontiguousarray(rows), np.ascontiguousarray(lengths)


def pays(p: int, n_samples: int) -> bool:
    """Tell whether to make the maps of all supports, rather than of those that occur."""
    return 4 << p <= n_samples and 8 * p * p << p <= MOST_BYTES


def lookup(
    supports: HostArray, vertices: HostArray, sums: bool, table: Maps | None, like: Array
) -> tuple[Array, Array]:
    """Return the maps of each support and the rows' lengths, where ``like`` lies."""
    xp, places = namespace_of(like), supports
    if table is None:
        some, places = np.unique(supports, return_inverse=True)
        table = maps_of_supports(some, vertices, sums)
    at = from_host(places, like)
    rows, lengths = (from_host(v, like) for v in (table.rows, table.lengths))
    return xp.take(rows, at, axis=2), xp.take(lengths, at, axis=1)


def maps_of_supports(supports: HostArray, vertices: HostArray, sums: bool) -> Maps:
    """Return the maps of some supports of a simplex or cone.

    Parameters
    ----------
    supports : numpy.ndarray
        Shape (m,): sets of vertices, as bits.
    vertices : numpy.ndarray
        Shape (p, r): the endmembers.
    sums : bool
        Whether abundances sum to one. Others are then measured from the first vertex of the
        support, and points have a last coordinate that is constant: c = r + 1, else c = r.
    """
    (p, r), each = vertices.shape, np.arange(len(supports))
    inside = (supports[:, None] >> np.arange(p)) & 1 == 1
    free, anchor = inside.copy(), np.zeros((len(supports), r))
    if sums:
        first = inside.argmax(axis=1)
        inside[each, first], free[each, first] = True, False
        anchor = vertices[first]
    edges = vertices - anchor[:, None, :]
    # What is not free becomes a direction of its own: rank is full, and the others do not feel it.
    columns = np.concatenate([edges * free[:, :, None], np.eye(p) * ~free[:, :, None]], axis=2)
    q, upper = np.linalg.qr(np.swapaxes(columns, 1, 2))
    q = np.where(free[:, None, :], q[:, :r, :], 0.0)
    fit = np.linalg.solve(upper, np.swapaxes(q, 1, 2)) * free[:, :, None]
    across = (edges @ q) @ np.swapaxes(q, 1, 2) - edges
    maps = np.where(inside[:, :, None], fit, across)
    if sums:
        maps[each, first] = -fit.sum(axis=1)
        constant = -np.sum(maps * anchor[:, None, :], axis=2)
        constant[each, first] += 1
        maps = np.concatenate([maps, constant[:, :, None]], axis=2)
    lengths = np.linalg.norm(maps, axis=2)
    rows = (maps / lengths[:, :, None]).transpose(2, 1, 0)
    return Maps(np.ascontiguousarray(rows), np.ascontiguousarray(lengths.T))
