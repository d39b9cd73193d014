"""The period of the lattice in an image, from its power spectrum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._arrays import to_host
from ._errors import ParameterError
from ._typing import HostArray

if TYPE_CHECKING:
    from ._samples import Samples

SIDE = 1024
"""Pixels along each side of the part of an image that is looked at."""

LEAST_PERIODS = 6
"""Periods that must fit into an image: what is slower is a domain or a slope."""

FALSE_ALARM = 1e-3
"""Chance that white noise has a spot."""

LEAST_SHARE = 0.01
"""Power of the spots that count, as a share of that of the strongest."""

RAY = (*range(-12, -2), *range(3, 13))
"""Steps from a spot to what lies before and behind it, seen from zero."""

LEAST_POWER = 1e-6
"""Power of a spot, as a share of the highest anywhere, of slow structure too."""


def lattice_period(image: Samples) -> float:
    """Return the largest spacing of lattice planes in an image (..., y, x), in pixels.

    The middle of the middle frame is looked at. See `spots` for what counts.
    """
    *lead, n_y, n_x = image.shape
    longest = min(n_y, n_x, SIDE) // LEAST_PERIODS
    if longest < 2:
        raise ParameterError(
            f"the image has {n_y} x {n_x} pixels, too few for {LEAST_PERIODS} periods of a "
            "lattice; give the window in pixels or in the image's unit"
        )
    middle = (slice(max(0, (n - SIDE) // 2), max(0, (n - SIDE) // 2) + SIDE) for n in (n_y, n_x))
    values = to_host(image[(*(n // 2 for n in lead), *middle)].to_array()).astype(np.float64)
    power, k = spots(np.where(np.isnan(values), np.nanmean(values), values))
    strong = power >= LEAST_SHARE * power.max(initial=0)
    if not strong.any():
        raise ParameterError(
            f"no lattice of 2 to {longest} pixels stands out of the image's power spectrum; give "
            "the window in pixels or in the image's unit"
        )
    return float(1 / k[strong].min())


def spots(image: HostArray) -> tuple[HostArray, HostArray]:
    r"""Return power and \|k\|, in cycles per pixel, of the lattice spots of an image (y, x).

    A spot is a maximum of the spectrum that stands out of the ring around zero that it lies on (out
    of white noise one does so in a thousand images), and as far out of the ray from zero that it
    lies on, which the streak of an edge or of uneven scan lines does not.
    """
    power, k_y, k_x = _power(image)
    step = 1 / min(power.shape)
    radius = np.hypot(k_y[:, None], k_x)
    half = (k_x > 0) | ((k_x == 0) & (k_y[:, None] > 0))
    asked = half & (radius >= LEAST_PERIODS * step) & (radius <= 0.5)
    if not asked.any():
        return np.empty(0), np.empty(0)
    ring = np.rint(radius / step / 2).astype(np.int64)
    # power of white noise is exponential, its median ln 2 of its mean; neighbours are not
    # independent under a taper, which at twice the height does not matter
    height = 2 * np.log(asked.sum() / FALSE_ALARM) / np.log(2)
    least = np.maximum(height * _medians(power, ring)[ring], LEAST_POWER * power[asked].max())
    top = asked & (power > least)
    for shift in np.ndindex(3, 3):
        top &= power >= np.roll(power, np.subtract(shift, 1), (0, 1))
    found = [i for i in np.argwhere(top) if power[tuple(i)] > height * _on_ray(power, i)]
    places = tuple(np.asarray(found, dtype=np.int64).reshape(-1, 2).T)
    return power[places], radius[places]


def _power(image: HostArray) -> tuple[HostArray, HostArray, HostArray]:
    """Return the centred power spectrum of an image without its plane, under a Hann taper."""
    y, x = (np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in image.shape)
    flat = image - image.mean()
    for slope in (y[:, None], x[None, :]):
        whole = np.broadcast_to(slope, flat.shape)
        flat = flat - slope * (np.vdot(whole, flat) / max(np.vdot(whole, whole), 1))
    taper = np.multiply.outer(*(np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2 for n in flat.shape))
    power = np.abs(np.fft.fftshift(np.fft.fft2(flat * taper))) ** 2
    k_y, k_x = (np.fft.fftshift(np.fft.fftfreq(n)) for n in flat.shape)
    return power, k_y, k_x


def _medians(power: HostArray, ring: HostArray) -> HostArray:
    """Return the median of each ring."""
    order = np.argsort(ring, axis=None, kind="stable")
    ends = np.cumsum(np.bincount(ring.ravel()))[:-1]
    parts = np.split(power.ravel()[order], ends)
    return np.asarray([np.median(part) if part.size else 0 for part in parts])


def _on_ray(power: HostArray, place: HostArray) -> float:
    """Return the median power on both sides of a place on the ray from zero."""
    shape = np.asarray(power.shape)
    away = place - shape // 2
    length = np.hypot(*(away / shape)) * shape.min()
    along = [shape // 2 + np.rint((1 + s / length) * away) for s in RAY if s > -length]
    inside = [tuple(i.astype(np.int64)) for i in along if np.all((i >= 0) & (i < shape))]
    return float(np.median([power[i] for i in inside]))
