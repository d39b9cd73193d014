"""k-means: Lloyd's iteration for several starts at once, and the k-means++ start."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .._arrays import device_of, namespace_of
from .._dispatch import dispatched
from .._typing import Array

FAR = 16
"""An origin this many times as far from zero as centres are from it costs digits of products."""


class Assignment(NamedTuple):
    """What one part of a table says about the centres of s starts."""

    counts: Array
    """Samples in each cluster, (s, k), float64."""
    sums: Array
    """Sum of their rows, (s, k, f), float64."""
    inertia: Array
    """Sum of squared distances to the nearest centre, (s,), float64."""
    farthest: Array
    """Largest squared distance to the nearest centre, (s,), float64."""
    outlier: Array
    """The row at that distance, (s, f)."""


def squared_norms(rows: Array, origin: Array) -> Array:
    r"""Squared distances \|x - o\|^2 of rows (n, f) from a point (f,): shape (n,)."""
    xp = namespace_of(rows)
    away = rows - origin
    return xp.vecdot(away, away)


def is_far(centers: Array, origin: Array) -> bool:
    """Tell whether a large common offset would cost digits; the centres alone decide."""
    xp = namespace_of(centers)
    away = centers - origin
    reach = float(xp.max(xp.vecdot(away, away)))
    return float(xp.vecdot(origin, origin)) > FAR**2 * reach


def moved(rows: Array, centers: Array, origin: Array) -> tuple[Array, Array, Array]:
    """Return all three about the origin where they are far from zero: it takes a copy of rows."""
    if not is_far(centers, origin):
        return rows, centers, origin
    return rows - origin, centers - origin, namespace_of(rows).zeros_like(origin)


def relative_squares(rows: Array, centers: Array, origin: Array) -> Array:
    r"""All of \|x - c\|^2 - \|x - o\|^2 by one product, (s, k, n): see `nearest`."""
    xp = namespace_of(rows)
    s, k, f = centers.shape
    away = xp.reshape(centers, (s * k, f)) - origin
    offset = xp.vecdot(away, away) + 2 * xp.matmul(away, origin)
    return xp.reshape(offset[:, None] - 2 * xp.matmul(away, rows.T), (s, k, rows.shape[0]))


@dispatched
def nearest(rows: Array, centers: Array, origin: Array) -> tuple[Array, Array]:
    r"""Nearest centre of each row for s starts; ties go to the lowest.

    Parameters
    ----------
    rows, centers, origin : array
        Shapes (n, f), (s, k, f) and (f,). The origin is a point amid the data: products are then
        with the small ``centers - origin``.

    Returns
    -------
    labels, relative : array
        Shapes (n, s): numbers of centres, and \|x - c\|^2 - \|x - o\|^2 =
        \|c - o\|^2 - 2 (x - o) . (c - o).
    """
    xp = namespace_of(rows)
    # rows along the last axis, and a running minimum: an argmin over a few neighbours is slow
    relative = relative_squares(*moved(rows, centers, origin))
    least = relative[:, 0, :]
    labels = xp.zeros_like(least, dtype=xp.int32)
    for j in range(1, centers.shape[1]):
        closer = relative[:, j, :] < least
        labels = xp.where(closer, xp.asarray(j, dtype=xp.int32, device=device_of(rows)), labels)
        least = xp.where(closer, relative[:, j, :], least)
    return labels.T, least.T


@dispatched
def assign(rows: Array, centers: Array, origin: Array, norms: Array) -> Assignment:
    """One part of a step of Lloyd's iteration for s starts, in one read of ``rows``.

    Parameters
    ----------
    rows, centers, origin : array
        Shapes (n, f), (s, k, f) and (f,).
    norms : array
        Shape (n,): `squared_norms` of the rows.

    Returns
    -------
    Assignment
        Merged with another part's by `merge_assignments`.
    """
    xp = namespace_of(rows)
    s, k, f = centers.shape
    near, centers, zero = moved(rows, centers, origin)
    labels, relative = nearest(near, centers, zero)
    squared = xp.clip(relative + norms[:, None], 0, None)
    numbers = xp.arange(k, dtype=labels.dtype, device=device_of(rows))
    members = xp.astype(labels.T[:, None, :] == numbers[:, None], rows.dtype)
    sums = xp.matmul(xp.reshape(members, (s * k, rows.shape[0])), near)
    counts = xp.sum(members, axis=2, dtype=xp.float64)
    far = xp.argmax(squared, axis=0)
    return Assignment(
        counts,
        xp.astype(xp.reshape(sums, (s, k, f)), xp.float64)
        + counts[:, :, None] * xp.astype(origin - zero, xp.float64),
        xp.sum(squared, axis=0, dtype=xp.float64),
        xp.astype(xp.max(squared, axis=0), xp.float64),
        xp.take(rows, far, axis=0),
    )


def merge_assignments(a: Assignment, b: Assignment) -> Assignment:
    """Sum of two parts; of equally far samples the first part's."""
    xp = namespace_of(a.counts)
    later = b.farthest > a.farthest
    return Assignment(
        a.counts + b.counts,
        a.sums + b.sums,
        a.inertia + b.inertia,
        xp.where(later, b.farthest, a.farthest),
        xp.where(later[:, None], b.outlier, a.outlier),
    )


