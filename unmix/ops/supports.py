"""Supports: sets of endmembers, as bits, and the linear maps that belong to them."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from .._arrays import from_host, namespace_of
from .._typing import Array, HostArray

Maps: TypeAlias = tuple[HostArray, HostArray]
"""Maps (c, p, m) of m supports, in rows of unit length, and the lengths (p, m) they had."""

MOST_BYTES = 1 << 24
"""A table of the maps of all supports is not larger: 13 endmembers."""


def pays(p: int, n_samples: int) -> bool:
    """Tell whether to make the maps of all supports, rather than of those that occur."""
    return 4 << p <= n_samples and 8 * p * p << p <= MOST_BYTES


def lookup(
    supports: HostArray, vertices: HostArray, sums: bool, table: Maps | None, like: Array
) -> tuple[Array, Array]:
    """Return the maps of each support and the rows' lengths, where ``like`` lies."""
    xp = namespace_of(like)
    if table is None:
        supports, places = np.unique(supports, return_inverse=True)
        table = maps_of_supports(supports, vertices, sums)
    else:
        places = supports
    maps, lengths = (
        xp.take(from_host(v, like), from_host(places, like), axis=v.ndim - 1) for v in table
    )
    return maps, lengths


def maps_of_supports(supports: HostArray, vertices: HostArray, sums: bool) -> Maps:
    """Return what turns points into abundances inside supports and multipliers outside.

    Parameters
    ----------
    supports : numpy.ndarray
        Shape (m,): sets of vertices, as bits.
    vertices : numpy.ndarray
        Shape (p, r): the endmembers.
    sums : bool
        Whether abundances sum to one. Others are then measured from the first vertex of the
        support, and points have a last coordinate that is constant: c = r + 1, else c = r.

    Returns
    -------
    Maps
        Rows have unit length, so that one tolerance fits abundances and multipliers.
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
    maps = maps / lengths[:, :, None]
    return np.ascontiguousarray(maps.transpose(2, 1, 0)), np.ascontiguousarray(lengths.T)
