"""Time of descriptors of windows beside what a user would write: a loop over windows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import scipy.ndimage
import scipy.signal

import unmix as um

from .common import Host, image

WINDOW, STEP = 64, 16
Y, X = np.mgrid[:WINDOW, :WINDOW] - (WINDOW - 1) / 2
RING = np.hypot(Y, X).astype(int)
ANGLE = 2 * np.pi * np.arange(180) / 180
CIRCLES = 31.5 + np.arange(32)[:, None] * np.stack([np.sin(ANGLE), np.cos(ANGLE)])[:, None]


def ring_means(window: Host) -> Host:
    """Return the mean over each ring."""
    return np.bincount(RING.ravel(), window.ravel()) / np.bincount(RING.ravel())


def circles(window: Host) -> Host:
    """Return the values on circles, by lines between pixels."""
    return scipy.ndimage.map_coordinates(window, CIRCLES, order=1)


def autocorrelation(window: Host) -> Host:
    """Return the correlation at all lags up to half a window."""
    rest = window - window.mean()
    return scipy.signal.correlate(rest, rest, method="fft")[31:-31, 31:-31]


DESCRIPTORS: dict[str, tuple[Callable[[Any], Any], Callable[[Host], Any]]] = {
    "rings": (um.radial_profile, ring_means),
    "circles": (um.polar_transform, circles),
    "autocorrelation": (um.correlation, autocorrelation),
    "histogram": (
        lambda s: um.intensity_histogram(s, 32, limits=(0, 16)),
        lambda w: np.histogram(w, 32, (0, 16)),
    ),
    "symmetry": (um.symmetry_scores, circles),  # without the scores
}


class Descriptors:
    """All windows of an image, in memory."""

    params: ClassVar[list[list[str]]] = [["unmix", "window by window"], list(DESCRIPTORS)]
    param_names = ("side", "descriptor")

    def setup(self, side: str, descriptor: str) -> None:
        self.windows = um.sliding_windows(image(512), WINDOW, STEP)
        self.time_all(side, descriptor)

    def time_all(self, side: str, descriptor: str) -> None:
        mine, theirs = DESCRIPTORS[descriptor]
        if side == "unmix":
            mine(self.windows).to_array()
        else:
            for window in self.windows.to_array().reshape(-1, WINDOW, WINDOW):
                theirs(window)
