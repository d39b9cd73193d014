"""Area fractions of regions, and how well a map of this size knows them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._axes import Axis
from .._errors import ParameterError
from .._results import Clusters
from .._typing import HostArray
from ._classify import classify
from ._regions import Regions

ONE_SIGMA = 0.6826894921370859
"""Probability that a Gaussian is within one standard deviation."""

REACH = 3.0
"""Correlations are summed up to this many of the lengths that they have (Sokal's window)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class AreaFractions:
    """Area fraction of each class, for every frame.

    Parameters
    ----------
    fractions : numpy.ndarray
        Shape (n, *frames), of what takes part in the map; what is unclassified is in none of them.
    error : numpy.ndarray
        Half the interval of one standard deviation, (n, *frames).
    low, high : numpy.ndarray
        Ends of the intervals, (n, *frames).
    level : float
        Probability that an interval holds the fraction that it estimates.
    n_effective : numpy.ndarray
        Independent entries of the map, (n, *frames).
    length : numpy.ndarray
        Side in entries of the map of a square that counts as one independent entry, (n,).
    axes : tuple of Axis
        Of the frames; none for one image.
    names, colors : tuple
        Of the classes.
    """

    fractions: HostArray
    error: HostArray
    low: HostArray
    high: HostArray
    level: float
    n_effective: HostArray
    length: HostArray
    axes: tuple[Axis, ...]
    names: tuple[str, ...]
    colors: tuple[int, ...]

    def __len__(self) -> int:
        """Return the number of classes."""
        return len(self.names)

    def __repr__(self) -> str:
        """Return the classes, with their fractions of one image."""
        if not self.axes:
            both = zip(self.names, self.fractions, self.error, strict=True)
            return f"<AreaFractions: {', '.join(f'{n} {f:.3f} +- {e:.3f}' for n, f, e in both)}>"
        frames = " x ".join(f"{a.name} {a.size}" for a in self.axes)
        return f"<AreaFractions: {len(self)} classes along {frames}>"


def area_fractions(regions: Regions | Clusters, *, level: float = 0.95) -> AreaFractions:
    """Measure which part of the area each class covers, with its error, in every frame.

    Parameters
    ----------
    regions : Regions or Clusters
        Labels of one image (y, x), or of frames (..., y, x).
    level : float
        Probability of the intervals, above 0 and below 1.

    Returns
    -------
    AreaFractions
        On the host, float64.

    Raises
    ------
    ParameterError
        If these are no regions, or the level is no probability.
    ShapeError
        If the map is no plane.

    Notes
    -----
    The estimate is of the fraction in the material, of which the image shows a part. Its error is
    that of a mean over neighbours that are alike, for domains are larger than an entry of the map,
    and windows overlap: the variance of a mean of N entries is p (1 - p) A / N, where A, the
    integral range, is the sum of their correlation over all distances. Correlations come from all
    frames together, with the mean of each frame taken off, which is made up for; they are summed up
    to three of their own lengths. A is at least the number of windows that cover one place.
    Intervals are Wilson's for N / A independent entries: they have a width where a class covers
    nothing, or all. What is unclassified may be of any class: intervals reach from the fraction
    without it to that with it (Manski's bounds). Wrong labels are in them so far as they are taken
    for what they are: a class narrower than a window is most often none (`Regions.opened`).

    On random fields cut at a known level, 95 % intervals hold the fraction in 90 to 97 % of frames
    that were taken 40 together, with domains from half an entry to an eighth of the map; and in 92
    to 99 % where windows see domains of their own size. Windows much larger than domains give them
    another area: of its error the intervals know only that A is no less than the overlap. They are
    then wider than the scatter of labels, and hold the fraction in 69 to 100 % of frames. Where a
    class covers nothing the interval reaches to z² / (N / A + z²), for an image is a part of the
    material. So in a movie whose frames turn as a whole more truths are held than the level says.
    One image alone knows its correlation badly when it shows few domains: of fewer than 20
    independent entries (``n_effective``) intervals are too short. All of this is measured by
    ``python -m benchmarks.area_fractions``.

    References
    ----------
    Lantuejoul, J. Microscopy 161, 387 (1991): the integral range. Sokal, in Functional Integration
    (Plenum 1997), 131: the window. Wilson, J. Am. Stat. Assoc. 22, 209 (1927): the interval.
    Manski, Am. Econ. Rev. 80, 319 (1990): the bounds.

    Examples
    --------
    >>> import unmix as um
    >>> scene = um.synthetic.two_phases((256, 256))
    >>> spectra = um.window_fft(um.sliding_windows(scene.image, 32, 8), k_max=0.125)
    >>> um.area_fractions(um.kmeans(spectra, 2))
    <AreaFractions: Cluster 0 0.5... +- 0.1..., Cluster 1 0.4... +- 0.1...>
    """
    if isinstance(regions, Clusters):
        regions = classify(regions)
    if not isinstance(regions, Regions):
        raise ParameterError(
            f"expected regions or clusters, but got {type(regions).__name__}; make them of a model "
            "with unmix.classify, or of labels with unmix.regions"
        )
    if not 0 < level < 1:
        raise ParameterError(f"level is {level!r}; expected a probability above 0 and below 1")
    height, width = regions.labels.shape[-2:]
    labels = regions.labels.reshape(-1, height, width)
    kept = regions.kept.reshape(labels.shape)
    n = kept.sum(axis=(1, 2)).astype(float)
    fractions, found = [], []
    for i in range(len(regions)):
        members = labels == i
        share = np.divide(members.sum(axis=(1, 2)), n, out=np.full(len(n), np.nan), where=n > 0)
        fractions.append(share)
        found.append(max(integral_range(members, kept), regions.overlap))
    p, ranges = np.stack(fractions), np.array(found)
    independent = np.maximum(n / ranges[:, None], 1)
    most = np.minimum(p + 1 - p.sum(axis=0), 1)  # with all that is unclassified
    (low, high), (one_low, one_high) = (
        (wilson(p, independent, of)[0], wilson(most, independent, of)[1])
        for of in (level, ONE_SIGMA)
    )
    shape = (len(regions), *regions.labels.shape[:-2])
    return AreaFractions(
        fractions=p.reshape(shape),
        error=((one_high - one_low) / 2).reshape(shape),
        low=low.reshape(shape),
        high=high.reshape(shape),
        level=float(level),
        n_effective=independent.reshape(shape),
        length=np.sqrt(ranges),
        axes=regions.layout.map_axes[:-2],
        names=regions.names,
        colors=regions.colors,
    )


def integral_range(members: HostArray, kept: HostArray) -> float:
    """Return the sum of the correlation of members (frame, y, x) over all distances; 0 for none.

    Frames have lost their means, and with them a part A / N of the variance: of a correlation c
    there is left r = (c - A / N) / (1 - A / N). The sum of c over near distances is solved for A.
    """
    frames = np.flatnonzero(kept.any(axis=(1, 2)))
    counts = kept[frames].sum(axis=(1, 2))
    means = (members & kept)[frames].sum(axis=(1, 2)) / counts
    left = np.where(kept[frames], members[frames] - means[:, None, None], 0)
    products, pairs = (_correlated(v) for v in (left, kept[frames].astype(float)))
    if products[0, 0] <= 1e-12 * pairs[0, 0]:
        return 0.0
    pairs = np.maximum(np.rint(pairs), 0)
    covariance = np.divide(products, pairs, out=np.zeros_like(products), where=pairs > 0)
    correlation = covariance / covariance[0, 0]
    weight = pairs / pairs[0, 0]  # of a distance in the variance of a mean
    n = float(counts.mean())
    y, x = (np.fft.fftfreq(m, 1 / m) for m in correlation.shape)
    distance = np.hypot(y[:, None], x)
    found = 1.0
    for radius in range(1, min(members.shape[1:]) // 2 + 1):
        inside = distance <= radius
        total, size = (weight * correlation)[inside].sum(), weight[inside].sum()
        share = 1 + (total - size) / n
        found = float(np.clip(total / share, 1, n)) if share > 0 else n
        if radius >= REACH * np.sqrt(found / np.pi):
            break
    return found


def _correlated(values: HostArray) -> HostArray:
    """Sum over frames of the products of all pairs of entries at each distance (y, x)."""
    shape = [2 * m for m in values.shape[1:]]
    power = sum(np.abs(np.fft.rfft2(v, shape)) ** 2 for v in values)
    return np.asarray(np.fft.irfft2(power, shape))


def wilson(p: HostArray, n: HostArray, level: float) -> tuple[HostArray, HostArray]:
    """Wilson's interval of fractions of n independent entries."""
    from statistics import NormalDist

    z = NormalDist().inv_cdf((1 + level) / 2)
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    low, high = np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)
    return np.minimum(low, p), np.maximum(high, p)  # rounding at 0 and 1
