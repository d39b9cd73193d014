"""Where the rows of a table come from: an array, a file, windows of an image, another table.

A source reads one block of the map at a time. Sources know no axes and no records: `Samples` does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from ._arrays import as_float, device_of, from_host, is_array, is_dask, namespace_of, to_host
from ._chunks import ChunkCache, cut_chunks
from ._errors import DataError
from ._typing import Array, Chunks, HostArray, Slices


class Source(Protocol):
    """Rows of a table, block by block.

    Below every source lies one leaf, which reads an array, once for each block that is asked for.
    """

    @property
    def like(self) -> Array:
        """An empty array of the namespace, device and dtype of the rows."""

    @property
    def bytes_per_sample(self) -> int:
        """Memory that one sample takes while its row is made."""

    @property
    def chunks(self) -> Chunks | None:
        """Sizes along the map axes in which the data is stored, if in chunks."""

    def read(self, where: Slices, kept: HostArray | None) -> Array:
        """Return the rows (b, n_features) of a block, or those at positions ``kept`` in it."""

    def prepare(self) -> None:
        """Compute what every block needs (statistics over all samples), once."""

    def rebuilt(self, change: Callable[[Source], Source]) -> Source:
        """Return the same table on ``change(leaf)`` in place of its leaf."""


@dataclass(frozen=True, slots=True, eq=False)
class ArraySource:
    """Rows of anything that slices: an array, a memory map, a dataset of a file.

    Parameters
    ----------
    array : array
        Map axes and descriptor axes in the order ``axes`` says.
    axes : tuple of int
        Map axes first, then descriptor axes. An axis that is not named has one entry in ``part``.
    n_map : int
        Number of map axes.
    in_memory : bool
        Whether ``array`` is one of an Array API namespace, whose values were checked at the door.
    finite : bool
        Whether what is read block by block may hold no NaN or infinity where samples take part.
    chunks : tuple, optional
        Chunk sizes along the map axes: one for all chunks of an axis, or one for each.
    weighted : bool
        Whether rows were multiplied by the weights of their layout already.
    kept_from : int, optional
        Memory per sample of the source that was kept here: tiles, and so all bits, stay.
    part : tuple of slice, optional
        The block of ``array``, one forward slice for each of its axes. None: all of it.
    cache : ChunkCache, optional
        Reads an array that is stored in chunks.
    """

    array: Any
    axes: tuple[int, ...]
    n_map: int
    in_memory: bool = True
    finite: bool = True
    chunks: Chunks | None = None
    weighted: bool = False
    kept_from: int | None = None
    part: Slices | None = None
    cache: ChunkCache | None = None

    @property
    def like(self) -> Array:
        if self.in_memory:
            return self.array[:0, ...]
        if is_dask(self.array):
            return self.array._meta
        return np.empty(0, dtype=self.array.dtype)

    @property
    def bytes_per_sample(self) -> int:
        if self.kept_from is not None:
            return self.kept_from
        entries = [len(self._along(a)) for a in self.axes[self.n_map :]]
        return int(np.prod(entries, initial=1)) * 16

    def _along(self, axis: int) -> range:
        """Positions in the array of the entries along one of its axes."""
        if self.part is None:
            return range(self.array.shape[axis])
        part = self.part[axis]
        return range(part.start, part.stop, part.step)

    @property
    def entry_chunks(self) -> tuple[tuple[int, ...], ...] | None:
        """Chunk sizes along the descriptor axes."""
        if self.cache is None:
            return None
        stored = self.cache.chunks
        return tuple(cut_chunks(stored[a], self._along(a)) for a in self.axes[self.n_map :])

    def cropped(self, slices: Slices, dropped: tuple[int, ...]) -> ArraySource | None:
        """Return the source of a block, which reads no more than that.

        Parameters
        ----------
        slices : tuple of slice
            One forward slice per map axis and per descriptor axis.
        dropped : tuple of int
            Those of them that go.

        Returns
        -------
        ArraySource or None
            None where rows are packed or were kept from another table.
        """
        if self.kept_from is not None or len(slices) != len(self.axes):
            return None
        part = list(self.part or [slice(0, n, 1) for n in self.array.shape])
        for axis, s in zip(self.axes, slices, strict=True):
            part[axis] = as_slice(self._along(axis)[s])
        left = [i for i in range(len(slices)) if i not in dropped]
        n_map = sum(i < self.n_map for i in left)
        chunks = None
        if self.chunks is not None:
            taken = [range(s.start, s.stop, s.step) for s in slices]
            chunks = tuple(cut_chunks(self.chunks[i], taken[i]) for i in left[:n_map])
        axes = tuple(self.axes[i] for i in left)
        return replace(self, axes=axes, n_map=n_map, chunks=chunks, part=tuple(part))

    def place(self, where: Slices) -> Slices:
        """Return the part of the array, one slice for each of its axes, that holds a block."""
        place = list(self.part or [slice(None)] * len(self.array.shape))
        for axis, s in zip(self.axes, where, strict=False):
            place[axis] = s if self.part is None else as_slice(self._along(axis)[s])
        return tuple(place)

    def read(self, where: Slices, kept: HostArray | None) -> Array:
        place = self.place(where)
        part = self.array[place] if self.cache is None else self.cache.read(self.array, place)
        return self.rows_of(part, where, kept)

    def rows_of(self, part: Any, where: Slices, kept: HostArray | None) -> Array:
        """Return the rows of a block whose part of the array was read already."""
        if is_dask(part):
            part = part.compute()
        if not in_memory(part):
            part = np.asarray(part)
        block = self._in_order(part)
        rows = flat_rows(block, self.n_map, kept)
        if self.finite and not self.in_memory:
            self._require_finite(rows, block.shape, where, kept)
        return rows

    def _in_order(self, part: Array) -> Array:
        """Return a part of the array as (*block_shape, *descriptor_shape)."""
        if self.axes == tuple(range(part.ndim)):
            return part
        xp = namespace_of(part)
        gone = tuple(a for a in range(part.ndim) if a not in self.axes)
        rest = [a for a in range(part.ndim) if a in self.axes]
        part = xp.squeeze(part, axis=gone) if gone else part
        return xp.permute_dims(part, tuple(rest.index(a) for a in self.axes))

    def _require_finite(
        self, rows: Array, shape: tuple[int, ...], where: Slices, kept: HostArray | None
    ) -> None:
        """Raise if the samples that take part hold NaN or infinity, and say where in the array."""
        xp = namespace_of(rows)
        if not xp.isdtype(rows.dtype, "real floating") or xp.all(xp.isfinite(rows)):
            return
        bad = np.argwhere(~np.isfinite(to_host(rows)))
        row, entry = bad[0]
        inside = np.unravel_index(row if kept is None else kept[row], shape[: self.n_map])
        place = {a: self._along(a)[0] for a in range(len(self.part or self.array.shape))}
        along = zip(self.axes, where, inside, strict=False)
        place |= {axis: self._along(axis)[s][i] for axis, s, i in along}
        entries = np.unravel_index(entry, shape[self.n_map :])
        both = zip(self.axes[self.n_map :], entries, strict=True)
        place |= {axis: self._along(axis)[i] for axis, i in both}
        raise DataError(
            f"the data holds {len(bad)} values that are NaN or infinite in one block, the first at "
            f"{tuple(place[a] for a in sorted(place))}; expected finite numbers: crop them "
            "away, or leave their samples out with nan='skip' (unmix.samples, unmix.open)"
        )

    def prepare(self) -> None:
        pass

    def rebuilt(self, change: Callable[[Source], Source]) -> Source:
        return change(self)


def stored_source(array: Any, axes: tuple[int, ...], n_map: int) -> ArraySource:
    """Return the source of anything that slices and is no array in memory."""
    chunks = getattr(array, "chunks", None)
    if chunks is None:
        return ArraySource(array, axes, n_map, in_memory=False)
    along = tuple(chunks[a] for a in axes[:n_map])
    cache = None if is_dask(array) else ChunkCache(tuple(chunks))
    return ArraySource(array, axes, n_map, in_memory=False, chunks=along, cache=cache)


def as_slice(positions: range) -> slice:
    """Return the slice of these positions; its end is not carried past the array's by a step."""
    return slice(positions.start, positions[-1] + 1, positions.step)


