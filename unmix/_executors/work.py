"""One pass over the tiles of a table: what every executor runs, each in its own way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeGuard

from .._arrays import is_dask
from .._sources import ArraySource, Given, Source
from .._tiles import Tile, read_rows, write_rows
from .._typing import Array, Chunks, HostArray, Slices

if TYPE_CHECKING:
    from .._samples import Samples

Asked = tuple[Slices, HostArray | None]
"""A block of the leaf and the positions in it that are kept."""


Found = tuple[Any, Array | None]
"""What a tile adds, and its rows of ``out`` where there is one."""


@dataclass(frozen=True, slots=True, eq=False)
class PerSample:
    """Rows for each sample, among the state of a pass: ``update`` gets those of its tile.

    Parameters
    ----------
    rows : array
        Shape (*map_shape, width).
    """

    rows: Array


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """What a pass does with each tile; see `unmix.fold`."""

    samples: Samples
    update: Callable[..., Any]
    merge: Callable[[Any, Any], Any] | None
    state: tuple[Any, ...]
    out: Array | None
    width: int = 0
    """Numbers that are made of each sample."""

    def plan(self) -> list[Slices]:
        """Return the blocks of the map that are read one at a time."""
        return self.samples.plan(self.width)

    def compute(self, tile: Tile, previous: Array | None, beside: list[Array]) -> Found:
        """Return what a tile adds, and its rows."""
        rows = iter(beside)
        state = (next(rows) if isinstance(s, PerSample) else s for s in self.state)
        found = self.update(tile, previous, *state)
        return (found, None) if self.out is None else (found[0], found[1])

    def run(self, tile: Tile) -> Any:
        """Return what a tile adds, and write its rows."""
        part, rows = self.compute(tile, self.previous(tile), self.beside(tile))
        if self.out is not None:
            write_rows(self.out, tile, rows)
        return part

    def previous(self, tile: Tile) -> Array | None:
        """Return the tile's rows of ``out``."""
        return None if self.out is None else read_rows(self.out, tile)

    def beside(self, tile: Tile) -> list[Array]:
        """Return the tile's rows of what the state holds for each sample."""
        return [read_rows(s.rows, tile) for s in self.state if isinstance(s, PerSample)]

    def place(self, where: Slices) -> Tile:
        """Return a tile without its rows: it tells where they belong."""
        return Tile(where, None, self.samples.layout)

    def tile(self, where: Slices, rows: Array, leaf: Source) -> Tile:
        """Return the tile of a block whose rows of the leaf were read already."""
        given = Given(rows, rows[:0, ...], getattr(leaf, "weighted", False))
        source = self.samples.source.rebuilt(lambda _: given)
        return replace(self.samples, source=source).tile(where)

    def merged(self, a: Any, b: Any) -> Any:
        """Make one part of two, of which either may be missing."""
        if self.merge is None or a is None:
            return b
        return a if b is None else self.merge(a, b)


def leaf_of(source: Source) -> Source:
    """Return the leaf that a source reads."""
    found: list[Source] = []

    def note(leaf: Source) -> Source:
        found.append(leaf)
        return leaf

    source.rebuilt(note)
    return found[0]


def reads_dask(leaf: Source) -> TypeGuard[ArraySource]:
    """Tell whether a leaf reads a dask array."""
    return isinstance(leaf, ArraySource) and is_dask(leaf.array)


class _Noted(Exception):
    """Carries what was asked of a leaf, past everything that would work on the answer."""


@dataclass(frozen=True, slots=True, eq=False)
class _Notes:
    """A leaf that says what it was asked for, and has nothing to give."""

    like: Array
    bytes_per_sample: int = 0
    chunks: Chunks | None = None

    def read(self, where: Slices, kept: HostArray | None) -> Array:
        raise _Noted(where, kept)

    def prepare(self) -> None:
        pass

    def rebuilt(self, change: Callable[[Source], Source]) -> Source:
        return change(self)


def asked_of_leaf(samples: Samples) -> Callable[[Slices], Asked]:
    """Return a function that tells what a block of the table reads of the leaf.

    The source is asked for the block itself, so that nobody but it needs to know of selections, of
    halos around windows or of borders.
    """
    source = samples.source.rebuilt(lambda leaf: _Notes(leaf.like))

    def asked(where: Slices) -> Asked:
        try:
            source.read(where, samples.layout.kept(where))
        except _Noted as noted:
            block, kept = noted.args
            return block, kept
        raise AssertionError("a source gave rows that it did not read from its leaf")

    return asked


def reduce_tree(parts: Iterable[Any], merge: Callable[[Any, Any], Any]) -> Any:
    """Merge parts as a binary tree: 1 with 2, 3 with 4, and then those; few are alive at a time."""
    stack: list[tuple[int, Any]] = []
    for new in parts:
        level, part = 0, new
        while stack and stack[-1][0] == level:
            part = merge(stack.pop()[1], part)
            level += 1
        stack.append((level, part))
    total = stack.pop()[1] if stack else None
    while stack:
        total = merge(stack.pop()[1], total)
    return total


@contextmanager
def progress(total: int, label: str) -> Iterator[Callable[[], None]]:
    """Show a bar for passes of over a second, on a terminal only; give what moves it a tile on."""
    if total < 4:
        yield lambda: None
        return
    from tqdm import tqdm

    with tqdm(total=total, desc=label, delay=1, disable=None, leave=False) as bar:
        yield bar.update


def moved_on(parts: Iterable[Any], moved: Callable[[], None]) -> Iterator[Any]:
    """Move a bar on for each part."""
    for part in parts:
        moved()
        yield part
