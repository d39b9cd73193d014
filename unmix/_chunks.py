"""Data that is stored in chunks: each is read once in a pass, whatever blocks are asked for."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import numpy as np

from ._typing import Chunks, HostArray, Slices

CACHE_BYTES = 64 << 20
"""Unpacked chunks that a pass holds on to: those that neighbouring blocks share."""

Piece = tuple[int, slice, slice, bool]
"""Along one axis: a chunk's number, where its part goes, which part that is, and if it is whole."""


class ChunkCache:
    """Reads blocks of an array that is stored in chunks.

    Whole chunks go straight to the block. A chunk that a block takes a part of is unpacked once and
    held for the next block that takes the rest, by whichever thread.

    Parameters
    ----------
    chunks : tuple of int
        Sizes of the chunks along all axes of the array; those at the end may be smaller.
    """

    __slots__ = ("_held", "_lock", "_size", "chunks")

    def __init__(self, chunks: tuple[int, ...]) -> None:
        self.chunks = chunks
        self._held: OrderedDict[tuple[int, ...], Future[HostArray]] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        """Go to another process empty."""
        return ChunkCache, (self.chunks,)

    def read(self, array: Any, where: Slices) -> HostArray:
        """Return a block of ``array``, one forward slice per axis."""
        along = [
            list(pieces(s, c, n)) for s, c, n in zip(where, self.chunks, array.shape, strict=True)
        ]
        whole = all(piece[3] for axis in along for piece in axis)
        if whole and all(s.step in (None, 1) for s in where):
            return np.asarray(array[where])
        shape = [axis[-1][1].stop for axis in along]
        out = np.empty(shape, dtype=array.dtype)
        for chunk in itertools.product(*along):
            number, place, part, full = zip(*chunk, strict=True)
            if all(full):
                out[place] = array[self._slices(number, array.shape)][part]
            else:
                out[place] = self._chunk(array, number)[part]
        return out

    def _slices(self, number: tuple[int, ...], shape: tuple[int, ...]) -> Slices:
        return tuple(
            slice(i * c, min((i + 1) * c, n))
            for i, c, n in zip(number, self.chunks, shape, strict=True)
        )

    def _chunk(self, array: Any, number: tuple[int, ...]) -> HostArray:
        """Return a whole chunk: read by the first thread that asks, waited for by the others."""
        with self._lock:
            held = self._held.get(number)
            mine = held is None
            if held is None:
                held = self._held[number] = Future()
            self._held.move_to_end(number)
        if mine:
            try:
                chunk = np.asarray(array[self._slices(number, array.shape)])
            except BaseException as error:
                with self._lock:
                    del self._held[number]
                held.set_exception(error)
                raise
            held.set_result(chunk)
            self._make_room(number, chunk.nbytes)
        return held.result()

    def _make_room(self, newest: tuple[int, ...], n_bytes: int) -> None:
        with self._lock:
            self._size += n_bytes
            for number in list(self._held):
                if self._size <= CACHE_BYTES:
                    break
                # one that is being read is not counted yet
                if number != newest and self._held[number].done():
                    self._size -= self._held.pop(number).result().nbytes


def pieces(where: slice, chunk: int, n: int) -> Iterator[Piece]:
    """Cut a slice of an axis of ``n`` entries at the borders of its chunks."""
    wanted = range(n)[where]
    at = 0
    while at < len(wanted):
        number = wanted[at] // chunk
        start, stop = number * chunk, min((number + 1) * chunk, n)
        inside = wanted[at : at + len(range(wanted[at], stop, wanted.step))]
        inside = range(inside[0], min(inside[-1] + 1, stop), wanted.step)
        count = len(inside)
        part = slice(inside.start - start, inside.stop - start, wanted.step)
        yield number, slice(at, at + count), part, count == stop - start
        at += count


def cut_chunks(sizes: int | tuple[int, ...], taken: range) -> tuple[int, ...]:
    """Return how many of the positions that are taken along an axis lie in each chunk."""
    at = np.asarray(taken)
    ends = None if isinstance(sizes, int) else np.cumsum(sizes)
    number = at // sizes if ends is None else np.searchsorted(ends, at, side="right")
    return tuple(int(n) for n in np.unique(number, return_counts=True)[1])


def largest(chunks: Chunks) -> tuple[int, ...]:
    """Return the size of the largest chunk along each axis."""
    return tuple(max(c) if isinstance(c, tuple) else c for c in chunks)
