"""Spectra of windows that never lie in memory as windows: ``kernels/window_fft.cu``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from .._declines import SHARED, most_shared
from .._fft_shape import ROOTS, fft_shared, project_block, quadruples, threads, together
from .._typing import Array, HostArray
from ..ops.spectra import Output, modulus, require_features, taper_weights, transform_shape
from ..ops.windows import pair, require_windows_fit
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
LANES = (8, 16, 32)
"""Widths of the table of vectors; as many lanes share a feature."""
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
    spectra = Spectra.of(image, window, step, taper, output, fft_shape, rows, columns)
    with kernels_for(image) as kernels:
        return describe(kernels, spectra)


def window_project(
    image: Array,
    window: int | tuple[int, int],
    step: int | tuple[int, int],
    vectors: Array,
    *,
    offset: Array | None = None,
    taper: str = "hann",
    output: Output = "amplitude",
    rows: HostArray | None = None,
    columns: HostArray | None = None,
) -> Array:
    """Project the spectra of a CuPy image's windows; see `unmix.ops.window_project`.

    Images and windows as for `window_fft`, up to 32 vectors. Allocates the result and a copy of the
    vectors: spectra stay in the blocks that compute them.
    """
    spectra = Spectra.of(image, window, step, taper, output, None, rows, columns)
    with kernels_for(image) as kernels:
        return project(kernels, spectra, vectors, offset, most_shared(image))


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
    spectra = Spectra.of(image, window, step, taper, output, fft_shape, rows, columns)
    with kernels_for(image) as kernels:
        return describe_any(kernels, spectra)


def window_fft_torch(
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
    """Spectra of the windows of a CUDA tensor; see `window_fft`."""
    launch = partial(window_fft, taper=taper, output=output, fft_shape=fft_shape)
    return on_torch(partial(launch, rows=rows, columns=columns), image, window, step)


def window_fft_any_torch(
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
    """Spectra of the windows of a CUDA tensor by cuFFT; see `window_fft_any`."""
    launch = partial(window_fft_any, taper=taper, output=output, fft_shape=fft_shape)
    return on_torch(partial(launch, rows=rows, columns=columns), image, window, step)


def window_project_torch(
    image: Array,
    window: int | tuple[int, int],
    step: int | tuple[int, int],
    vectors: Array,
    *,
    offset: Array | None = None,
    taper: str = "hann",
    output: Output = "amplitude",
    rows: HostArray | None = None,
    columns: HostArray | None = None,
) -> Array:
    """Project the spectra of a CUDA tensor's windows; see `window_project`."""
    launch = partial(window_project, taper=taper, output=output, rows=rows, columns=columns)
    if offset is None:
        return on_torch(launch, image, window, step, vectors)

    def with_offset(image: Array, vectors: Array, offset: Array) -> Array:
        return launch(image, window, step, vectors, offset=offset)

    return on_torch(with_offset, image, vectors, offset)


