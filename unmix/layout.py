"""Where samples lie and what their features mean: axes, window geometry, half-plane packing.

Everything here is geometry on the host. The arrays that it packs and unpacks may be of any
namespace.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ._arrays import from_host, namespace_of
from ._axes import Axis, describe_axes
from ._errors import ShapeError
from ._typing import Array, HostArray, Slices


@dataclass(frozen=True, slots=True, eq=False)
class WindowGrid:
    """Where the windows of an image lie, in pixels.

    Parameters
    ----------
    image_shape, window, step : tuple of int
        (y, x) sizes in pixels.
    corners : tuple of numpy.ndarray
        First row of every row of windows and first column of every column of windows; negative
        where ``edges`` lets windows reach over the border.
    edges : str
        ``"valid"``, ``"reflect"``, ``"periodic"`` or ``"constant"``.
    """

    image_shape: tuple[int, int]
    window: tuple[int, int]
    step: tuple[int, int]
    corners: tuple[HostArray, HostArray]
    edges: str

    @property
    def centers(self) -> tuple[HostArray, HostArray]:
        """Window centres in pixels: where a window's middle lies, half-integer for even windows."""
        y, x = (c + (w - 1) / 2 for c, w in zip(self.corners, self.window, strict=True))
        return y, x

    @property
    def coverage(self) -> HostArray:
        """Fraction of each window that lies inside the image, shape (grid_y, grid_x)."""
        inside = [
            np.clip(np.minimum(c + w, n) - np.maximum(c, 0), 0, None) / w
            for c, w, n in zip(self.corners, self.window, self.image_shape, strict=True)
        ]
        return np.asarray(np.multiply.outer(*inside))

    def same_as(self, other: WindowGrid) -> bool:
        """Tell whether both are the same windows of images of one size."""
        mine, theirs = (
            (g.image_shape, g.window, g.step, g.edges, [c.tolist() for c in g.corners])
            for g in (self, other)
        )
        return mine == theirs

    def select(self, rows: slice, columns: slice) -> WindowGrid:
        """Return the grid of a block of windows."""
        step = (self.step[0] * (rows.step or 1), self.step[1] * (columns.step or 1))
        corners = (self.corners[0][rows], self.corners[1][columns])
        return replace(self, step=step, corners=corners)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One of several descriptors that were joined.

    Parameters
    ----------
    axes : tuple of Axis
        Its own.
    weight : float
        What its values were multiplied by.
    """

    axes: tuple[Axis, ...]
    weight: float

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of its axes."""
        return tuple(a.size for a in self.axes)

    @property
    def size(self) -> int:
        """Number of its entries."""
        return int(np.prod(self.shape))


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Map axes (the shape of x) by descriptor axes (the shape of R), and how R is packed.

    Parameters
    ----------
    map_axes, descriptor_axes : tuple of Axis
        Slow to fast.
    index : numpy.ndarray, optional
        For every entry of R the feature that holds it, int, of the descriptor's shape; -1 where the
        entry is left out. An entry and its mirror image may share one feature: then distances count
        that feature twice. None: one feature for each entry.
    mask : numpy.ndarray, optional
        Which samples take part, bool, of the map's shape. None: all.
    windows : WindowGrid, optional
        The window of each sample, where the last two map axes are a window grid.
    parts : tuple of Part, optional
        The descriptors that lie side by side along the one descriptor axis, where some were joined.
    images : tuple of Layout, optional
        The map of each entry of the first map axis, where images were put together along it.
    """

    map_axes: tuple[Axis, ...]
    descriptor_axes: tuple[Axis, ...]
    index: HostArray | None = None
    mask: HostArray | None = None
    windows: WindowGrid | None = None
    parts: tuple[Part, ...] | None = None
    images: tuple[Layout, ...] | None = None

    @property
    def map_shape(self) -> tuple[int, ...]:
        """Sizes of the map axes."""
        return tuple(a.size for a in self.map_axes)

    @property
    def descriptor_shape(self) -> tuple[int, ...]:
        """Sizes of the descriptor axes."""
        return tuple(a.size for a in self.descriptor_axes)

    @property
    def n_samples(self) -> int:
        """Number of samples that take part."""
        return int(np.prod(self.map_shape)) if self.mask is None else int(self.mask.sum())

    @property
    def n_features(self) -> int:
        """Number of features that a sample is stored in."""
        if self.index is None:
            return int(np.prod(self.descriptor_shape))
        return int(self.index.max(initial=-1)) + 1

    @property
    def features(self) -> HostArray:
        """The feature that holds each entry, of the descriptor's shape; -1 where it is left out."""
        if self.index is not None:
            return self.index
        return np.arange(self.n_features).reshape(self.descriptor_shape)

    @property
    def multiplicity(self) -> HostArray | None:
        """How many entries of R each feature stands for, or None if each stands for one."""
        if self.index is None:
            return None
        counts = np.bincount(self.index[self.index >= 0], minlength=self.n_features)
        return None if np.all(counts == 1) else counts

    def weights(self, like: Array) -> Array | None:
        """Square roots of the multiplicity, so that Gram matrices equal those of the whole R."""
        counts = self.multiplicity
        return None if counts is None else from_host(np.sqrt(counts), like, like.dtype)

    def pack(self, entries: Array, *, weighted: bool = True) -> Array:
        """Turn (k, *descriptor_shape) into features (k, n_features)."""
        flat = namespace_of(entries).reshape(entries, (entries.shape[0], -1))
        if self.index is None:
            return flat
        xp = namespace_of(entries)
        kept = self.index.ravel() >= 0
        order = self.index.ravel()[kept]
        first = np.empty(self.n_features, dtype=np.int64)
        first[order[::-1]] = np.flatnonzero(kept)[::-1]
        rows = xp.take(flat, from_host(first, entries), axis=1)
        weights = self.weights(rows) if weighted else None
        return rows if weights is None else rows * weights

    def unpack(self, rows: Array, *, weighted: bool = True) -> Array:
        """Turn features (k, n_features) into (k, *descriptor_shape), NaN where left out."""
        xp = namespace_of(rows)
        weights = self.weights(rows) if weighted else None
        if weights is not None:
            rows = rows / weights
        if self.index is not None:
            index = self.index.ravel()
            if np.any(index < 0):
                outside = xp.full_like(rows[:, :1], xp.nan)
                rows = xp.concat([rows, outside], axis=1)
                index = np.where(index < 0, rows.shape[1] - 1, index)
            rows = xp.take(rows, from_host(index, rows), axis=1)
        return xp.reshape(rows, (rows.shape[0], *self.descriptor_shape))

    def kept(self, where: Slices) -> HostArray | None:
        """Positions inside the block ``where`` of the samples that take part; None for all."""
        if self.mask is None or self.mask[where].all():
            return None
        return np.flatnonzero(self.mask[where])

    def numbers(self, where: Slices) -> HostArray:
        """Return the samples' numbers in the whole map (slow to fast) of those of a block."""
        grid = np.zeros((), dtype=np.int64)
        for n, s in zip(self.map_shape, where, strict=True):
            grid = grid[..., None] * n + np.arange(*s.indices(n))
        kept = self.kept(where)
        return grid.ravel() if kept is None else grid.ravel()[kept]

    def numbers_at(self, where: Slices, positions: HostArray) -> HostArray:
        """Return the entries of `numbers` at some positions, without making them all."""
        along = [range(n)[s] for n, s in zip(self.map_shape, where, strict=True)]
        kept = self.kept(where)
        inside = np.unravel_index(
            positions if kept is None else kept[positions], [len(r) for r in along]
        )
        places = [r.start + r.step * i for r, i in zip(along, inside, strict=True)]
        return np.asarray(np.ravel_multi_index(places, self.map_shape), dtype=np.int64)

    def positions(self, numbers: HostArray) -> HostArray:
        """Coordinates of samples by number, shape (k, n_map_axes), in the axes' own units."""
        places = np.unravel_index(numbers, self.map_shape)
        return np.stack([a.values[i] for a, i in zip(self.map_axes, places, strict=True)], axis=-1)

    def with_descriptor(self, *axes: Axis, index: HostArray | None = None) -> Layout:
        """Return the layout of the same samples with another R."""
        return replace(self, descriptor_axes=axes, index=index, parts=None)

    def select_map(self, slices: Slices, drop: tuple[int, ...] = ()) -> Layout:
        """Return the layout of a block of the map; axes numbered in ``drop`` (of size one) go."""
        windows = self.windows
        if windows is not None:
            n = len(self.map_axes)
            gone = {n - 2, n - 1} & set(drop)
            windows = None if gone else windows.select(*slices[-2:])
        axes = [replace(a, values=a.values[s]) for a, s in zip(self.map_axes, slices, strict=True)]
        mask = None if self.mask is None else self.mask[slices]
        if mask is not None:
            mask = np.squeeze(mask, axis=drop)
            if not mask.any():
                raise ShapeError("every sample of the block is left out; keep at least one")
        return replace(
            self,
            map_axes=tuple(a for i, a in enumerate(axes) if i not in drop),
            mask=mask,
            windows=windows,
            images=None if drop or _cuts(slices, self.map_shape) else self.images,
        )

    def select_entries(self, kept: HostArray) -> tuple[Layout, HostArray]:
        """Leave out the entries where ``kept`` is False; also return the features that remain."""
        return self._renumbered(np.where(kept, self.features, -1), self.descriptor_axes)

    def crop_entries(self, slices: Slices, drop: tuple[int, ...]) -> tuple[Layout, HostArray]:
        """Crop R to a block; also return the features that remain."""
        axes = [
            replace(a, values=a.values[s])
            for a, s in zip(self.descriptor_axes, slices, strict=True)
        ]
        left = tuple(a for i, a in enumerate(axes) if i not in drop)
        layout, features = self._renumbered(np.squeeze(self.features[slices], axis=drop), left)
        cut = drop or _cuts(slices, self.descriptor_shape)
        return replace(layout, parts=None if cut else self.parts), features

    def _renumbered(self, index: HostArray, axes: tuple[Axis, ...]) -> tuple[Layout, HostArray]:
        features = np.unique(index[index >= 0])
        if not len(features):
            raise ShapeError("the selection leaves no entry of the descriptor; keep at least one")
        number = np.where(index < 0, -1, np.searchsorted(features, index))
        plain = np.array_equal(number.ravel(), np.arange(number.size))
        return replace(self, descriptor_axes=axes, index=None if plain else number), features

    def require_same_descriptor(self, other: Layout) -> None:
        """Raise unless ``other`` describes samples by the same entries of the same axes."""
        mine, theirs = self.descriptor_axes, other.descriptor_axes
        fits = len(mine) == len(theirs) and all(
            a.same_as(b) for a, b in zip(mine, theirs, strict=True)
        )
        if not fits:
            raise ShapeError(
                f"the samples are described by {describe_axes(theirs)}, "
                f"but the model by {describe_axes(mine)}; describe both in the same way"
            )
        a, b = (np.empty(0) if i is None else i for i in (self.index, other.index))
        if not np.array_equal(a, b):
            raise ShapeError(
                "the samples leave out other entries of the descriptor than the model does; "
                "use the same masks, k_min and k_max for both"
            )


