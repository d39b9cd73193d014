"""A scene: an image and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .._errors import ParameterError
from ._checks import pair

Floats = NDArray[np.float64]
Pair = int | tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """An image whose phases are known.

    Attributes
    ----------
    image : (y, x) float32
        Counts, or the intensity where the scene is free of noise.
    labels : (y, x) int64
        Number of the phase with the largest weight in each pixel.
    weights : (n_phases, y, x) float32
        Fraction of each phase in each pixel: 0 or 1 outside of the seams, which are a period wide.
    parameters : dict
        How the scene was made, in JSON types. ``parent_spots`` and ``superlattice_spots`` list
        lattice spots as (k_y, k_x) in cycles per pixel, the latter one for each modulated phase.
    """

    image: NDArray[np.float32]
    labels: NDArray[np.int64]
    weights: NDArray[np.float32]
    parameters: dict[str, Any]

    def window_fractions(
        self, window: Pair, step: Pair, taper: tuple[Floats, Floats] | None = None
    ) -> Floats:
        """Return the fraction of each phase in each window that fits into the image.

        Parameters
        ----------
        window, step : int or (y, x) pair of int
            Size of the windows and distance of their corners in pixels; the first corner is (0, 0).
        taper : pair of 1-D arrays, optional
            Weights along y and along x of a window; equal weights by default.

        Returns
        -------
        (n_phases, grid_y, grid_x) float64
            Weighted means of `weights`; they sum to one over the phases.

        Examples
        --------
        >>> from unmix.synthetic import two_phases
        >>> two_phases((96, 128)).window_fractions(32, 16).shape
        (2, 5, 7)
        """
        size, step = self._geometry(window, step)
        tapers = [np.asarray(t, float) for t in (map(np.ones, size) if taper is None else taper)]
        shapes = [t.shape for t in tapers]
        fit = shapes == [(n,) for n in size]
        if not (fit and all(t.min() >= 0 and 0 < t.sum() < np.inf for t in tapers)):
            raise ParameterError(
                f"taper has arrays of shapes {shapes}; expected one of ({size[0]},) and one of "
                f"({size[1]},), with finite weights of at least 0 that are not all 0"
            )
        weights_y, weights_x = (t / t.sum() for t in tapers)
        return window_sums(self.weights, weights_y, weights_x, step)

    def pure_windows(self, window: Pair, step: Pair) -> NDArray[np.int64]:
        """Return the phase of each window that lies wholly in one phase, and -1 for the others.

        Parameters
        ----------
        window, step : int or (y, x) pair of int
            As for `window_fractions`.

        Returns
        -------
        (grid_y, grid_x) int64

        Examples
        --------
        >>> from unmix.synthetic import superlattice_phases
        >>> scene = superlattice_phases((256, 256), n_phases=1)
        >>> int(scene.pure_windows(64, 64).max())
        0
        """
        (height, width), step = self._geometry(window, step)
        # Pixels are counted in whole numbers: this comparison is exact, one of means is not.
        counts = window_sums(self.weights == 1, np.ones(height), np.ones(width), step)
        full = counts == height * width
        return np.where(full.any(axis=0), full.argmax(axis=0), -1)

    def _geometry(self, window: Pair, step: Pair) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return window and step as checked pairs."""
        size = pair("window", window, 1)
        if size[0] > self.image.shape[0] or size[1] > self.image.shape[1]:
            limits = self.image.shape
            raise ParameterError(f"window is {size}; expected at most the image's size {limits}")
        return size, pair("step", step, 1)


def window_sums(
    values: NDArray[Any], weights_y: Floats, weights_x: Floats, step: tuple[int, int]
) -> Floats:
    """Return the weighted sum over each window, (n, grid_y, grid_x), one axis after the other."""
    along_y = sliding_window_view(values, weights_y.size, axis=1)[:, :: step[0]]
    part = np.einsum("ngxw,w->ngx", along_y, weights_y)
    along_x = sliding_window_view(part, weights_x.size, axis=2)[:, :, :: step[1]]
    sums: Floats = np.einsum("nygw,w->nyg", along_x, weights_x)
    return sums
