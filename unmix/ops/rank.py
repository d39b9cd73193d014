"""How many components there are: the rules of the field on eigenvalues and covariances.

All of it is linear algebra on small matrices, on the host in float64. Eigenvalues are those of the
covariance of a centred table, falling.
"""

from __future__ import annotations

import numpy as np

from .._arrays import generator
from .._typing import HostArray
from .svd import randomized_svd

STRAIGHT = 0.2
"""An elbow this little below the line, in parts of the whole fall, is none: noise alone has .15."""

MOST_EXACT = 512
"""Up to this size all eigenvalues are found at once."""


def elbow(curve: HostArray) -> int | None:
    """Find the point of a falling curve that lies farthest below the line between its ends.

    Parameters
    ----------
    curve : numpy.ndarray
        Shape (n,).

    Returns
    -------
    int or None
        Position; None where the curve does not fall, or hardly bends.

    Notes
    -----
    Satopaa, Albrecht, Irwin and Raghavan, ICDCS Workshops, 166 (2011).

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> um.ops.elbow(np.asarray([9.0, 5.0, 1.0, 0.9, 0.8, 0.7]))
    2
    """
    if len(curve) < 3 or not curve[0] > curve[-1]:
        return None
    line = np.linspace(1, 0, len(curve))
    below = line - (curve - curve[-1]) / (curve[0] - curve[-1])
    at = int(np.argmax(below))
    return at if below[at] > STRAIGHT else None


def marchenko_pastur_median(ratio: float) -> float:
    """Median eigenvalue of the covariance of white noise of variance one.

    Parameters
    ----------
    ratio : float
        Smaller over larger side of the table, in (0, 1].

    Returns
    -------
    float

    Examples
    --------
    >>> import unmix as um
    >>> round(um.ops.marchenko_pastur_median(1.0), 3)
    0.653
    """
    low, high = (1 - np.sqrt(ratio)) ** 2, (1 + np.sqrt(ratio)) ** 2
    # x = middle - half cos(t): the density is smooth in t; at midpoints x is never zero
    t = (np.arange(20_000) + 0.5) * np.pi / 20_000
    x = (low + high) / 2 - (high - low) / 2 * np.cos(t)
    weight = np.sin(t) ** 2 / x
    share = (np.cumsum(weight) - weight / 2) / np.sum(weight)
    return float(np.interp(0.5, share, x))


def optimal_threshold(ratio: float) -> float:
    """Best hard threshold for singular values, in units of noise times root of the larger side.

    Parameters
    ----------
    ratio : float
        Smaller over larger side of the table, in (0, 1].

    Returns
    -------
    float
        Gavish and Donoho, IEEE Trans. Inf. Theory 60, 5040 (2014), eq. 11.

    Examples
    --------
    >>> import unmix as um
    >>> round(um.ops.optimal_threshold(1.0), 4)  # four over the root of three
    2.3094
    """
    root = np.sqrt(ratio**2 + 14 * ratio + 1)
    return float(np.sqrt(2 * (ratio + 1) + 8 * ratio / (ratio + 1 + root)))


def description_length(leading: HostArray, total: float, n: int, f: int) -> HostArray:
    """Description length of the models with 0 to ``len(leading)`` components and white noise.

    Parameters
    ----------
    leading : numpy.ndarray
        Leading eigenvalues, (k,).
    total : float
        Sum of all eigenvalues.
    n, f : int
        Samples and features.

    Returns
    -------
    numpy.ndarray
        (k + 1,): the smallest is the best model; up to a constant, which would need all
        eigenvalues.

    Notes
    -----
    Wax and Kailath, IEEE Trans. ASSP 33, 387 (1985), eq. 14, for real data: half of the likelihood,
    and f k - k (k - 1) / 2 + 1 free numbers.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> int(um.ops.description_length(np.asarray([9.0, 1.01, 1.0]), 13.0, 100, 5).argmin())
    1
    """
    large, small = max(n, f), min(n - 1, f)  # a table with few samples is turned on its side
    k = np.arange(len(leading) + 1)
    least = np.finfo(float).eps * total
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.clip(leading, least, None)))])
    rest = total - np.concatenate([[0.0], np.cumsum(leading)])
    n_rest = np.clip(small - k, 1, None)
    misfit = logs + (small - k) * np.log(np.clip(rest / n_rest, least, None))
    free = small * k - k * (k - 1) / 2 + 1
    return np.asarray(large * misfit / 2 + free * np.log(large) / 2)


