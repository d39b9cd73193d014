"""Distributions of the values of each row: histograms and moments."""

from __future__ import annotations

import numpy as np

from .._arrays import from_host, namespace_of
from .._typing import Array, HostArray


def histograms(
    rows: Array, limits: tuple[float, float], n_bins: int, counts: HostArray | None
) -> Array:
    """Return the fraction of each row's values in each bin.

    Parameters
    ----------
    rows : array
        Shape (b, f), floating.
    limits : (float, float)
        Lower end of the first bin and upper end of the last; values beyond count in those.
    n_bins : int
        Number of bins, equally wide.
    counts : numpy.ndarray, optional
        How often each feature counts, (f,).

    Returns
    -------
    array
        Shape (b, n_bins) in the dtype of ``rows``; NaN counts in no bin.
    """
    xp, (low, high) = namespace_of(rows), limits
    number = xp.clip(xp.floor((rows - low) * (n_bins / (high - low))), 0, n_bins - 1)
    weights = np.ones(rows.shape[1]) if counts is None else counts
    share = from_host(weights / weights.sum(), rows, rows.dtype)
    parts = [xp.matmul(xp.astype(number == i, rows.dtype), share) for i in range(n_bins)]
    return xp.stack(parts, axis=1)


def moments(rows: Array, n_moments: int, counts: HostArray | None) -> Array:
    """Return mean, standard deviation, and standardised moments from the third on.

    Parameters
    ----------
    rows : array
        Shape (b, f), floating.
    n_moments : int
        How many.
    counts : numpy.ndarray, optional
        How often each feature counts, (f,).

    Returns
    -------
    array
        Shape (b, n_moments) in the dtype of ``rows``. Higher moments of a constant are zero.
    """
    xp = namespace_of(rows)
    weights = np.ones(rows.shape[1]) if counts is None else counts
    share = from_host(weights / weights.sum(), rows, rows.dtype)
    mean = xp.matmul(rows, share)
    rest = rows - mean[:, None]
    spread = xp.sqrt(xp.matmul(rest * rest, share))
    # what rounding leaves of a constant is none
    none = spread <= 4 * xp.finfo(rows.dtype).eps * xp.abs(mean)
    spread = xp.where(none, xp.zeros_like(spread), spread)
    unit = rest / xp.where(spread > 0, spread, xp.full_like(spread, np.inf))[:, None]
    found, power = [mean, spread], unit * unit
    for _ in range(2, n_moments):
        power = power * unit
        found.append(xp.matmul(power, share))
    return xp.stack(found[:n_moments], axis=1)
