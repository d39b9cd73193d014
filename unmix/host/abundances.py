"""Abundances one sample after another, in a loop that Numba compiles."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from .. import ops
from .._typing import Array, HostArray
from ..ops.abundances import BLOCK_TURNS, ROUNDING


def active_set(points: Array, problem: ops.Mixing) -> Array:
    """Abundances of NumPy points with a table of supports; see `unmix.ops.active_set`.

    The first turns are those of the generic function, which then takes the few samples that are
    left. Compiled at the first call, in about a second, and kept on disk.
    """
    assert problem.table is not None  # else this route declines
    found = np.empty((len(problem.vertices), points.shape[1]))
    left = np.empty(points.shape[1], dtype=np.bool_)
    _compiled()(points, *problem.table.by_support, ROUNDING, BLOCK_TURNS, found, left)
    rest = np.flatnonzero(left)
    if len(rest):
        found[:, rest] = ops.active_set(points[:, rest], problem, impl="generic")
    return found


@cache
def _compiled() -> Callable[..., None]:
    from numba import njit  # 0.5 s to import

    compiled: Callable[..., None] = njit(nogil=True, cache=True)(_settle)
    return compiled


def _settle(
    points: HostArray,
    maps: HostArray,
    lengths: HostArray,
    rounding: float,
    turns: int,
    found: HostArray,
    left: HostArray,
) -> None:
    """Let all endmembers with a negative number change sides, for some turns at the most.

    Writes abundances (p, n), and which samples are not settled by then.
    """
    p, c = maps.shape[1:]
    x, values = np.empty(c), np.empty(p)
    for i in range(points.shape[1]):
        slack = 0.0
        for k in range(c):
            x[k] = points[k, i]
            slack = max(slack, rounding * abs(x[k]))
        support = len(maps) - 1
        for _ in range(turns):
            flip = 0
            for e in range(p):
                value = 0.0
                for k in range(c):
                    value += maps[support, e, k] * x[k]
                values[e] = value
                flip |= (value < -slack) << e  # no branch, which nobody could predict
            if flip == 0:
                break
            support ^= flip
        left[i] = flip != 0
        for e in range(p):
            kept = support >> e & 1 == 1 and not values[e] < 0.0  # NaN is
            found[e, i] = values[e] * lengths[support, e] if kept else 0.0
