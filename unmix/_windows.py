"""Windows of images, and their spectra, as sources of rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from . import ops
from ._arrays import as_float, from_host, namespace_of
from ._sources import Source, flat_rows
from ._typing import Array, Chunks, HostArray, Slices
from .layout import HalfPlane, WindowGrid


@dataclass(frozen=True, slots=True, eq=False)
class ImageBlocks:
    """Blocks of an image or a stack of images that windows can be cut from.

    Parameters
    ----------
    source : Source
        The image: map axes (..., y, x), one feature.
    shape : tuple of int
        Its map shape.
    grid : WindowGrid
        The windows.
    """

    source: Source
    shape: tuple[int, ...]
    grid: WindowGrid

    @property
    def window(self) -> tuple[int, int]:
        """Size of a window."""
        return self.grid.window

    def cut(
        self, where: Slices, kept: HostArray | None
    ) -> tuple[Array, tuple[int, int], HostArray | None]:
        """Return the pixels under a block of windows, the step between them, and which to keep."""
        *lead, rows, columns = where
        block: list[slice] = list(lead)
        pads, steps = [], []
        both = zip(
            self.grid.corners, self.grid.window, self.grid.image_shape, (rows, columns), strict=True
        )
        for corner, w, n, s in both:
            chosen = corner[s]
            first, stop = int(chosen[0]), int(chosen[-1]) + w
            steps.append(int(chosen[1] - chosen[0]) if len(chosen) > 1 else 1)
            inside = self.grid.edges == "valid" or (first >= 0 and stop <= n)
            block.append(slice(first, stop) if inside else slice(0, n))
            pads.append(None if inside else np.arange(first, stop))
        image = self._read(tuple(block))
        for axis, (at, n) in enumerate(zip(pads, self.grid.image_shape, strict=True)):
            if at is not None:
                image = extend(image, axis - 2, at, n, self.grid.edges)
        return image, (steps[0], steps[1]), kept

    def rebuilt(self, change: Callable[[Source], Source]) -> ImageBlocks:
        """Return the same blocks on ``change(leaf)``."""
        return replace(self, source=self.source.rebuilt(change))

    def _read(self, where: Slices) -> Array:
        sizes = [len(range(n)[s]) for n, s in zip(self.shape, where, strict=True)]
        rows = self.source.read(where, None)
        return namespace_of(rows).reshape(rows, tuple(sizes))


@dataclass(frozen=True, slots=True, eq=False)
class WindowStack:
    """Windows of any other table whose rows are windows: each is an image of one window."""

    source: Source
    window: tuple[int, int]

    def cut(
        self, where: Slices, kept: HostArray | None
    ) -> tuple[Array, tuple[int, int], HostArray | None]:
        """Return the windows of a block as a stack, of which all are to be kept."""
        rows = self.source.read(where, kept)
        return namespace_of(rows).reshape(rows, (rows.shape[0], *self.window)), (1, 1), None

    def rebuilt(self, change: Callable[[Source], Source]) -> WindowStack:
        """Return the same windows on ``change(leaf)``."""
        return replace(self, source=self.source.rebuilt(change))


def extend(image: Array, axis: int, at: HostArray, n: int, edges: str) -> Array:
    """Read positions ``at`` along an axis of ``n`` pixels, some of which lie outside of it."""
    xp = namespace_of(image)
    taken = xp.take(image, from_host(folded(at, n, edges), image), axis=axis)
    if edges != "constant":
        return taken
    inside = from_host((at >= 0) & (at < n), image)
    if axis == -2:
        inside = inside[:, None]
    return xp.where(inside, taken, xp.zeros_like(taken))


def folded(at: HostArray, n: int, edges: str) -> HostArray:
    """Return which of ``n`` pixels are read at positions outside of them."""
    if edges == "periodic":
        return np.asarray(at % n)
    period = max(2 * n - 2, 1)
    inside = at % period
    return np.asarray(np.minimum(inside, period - inside) % n)


def whole_windows(mask: HostArray, grid: WindowGrid) -> HostArray:
    """Return which windows hold only pixels (..., y, x) that take part: (..., grid_y, grid_x)."""
    for axis, corners in ((-2, grid.corners[0]), (-1, grid.corners[1])):
        n, w = grid.image_shape[axis], grid.window[axis]
        at = corners[:, None] + np.arange(w)
        taken = np.take(mask, folded(at, n, grid.edges), axis=axis)  # (..., grid, w)
        if grid.edges == "constant":  # zeros outside are as good as pixels
            outside = (at < 0) | (at >= n)
            taken = taken | (outside[..., None] if axis == -2 else outside)
        mask = np.asarray(taken.all(axis=axis))
    return mask


def zero_where_not_finite(rows: Array) -> Array:
    """Fill pixels of which no window that takes part is made: NaN would reach its neighbours."""
    xp = namespace_of(rows)
    return xp.where(xp.isfinite(rows), rows, xp.zeros_like(rows))


@dataclass(frozen=True, slots=True, eq=False)
class WindowSource:
    """Raw pixels of sliding windows."""

    image: ImageBlocks
    chunks: Chunks | None = None

    @property
    def like(self) -> Array:
        return self.image.source.like

    @property
    def bytes_per_sample(self) -> int:
        return int(np.prod(self.image.grid.window)) * 16

    def read(self, where: Slices, kept: HostArray | None) -> Array:
        image, step, kept = self.image.cut(where, kept)
        windows = ops.sliding_windows(image, self.image.window, step)
        return flat_rows(windows, len(where), kept)

    def prepare(self) -> None:
        self.image.source.prepare()

    def rebuilt(self, change: Callable[[Source], Source]) -> Source:
        return replace(self, image=self.image.rebuilt(change))


@dataclass(frozen=True, slots=True, eq=False)
class SpectrumSource:
    """Spectra of sliding windows, in half planes where they are real."""

    pixels: ImageBlocks | WindowStack
    plane: HalfPlane
    taper: str
    output: ops.Output
    impl: str | None

    @property
    def like(self) -> Array:
        pixel = as_float(self.pixels.source.like)
        if self.output != "complex":
            return pixel
        xp = namespace_of(pixel)
        return xp.astype(pixel, xp.complex64 if pixel.dtype == xp.float32 else xp.complex128)

    @property
    def bytes_per_sample(self) -> int:
        # a tapered copy, the complex spectrum and what is written
        entries = int(np.prod(self.pixels.window)) + int(np.prod(self.plane.fft_shape))
        return (
            2 * entries * (4 if str(as_float(self.pixels.source.like).dtype).endswith("32") else 8)
        )

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """Tall tiles: what windows share is transformed once in each."""
        if isinstance(self.pixels, WindowStack):
            return None
        grid = self.pixels.grid
        tall = 2 * grid.window[0] // grid.step[0]
        return (*(1 for _ in self.pixels.shape[:-2]), max(1, tall), 1)

    def read(self, where: Slices, kept: HostArray | None) -> Array:
        image, step, kept = self.pixels.cut(where, kept)
        spectra = ops.window_fft(
            image,
            self.pixels.window,
            step,
            taper=self.taper,
            output=self.output,
            fft_shape=self.plane.fft_shape,
            rows=self.plane.rows,
            columns=self.plane.columns,
            impl=self.impl,
        )
        rows = flat_rows(spectra, spectra.ndim - 2, kept)
        return rows if self.output != "complex" else self._whole(rows)

    def _whole(self, rows: Array) -> Array:
        """Fill the whole plane: F(-k) is the conjugate of F(k)."""
        xp = namespace_of(rows)
        whole = xp.take(rows, from_host(self.plane.index.ravel(), rows), axis=1)
        return xp.where(from_host(self.plane.mirrored.ravel(), rows), xp.conj(whole), whole)

    def prepare(self) -> None:
        self.pixels.source.prepare()

    def rebuilt(self, change: Callable[[Source], Source]) -> Source:
        return replace(self, pixels=self.pixels.rebuilt(change))
