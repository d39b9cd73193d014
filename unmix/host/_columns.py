"""Transforms along y without a compiler: SciPy's FFT of a few windows at a time."""

from __future__ import annotations

import numpy as np

from .._typing import HostArray
from ..ops.spectra import modulus
from ._row_spectra import Block, Job, RowSpectra, as_slice


class Transforms:
    """Transforms by SciPy's FFT, with the taper before and the modulus after.

    A window's columns are copied next to one another first: transforms along an axis that lies far
    apart in memory take twice as long.
    """

    across = 2048

    def __init__(self, job: Job) -> None:
        self.job = job
        self.rows = as_slice(job.rows)
        self.taper = job.taper[0][:, None]
        self.flat = job.flat[0] + 1j * job.flat[1]

    def __call__(self, spectra: RowSpectra, out: HostArray, block: Block) -> None:
        """Transform the columns of a block into their place."""
        from scipy.fft import fft  # 0.3 s to import

        n, lines = self.job.fft_shape[0], len(self.flat)
        for y, windows in enumerate(out[block].swapaxes(0, 1)):
            rows, means = spectra.window(y, self.job)
            tapered = np.multiply(rows.swapaxes(0, 1), self.taper, order="C")
            tapered[..., :lines] += (means.T[..., None] * self.taper) * self.flat
            spectrum = fft(tapered, n=n, axis=1, overwrite_x=True)[:, self.rows]
            windows[...] = modulus(spectrum, self.job.output).reshape(windows.shape)
