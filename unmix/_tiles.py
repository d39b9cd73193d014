"""Tiles: the blocks that a table is read in, and the rows that belong to each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import prod

import numpy as np

from ._arrays import device_of, from_host, is_torch, namespace_of
from ._chunks import largest
from ._typing import Array, Chunks, HostArray, Slices
from .layout import Layout


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """The samples of one block of the map.

    Parameters
    ----------
    where : tuple of slice
        The block, one slice per map axis.
    rows : array
        Shape (b, n_features), floating: one row for each sample that takes part.
    layout : Layout
        Of the whole table.
    """

    where: Slices
    rows: Array
    layout: Layout

    @property
    def kept(self) -> HostArray | None:
        """Positions inside the block of the samples that take part; None for all."""
        return self.layout.kept(self.where)

    @property
    def numbers(self) -> HostArray:
        """Numbers of the samples in the whole map."""
        return self.layout.numbers(self.where)

    def numbers_at(self, positions: HostArray) -> HostArray:
        """Numbers in the whole map of the samples at some positions of the tile."""
        return self.layout.numbers_at(self.where, positions)


def read_rows(out: Array, tile: Tile) -> Array:
    """Return the rows of ``out`` that belong to a tile's samples."""
    xp = namespace_of(out)
    block = xp.reshape(out[(*tile.where, slice(None))], (-1, out.shape[-1]))
    return block if tile.kept is None else xp.take(block, from_host(tile.kept, block), axis=0)


def write_rows(out: Array, tile: Tile, rows: Array) -> None:
    """Write a tile's rows to their place in ``out``; other samples' rows stay."""
    xp = namespace_of(out)
    place = (*tile.where, slice(None))
    # torch refuses to write rows that share memory with their place, as previous rows may
    rows = xp.astype(rows, out.dtype, copy=is_torch(xp))
    block = out[place]
    if tile.kept is not None:
        # samples that are left out take their old row, which stands behind the new ones
        old = xp.reshape(block, (-1, out.shape[-1]))
        source = rows.shape[0] + np.arange(old.shape[0])
        source[tile.kept] = np.arange(rows.shape[0])
        rows = xp.take(xp.concat([rows, old], axis=0), from_host(source, rows), axis=0)
    out[place] = xp.reshape(rows, block.shape)


def as_block(tile: Tile) -> Array:
    """Return a tile's rows as a block of the map, (*block_shape, n_features): NaN in between."""
    shape = tuple(len(range(n)[s]) for n, s in zip(tile.layout.map_shape, tile.where, strict=True))
    rows, n = tile.rows, int(np.prod(shape))
    xp = namespace_of(rows)
    if tile.kept is not None:
        at = np.full(n, rows.shape[0])
        at[tile.kept] = np.arange(rows.shape[0])
        outside = xp.full((1, rows.shape[1]), xp.nan, dtype=rows.dtype, device=device_of(rows))
        rows = xp.take(xp.concat([rows, outside], axis=0), from_host(at, rows), axis=0)
    return xp.reshape(rows, (*shape, rows.shape[1]))


@lru_cache(maxsize=64)  # searches pass over the same table again and again
def plan_blocks(
    shape: tuple[int, ...], chunks: Chunks | None, n_samples: int, *, largest_chunk: int = 0
) -> tuple[Slices, ...]:
    """Cut a map into blocks of at most ``n_samples``, along the chunks it is stored in.

    Parameters
    ----------
    shape : tuple of int
        Sizes of the map axes.
    chunks : tuple, optional
        Sizes of the chunks along them, or None where there are none.
    n_samples : int
        Samples of a block at the most; but a chunk of up to ``largest_chunk`` stays whole.
    largest_chunk : int
        As above.
    """
    stored = chunks or (1,) * len(shape)
    sizes = list(largest(stored))

    def others(axis: int) -> int:
        clipped = [min(c, n) for c, n in zip(sizes, shape, strict=True)]
        return prod(clipped) // clipped[axis]

    one = prod(min(c, n) for c, n in zip(sizes, shape, strict=True))
    if one <= largest_chunk:
        n_samples = max(n_samples, one)
    for axis, n in enumerate(shape):  # a chunk larger than a tile is cut along its slow axes
        most = n_samples // others(axis)
        if min(sizes[axis], n) > most:
            sizes[axis] = max(1, most)
    for axis in reversed(range(len(shape))):  # grow in whole chunks, fast axes first
        most = n_samples // others(axis)
        sizes[axis] = max(sizes[axis], most // sizes[axis] * sizes[axis])
        if sizes[axis] < shape[axis]:
            break
    cuts = [_cut(n, c, size) for n, c, size in zip(shape, stored, sizes, strict=True)]
    blocks: list[Slices] = [()]
    for along in cuts:
        blocks = [(*b, s) for b in blocks for s in along]
    return tuple(blocks)


def _cut(n: int, chunks: int | tuple[int, ...], size: int) -> list[slice]:
    """Cut an axis into runs of at most ``size``: of whole chunks, where those differ."""
    if isinstance(chunks, int):
        return [slice(i, min(i + size, n)) for i in range(0, n, size)]
    edges, whole = [0], False
    for chunk in chunks:
        start, end = edges[-1], edges[-1] + chunk
        if whole and end - edges[-2] <= size:
            edges[-1] = end
        else:
            edges += [*range(start + size, end, size), end]
            whole = chunk <= size
    return [slice(a, b) for a, b in pairwise(edges)]
