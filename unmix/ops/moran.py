"""Spatial autocorrelation of maps."""

from __future__ import annotations

from .._arrays import from_host, namespace_of
from .._typing import Array, HostArray


def morans_i(values: Array, kept: HostArray | None = None) -> float:
    """Spatial autocorrelation: how alike neighbours along the last two axes are.

    Parameters
    ----------
    values : array
        Shape (..., y, x), floating.
    kept : numpy.ndarray of bool, optional
        The same shape: which values take part. Pairs with another one do not count.

    Returns
    -------
    float
        Near 1 for smooth structure; for independent noise 0 with a standard deviation of one over
        the root of the number of pairs. NaN where no pairs are, or no differences.

    Notes
    -----
    Moran, Biometrika 37, 17 (1950), with weight one for the pairs above, below, left and right.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> um.ops.morans_i(np.asarray([[1.0, 0.0], [0.0, 1.0]]))
    -1.0
    """
    xp = namespace_of(values)
    wide = xp.astype(values, xp.float64)
    counts = xp.ones_like(wide) if kept is None else from_host(kept, wide, xp.float64)
    n = float(xp.sum(counts))
    wide = xp.where(counts > 0, wide, xp.zeros_like(wide))
    away = counts * (wide - xp.sum(wide) / n)
    squares = float(xp.sum(away * away))
    n_pairs, products = (_neighbours(x) for x in (counts, away))
    return n * products / (n_pairs * squares) if n_pairs * squares > 0 else float("nan")


def _neighbours(values: Array) -> float:
    """Sum over all pairs of neighbours of the product of both."""
    xp = namespace_of(values)
    down = xp.sum(values[..., 1:, :] * values[..., :-1, :])
    return float(down + xp.sum(values[..., 1:] * values[..., :-1]))


def neighbour_pairs(kept: HostArray) -> int:
    """Count the pairs of neighbours of a mask (..., y, x) that both take part."""
    return round(_neighbours(kept.astype(float)))
