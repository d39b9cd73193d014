"""The runs of FastICA over the scores of a model, and how stable what they find is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .. import ops
from .._arrays import from_host, generator, to_host, uniform_per_sample
from .._fold import fold
from .._results import PrincipalComponents
from .._samples import Samples
from .._tiles import Tile
from .._typing import Array, HostArray

POISSON = np.cumsum(np.exp(-1) / np.cumprod([1.0, *range(1, 20)]))
"""Distribution of how often a sample is drawn in a bootstrap of many."""


class Whitening(NamedTuple):
    """Scores to rows of variance one that do not correlate, and back; both (k, k)."""

    turn: HostArray
    """``white = scores @ turn.T``."""
    back: HostArray
    """``scores = white @ back``."""


class Rotated(NamedTuple):
    """What the runs found, the least Gaussian component first."""

    directions: HostArray
    """Rows (k, k) that turn white scores into sources."""
    white: Whitening
    negentropy: HostArray
    stability: HostArray | None
    n_iter: int
    converged: bool


def rotate(
    model: PrincipalComponents,
    n_runs: int,
    contrast: ops.Contrast,
    max_iter: int,
    tol: float,
    key: int,
) -> Rotated:
    """Turn the scores of a model so that they are as far from Gaussian as they can be."""
    scores, k = model.scores, len(model)
    n = scores.layout.n_samples
    white = _whitening(scores)
    start = generator(key, 1).standard_normal((n_runs, k, k))

    def update(tile: Tile, _: None, directions: Array) -> ops.ContrastSums:
        weights = None if n_runs == 1 else _bootstrap(tile, key, n_runs, k)
        return ops.contrast_pass(tile.rows, directions, contrast, weights)

    def pass_over(directions: Array) -> ops.ContrastSums:
        # it is directions that are turned, and sums, and no row
        forms = from_host(directions @ white.turn, model.maps)
        sums, _ = fold(scores, update, ops.merge_contrast, state=(forms,), label="ICA")
        return ops.ContrastSums(to_host(sums.product) @ white.turn.T, to_host(sums.slope))

    found = ops.fastica(pass_over, start, n, max_iter=max_iter, tolerance=tol)
    first = from_host(found.directions[0] @ white.turn, model.maps)
    value, _ = fold(
        scores,
        lambda tile, _: ops.contrast_sums(tile.rows, first, contrast),
        lambda a, b: a + b,
        label="ICA",
    )
    far = ops.negentropy(to_host(value) / n, contrast)
    order = np.argsort(-far, kind="stable")
    stability = None
    if n_runs > 1:
        stability = _stability(found.directions.reshape(-1, k), k)[:k][order]
    return Rotated(
        found.directions[0][order],
        white,
        far[order],
        stability,
        found.n_iter,
        bool(found.converged[0]),
    )


def _whitening(scores: Samples) -> Whitening:
    """Take the nearest white rows: where scores do not correlate, each is only divided.

    They do where the components were chosen among samples that were scaled and weighted.
    """
    moments, _ = fold(scores, lambda t, _: ops.covariance(t.rows), ops.merge_covariance)
    covariance = to_host(moments.scatter) / moments.n
    spread = np.sqrt(np.diag(covariance))
    values, vectors = np.linalg.eigh(covariance / (spread[:, None] * spread))
    root = (vectors * np.sqrt(values)) @ vectors.T
    return Whitening((vectors / np.sqrt(values)) @ vectors.T / spread, root * spread)


def _bootstrap(tile: Tile, key: int, n_runs: int, k: int) -> Array:
    """How often each sample counts for each direction, (n_runs k, n): once in the first run."""
    uniform = uniform_per_sample(key, 2, tile.numbers, n_runs - 1)
    counts = np.searchsorted(POISSON, uniform, side="right")
    counts = np.concatenate([np.ones((len(counts), 1), dtype=counts.dtype), counts], axis=1)
    return from_host(np.repeat(counts.T, k, axis=0), tile.rows, tile.rows.dtype)


def _stability(directions: HostArray, n_clusters: int) -> HostArray:
    """Stability of the cluster that each estimate of all runs is in, (n_runs k,)."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    # of white rows, so that this is the modulus of the correlation of two sources
    similar = np.clip(np.abs(directions @ directions.T), 0, 1)
    apart = squareform(1 - similar, checks=False)
    labels = fcluster(linkage(apart, "average"), n_clusters, "maxclust")
    stability = np.empty(len(labels))
    for label in np.unique(labels):
        inside = labels == label
        outside = similar[np.ix_(inside, ~inside)]
        rest = outside.mean() if outside.size else 0.0
        stability[inside] = similar[np.ix_(inside, inside)].mean() - rest
    return stability
