"""Endmembers among the samples without a search for volume: VCA, ATGP and pixel purity.

Each looks at all samples once for every direction or endmember; what a look finds is merged over
tiles as in N-FINDR.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .._arrays import from_host, namespace_of
from .._errors import DataError
from .._typing import Array, HostArray
from .simplex import Found

BLOCK = 1 << 22
"""Values of linear forms that are looked at together."""


def signal_to_noise(total: float, inside: float, share: float) -> float:
    """Estimate the signal-to-noise ratio in decibels.

    Parameters
    ----------
    total : float
        Mean squared norm of the samples.
    inside : float
        The same of their projections on the subspace of the signal.
    share : float
        Dimensions of the subspace per feature: so much of the noise is in it.

    Returns
    -------
    float
        Infinite where nothing is outside of the subspace.

    Notes
    -----
    Nascimento and Bioucas-Dias, IEEE Trans. Geosci. Remote Sens. 43, 898 (2005), eq. (13).

    Examples
    --------
    >>> from unmix import ops
    >>> round(ops.signal_to_noise(101.0, 100.1, 0.1), 6)
    20.0
    """
    outside, signal = total - inside, inside - share * total
    if outside <= 0:
        return np.inf
    return float(10 * np.log10(signal / outside)) if signal > 0 else -np.inf


def vca(search: Callable[[HostArray], Found], n_endmembers: int, draws: HostArray) -> Found:
    """Find the most extreme sample along one direction after the other.

    Parameters
    ----------
    search : callable
        Finds the sample of the largest modulus of each linear form (s, n_endmembers), in the
        coordinates that the samples were projected to.
    n_endmembers : int
        Number of samples, and of coordinates.
    draws : numpy.ndarray
        Random directions, shape (n_endmembers, n_endmembers), standard normal.

    Returns
    -------
    Found
        The samples in the order in which they were found.

    Notes
    -----
    Vertex component analysis: Nascimento and Bioucas-Dias, IEEE Trans. Geosci. Remote Sens. 43, 898
    (2005). Each direction is random but orthogonal to all samples found so far.
    """
    spanned = np.zeros((n_endmembers, n_endmembers))
    spanned[0, -1] = 1.0  # the first direction is orthogonal to the last axis
    found = []
    for i, drawn in enumerate(draws):
        direction = drawn - np.linalg.pinv(spanned) @ (spanned @ drawn)
        found.append(search((direction / np.linalg.norm(direction))[None, :]))
        spanned[i] = found[-1].point[0]
    return Found(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def farthest_from_span(rows: Array, basis: HostArray) -> tuple[float, int]:
    """Largest squared distance from the span of orthonormal rows; ties go to the lowest.

    Parameters
    ----------
    rows : array
        Shape (n, f), floating.
    basis : numpy.ndarray
        Shape (k, f), orthonormal; without rows the distance is that from zero.

    Returns
    -------
    squared, position : float and int

    Notes
    -----
    One step of automatic target generation: Ren and Chang, IEEE Trans. Aerosp. Electron. Syst. 39,
    1232 (2003).

    Examples
    --------
    >>> import numpy as np
    >>> from unmix import ops
    >>> ops.farthest_from_span(np.asarray([[5.0, 1.0], [3.0, 2.0]]), np.asarray([[1.0, 0.0]]))
    (4.0, 1)
    """
    xp = namespace_of(rows)
    q = from_host(basis, rows, rows.dtype)
    away = rows - xp.matmul(xp.matmul(rows, q.T), q)
    squared = xp.vecdot(away, away)
    return float(xp.max(squared)), int(xp.argmax(squared))


def highest_forms(points: Array, forms: HostArray) -> tuple[Array, Array]:
    """Largest value of linear forms over all points; ties go to the lowest position.

    Parameters
    ----------
    points : array
        Shape (n, d), floating.
    forms : numpy.ndarray
        Shape (s, d).

    Returns
    -------
    values, positions : array
        Shapes (s,).

    Examples
    --------
    >>> import numpy as np
    >>> from unmix import ops
    >>> ops.highest_forms(np.asarray([[1.0], [-3.0]]), np.asarray([[1.0], [-1.0]]))
    (array([1., 3.]), array([0, 1]))
    """
    xp = namespace_of(points)
    values, positions = [], []
    step = max(1, BLOCK // points.shape[0])
    for start in range(0, len(forms), step):
        block = from_host(forms[start : start + step], points, points.dtype)
        products = xp.matmul(block, points.T)
        values.append(xp.max(products, axis=1))
        positions.append(xp.argmax(products, axis=1))
    return xp.concat(values), xp.concat(positions)


def purest(points: HostArray, counts: HostArray, n_endmembers: int) -> HostArray:
    """Choose samples that were extreme often and are unlike one another.

    Parameters
    ----------
    points : numpy.ndarray
        Shape (m, n_endmembers - 1): the samples that were extreme at all.
    counts : numpy.ndarray
        How often, (m,).
    n_endmembers : int
        How many to choose.

    Returns
    -------
    (n_endmembers,) numpy.ndarray
        Their positions. The first has the largest count, and each next one the largest product of
        its count and its squared distance from the flat through those that were chosen: noise makes
        many samples around a corner extreme, and they count as one.

    Raises
    ------
    DataError
        If there are not so many in different directions.

    Examples
    --------
    >>> import numpy as np
    >>> from unmix import ops
    >>> ops.purest(np.asarray([[0.0], [0.1], [3.0]]), np.asarray([9, 8, 2]), 2)
    array([0, 2])
    """
    chosen = [int(np.argmax(counts))]
    away = points - points[chosen[0]]
    least = np.finfo(float).eps * float(np.max(np.sum(away * away, axis=1)))
    while len(chosen) < n_endmembers:
        squared = np.sum(away * away, axis=1)
        best = int(np.argmax(counts * squared))
        if squared[best] <= least:
            raise DataError(
                f"only {len(chosen)} samples in different directions were extreme, and "
                f"{n_endmembers} endmembers were asked for: raise n_skewers"
            )
        chosen.append(best)
        normal = away[best] / np.sqrt(squared[best])
        away = away - (away @ normal)[:, None] * normal
    return np.asarray(chosen)