def flat_rows(block: Array, n_map: int, kept: HostArray | None) -> Array:
    """Flatten a block to rows and keep some of them."""
    xp = namespace_of(block)
    n = int(np.prod(block.shape[:n_map], initial=1))
    entries = int(np.prod(block.shape[n_map:], initial=1))
    rows = xp.reshape(block, (n, entries))
    return rows if kept is None else xp.take(rows, from_host(kept, rows), axis=0)


@dataclass(frozen=True, slots=True, eq=False)
class Selected:
    """A block of another table's map, or some of its features."""

    parent: Source
    slices: Slices | None
    """One slice per map axis of the parent, or None for the whole map."""
    shape: tuple[int, ...]
    """The parent's map shape."""
    dropped: tuple[int, ...] = ()
    """Map axes of the parent that are gone."""
    features: HostArray | None = None
    chunks: Chunks | None = None

    @property
    def like(self) -> Array:
        return self.parent.like

    @property
    def bytes_per_sample(self) -> int:
        return self.parent.bytes_per_sample

    def read(self, where: Slices, kept: HostArray | None) -> Array:
        if self.slices is not None:
            asked = iter(where)
            place = []
            for axis, (s, n) in enumerate(zip(self.slices, self.shape, strict=True)):
                inner = range(n)[s]
                if axis not in self.dropped:
                    inner = inner[next(asked)]
                place.append(as_slice(inner))
            where = tuple(place)
        rows = self.parent.read(where, kept)
        if self.features is None:
            return rows
        return namespace_of(rows).take(rows, from_host(self.features, rows), axis=1)

    def prepare(self) -> None:
        self.parent.prepare()

    def rebuilt(self, change: Callable[[Source], Source]) -> Source:
        return replace(self, parent=self.parent.rebuilt(change))


