"""A map axis that becomes part of the descriptor: channels, or frames, of one sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ._arrays import namespace_of
from ._errors import ParameterError, ShapeError
from ._sources import Source
from ._typing import Array, Chunks, HostArray, Slices

if TYPE_CHECKING:
    from ._samples import Samples


@dataclass(frozen=True, slots=True, eq=False)
class Stacked:
    """Rows of all entries of one map axis of another table side by side.

    Parameters
    ----------
    parent : Source
        The table.
    shape : tuple of int
        Its map shape.
    axis : int
        Which of its map axes goes to the features.
    """

    parent: Source
    shape: tuple[int, ...]
    axis: int

    @property
    def like(self) -> Array:
        return self.parent.like

    @property
    def bytes_per_sample(self) -> int:
        return self.parent.bytes_per_sample * self.shape[self.axis]

    @property
    def chunks(self) -> Chunks | None:
        found = self.parent.chunks
        return None if found is None else (*found[: self.axis], *found[self.axis + 1 :])

    def read(self, where: Slices, kept: HostArray | None) -> Array:
        n = self.shape[self.axis]
        wide = (*where[: self.axis], slice(0, n), *where[self.axis :])
        sizes = [len(range(size)[s]) for size, s in zip(self.shape, wide, strict=True)]
        inner = [*sizes[: self.axis], *sizes[self.axis + 1 :]]
        asked = np.arange(int(np.prod(inner, initial=1))) if kept is None else kept
        places = [p[:, None] for p in np.unravel_index(asked, inner)]
        places.insert(self.axis, np.arange(n)[None, :])
        rows = self.parent.read(wide, np.ravel_multi_index(places, sizes).ravel())
        return namespace_of(rows).reshape(rows, (len(asked), n * rows.shape[1]))

    def prepare(self) -> None:
        self.parent.prepare()

    def rebuilt(self, change: Callable[[Source], Source]) -> Source:
        return replace(self, parent=self.parent.rebuilt(change))


def stacked(samples: Samples, name: str) -> Samples:
    """Move a map axis to the descriptor; see `Samples.to_descriptor`."""
    layout = samples.layout
    names = [a.name for a in layout.map_axes]
    if name not in names:
        raise ParameterError(f"there is no map axis {name!r}; there are {', '.join(names)}")
    if len(names) < 2:
        raise ShapeError(
            f"{name} is the only map axis; expected another one, along which samples lie"
        )
    axis = names.index(name)
    mask = None if layout.mask is None else np.asarray(layout.mask.all(axis=axis))
    if mask is not None and not mask.any():
        raise ShapeError(f"no sample takes part at every entry of {name}; keep at least one")
    index = None
    if layout.index is not None:
        steps = np.arange(layout.map_shape[axis]) * layout.n_features
        each = steps.reshape(-1, *(1,) * layout.index.ndim) + layout.index
        index = np.where(layout.index < 0, -1, each)
    new = replace(
        layout.with_descriptor(layout.map_axes[axis], *layout.descriptor_axes, index=index),
        map_axes=(*layout.map_axes[:axis], *layout.map_axes[axis + 1 :]),
        mask=mask,
        windows=layout.windows if axis < len(names) - 2 else None,
        images=None,
    )
    return replace(
        samples,
        source=Stacked(samples.unweighted().source, layout.map_shape, axis),
        layout=new,
        record=samples.record.then("to_descriptor", {"axis": name}),
    )