def _cuts(slices: Slices, shape: tuple[int, ...]) -> bool:
    """Tell whether slices leave something out."""
    return any(len(range(n)[s]) < n for s, n in zip(slices, shape, strict=True))


def field_of_view(layout: Layout) -> tuple[Axis, Axis]:
    """Axes y and x of the image that windows were taken from; of the map where there are none."""
    y, x = layout.map_axes[-2:]
    grid = layout.windows
    if grid is None:
        return y, x
    pitches = [
        a.spacing / (c[1] - c[0]) if a.size > 1 else None
        for a, c in zip((y, x), grid.corners, strict=True)
    ]
    known = [p for p in pitches if p is not None] or [1.0]
    axes = []
    for a, pitch, n, center in zip((y, x), pitches, grid.image_shape, grid.centers, strict=True):
        spacing = known[0] if pitch is None else pitch
        start = a.values[0] - center[0] * spacing
        axes.append(Axis.regular(a.name, n, start=start, spacing=spacing, units=a.units))
    return axes[0], axes[1]


@dataclass(frozen=True, slots=True, eq=False)
class HalfPlane:
    """Which part of a real FFT is stored, and how the whole centred plane is read back from it.

    Parameters
    ----------
    fft_shape : tuple of int
        (y, x) size of the transform.
    rows, columns : numpy.ndarray
        Row numbers of the FFT and column numbers of the real FFT that are stored, k ascending.
    axes : tuple of Axis
        ``k_y`` and ``k_x`` of the whole plane, ascending.
    index : numpy.ndarray
        (k_y, k_x): the stored feature, row-major over ``rows`` x ``columns``, of every entry.
    mirrored : numpy.ndarray
        (k_y, k_x): where the entry is the conjugate of what is stored.
    """

    fft_shape: tuple[int, int]
    rows: HostArray
    columns: HostArray
    axes: tuple[Axis, Axis]
    index: HostArray
    mirrored: HostArray

    @classmethod
    def of(
        cls, fft_shape: tuple[int, int], pitch: tuple[float, float], units: str, k_max: float | None
    ) -> HalfPlane:
        r"""Return the half plane of a window's FFT, cropped to \|k_y\|, \|k_x\| <= ``k_max``."""
        limit = np.inf if k_max is None else k_max * (1 + 1e-9)
        k_y, k_x = (
            k[np.abs(k) / p <= limit]
            for k, p in zip(
                (np.fft.fftshift(np.fft.fftfreq(n)) for n in fft_shape), pitch, strict=True
            )
        )
        n_y, n_x = fft_shape
        steps_y = np.rint(k_y * n_y).astype(np.int64)
        steps_x = np.rint(k_x * n_x).astype(np.int64)
        columns = np.unique(np.abs(steps_x))
        # F(-k) is the conjugate of F(k). Both borders of an even axis are one: -n/2 is n/2.
        mirrored = (steps_x < 0) & (2 * steps_x != -n_x)
        opposite = np.where(2 * steps_y == -n_y, steps_y, -steps_y)
        row = np.where(mirrored[None, :], opposite[:, None], steps_y[:, None])
        place = np.searchsorted(steps_y, row)
        index = place * len(columns) + np.searchsorted(columns, np.abs(steps_x))[None, :]
        axes = (Axis("k_y", k_y / pitch[0], units), Axis("k_x", k_x / pitch[1], units))
        flipped = np.broadcast_to(mirrored, index.shape)
        return cls(fft_shape, steps_y % n_y, columns, axes, index, flipped)
