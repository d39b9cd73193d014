"""Components that are the same up to turns and mirrors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from .._arrays import (
    as_float,
    from_host,
    is_array,
    namespace_of,
    require_finite,
    require_real,
    to_host,
)
from .._axes import Axis, describe_axes
from .._errors import BackendError, ParameterError, ShapeError
from .._typing import Array, HostArray
from .._unmixing import Unmixing
from ._common import not_negative, whole_number
from ._symmetry import Disc, PointGroup, disc, likeness, standard

Measure = Literal["ncc", "ssim"]

THRESHOLDS = {"ncc": 0.8, "ssim": 0.6}
"""Copies of one motif at 10 dB correlate by 0.91; structural similarity minds noise more."""

TIE = 1e-6
"""Elements whose scores differ by rounding: of those the first is taken."""

ALIKE = 16
"""Power of correlations that a mirror line is told by: only pairs that are the same count."""

MIRROR_STEP = 2.0
"""Degrees between the mirror lines that are tried before the best is refined."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Families:
    """Components grouped into those that are the same up to symmetry.

    Parameters
    ----------
    families : tuple of numpy.ndarray
        Numbers of the components of each family, ascending; the first is its head. The largest
        family comes first.
    labels : numpy.ndarray
        Family of each component, (k,), int.
    rotations : numpy.ndarray
        Degrees from x towards y (clockwise where y runs down) that the head is turned by to give
        each component, (k,), float64; 0 for heads.
    mirrored : numpy.ndarray
        Whether the head is mirrored before it is turned, (k,), bool.
    shifts : numpy.ndarray
        Pixels (y, x) that each component, turned back, was moved by to lie on its head, (k, 2).
    scores : numpy.ndarray
        How alike each pair is under the best element, (k, k), float64, symmetric.
    components : array
        What was matched, (k, y, x).
    aligned : array
        Each component turned back, mirrored and moved to lie on its head, (k, y, x); NaN outside of
        the circle.
    means : array
        Mean of the aligned components of each family, (families, y, x).
    group : str
        The group.
    mirror : float
        Angle of the mirror line in degrees, from x towards y.
    axes : tuple of Axis
        Axes of the components, y and x.
    """

    families: tuple[HostArray, ...]
    labels: HostArray
    rotations: HostArray
    mirrored: HostArray
    shifts: HostArray
    scores: HostArray
    components: Array
    aligned: Array
    means: Array
    group: str
    mirror: float
    axes: tuple[Axis, Axis]

    def __repr__(self) -> str:
        """Return the sizes of the families."""
        n, sizes = len(self.labels), ", ".join(str(len(f)) for f in self.families)
        return f"<Families: {n} components under {self.group} in families of {sizes}>"

    def __len__(self) -> int:
        """Return the number of families."""
        return len(self.families)


