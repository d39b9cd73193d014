"""Point groups of the plane, and how alike images are under their elements."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from .._errors import DataError, ParameterError, ShapeError
from .._typing import HostArray

MOST_FOLD = 360
"""Turns by less than a degree are no symmetry of images of a few hundred pixels."""

SSIM_WIDTH, SSIM_REACH = 1.5, 5
"""Standard deviation and half width of the local window in pixels: Wang et al., section III B."""
SSIM_K = (0.01, 0.03)
"""Constants K1 and K2 of the same paper."""


@dataclass(frozen=True, slots=True, eq=False)
class PointGroup:
    """C_n or C_nv: turns, and mirrors followed by turns.

    Parameters
    ----------
    rotations : numpy.ndarray
        Angle of each element in degrees, from x towards y; turns first, then mirrors.
    mirrored : numpy.ndarray
        Whether the element begins with the mirror, bool.
    """

    rotations: HostArray
    mirrored: HostArray

    @classmethod
    def of(cls, name: str) -> PointGroup:
        """Read a Schoenflies symbol."""
        symbol = re.fullmatch(r"C([1-9]\d*)(v?)", str(name))
        if symbol is None or int(symbol[1]) > MOST_FOLD:
            raise ParameterError(
                f"group is {name!r}; expected 'C1' to 'C{MOST_FOLD}' for turns, or with a v, such "
                "as 'C6v', for turns and mirrors"
            )
        turns = 360 * np.arange(int(symbol[1])) / int(symbol[1])
        copies = 2 if symbol[2] else 1
        return cls(np.tile(turns, copies), np.repeat([False, True][:copies], len(turns)))

    @property
    def inverse(self) -> HostArray:
        """Number of the inverse of each element: that of a mirror is itself."""
        n = int(np.sum(~self.mirrored))
        numbers = np.arange(len(self.rotations))
        return np.where(self.mirrored, numbers, -numbers % n)

    def matrices(self, mirror: float) -> HostArray:
        """Act on (y, x): shape (elements, 2, 2), for a mirror line at an angle in degrees."""
        sine, cosine = _sine_cosine(self.rotations)
        turns = np.stack([cosine, sine, -sine, cosine], axis=-1).reshape(-1, 2, 2)
        sine, cosine = _sine_cosine(2 * mirror)
        reflection = np.asarray([[-cosine, sine], [sine, cosine]])
        return np.where(self.mirrored[:, None, None], turns @ reflection, turns)


def _sine_cosine(degrees: HostArray | float) -> tuple[HostArray, HostArray]:
    """Exact for multiples of 90 degrees, so that those turns move whole pixels."""
    radians = np.deg2rad(degrees)
    return np.round(np.sin(radians), 15), np.round(np.cos(radians), 15)


@dataclass(frozen=True, slots=True, eq=False)
class Disc:
    """Images and the circle about a centre in which they are compared.

    Parameters
    ----------
    images : numpy.ndarray
        (k, y, x), float64: the part that lies evenly around the centre; zero where left out.
    splines : numpy.ndarray
        Coefficients of their cubic splines.
    known : numpy.ndarray
        Where a spline may be read, bool, (y, x).
    first : numpy.ndarray
        Pixel (y, x) of the whole images that the part begins at.
    center : numpy.ndarray
        (y, x) in pixels of the part.
    pitch : numpy.ndarray
        Distance of pixels along y and x.
    pixels : numpy.ndarray
        Whole pixels (n, 2) that are compared.
    """

    images: HostArray
    splines: HostArray
    known: HostArray
    first: HostArray
    center: HostArray
    pitch: HostArray
    pixels: HostArray

    def reached(self, matrix: HostArray, shift: HostArray | None = None) -> HostArray:
        """Where an element takes the pixels, moved back by ``shift`` before, (2, n)."""
        offsets = self.pixels - self.center - (0 if shift is None else shift)
        return ((offsets * self.pitch) @ matrix.T / self.pitch + self.center).T

    def turned(
        self, matrix: HostArray, shift: HostArray | None = None, which: list[int] | None = None
    ) -> HostArray:
        """Read images where an element takes the pixels: the element's turn taken back, (k, n)."""
        from scipy.ndimage import map_coordinates

        places = self.reached(matrix, shift)
        splines = self.splines if which is None else self.splines[which]
        return np.stack(
            [map_coordinates(s, places, order=3, prefilter=False, mode="mirror") for s in splines]
        )

    def shifted(self, shift: HostArray) -> HostArray:
        """Read images at pixels that lie whole steps away, (k, n)."""
        y, x = (self.pixels + shift).T
        return np.asarray(self.images[:, y, x])

    def within(self, matrices: HostArray) -> Disc:
        """Keep the pixels that every element takes to where images are known."""
        from scipy.ndimage import map_coordinates

        if self.known.all():
            return self
        known = self.known.astype(float)
        inside = [map_coordinates(known, self.reached(m), order=1, mode="mirror") for m in matrices]
        pixels = self.pixels[np.min(inside, axis=0) > 1 - 1e-9]
        if len(pixels) < 2:
            raise ShapeError(
                "no entries of the components are left: what was left out, turned by the group, "
                "covers the circle; leave out less, or take a smaller group"
            )
        return replace(self, pixels=pixels)


