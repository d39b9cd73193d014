"""Rows of several tables: side by side, or one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ._arrays import as_float, device_of, from_host, namespace_of
from ._axes import describe_axes
from ._errors import ShapeError
from ._sources import Several
from ._typing import Array, Chunks, HostArray, Slices

if TYPE_CHECKING:
    from ._samples import Samples


def _like(sources: Several) -> Array:
    """Return an empty array of the widest computing type of all parts."""
    like = [as_float(part.like) for part in sources.parts]
    xp = namespace_of(*like)
    return xp.astype(like[0], xp.result_type(*like))


@dataclass(frozen=True, slots=True, eq=False)
class Joined(Several):
    """Features of several tables of the same samples side by side.

    Parameters
    ----------
    parts : tuple of Source
        The tables.
    weights : tuple of float
        What the values of each are multiplied by.
    """

    weights: tuple[float, ...]

    @property
    def like(self) -> Array:
        return _like(self)

    @property
    def bytes_per_sample(self) -> int:
        return sum(part.bytes_per_sample for part in self.parts)

    @property
    def chunks(self) -> Chunks | None:
        return next((part.chunks for part in self.parts if part.chunks is not None), None)

    def read(self, where: Slices, kept: HostArray | None) -> Array:
        like = self.like
        xp = namespace_of(like)
        rows = [xp.astype(as_float(part.read(where, kept)), like.dtype) for part in self.parts]
        return xp.concat(
            [r if w == 1 else r * w for r, w in zip(rows, self.weights, strict=True)], axis=1
        )


@dataclass(frozen=True, slots=True, eq=False)
class Concatenated(Several):
    """Tables one after the other along a new first map axis, each in a corner of its own size.

    Parameters
    ----------
    parts : tuple of Source
        The tables, of as many map axes and the same features.
    shapes : tuple
        Map shape of each.
    """

    shapes: tuple[tuple[int, ...], ...]

    @property
    def like(self) -> Array:
        return _like(self)

    @property
    def bytes_per_sample(self) -> int:
        return max(part.bytes_per_sample for part in self.parts)

    @property
    def chunks(self) -> Chunks | None:
        found = next((part.chunks for part in self.parts if part.chunks is not None), None)
        return None if found is None else (1, *(c if isinstance(c, int) else max(c) for c in found))

    def read(self, where: Slices, kept: HostArray | None) -> Array:
        most = [max(n) for n in zip(*self.shapes, strict=True)]
        numbers = range(len(self.parts))[where[0]]
        block = [len(range(n)[s]) for n, s in zip(most, where[1:], strict=True)]
        every = np.arange(len(numbers) * int(np.prod(block, initial=1)))
        asked = every if kept is None else kept
        image, *places = np.unravel_index(asked, (len(numbers), *block))
        found = []
        for i, number in enumerate(numbers):
            mine = [place[image == i] for place in places]
            found.append(self._read(number, where[1:], mine))
        return namespace_of(*found).concat(found, axis=0)

    def _read(self, number: int, where: Slices, places: list[HostArray]) -> Array:
        """Return rows of one table at places in a block, zero where it has no such sample."""
        like, shape = self.like, self.shapes[number]
        xp = namespace_of(like)
        block = tuple(slice(*s.indices(n)) for n, s in zip(shape, where, strict=True))
        own = [len(range(n)[s]) for n, s in zip(shape, block, strict=True)]
        there = np.all([p < n for p, n in zip(places, own, strict=True)], axis=0)
        if not there.any():
            block = tuple(slice(0, 1) for _ in shape)  # for its width alone
            rows = self.parts[number].read(block, np.zeros(0, int))
        else:
            inside = np.ravel_multi_index([p[there] for p in places], own)
            whole = np.array_equal(inside, np.arange(np.prod(own)))
            rows = self.parts[number].read(block, None if whole else inside)
        rows = xp.astype(as_float(rows), like.dtype)
        if there.all():
            return rows
        at = np.where(there, np.cumsum(there) - 1, rows.shape[0])
        outside = xp.zeros((1, rows.shape[1]), dtype=rows.dtype, device=device_of(rows))
        return xp.take(xp.concat([rows, outside], axis=0), from_host(at, rows), axis=0)


def require_same_map(samples: Samples, other: Samples) -> None:
    """Raise unless both are of the same map, in the same namespace and on the same device."""
    mine, theirs = samples.layout, other.layout
    same = mine.map_shape == theirs.map_shape and all(
        a.same_as(b) for a, b in zip(mine.map_axes, theirs.map_axes, strict=True)
    )
    if not same:
        raise ShapeError(
            f"these samples are of a map {describe_axes(mine.map_axes)}, and others of "
            f"{describe_axes(theirs.map_axes)}; expected the same samples: the same window, step "
            "and edges, or crop both to the same map"
        )
    namespace_of(samples.source.like, other.source.like)


def both_masks(masks: list[Any]) -> HostArray | None:
    """Return which samples take part in all tables."""
    given = [m for m in masks if m is not None]
    if not given:
        return None
    mask = np.logical_and.reduce(given)
    if not mask.any():
        raise ShapeError("the masks of these samples leave no sample together; keep at least one")
    return np.asarray(mask)
