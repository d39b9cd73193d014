"""Hot and dead pixels, replaced."""

from __future__ import annotations

from functools import partial
from numbers import Real
from typing import Any, TypeVar

import numpy as np

from .. import ops
from .._arrays import from_host, namespace_of, to_host
from .._errors import ParameterError
from .._filters import Block, filtered, of_frames
from .._samples import Samples
from .._typing import Array, HostArray
from ._images import on_image

Image = TypeVar("Image", bound=Any)


def despike(image: Image, *, threshold: float = 10, size: int = 3) -> Image:
    r"""Replace hot and dead pixels by the median of their neighbours, frame by frame.

    Parameters
    ----------
    image : Samples or array
        Image (..., y, x), real. NaN means that a pixel is missing: it stays NaN and is nobody's
        neighbour.
    threshold : float
        A pixel is replaced where it differs from its neighbours' median by more than so many
        standard deviations of that difference.
    size : int
        Side of the square of neighbours in pixels, odd. Spikes of up to a third of its pixels are
        found.

    Returns
    -------
    Samples or array
        What came in: an array in its namespace and on its device, in the computing type; or samples
        with the same axes, units and mask. An image in memory is computed at once, and what is read
        from a file or by Dask block by block.

    Raises
    ------
    ParameterError
        If threshold is not above zero, or size is not odd.
    DataError
        If values are infinite.
    ShapeError, DTypeError, BackendError
        If this is no image of real values.

    Notes
    -----
    The standard deviation is 1.4826 times the median of the differences' moduli over the frame,
    which a few spikes do not move; where that is zero, as in sparse counts, 1.2533 times their mean
    (Iglewicz and Hoaglin, How to Detect and Handle Outliers (1993)). At the edge the neighbours are
    mirrored. Frames are looked through once before the first block is read; one
    frame is held at a time.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> image = np.random.default_rng(0).normal(5, 1, (32, 32))
    >>> image[4, 7] = 300
    >>> float(um.despike(image)[4, 7]) < 9
    True
    """
    if not isinstance(threshold, Real) or not 0 < threshold < np.inf:
        raise ParameterError(f"threshold is {threshold!r}; expected a number above zero")
    ops.neighbour_medians(np.zeros((1, 1)), size)
    out: Image = on_image(image, partial(_despiked, threshold=float(threshold), size=int(size)))
    return out


def _despiked(image: Samples, *, threshold: float, size: int) -> Samples:
    reach, work = (size // 2, size // 2), 5 * size**2
    clean = filtered(
        image,
        partial(_replaced, threshold=threshold, size=size),
        halo=reach,
        statistics=partial(_deviations, size=size, work=work),
        work=work,
    )
    parameters = {"threshold": threshold, "size": size}
    return Samples(
        clean.source, image.layout, image.record.then("despike", parameters), image.nonnegative
    )


def _replaced(block: Block, deviations: HostArray, *, threshold: float, size: int) -> Array:
    xp, lead = namespace_of(block.values), block.place[:-2]
    values, median = block.asked, ops.neighbour_medians(block.values, size, block.inner)
    limit = threshold * (deviations[np.ix_(*lead)] if lead else deviations)[..., None]
    spike = xp.abs(values - median) > from_host(limit, values, values.dtype)
    return xp.where(spike, median, values)


def _deviations(image: Samples, *, size: int, work: int) -> HostArray:
    """Return the standard deviation of each frame from the medians of neighbours, (..., 1)."""
    reach = (size // 2, size // 2)

    def difference(block: Block) -> Array:
        medians = ops.neighbour_medians(block.values, size, block.inner)
        return namespace_of(medians).abs(block.asked - medians)

    def deviation(frame: Samples) -> HostArray:
        moduli = filtered(frame, difference, halo=reach, work=work).to_array()
        host = to_host(moduli).astype(np.float64)
        host = host[~np.isnan(host)]
        median = np.median(host) if host.size else np.nan
        return np.asarray([1.4826 * median if median != 0 else 1.2533 * host.mean()])

    return of_frames(image, deviation, 1)
