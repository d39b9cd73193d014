"""Values changed by themselves, and values scaled by statistics of a row, a column or all."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import NamedTuple

import numpy as np

from .._arrays import from_host, namespace_of
from .._errors import DataError, ParameterError
from .._typing import Array, HostArray
from .quartiles import Quartiles

KINDS = ("minmax", "unit_sum", "unit_norm", "standard", "robust")


def transform(name: str, **options: float) -> Callable[[Array], Array]:
    """Return the function that changes each value: see `unmix.Samples.transform`.

    The scale of ``log1p`` is one unless it is given.
    """
    known = {"log1p": {"scale"}, "sqrt": set(), "clip": {"low", "high"}}
    if name not in known:
        raise ParameterError(f"transform is {name!r}; expected one of {', '.join(known)}")
    if not set(options) <= known[name]:
        raise ParameterError(
            f"{name} has the options {sorted(known[name]) or 'none'}, but got {sorted(options)}"
        )
    if name == "clip":
        low, high = options.get("low"), options.get("high")
        if (low is None and high is None) or not (low is None or high is None or low <= high):
            raise ParameterError(
                f"clip got low={low} and high={high}; expected at least one, low <= high"
            )
        return lambda x: namespace_of(x).clip(x, low, high)
    scale = options.get("scale", 1.0)
    if not isinstance(scale, Real) or not 0 < scale < np.inf:
        raise ParameterError(f"scale is {scale}; expected a positive number")

    def root_or_log(x: Array) -> Array:
        xp = namespace_of(x)
        least = 0.0 if 0 in x.shape else float(xp.min(x))
        if least < 0 and not (name == "log1p" and least > -scale):
            raise DataError(f"{name} of {least:g} is not a number; clip the values at zero first")
        return xp.sqrt(x) if name == "sqrt" else xp.log1p(x / scale)

    return root_or_log


class Statistics(NamedTuple):
    """Sums and extremes of values: each broadcasts against rows (b, n_features)."""

    count: Array
    total: Array
    squares: Array
    low: Array
    high: Array


def row_statistics(rows: Array, counts: HostArray | None) -> Statistics:
    """Statistics of each row, (b, 1) in float64; ``counts`` says how often each feature counts."""
    xp = namespace_of(rows)
    wide = xp.astype(rows, xp.float64)
    m = xp.ones_like(wide[0, :]) if counts is None else from_host(counts, wide, xp.float64)
    return Statistics(
        xp.broadcast_to(xp.sum(m), (rows.shape[0], 1)),
        xp.sum(wide * m, axis=1, keepdims=True),
        xp.sum(wide * wide * m, axis=1, keepdims=True),
        xp.min(wide, axis=1, keepdims=True),
        xp.max(wide, axis=1, keepdims=True),
    )


def column_statistics(rows: Array) -> Statistics:
    """Statistics of each feature, (1, n_features) in float64."""
    xp = namespace_of(rows)
    wide = xp.astype(rows, xp.float64)
    return Statistics(
        xp.full((1, rows.shape[1]), float(rows.shape[0]), dtype=xp.float64),
        xp.sum(wide, axis=0, keepdims=True),
        xp.sum(wide * wide, axis=0, keepdims=True),
        xp.min(wide, axis=0, keepdims=True),
        xp.max(wide, axis=0, keepdims=True),
    )


def merge_statistics(a: Statistics, b: Statistics) -> Statistics:
    """Statistics of two parts together."""
    xp = namespace_of(a.total)
    return Statistics(
        a.count + b.count,
        a.total + b.total,
        a.squares + b.squares,
        xp.minimum(a.low, b.low),
        xp.maximum(a.high, b.high),
    )


def pooled(columns: Statistics, counts: HostArray | None) -> Statistics:
    """Statistics of all features together, (1, 1), from those of each."""
    xp = namespace_of(columns.total)
    m = np.ones(columns.total.shape[1]) if counts is None else counts
    m = from_host(m, columns.total, xp.float64)
    count, total, squares = (xp.sum(s * m, axis=1, keepdims=True) for s in columns[:3])
    return Statistics(
        count,
        total,
        squares,
        xp.min(columns.low, axis=1, keepdims=True),
        xp.max(columns.high, axis=1, keepdims=True),
    )


def scaled(rows: Array, seen: Statistics | Quartiles, kind: str) -> Array:
    """Scale rows by statistics that broadcast against them.

    Parameters
    ----------
    rows : array
        Shape (b, n_features), floating.
    seen : Statistics or Quartiles
        Of each row, each column or all; quartiles for ``"robust"``.
    kind : {"minmax", "unit_sum", "unit_norm", "standard", "robust"}
        See `unmix.Samples.normalize`.

    Returns
    -------
    array
        Shape (b, n_features) in the dtype of ``rows``.
    """
    xp = namespace_of(rows)
    if isinstance(seen, Quartiles):
        shift, size = seen.middle, seen.high - seen.low
    elif kind == "minmax":
        shift, size = seen.low, seen.high - seen.low
    elif kind == "unit_sum":
        shift, size = xp.zeros_like(seen.total), seen.total
    elif kind == "unit_norm":
        shift, size = xp.zeros_like(seen.total), xp.sqrt(seen.squares)
    else:
        shift = seen.total / seen.count
        size = xp.sqrt(xp.clip(seen.squares / seen.count - shift**2, 0, None))
        # below the rounding of the squares a spread is none
        size = xp.where(size > 1e-7 * xp.abs(shift), size, xp.zeros_like(size))
    size = xp.where(size == 0, xp.ones_like(size), size)
    return (rows - xp.astype(shift, rows.dtype)) / xp.astype(size, rows.dtype)
