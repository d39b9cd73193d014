"""k-means."""

from __future__ import annotations

from typing import Literal

import numpy as np

from .. import ops
from .._arrays import from_host, namespace_of, rng_key, to_host, uniform_per_sample
from .._door import as_table
from .._errors import DataError, ParameterError
from .._fold import PerSample, fold
from .._record import Clock
from .._results import Clusters, one_hot
from .._samples import Samples
from .._sources import empty_like
from .._tiles import Tile
from .._typing import RNG, Array
from .._unmixing import Unmixing
from ._common import kept_if_it_fits, not_negative, packed_endmembers, whole_number
from ._lloyd import steps_over

IN_CACHE = 1 << 18
"""Values that are taken from the origin at a time."""


def kmeans(
    samples: Samples | Array,
    n_clusters: int,
    *,
    init: Literal["k-means++"] | Unmixing | Array = "k-means++",
    n_starts: int = 5,
    max_iter: int = 300,
    tol: float = 1e-4,
    rng: RNG = 0,
) -> Clusters:
    """Sort samples into clusters around their means (Lloyd's iteration, several starts at once).

    Parameters
    ----------
    samples : Samples or array
        Described samples, or a table (sample, feature).
    n_clusters : int
        Number of clusters.
    init : "k-means++", Unmixing or array
        Random starts, or one given start: a model or an array (n_clusters, *descriptor_shape).
    n_starts : int
        Random starts; the one of least inertia is kept. They share each pass over the samples.
    max_iter : int
        Steps at the most.
    tol : float
        A start rests when the squared moves of its centres sum to at most this fraction of the mean
        variance of a feature.
    rng : int or numpy.random.Generator
        Random starts.

    Returns
    -------
    Clusters
        ``labels`` int32 in the map's shape, the largest cluster first; ``centers``, maps (one-hot),
        ``inertia``: in the namespace and on the device of the data.

    Raises
    ------
    ParameterError
        If a number is out of range.
    DataError
        If there are fewer different samples than clusters.

    Notes
    -----
    Lloyd, IEEE Trans. Inf. Theory 28, 129 (1982); Arthur and Vassilvitskii, SODA 1027 (2007). An
    empty cluster moves to the sample that is farthest from its centre.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> table = np.asarray([[0.0], [1.0], [0.5], [9.0], [10.0]])
    >>> um.kmeans(table, 2).labels
    array([0, 0, 0, 1, 1], dtype=int32)
    """
    clock, key = Clock(), rng_key(rng)
    samples = as_table(samples)
    n = samples.layout.n_samples
    n_clusters = whole_number(n_clusters, 1, n, "n_clusters", f"{n} samples")
    n_starts = whole_number(n_starts, 1, 10_000, "n_starts", "starts")
    max_iter = whole_number(max_iter, 1, 10**9, "max_iter", "steps")
    tol = not_negative(tol, "tol")
    table = kept_if_it_fits(samples, n_clusters + max_iter + 2)
    origin, norms, variance = _norms(table)
    if isinstance(init, str):
        if init != "k-means++":
            raise ParameterError(f"init is {init!r}; expected 'k-means++', a model or an array")
        starts = _plus_plus(table, n_clusters, n_starts, key, origin, norms)
    else:
        starts = [_given(init, samples, n_clusters)]
    centers, n_iter = ops.lloyd(
        steps_over(table, len(starts), n_clusters, origin, norms),
        starts,
        max_iter=max_iter,
        tolerance=tol * variance,
    )
    labels, best, inertia = _labels(table, centers, origin, norms)
    labels, center = _by_size(labels, centers[best], n_clusters, n)
    parameters = {
        "n_clusters": n_clusters,
        "init": init,
        "n_starts": n_starts,
        "max_iter": max_iter,
        "tol": tol,
        "rng": key,
    }
    xp = samples.xp
    return Clusters(
        maps=one_hot(labels, n_clusters, samples.dtype),
        components=samples.layout.unpack(xp.astype(center, samples.dtype)),
        layout=samples.layout,
        record=samples.record.then("kmeans", parameters, **clock.facts(labels)),
        labels=labels,
        inertia=inertia,
        n_iter=n_iter,
    )


