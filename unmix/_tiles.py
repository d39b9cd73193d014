"""Tiles: the blocks that a table is read in, and the rows that belong to each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._arrays import from_host, is_torch, namespace_of
from ._typing import Array, HostArray, Slices
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


def plan_blocks(
    shape: tuple[int, ...], chunks: tuple[int, ...] | None, n_samples: int
) -> list[Slices]:
    """Cut a map into blocks of at most ``n_samples``, along the chunks it is stored in."""
    sizes = list(chunks or (1,) * len(shape))
    sizes = [min(c, n) for c, n in zip(sizes, shape, strict=True)]
    for axis in range(len(shape)):  # a chunk larger than a tile is cut along its slow axes
        rest = int(np.prod(sizes, initial=1)) // sizes[axis]
        sizes[axis] = max(1, min(sizes[axis], n_samples // max(rest, 1)))
    for axis in reversed(range(len(shape))):  # grow in whole chunks, fast axes first
        rest = int(np.prod(sizes, initial=1)) // sizes[axis]
        most = max(sizes[axis], n_samples // rest // sizes[axis] * sizes[axis])
        sizes[axis] = min(shape[axis], most)
        if sizes[axis] < shape[axis]:
            break
    cuts = [
        [slice(i, min(i + size, n)) for i in range(0, n, size)]
        for n, size in zip(shape, sizes, strict=True)
    ]
    blocks: list[Slices] = [()]
    for along in cuts:
        blocks = [(*b, s) for b in blocks for s in along]
    return blocks
