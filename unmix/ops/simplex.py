"""N-FINDR: the samples that span the simplex of largest volume.

Exchanging vertex j for a sample x multiplies the volume by the modulus of x's barycentric
coordinate j, because the determinant is linear in the column that is replaced. So one search over
all samples, for all starts at once, is one matrix product, and its winner is an argmax.
"""

from __future__ import annotations

from collections.abc import Callable
from math import lgamma
from typing import NamedTuple

import numpy as np

from .._arrays import from_host, generator, namespace_of, to_host
from .._dispatch import dispatched
from .._errors import DataError, ShapeError
from .._typing import Array, HostArray

MAX_SWEEPS = 100
"""Volumes rise strictly, so that the search ends; real data take 2 to 8 sweeps."""
GAIN = 1 + 1e-9
"""Least factor in volume that an exchange must bring: above the rounding of determinants."""

ROUNDING = 16
"""Distances under this many units in the last place of the coordinates are none."""


class Found(NamedTuple):
    """The best sample for each of several linear forms."""

    value: HostArray
    number: HostArray
    point: HostArray
    """Shapes (s,), (s,) and (s, d), float64, int64, float64."""


Search = Callable[[HostArray, HostArray], Found]
"""(forms (s, d), offsets (s,)) -> the sample of the largest modulus of each form."""


def merge_found(a: Found, b: Found) -> Found:
    """Take the better sample of each form; ties go to the lowest number."""
    later = (b.value > a.value) | ((b.value == a.value) & (b.number < a.number))
    chosen = (
        np.where(later.reshape((-1,) + (1,) * (x.ndim - 1)), y, x)
        for x, y in zip(a, b, strict=True)
    )
    return Found(*chosen)


class Simplex(NamedTuple):
    """Vertices of the largest simplex that was found."""

    numbers: HostArray
    points: HostArray
    volume: float
    history: HostArray
    """Volume at the start and after each sweep of the start that won; never falls."""


@dispatched
def largest_forms(points: Array, forms: HostArray, offsets: HostArray) -> tuple[Array, Array]:
    r"""Largest modulus of linear forms over all points; ties go to the lowest position.

    Parameters
    ----------
    points : array
        Shape (n, d), floating.
    forms, offsets : numpy.ndarray
        Shapes (s, d) and (s,).

    Returns
    -------
    values, positions : array
        Shapes (s,): max over n of \|points . form + offset\|, and where.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> um.ops.largest_forms(np.asarray([[1.0], [-3.0]]), np.ones((1, 1)), np.zeros(1))
    (array([3.]), array([1]))
    """
    xp = namespace_of(points)
    # samples along the last axis: the argmax of each form then runs over contiguous memory
    values = xp.matmul(from_host(forms, points, points.dtype), points.T)
    values = xp.abs(values + from_host(offsets, points, points.dtype)[:, None])
    positions = xp.argmax(values, axis=1)
    return xp.max(values, axis=1), positions


def farthest_point(points: Array, origin: HostArray) -> tuple[float, int]:
    """Largest squared distance from ``origin`` and its position; ties go to the lowest."""
    xp = namespace_of(points)
    away = points - from_host(origin, points, points.dtype)
    squared = xp.vecdot(away, away)
    return float(xp.max(squared)), int(xp.argmax(squared))


def nfindr(points: Array, n_endmembers: int, *, n_starts: int = 10, key: int = 0) -> Simplex:
    """Find the samples that span the largest simplex.

    Parameters
    ----------
    points : array
        Shape (n, n_endmembers - 1), floating: samples in the coordinates of their affine subspace.
    n_endmembers : int
        Number of vertices.
    n_starts : int
        Random starts beside the deterministic one; the largest volume is kept.
    key : int
        Key of the random starts.

    Returns
    -------
    Simplex
        Vertices in ascending order of their positions; host arrays.

    Raises
    ------
    ShapeError
        If the points have another number of coordinates.
    DataError
        If all points lie in a subspace of lower dimension.

    Notes
    -----
    Winter, Proc. SPIE 3753, 266 (1999). The deterministic start takes the sample farthest from the
    mean and then, one by one, the sample farthest from the affine hull of those taken: ATGP (Ren
    and Chang, IEEE TAES 39, 1232 (2003)) in the affine subspace.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> triangle = np.asarray([[0.0, 0.0], [1.0, 0.0], [0.2, 0.2], [0.0, 1.0]])
    >>> found = um.ops.nfindr(triangle, 3)
    >>> found.numbers, round(found.volume, 9)
    (array([0, 1, 3]), 0.5)
    """
    if points.ndim != 2 or points.shape[1] != n_endmembers - 1:
        raise ShapeError(
            f"the points have shape {tuple(points.shape)}; expected (n, {n_endmembers - 1}): "
            f"one coordinate less than the {n_endmembers} endmembers"
        )
    xp = namespace_of(points)

    def search(forms: HostArray, offsets: HostArray) -> Found:
        values, positions = largest_forms(points, forms, offsets)
        taken = xp.take(points, positions, axis=0)
        return Found(
            *(to_host(a).astype(t) for a, t in ((values, float), (positions, int), (taken, float)))
        )

    origin = to_host(xp.mean(points, axis=0)).astype(float)
    _, first = farthest_point(points, origin)
    corner = to_host(points[first, :]).astype(float)
    start = grow_simplex(search, first, corner, float(xp.finfo(points.dtype).eps))
    drawn = random_starts(points.shape[0], n_endmembers, n_starts, key)
    taken = xp.take(points, from_host(drawn.ravel(), points), axis=0)
    starts = to_host(taken).astype(float).reshape(*drawn.shape, points.shape[1])
    numbers = np.concatenate([start[0][None], drawn])
    return largest_simplex(search, numbers, np.concatenate([start[1][None], starts]))


