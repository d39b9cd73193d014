"""The draws of Bayesian linear unmixing, for several chains at once.

Samples are points ``y = a @ T + e`` of the subspace that the endmembers span: ``T`` are the
vertices of a simplex, ``a`` follows a Dirichlet distribution on it, and the noise ``e`` is white. A
sweep draws each in turn given the others. Arrays have the chains on their first axis; what is as
long as the samples is an array of any namespace, and all else is on the host. The draws of the
abundances are in `dirichlet`.

Drawing the vertices at fixed abundances alone takes ever smaller steps as the noise falls, and at
fixed *points* ``a @ T`` ever smaller ones as samples grow in number. Doing both in turn is as fast
as the faster of the two, and often faster: Yu and Meng, J. Comput. Graph. Stat. 20, 531 (2011).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._arrays import from_host, namespace_of, to_host
from .._typing import Array, HostArray
from .dirichlet import LEAST_ABUNDANCE

MIXED = -1
"""Stands for the vertex of a sample that is not pure."""


class Products(NamedTuple):
    """All that the other draws need of the abundances; sums over samples."""

    gram: HostArray
    """(chains, p, p): of abundances with abundances."""
    cross: HostArray
    """(chains, p, d): of abundances with points."""
    squares: float
    """Sum of the points' squared coordinates."""
    logarithms: HostArray
    """(chains, p): of the logarithms of mixed samples' abundances."""
    n_mixed: HostArray
    """(chains,): number of mixed samples."""
    pure: HostArray
    """(chains, p): number of pure samples of each endmember."""
    pure_points: HostArray
    """(chains, p, d): of their points."""


class Bound(NamedTuple):
    """What endmembers must not fall below: ``vertex @ basis + offset >= 0``."""

    basis: HostArray
    """(d, f); without features there is no bound."""
    offset: HostArray
    """(f,)"""


def slice_normal(
    current: Array, mean: Array, deviation: Array, low: Array, high: Array, uniform: Array
) -> Array:
    """Draw from normal distributions that are truncated to intervals, by a slice.

    Parameters
    ----------
    current : array
        The values before, inside of their intervals.
    mean, deviation : array
        Of the distributions before truncation.
    low, high : array
        Ends of the intervals.
    uniform : array
        Shape (2, ...): uniform numbers from [0, 1).

    Returns
    -------
    array
        The values after. One draw leaves the distribution as it is, and depends on ``current``. It
        needs no special function and no case for the far tails.

    Notes
    -----
    Damien and Walker, J. Comput. Graph. Stat. 10, 206 (2001): a height under the density of the
    current value, and then a point where the density is higher.

    Examples
    --------
    >>> import numpy as np
    >>> from unmix import ops
    >>> inside = np.asarray([[0.5], [9.0], [0.1], [0.0], [1.0]])
    >>> ops.slice_normal(*inside, np.full((2, 1), 0.5)).round(2)
    array([0.75])
    """
    xp = namespace_of(uniform)
    reach = xp.sqrt((current - mean) ** 2 - 2 * deviation**2 * xp.log1p(-uniform[0, ...]))
    low, high = xp.maximum(low, mean - reach), xp.minimum(high, mean + reach)
    return low + uniform[1, ...] * (high - low)


def products(points: Array, abundances: Array, pure: HostArray) -> Products:
    """Sum over samples what the other draws need; ``pure`` (chains, n) are vertices or -1."""
    xp = namespace_of(points, abundances)
    gram = xp.matmul(abundances, xp.matrix_transpose(abundances))
    cross = xp.matmul(abundances, points.T)
    logarithms = xp.sum(xp.log(abundances), axis=2)
    squares = float(xp.sum(points * points))
    chain, sample = np.nonzero(pure != MIXED)
    seen = to_host(xp.take(points, from_host(sample, points), axis=1)).T
    counts, totals = np.zeros(gram.shape[:2]), np.zeros(cross.shape)
    np.add.at(counts, (chain, pure[chain, sample]), 1)
    np.add.at(totals, (chain, pure[chain, sample]), seen)
    others = counts.sum(axis=1, keepdims=True) - counts
    return Products(
        gram=to_host(gram),
        cross=to_host(cross),
        squares=squares,
        logarithms=to_host(logarithms) - others * np.log(LEAST_ABUNDANCE),
        n_mixed=np.sum(pure == MIXED, axis=1),
        pure=counts,
        pure_points=totals,
    )


def merge_products(a: Products, b: Products) -> Products:
    """Sum the parts of two blocks of samples."""
    return Products(
        gram=a.gram + b.gram,
        cross=a.cross + b.cross,
        squares=a.squares + b.squares,
        logarithms=a.logarithms + b.logarithms,
        n_mixed=a.n_mixed + b.n_mixed,
        pure=a.pure + b.pure,
        pure_points=a.pure_points + b.pure_points,
    )


def draw_variance(
    sums: Products,
    vertices: HostArray,
    residual: float,
    freedom: float,
    draws: np.random.Generator,
) -> HostArray:
    """Draw the noise variance of each chain, (chains,).

    An inverse gamma distribution: under Jeffreys' prior on the scale of the hierarchy what is left
    is ``1 / variance`` (Dobigeon et al., eq. (31)). ``residual`` is the sum of squares outside of
    the subspace, and ``freedom`` the number of independent residuals inside and outside.
    """
    inside = sums.squares - 2 * np.sum(sums.cross * vertices, axis=(1, 2))
    inside += np.sum(sums.gram * (vertices @ np.swapaxes(vertices, 1, 2)), axis=(1, 2))
    squares = np.maximum(inside, np.finfo(float).eps * sums.squares) + residual
    return np.asarray(squares / 2 / draws.standard_gamma(freedom / 2, len(vertices)))


def step_limits(values: HostArray, slopes: HostArray) -> tuple[HostArray, HostArray]:
    """Return the least and the largest s for which ``values + s * slopes`` (chains, f) is >= 0."""
    ratio = -values / np.where(slopes == 0, 1.0, slopes)
    low = np.max(ratio, axis=1, initial=-np.inf, where=slopes > 0)
    high = np.min(ratio, axis=1, initial=np.inf, where=slopes < 0)
    return np.minimum(low, 0.0), np.maximum(high, 0.0)


def draw_vertices(
    vertices: HostArray,
    sums: Products,
    variance: HostArray,
    bound: Bound,
    draws: np.random.Generator,
) -> HostArray:
    """Draw the vertices at fixed abundances, coordinate after coordinate, (chains, p, d).

    Each is a normal distribution, truncated to where no endmember falls below the bound (Dobigeon
    et al., eq. (29), with a prior of the endmembers that is flat there).
    """
    vertices, (chains, p, d) = vertices.copy(), vertices.shape
    uniform = draws.random((p, d, 2, chains))
    for r in range(p):
        values = vertices[:, r] @ bound.basis + bound.offset
        weight = sums.gram[:, r, r]
        deviation = np.sqrt(variance / weight)
        for k in range(d):
            held = vertices[:, r, k].copy()
            fitted = np.sum(sums.gram[:, r] * vertices[:, :, k], axis=1)
            mean = held + (sums.cross[:, r, k] - fitted) / weight
            slope = np.broadcast_to(bound.basis[k], values.shape)
            low, high = step_limits(values, slope)
            new = slice_normal(held, mean, deviation, held + low, held + high, uniform[r, k])
            values += (new - held)[:, None] * slope
            vertices[:, r, k] = new
    return vertices