def match_components(
    components: Unmixing | Array,
    group: str = "C6v",
    *,
    measure: Measure = "ncc",
    threshold: float | None = None,
    max_shift: int = 0,
    center: tuple[float, float] | None = None,
    mirror: float | None = 0.0,
) -> Families:
    """Find which components are the same up to the turns and mirrors of a point group.

    Parameters
    ----------
    components : Unmixing or array
        A model whose components have two axes of one unit, or an array (k, y, x). NaN is left out.
    group : str
        Schoenflies symbol: ``"C1"``, ``"C2"``, ``"C3"`` ... for turns by multiples of 360 / n
        degrees; ``"C1v"``, ``"C2v"``, ``"C3v"`` ... for turns and as many mirrors. In the plane
        C_nv is the dihedral group D_n.
    measure : {"ncc", "ssim"}
        Normalised cross-correlation, or the mean structural similarity index of components that
        are scaled to the same mean and variance.
    threshold : float, optional
        Components are joined into families while the mean score between them is at least this.
        Default: 0.8 (ncc) or 0.6 (ssim).
    max_shift : int
        Motifs in real space may lie up to so many pixels apart, in any direction; spectra are
        centred and need none. Whole pixels are tried, and the best is refined below a pixel.
    center : (float, float), optional
        The pixel (y, x) that all elements leave in place. Default: where the coordinates of a
        model's components are zero (k = 0, zero lag, the middle of a window), else the middle
        ((n_y - 1) / 2, (n_x - 1) / 2). In an array of spectra k = 0 is (n_y // 2, n_x // 2).
    mirror : float or None
        Angle of one mirror line in degrees, from x towards y: 0 mirrors y to -y. The other lines
        follow by 180 / n degrees. None: the line that the components fit best, one for all.

    Returns
    -------
    Families
        ``aligned`` and ``means`` are in the namespace, on the device and of the type of the
        components, the rest on the host.

    Raises
    ------
    DataError
        If a component is constant inside the circle, or infinite.
    ParameterError
        If the group is unknown, or an option is out of range.
    ShapeError
        If the components are no images, or nothing of them is left to compare.

    Notes
    -----
    Components are compared inside the largest circle about the centre, so that corners, which turn
    into nothing, do not count; distances are those of the axes, so that pixels need not be square.
    Turned copies are cubic splines (exact for multiples of 90 degrees). The score of a pair under
    an element is the mean of both ways. Families are clusters of average linkage.

    A head that is itself symmetric is reached by several elements. Of those that score the same
    the smallest turn without mirror is given: the amplitudes of spectra are even, so that of a turn
    and the same turn by 180 degrees more it is the first.

    SSIM: Wang et al., IEEE Trans. Image Process. 13, 600 (2004), eq. 13.

    Examples
    --------
    Three superlattices of one lattice are the same phase, turned by 60 degrees:

    >>> import unmix as um
    >>> scene = um.synthetic.superlattice_phases((256, 256), rng=1)
    >>> samples = um.window_fft(um.sliding_windows(scene.image, 48, 16), k_max=0.12)
    >>> matched = um.match_components(um.nfindr(samples, 3), "C6")
    >>> matched
    <Families: 3 components under C6 in families of 3>
    >>> sorted(matched.rotations.tolist())
    [0.0, 60.0, 120.0]
    """
    symmetry = PointGroup.of(group)
    images, axes = _images(components)
    if measure not in get_args(Measure):
        raise ParameterError(f"measure is {measure!r}; expected 'ncc' or 'ssim'")
    threshold = not_negative(THRESHOLDS[measure] if threshold is None else threshold, "threshold")
    if mirror is not None and not np.isfinite(mirror):
        raise ParameterError(f"mirror is {mirror!r}; expected an angle in degrees, or None")
    host = to_host(images).astype(np.float64)
    max_shift = whole_number(max_shift, 0, min(host.shape[1:]), "max_shift", "pixels")
    pitch = np.asarray([a.spacing for a in axes])
    whole = disc(host, _center(center, axes), pitch, max_shift)
    mirror = _mirror_line(whole, symmetry) if mirror is None else mirror
    matrices = symmetry.matrices(mirror)
    compared = whole.within(matrices)
    found = likeness(compared, symmetry, matrices, max_shift, measure == "ssim")
    scores = found.scores.max(axis=0)
    families, labels = _families(scores, threshold)
    heads = np.asarray([members[0] for members in families])[labels]
    elements = _elements(found.scores, heads)
    shifts = found.shifts[elements, heads, np.arange(len(host))].astype(float)
    if max_shift:
        shifts = _refined(compared, matrices[elements], shifts, heads)
    aligned = _aligned(compared, host.shape, matrices[elements], shifts)
    means = np.stack([aligned[members].mean(axis=0) for members in families])
    return Families(
        families=families,
        labels=labels,
        rotations=symmetry.rotations[elements],
        mirrored=symmetry.mirrored[elements],
        shifts=shifts,
        scores=scores,
        components=images,
        aligned=from_host(aligned, images, images.dtype),
        means=from_host(means, images, images.dtype),
        group=group,
        mirror=float(mirror),
        axes=axes,
    )


def _images(components: Unmixing | Array) -> tuple[Array, tuple[Axis, Axis]]:
    """Return components (k, y, x) in their computing type, and their axes."""
    if isinstance(components, Unmixing):
        images, axes = components.components, components.layout.descriptor_axes
        if len(axes) != 2 or axes[0].units != axes[1].units:
            raise ShapeError(
                f"the components are described by {describe_axes(axes)}; expected two axes of one "
                "unit: only images can be turned"
            )
        return images, axes
    if not is_array(components):
        raise BackendError(
            f"expected a model or an array (k, y, x), but got {type(components).__name__}; wrap it "
            "with numpy.asarray"
        )
    images = as_float(require_real(components, "components"))
    if images.ndim != 3 or 0 in images.shape:
        raise ShapeError(f"components have shape {tuple(images.shape)}; expected (k, y, x)")
    xp = namespace_of(images)
    require_finite(xp.where(xp.isnan(images), xp.zeros_like(images), images), "components")
    y, x = (Axis.regular(name, n) for name, n in zip("yx", images.shape[1:], strict=True))
    return images, (y, x)


