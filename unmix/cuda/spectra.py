"""Spectra of windows that never lie in memory as windows: ``kernels/window_fft.cu``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from .._typing import Array, HostArray
from ..ops.spectra import Output, modulus, require_features, taper_weights, transform_shape
from ..ops.windows import pair, require_windows_fit
from ._declines import SHARED, most_shared
from ._fft_shape import (
    ROOTS,
    fft_shared,
    project_shared,
    quadruples,
    threads,
    together,
    windows_per_block,
)
from ._load import Kernels, flattened, host_to, kernels_for, on_torch

FILE = "window_fft.cu"
PIXEL_TYPES = {
    "uint8": "unsigned char",
    "uint16": "unsigned short",
    "int16": "short",
    "float16": "half_bits",
    "float32": "float",
    "float64": "double",
}
GROUPS_PER_BLOCK, LEAST_BLOCKS = 8, 4096
MOST_BLOCKS = 2**31 - 1
PORTION = 256 * 2**20
"""Bytes of windows and spectra that `window_fft_any` holds at a time."""
MODES: dict[str, int] = {"amplitude": 0, "power": 1, "complex": 2}


def window_fft(
    image: Array,
    window: int | tuple[int, int],
    step: int | tuple[int, int],
    *,
    taper: str = "hann",
    output: Output = "amplitude",
    fft_shape: tuple[int, int] | None = None,
    rows: HostArray | None = None,
    columns: HostArray | None = None,
) -> Array:
    """Spectra of the windows of a CuPy image; see `unmix.ops.window_fft`.

    Windows of 8 to 128 pixels a side, powers of two, of images of up to 16-bit integers or 32-bit
    floats. Allocates the result, and a copy of an image that has no dense rows.
    """
    with kernels_for(image) as kernels:
        spectra = _Spectra.of(kernels, image, window, step, taper, output, fft_shape, rows, columns)
        return describe(kernels, spectra)


def window_project(
    image: Array,
    window: int | tuple[int, int],
    step: int | tuple[int, int],
    vectors: Array,
    *,
    offset: Array | None = None,
    weights: HostArray | None = None,
    taper: str = "hann",
    output: Output = "amplitude",
    rows: HostArray | None = None,
    columns: HostArray | None = None,
) -> Array:
    """Project the spectra of a CuPy image's windows; see `unmix.ops.window_project`.

    Images and windows as for `window_fft`, up to 32 vectors. Allocates the result and a copy of the
    vectors: spectra stay in the blocks that compute them.
    """
    with kernels_for(image) as kernels:
        spectra = _Spectra.of(kernels, image, window, step, taper, output, None, rows, columns)
        return project(kernels, spectra, vectors, offset, weights, most_shared(image))


def window_fft_any(
    image: Array,
    window: int | tuple[int, int],
    step: int | tuple[int, int],
    *,
    taper: str = "hann",
    output: Output = "amplitude",
    fft_shape: tuple[int, int] | None = None,
    rows: HostArray | None = None,
    columns: HostArray | None = None,
) -> Array:
    """Spectra of the windows of a CuPy image by cuFFT; see `unmix.ops.window_fft`.

    Any window, padding, dtype and output. Windows are gathered and tapered by one kernel, and what
    is asked for is taken from the spectra by another. Allocates the result and, whatever its size,
    at most 256 MiB of windows and spectra at a time (or one window's), beside the work area of
    cuFFT.
    """
    with kernels_for(image) as kernels:
        spectra = _Spectra.of(kernels, image, window, step, taper, output, fft_shape, rows, columns)
        return describe_any(kernels, spectra)


def window_fft_torch(image: Array, *args: Any, **options: Any) -> Array:
    """Spectra of the windows of a CUDA tensor; see `window_fft`."""
    return on_torch(partial(window_fft, **options), image, *args)


def window_fft_any_torch(image: Array, *args: Any, **options: Any) -> Array:
    """Spectra of the windows of a CUDA tensor by cuFFT; see `window_fft_any`."""
    return on_torch(partial(window_fft_any, **options), image, *args)


def window_project_torch(
    image: Array,
    window: int | tuple[int, int],
    step: int | tuple[int, int],
    vectors: Array,
    *,
    offset: Array | None = None,
    **options: Any,
) -> Array:
    """Project the spectra of a CUDA tensor's windows; see `window_project`."""

    def launch(image: Array, vectors: Array, offset: Array | None) -> Array:
        return window_project(image, window, step, vectors, offset=offset, **options)

    return on_torch(launch, image, vectors, offset)


@dataclass(frozen=True)
class _Spectra:
    """Which windows of which image, and what is made of them."""

    image: Array
    """Its memory as one dense axis; half precision as bits."""
    pixels: str
    """C++ type of a pixel."""
    real: Any
    """Type to compute in."""
    lead: tuple[int, ...]
    grid: tuple[int, int]
    window: tuple[int, int]
    step: tuple[int, int]
    pitch: tuple[int, int]
    """Steps in memory from image to image and from row to row, in pixels."""
    taper: str
    output: Output
    fft_shape: tuple[int, int]
    rows: HostArray
    columns: HostArray

    @classmethod
    def of(
        cls,
        kernels: Kernels,
        image: Array,
        window: int | tuple[int, int],
        step: int | tuple[int, int],
        taper: str,
        output: Output,
        fft_shape: tuple[int, int] | None,
        rows: HostArray | None,
        columns: HostArray | None,
    ) -> _Spectra:
        """Check the arguments, and bring the image into a form that kernels read."""
        window, step = pair(window), pair(step)
        require_windows_fit(image.shape, window, step)
        n_y, n_x = transform_shape(window, fft_shape)
        modulus(np.zeros(0, complex), output)
        real = np.float32
        if image.dtype.name not in PIXEL_TYPES:
            real = np.float64 if image.dtype.itemsize > 2 else np.float32
            image = image.astype(real)
        elif image.dtype.itemsize == 8:
            real = np.float64
        *lead, height, width = image.shape
        flat, pitch = _dense(kernels, image)
        return cls(
            flat,
            PIXEL_TYPES[image.dtype.name],
            real,
            tuple(lead),
            ((height - window[0]) // step[0] + 1, (width - window[1]) // step[1] + 1),
            window,
            step,
            pitch,
            taper,
            output,
            (n_y, n_x),
            np.arange(n_y) if rows is None else np.asarray(rows) % n_y,
            np.arange(n_x // 2 + 1) if columns is None else np.asarray(columns) % (n_x // 2 + 1),
        )

    @property
    def windows(self) -> int:
        return int(np.prod(self.lead, initial=1)) * self.grid[0] * self.grid[1]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the spectra."""
        return (*self.lead, *self.grid, len(self.rows), len(self.columns))

    @property
    def where(self) -> tuple[int, ...]:
        """What kernels are told of the place of windows."""
        return (self.windows, *self.grid, *self.step, *self.pitch, *self.window)

    def tapers(self, factor: float) -> list[HostArray]:
        """Tapers along y and x; that along y carries the scale of the transform and a factor."""
        along_y, along_x = (taper_weights(self.taper, n) for n in self.window)
        return [along_y * (factor / np.sqrt(self.fft_shape[0] * self.fft_shape[1])), along_x]

    def tables(self, kernels: Kernels) -> Array:
        """Numbers that a block of `describe` and `project` holds; half of two rows is one's."""
        angles = -2 * np.pi * np.arange(ROOTS) / ROOTS
        roots = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        return host_to(kernels, np.concatenate([*self.tapers(0.5), roots.ravel()]), np.float32)

    def places(self, kernels: Kernels) -> Array:
        """Columns to keep, and where each row of the transform goes."""
        to = np.full(self.window[0], -1)
        to[self.rows] = np.arange(len(self.rows))
        return host_to(kernels, np.concatenate([self.columns, to]), np.int32)


def _dense(kernels: Kernels, image: Array) -> tuple[Array, tuple[int, int]]:
    """Memory under a stack of images with dense rows, and the steps between images and rows."""
    if image.dtype == np.float16:
        image = image.view(np.uint16)  # a half is its bits
    if image.ndim > 3 or image.strides[-1] != image.dtype.itemsize or min(image.strides) < 0:
        image = kernels.xp.ascontiguousarray(image)
        image = image.reshape(-1, *image.shape[-2:])
    flat, steps = flattened(kernels, image)
    return flat, (steps[0] if image.ndim == 3 else 0, steps[-2])


def describe(kernels: Kernels, spectra: _Spectra) -> Array:
    """Spectra in one launch."""
    out = kernels.xp.empty(spectra.shape, dtype=np.float32)
    if out.size == 0:
        return out
    kernel = kernels.get(FILE, f"window_fft<{spectra.pixels}>")
    shared = fft_shared(spectra.window, len(spectra.columns))
    _allow(kernel, shared)
    groups = -(-spectra.windows // together(spectra.window))
    blocks = min(max(-(-groups // GROUPS_PER_BLOCK), min(groups, LEAST_BLOCKS)), MOST_BLOCKS)
    kernel(
        (blocks,),
        (threads(spectra.window),),
        (
            spectra.image,
            spectra.tables(kernels),
            spectra.places(kernels),
            out.reshape(-1),
            *spectra.where,
            len(spectra.columns),
            len(spectra.rows),
            MODES[spectra.output],
        ),
        shared_mem=shared,
    )
    return out


def project(
    kernels: Kernels,
    spectra: _Spectra,
    vectors: Array,
    offset: Array | None,
    weights: HostArray | None,
    limit: int,
) -> Array:
    """Projections in one launch, with at most ``limit`` bytes of shared memory in a block."""
    xp = kernels.xp
    require_features(vectors, len(spectra.rows) * len(spectra.columns))
    features, l = vectors.shape
    out = xp.empty((*spectra.shape[:-2], l), dtype=np.float32)
    if out.size == 0:
        return out
    lanes = next(n for n in (8, 16, 32) if l <= n)
    matrix = xp.zeros((quadruples(features), lanes), dtype=np.float32)
    matrix[:features, :l] = vectors
    if weights is not None:
        matrix[:features] *= host_to(kernels, weights, np.float32)[:, None]
    shift = xp.zeros(lanes, dtype=np.float32)
    if offset is not None:
        shift[:l] = offset
    kernel = kernels.get(FILE, f"window_project<{spectra.pixels}>")
    kept = (len(spectra.rows), len(spectra.columns))
    per_block = windows_per_block(spectra.window, *kept, limit)
    shared = project_shared(spectra.window, *kept, per_block)
    _allow(kernel, shared)
    kernel(
        (-(-spectra.windows // per_block),),
        (threads(spectra.window),),
        (
            spectra.image,
            spectra.tables(kernels),
            spectra.places(kernels),
            matrix,
            shift,
            out.reshape(-1),
            *spectra.where,
            len(spectra.columns),
            len(spectra.rows),
            MODES[spectra.output],
            per_block,
            l,
            lanes,
        ),
        shared_mem=shared,
    )
    return out


def describe_any(kernels: Kernels, spectra: _Spectra) -> Array:
    """Spectra of any kind, in portions: gather, cuFFT, and what is asked for of it."""
    xp, mode = kernels.xp, MODES[spectra.output]
    real = "float" if spectra.real == np.float32 else "double"
    size = np.dtype(spectra.real).itemsize
    (n_y, n_x), lines = spectra.fft_shape, len(spectra.rows)
    kind = spectra.real if mode < 2 else np.complex64 if size == 4 else np.complex128
    out = xp.empty((spectra.windows, lines, len(spectra.columns)), dtype=kind)
    if out.size == 0:
        return out.reshape(spectra.shape)
    gather = kernels.get(FILE, f"window_gather<{spectra.pixels}, {real}>")
    take = kernels.get(FILE, f"spectrum_parts<{real}>")
    tables = host_to(kernels, np.concatenate(spectra.tapers(1.0)), spectra.real)
    places = host_to(kernels, np.concatenate([spectra.columns, spectra.rows]), np.int32)
    portion = max(1, PORTION // (size * n_y * (n_x + 2 * (n_x // 2 + 1))))
    for first in range(0, spectra.windows, portion):
        count = min(portion, spectra.windows - first)
        field = xp.empty((count, n_y, n_x), dtype=spectra.real)
        where = (first, count, *spectra.where, n_y, n_x)
        gather((min(count, 2**16),), (256,), (spectra.image, tables, field, *where))
        spectrum = xp.ascontiguousarray(xp.fft.rfft2(field)).view(spectra.real)
        part = out[first : first + count].reshape(-1).view(spectra.real)
        sizes = (count, n_y, n_x // 2 + 1, len(spectra.columns), lines)
        take(
            (-(-count * lines // 8),),
            (32, 8),
            (spectrum.reshape(-1), places, part, *sizes, mode),
        )
    return out.reshape(spectra.shape)


def _allow(kernel: Any, shared: int) -> None:
    """Ask for more shared memory than a block has without asking."""
    if shared > SHARED:
        kernel.max_dynamic_shared_size_bytes = shared
