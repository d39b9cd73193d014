"""Seeded scenes with known phases, maps and endmembers: for tests, benchmarks and examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ._arrays import generator, rng_key
from ._errors import ParameterError
from ._typing import RNG

Floats = NDArray[np.float64]
Pair = int | tuple[int, int]

_ANGLE = 7.0  # degrees; rows of atoms cross the pixels at a slant, so that no two windows are alike
_SIGMA = 0.22  # width of an atom, in periods
_ABOVE_0 = np.finfo(float).tiny
_LAYOUT, _NOISE = 0, 1  # streams of random numbers: the layout stays when only the noise changes


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
        return _window_sums(self.weights, weights_y, weights_x, step)

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
        counts = _window_sums(self.weights == 1, np.ones(height), np.ones(width), step)
        full = counts == height * width
        return np.where(full.any(axis=0), full.argmax(axis=0), -1)

    def _geometry(self, window: Pair, step: Pair) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return window and step as checked pairs."""
        size = _pair("window", window, 1)
        if size[0] > self.image.shape[0] or size[1] > self.image.shape[1]:
            limits = self.image.shape
            raise ParameterError(f"window is {size}; expected at most the image's size {limits}")
        return size, _pair("step", step, 1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mixtures:
    """Samples that are mixed linearly from known endmembers: ``abundances @ endmembers`` and noise.

    Attributes
    ----------
    samples : (n_samples, n_features) float64
    endmembers : (n_endmembers, n_features) float64
        At least 0 and smooth.
    abundances : (n_samples, n_endmembers) float64
        At least 0; each row sums to one.
    pure_indices : (n_endmembers,) int64
        The sample that holds nothing but endmember i; empty if no pure ones were asked for.
    """

    samples: Floats
    endmembers: Floats
    abundances: Floats
    pure_indices: NDArray[np.int64]


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
    n_phases = _whole("n_phases", n_phases, 1, 3)
    given["amplitude"] = _number("amplitude", amplitude, "a number from 0 to 1", 0, 1)
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
    shape, given = _check_scene(shape, period, counts)
    given["shift"] = _number("shift", shift, "a number from 0 to 0.25", 0, 0.25)
    lattice = _hexagonal(period)
    cell, sigma = lattice * [[2], [1]], _SIGMA * period
    pairs = [np.outer((path, 1 - path), lattice[0]) for path in (0.0, shift)]
    patterns = [_crystal(shape, cell, pair, np.ones(2), sigma) for pair in pairs]
    return _scene(patterns, lattice, np.array([(1, 0)]), given, rng)


def simplex_mixtures(
    n_samples: int = 2000,
    n_endmembers: int = 4,
    n_features: int = 50,
    *,
    snr_db: float | None = None,
    pure: bool = True,
    concentration: float = 1.0,
    rng: RNG = 0,
) -> Mixtures:
    """Mix smooth non-negative endmembers with abundances of a Dirichlet distribution.

    Parameters
    ----------
    n_samples, n_endmembers, n_features : int
        At least 2 endmembers, and at least as many samples and features as endmembers.
    snr_db : float, optional
        Power of the signal over that of white Gaussian noise in decibels; noise-free by default.
    pure : bool
        Whether one sample of each endmember, at a random place, is pure.
    concentration : float
        Of the Dirichlet distribution: 1 fills the simplex evenly, less prefers its corners.
    rng : int or numpy.random.Generator
        Source of endmembers and abundances, which do not depend on `snr_db`, and of the noise.

    Returns
    -------
    Mixtures

    Examples
    --------
    >>> from unmix.synthetic import simplex_mixtures
    >>> mixtures = simplex_mixtures(100, 3, 20)
    >>> mixtures.abundances[mixtures.pure_indices].round().astype(int).tolist()
    [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    """
    n = _whole("n_endmembers", n_endmembers, 2)
    n_samples, n_features = _whole("n_samples", n_samples, n), _whole("n_features", n_features, n)
    _number("concentration", concentration, "a number above 0", _ABOVE_0)
    key = rng_key(rng)
    draws = generator(key, _LAYOUT)
    # A main peak in a stretch of its own makes each independent of the others; two are small.
    main = (np.arange(n) + draws.uniform(0.3, 0.7, n)) / n
    centers = np.column_stack([main, draws.uniform(0, 1, (n, 2))])[..., None]
    widths = np.column_stack([np.full(n, 0.5 / n), draws.uniform(0.03, 0.1, (n, 2))])[..., None]
    heights = np.column_stack([np.ones(n), draws.uniform(0.1, 0.5, (n, 2))])[..., None]
    axis = np.linspace(0, 1, n_features)
    endmembers = (heights * np.exp(-(((axis - centers) / widths) ** 2) / 2)).sum(axis=1)
    abundances = draws.dirichlet(np.full(n, float(concentration)), n_samples)
    pure_indices = draws.permutation(n_samples)[: n if pure else 0]
    abundances[pure_indices] = np.eye(n)[: len(pure_indices)]
    samples = abundances @ endmembers
    if snr_db is not None:
        _number("snr_db", snr_db, "a number of decibels or None")
        power = np.mean(samples**2) / 10 ** (snr_db / 10)
        samples += generator(key, _NOISE).normal(0, np.sqrt(power), samples.shape)
    return Mixtures(
        samples=samples, endmembers=endmembers, abundances=abundances, pure_indices=pure_indices
    )


def blobs(
    n_samples: int = 1000,
    n_clusters: int = 4,
    n_features: int = 8,
    *,
    spread: float = 0.1,
    rng: RNG = 0,
) -> tuple[Floats, NDArray[np.int64]]:
    """Draw Gaussian clusters whose sizes are about as 1 : 2 : ... : n_clusters.

    Parameters
    ----------
    n_samples, n_clusters, n_features : int
        At least 1 each, and at least as many samples as clusters.
    spread : float
        Standard deviation along each feature, in units of the distance of the two nearest centers.
    rng : int or numpy.random.Generator
        Source of all draws.

    Returns
    -------
    table : (n_samples, n_features) float64
    labels : (n_samples,) int64
        Every cluster has at least one sample.

    Examples
    --------
    >>> from unmix.synthetic import blobs
    >>> table, labels = blobs(100, 3, 2)
    >>> table.shape, sorted(set(labels.tolist()))
    ((100, 2), [0, 1, 2])
    """
    n_clusters = _whole("n_clusters", n_clusters, 1)
    n_samples = _whole("n_samples", n_samples, n_clusters)
    n_features = _whole("n_features", n_features, 1)
    _number("spread", spread, "a number of at least 0", 0)
    draws = generator(rng_key(rng), _LAYOUT)
    centers = draws.standard_normal((n_clusters, n_features))
    if n_clusters > 1:
        gaps = np.linalg.norm(centers[:, None] - centers, axis=-1)
        centers /= gaps[~np.eye(n_clusters, dtype=bool)].min()
    ends = np.arange(1, n_clusters + 1).cumsum() / (n_clusters * (n_clusters + 1) / 2)
    # Each cluster gets one sample first; the rest is dealt out by the clusters' shares.
    n_rest = n_samples - n_clusters
    rest = np.searchsorted(ends[:-1], (np.arange(n_rest) + 0.5) / n_rest)
    labels = draws.permutation(np.concatenate([np.arange(n_clusters), rest]))
    return centers[labels] + spread * draws.standard_normal((n_samples, n_features)), labels


def _number(
    name: str, value: Any, expected: str, low: float = -np.inf, high: float = np.inf
) -> float:
    """Return a finite number from ``low`` to ``high``."""
    real = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not (real and np.isfinite(value) and low <= value <= high):
        raise ParameterError(f"{name} is {value!r}; expected {expected}")
    return float(value)


def _whole(name: str, value: Any, low: int, high: float = np.inf) -> int:
    """Return a whole number from ``low`` to ``high``."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not (whole and low <= value <= high):
        limits = f"of at least {low}" if high == np.inf else f"from {low} to {high}"
        raise ParameterError(f"{name} is {value!r}; expected a whole number {limits}")
    return int(value)


def _pair(name: str, value: Any, low: int) -> tuple[int, int]:
    """Return a (y, x) pair of whole numbers; one number stands for both."""
    pair = value if isinstance(value, (tuple, list)) else (value, value)
    if len(pair) != 2:
        raise ParameterError(f"{name} is {value!r}; expected a (y, x) pair of whole numbers")
    return _whole(f"{name} along y", pair[0], low), _whole(f"{name} along x", pair[1], low)


def _check_scene(shape: Any, period: Any, counts: Any) -> tuple[tuple[int, int], dict[str, Any]]:
    """Return the shape, and the parameters that all scenes have."""
    # Below 4 pixels the atoms would be sampled too coarsely.
    period = _number("period", period, "a number of at least 4 pixels", 4)
    if counts is not None:
        counts = _number("counts", counts, "a number above 0 or None", _ABOVE_0)
    shape = _pair("shape", shape, int(np.ceil(2 * period)))
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
    regions = _regions(patterns[0].shape, len(patterns), generator(key, _LAYOUT))
    weights = _soften(regions, len(patterns), 2 * int(given["period"] / 2) + 1)
    image = np.einsum("nyx,nyx->yx", weights, patterns)
    if counts is not None:
        image = generator(key, _NOISE).poisson(counts * image)
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


def _soften(regions: NDArray[np.int64], n_phases: int, width: int) -> NDArray[np.float32]:
    """Return the fraction of each phase in the square of odd ``width`` around each pixel."""
    ones = np.ones(width)
    around = np.pad(regions, width // 2, mode="edge")
    counts = [_window_sums(around[None] == i, ones, ones, (1, 1))[0] for i in range(n_phases)]
    return (np.stack(counts) / width**2).astype(np.float32)


def _window_sums(
    values: NDArray[Any], weights_y: Floats, weights_x: Floats, step: tuple[int, int]
) -> Floats:
    """Return the weighted sum over each window, (n, grid_y, grid_x), one axis after the other."""
    along_y = sliding_window_view(values, weights_y.size, axis=1)[:, :: step[0]]
    part = np.einsum("ngxw,w->ngx", along_y, weights_y)
    along_x = sliding_window_view(part, weights_x.size, axis=2)[:, :, :: step[1]]
    sums: Floats = np.einsum("nygw,w->nyg", along_x, weights_x)
    return sums