def _norms(samples: Samples) -> tuple[Array, Array, float]:
    """An origin amid the data, squared distances from it, and the mean variance of a feature."""
    xp = samples.xp
    first = samples.tile(samples.plan()[0]).rows
    origin = xp.astype(ops.mean_row(first), samples.dtype)
    norms = empty_like(samples.source.like, (*samples.layout.map_shape, 1), 0.0, samples.dtype)

    def update(tile: Tile, _: Array, origin: Array) -> tuple[tuple[int, Array, Array], Array]:
        (n, f), total, squared = tile.rows.shape, xp.zeros_like(origin, dtype=xp.float64), []
        step = max(1, IN_CACHE // f)
        for i in range(0, n, step):
            away = tile.rows[i : min(i + step, n), :] - origin
            squared.append(xp.vecdot(away, away))
            ones = xp.ones_like(away[:, 0])
            total = total + xp.astype(xp.matmul(ones, away), xp.float64)
        squares = xp.concat(squared, axis=0)
        return (n, total, xp.sum(squares, dtype=xp.float64)), squares[:, None]

    (n, total, squares), _ = fold(
        samples,
        update,
        lambda a, b: tuple(x + y for x, y in zip(a, b, strict=True)),
        state=(origin,),
        out=norms,
        label="k-means",
    )
    variance = float(squares / n - xp.sum((total / n) ** 2)) / samples.layout.n_features
    return origin, norms, max(variance, 0.0)


def _given(init: Unmixing | Array, samples: Samples, n_clusters: int) -> Array:
    centers = packed_endmembers(init, samples, "the centres of init")
    if centers.shape[0] != n_clusters:
        raise ParameterError(
            f"init has {centers.shape[0]} centres; expected n_clusters={n_clusters}"
        )
    xp = namespace_of(centers)
    return xp.astype(centers, xp.float64)


def _plus_plus(
    samples: Samples, n_clusters: int, n_starts: int, key: int, origin: Array, norms: Array
) -> list[Array]:
    """Draw the starts, all at once: one pass for each centre."""
    xp = samples.xp
    shape = (*samples.layout.map_shape, n_starts)
    nearest = empty_like(samples.source.like, shape, 1.0, xp.float64)

    def update(
        tile: Tile, previous: Array, newest: Array | None, draw: int, squared: Array
    ) -> tuple[ops.Seed, Array]:
        if newest is not None:
            _, relative = ops.nearest(tile.rows, newest[:, None, :], origin)
            now = xp.clip(relative + squared, 0, None)
            now = xp.astype(now, xp.float64)
            previous = now if draw == 1 else xp.minimum(previous, now)
        uniform = uniform_per_sample(key, 2 + draw, tile.numbers, n_starts)
        exponentials = from_host(-np.log1p(-uniform), tile.rows, xp.float64)
        return ops.race(tile.rows, previous, exponentials), previous

    chosen: list[Array] = []
    for draw in range(n_clusters):
        seed, _ = fold(
            samples,
            update,
            ops.merge_seeds,
            state=(chosen[-1] if chosen else None, draw, PerSample(norms)),
            out=nearest,
            label="k-means++",
        )
        chosen.append(seed.row)
    starts = xp.astype(xp.stack(chosen, axis=1), xp.float64)
    return [starts[i, ...] for i in range(n_starts)]


def _labels(
    samples: Samples, centers: list[Array], origin: Array, norms: Array
) -> tuple[Array, int, float]:
    """Return the labels and inertia of the best start, and its number."""
    xp = samples.xp
    stacked = xp.astype(xp.stack(centers), samples.dtype)
    shape = (*samples.layout.map_shape, len(centers))
    labels = empty_like(samples.source.like, shape, -1, xp.int32)

    def update(tile: Tile, _: Array, c: Array, o: Array, squared: Array) -> tuple[Array, Array]:
        nearest, relative = ops.nearest(tile.rows, c, o)
        squared = xp.clip(relative + squared, 0, None)
        return xp.sum(squared, axis=0, dtype=xp.float64), nearest

    inertia, _ = fold(
        samples,
        update,
        lambda a, b: a + b,
        state=(stacked, origin, PerSample(norms)),
        out=labels,
        label="labels",
    )
    best = int(xp.argmin(inertia))
    return labels[..., best], best, float(inertia[best])


def _by_size(labels: Array, centers: Array, n_clusters: int, n: int) -> tuple[Array, Array]:
    """Number clusters by falling size; of equals the one whose first sample comes first."""
    host = to_host(labels)
    inside = host[host >= 0]
    counts, first = np.bincount(inside, minlength=n_clusters), np.zeros(n_clusters, np.int64)
    first[inside[::-1]] = np.arange(len(inside))[::-1]  # the last one written stays
    used = np.count_nonzero(counts)
    if used < n_clusters:
        raise DataError(
            f"the {n} samples are only {used} different ones for {n_clusters} clusters; "
            f"ask for at most {used} clusters"
        )
    order = np.lexsort((first, -counts))
    rank = np.full(n_clusters + 1, -1, dtype=np.int32)
    rank[order] = np.arange(n_clusters)
    xp = namespace_of(labels)
    renamed = from_host(rank[host], labels, xp.int32)
    return renamed, xp.take(centers, from_host(order, centers), axis=0)
