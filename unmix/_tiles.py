"""Tiles: the blocks that a table is read in, and the rows that belong to each."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from math import prod

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
    shape: tuple[int, ...],
    chunks: tuple[int, ...] | None,
    n_samples: int,
    *,
    phase: tuple[int, ...] | None = None,
    largest_chunk: int = 0,
) -> list[Slices]:
    """Cut a map into blocks of at most ``n_samples``, along the chunks it is stored in.

    Parameters
    ----------
    shape, chunks : tuple of int
        Sizes along the map axes of the map and of its chunks; None where it has none.
    n_samples : int
        Samples of a block at the most; but a chunk of up to ``largest_chunk`` stays whole.
    phase : tuple of int, optional
        How far into its chunk the first sample lies.
    largest_chunk : int
        As above.
    """
    sizes = list(chunks or (1,) * len(shape))

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
    first = phase or (0,) * len(shape)
    blocks: list[Slices] = [()]
    for n, size, p in zip(shape, sizes, first, strict=True):
        ends = [*range(size - p % size, n, size), n]
        along = [slice(i, j) for i, j in itertools.pairwise([0, *ends])]
        blocks = [(*b, s) for b in blocks for s in along]
    return blocks