def _center(given: tuple[float, float] | None, axes: tuple[Axis, Axis]) -> HostArray:
    """Pixel (y, x) that stays: what is given, or where coordinates are zero, or the middle."""
    if given is None:
        zero = [round(-a.values[0] / a.spacing, 6) for a in axes]
        inside = all(0 < z < a.size - 1 for z, a in zip(zero, axes, strict=True))
        return np.asarray(zero if inside else [(a.size - 1) / 2 for a in axes])
    center = np.asarray(given, dtype=float)
    if center.shape != (2,) or not np.all(np.isfinite(center)):
        raise ParameterError(f"center is {given!r}; expected a pixel (y, x)")
    return center


def _mirror_line(images: Disc, symmetry: PointGroup) -> float:
    """Angle of the line under which the best mirrored correlations of all pairs are highest."""
    from scipy.optimize import minimize_scalar

    def unlikeness(degrees: float) -> float:
        matrices = symmetry.matrices(degrees)[symmetry.mirrored]
        compared = images.within(matrices)
        still = standard(compared.shifted(np.zeros(2, dtype=int)))
        best = np.max([still @ standard(compared.turned(m)).T for m in matrices], axis=0)
        return -float(np.sum(np.clip(best, 0, None) ** ALIKE))

    if not symmetry.mirrored.any():
        return 0.0
    span = 180 / int(symmetry.mirrored.sum())  # lines repeat after it
    tried = np.linspace(0, span, max(4, round(span / MIRROR_STEP)), endpoint=False)
    best = tried[np.argmin([unlikeness(t) for t in tried])]
    near = (best - tried[1], best + tried[1])
    found = minimize_scalar(unlikeness, bounds=near, method="bounded", options={"xatol": 0.01})
    return float(found.x % span)


def _families(scores: HostArray, threshold: float) -> tuple[tuple[HostArray, ...], HostArray]:
    """Cluster by average linkage; the largest family, and of equal ones the earliest, first."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    k = len(scores)
    found = np.zeros(k, dtype=int)
    if k > 1:
        apart = squareform(np.clip(1 - scores, 0, None), checks=False)
        found = fcluster(linkage(apart, "average"), 1 - threshold, "distance")
    members = [np.flatnonzero(found == label) for label in np.unique(found)]
    families = tuple(sorted(members, key=lambda numbers: (-len(numbers), numbers[0])))
    labels = np.empty(k, dtype=int)
    for i, numbers in enumerate(families):
        labels[numbers] = i
    return families, labels


def _elements(scores: HostArray, heads: HostArray) -> HostArray:
    """Number of the element that takes each component's head to it: the first of the best."""
    k = scores.shape[1]
    own = scores[:, heads, np.arange(k)]
    elements = np.argmax(own >= own.max(axis=0) - TIE, axis=0)
    return np.where(heads == np.arange(k), 0, elements)


def _refined(images: Disc, matrices: HostArray, shifts: HostArray, heads: HostArray) -> HostArray:
    """Move each shift (k, 2) to the top of the parabola along y and x through its neighbours."""
    still = standard(images.shifted(np.zeros(2, dtype=int)))

    def correlation(i: int, step: HostArray) -> float:
        moved = images.turned(matrices[i], shifts[i] + step, [i])
        return float(still[heads[i]] @ standard(moved)[0])

    refined = shifts.copy()
    for i in np.flatnonzero(heads != np.arange(len(heads))).tolist():
        at = correlation(i, np.zeros(2))
        for axis, step in enumerate(np.eye(2)):
            before, after = (correlation(i, s) for s in (-step, step))
            bend = before - 2 * at + after
            if bend < 0:
                refined[i, axis] += np.clip((before - after) / (2 * bend), -0.5, 0.5)
    return refined


def _aligned(
    images: Disc, shape: tuple[int, ...], matrices: HostArray, shifts: HostArray
) -> HostArray:
    """Turn all components back on their heads, (k, y, x); NaN outside of the circle."""
    aligned = np.full(shape, np.nan)
    y, x = (images.pixels + images.first).T
    for i, (matrix, shift) in enumerate(zip(matrices, shifts, strict=True)):
        aligned[i, y, x] = images.turned(matrix, shift, [i])[0]
    return aligned