def noise_eigenvalues(
    variances: HostArray, n: int, n_values: int, *, n_draws: int = 20, key: int = 0
) -> HostArray:
    """Leading eigenvalues of tables of independent normal noise: those of parallel analysis.

    Parameters
    ----------
    variances : numpy.ndarray
        Variance of each feature, (f,).
    n : int
        Samples.
    n_values : int
        How many eigenvalues.
    n_draws, key : int
        Number of tables, and the key of the draws.

    Returns
    -------
    numpy.ndarray
        (n_draws, n_values), each row falling.

    Notes
    -----
    Horn, Psychometrika 30, 179 (1965). The covariance of n samples is drawn as that of f rows
    (Bartlett, Proc. R. Soc. Edinb. 53, 260 (1933)), so that no noise of the size of the table is.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> float(um.ops.noise_eigenvalues(np.ones(4), 10_000, 1).mean().round(1))
    1.0
    """
    draw = generator(key, 3)
    f, scale = len(variances), np.sqrt(variances)
    found = np.empty((n_draws, n_values))
    for each in found:
        normal = draw.standard_normal((min(n - 1, f), f))
        if n > f:
            normal = np.triu(normal, 1)
            np.fill_diagonal(normal, np.sqrt(draw.chisquare(n - 1 - np.arange(f))))
        each[:] = _leading(normal * scale, n_values, key) / (n - 1)
    return found


def _leading(table: HostArray, n_values: int, key: int) -> HostArray:
    """Leading squared singular values."""
    if min(table.shape) > MOST_EXACT:
        return np.asarray(randomized_svd(table, n_values, key=key)[1] ** 2)
    small = table @ table.T if table.shape[0] <= table.shape[1] else table.T @ table
    return np.asarray(np.linalg.eigvalsh(small)[::-1][:n_values])


def hysime(covariance: HostArray, n: int) -> HostArray:
    """Power over twice the power of the noise, along the directions of the signal.

    The noise of each feature is what the other features do not predict; a direction lowers the
    error of the signal if it holds more than twice its noise.

    Parameters
    ----------
    covariance : numpy.ndarray
        (f, f).
    n : int
        Samples that it was taken over, more than f.

    Returns
    -------
    numpy.ndarray
        (f,), falling: those above one are signal.

    Notes
    -----
    Bioucas-Dias and Nascimento, IEEE Trans. Geosci. Remote Sens. 46, 2435 (2008), algorithms 1 and
    2: all of it follows from the covariance R. With D the residual variances one over diag(R^-1),
    the noise is X R^-1 D and the signal has the covariance R - 2 D + D R^-1 D.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> um.ops.hysime(np.eye(4) + 3, 100).round(1)
    array([4.8, 0.4, 0.4, 0.4])
    """
    f = len(covariance)
    r = covariance + np.eye(f) * (f * np.finfo(np.float32).eps ** 2 * np.trace(covariance))
    inverse = np.linalg.inv(r)
    residual = 1 / np.diagonal(inverse)
    signal = r - 2 * np.diag(residual) + residual[:, None] * inverse * residual
    _, directions = np.linalg.eigh(signal)
    noise = residual * (n - 1) / (n - f)  # about its own degrees of freedom
    power = np.sum(directions * (r @ directions), axis=0)
    return np.asarray(np.sort(power / (2 * (noise @ directions**2)))[::-1])