@dataclass(frozen=True, slots=True, eq=False)
class Mapped:
    """Rows of another table under a function that keeps their shape.

    ``statistics``, where given, is called once with the parent, before the first block, and its
    answer goes to the function beside the rows.
    """

    parent: Source
    function: Callable[..., Array]
    statistics: Callable[[Source], Any] | None = None
    cache: list[Any] | None = None
    """Holds the statistics once they are known."""

    @property
    def like(self) -> Array:
        return as_float(self.parent.like)

    @property
    def bytes_per_sample(self) -> int:
        return self.parent.bytes_per_sample

    @property
    def chunks(self) -> Chunks | None:
        return self.parent.chunks

    def read(self, where: Slices, kept: HostArray | None) -> Array:
        rows = as_float(self.parent.read(where, kept))
        if self.cache is None:
            return self.function(rows)
        self.prepare()
        return self.function(rows, self.cache[0], where, kept)

    def prepare(self) -> None:
        self.parent.prepare()
        if self.cache is not None and self.statistics is not None and not self.cache:
            self.cache.append(self.statistics(self.parent))

    def rebuilt(self, change: Callable[[Source], Source]) -> Source:
        parent = self.parent.rebuilt(change)
        if namespace_of(parent.like) is not namespace_of(self.parent.like):
            # statistics lie where the rows do: there they are found again
            return replace(self, parent=parent, cache=None if self.cache is None else [])
        # what is known needs no samples to be found in, which may be many
        return replace(self, parent=parent, statistics=None if self.cache else self.statistics)


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """The rows of one block, read ahead: a leaf for the one tile that they were read for."""

    rows: Array
    like: Array
    weighted: bool

    @property
    def bytes_per_sample(self) -> int:
        return 0

    @property
    def chunks(self) -> None:
        return None

    def read(self, where: Slices, kept: HostArray | None) -> Array:  # noqa: ARG002
        return self.rows

    def prepare(self) -> None:
        pass

    def rebuilt(self, change: Callable[[Source], Source]) -> Source:
        return change(self)


@dataclass(frozen=True, slots=True, eq=False)
class Uploaded:
    """A leaf whose rows lie on a GPU, and its array on the host or in a file."""

    host: ArraySource
    like: Array

    @property
    def bytes_per_sample(self) -> int:
        return self.host.bytes_per_sample

    @property
    def chunks(self) -> Chunks | None:
        return self.host.chunks

    @property
    def weighted(self) -> bool:
        """Whether rows were multiplied by weights already."""
        return self.host.weighted

    def read(self, where: Slices, kept: HostArray | None) -> Array:
        return from_host(self.host.read(where, kept), self.like)

    def prepare(self) -> None:
        pass

    def rebuilt(self, change: Callable[[Source], Source]) -> Source:
        return change(self)


@dataclass(frozen=True, slots=True, eq=False)
class Several:
    """A leaf that reads several other tables, each down to leaves of its own."""

    parts: tuple[Source, ...]

    def prepare(self) -> None:
        for part in self.parts:
            part.prepare()

    def rebuilt(self, change: Callable[[Source], Source]) -> Source:
        return change(self)  # type: ignore[arg-type]  # children read


def upload(leaf: Source) -> Source:
    """Return a leaf whose rows come to the current CUDA device."""
    from .cuda.uploads import like_on_device, on_device

    if isinstance(leaf, Several):
        return replace(leaf, parts=tuple(part.rebuilt(upload) for part in leaf.parts))
    if not isinstance(leaf, ArraySource):
        return leaf
    if is_dask(leaf.array):
        return replace(leaf, array=leaf.array.map_blocks(on_device, meta=like_on_device(leaf.like)))
    return Uploaded(leaf, like_on_device(leaf.like))


def empty_like(like: Array, shape: tuple[int, ...], fill: float, dtype: Any) -> Array:
    """Return an array of one value in the namespace and on the device of ``like``."""
    return namespace_of(like).full(shape, fill, dtype=dtype, device=device_of(like))


def in_memory(array: Any) -> bool:
    """Tell whether ``array`` is one of an Array API namespace and not a window into a file."""
    return is_array(array) and not isinstance(array, np.memmap) and not is_dask(array)
