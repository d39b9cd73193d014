"""Exact least-squares abundances under constraints, for all samples at once.

All that has to be found is a sample's *support*, the endmembers that it is mixed of: given that,
abundances and multipliers are a linear map of the sample. So all samples go through an active-set
method in step, with one small matrix for each support that occurs among them.
"""

from __future__ import annotations

from itertools import count
from typing import Any, Literal, NamedTuple

import numpy as np

from .._arrays import float_type, from_host, namespace_of, require_finite, require_real, to_host
from .._dispatch import dispatched
from .._errors import DataError, ShapeError
from .._typing import Array, HostArray
from .supports import Maps, lookup, maps_of_supports, pays

Constraint = Literal["sum_to_one", "nonnegative", "none"]
"""Fractions, amounts, or plain least squares."""

_MOST = 62  # endmembers: a support is kept as the bits of an int64
_READ, _ROWS = 1 << 23, 1 << 15  # values of samples, and samples, that are taken at once
_BLOCK = 1 << 21  # bytes of matrices that are gathered at once: they stay in cache
ROUNDING = 2.0**-44  # of a unit row times a sample, generously: 256 units of the last place
BLOCK_TURNS = 4  # settle all points where endmembers are far from dependent, or nearly all


def fcls(samples: Array, endmembers: Array) -> Array:
    """Return fully constrained abundances: non-negative, with sum one.

    Each row solves ``min ||x - a @ endmembers||^2`` over ``a >= 0, sum(a) = 1`` exactly.

    Parameters
    ----------
    samples : (n, f) array
        Integers or real floats.
    endmembers : (p, f) array
        Spectra of the pure materials, at most 62, in the namespace of `samples`.

    Returns
    -------
    (n, p) array
        In the namespace and on the device of `samples`, float32 where those are float32 or narrower
        and float64 otherwise. A sample with NaN or infinity has NaN abundances.

    Raises
    ------
    ShapeError
        If an argument has not two axes, or the numbers of features differ.
    DataError
        If endmembers are affinely dependent, so that abundances are not unique, or not finite.

    References
    ----------
    .. [1] D. C. Heinz and C.-I Chang, IEEE Trans. Geosci. Remote Sens. 39, 529 (2001).

    Examples
    --------
    >>> import numpy as np
    >>> from unmix.ops.abundances import fcls
    >>> endmembers = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    >>> fcls(np.array([[1.0, 2.0], [9.0, -1.0]]), endmembers).round(9)
    array([[0.25, 0.25, 0.5 ],
           [0.  , 1.  , 0.  ]])
    """
    return _checked(samples, endmembers, "sum_to_one")


def nnls(samples: Array, endmembers: Array) -> Array:
    """Return non-negative abundances.

    Each row solves ``min ||x - a @ endmembers||^2`` over ``a >= 0`` exactly. Arguments, array
    returned and errors are those of `fcls`, but that endmembers must be linearly independent.

    References
    ----------
    .. [1] C. L. Lawson and R. J. Hanson, Solving Least Squares Problems (1974), chapter 23.

    Examples
    --------
    >>> import numpy as np
    >>> from unmix.ops.abundances import nnls
    >>> nnls(np.array([[3.0, 2.0], [9.0, -1.0]]), np.array([[1.0, 0.0], [1.0, 1.0]])).round(9)
    array([[1., 2.],
           [9., 0.]])
    """
    return _checked(samples, endmembers, "nonnegative")


def ucls(samples: Array, endmembers: Array) -> Array:
    """Return the abundances of unconstrained least squares, of either sign.

    Arguments, array returned and errors are those of `fcls`, but that endmembers must be linearly
    independent.

    Examples
    --------
    >>> import numpy as np
    >>> from unmix.ops.abundances import ucls
    >>> ucls(np.array([[9.0, -1.0]]), np.array([[1.0, 0.0], [1.0, 1.0]])).round(9)
    array([[10., -1.]])
    """
    return _checked(samples, endmembers, "none")


class Mixing(NamedTuple):
    """The problem in the span of the endmembers: nothing outside of it changes an abundance."""

    basis: HostArray  # (r, f), orthonormal up to its rounding to the computing type
    origin: HostArray  # (r,), the endmembers' mean, or zero
    units: HostArray  # (p,), lengths: beyond this, nothing depends on the scale of the data
    vertices: HostArray  # (p, r), the endmembers from the origin, in units
    constraint: Constraint
    table: Maps | None  # of all supports, where it pays to have them

    @property
    def sums(self) -> bool:
        """Whether abundances sum to one."""
        return self.constraint == "sum_to_one"


