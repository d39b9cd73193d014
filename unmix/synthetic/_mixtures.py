"""Tables of samples whose endmembers or clusters are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .._arrays import generator, rng_key
from .._typing import RNG
from ._checks import ABOVE_0, LAYOUT, NOISE, number, whole

Floats = NDArray[np.float64]
Pair = int | tuple[int, int]

LEAST_CUT = 1.5
"""Least largest abundance, in units of that of an even mixture: below, nearly all draws are cut."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mixtures:
    """Samples that are mixed linearly from known endmembers: ``abundances @ endmembers`` and noise.

    Attributes
    ----------
    samples : (n_samples, n_features) float64
    endmembers : (n_endmembers, n_features) float64
        At least 0 and smooth.
    abundances : (n_samples, n_endmembers) float64
        At least 0; each row sums to one.
    pure_indices : (n_endmembers,) int64
        The sample that holds nothing but endmember i; empty if no pure ones were asked for.
    """

    samples: Floats
    endmembers: Floats
    abundances: Floats
    pure_indices: NDArray[np.int64]


def simplex_mixtures(
    n_samples: int = 2000,
    n_endmembers: int = 4,
    n_features: int = 50,
    *,
    snr_db: float | None = None,
    pure: bool = True,
    concentration: float = 1.0,
    largest: float = 1.0,
    rng: RNG = 0,
) -> Mixtures:
    """Mix smooth non-negative endmembers with abundances of a Dirichlet distribution.

    Parameters
    ----------
    n_samples, n_endmembers, n_features : int
        At least 2 endmembers, and at least as many samples and features as endmembers.
    snr_db : float, optional
        Power of the signal over that of white Gaussian noise in decibels; noise-free by default.
    pure : bool
        Whether one sample of each endmember, at a random place, is pure.
    concentration : float
        Of the Dirichlet distribution: 1 fills the simplex evenly, less prefers its corners.
    largest : float
        Largest abundance in any sample but the pure ones, from ``1.5 / n_endmembers`` to 1: the
        corners beyond are cut off, by drawing again.
    rng : int or numpy.random.Generator
        Source of endmembers and abundances, which do not depend on `snr_db`, and of the noise.

    Returns
    -------
    Mixtures

    Examples
    --------
    >>> from unmix.synthetic import simplex_mixtures
    >>> mixtures = simplex_mixtures(100, 3, 20)
    >>> mixtures.abundances[mixtures.pure_indices].round().astype(int).tolist()
    [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    """
    n = whole("n_endmembers", n_endmembers, 2)
    n_samples, n_features = whole("n_samples", n_samples, n), whole("n_features", n_features, n)
    number("concentration", concentration, "a number above 0", ABOVE_0)
    number("largest", largest, f"a number from {LEAST_CUT / n:g} to 1", LEAST_CUT / n, 1)
    key = rng_key(rng)
    draws = generator(key, LAYOUT)
    # A main peak in a stretch of its own makes each independent of the others; two are small.
    main = (np.arange(n) + draws.uniform(0.3, 0.7, n)) / n
    centers = np.column_stack([main, draws.uniform(0, 1, (n, 2))])[..., None]
    widths = np.column_stack([np.full(n, 0.5 / n), draws.uniform(0.03, 0.1, (n, 2))])[..., None]
    heights = np.column_stack([np.ones(n), draws.uniform(0.1, 0.5, (n, 2))])[..., None]
    axis = np.linspace(0, 1, n_features)
    endmembers = (heights * np.exp(-(((axis - centers) / widths) ** 2) / 2)).sum(axis=1)
    abundances = draws.dirichlet(np.full(n, float(concentration)), n_samples)
    while np.any(again := abundances.max(axis=1) > largest):
        abundances[again] = draws.dirichlet(np.full(n, float(concentration)), int(again.sum()))
    pure_indices = draws.permutation(n_samples)[: n if pure else 0]
    abundances[pure_indices] = np.eye(n)[: len(pure_indices)]
    samples = abundances @ endmembers
    if snr_db is not None:
        number("snr_db", snr_db, "a number of decibels or None")
        power = np.mean(samples**2) / 10 ** (snr_db / 10)
        samples += generator(key, NOISE).normal(0, np.sqrt(power), samples.shape)
    return Mixtures(
        samples=samples, endmembers=endmembers, abundances=abundances, pure_indices=pure_indices
    )


def blobs(
    n_samples: int = 1000,
    n_clusters: int = 4,
    n_features: int = 8,
    *,
    spread: float = 0.1,
    rng: RNG = 0,
) -> tuple[Floats, NDArray[np.int64]]:
    """Draw Gaussian clusters whose sizes are about as 1 : 2 : ... : n_clusters.

    Parameters
    ----------
    n_samples, n_clusters, n_features : int
        At least 1 each, and at least as many samples as clusters.
    spread : float
        Standard deviation along each feature, in units of the distance of the two nearest centers.
    rng : int or numpy.random.Generator
        Source of all draws.

    Returns
    -------
    table : (n_samples, n_features) float64
    labels : (n_samples,) int64
        Every cluster has at least one sample.

    Examples
    --------
    >>> from unmix.synthetic import blobs
    >>> table, labels = blobs(100, 3, 2)
    >>> table.shape, sorted(set(labels.tolist()))
    ((100, 2), [0, 1, 2])
    """
    n_clusters = whole("n_clusters", n_clusters, 1)
    n_samples = whole("n_samples", n_samples, n_clusters)
    n_features = whole("n_features", n_features, 1)
    number("spread", spread, "a number of at least 0", 0)
    draws = generator(rng_key(rng), LAYOUT)
    centers = draws.standard_normal((n_clusters, n_features))
    if n_clusters > 1:
        gaps = np.linalg.norm(centers[:, None] - centers, axis=-1)
        centers /= gaps[~np.eye(n_clusters, dtype=bool)].min()
    ends = np.arange(1, n_clusters + 1).cumsum() / (n_clusters * (n_clusters + 1) / 2)
    # Each cluster gets one sample first; the rest is dealt out by the clusters' shares.
    n_rest = n_samples - n_clusters
    rest = np.searchsorted(ends[:-1], (np.arange(n_rest) + 0.5) / n_rest)
    labels = draws.permutation(np.concatenate([np.arange(n_clusters), rest]))
    return centers[labels] + spread * draws.standard_normal((n_samples, n_features)), labels
