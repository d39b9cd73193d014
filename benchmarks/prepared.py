"""Images and patterns made ready."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

import unmix as um


class Images:
    """Steps on an image of 2048 x 2048 in float32."""

    params: ClassVar[list[str]] = ["plane", "gaussian 5 px", "gaussian 50 px", "despike"]
    param_names = ("step",)

    def setup(self, step: str) -> None:
        self.image = np.random.default_rng(0).random((2048, 2048), dtype=np.float32)

    def time_step(self, step: str) -> None:
        if step == "despike":
            um.despike(self.image)
        elif step == "plane":
            um.flatten(self.image)
        else:
            um.flatten(self.image, "gaussian", sigma=int(step.split()[1]))


class Beams:
    """Steps on 32 x 32 patterns of 128 x 128 counts (34 MB)."""

    params: ClassVar[list[str]] = [
        "centre of mass",
        "correlation",
        "centred, bilinear",
        "centred, fourier",
    ]
    param_names = ("step",)

    def setup(self, step: str) -> None:
        counts = np.random.default_rng(0).poisson(3, (32, 32, 128, 128)).astype(np.uint16)
        self.samples = um.samples(counts, 2)
        self.positions = um.find_beam(self.samples)

    def time_step(self, step: str) -> None:
        if step == "centre of mass":
            um.find_beam(self.samples)
        elif step == "correlation":
            um.find_beam(self.samples, "correlation", radius=8)
        else:
            how = "bilinear" if step.endswith("bilinear") else "fourier"
            um.center_beam(self.samples, self.positions, interpolation=how).to_array()
