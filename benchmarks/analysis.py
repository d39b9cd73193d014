"""A whole analysis: 2048 x 2048 pixels, 62,001 windows, PCA, N-FINDR and abundances."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import Any, ClassVar

import numpy as np

import unmix as um

from .common import image


class FromImageToAbundances:
    """Within a budget the spectra are computed in every pass; kept, or with room for them, once."""

    params: ClassVar[list[str]] = ["256 MiB", "default budget", "keep()"]
    param_names = ("memory",)
    timeout = 300

    def setup(self, memory: str) -> None:
        self.image = image(2048)

    def run(self, memory: str) -> None:
        samples = um.window_fft(um.sliding_windows(self.image, 64, 8))
        if memory == "keep()":
            samples = samples.keep()
        um.pca(samples, 16)
        um.abundances(samples, um.nfindr(samples, 4))

    def time_run(self, memory: str) -> None:
        if memory == "256 MiB":
            with um.config.memory_budget(256 << 20):
                self.run(memory)
        else:
            self.run(memory)

    def peakmem_run(self, memory: str) -> None:
        self.time_run(memory)


class Replay:
    """A record run again on another image of 1024 x 1024 pixels."""

    def setup(self) -> None:
        samples = um.window_fft(um.sliding_windows(image(1024), 64, 8))
        model = um.nfindr(samples, 4, pca=um.pca(samples, 16))
        self.pipeline = um.Pipeline.from_record(model.record)
        self.other = image(1024)[::-1, ::-1].copy()

    def time_run(self) -> None:
        self.pipeline.run(self.other)

    def peakmem_run(self) -> None:
        self.pipeline.run(self.other)


class Regions:
    """120 frames of 64 x 64 labels: their shapes, and area fractions with errors."""

    def setup(self) -> None:
        movie = um.synthetic.phase_movie([0.3] * 120, (64, 64), counts=None, domain=5.0, rng=0)
        self.regions = um.regions(um.samples(movie.frames, 3), movie.labels)

    def time_shapes(self) -> None:
        self.regions.opened(1).without_small(4).filled()

    def time_area_fractions(self) -> None:
        um.area_fractions(self.regions)


class Sites:
    """A picture of 10,000 atoms of 32 classes."""

    def setup(self) -> None:
        rng = np.random.default_rng(0)
        self.places, self.labels = rng.random((10_000, 2)), rng.integers(0, 32, 10_000)
        self.draw()  # imports matplotlib

    def draw(self) -> Any:
        figure = um.plot.sites(self.places, self.labels)
        figure.savefig(io.BytesIO())
        return figure

    def time_draw(self) -> None:
        self.draw()


class Reading:
    """What comes after: windows that stand for a component, and maps on the image's pixels."""

    def setup(self) -> None:
        self.windows = um.sliding_windows(image(1024), 64, 8)
        self.model = um.nfindr(um.window_fft(self.windows), 4)

    def time_representatives(self) -> None:
        um.representatives(self.model, image(1024))

    def time_overlap_add(self) -> None:
        um.overlap_add(self.windows).to_array()

    def peakmem_overlap_add(self) -> None:
        um.overlap_add(self.windows).to_array()


class Import:
    """Import in a fresh interpreter, beside NumPy's own."""

    params: ClassVar[list[str]] = ["unmix", "numpy"]
    param_names = ("module",)

    def time_import(self, module: str) -> None:
        subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
