"""Rows of a table described anew: a function of each tile's rows, with features of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ._arrays import as_float
from ._sources import Source
from ._typing import Array, Chunks, HostArray, Slices


@dataclass(frozen=True, slots=True, eq=False)
class Described:
    """Rows of another table under a function (b, n_features) -> (b, n_described).

    Parameters
    ----------
    parent : Source
        The table.
    function : callable
        What describes the rows of a tile, in their computing type. It does not change them.
    values : int
        How many values it holds at a time for each sample.
    """

    parent: Source
    function: Callable[[Array], Array]
    values: int

    @property
    def like(self) -> Array:
        return as_float(self.parent.like)

    @property
    def bytes_per_sample(self) -> int:
        return self.parent.bytes_per_sample + 8 * self.values

    @property
    def chunks(self) -> Chunks | None:
        return self.parent.chunks

    def read(self, where: Slices, kept: HostArray | None) -> Array:
        return self.function(as_float(self.parent.read(where, kept)))

    def prepare(self) -> None:
        self.parent.prepare()

    def rebuilt(self, change: Callable[[Source], Source]) -> Source:
        return replace(self, parent=self.parent.rebuilt(change))
