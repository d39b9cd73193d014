"""What hypothesis draws: geometries of windows, half planes and tables."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

seeds = st.integers(0, 2**32 - 1)
"""Seeds of `numpy.random.default_rng`: the values of an array follow from one drawn number."""

computing_types = st.sampled_from([np.float32, np.float64])


class Geometry(NamedTuple):
    """An image, and the windows that are cut from it; every size (y, x)."""

    lead: tuple[int, ...]
    image: tuple[int, int]
    window: tuple[int, int]
    step: tuple[int, int]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the whole array."""
        return (*self.lead, *self.image)

    @property
    def corners(self) -> tuple[np.ndarray, np.ndarray]:
        """First rows and first columns of the windows."""
        y, x = (
            np.arange(0, n - w + 1, s)
            for n, w, s in zip(self.image, self.window, self.step, strict=True)
        )
        return y, x


@st.composite
def geometries(
    draw: st.DrawFn, *, most: int = 20, least_window: int = 1, frames: bool = True
) -> Geometry:
    """Draw images and windows that fit: not square, steps of their own, one window on an axis."""
    image = tuple(draw(st.integers(least_window, most)) for _ in range(2))
    window = tuple(draw(st.integers(least_window, n)) for n in image)
    step = tuple(draw(st.integers(1, 7)) for _ in range(2))
    lead = draw(st.sampled_from([(), (1,), (3,), (2, 2)])) if frames else ()
    return Geometry(lead, image, window, step)


@st.composite
def plane_shapes(draw: st.DrawFn, *, most: int = 13) -> tuple[int, int]:
    """Draw the size of a transform: odd, even, not square, one entry."""
    return draw(st.integers(1, most)), draw(st.integers(1, most))


def table(seed: int, shape: tuple[int, ...], dtype: object = np.float64) -> np.ndarray:
    """Return normal numbers."""
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)