def random_starts(n: int, n_endmembers: int, n_starts: int, key: int) -> HostArray:
    """Draw ``n_starts`` sets of different sample positions, shape (n_starts, n_endmembers)."""
    draw = generator(key, 1)
    drawn = [draw.choice(n, n_endmembers, replace=False, shuffle=False) for _ in range(n_starts)]
    return np.asarray(drawn, dtype=np.int64).reshape(n_starts, n_endmembers)


def grow_simplex(
    search: Search, first: int, point: HostArray, eps: float = 0.0
) -> tuple[HostArray, HostArray]:
    """Take the sample farthest from the affine hull of those taken, until there are d + 1.

    In d dimensions a distance from a hull is not one linear form but the norm of d - k of them.
    Each step takes the largest of those forms and turns the basis so that the next ones are
    orthogonal. A distance below the rounding of coordinates, of which ``eps`` is the unit, is none.
    """
    d = len(point)
    numbers, points = [first], [point]
    normals, least = np.eye(d), 0.0
    while len(points) < d + 1:
        found = search(normals, -normals @ points[0])
        best = int(np.argmax(found.value))
        if len(points) == 1:
            least = ROUNDING * eps * float(found.value[best] + np.max(np.abs(point)))
        if found.value[best] <= least:
            raise DataError(
                f"the samples span {len(points) - 1} dimensions; {d + 1} endmembers need {d}: "
                f"ask for at most {len(points)} endmembers"
            )
        numbers.append(int(found.number[best]))
        points.append(found.point[best])
        spanned = np.asarray(points[1:]) - points[0]
        normals = np.linalg.svd(spanned)[2][len(spanned) :]
    return np.asarray(numbers), np.asarray(points)


def largest_simplex(search: Search, numbers: HostArray, points: HostArray) -> Simplex:
    """Exchange vertices, start by start in parallel, until no exchange enlarges any simplex.

    Parameters
    ----------
    search : callable
        Finds the best sample for each of several linear forms.
    numbers, points : numpy.ndarray
        Starts: shapes (s, p) and (s, p, p - 1). Starts without volume are dropped.

    Returns
    -------
    Simplex
        The largest one; of equals the first.
    """
    volumes = log_volumes(points)
    able = volumes > volumes.max() - 28  # a factor of 1e-12
    numbers, points = numbers[able].copy(), points[able].copy()
    history, (s, p) = [volumes[able]], numbers.shape
    idle = np.zeros(s, dtype=np.int64)  # exchanges in a row that brought nothing
    for _ in range(MAX_SWEEPS):
        for j in range(p):
            live = np.flatnonzero(idle < p)  # the others are done: every vertex was tried
            if len(live):
                gained = _exchange(search, numbers, points, live, j)
                idle[live] = np.where(gained, 0, idle[live] + 1)
        history.append(log_volumes(points))
        if np.all(idle >= p):
            break
    best = int(np.argmax(history[-1] > history[-1].max() - np.log(GAIN)))
    order = np.argsort(numbers[best])
    logs = np.asarray(history)[:, best]
    steady = np.flatnonzero(logs == logs[-1])[0]
    with np.errstate(over="ignore"):  # in many dimensions a volume may be beyond all floats
        trace = np.exp(logs[: steady + 1])
    return Simplex(numbers[best][order], points[best][order], float(trace[-1]), trace)


def _exchange(
    search: Search, numbers: HostArray, points: HostArray, live: HostArray, j: int
) -> HostArray:
    """Exchange vertex ``j`` of the ``live`` simplices, in place, and say which grew.

    Each takes the sample that enlarges it most.
    """
    corners = points[live]
    lifted = np.concatenate([corners, np.ones((*corners.shape[:2], 1))], axis=2)
    # x in barycentric coordinates b: x = sum_i b_i v_i with sum b = 1, so b = [x, 1] lifted^-1
    forms = np.linalg.inv(lifted)[:, :, j]
    found = search(forms[:, :-1], forms[:, -1])
    exact = np.abs(np.sum(found.point * forms[:, :-1], axis=1) + forms[:, -1])
    larger: HostArray = exact > GAIN
    numbers[live[larger], j] = found.number[larger]
    points[live[larger], j] = found.point[larger]
    return larger


def log_volumes(points: HostArray) -> HostArray:
    """Logarithms of the volumes of simplices: (s, p, p - 1) -> (s,).

    Scores of a million to the power of twenty are no float; their logarithm is.
    """
    edges = points[:, 1:] - points[:, :1]
    return np.asarray(np.linalg.slogdet(edges)[1] - lgamma(edges.shape[1] + 1))
