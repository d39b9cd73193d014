"""A movie of domains whose area fractions are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._arrays import generator, rng_key
from .._errors import ParameterError
from .._typing import RNG
from ._checks import LAYOUT, NOISE, number
from ._scenes import Floats, hexagonal_phases, soften


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Movie:
    """Frames of two phases.

    Attributes
    ----------
    frames : (frame, y, x) float32
        Counts, or the intensity where the movie is free of noise.
    labels : (frame, y, x) int64
        Number of the phase of each pixel.
    fractions : (frame,) float64
        Area fraction of phase 1 in the material, of which each frame shows a part.
    parameters : dict
        How the movie was made, in JSON types.
    """

    frames: NDArray[np.float32]
    labels: NDArray[np.int64]
    fractions: Floats
    parameters: dict[str, Any]


def phase_movie(
    fractions: Sequence[float] | Floats,
    shape: tuple[int, int] = (128, 128),
    *,
    domain: float = 12.0,
    period: float = 8.0,
    shift: float = 0.12,
    counts: float | None = 2.0,
    rng: RNG = 0,
) -> Movie:
    """Make frames of a hexagonal lattice (phase 0) with domains whose atoms are in pairs (phase 1).

    Domains are where a smooth Gaussian random field, another one for each frame, is above the level
    that it exceeds on the given fraction of an infinite area.

    Parameters
    ----------
    fractions : sequence of float
        Area fraction of phase 1 for each frame, from 0 to 1.
    shape, period, counts, rng
        As for `two_phases`, of each frame.
    domain : float
        Smoothing length of the field in pixels (standard deviation), at least 1.
    shift : float
        As for `two_phases`.

    Returns
    -------
    Movie

    Examples
    --------
    >>> from unmix.synthetic import phase_movie
    >>> movie = phase_movie([0.0, 0.5, 1.0], (64, 80))
    >>> movie.frames.shape, [round(float(f.mean()), 1) for f in movie.labels]
    ((3, 64, 80), [0.0, ..., 1.0])
    """
    wanted = np.asarray(fractions, float)
    if wanted.ndim != 1 or not wanted.size or not np.all((wanted >= 0) & (wanted <= 1)):
        raise ParameterError(f"fractions are {fractions!r}; expected numbers from 0 to 1")
    domain = number("domain", domain, "a number of at least 1 pixel", 1)
    patterns, given = hexagonal_phases(shape, period, shift, counts)
    key = rng_key(rng)
    layout, noise = (generator(key, stream) for stream in (LAYOUT, NOISE))
    frames, labels = [], []
    for fraction in wanted:
        field = _field(patterns[0].shape, domain, layout)
        regions = (field > _level(fraction)).astype(np.int64)
        weights = soften(regions, 2, 2 * int(period / 2) + 1)
        image = np.einsum("nyx,nyx->yx", weights, patterns)
        frames.append(image if counts is None else noise.poisson(counts * image))
        labels.append(regions)
    return Movie(
        frames=np.stack(frames).astype(np.float32),
        labels=np.stack(labels),
        fractions=wanted,
        parameters={**given, "domain": domain, "fractions": wanted.tolist(), "rng": key},
    )


def _level(fraction: float) -> float:
    """Return what a normal deviate exceeds with this probability."""
    if fraction in (0, 1):
        return np.inf if fraction == 0 else -np.inf
    return NormalDist().inv_cdf(1 - float(fraction))


def _field(shape: tuple[int, ...], length: float, draws: np.random.Generator) -> Floats:
    """Return a Gaussian random field (y, x) of variance one, whose borders are far apart."""
    whole_shape = tuple(n + int(np.ceil(8 * length)) for n in shape)
    k_y, k_x = np.fft.fftfreq(whole_shape[0])[:, None], np.fft.rfftfreq(whole_shape[1])
    lowpass = np.exp(-2 * (np.pi * length) ** 2 * (k_y**2 + k_x**2))
    white = np.fft.rfft2(draws.standard_normal(whole_shape))
    field = np.fft.irfft2(white * lowpass, s=whole_shape)
    power = np.fft.irfft2(lowpass**2, s=whole_shape)[0, 0]  # its variance, of white noise of one
    part: Floats = field[: shape[0], : shape[1]] / np.sqrt(power)
    return part