def disc(images: HostArray, center: HostArray, pitch: HostArray, max_shift: int) -> Disc:
    """Take the largest circle inside (k, y, x) from which shifts do not lead out."""
    from scipy.ndimage import binary_erosion, spline_filter

    size = np.asarray(images.shape[1:])
    half = np.minimum(center, size - 1 - center)  # pixels on the shorter side of the centre
    radius = float(np.min((half - max_shift) * pitch))
    if not radius >= pitch.max():
        raise ShapeError(
            f"no circle fits about the centre ({center[0]:g}, {center[1]:g}) of components of "
            f"({size[0]}, {size[1]}) pixels with shifts of {max_shift}; expected a radius of at "
            "least a pixel"
        )
    first, last = np.ceil(center - half).astype(int), np.floor(center + half).astype(int)
    images = images[:, first[0] : last[0] + 1, first[1] : last[1] + 1]
    known = np.isfinite(images).all(axis=0)
    images = np.where(known, images, 0.0)
    center = center - first
    offsets = (np.indices(known.shape).reshape(2, -1).T - center) * pitch
    inside = np.hypot(*offsets.T) <= radius * (1 + 1e-9)
    pixels = np.argwhere(inside.reshape(known.shape))
    splines = np.stack([spline_filter(image, order=3, mode="mirror") for image in images])
    # a spline feels its neighbours: next to what is left out it is not read
    known = binary_erosion(known, np.ones((3, 3)), border_value=1)
    return Disc(images, splines, known, first, center, pitch, pixels)


class Likeness(NamedTuple):
    """How alike two images are when an element of the second is taken back."""

    scores: HostArray
    """(elements, k, k): image i beside image j turned back; both ways averaged."""
    shifts: HostArray
    """(elements, k, k, 2), int: pixels that j turned back was moved by to lie on i."""


def likeness(
    images: Disc, group: PointGroup, matrices: HostArray, max_shift: int, structural: bool
) -> Likeness:
    """Compare all pairs under all elements, by correlation or by structural similarity."""
    steps = _steps(max_shift)
    still = standard(np.stack([images.shifted(s) for s in steps], axis=1))
    k, n_steps, n = still.shape
    scores, shifts = [], []
    for matrix in matrices:
        turned = standard(images.turned(matrix))
        along = (still.reshape(-1, n) @ turned.T).reshape(k, n_steps, k)
        best = along.argmax(axis=1)
        if structural:
            chosen = [_structural(still[i][best[i]], turned, images) for i in range(k)]
            scores.append(np.stack(chosen))
        else:
            scores.append(along.max(axis=1))
        shifts.append(steps[best])
    one_way = np.stack(scores)
    other_way = one_way[group.inverse].transpose(0, 2, 1)
    return Likeness((one_way + other_way) / 2, np.stack(shifts))


def standard(values: HostArray) -> HostArray:
    """Scale rows to mean zero and norm one: products are then correlations."""
    centred = values - values.mean(axis=-1, keepdims=True)
    norm = np.linalg.norm(centred, axis=-1, keepdims=True)
    flat = norm[..., 0] <= 1e-12 * np.abs(values).max(axis=-1)
    if flat.any():
        raise DataError(
            f"component {np.argwhere(flat)[0][0]} is constant inside the circle; expected "
            "components with structure there: leave it out"
        )
    return np.asarray(centred / norm)


def _steps(most: int) -> HostArray:
    """Whole shifts (y, x) of at most so many pixels, the shortest first."""
    y, x = np.mgrid[-most : most + 1, -most : most + 1].reshape(2, -1)
    squared = y**2 + x**2
    order = np.argsort(squared, kind="stable")
    return np.stack([y, x], axis=1)[order][np.sort(squared) <= most**2]


def _structural(a: HostArray, b: HostArray, images: Disc) -> HostArray:
    """Mean SSIM of standard rows (k, n), each beside its own; Wang et al., eqs. 13 and 17.

    Local means and variances are of the pixels that are compared, and of no others.
    """
    shape = images.known.shape
    kernels = [_kernel(n) for n in shape]
    y, x = images.pixels.T

    def local(values: HostArray) -> HostArray:
        canvas = np.zeros((*values.shape[:-1], *shape))
        canvas[..., y, x] = values
        return np.asarray((kernels[0] @ canvas @ kernels[1])[..., y, x])

    weight = local(np.ones(len(y)))
    mean_a, mean_b = local(a) / weight, local(b) / weight
    variance = local(a**2 + b**2) / weight - mean_a**2 - mean_b**2
    covariance = local(a * b) / weight - mean_a * mean_b
    span = max(float(np.ptp(a, axis=-1).max()), float(np.ptp(b, axis=-1).max()))
    c1, c2 = ((constant * span) ** 2 for constant in SSIM_K)
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return np.asarray((luminance * (2 * covariance + c2) / (variance + c2)).mean(axis=-1))


def _kernel(n: int) -> HostArray:
    """Gaussian weights of pixels about each other, (n, n)."""
    apart = np.subtract.outer(np.arange(n), np.arange(n))
    weights = np.exp(-(apart**2) / (2 * SSIM_WIDTH**2))
    return np.where(np.abs(apart) <= SSIM_REACH, weights, 0.0)
