"""Draws of abundances that follow a Dirichlet distribution, of its concentrations, and of slides.

A concentration of one for all endmembers fills the simplex evenly, and one of less prefers what is
nearly pure: small abundances ``a`` have the density ``a^(concentration - 1)``.
"""

from __future__ import annotations

import numpy as np

from .._arrays import from_host, namespace_of, to_host
from .._typing import Array, HostArray

Pairs = list[tuple[int, int]]

LEAST_ABUNDANCE = 1e-20
"""Abundances are at least so much, so that they have logarithms."""

LEAST_CONCENTRATION = 0.1
"""Below, more abundances than one in a hundred would be under `LEAST_ABUNDANCE`."""

TRIES = 5
"""Steps of each concentration in one draw: they cost nothing beside the samples."""

STRIDE = 2.4
"""Steps of a concentration, in units of about the deviation of its logarithm, ``1 / sqrt(n)``."""

SLIDE = 1.5
"""Steps of the logarithm of the distance from a face to the sample nearest to it."""


def draw_abundances(
    points: Array,
    abundances: Array,
    vertices: HostArray,
    variance: HostArray,
    concentration: HostArray,
    pairs: Pairs,
    uniform: Array,
) -> None:
    """Draw how each pair of endmembers shares what both have together, in place.

    Parameters
    ----------
    points : array
        Shape (d, n), float64.
    abundances : array
        Shape (chains, p, n), float64, positive with sum one; changed in place.
    vertices, variance, concentration : numpy.ndarray
        Shapes (chains, p, d), (chains,) and (chains, p).
    pairs : list of (int, int)
        The pairs in turn. They must connect all endmembers.
    uniform : array
        Shape (len(pairs), 3, chains, n).

    Notes
    -----
    Along an edge of the simplex the density of a sample is a normal, truncated to the edge
    (Dobigeon et al., IEEE Trans. Signal Process. 57, 4355 (2009), eq. (26) draws along those to one
    endmember), times that of a Dirichlet distribution.
    """
    xp = namespace_of(points, abundances)
    gram = vertices @ np.swapaxes(vertices, 1, 2)
    first, second = np.asarray(pairs).T
    edges = np.swapaxes(gram[:, first] - gram[:, second], 0, 1)  # (pairs, chains, p)
    each = np.arange(len(pairs))
    lengths = (edges[each, :, first] - edges[each, :, second])[..., None]
    deviations = np.sqrt(variance[:, None] / lengths)
    edges, lengths, deviations = (from_host(a, points) for a in (edges, lengths, deviations))
    fits = xp.matmul(from_host(vertices, points), points)
    powers = from_host(concentration[:, :, None], points)
    for turn, (i, j) in enumerate(pairs):
        fitted = xp.matmul(edges[turn, :, None, :], abundances)[:, 0, :]
        step = (fits[:, i, :] - fits[:, j, :] - fitted) / lengths[turn, ...]
        one, other = abundances[:, i, :], abundances[:, j, :]
        both = one + other
        share = slice_share(
            one / both,
            other / both,
            step / both,
            deviations[turn, ...] / both,
            (powers[:, i, :], powers[:, j, :]),
            uniform[turn, ...],
        )
        drawn = xp.clip(both * share, LEAST_ABUNDANCE, None)
        abundances[:, i, :] = drawn
        abundances[:, j, :] = xp.clip(both - drawn, LEAST_ABUNDANCE, None)


def slice_share(
    share: Array,
    rest: Array,
    step: Array,
    deviation: Array,
    powers: tuple[Array, Array],
    uniform: Array,
) -> Array:
    """Draw x in [0, 1] from a normal times ``x^(powers[0] - 1) (1 - x)^(powers[1] - 1)``.

    Parameters
    ----------
    share, rest : array
        The values before, and one less them.
    step, deviation : array
        From the values before to the normal's mean, and its deviation.
    powers : tuple of arrays
        Positive, and the second not one.
    uniform : array
        Shape (3, ...): uniform numbers from [0, 1).

    Returns
    -------
    array
        The values after. One draw leaves the distribution as it is.

    Notes
    -----
    Damien, Wakefield and Walker, J. R. Stat. Soc. B 61, 331 (1999): a height under the normal and
    one under the second power, which together leave an interval. The first power is even in
    ``x^powers[0]``, which is drawn there: so its pole at zero keeps no value.

    Examples
    --------
    >>> import numpy as np
    >>> from unmix import ops
    >>> wide = np.asarray([1e9]), (np.asarray([0.5]), np.asarray([2.0]))
    >>> half = np.asarray([0.5])
    >>> ops.slice_share(half, half, 0 * half, *wide, np.full((3, 1), 0.5)).round(4)
    array([0.1875])
    """
    xp = namespace_of(uniform)
    reach = xp.sqrt(step**2 - 2 * deviation**2 * xp.log1p(-uniform[0, ...]))
    low = xp.clip(share + (step - reach), 0.0, 1.0)
    high = xp.clip(share + (step + reach), 0.0, 1.0)
    end = 1 - rest * xp.exp(xp.clip(xp.log1p(-uniform[2, ...]) / (powers[1] - 1), None, 100.0))
    pole = xp.broadcast_to(powers[1] < 1, end.shape)
    low = xp.where(pole, xp.maximum(low, end), low) ** powers[0]
    high = xp.where(pole, high, xp.minimum(high, end)) ** powers[0]
    return xp.clip(low + uniform[1, ...] * (high - low), 0.0, 1.0) ** (1 / powers[0])