def moved_centers(seen: Assignment) -> Array:
    """New centres (s, k, f), float64: the means of the members.

    Empty clusters move to the sample that is farthest from its centre. Of several the first keeps
    it, and the others are filled in later steps.
    """
    xp = namespace_of(seen.counts)
    means = seen.sums / xp.clip(seen.counts, 1, None)[:, :, None]
    outlier = xp.broadcast_to(xp.astype(seen.outlier, xp.float64)[:, None, :], means.shape)
    return xp.where(seen.counts[:, :, None] == 0, outlier, means)


def lloyd(
    step: Callable[[Array, list[int]], Array],
    centers: list[Array],
    *,
    max_iter: int,
    tolerance: float,
) -> tuple[list[Array], int]:
    """Move centres until they rest, for several starts at once.

    Parameters
    ----------
    step : callable
        Centres (s, k, f) and which starts they are of -> `moved_centers` of the whole table.
    centers : list of array
        The starts, each (k, f), float64.
    max_iter : int
        Steps at the most.
    tolerance : float
        A start rests when the sum of the squared moves of its centres is at most this.

    Returns
    -------
    centers, n_iter
        Where each start came to rest, and the number of steps of the longest.
    """
    xp = namespace_of(centers[0])
    centers, moving, n_iter = list(centers), list(range(len(centers))), 0
    while moving and n_iter < max_iter:
        new = step(xp.stack([centers[i] for i in moving]), moving)
        shifts = [float(xp.sum((new[j, ...] - centers[i]) ** 2)) for j, i in enumerate(moving)]
        for j, i in enumerate(moving):
            centers[i] = new[j, ...]
        moving = [i for i, shift in zip(moving, shifts, strict=True) if shift > tolerance]
        n_iter += 1
    return centers, n_iter


class Seed(NamedTuple):
    """The winner of one race of k-means++ in one part of a table, for each of s starts."""

    time: Array
    row: Array


@dispatched
def race(rows: Array, squared: Array, exponentials: Array) -> Seed:
    """Draw the next k-means++ centre of s starts: the sample of least E / d^2.

    With E exponential this picks each sample with probability proportional to d^2, the squared
    distance to the nearest centre so far, and the pick does not depend on how the table is cut.

    Parameters
    ----------
    rows : array
        Shape (n, f).
    squared : array
        Shape (n, s): d^2, or ones for the first centre.
    exponentials : array
        Shape (n, s).

    Returns
    -------
    Seed
        Times (s,) and rows (s, f) of the winners.
    """
    xp = namespace_of(rows)
    open_to = squared > 0
    times = xp.where(open_to, exponentials / xp.where(open_to, squared, 1.0), xp.inf)
    return Seed(xp.min(times, axis=0), xp.take(rows, xp.argmin(times, axis=0), axis=0))


def merge_seeds(a: Seed, b: Seed) -> Seed:
    """Return the earlier winner of two parts; of equals the first part's."""
    xp = namespace_of(a.time)
    later = b.time < a.time
    return Seed(xp.where(later, b.time, a.time), xp.where(later[:, None], b.row, a.row))


def kmeans(
    rows: Array, centers: Array, *, max_iter: int = 300, tolerance: float = 0.0
) -> tuple[Array, Array, float]:
    """Lloyd's iteration from given centres.

    Parameters
    ----------
    rows : array
        Shape (n, f), floating.
    centers : array
        Shape (k, f).
    max_iter, tolerance
        See `lloyd`.

    Returns
    -------
    labels, centers, inertia
        Shapes (n,) and (k, f), float64; and the sum of squared distances.

    Notes
    -----
    Lloyd, IEEE Trans. Inf. Theory 28, 129 (1982).

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> rows = np.asarray([[0.0], [1.0], [9.0], [10.0]])
    >>> labels, centers, inertia = um.ops.kmeans(rows, rows[:2])
    >>> labels, centers.ravel(), inertia
    (array([0, 0, 1, 1], dtype=int32), array([0.5, 9.5]), 1.0)
    """
    xp = namespace_of(rows, centers)
    origin = xp.astype(xp.mean(rows, axis=0), rows.dtype)
    norms = squared_norms(rows, origin)
    found, _ = lloyd(
        lambda c, _: moved_centers(assign(rows, xp.astype(c, rows.dtype), origin, norms)),
        [xp.astype(centers, xp.float64)],
        max_iter=max_iter,
        tolerance=tolerance,
    )
    labels, relative = nearest(rows, xp.astype(found[0], rows.dtype)[None, ...], origin)
    squared = xp.clip(relative[:, 0] + norms, 0, None)
    return labels[:, 0], found[0], float(xp.sum(squared, dtype=xp.float64))