def mixing(endmembers: Array, dtype: Any, constraint: Constraint, n_samples: int) -> Mixing:
    """Prepare what `mixed` needs: once for all blocks of samples.

    Parameters
    ----------
    endmembers : (p, f) array
        At most 62; finite.
    dtype : dtype
        What samples are computed in, of the namespace of ``endmembers``: see `float_type`.
    constraint : {"sum_to_one", "nonnegative", "none"}
        As in `unmix.abundances`.
    n_samples : int
        How many will come: for many, the maps of all supports are made at once.

    Raises
    ------
    ShapeError
        If there is no endmember or more than 62, or they have no feature.
    DataError
        If they depend on one another, or are not finite.
    """
    shape = tuple(endmembers.shape)
    if not 1 <= shape[0] <= _MOST or shape[1] == 0:
        raise ShapeError(
            f"endmembers have shape {shape}; expected 1 to {_MOST} of at least one feature"
        )
    require_finite(require_real(endmembers, "endmembers"), "endmembers")
    xp = namespace_of(endmembers)
    spectra = to_host(xp.astype(endmembers, xp.float64))
    problem = _reduce(spectra, np.float32 if dtype == xp.float32 else np.float64, constraint)
    if constraint == "none" or not pays(shape[0], n_samples):
        return problem
    every = np.arange(1 << shape[0])
    return problem._replace(table=maps_of_supports(every, problem.vertices, problem.sums))


