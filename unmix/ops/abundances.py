"""Exact least-squares abundances under constraints, for all samples at once.

All that has to be found is a sample's *support*, the endmembers that it is mixed of: given that,
abundances and multipliers are a linear map of the sample. So all samples go through an active-set
method in step, with one small matrix for each support that occurs among them.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import NamedTuple, TypeAlias

import numpy as np

from .._arrays import float_type, from_host, namespace_of, require_finite, require_real, to_host
from .._dispatch import dispatched
from .._errors import DataError, ShapeError
from .._typing import Array, HostArray

_MOST = 62  # endmembers: a support is kept as the bits of an int64
_BLOCK = 1 << 23  # bytes of matrices gathered for one block of samples
_ROUNDING = 2.0**-44  # of a unit row times a sample, generously: 256 units of the last place
_BLOCK_TURNS = 4  # settle all points where endmembers are far from dependent, or nearly all


@dispatched
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
        and float64 otherwise. A sample with NaN has NaN abundances.

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
    return _solve(samples, endmembers, _active_set, sums=True)


@dispatched
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
    return _solve(samples, endmembers, _active_set, sums=False)


@dispatched
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
    return _solve(samples, endmembers, _all, sums=False)


class _Problem(NamedTuple):
    """The problem in the span of the endmembers: nothing outside of it changes an abundance."""

    basis: HostArray  # (f, r), orthonormal up to its rounding to the computing type
    origin: HostArray  # (r,), the endmembers' mean, or zero
    units: HostArray  # (p,), lengths: beyond this, nothing depends on the scale of the data
    vertices: HostArray  # (p, r), the endmembers from the origin, in units
    sums: bool  # whether abundances sum to one


_Lookup: TypeAlias = Callable[[HostArray], list[Array]]
"""Supports (m,), as bits -> matrices (m, p, c) of unit rows, and the rows' lengths (m, p)."""
_Find: TypeAlias = Callable[[Array, int, _Lookup], Array]


