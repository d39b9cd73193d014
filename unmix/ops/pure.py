"""Draws of which samples are pure: at a vertex itself, where a Dirichlet distribution has none.

Without them a vertex with pure samples is drawn beyond these, the further the more endmembers there
are: so little of a Dirichlet distribution is as near to a corner as the noise is wide.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._arrays import from_host, namespace_of, to_host
from .._typing import Array, HostArray
from .dirichlet import LEAST_ABUNDANCE
from .gibbs import MIXED, Products

REACH = 10
"""Widths of the noise, more than on average, that the rest of a vertex may be away from it."""


class PseudoPrior(NamedTuple):
    """Where abundances of pure samples are drawn, which have none, and what a mixture has there."""

    rates: HostArray
    """(chains, p, p): of the gamma distribution of each abundance at each vertex."""
    largest: HostArray
    """(chains, p): abundances of the vertex are above this."""
    odds: HostArray
    """(chains, p): logarithm of pure to mixed at the vertex, but for abundances and points."""


def draw_pure(
    points: Array,
    abundances: Array,
    pure: HostArray,
    vertices: HostArray,
    variance: HostArray,
    concentration: HostArray,
    share: float,
    draws: np.random.Generator,
) -> HostArray:
    """Draw of which endmember each sample is pure, and the abundances of those that change.

    Parameters
    ----------
    points : array
        Shape (d, n), float64.
    abundances : array
        Shape (chains, p, n), float64, positive with sum one; changed in place. Those of pure
        samples are not read, and come out as one and next to nothing.
    pure : numpy.ndarray
        Shape (chains, n): the vertex of each pure sample, and -1 for mixed ones.
    vertices, variance, concentration : numpy.ndarray
        Shapes (chains, p, d), (chains,) and (chains, p).
    share : float
        Probability that a sample is pure of one endmember to that that it is mixed.
    draws : numpy.random.Generator
        Source of all draws.

    Returns
    -------
    numpy.ndarray
        As ``pure``.

    Notes
    -----
    Carlin and Chib, J. R. Stat. Soc. B 57, 473 (1995): a pure sample is given abundances from a
    pseudo-prior, and then whether it is pure follows from its abundances as for all others. The
    pseudo-prior changes how often that happens and not the result: gamma distributions as wide as
    the noise, with the poles of the Dirichlet distribution, up to where the vertex has too little.
    """
    xp = namespace_of(points, abundances)
    prior = pseudo_prior(vertices, variance, concentration, share)
    near = abundances > from_host(prior.largest[:, :, None], points)
    columns = np.flatnonzero(to_host(xp.any(near, axis=(0, 1))) | np.any(pure != MIXED, axis=0))
    taken = from_host(columns, points)
    some = np.array(to_host(xp.take(abundances, taken, axis=2)))
    held, seen = pure[:, columns], to_host(xp.take(points, taken, axis=1))
    stays = _give_abundances(some, held, prior, concentration, draws)

    odds = _log_odds(seen, some, vertices, variance, prior, concentration)
    uniform = draws.random(held.shape)
    is_pure = np.log(uniform) - np.log1p(-uniform) < odds.max(axis=1)
    found = np.where(stays, held, np.where(is_pure, odds.argmax(axis=1), MIXED))
    alone = found[:, None, :] == np.arange(some.shape[1])[:, None]
    some = np.where((found != MIXED)[:, None, :], np.where(alone, 1.0, LEAST_ABUNDANCE), some)

    changed, values = np.zeros(pure.shape, bool), np.zeros(abundances.shape)
    changed[:, columns], values[:, :, columns] = (held != MIXED) | (found != MIXED), some
    abundances[...] = xp.where(
        from_host(changed[:, None, :], points), from_host(values, points), abundances
    )
    pure = pure.copy()
    pure[:, columns] = found
    return pure


def pseudo_prior(
    vertices: HostArray, variance: HostArray, concentration: HostArray, share: float
) -> PseudoPrior:
    """Return gamma distributions that are as wide as the noise along each edge."""
    from scipy.special import gammaln

    edges = vertices[:, :, None] - vertices[:, None]
    rates = np.sqrt(np.sum(edges**2, axis=3) / variance[:, None, None])
    total = concentration.sum(axis=1)[:, None]
    others = ~np.eye(rates.shape[1], dtype=bool)
    least = np.min(rates, axis=2, where=others, initial=np.inf)
    reach = (total - concentration + REACH) / least
    logs = np.log(np.where(others, rates, 1.0))
    odds = np.log(share) + gammaln(concentration) - gammaln(total)
    odds += np.sum(concentration[:, None] * logs, axis=2)
    return PseudoPrior(rates, 1 - np.minimum(reach, 0.5), odds)


def _give_abundances(
    abundances: HostArray,
    pure: HostArray,
    prior: PseudoPrior,
    concentration: HostArray,
    draws: np.random.Generator,
) -> HostArray:
    """Draw abundances of pure samples in place, and tell where they are outside and so stay."""
    chain, sample = np.nonzero(pure != MIXED)
    vertex = pure[chain, sample]
    own = chain, vertex, sample
    rates = prior.rates[chain, vertex]
    rates[np.arange(len(chain)), vertex] = np.inf
    rest = draws.standard_gamma(concentration[chain]) / rates
    abundances[chain, :, sample] = np.maximum(rest, LEAST_ABUNDANCE)
    abundances[own] = np.maximum(1 - rest.sum(axis=1), LEAST_ABUNDANCE)
    stays = np.zeros(pure.shape, bool)
    stays[chain, sample] = abundances[own] <= prior.largest[chain, vertex]
    return stays


def _log_odds(
    points: HostArray,
    abundances: HostArray,
    vertices: HostArray,
    variance: HostArray,
    prior: PseudoPrior,
    concentration: HostArray,
) -> HostArray:
    """Return the logarithms of the odds of pure at each vertex to mixed, (chains, p, m)."""
    scaled = vertices / variance[:, None, None]
    fits, half = scaled @ points, scaled @ np.swapaxes(vertices, 1, 2) / 2
    mixed = np.sum(abundances * (fits - half @ abundances), axis=1)
    alone = fits - np.diagonal(half, axis1=1, axis2=2)[:, :, None]
    powers = (1 - concentration[:, :, None]) * np.log(abundances)
    odds = alone - mixed[:, None] - prior.rates @ abundances + powers + prior.odds[:, :, None]
    return np.where(abundances > prior.largest[:, :, None], odds, -np.inf)


def log_pull(
    sums: Products, vertex: HostArray, move: HostArray, i: int, variance: HostArray
) -> HostArray:
    """Return the log odds (chains,) that pure samples give to a move (chains, d) of vertex i."""
    away = sums.pure_points[:, i] - sums.pure[:, i, None] * (vertex + move / 2)
    return np.asarray(np.sum(move * away, axis=1) / variance)