def mixed(samples: Array, problem: Mixing) -> Array:
    """Return the abundances (n, p) of samples (n, f), for a problem that `mixing` prepared.

    A sample with NaN or infinity has NaN abundances.
    """
    require_real(samples, "samples")
    xp, dtype, n = namespace_of(samples), float_type(samples), samples.shape[0]
    f = problem.basis.shape[1]
    basis, units = (from_host(v, samples) for v in (problem.basis, problem.units[:, None]))
    find = _all if problem.constraint == "none" else active_set
    step, blocks = max(1, min(_READ // f, _ROWS)), []
    for start in range(0, max(n, 1), step):
        rows = xp.astype(samples[start : min(start + step, n), :], dtype, copy=False)
        with np.errstate(invalid="ignore"):  # a sample with NaN or infinity
            # samples along the last axis, here and below: steps then run over contiguous memory
            points = points_of(xp.matmul(basis, rows.T), problem)
            whole = xp.isfinite(xp.sum(points, axis=0))
            found = find(points, problem) / units
            if problem.sums:
                found = found / xp.sum(found, axis=0)
        blocks.append(xp.astype(xp.where(whole, found, xp.nan), dtype))
    return xp.concat(blocks, axis=1).T


def points_of(products: Array, problem: Mixing) -> Array:
    """Turn products of the basis with samples, (r, n), into what `active_set` takes."""
    xp = namespace_of(products)
    points = xp.astype(products, xp.float64) - from_host(problem.origin[:, None], products)
    if not problem.sums:
        return points
    # a constant coordinate carries the affine part of the maps
    constant = np.full((1, points.shape[1]), problem.units[0])
    return xp.concat([points, from_host(constant, products)], axis=0)


def _checked(samples: Array, endmembers: Array, constraint: Constraint) -> Array:
    """Solve for arguments that fit, else raise."""
    namespace_of(samples, endmembers)
    shapes = tuple(samples.shape), tuple(endmembers.shape)
    if [len(s) for s in shapes] != [2, 2] or shapes[0][1] != shapes[1][1]:
        raise ShapeError(
            f"samples and endmembers have shapes {shapes[0]} and {shapes[1]}; expected two axes, "
            "rows and as many features in both"
        )
    require_real(samples, "samples")
    problem = mixing(endmembers, float_type(samples), constraint, shapes[0][0])
    return mixed(samples, problem)


def _reduce(spectra: HostArray, dtype: Any, constraint: Constraint) -> Mixing:
    """Reduce the problem to coordinates on an orthonormal basis of the endmembers' span.

    It costs what products with the endmembers do, but loses digits to their condition number once.
    """
    sums = constraint == "sum_to_one"
    mean = spectra.mean(axis=0) * sums
    units = np.linalg.norm(spectra - mean, axis=1)
    if sums:  # one for all, or the sum would have weights
        units[:] = np.sqrt(np.mean(units**2))
    units[units == 0] = 1.0
    spread = (spectra - mean) / units[:, None]
    _, sigma, rows = np.linalg.svd(spread, full_matrices=False)
    noise = max(spectra.shape) * 2.0**-52 * np.linalg.norm(spectra / units[:, None])
    rank, needed = int(np.sum(sigma > noise)), len(spectra) - sums
    if rank < needed:
        raise DataError(
            f"the {len(spectra)} endmembers are {'affinely' if sums else 'linearly'} dependent: "
            f"they have rank {rank}{' about their mean' * sums}, but abundances are unique only at "
            f"rank {needed}; drop duplicates and endmembers that are mixtures of others"
        )
    basis = np.asarray(rows[:needed], dtype=dtype)
    exact = basis.astype(np.float64)  # as rounded, so that exact mixtures stay exact
    return Mixing(basis, exact @ mean, units, spread @ exact.T, constraint, None)


def _all(points: Array, problem: Mixing) -> Array:
    """Return abundances on all endmembers."""
    support = np.asarray([(1 << len(problem.vertices)) - 1])
    maps = maps_of_supports(support, problem.vertices, problem.sums)
    fit = maps.rows[:, :, 0].T * maps.lengths
    return namespace_of(points).matmul(from_host(fit, points), points)


@dispatched
def active_set(points: Array, problem: Mixing) -> Array:
    """Return abundances on the supports where neither they nor the multipliers are negative.

    For a few turns, all endmembers with a negative one change sides. The points that this does not
    settle go on as in Lawson & Hanson: walk to the best point of the support and drop what becomes
    zero on the way; let endmembers in from a best point only. Best points get better, so this
    ends; lest rounding let the same ones in for ever, more and more is asked of them very late.

    Parameters
    ----------
    points : (c, n) array
        Coordinates of samples, float64; under the sum, the last one is the unit of the problem.
    problem : Mixing
        What `mixing` prepared.

    Returns
    -------
    (p, n) array
        In units of the problem.
    """
    xp, p, n = namespace_of(points), len(problem.vertices), points.shape[1]
    step = max(1, _BLOCK // (8 * p * p))
    starts = range(0, max(n, 1), step)
    return xp.concat([_settled(points[:, i : min(i + step, n)], problem) for i in starts], axis=1)


def _settled(points: Array, problem: Mixing) -> Array:
    """Take one block of points through `active_set`."""
    xp, p, n = namespace_of(points), len(problem.vertices), points.shape[1]
    bits, late = 1 << np.arange(p), 3 * p + 10
    slack = ROUNDING * xp.max(xp.abs(points), axis=0)
    live, support = np.arange(n), np.asarray([(1 << p) - 1])  # the same for all in the first turn
    places, found = [], []
    for turn in count():
        maps, lengths = lookup(support, problem.vertices, problem.sums, problem.table, points)
        values = xp.sum(maps * points[:, None, :], axis=0)
        inside = from_host(support & bits[:, None] > 0, points)
        wrong = values < -slack
        if turn > late:
            wrong = wrong & (inside | (values < -slack * 4.0 ** (turn - late)))
        best = xp.where(inside, values * lengths, xp.zeros_like(values))
        if turn < BLOCK_TURNS:
            a, flip = xp.where(best < 0, xp.zeros_like(best), best), to_host(wrong)
        else:
            a, flip = _walk(a, best, wrong, inside)
        unsettled = flip.any(axis=0)
        done, rest = np.flatnonzero(~unsettled), np.flatnonzero(unsettled)
        places.append(live[done])
        found.append(xp.take(a, from_host(done, points), axis=1))
        if len(rest) == 0:
            break
        support, live, at = (support ^ bits @ flip)[rest], live[rest], from_host(rest, points)
        points, slack, a = (xp.take(v, at, axis=v.ndim - 1) for v in (points, slack, a))
    back = np.empty(n, dtype=np.int64)
    back[np.concatenate(places)] = np.arange(n)
    return xp.take(xp.concat(found, axis=1), from_host(back, points), axis=1)


def _walk(a: Array, best: Array, wrong: Array, inside: Array) -> tuple[Array, HostArray]:
    """Go from ``a`` towards ``best`` while nothing is negative; return also what changes sides."""
    xp = namespace_of(a)
    below, one = wrong & inside, xp.ones_like(a)
    share = xp.where(below, a / xp.where(below, a - best, one), one)
    least = xp.min(share, axis=0)
    drop = below & (share <= least)
    a = a + least * (best - a)
    flip = xp.where(xp.any(below, axis=0), drop, wrong)
    return xp.where(drop | (a < 0), xp.zeros_like(a), a), to_host(flip)
