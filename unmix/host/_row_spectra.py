"""Row transforms that overlapping windows share, block by block.

A window's transform is one along x and one along y. The first is the same for all windows that
share a row of pixels, so it is computed once for every row and every column of windows. What is
done along y, window by window, is handed in: `_columns`, `_columns_numba`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple, Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .._typing import HostArray
from ..ops.spectra import Output, modulus, taper_weights, transform_shape
from ..ops.windows import pair, require_windows_fit

PIXEL_ROWS = 256
"""Pixel rows of a block, unless a window has more: what lies under several windows pays once."""


class Job(NamedTuple):
    """What all blocks of one call share."""

    window: tuple[int, int]
    step: tuple[int, int]
    fft_shape: tuple[int, int]
    taper: tuple[HostArray, HostArray]
    """Along y, with the scale of a unitary transform, and along x."""
    flat: HostArray
    """What a row of ones becomes under the taper along x: real and imaginary part, shape (2, lines)

    up to the last column that is not zero: a cosine sum has few lines, unless it is padded."""
    rows: HostArray
    columns: HostArray
    output: Output
    dtype: np.dtype[np.floating]


class RowSpectra(NamedTuple):
    """Transforms along x of all rows of pixels under a block of windows."""

    rows: HostArray
    """Shape (pixel rows, windows across, columns), complex, less the means.

    *Windows across* are those of all images of the block."""
    means: HostArray
    """Shape (pixel rows, windows across): the mean of each row of a window."""

    def window(self, y: int, job: Job) -> tuple[HostArray, HostArray]:
        """Return transforms and means of one row of windows, means less that of each window."""
        rows = slice(y * job.step[0], y * job.step[0] + job.window[0])
        means = self.means[rows]
        rest = means - means.mean(axis=0, dtype=np.float64)
        return self.rows[rows], rest.astype(job.dtype)


Block = tuple[slice, slice, slice]
"""Images by rows of windows by columns of windows."""


class Columns(Protocol):
    """A way to transform along y."""

    across: int
    """Columns of a block: so many that it stays in cache."""

    def __call__(self, spectra: RowSpectra, out: HostArray, block: Block) -> None:
        """Transform a block into its place in (image, grid_y, grid_x, rows, columns)."""


def plan_job(
    dtype: np.dtype[np.floating],
    window: int | tuple[int, int],
    step: int | tuple[int, int],
    *,
    taper: str = "hann",
    output: Output = "amplitude",
    fft_shape: tuple[int, int] | None = None,
    rows: HostArray | None = None,
    columns: HostArray | None = None,
) -> Job:
    """Check what `unmix.ops.window_fft` was asked for and prepare it."""
    n_y, n_x = transform_shape(window, fft_shape)
    w_y, w_x = (taper_weights(taper, n) for n in pair(window))
    modulus(np.zeros(1, complex), output)  # raises where there is no such output
    columns = np.arange(n_x // 2 + 1) if columns is None else columns
    flat = np.fft.rfft(w_x, n=n_x)[columns]
    flat = flat[: np.flatnonzero(np.abs(flat) > 1e-13 * n_x).max(initial=-1) + 1]
    return Job(
        window=pair(window),
        step=pair(step),
        fft_shape=(n_y, n_x),
        taper=((w_y / np.sqrt(n_y * n_x)).astype(dtype), w_x.astype(dtype)),
        flat=np.stack([flat.real, flat.imag]).astype(dtype),
        rows=np.arange(n_y) if rows is None else rows,
        columns=columns,
        output=output,
        dtype=dtype,
    )


def describe(image: HostArray, job: Job, columns: Columns) -> HostArray:
    """Spectra of all windows of an image (..., y, x) of the job's type, as `window_fft` returns."""
    require_windows_fit(image.shape, job.window, job.step)
    *lead, n_y, n_x = image.shape
    (w_y, w_x), (s_y, s_x) = job.window, job.step
    grid = (n_y - w_y) // s_y + 1, (n_x - w_x) // s_x + 1
    stack = image.reshape(-1, n_y, n_x)
    dtype = np.result_type(job.dtype, np.complex64) if job.output == "complex" else job.dtype
    out = np.empty((len(stack), *grid, len(job.rows), len(job.columns)), dtype)
    for block in _blocks(len(stack), grid, job, columns.across):
        images, down, across = block
        y = slice(down.start * s_y, (down.stop - 1) * s_y + w_y)
        x = slice(across.start * s_x, (across.stop - 1) * s_x + w_x)
        columns(row_spectra(stack[images, y, x], job), out, block)
    return out.reshape(*lead, *out.shape[1:])


def row_spectra(pixels: HostArray, job: Job) -> RowSpectra:
    """Transform every row of every window of some images (image, y, x) along x.

    Each row loses its own mean before it is transformed, so that an offset costs no digits.
    """
    from scipy.fft import rfft  # 0.3 s to import

    cut = sliding_window_view(pixels, job.window[1], axis=2)[:, :, :: job.step[1]].swapaxes(0, 1)
    means = cut.mean(axis=-1)
    tapered = cut - means[..., None]
    tapered *= job.taper[1]
    spectrum = rfft(tapered, n=job.fft_shape[1], axis=-1, overwrite_x=True)
    spectrum = spectrum.reshape(len(spectrum), -1, spectrum.shape[-1])[..., as_slice(job.columns)]
    return RowSpectra(spectrum, np.ascontiguousarray(means.reshape(len(means), -1)))


def as_slice(numbers: HostArray) -> slice | HostArray:
    """Numbers that follow one another are a view, not a copy."""
    first, stop = int(numbers[0]), int(numbers[-1]) + 1
    return slice(first, stop) if np.array_equal(numbers, np.arange(first, stop)) else numbers


def _blocks(images: int, grid: tuple[int, int], job: Job, columns: int) -> Iterator[Block]:
    """Cut images by rows by columns of windows into blocks whose row transforms stay in cache."""
    across = max(1, columns // len(job.columns))
    stacked = max(1, across // grid[1])
    across = min(across, grid[1])
    shared = job.step[0] < job.window[0]
    down = max(1, 1 + (PIXEL_ROWS - job.window[0]) // job.step[0]) if shared else 1
    yield from product(_cut(images, stacked), _cut(grid[0], down), _cut(grid[1], across))


def _cut(n: int, size: int) -> list[slice]:
    return [slice(i, min(i + size, n)) for i in range(0, n, size)]