def _solve(samples: Array, endmembers: Array, find: _Find, *, sums: bool) -> Array:
    """Let ``find`` solve block after block of samples in the coordinates of the problem."""
    xp = namespace_of(samples, endmembers)
    _check(samples, endmembers)
    (n, f), p, dtype = samples.shape, endmembers.shape[0], float_type(samples)
    problem = _reduce(to_host(xp.astype(endmembers, xp.float64)), dtype == xp.float32, sums)
    basis, origin, units = (from_host(v, samples) for v in problem[:3])
    lookup, blocks = _lookup(problem, n if find is _active_set else 0, samples), []
    copied = samples.dtype != dtype
    step = max(1, _BLOCK // max(8 * p * p, f * copied))
    for start in range(0, max(n, 1), step):
        rows = xp.astype(samples[start : min(start + step, n), :], dtype, copy=False)
        points = xp.astype(rows @ basis, xp.float64) - origin
        if sums:  # a constant coordinate carries the affine part of the maps
            constant = np.full((points.shape[0], 1), problem.units[0])
            points = xp.concat([points, from_host(constant, samples)], axis=1)
        found = find(points, p, lookup) / units
        if sums:
            found = found / xp.sum(found, axis=1, keepdims=True)
        blocks.append(xp.astype(found, dtype))
    return xp.concat(blocks, axis=0)


def _check(samples: Array, endmembers: Array) -> None:
    """Raise where the arguments do not fit."""
    shapes = tuple(samples.shape), tuple(endmembers.shape)
    if [len(s) for s in shapes] != [2, 2] or shapes[0][1] != shapes[1][1]:
        raise ShapeError(
            f"samples and endmembers have shapes {shapes[0]} and {shapes[1]}; expected two axes, "
            "rows and as many features in both"
        )
    if not 1 <= shapes[1][0] <= _MOST or shapes[1][1] == 0:
        raise ShapeError(
            f"endmembers have shape {shapes[1]}; expected 1 to {_MOST} of at least one feature"
        )
    require_real(samples, "samples")
    require_finite(require_real(endmembers, "endmembers"), "endmembers")


def _reduce(spectra: HostArray, single: bool, sums: bool) -> _Problem:
    """Reduce the problem to coordinates on an orthonormal basis of the endmembers' span.

    It costs what products with the endmembers do, but loses digits to their condition number once.
    """
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
    basis = rows[:needed].T.astype(np.float32 if single else np.float64)
    exact = basis.astype(np.float64)  # as rounded, so that exact mixtures stay exact
    return _Problem(basis, mean @ exact, units, spread @ exact, sums)


def _maps(supports: HostArray, vertices: HostArray, sums: bool) -> tuple[HostArray, HostArray]:
    """Return what turns points into abundances inside supports and multipliers outside.

    Under the sum, others are measured from the first vertex of the support. Rows have unit length,
    so that one tolerance fits both kinds; the lengths they had come beside them.
    """
    (p, r), each = vertices.shape, np.arange(len(supports))
    inside = (supports[:, None] >> np.arange(p)) & 1 == 1
    free, anchor = inside.copy(), np.zeros((len(supports), r))
    if sums:
        first = inside.argmax(axis=1)
        inside[each, first], free[each, first] = True, False
        anchor = vertices[first]
    edges = vertices - anchor[:, None, :]
    # What is not free becomes a direction of its own: rank is full, and the others do not feel it.
    columns = np.concatenate([edges * free[:, :, None], np.eye(p) * ~free[:, :, None]], axis=2)
    q, upper = np.linalg.qr(np.swapaxes(columns, 1, 2))
    q = np.where(free[:, None, :], q[:, :r, :], 0.0)
    fit = np.linalg.solve(upper, np.swapaxes(q, 1, 2)) * free[:, :, None]
    across = (edges @ q) @ np.swapaxes(q, 1, 2) - edges
    maps = np.where(inside[:, :, None], fit, across)
    if sums:
        maps[each, first] = -fit.sum(axis=1)
        constant = -np.sum(maps * anchor[:, None, :], axis=2)
        constant[each, first] += 1
        maps = np.concatenate([maps, constant[:, :, None]], axis=2)
    lengths = np.linalg.norm(maps, axis=2)
    return maps / lengths[:, :, None], lengths


def _lookup(problem: _Problem, n: int, like: Array) -> _Lookup:
    """Return the function from supports to maps, with a table of them all where that is small."""
    xp, p = namespace_of(like), len(problem.vertices)

    def make(supports: HostArray) -> list[Array]:
        return [from_host(v, like) for v in _maps(supports, problem.vertices, problem.sums)]

    small = 4 << p <= n and 8 * p * p << p <= 2 * _BLOCK
    table = make(np.arange(1 << p)) if small else None

    def lookup(supports: HostArray) -> list[Array]:
        if table is not None:
            return [xp.take(v, from_host(supports, like), axis=0) for v in table]
        some, places = np.unique(supports, return_inverse=True)
        return [xp.take(v, from_host(places, like), axis=0) for v in make(some)]

    return lookup


def _all(points: Array, p: int, lookup: _Lookup) -> Array:
    """Return abundances on all endmembers."""
    maps, lengths = lookup(np.full(points.shape[0], (1 << p) - 1))
    return (maps @ points[:, :, None])[:, :, 0] * lengths


def _active_set(points: Array, p: int, lookup: _Lookup) -> Array:
    """Return abundances on the supports where neither they nor the multipliers are negative.

    For a few turns, all endmembers with a negative one change sides. The points that this does not
    settle go on as in Lawson & Hanson: walk to the best point of the support and drop what becomes
    zero on the way; let endmembers in from a best point only. Best points get better, so this
    ends; lest rounding let the same ones in for ever, more and more is asked of them very late.
    """
    xp, bits, late = namespace_of(points), 1 << np.arange(p), 3 * p + 10
    slack = _ROUNDING * xp.max(xp.abs(points), axis=1, keepdims=True)
    live, support = np.arange(points.shape[0]), np.full(points.shape[0], (1 << p) - 1)
    places, found = [], []
    for turn in count():
        maps, lengths = lookup(support)
        values = (maps @ points[:, :, None])[:, :, 0]
        inside = from_host(support[:, None] & bits > 0, points)
        wrong = values < -slack
        if turn > late:
            wrong = wrong & (inside | (values < -slack * 4.0 ** (turn - late)))
        best = xp.where(inside, values * lengths, xp.zeros_like(values))
        if turn < _BLOCK_TURNS:
            a, flip = xp.where(best < 0, xp.zeros_like(best), best), to_host(wrong)
        else:
            a, flip = _walk(a, best, wrong, inside)
        done, rest = np.flatnonzero(~flip.any(axis=1)), np.flatnonzero(flip.any(axis=1))
        places.append(live[done])
        found.append(xp.take(a, from_host(done, points), axis=0))
        if len(rest) == 0:
            break
        support, live, at = (support ^ flip @ bits)[rest], live[rest], from_host(rest, points)
        points, slack, a = (xp.take(v, at, axis=0) for v in (points, slack, a))
    back = from_host(np.argsort(np.concatenate(places)), points)
    return xp.take(xp.concat(found, axis=0), back, axis=0)


def _walk(a: Array, best: Array, wrong: Array, inside: Array) -> tuple[Array, HostArray]:
    """Go from ``a`` towards ``best`` while nothing is negative; return also what changes sides."""
    xp = namespace_of(a)
    below, one = wrong & inside, xp.ones_like(a)
    share = xp.where(below, a / xp.where(below, a - best, one), one)
    least = xp.min(share, axis=1, keepdims=True)
    drop = below & (share <= least)
    a = a + least * (best - a)
    flip = xp.where(xp.any(below, axis=1, keepdims=True), drop, wrong)
    return xp.where(drop | (a < 0), xp.zeros_like(a), a), to_host(flip)
