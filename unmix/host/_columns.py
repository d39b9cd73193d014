"""Transforms along y without a compiler: two matrix products, or SciPy where windows are tall."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._typing import HostArray
from ..ops.spectra import modulus
from ._row_spectra import Block, Columns, Job, RowSpectra

TALLEST = 256
"""Windows of more rows are transformed by SciPy: a product takes time as their square."""


def columns(job: Job) -> Columns:
    """Return the faster way to transform columns."""
    return Products(job) if job.window[0] <= TALLEST else Transforms(job)


class Run(NamedTuple):
    """Rows of the transform that follow one another: one assignment."""

    place: slice
    """Which of the rows that are asked for."""
    numbers: slice
    """Which of the frequencies that products are made for."""
    mirrored: bool
    """Whether the rows are those of -k."""


class Products:
    """Transforms by the even and the odd part of columns about the middle of the window.

    The rows a and b at a distance d below and above the middle add (a + b) cos(kd) - i (a - b)
    sin(kd). So half of the rows and half of the frequencies are left, for k and -k at once: a
    quarter of the multiplications of the whole matrix. The taper is a factor of both matrices.
    """

    across = 2048

    def __init__(self, job: Job) -> None:
        self.job = job
        n, w = job.fft_shape[0], job.window[0]
        numbers = np.unique(np.minimum(job.rows, n - job.rows))
        self.pairs = (w - 1) // 2
        self.alone = [w // 2, 0] if w % 2 == 0 else [0]
        rows = np.r_[w - self.pairs : w, self.alone]
        angles = 2 * np.pi / n * np.outer(numbers, rows - w / 2)
        self.even = (job.taper[0][rows] * np.cos(angles)).astype(job.dtype)
        self.odd = (job.taper[0][rows] * np.sin(angles)).astype(job.dtype)
        self.runs = runs(job.rows, numbers, n)

    def __call__(self, spectra: RowSpectra, out: HostArray, block: Block) -> None:
        """Transform the columns of a block into their place."""
        lines = self.job.flat.shape[1]
        for y, windows in enumerate(out[block].swapaxes(0, 1)):
            planes, means = spectra.window(y, self.job)
            even, odd = self._fold(planes)
            for part, mean in zip((even, odd), self._fold(means), strict=True):
                part[..., :lines] += mean[:, None, :, None] * self.job.flat[:, None]
            cosines = self.even @ even.reshape(len(even), -1)
            sines = self.odd @ odd.reshape(len(odd), -1)
            shape = (-1, 2, *windows.shape[:2], windows.shape[-1])
            self._write(cosines.reshape(shape), sines.reshape(shape), windows)

    def _fold(self, rows: HostArray) -> tuple[HostArray, HostArray]:
        """Return the even and the odd part of some rows."""
        n = self.pairs
        even, odd = (np.empty((n + len(self.alone), *rows.shape[1:]), rows.dtype) for _ in range(2))
        below, above = rows[len(rows) - n :], rows[n:0:-1]
        np.add(below, above, out=even[:n])
        np.subtract(below, above, out=odd[:n])
        even[n:] = odd[n:] = rows[self.alone]
        return even, odd

    def _write(self, cosines: HostArray, sines: HostArray, windows: HostArray) -> None:
        """Write F(k) = C - i S and F(-k) = C + i S to their rows."""
        for mirrored in {run.mirrored for run in self.runs}:
            add, subtract = (np.subtract, np.add) if mirrored else (np.add, np.subtract)
            real = add(cosines[:, 0], sines[:, 1])
            imaginary = subtract(cosines[:, 1], sines[:, 0])
            if self.job.output != "complex":
                real *= real
                imaginary *= imaginary
                real += imaginary
            for run in self.runs:
                if run.mirrored != mirrored:
                    continue
                place = np.moveaxis(windows[:, :, run.place], 2, 0)
                if self.job.output == "amplitude":
                    np.sqrt(real[run.numbers], out=place)
                elif self.job.output == "power":
                    place[...] = real[run.numbers]
                else:
                    place.real, place.imag = real[run.numbers], imaginary[run.numbers]
        if self.job.output == "complex":  # phases count from the first row, not from the middle
            n = self.job.fft_shape[0]
            k = np.where(2 * self.job.rows > n, self.job.rows - n, self.job.rows)
            turns = k * (self.job.window[0] / 2 / n)
            windows *= np.exp(-2j * np.pi * turns)[:, None].astype(windows.dtype)


def runs(rows: HostArray, numbers: HostArray, n: int) -> list[Run]:
    """Group rows of a transform of length ``n`` whose places among ``numbers`` are successive."""
    mirrored = 2 * rows > n
    at = np.searchsorted(numbers, np.where(mirrored, n - rows, rows))
    ascent = np.diff(np.where(mirrored, -at, at))
    ends = 1 + np.flatnonzero((ascent != 1) | np.diff(mirrored))
    found = []
    for first, stop in zip([0, *ends], [*ends, len(rows)], strict=True):
        a, b, back = int(at[first]), int(at[stop - 1]), bool(mirrored[first])
        chosen = slice(a, b - 1 if b else None, -1) if back else slice(a, b + 1)
        found.append(Run(slice(int(first), int(stop)), chosen, back))
    return found


class Transforms:
    """Transforms by SciPy's FFT."""

    across = 512

    def __init__(self, job: Job) -> None:
        self.job = job

    def __call__(self, spectra: RowSpectra, out: HostArray, block: Block) -> None:
        """Transform the columns of a block into their place."""
        from scipy.fft import fft  # 0.3 s to import

        job = self.job
        for y, windows in enumerate(out[block].swapaxes(0, 1)):
            planes, means = spectra.window(y, job)
            tapered = np.empty(planes[:, 0].shape, np.result_type(job.dtype, np.complex64))
            tapered.real, tapered.imag = planes[:, 0], planes[:, 1]
            tapered[..., : job.flat.shape[1]] += means[..., None] * (job.flat[0] + 1j * job.flat[1])
            tapered *= job.taper[0][:, None, None]
            spectrum = fft(tapered, n=job.fft_shape[0], axis=0, overwrite_x=True)[job.rows]
            rows = modulus(spectrum, job.output).reshape(-1, *windows.shape[:2], windows.shape[-1])
            windows[...] = np.moveaxis(rows, 0, 2)
