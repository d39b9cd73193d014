"""Binning: neighbouring samples and neighbouring descriptor entries become one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from math import gcd, prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ._arrays import as_float, namespace_of
from ._axes import Axis
from ._errors import ParameterError, ShapeError
from ._sources import ArraySource, Source, flat_rows
from ._typing import Array, Chunks, HostArray, Slices

if TYPE_CHECKING:
    from ._samples import Samples

HOW = ("sum", "mean")


@dataclass(frozen=True, slots=True, eq=False)
class Binned:
    """Blocks of another table's map and descriptor, each added up or averaged.

    Parameters
    ----------
    parent : Source
        The table.
    shape : tuple of int
        The parent's map shape and that of its features, whole multiples of ``factors``.
    factors : tuple of int
        One for each of them.
    n_map : int
        Number of map axes.
    mean : bool
        Whether bins are averaged.
    """

    parent: Source
    shape: tuple[int, ...]
    factors: tuple[int, ...]
    n_map: int
    mean: bool

    @property
    def like(self) -> Array:
        return as_float(self.parent.like)

    @property
    def bytes_per_sample(self) -> int:
        return self.parent.bytes_per_sample * prod(self.factors[: self.n_map])

    @property
    def chunks(self) -> Chunks | None:
        if self.parent.chunks is None:
            return None
        both = zip(self.parent.chunks, self.factors, self.shape, strict=False)
        return tuple(_binned_chunks(c, f, n) for c, f, n in both)

    def rebuilt(self, change: Callable[[Source], Source]) -> Source:
        return replace(self, parent=self.parent.rebuilt(change))

    def cropped(self, slices: Slices) -> Binned | None:
        """Return the source of a block without steps, which reads no more than that."""
        if any(s.step != 1 for s in slices):
            return None
        wide = tuple(
            slice(s.start * f, s.stop * f, 1) for s, f in zip(slices, self.factors, strict=True)
        )
        parent = crop_source(self.parent, wide, ())
        shape = tuple(s.stop - s.start for s in wide)
        return None if parent is None else replace(self, parent=parent, shape=shape)

    def read(self, where: Slices, kept: HostArray | None) -> Array:
        n = self.n_map
        bins = [
            range(size // f)[s] for size, f, s in zip(self.shape, self.factors, where, strict=False)
        ]
        both = zip(bins, self.factors, strict=False)
        wide = tuple(slice(b[0] * f, (b[-1] + 1) * f) for b, f in both)
        block = as_float(self.parent.read(wide, None))
        sizes = [s.stop - s.start for s in wide] + list(self.shape[n:])
        for i, f in enumerate(self.factors):  # slow axes first: fast axes then have less to add
            if f > 1:
                sizes[i] //= f
                block = add_neighbours(block, prod(sizes[: i + 1]), f)
        if self.mean:
            block = block / prod(self.factors)
        block = namespace_of(block).reshape(block, tuple(sizes))
        block = block[(*(slice(None, None, b.step) for b in bins), ...)]
        return flat_rows(block, n, kept)

    def prepare(self) -> None:
        self.parent.prepare()


def _binned_chunks(sizes: int | tuple[int, ...], factor: int, n: int) -> int | tuple[int, ...]:
    """Return sizes in bins of runs of chunks that end where a bin ends."""
    if isinstance(sizes, int):
        return sizes // gcd(sizes, factor)
    ends = [int(e) // factor for e in np.cumsum(sizes) if e % factor == 0 and e < n]
    return tuple(b - a for a, b in pairwise([0, *ends, n // factor]))


def add_neighbours(block: Array, bins: int, factor: int) -> Array:
    """Add up ``factor`` neighbours along the axis that ends with the ``bins``-th bin."""
    parts = namespace_of(block).reshape(block, (bins, factor, -1))
    total = parts[:, 0, :] + parts[:, 1, :]
    for i in range(2, factor):
        total += parts[:, i, :]
    return total


def crop_source(source: Source, slices: Slices, dropped: tuple[int, ...]) -> Source | None:
    """Return the source of a block of map and descriptor that reads no more, if there is one."""
    if isinstance(source, ArraySource):
        return source.cropped(slices, dropped)
    if isinstance(source, Binned) and not dropped:
        return source.cropped(slices)
    return None


def binned(samples: Samples, factors: Mapping[str, Any], how: str) -> Samples:
    """Bin axes of samples by name; see `Samples.bin`."""
    if how not in HOW:
        raise ParameterError(f"how is {how!r}; expected 'sum' or 'mean'")
    names = [a.name for a in samples.axes]
    by = [1] * len(names)
    for name, factor in factors.items():
        if name not in names:
            raise ParameterError(f"there is no axis {name!r}; there are {', '.join(names)}")
        size = samples.shape[names.index(name)]
        whole = isinstance(factor, (int, np.integer)) and not isinstance(factor, bool)
        if not whole or not 1 <= factor <= size:
            raise ParameterError(
                f"{name} is {factor!r}; expected a whole number from 1 to {size}: how many of its "
                "entries become one"
            )
        by[names.index(name)] = int(factor)
    n = len(samples.layout.map_axes)
    _require_all(samples, max(by[:n], default=1) > 1, max(by[n:], default=1) > 1)
    ends = [size // f * f for size, f in zip(samples.shape, by, strict=True)]
    whole_bins = samples[tuple(slice(0, end) for end in ends)]
    axes = tuple(_binned_axis(a, f) for a, f in zip(whole_bins.axes, by, strict=True))
    layout = replace(
        samples.layout.with_descriptor(*axes[n:], index=samples.layout.index),
        map_axes=axes[:n],
        windows=None,
        images=None,
    )
    if layout.index is None:
        shape, along = whole_bins.shape, tuple(by)
    else:  # features are no grid of entries
        shape, along = (*whole_bins.shape[:n], layout.n_features), (*by[:n], 1)
    left_out = {
        name: size - end
        for name, size, end in zip(names, samples.shape, ends, strict=True)
        if end < size
    }
    return replace(
        samples,
        source=Binned(whole_bins.source, shape, along, n, how == "mean"),
        layout=layout,
        record=samples.record.then("bin", {"how": how, **factors}, left_out=left_out),
    )


def _require_all(samples: Samples, over_map: bool, over_entries: bool) -> None:
    """Raise where a bin would hold something that is left out or shared."""
    if over_map and samples.layout.mask is not None:
        raise ShapeError("some samples are left out; bin the map first, and mask it then")
    if over_entries and samples.layout.index is not None:
        raise ShapeError(
            "entries of the descriptor are left out, or share features as those of spectra do; "
            "bin before that"
        )


def _binned_axis(axis: Axis, factor: int) -> Axis:
    return replace(axis, values=axis.values.reshape(-1, factor).mean(axis=1))
