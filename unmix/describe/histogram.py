"""How the values of each window are distributed."""

from __future__ import annotations

from functools import partial
from numbers import Real
from typing import Any

import numpy as np

from .. import ops
from .._arrays import namespace_of
from .._axes import Axis
from .._errors import ParameterError, ShapeError
from .._fold import fold
from .._samples import Samples
from .._tiles import Tile
from ._planes import described, require_real_samples

MOST_MOMENTS = 8


def intensity_histogram(
    samples: Samples, n_bins: int = 32, *, limits: tuple[float, float] | None = None
) -> Samples:
    """Describe samples by how often each value occurs in them, wherever it does.

    Parameters
    ----------
    samples : Samples
        Windows, or any described samples of real values.
    n_bins : int
        Number of bins, equally wide.
    limits : (float, float), optional
        Lower end of the first bin and upper end of the last. Default: the lowest and the highest
        value of all samples, which one pass finds at once; the record keeps them, so that other
        data is put into the same bins.

    Returns
    -------
    Samples
        The same map axes; one descriptor axis ``bin`` with the centres of the bins in the unit of
        the values. Values are fractions of the descriptor's entries and sum to one: those beyond
        the limits count in the first and the last bin, and a value between two bins in the upper
        one. Entries that are left out do not count; those of spectra count as in the full plane.

    Raises
    ------
    ParameterError
        If ``n_bins`` or the limits are out of range, or all values are alike and no limits given.
    ShapeError
        If the samples have no descriptor.
    BackendError, DTypeError
        If these are no samples, or complex ones.

    Notes
    -----
    NaN counts in no bin.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> table = um.samples(np.asarray([[0.0, 1, 2, 3], [3, 3, 3, 0]]), 1)
    >>> um.intensity_histogram(table, 3).to_array()
    array([[0.25, 0.25, 0.5 ],
           [0.25, 0.  , 0.75]])
    """
    samples = _require_entries(samples)
    n_bins = _whole(n_bins, 10_000, "n_bins")
    low, high = _extremes(samples) if limits is None else _pair(limits)
    if not low < high:
        raise ParameterError(
            f"limits are {low:g} and {high:g}; expected finite numbers, the lower one first"
            + ("" if limits is not None else ": all values are alike, so give limits")
        )
    edges = np.linspace(low, high, n_bins + 1)
    layout = samples.layout
    function = partial(
        ops.histograms, limits=(low, high), n_bins=n_bins, counts=layout.multiplicity
    )
    return described(
        samples,
        function,
        (Axis("bin", (edges[1:] + edges[:-1]) / 2, ""),),
        np.ones(n_bins, bool),
        ("intensity_histogram", {"n_bins": n_bins, "limits": (low, high)}),
        values=3 * layout.n_features,
        nonnegative=True,
    )


def intensity_moments(samples: Samples, n_moments: int = 4) -> Samples:
    """Describe samples by mean, standard deviation, skewness, kurtosis of their values.

    Parameters
    ----------
    samples : Samples
        Windows, or any described samples of real values.
    n_moments : int
        How many, up to 8: those from the third on are means of powers of values that lost their
        mean and were divided by their standard deviation. A Gaussian has skewness 0, kurtosis 3.

    Returns
    -------
    Samples
        The same map axes; one descriptor axis ``moment``: 1, 2, 3 ... The first two are in the unit
        of the values and the others have none; of a constant they are zero.

    Raises
    ------
    ParameterError
        If ``n_moments`` is out of range.
    ShapeError
        If the samples have no descriptor.
    BackendError, DTypeError
        If these are no samples, or complex ones.

    Notes
    -----
    NaN in a sample makes its moments NaN. They are no parts of a mixture: normalize them
    (``normalize("robust", over="feature")``) and use them for `pca` and `kmeans`.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> um.intensity_moments(um.samples(np.asarray([[-1.0, 1], [2, 2]]), 1)).to_array()
    array([[0., 1., 0., 1.],
           [2., 0., 0., 0.]])
    """
    samples = _require_entries(samples)
    n_moments = _whole(n_moments, MOST_MOMENTS, "n_moments")
    return described(
        samples,
        partial(ops.moments, n_moments=n_moments, counts=samples.layout.multiplicity),
        (Axis("moment", np.arange(1.0, n_moments + 1), ""),),
        np.ones(n_moments, bool),
        ("intensity_moments", {"n_moments": n_moments}),
        values=4 * samples.layout.n_features,
        nonnegative=None,
    )


def _require_entries(samples: Any) -> Samples:
    checked = require_real_samples(samples)
    if not checked.layout.descriptor_axes:
        raise ShapeError(
            f"expected samples with a descriptor, such as windows, but got {checked!r}; cut them "
            "first with unmix.sliding_windows(image, window, step)"
        )
    return checked


def _extremes(samples: Samples) -> tuple[float, float]:
    """Find the lowest and the highest value in one pass."""

    def update(tile: Tile, _: None) -> tuple[float, float]:
        xp = namespace_of(tile.rows)
        return float(xp.min(tile.rows)), float(xp.max(tile.rows))

    found, _ = fold(
        samples.unweighted(),
        update,
        lambda a, b: (min(a[0], b[0]), max(a[1], b[1])),
        label="finding limits",
    )
    low, high = found
    return low, high


def _pair(limits: Any) -> tuple[float, float]:
    given = tuple(limits) if isinstance(limits, (tuple, list, np.ndarray)) else ()
    if len(given) != 2 or not all(isinstance(v, Real) and np.isfinite(float(v)) for v in given):
        raise ParameterError(f"limits is {limits!r}; expected two finite numbers, (low, high)")
    return float(given[0]), float(given[1])


def _whole(value: Any, most: int, what: str) -> int:
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or not 1 <= value <= most:
        raise ParameterError(f"{what} is {value!r}; expected a whole number from 1 to {most}")
    return int(value)
