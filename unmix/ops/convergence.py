"""How well Markov chains agree, how many independent draws they are worth, and quantiles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._arrays import namespace_of
from .._typing import Array, HostArray


def split_r_hat(traces: HostArray) -> HostArray:
    r"""Return the potential scale reduction of scalars, with each chain split in two halves.

    Parameters
    ----------
    traces : numpy.ndarray
        Shape (draws, chains, scalars), at least 4 draws.

    Returns
    -------
    (scalars,) numpy.ndarray
        ``sqrt(((m - 1) / m W + B) / W)`` for halves of m draws: ``W`` is the mean of their
        variances, and ``B`` the variance of their means. One for chains that agree; NaN for a
        scalar that never moved.

    Notes
    -----
    Gelman et al., Bayesian Data Analysis, 3rd ed. (2013), eqs. (11.1)-(11.4).

    Examples
    --------
    >>> import numpy as np
    >>> from unmix import ops
    >>> ops.split_r_hat(np.random.default_rng(0).standard_normal((1000, 4, 1))).round(2)
    array([1.])
    """
    half = len(traces) // 2
    halves = np.concatenate([traces[:half], traces[len(traces) - half :]], axis=1)
    within = halves.var(axis=0, ddof=1).mean(axis=0)
    between = halves.mean(axis=0).var(axis=0, ddof=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.sqrt((half - 1) / half + between / within))


def effective_sample_size(traces: HostArray) -> HostArray:
    """Return how many independent draws all chains together are worth, for the mean of scalars.

    Parameters
    ----------
    traces : numpy.ndarray
        Shape (draws, chains, scalars), at least 4 draws.

    Returns
    -------
    (scalars,) numpy.ndarray

    Notes
    -----
    Gelman et al., Bayesian Data Analysis, 3rd ed. (2013), eqs. (11.7)-(11.8), with autocorrelations
    from the FFT and Geyer's initial positive sequence: pairs of neighbouring lags are summed until
    the sum of one is negative.

    Examples
    --------
    >>> import numpy as np
    >>> from unmix import ops
    >>> draws = np.random.default_rng(0).standard_normal((1000, 4, 1))
    >>> bool(3000 < ops.effective_sample_size(draws)[0] < 5000)
    True
    """
    n, chains = traces.shape[:2]
    away = traces - traces.mean(axis=0)
    spectrum = np.abs(np.fft.rfft(away, 2 * n, axis=0)) ** 2
    covariance = np.fft.irfft(spectrum, 2 * n, axis=0)[:n].mean(axis=1) / n
    within = traces.var(axis=0, ddof=1).mean(axis=0)
    between = traces.mean(axis=0).var(axis=0, ddof=1) if chains > 1 else np.zeros_like(within)
    total = (n - 1) / n * within + between
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = 1 - (within - covariance) / total
    pairs = correlation[: n // 2 * 2].reshape(n // 2, 2, -1).sum(axis=1)
    positive = np.logical_and.accumulate(pairs > 0, axis=0)
    time = 2 * np.sum(pairs * positive, axis=0) - 1
    return np.asarray(n * chains / np.maximum(time, 1 / np.log10(max(n * chains, 10))))


def quantiles(draws: Array, probabilities: Sequence[float]) -> list[Array]:
    """Return quantiles over the first axis, one array for each probability.

    Parameters
    ----------
    draws : array
        Shape (n, ...), floating.
    probabilities : sequence of float
        Each from 0 to 1.

    Returns
    -------
    list of array
        Shapes (...): of n draws the k-th smallest is the quantile of ``k / (n + 1)``, because the
        next draw falls below it with that probability; linear in between.

    Examples
    --------
    >>> import numpy as np
    >>> from unmix import ops
    >>> [float(q) for q in ops.quantiles(np.asarray([3.0, 1.0, 2.0]), [0.25, 0.5])]
    [1.0, 2.0]
    """
    xp = namespace_of(draws)
    ordered, n = xp.sort(draws, axis=0), draws.shape[0]
    found = []
    for p in probabilities:
        place = min(max(p * (n + 1) - 1, 0), n - 1)
        below = min(int(place), n - 1)
        low, high = ordered[below, ...], ordered[min(below + 1, n - 1), ...]
        found.append(low + (place - below) * (high - low))
    return found