def draw_concentration(
    concentration: HostArray, logarithms: HostArray, n: HostArray, draws: np.random.Generator
) -> HostArray:
    """Draw the concentrations of mixed samples with given sums of logarithms, (chains, p).

    Parameters
    ----------
    concentration, logarithms : numpy.ndarray
        The values before and the sums over samples of ``log(a)``, (chains, p).
    n : numpy.ndarray
        Number of samples of each chain, (chains,).
    draws : numpy.random.Generator
        Source of the steps.

    Returns
    -------
    numpy.ndarray
        The values after. The prior of each is exponential with mean one, from
        `LEAST_CONCENTRATION` on.
    """
    from scipy.special import gammaln

    def density(values: HostArray) -> HostArray:  # of the logarithms
        normal = gammaln(values.sum(axis=1)) - gammaln(values).sum(axis=1)
        each = values * (logarithms - 1) + np.log(values)
        return np.asarray(n * normal + each.sum(axis=1))

    chains, p = concentration.shape
    values, held = concentration.copy(), density(concentration)
    for i in list(range(p)) * TRIES:
        tried = values.copy()
        tried[:, i] *= np.exp(STRIDE / np.sqrt(n + 1) * draws.standard_normal(chains))
        new = density(tried)
        taken = (np.log1p(-draws.random(chains)) < new - held) & (
            tried[:, i] >= LEAST_CONCENTRATION
        )
        values[taken], held[taken] = tried[taken], new[taken]
    return values


def ratios(abundances: Array, mixed: Array, i: int, j: int) -> Array:
    """Return the ratio of abundance i to j, (chains, n), where ``mixed`` is one and not zero."""
    return mixed * (abundances[:, i, :] / abundances[:, j, :])


def least_distance(ratio: Array) -> HostArray:
    """Return the least ratio of abundance j to i over all samples, (chains,)."""
    with np.errstate(divide="ignore"):
        return 1 / to_host(namespace_of(ratio).max(ratio, axis=1))


def try_share(
    ratio: HostArray, limits: tuple[HostArray, HostArray], normal: HostArray
) -> tuple[HostArray, HostArray]:
    """Return how far vertex i may go along its edge to j at fixed points, and its log odds so far.

    Moving it by ``s`` times the edge, away from j, turns abundances ``a_i`` into ``a_i / (1 + s)``
    and gives the rest, the share ``u = s / (1 + s)`` of ``a_i``, to j. The first sample meets the
    face where u is ``-ratio``: its distance from there is tried at a random multiple. Outside of
    the limits that the bound sets to s the share is zero.
    """
    share = ratio * np.expm1(SLIDE * normal)
    low, high = limits
    with np.errstate(divide="ignore", invalid="ignore"):  # without a mixed sample no face is met
        s = share / (1 - share)
    share = np.where((share < 1) & (s >= low) & (s <= high), share, 0.0)
    return share, np.where(share == 0, 0.0, SLIDE * normal)


def log_growth(ratio: Array, share: HostArray) -> HostArray:
    """Return the sum over samples of the logarithm of how much abundance j grows, (chains,)."""
    xp = namespace_of(ratio)
    return to_host(xp.sum(xp.log1p(from_host(share[:, None], ratio) * ratio), axis=1))


def take_share(
    share: HostArray,
    odds: HostArray,
    growth: HostArray,
    concentration: tuple[HostArray, HostArray],
    n: HostArray,
    uniform: HostArray,
) -> HostArray:
    """Return the shares that were tried, or zero where they are refused, (chains,).

    The volume grows by ``1 + s``, so that the density of n points is that of their abundances times
    ``(1 + s)^-n``, and ``du`` is ``ds / (1 + s)^2``: ``odds`` are those of the distance alone.
    """
    of_i, of_j = concentration
    odds = odds + (n * of_i - 2) * np.log1p(-share) + (of_j - 1) * growth
    return np.where(np.log1p(-uniform) < odds, share, 0.0)


def move_share(abundances: Array, ratio: Array, i: int, j: int, share: HostArray) -> None:
    """Give a share of abundance i to j, in place; a negative one takes."""
    xp = namespace_of(abundances)
    given = from_host(share[:, None], abundances) * ratio * abundances[:, j, :]
    abundances[:, i, :] = xp.clip(abundances[:, i, :] - given, LEAST_ABUNDANCE, None)
    abundances[:, j, :] = xp.clip(abundances[:, j, :] + given, LEAST_ABUNDANCE, None)
