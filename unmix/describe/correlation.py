"""Auto- and cross-correlations of windows."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import prod
from numbers import Real
from typing import Any

import numpy as np

from .. import ops
from .._arrays import namespace_of
from .._axes import Axis
from .._door import descriptor_plane
from .._errors import ParameterError, ShapeError
from .._joined import Joined, both_masks, require_same_map
from .._samples import Samples
from .._typing import Array
from ._planes import described, require_real_samples


def correlation(
    samples: Samples,
    other: Samples | None = None,
    *,
    max_lag: float | tuple[float, float] | None = None,
    normalize: bool = True,
) -> Samples:
    """Describe windows by their correlation with themselves, or with other windows, at each lag.

    A shift of the content does not change the autocorrelation, and it has its peaks at lattice
    vectors. The cross-correlation has its peak where ``other`` is displaced to.

    Parameters
    ----------
    samples : Samples
        Windows, or another descriptor of two axes of one unit, of which no entry is left out.
    other : Samples, optional
        Windows of the same map and sizes: another channel, or the next frames. Default: the samples
        themselves.
    max_lag : float or (float, float), optional
        Largest lag in the axes' unit, (y, x). Default: half a window.
    normalize : bool
        Divide by the standard deviations of both windows: 1 at lag zero of an autocorrelation. A
        constant window has the correlation zero.

    Returns
    -------
    Samples
        The same map axes; descriptor axes (lag_y, lag_x), in the axes' unit. Windows lose their
        mean; a value is the mean of a(r) b(r + lag) over the pixels at which both lie in their
        windows, so that nothing wraps around, and few pixels make values at large lags noisy. They
        may exceed 1 there. Autocorrelations are stored as halves, as spectra are. In the namespace,
        on the device and in the computing type of the samples.

    Raises
    ------
    ShapeError
        If these are no windows, entries are left out, or ``other`` is of another map or window.
    ParameterError
        If ``max_lag`` is negative or not below the window's size.
    BackendError, DTypeError
        If these are no samples, complex ones, or of two namespaces.

    Notes
    -----
    NaN in a window makes its correlation NaN. FFTs of padded windows, two for each window.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> image = np.tile(np.eye(4), (8, 8))
    >>> um.correlation(um.sliding_windows(image, 16, 8), max_lag=4).to_array()[0, 0, 4].round(2)
    array([ 1.  , -0.33, -0.33, -0.33,  1.  , -0.33, -0.33, -0.33,  1.  ])
    """
    samples = require_real_samples(samples)
    y, x = descriptor_plane(samples)
    lags = _lags((y, x), max_lag)
    parents = [samples]
    if other is not None:
        parents.append(require_real_samples(other))
        require_same_map(samples, other)
        samples.layout.require_same_descriptor(other.layout)
    if any(s.layout.index is not None for s in parents):
        raise ShapeError(
            "entries of the descriptor are left out, or share features; a correlation needs all "
            "of a window"
        )
    axes = tuple(
        Axis.regular(
            f"lag_{name}", 2 * m + 1, start=-m * a.spacing, spacing=a.spacing, units=a.units
        )
        for name, a, m in zip("yx", (y, x), lags, strict=True)
    )
    shape = (2 * lags[0] + 1, 2 * lags[1] + 1)
    function = partial(
        _correlated, window=(y.size, x.size), lags=lags, normalize=normalize, both=other is not None
    )
    pairs = samples
    if other is not None:
        mask = both_masks([samples.layout.mask, other.layout.mask])
        source = Joined((samples.source, other.source), (1.0, 1.0))
        pairs = replace(samples, source=source, layout=replace(samples.layout, mask=mask))
    found = described(
        pairs,
        function,
        axes,
        np.ones(shape, bool),
        ("correlation", {"other": other, "max_lag": max_lag, "normalize": normalize}),
        values=6 * prod(ops.padded_shape((y.size, x.size), lags)),
        nonnegative=None,
    )
    if other is not None:
        return found
    # what lies opposite of an entry is the same
    number = np.arange(prod(shape))
    index = np.minimum(number, number[::-1]).reshape(shape)
    return replace(found, layout=found.layout.with_descriptor(*axes, index=index))


def _correlated(
    rows: Array, *, window: tuple[int, int], lags: tuple[int, int], normalize: bool, both: bool
) -> Array:
    xp, b = namespace_of(rows), rows.shape[0]
    n = prod(window)
    first = xp.reshape(rows[:, :n], (b, *window))
    second = xp.reshape(rows[:, n:], (b, *window)) if both else None
    found = xp.reshape(ops.correlate(first, second, lags, normalize=normalize), (b, -1))
    return found if both else found[:, : found.shape[1] // 2 + 1]


def _lags(plane: tuple[Axis, Axis], max_lag: Any) -> tuple[int, int]:
    """Return the largest lags in entries."""
    if max_lag is None:
        return plane[0].size // 2, plane[1].size // 2
    given = tuple(max_lag) if isinstance(max_lag, (tuple, list)) else (max_lag, max_lag)
    real = len(given) == 2 and all(isinstance(m, Real) and np.isfinite(float(m)) for m in given)
    lags = (
        [int(float(m) / a.spacing + 1e-9) for m, a in zip(given, plane, strict=True) if m >= 0]
        if real
        else []
    )
    if len(lags) < 2 or any(m >= a.size for m, a in zip(lags, plane, strict=True)):
        sizes = " x ".join(f"{a.size * a.spacing:g}" for a in plane)
        raise ParameterError(
            f"max_lag is {max_lag!r} {plane[0].units}; expected zero or more and less than the "
            f"window's {sizes}, for both axes or (y, x)"
        )
    return lags[0], lags[1]
