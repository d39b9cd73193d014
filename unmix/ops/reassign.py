"""A step of Lloyd's iteration that remembers the last one: only some samples are looked at."""

from __future__ import annotations

from typing import NamedTuple

from .._arrays import device_of, namespace_of
from .._dispatch import dispatched
from .._typing import Array
from .kmeans import moved, relative_squares

ROUNDING = 16
"""Squared distances by products are wrong by up to this many units in the last place."""

ROUNDED = 8
"""Limits are lowered by this many units in the last place: they are rounded themselves."""


class Reassignment(NamedTuple):
    """What one part of a table changes in the clusters of s starts, and what it now knows."""

    counts: Array
    """Samples that came to each cluster less those that left it, (s, k), float64."""
    sums: Array
    """Sum of their rows, (s, k, f), float64."""
    known: Array
    """Shape (n, 2 s), see `reassign`."""


@dispatched
def reassign(
    rows: Array, centers: Array, origin: Array, norms: Array, known: Array, drift: Array
) -> Reassignment:
    r"""Sort samples to moved centres for s starts, and say what that changes.

    A sample is looked at again when the centres may have moved far enough for another to be the
    nearest: by Hamerly's bound no sooner than its own centre's move and the longest of the others'
    sum to what the second nearest was farther away. Labels are those of `nearest` wherever the two
    nearest differ by more than rounding.

    Parameters
    ----------
    rows, centers, origin : array
        Shapes (n, f), (s, k, f) and (f,).
    norms : array
        Shape (n,): `squared_norms` of the rows.
    known : array
        Shape (n, 2 s), of the type of the rows: s labels, and then s limits. A sample whose
        label's ``drift`` reaches the limit is looked at. Minus one in both: not yet sorted.
    drift : array
        Shape (s, k): `drifts` of all steps so far, summed.

    Returns
    -------
    Reassignment
        Counts and sums are added to another part's.

    Notes
    -----
    Hamerly, SIAM Int. Conf. Data Mining, 130 (2010), eqs. 1-3 with all steps' moves summed.
    """
    xp = namespace_of(rows)
    s, k, f = centers.shape
    old, until = known[:, :s], known[:, s:]
    near, c, zero = moved(rows, centers, origin)
    relative = relative_squares(near, c, zero)
    least, second = relative[:, 0, :].T, xp.full((rows.shape[0], s), xp.inf, dtype=rows.dtype)
    labels, reached = xp.zeros_like(least), xp.zeros_like(least)
    for j in range(1, k):
        now = relative[:, j, :].T
        closer = now < least
        second = xp.where(closer, least, xp.minimum(second, now))
        labels = xp.where(closer, xp.full_like(labels, j), labels)
        least = xp.where(closer, now, least)
    rests = xp.zeros_like(least)
    for j in range(k):
        reached = xp.where(old == j, drift[:, j], reached)
        rests = xp.where(labels == j, drift[:, j], rests)
    away = centers - origin
    reach = xp.max(xp.vecdot(away, away), axis=1)
    limit = limits(least, second, norms[:, None], reach, rests, f)
    stays = until > reached
    labels = xp.where(stays, old, labels)
    numbers = xp.arange(k, dtype=rows.dtype, device=device_of(rows))[:, None]
    came, left = (xp.astype(a.T[:, None, :] == numbers, rows.dtype) for a in (labels, old))
    change = xp.reshape(came - left, (s * k, rows.shape[0]))
    counts = xp.reshape(xp.sum(change, axis=1, dtype=xp.float64), (s, k))
    sums = xp.reshape(xp.astype(xp.matmul(change, near), xp.float64), (s, k, f))
    sums = sums + counts[:, :, None] * xp.astype(origin - zero, xp.float64)
    return Reassignment(counts, sums, xp.concat([labels, xp.where(stays, until, limit)], axis=1))


def limits(
    least: Array, second: Array, norms: Array, reach: Array, drift: Array, n_features: int
) -> Array:
    """Drift that a label stands for: the gap of the two nearest, safe from rounding.

    Parameters
    ----------
    least, second, norms, drift : array
        Of each sample, as they broadcast: relative squared distances of the nearest and the second
        nearest centre, squared distance from the origin, and drift of the nearest so far.
    reach : array
        Largest squared distance of a centre from the origin.
    n_features : int
        Terms of the products.
    """
    xp = namespace_of(least)
    eps = float(xp.finfo(least.dtype).eps)
    error = ROUNDING * eps * n_features**0.5 * (norms + reach)
    upper = xp.sqrt(xp.clip(least + norms, 0, None) + error)
    lower = xp.sqrt(xp.clip(second + norms - error, 0, None))
    return (lower - upper + drift) * (1 - ROUNDED * eps)


def drifts(centers: Array, previous: Array) -> Array:
    """How much nearer another centre may have come, for samples of each cluster.

    Parameters
    ----------
    centers, previous : array
        Shape (s, k, f): centres of this step and of the step before, as the rows see them.

    Returns
    -------
    array
        Shape (s, k), float64: the centre's own move and the longest move of the others.
    """
    xp = namespace_of(centers)
    step = xp.astype(centers, xp.float64) - xp.astype(previous, xp.float64)
    moves = xp.sqrt(xp.vecdot(step, step))
    k = moves.shape[1]
    others = (
        xp.zeros_like(moves[:, :1])
        if k == 1
        else xp.stack(
            [
                xp.max(xp.concat([moves[:, :j], moves[:, j + 1 :]], axis=1), axis=1)
                for j in range(k)
            ],
            axis=1,
        )
    )
    return moves + others
