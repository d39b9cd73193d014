"""Moments of a table in one pass: count, mean and scatter, in parts that can be merged."""

from __future__ import annotations

from typing import NamedTuple

from .._arrays import device_of, linalg, namespace_of
from .._dispatch import dispatched
from .._typing import Array


class Moments(NamedTuple):
    """Number of rows, their mean, and the scatter about it: float64, host scalar or array."""

    n: int
    mean: Array
    scatter: Array


@dispatched
def covariance(rows: Array) -> Moments:
    """Moments of a table.

    Parameters
    ----------
    rows : array
        Shape (n, f), floating.

    Returns
    -------
    Moments
        ``n``, ``mean`` (f,) and ``scatter`` (f, f) = sum of (x - mean)(x - mean)^T in float64.
        Divided by n - 1 the scatter is the covariance.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> um.ops.covariance(np.asarray([[0.0, 1.0], [2.0, 1.0]])).scatter
    array([[2., 0.],
           [0., 0.]])
    """
    xp = namespace_of(rows)
    mean = mean_row(rows)
    centred = rows - xp.astype(mean, rows.dtype)
    # the mean in the rows' own type is off by half a last digit, whose own digits do not matter
    ones = xp.ones(rows.shape[:1], dtype=rows.dtype, device=device_of(rows))
    rest = xp.astype(xp.matmul(ones, centred), xp.float64) / rows.shape[0]
    scatter = xp.astype(xp.matmul(centred.T, centred), xp.float64)
    scatter = scatter - rows.shape[0] * rest[:, None] * rest
    return Moments(rows.shape[0], mean, scatter)


def merge_covariance(a: Moments, b: Moments) -> Moments:
    """Moments of two tables together.

    Chan, Golub and LeVeque, Am. Stat. 37, 242 (1983), eq. 2.1: no cancellation, whatever the mean.
    """
    n = a.n + b.n
    shift = b.mean - a.mean
    scatter = a.scatter + b.scatter + (a.n * b.n / n) * (shift[:, None] * shift)
    return Moments(n, a.mean + shift * (b.n / n), scatter)


def eigenpairs(symmetric: Array, n: int) -> tuple[Array, Array]:
    """Largest ``n`` eigenvalues, falling, and their vectors as rows."""
    xp = namespace_of(symmetric)
    values, vectors = linalg(symmetric).eigh(symmetric)
    return xp.flip(values, axis=0)[:n], xp.flip(vectors, axis=1)[:, :n].T


def mean_row(rows: Array) -> Array:
    """Mean row in float64: one that is off in float32 turns whole components."""
    xp = namespace_of(rows)
    return xp.sum(rows, axis=0, dtype=xp.float64) / rows.shape[0]
