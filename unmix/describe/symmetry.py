"""Scores of rotations and mirrors for each window."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from numbers import Real
from typing import Any

import numpy as np

from .. import ops
from .._arrays import namespace_of
from .._axes import Axis
from .._errors import ParameterError
from .._samples import Samples
from .._typing import Array, HostArray
from ._planes import Circles, described, require_real_samples

MIRROR = "mirror"
MOST_CENTERS = 1000


def symmetry_scores(
    samples: Samples,
    symmetries: Sequence[str] = ("C2", "C3", "C4", "C6", MIRROR),
    *,
    search: float = 0,
    n_angles: int = 120,
    center: tuple[float, float] | None = None,
    r_min: float = 0,
    r_max: float | None = None,
    width: float | None = None,
) -> Samples:
    """Describe a plane by how well it repeats under rotations about a centre and under mirrors.

    Parameters
    ----------
    samples : Samples
        With two descriptor axes of one unit: windows about atoms, sliding windows (see ``search``),
        spectra, diffraction patterns, correlations. Spectra and autocorrelations always have C2.
    symmetries : sequence of str
        ``"C2"``, ``"C3"`` and so on: rotations by 360 degrees over that number; ``"mirror"``: the
        best of the mirrors through the centre, at ``n_angles`` angles.
    search : float
        Try all centres up to this far, in the axes' unit, in steps of an entry, and take the best
        of each score: half a lattice period finds the symmetry centres of a lattice wherever a
        sliding window lies in it, to half an entry. Circles get smaller by as much, and the work
        grows with the number of centres.
    n_angles : int
        Points on each circle.
    center, r_min, r_max, width
        As for `polar_transform`.

    Returns
    -------
    Samples
        The same map axes; one descriptor axis ``symmetry``, whose coordinate is the number of a
        rotation, and 0 for mirrors. A score is the correlation of what is on the circles, each
        weighted by its radius and less its own mean, with its image: 1 where they are alike, about
        0 for noise, -1 for the opposite; 0 where circles do not vary. Circles with a point beside
        no entry do not count.

    Raises
    ------
    ShapeError
        If there are not two descriptor axes of one unit, or no whole circle of entries.
    ParameterError
        If a number is none or out of range, or there is no such symmetry.
    BackendError, DTypeError
        If these are no samples, or complex ones.

    Notes
    -----
    All rotations and mirrors come of the angular Fourier coefficients of circles, so that no image
    is turned. NaN in a sample makes its scores NaN.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> y, x = np.mgrid[-8.0:9, -8.0:9]
    >>> scan = um.samples(np.cos(3 * np.arctan2(y, x))[None, None], 2)
    >>> um.symmetry_scores(scan, r_min=2).to_array()[0, 0].round(1) + 0
    array([-1.,  1.,  0., -1.,  1.])
    """
    samples = require_real_samples(samples)
    folds, mirror = _known(symmetries, n_angles)
    layout = samples.layout
    circles = _searched(Circles.of(samples, center, r_min, r_max, width), r_max, search)
    plans: list[Any] = []
    for one in circles:
        places, weights, inside = one.corners(layout.features, n_angles)
        whole = np.asarray(inside.all(axis=1)) & (one.radii > 0)
        if whole.any():
            kept = np.repeat(whole, n_angles)
            plans.append((places[:, kept], weights[:, kept], one.radii[whole]))
    parameters = {
        "symmetries": list(symmetries),
        "search": search,
        "n_angles": n_angles,
        "center": center,
        "r_min": r_min,
        "r_max": r_max,
        "width": width,
    }
    coordinates = np.asarray([*folds, *[0] * mirror], float)
    return described(
        samples,
        partial(_best_scores, plans=plans, n_angles=n_angles, folds=folds, mirror=mirror),
        (Axis("symmetry", coordinates, ""),),
        np.full(len(coordinates), bool(plans)),
        ("symmetry_scores", parameters),
        values=6 * len(circles[0].radii) * n_angles,
        nonnegative=None,
    )


def _best_scores(
    rows: Array,
    *,
    plans: list[tuple[HostArray, HostArray, HostArray]],
    n_angles: int,
    folds: tuple[int, ...],
    mirror: bool,
) -> Array:
    """Return the best scores of all centres."""
    xp, best = namespace_of(rows), None
    for places, weights, radii in plans:
        values = ops.interpolated(rows, places, weights)
        circles = xp.reshape(values, (rows.shape[0], len(radii), n_angles))
        scores = ops.symmetry_scores(circles, radii, folds, mirror=mirror)
        best = scores if best is None else xp.maximum(best, scores)
    return best


def _searched(circles: Circles, r_max: Any, search: Any) -> list[Circles]:
    """Return the circles about all centres that are tried."""
    y, x = circles.plane
    step = max(y.spacing, x.spacing)
    far = float(search) if isinstance(search, Real) else -1.0
    reach = int(far / step + 1e-9) if 0 <= far < np.inf else -1
    radii = circles.radii
    if r_max is None:  # they stay inside
        radii = radii[radii <= radii[-1] - reach * step + 1e-9 * step]
    if not reach >= 0 or (2 * reach + 1) ** 2 > MOST_CENTERS or not len(radii):
        raise ParameterError(
            f"search is {search!r} {y.units}; expected zero or more, less than the largest radius "
            f"{circles.radii[-1]:g}, and no more than {MOST_CENTERS} centres {step:g} apart"
        )
    around = np.arange(-reach, reach + 1) * step
    return [
        Circles(
            circles.plane, (circles.center[0] + dy, circles.center[1] + dx), radii, circles.width
        )
        for dy in around
        for dx in around
        if np.hypot(dy, dx) <= reach * step * (1 + 1e-9)
    ]


def _known(symmetries: Any, n_angles: Any) -> tuple[tuple[int, ...], bool]:
    """Return the numbers of rotations, and whether mirrors come after them."""
    named = [symmetries] if isinstance(symmetries, str) else list(symmetries)
    mirror = named[-1:] == [MIRROR]
    names = [str(name) for name in (named[:-1] if mirror else named)]
    folds = [int(name[1:]) if name[:1] == "C" and name[1:].isdigit() else 0 for name in names]
    whole = isinstance(n_angles, (int, np.integer)) and not isinstance(n_angles, bool)
    fits = whole and all(n >= 2 and 2 * n <= n_angles for n in folds)
    if not named or not fits or len(set(folds)) < len(folds):
        raise ParameterError(
            f"symmetries is {symmetries!r} at {n_angles!r} angles; expected different ones of C2, "
            "C3, C4 ..., then perhaps 'mirror', and at least twice as many angles as the largest "
            "number"
        )
    return tuple(folds), mirror