@dataclass(frozen=True)
class Spectra:
    """Which windows of which image, and what is made of them."""

    image: Array
    real: Any
    """Type to compute in."""
    window: tuple[int, int]
    step: tuple[int, int]
    taper: str
    output: Output
    fft_shape: tuple[int, int]
    rows: HostArray
    columns: HostArray

    @classmethod
    def of(
        cls,
        image: Array,
        window: int | tuple[int, int],
        step: int | tuple[int, int],
        taper: str = "hann",
        output: Output = "amplitude",
        fft_shape: tuple[int, int] | None = None,
        rows: HostArray | None = None,
        columns: HostArray | None = None,
    ) -> Spectra:
        """Check the arguments, and bring pixels into a type that kernels read."""
        window, step = pair(window), pair(step)
        require_windows_fit(image.shape, window, step)
        n_y, n_x = transform_shape(window, fft_shape)
        modulus(np.zeros(0, complex), output)
        size = image.dtype.itemsize
        wide = size == 8 or (size == 4 and image.dtype != np.float32)
        real: Any = np.float64 if wide else np.float32
        if image.dtype.name not in PIXEL_TYPES:
            image = image.astype(real)
        every = (np.arange(n_y), np.arange(n_x // 2 + 1))
        kept = (e if k is None else e[k] for e, k in zip(every, (rows, columns), strict=True))
        return cls(image, real, window, step, taper, output, (n_y, n_x), *kept)

    @property
    def pixels(self) -> str:
        """C++ type of a pixel."""
        return PIXEL_TYPES[self.image.dtype.name]

    @property
    def grid(self) -> tuple[int, ...]:
        """Shape of the stack and of the grid of windows."""
        *lead, height, width = self.image.shape
        (w_y, w_x), (s_y, s_x) = self.window, self.step
        return (*lead, (height - w_y) // s_y + 1, (width - w_x) // s_x + 1)

    @property
    def windows(self) -> int:
        """Number of windows."""
        return int(np.prod(self.grid))

    @property
    def kept(self) -> tuple[int, int]:
        """Numbers of rows and columns of a described window."""
        return len(self.rows), len(self.columns)

    def where(self, kernels: Kernels) -> tuple[Array, tuple[int, ...]]:
        """Memory of the image as one dense axis, and what kernels are told of windows in it."""
        image = self.image.view(np.uint16) if self.image.dtype == np.float16 else self.image
        if image.ndim > 3 or image.strides[-1] != image.dtype.itemsize or min(image.strides) < 0:
            image = kernels.xp.ascontiguousarray(image)
            image = image.reshape(-1, *image.shape[-2:])
        flat, steps = flattened(kernels, image)
        pitch = (steps[0] if image.ndim == 3 else 0, steps[-2])
        return flat, (self.windows, *self.grid[-2:], *self.step, *pitch, *self.window)

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


def describe(kernels: Kernels, spectra: Spectra) -> Array:
    """Spectra in one launch."""
    rows, columns = spectra.kept
    out = kernels.xp.empty((*spectra.grid, rows, columns), dtype=np.float32)
    if out.size == 0:
        return out
    image, where = spectra.where(kernels)
    kernel = kernels.get(FILE, f"window_fft<{spectra.pixels}>")
    n_threads, shared = threads(spectra.window), fft_shared(spectra.window, columns)
    _allow(kernel, shared)
    groups = -(-spectra.windows // together(spectra.window, n_threads))
    blocks = min(max(-(-groups // GROUPS_PER_BLOCK), min(groups, LEAST_BLOCKS)), MOST_BLOCKS)
    tables = (spectra.tables(kernels), spectra.places(kernels))
    args = (image, *tables, out, *where, columns, rows, MODES[spectra.output])
    kernel((blocks,), (n_threads,), args, shared_mem=shared)
    return out


def project(
    kernels: Kernels, spectra: Spectra, vectors: Array, offset: Array | None, limit: int
) -> Array:
    """Projections in one launch, with at most ``limit`` bytes of shared memory in a block."""
    xp = kernels.xp
    rows, columns = spectra.kept
    require_features(vectors, rows * columns)
    number = vectors.shape[1]
    out = xp.empty((*spectra.grid, number), dtype=np.float32)
    if out.size == 0:
        return out
    lanes = next(n for n in LANES if number <= n)
    matrix = xp.zeros((quadruples(rows * columns), lanes), dtype=np.float32)
    matrix[: rows * columns, :number] = vectors
    shift = xp.zeros(lanes, dtype=np.float32)
    if offset is not None:
        shift[:number] = offset
    image, where = spectra.where(kernels)
    kernel = kernels.get(FILE, f"window_project<{spectra.pixels}>")
    block = project_block(spectra.window, rows, columns, limit)
    _allow(kernel, block.shared)
    tables = (spectra.tables(kernels), spectra.places(kernels), matrix, shift)
    sizes = (columns, rows, MODES[spectra.output], block.windows, number, lanes)
    blocks = -(-spectra.windows // block.windows)
    args = (image, *tables, out, *where, *sizes)
    kernel((blocks,), (block.n_threads,), args, shared_mem=block.shared)
    return out


def describe_any(kernels: Kernels, spectra: Spectra) -> Array:
    """Spectra of any kind, in portions: gather, cuFFT, and what is asked for of it."""
    xp, mode, real = kernels.xp, MODES[spectra.output], spectra.real
    size = np.dtype(real).itemsize
    (n_y, n_x), (rows, columns) = spectra.fft_shape, spectra.kept
    kind = real if mode < 2 else np.complex64 if size == 4 else np.complex128
    out = xp.empty((spectra.windows, rows, columns), dtype=kind)
    if out.size == 0:
        return out.reshape(*spectra.grid, rows, columns)
    c_real = "float" if size == 4 else "double"
    gather = kernels.get(FILE, f"window_gather<{spectra.pixels}, {c_real}>")
    take = kernels.get(FILE, f"spectrum_parts<{c_real}>")
    image, where = spectra.where(kernels)
    tables = host_to(kernels, np.concatenate(spectra.tapers(1.0)), real)
    places = host_to(kernels, np.concatenate([spectra.columns, spectra.rows]), np.int32)
    portion = max(1, PORTION // (size * n_y * (n_x + 2 * (n_x // 2 + 1))))
    for first in range(0, spectra.windows, portion):
        count = min(portion, spectra.windows - first)
        field = xp.empty((count, n_y, n_x), dtype=real)
        args = (image, tables, field, first, count, *where, n_y, n_x)
        gather((min(count, 2**16),), (256,), args)
        spectrum = xp.ascontiguousarray(xp.fft.rfft2(field)).view(real)
        part = out[first : first + count].view(real)
        sizes = (count, n_y, n_x // 2 + 1, columns, rows, mode)
        take((-(-count * rows // 8),), (32, 8), (spectrum, places, part, *sizes))
    return out.reshape(*spectra.grid, rows, columns)


def _allow(kernel: Any, shared: int) -> None:
    """Ask for more shared memory than a block has without asking."""
    if shared > SHARED:
        kernel.max_dynamic_shared_size_bytes = shared
