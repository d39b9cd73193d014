"""Images of atomic lattices whose phases are known."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._arrays import generator, rng_key
from .._typing import RNG
from ._checks import ABOVE_0, LAYOUT, NOISE, number, pair, whole
from ._scene import Scene, window_sums

Floats = NDArray[np.float64]
Pair = int | tuple[int, int]

_ANGLE = 7.0  # degrees; rows of atoms cross the pixels at a slant, so that no two windows are alike
_SIGMA = 0.22  # width of an atom, in periods


def superlattice_phases(
    shape: tuple[int, int] = (1024, 1024),
    *,
    period: float = 8.0,
    n_phases: int = 3,
    amplitude: float = 0.6,
    counts: float | None = 2.0,
    rng: RNG = 0,
) -> Scene:
    """Make one hexagonal lattice with phases that differ in a superlattice only.

    The atoms stay in place. In phase p each has the height ``1 + amplitude * cos(2 pi q_p . r)``,
    q_p being half of one of the three shortest reciprocal vectors: every second row is bright. The
    phases are the same but for a turn by 60 degrees, so that none is stronger than another.

    Parameters
    ----------
    shape : (y, x) pair of int
        Size of the image in pixels.
    period : float
        Distance of neighbouring atoms in pixels, at least 4.
    n_phases : int
        From 1 to 3.
    amplitude : float
        Modulation of the heights, from 0 to 1.
    counts : float or None
        Expected counts where the intensity is 1, at the middle of an average atom; None is
        noise-free.
    rng : int or numpy.random.Generator
        Source of the layout and of the Poisson noise; the layout does not depend on `counts`.

    Returns
    -------
    Scene

    Examples
    --------
    >>> from unmix.synthetic import superlattice_phases
    >>> scene = superlattice_phases((128, 192))
    >>> scene.image.shape, scene.weights.shape
    ((128, 192), (3, 128, 192))
    """
    shape, given = _check_scene(shape, period, counts)
    n_phases = whole("n_phases", n_phases, 1, 3)
    given["amplitude"] = number("amplitude", amplitude, "a number from 0 to 1", 0, 1)
    lattice = _hexagonal(period)
    sites = np.array([(0, 0), (0, 1), (1, 0), (1, 1)])  # in a cell that is doubled both ways
    orders = np.array([(1, 0), (0, 1), (1, 1)])[:n_phases]  # of q_p, in halves
    heights = 1 + amplitude * (-1.0) ** (orders @ sites.T)
    sigma = _SIGMA * period
    patterns = [_crystal(shape, 2 * lattice, sites @ lattice, h, sigma) for h in heights]
    return _scene(patterns, lattice, orders, given, rng)


def two_phases(
    shape: tuple[int, int] = (512, 512),
    *,
    period: float = 14.0,
    shift: float = 0.12,
    counts: float | None = 2.0,
    rng: RNG = 0,
) -> Scene:
    """Make a hexagonal lattice (phase 0) beside one whose atoms have moved into pairs (phase 1).

    Parameters
    ----------
    shape, period, counts, rng
        As for `superlattice_phases`; the period is that of phase 0.
    shift : float
        Path of each atom towards its partner in periods, from 0 to 0.25.

    Returns
    -------
    Scene

    Examples
    --------
    >>> from unmix.synthetic import two_phases
    >>> scene = two_phases((128, 128))
    >>> sorted(set(scene.labels.ravel().tolist()))
    [0, 1]
    """
    patterns, given = hexagonal_phases(shape, period, shift, counts)
    return _scene(patterns, _hexagonal(period), np.array([(1, 0)]), given, rng)


def hexagonal_phases(
    shape: Any, period: Any, shift: Any, counts: Any
) -> tuple[list[Floats], dict[str, Any]]:
    """Return the intensity of both phases, and the parameters."""
    shape, given = _check_scene(shape, period, counts)
    given["shift"] = number("shift", shift, "a number from 0 to 0.25", 0, 0.25)
    lattice = _hexagonal(given["period"])
    cell, sigma = lattice * [[2], [1]], _SIGMA * given["period"]
    pairs = [np.outer((path, 1 - path), lattice[0]) for path in (0.0, shift)]
    return [_crystal(shape, cell, pair, np.ones(2), sigma) for pair in pairs], given


def _check_scene(shape: Any, period: Any, counts: Any) -> tuple[tuple[int, int], dict[str, Any]]:
    """Return the shape, and the parameters that all scenes have."""
    # Below 4 pixels the atoms would be sampled too coarsely.
    period = number("period", period, "a number of at least 4 pixels", 4)
    if counts is not None:
        counts = number("counts", counts, "a number above 0 or None", ABOVE_0)
    shape = pair("shape", shape, int(np.ceil(2 * period)))
    return shape, {"shape": list(shape), "period": period, "counts": counts}


def _hexagonal(period: float) -> Floats:
    """Return the two vectors of a hexagonal lattice, (2, (y, x)) in pixels."""
    angles = np.deg2rad([_ANGLE, _ANGLE + 60])
    return period * np.column_stack([np.sin(angles), np.cos(angles)])


def _crystal(
    shape: tuple[int, int], cell: Floats, atoms: Floats, heights: Floats, sigma: float
) -> Floats:
    """Return the intensity of a crystal of Gaussian atoms, (y, x).

    By its Fourier series, not atom by atom: a plane wave is the product of a column and a row,
    which makes the sum over all waves one matrix product. The rows of ``cell`` and ``atoms`` are
    (y, x) vectors in pixels.
    """
    # There an atom's transform has fallen to 1e-7, far below the least intensity between atoms.
    limit = 0.9 / sigma
    orders = [np.arange(-n, n + 1) for n in np.ceil(limit * np.linalg.norm(cell, axis=1))]
    k = np.stack(np.meshgrid(*orders), axis=-1).reshape(-1, 2) @ np.linalg.inv(cell).T
    k = k[np.linalg.norm(k, axis=1) < limit]
    atom = 2 * np.pi * sigma**2 * np.exp(-2 * (np.pi * sigma) ** 2 * (k**2).sum(axis=1))
    waves = atom * (np.exp(-2j * np.pi * k @ atoms.T) @ heights) / abs(np.linalg.det(cell))
    column = waves * np.exp(2j * np.pi * np.outer(np.arange(shape[0]), k[:, 0]))
    row = np.exp(2j * np.pi * np.outer(k[:, 1], np.arange(shape[1])))
    series: Floats = column.real @ row.real - column.imag @ row.imag
    return series


def _scene(
    patterns: list[Floats], lattice: Floats, orders: NDArray[Any], given: dict[str, Any], rng: RNG
) -> Scene:
    """Lay out the phases, mix their patterns pixel by pixel and count."""
    key, counts = rng_key(rng), given["counts"]
    regions = _regions(patterns[0].shape, len(patterns), generator(key, LAYOUT))
    weights = soften(regions, len(patterns), 2 * int(given["period"] / 2) + 1)
    image = np.einsum("nyx,nyx->yx", weights, patterns)
    if counts is not None:
        image = generator(key, NOISE).poisson(counts * image)
    reciprocal = np.linalg.inv(lattice).T
    spots = {
        "parent_spots": (np.array([(1, 0), (0, 1), (1, 1)]) @ reciprocal).tolist(),
        "superlattice_spots": (orders @ reciprocal / 2).tolist(),
    }
    return Scene(
        image=image.astype(np.float32),
        labels=weights.argmax(axis=0),
        weights=weights,
        parameters=given | spots | {"rng": key},
    )


def _regions(
    shape: tuple[int, ...], n_phases: int, draws: np.random.Generator
) -> NDArray[np.int64]:
    """Divide an image into irregular regions of about equal area, (y, x).

    Each phase has a smooth random field, and a pixel belongs to the phase whose field is highest.
    """
    length = 0.12 * min(shape)
    k_y, k_x = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])
    lowpass = np.exp(-2 * (np.pi * length) ** 2 * (k_y**2 + k_x**2))
    lowpass[0, 0] = 0
    spectra = np.fft.rfft2(draws.standard_normal((n_phases, *shape)))
    fields = np.fft.irfft2(spectra * lowpass, s=shape)
    fields /= fields.std(axis=(1, 2), keepdims=True)
    coarse = fields[:, ::4, ::4]  # a view: areas need no more
    for _ in range(50):  # lift the phases that have too little
        areas = np.bincount(coarse.argmax(axis=0).ravel(), minlength=n_phases) / coarse[0].size
        fields += (1 / n_phases - areas)[:, None, None]
    regions: NDArray[np.int64] = fields.argmax(axis=0)
    return regions


def soften(regions: NDArray[np.int64], n_phases: int, width: int) -> NDArray[np.float32]:
    """Return the fraction of each phase in the square of odd ``width`` around each pixel."""
    ones = np.ones(width)
    around = np.pad(regions, width // 2, mode="edge")
    counts = [window_sums(around[None] == i, ones, ones, (1, 1))[0] for i in range(n_phases)]
    return (np.stack(counts) / width**2).astype(np.float32)
