"""From maps to classes: the largest map, or what lies above a threshold."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from .._arrays import to_host
from .._door import as_image
from .._errors import DataError, ParameterError
from .._results import IndependentComponents, PrincipalComponents
from .._samples import Samples
from .._typing import Array, HostArray
from .._unmixing import Unmixing
from ._regions import Regions, map_of

BINS = 256
"""Of the histogram that Otsu's threshold is found in."""


def classify(
    model: Unmixing, *, least: float | Literal["otsu"] | None = None, lead: float = 0.0
) -> Regions:
    """Give each sample the class of its largest map, where that is clear.

    Parameters
    ----------
    model : Endmembers, NonnegativeFactors, Clusters or Mixture
        Of maps that can be compared: abundances, posteriors, labels.
    least : float or "otsu", optional
        How large the largest map has to be; ``"otsu"``: of each map above its own threshold.
    lead : float
        How far it has to be above the second.

    Returns
    -------
    Regions
        On the host. Of equal maps the first wins; -1 where no map is large enough, or NaN.

    Raises
    ------
    ParameterError
        If the model's maps have signs or ``lead`` is negative.
    ShapeError
        If the map is no plane.

    Examples
    --------
    >>> import unmix as um
    >>> scene = um.synthetic.two_phases((128, 160))
    >>> model = um.nfindr(um.window_fft(um.sliding_windows(scene.image, 32, 16)), 2)
    >>> um.classify(model, lead=0.2)
    <Regions: 2 classes on grid_y 7 x grid_x 9>
    """
    if isinstance(model, (PrincipalComponents, IndependentComponents)):
        raise ParameterError(
            f"the maps of {model!r} do not say which component a sample is of; expected "
            "abundances, factors or clusters"
        )
    otsu = isinstance(least, str) and least == "otsu"
    if not otsu and least is not None and not _is_number(least):
        raise ParameterError(f"least is {least!r}; expected a number or 'otsu'")
    if not _is_number(lead) or lead < 0:
        raise ParameterError(f"lead is {lead!r}; expected zero or more")
    layout, record, overlap = map_of(model)
    maps = to_host(model.maps)
    known = np.isfinite(maps).all(axis=0)
    maps = np.where(known, maps, 0)
    labels = maps.argmax(axis=0)
    if least is not None:
        floors = [otsu_threshold(m[known]) for m in maps] if otsu else [least] * len(maps)
        known &= maps.max(axis=0) >= np.asarray(floors)[labels]
    if lead > 0 and len(maps) > 1:
        second, first = np.partition(maps, -2, axis=0)[-2:]
        known &= first - second >= lead
    return Regions(
        labels=np.where(known, labels, -1).astype(np.int32),
        names=tuple(model.name(i) for i in range(len(model))),
        colors=model.color_numbers,
        layout=layout,
        record=record.then("classify", {"least": least, "lead": lead}),
        overlap=overlap,
    )


def threshold(
    image: Samples | Array, at: float | str = "otsu", *, percentile: float | None = None
) -> Regions:
    """Split a map into what lies below a threshold and what lies above.

    Parameters
    ----------
    image : Samples or array
        (..., y, x): such as one map of a model, ``model.scores[..., 0]``.
    at : float or "otsu"
        The threshold. Otsu's parts the values, those of all frames, into two groups with the least
        variance inside of them.
    percentile : float, optional
        In place of ``at``: how many percent of all values lie below.

    Returns
    -------
    Regions
        Class 0, "Below", and class 1, "Above", of values at the threshold or above; -1 where the
        image is NaN or left out.

    Raises
    ------
    ParameterError
        If the threshold is neither a number nor ``"otsu"``, or the percentile not within 0 to 100.
    DataError
        If all values are the same, so that Otsu has nothing to part.

    References
    ----------
    Otsu, IEEE Trans. Syst. Man Cybern. 9, 62 (1979).

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> um.threshold(np.array([[1.0, 1.2, 5.0], [1.1, 4.8, 5.1]])).labels
    array([[0, 0, 1],
           [0, 1, 1]], dtype=int32)
    """
    samples = as_image(image)
    layout, record, overlap = map_of(samples)
    values = np.asarray(to_host(samples.to_array()), np.float64)
    known = np.isfinite(values)
    if percentile is not None:
        if not _is_number(percentile) or not 0 <= percentile <= 100:
            raise ParameterError(f"percentile is {percentile!r}; expected a number from 0 to 100")
        found = float(np.percentile(values[known], percentile))
    elif isinstance(at, str) and at == "otsu":
        found = otsu_threshold(values[known])
    elif _is_number(at):
        found = float(at)
    else:
        raise ParameterError(f"at is {at!r}; expected a number or 'otsu'")
    return Regions(
        labels=np.where(known, values >= found, -1).astype(np.int32),
        names=("Below", "Above"),
        colors=(0, 1),
        layout=layout,
        record=record.then("threshold", {"at": at, "percentile": percentile}),
        overlap=overlap,
    )


def otsu_threshold(values: HostArray) -> float:
    """Return the value that parts a histogram of two groups best: equation 18 of Otsu's paper."""
    low, high = float(values.min(initial=np.inf)), float(values.max(initial=-np.inf))
    if not low < high:
        raise DataError(
            f"all {values.size} values are the same, which no threshold parts; give one as a number"
        )
    counts, edges = np.histogram(values, BINS, (low, high))
    middles = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts)[:-1]
    above = values.size - below
    sums = np.cumsum(counts * middles)
    with np.errstate(invalid="ignore", divide="ignore"):
        between = below * above * (sums[:-1] / below - (sums[-1] - sums[:-1]) / above) ** 2
    best = np.flatnonzero(between == np.nanmax(between))
    return float(edges[1 + best].mean())  # an empty gap has one middle


def _is_number(value: Any) -> bool:
    numeric = isinstance(value, (int, float, np.integer, np.floating))
    return numeric and not isinstance(value, bool) and bool(np.isfinite(value))
