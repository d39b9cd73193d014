"""Images under a function that looks at the neighbours of each pixel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import config
from ._arrays import as_float, from_host, namespace_of
from ._executors.work import leaf_of
from ._fold import kept_rows
from ._sources import ArraySource, Mapped, flat_rows
from ._typing import Array, HostArray, Slices

if TYPE_CHECKING:
    from ._samples import Samples


class Block(NamedTuple):
    """A block of an image and what lies around it."""

    values: Array
    """(..., y, x), in the computing type; NaN at pixels that are left out."""
    inner: tuple[slice, slice]
    """The rows and columns of it that are asked for."""
    place: tuple[range, ...]
    """Which entries of the image's axes these are."""

    @property
    def asked(self) -> Array:
        """The pixels that are asked for."""
        return self.values[(..., *self.inner)]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Filtered(Mapped):
    """An image (..., y, x) under a function of a `Block`, and of statistics where there are some.

    Parameters
    ----------
    shape : tuple of int
        Of the image.
    halo : tuple of int
        How many pixels around a block the function looks at, (y, x).
    mask : numpy.ndarray, optional
        Pixels that take part.
    work : int
        Values that the function holds for each pixel.
    """

    shape: tuple[int, ...]
    halo: tuple[int, int]
    mask: HostArray | None = None
    work: int = 4

    @property
    def bytes_per_sample(self) -> int:
        return self.parent.bytes_per_sample + 8 * self.work

    def read(self, where: Slices, kept: HostArray | None) -> Array:
        place = tuple(range(n)[s] for n, s in zip(self.shape, where, strict=True))
        wide, inner = list(where[:-2]), []
        for along, halo, n in zip(place[-2:], self.halo, self.shape[-2:], strict=True):
            start, stop = max(0, along[0] - halo), min(n, along[-1] + 1 + halo)
            wide.append(slice(start, stop))
            inner.append(slice(along[0] - start, along[-1] + 1 - start))
        values = as_float(self.parent.read(tuple(wide), None))
        xp = namespace_of(values)
        sizes = tuple(len(range(n)[s]) for n, s in zip(self.shape, wide, strict=True))
        values = xp.reshape(values, sizes)
        if self.mask is not None:
            inside = from_host(self.mask[tuple(wide)], values)
            values = xp.where(inside, values, xp.full_like(values, xp.nan))
        full = tuple(range(p[0], p[-1] + 1) for p in place[-2:])
        block = Block(values, (inner[0], inner[1]), (*place[:-2], *full))
        if self.cache is None:
            out = self.function(block)
        else:
            self.prepare()
            out = self.function(block, self.cache[0])
        steps = (slice(None, None, p.step) for p in place[-2:])
        return flat_rows(out[(..., *steps)], len(where), kept)


def filtered(
    image: Samples,
    function: Callable[..., Array],
    *,
    halo: tuple[int, int] = (0, 0),
    statistics: Callable[[Samples], Any] | None = None,
    work: int = 4,
) -> Samples:
    """Return an image under a function of blocks; of what is in memory it is computed at once.

    ``statistics``, where given, is called with the image before the first block.
    """

    def of_source(source: Any) -> Any:
        return statistics(replace(image, source=source))  # type: ignore[misc]

    source = Filtered(
        parent=image.source,
        function=function,
        statistics=None if statistics is None else of_source,
        cache=None if statistics is None else [],
        shape=image.layout.map_shape,
        halo=halo,
        mask=image.layout.mask,
        work=work,
    )
    out = replace(image, source=source)
    leaf = leaf_of(image.source)
    size = int(np.prod(image.shape)) * 8
    loaded = isinstance(leaf, ArraySource) and leaf.in_memory
    if not loaded or size > config.current_budget():
        return out
    values = kept_rows(out)[..., 0]
    return replace(out, source=ArraySource(values, tuple(range(values.ndim)), values.ndim))


def of_frames(image: Samples, find: Callable[[Samples], HostArray], width: int) -> HostArray:
    """Find ``width`` numbers for each frame of an image (..., y, x), one frame after the other.

    They are NaN where every pixel of a frame is left out.
    """
    lead = image.layout.map_shape[:-2]
    found = np.full((*lead, width), np.nan)
    mask = image.layout.mask
    for frame in np.ndindex(lead):
        if mask is None or mask[frame].any():
            found[frame] = find(image[frame] if frame else image)
    return found
