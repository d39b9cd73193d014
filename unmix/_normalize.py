"""How `Samples.normalize` and the logarithm find the statistics that they scale by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from . import ops
from ._arrays import from_host, namespace_of
from ._errors import ParameterError
from ._fold import fold
from ._sources import Source
from ._typing import Array, HostArray, Slices

if TYPE_CHECKING:
    from ._samples import Samples

Scaler = Callable[..., Array]

Seen = ops.Statistics | ops.Quartiles
"""What values are scaled by."""


def scaler(
    samples: Samples, kind: str, over: str
) -> tuple[Scaler, Callable[[Source], Seen] | None]:
    """Return the function that scales the rows of a block, and the one that finds its statistics.

    The second takes the source of the values; it is None where each sample is scaled by its own.
    """
    if kind not in ops.KINDS:
        raise ParameterError(f"kind is {kind!r}; expected one of {', '.join(ops.KINDS)}")
    layout = samples.layout
    counts = layout.multiplicity
    find = _quartiles if kind == "robust" else _statistics
    if over == "sample":
        of_rows = ops.row_quartiles if kind == "robust" else ops.row_statistics
        return lambda rows: ops.scaled(rows, of_rows(rows, counts), kind), None
    if over in ("feature", "all"):

        def of_all(source: Source) -> Seen:
            return find(replace(samples, source=source), over == "all")

        return lambda rows, seen, *_: ops.scaled(rows, seen, kind), of_all
    names = [a.name for a in layout.map_axes]
    if over not in names:
        raise ParameterError(
            f"over is {over!r}; expected 'sample', 'feature', 'all' or one of the map axes "
            f"{', '.join(names)}"
        )
    axis = names.index(over)
    whole = replace(layout, mask=None)

    def of_frames(source: Source) -> Seen:
        values = replace(samples, source=source)
        key = [slice(None)] * axis
        n = layout.map_shape[axis]
        mask = np.ones(layout.map_shape, bool) if layout.mask is None else layout.mask
        used = [bool(np.take(mask, i, axis=axis).any()) for i in range(n)]
        # a frame without samples is never scaled: it gets the statistics of one that has some
        frames = [i if used[i] else used.index(True) for i in range(n)]
        each = [find(values[(*key, slice(i, i + 1))], True) for i in frames]
        return type(each[0])(*(values.xp.concat(s, axis=0) for s in zip(*each, strict=True)))

    def by_frame(rows: Array, seen: Seen, where: Slices, kept: HostArray | None) -> Array:
        numbers = whole.numbers(where)
        frame = np.unravel_index(numbers if kept is None else numbers[kept], whole.map_shape)[axis]
        index = from_host(frame, rows)
        mine = (namespace_of(rows).take(s, index, axis=0) for s in seen)
        return ops.scaled(rows, type(seen)(*mine), kind)

    return by_frame, of_frames


def logarithm(samples: Samples) -> tuple[Scaler, Callable[[Source], float]]:
    """Return log1p in units of the root mean square of all values, and what finds that."""

    def size(source: Source) -> float:
        seen = _statistics(replace(samples, source=source), True)
        return float(namespace_of(seen.squares).sum(seen.squares / seen.count)) ** 0.5 or 1.0

    return lambda rows, scale, *_: ops.transform("log1p", scale=scale)(rows), size


def _statistics(samples: Samples, together: bool) -> ops.Statistics:
    """Statistics over all samples, of each feature or of all together, of unweighted values."""
    seen, _ = fold(
        samples.unweighted(),
        lambda tile, _: ops.column_statistics(tile.rows),
        ops.merge_statistics,
        label="finding statistics",
    )
    result: ops.Statistics = seen
    return ops.pooled(result, samples.layout.multiplicity) if together else result


def _quartiles(samples: Samples, together: bool) -> ops.Quartiles:
    """Quartiles over all samples, of each feature or of all together: a pass narrows them down."""
    seen, plain = _statistics(samples, together), samples.unweighted()
    counts = samples.layout.multiplicity
    bracket = ops.Bracket.of(seen.low, seen.high)
    xp = namespace_of(seen.low)
    for _ in range(ops.QUARTILE_PASSES):
        guesses = bracket.guesses(samples.dtype)
        below, _ = fold(
            plain,
            lambda tile, _, guesses: ops.count_below(tile.rows, guesses),
            lambda a, b: a + b,
            state=(guesses,),
            label="finding quartiles",
        )
        if together:
            weights = np.ones(below.shape[-1]) if counts is None else counts
            below = xp.sum(below * from_host(weights, below, xp.float64), axis=-1, keepdims=True)
        bracket = bracket.narrowed(guesses, below, seen.count)
    return bracket.quartiles()
