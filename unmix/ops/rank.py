"""How many components there are: the rules of the field on eigenvalues, covariances and tables.

All of it is linear algebra on small matrices, on the host in float64. Eigenvalues are those of the
covariance of a centred table, falling.
"""

from __future__ import annotations

import numpy as np

from .._arrays import from_host, generator, namespace_of
from .._typing import Array, HostArray
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


def bicross_validation(table: HostArray, most: int, *, key: int = 0) -> HostArray:
    """Error of predicting held-out blocks of a table by 0 to ``most`` components of the rest.

    Parameters
    ----------
    table : numpy.ndarray
        (n, f), centred, at least 2 x 2.
    most : int
        Most components; there are at most half as many as samples or features.
    key : int
        Key of the halves.

    Returns
    -------
    numpy.ndarray
        (components + 1,): squared error as a fraction of the table's squares.

    Notes
    -----
    Owen and Perry, Ann. Appl. Stat. 3, 564 (2009), eq. 3.3 and 3.4: each half of the samples by
    each half of the features is held out in turn. A block A beside B and above C is predicted from
    those and the k leading singular triplets of D, which shares neither samples nor features with
    it: B D_k^+ C.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> rng = np.random.default_rng(0)
    >>> table = rng.normal(size=(60, 1)) @ rng.normal(size=(1, 40)) + rng.normal(size=(60, 40)) / 5
    >>> int(um.ops.bicross_validation(table, 3).argmin())
    1
    """
    draw = generator(key, 4)
    (top, bottom), (left, right) = (np.array_split(draw.permutation(n), 2) for n in table.shape)
    errors = np.zeros(min(most, len(bottom), len(right)) + 1)
    for rows, others in ((top, bottom), (bottom, top)):
        for columns, rest in ((left, right), (right, left)):
            held = table[np.ix_(rows, columns)]
            u, s, vt = np.linalg.svd(table[np.ix_(others, rest)], full_matrices=False)
            real = s > np.finfo(float).eps * max(len(others), len(rest)) * s[0]
            inverse = np.divide(1, s, out=np.zeros_like(s), where=real)
            aside = table[np.ix_(rows, rest)] @ vt.T * inverse
            below = u.T @ table[np.ix_(others, columns)]
            errors[0] += np.sum(held**2)
            for k in range(len(errors) - 1):
                held = held - aside[:, k : k + 1] * below[k]
                errors[k + 1] += np.sum(held**2)
    return np.asarray(errors / np.sum(table**2))


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
