"""Illumination and slow background taken off an image."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, TypeVar, get_args

import numpy as np

from .. import ops
from .._arrays import from_host, namespace_of, to_host
from .._errors import DataError, ParameterError
from .._filters import Block, filtered, of_frames
from .._fold import fold
from .._lattice import lattice_period
from .._lengths import in_pixels
from .._samples import Samples
from .._tiles import Tile, as_block
from .._typing import Array, HostArray
from ._images import on_image

Method = Literal["plane", "gaussian", "dog"]
How = Literal["subtract", "divide"]
Image = TypeVar("Image", bound=Any)


def flatten(
    image: Image, method: Method = "plane", *, sigma: Any = None, how: How = "subtract"
) -> Image:
    r"""Take an uneven background off an image, frame by frame.

    Parameters
    ----------
    image : Samples or array
        Image (..., y, x), real. NaN means that a pixel is missing: it stays NaN, and does not count
        in the background.
    method : {"plane", "gaussian", "dog"}
        What the background is: the plane of least squares; the mean under a Gaussian, of ``sigma``;
        or, beside that, what is finer than a smaller Gaussian (difference of Gaussians, a band
        pass).
    sigma : float or str, or (float or str, float or str) for "dog"
        Standard deviation of the Gaussian, in pixels or with a unit, such as ``"2 nm"`` or
        ``"1 period"`` of the image's lattice; of ``"dog"`` the smaller and the larger one. Of the
        lattice nothing is lost where it is a period or more.
    how : {"subtract", "divide"}
        Take the background off, for what is added to the image (contamination, an amorphous layer);
        or divide by it, for what multiplies it (illumination, gain, thickness): the contrast of the
        lattice then rises and falls with the background, and stays uneven when that is only taken
        off. Dark counts have to come off before an image is divided.

    Returns
    -------
    Samples or array
        What came in: an array in its namespace and on its device, in the computing type; or samples
        with the same axes, units and mask. An image in memory is computed at once, and what is read
        from a file or by Dask block by block. After ``"subtract"`` and ``"dog"`` values lie about
        zero, after ``"divide"`` about one.

    Raises
    ------
    ParameterError
        If method or how is unknown, or sigma is missing, is no length or is not wanted.
    DataError
        If values are infinite, or the image is divided by a background that falls below zero.
    ShapeError, DTypeError, BackendError
        If this is no image of real values.

    Notes
    -----
    At the edge the Gaussian's mean is that of the pixels that are there (normalised convolution:
    Knutsson and Westin, CVPR 515 (1993)); it ends at four standard deviations. Where the background
    is zero, as in counts far from any, the quotient is zero. A plane takes one pass more, before
    the first block is read.

    Of uneven light and a bright patch at once, divide by the plane first and then take off the mean
    under a Gaussian; what edges of the patch leave is slower than the lattice, and goes with
    ``k_min`` of `window_fft`.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> image = np.full((40, 60), 5.0) + np.arange(60)
    >>> bool(np.allclose(um.flatten(image, "plane"), 0))
    True
    >>> um.flatten(um.samples(image, 2, pitch=0.1, units="nm"), "gaussian", sigma="1 nm")
    <Samples y 40 x x 60 (nm), float64, numpy>

    Light that rises by half across a lattice multiplies its contrast too. To take it off leaves
    the columns at the right brighter than those at the left; to divide by it makes them alike:

    >>> y, x = np.mgrid[:48, :64]
    >>> lattice = 1 + 0.5 * np.cos(2 * np.pi * x / 8) * np.cos(2 * np.pi * y / 8)
    >>> lit = lattice * np.linspace(0.8, 1.2, 64)
    >>> for how in ("subtract", "divide"):
    ...     flat = um.flatten(lit, "plane", how=how)
    ...     print(how, round(float(flat[:, 48:].std() / flat[:, :16].std()), 2))
    subtract 1.36
    divide 1.0
    """
    if method not in get_args(Method):
        raise ParameterError(f"method is {method!r}; expected 'plane', 'gaussian' or 'dog'")
    if how not in get_args(How) or (method == "dog" and how == "divide"):
        raise ParameterError(
            f"how is {how!r}; expected 'subtract' or 'divide', and of 'dog' only 'subtract'"
        )
    pair = isinstance(sigma, (tuple, list))
    wanted = {"plane": sigma is None, "gaussian": not pair and sigma is not None, "dog": pair}
    if not wanted[method]:
        raise ParameterError(
            f"sigma is {sigma!r}; expected none for 'plane', one for 'gaussian', and a smaller and "
            "a larger one for 'dog'"
        )
    out: Image = on_image(image, partial(_flattened, method=method, sigma=sigma, how=how))
    return out


def _flattened(image: Samples, *, method: Method, sigma: Any, how: How) -> Samples:
    y, x = image.layout.map_axes[-2:]
    lengths = [] if sigma is None else list(sigma) if method == "dog" else [sigma]
    sigmas = [in_pixels(s, (y, x), "sigma", partial(lattice_period, image)) for s in lengths]
    if method == "dog" and not all(a < b for a, b in zip(*sigmas, strict=True)):
        raise ParameterError(f"sigma is {sigma!r}; expected a smaller and a larger one for 'dog'")
    reach = sigmas[-1] if sigmas else (0.0, 0.0)
    halo = (ops.gaussian_reach(reach[0]), ops.gaussian_reach(reach[1]))
    combine = _difference if how == "subtract" else _quotient
    if method == "plane":
        shape = (y.size, x.size)
        function: Callable[..., Array] = partial(_off_plane, shape=shape, combine=combine)
        flat = filtered(image, function, statistics=partial(_planes, shape=shape))
    elif method == "gaussian":
        flat = filtered(image, partial(_off_mean, sigma=sigmas[0], combine=combine), halo=halo)
    else:
        flat = filtered(image, partial(_band_pass, sigmas=sigmas), halo=halo)
    record = image.record.then("flatten", {"method": method, "sigma": sigma, "how": how})
    stays = image.nonnegative if how == "divide" else None
    return Samples(flat.source, image.layout, record, stays)


def _difference(values: Array, background: Array) -> Array:
    return values - background


def _quotient(values: Array, background: Array) -> Array:
    xp = namespace_of(values)
    if xp.any(background < 0):
        raise DataError(
            f"the background falls to {float(xp.min(background)):g}; expected none below zero: "
            "take it off with how='subtract', or correct the image's zero first"
        )
    there = (background != 0) | xp.isnan(values)  # what is missing stays missing
    quotient = values / xp.where(there, background, xp.ones_like(background))
    return xp.where(there, quotient, xp.zeros_like(quotient))


def _off_mean(
    block: Block, *, sigma: tuple[float, float], combine: Callable[[Array, Array], Array]
) -> Array:
    return combine(block.asked, ops.smoothed(block.values, sigma, block.inner))


def _band_pass(block: Block, *, sigmas: list[tuple[float, float]]) -> Array:
    xp = namespace_of(block.values)
    fine, coarse = (ops.smoothed(block.values, s, block.inner) for s in sigmas)
    return xp.where(xp.isnan(block.asked), block.asked, fine - coarse)


def _off_plane(
    block: Block,
    planes: HostArray,
    *,
    shape: tuple[int, int],
    combine: Callable[[Array, Array], Array],
) -> Array:
    *lead, rows, columns = block.place
    y, x = _coordinates((rows, columns), shape)
    a, b, c = np.moveaxis(planes[np.ix_(*lead)] if lead else planes, -1, 0)[..., None, None]
    plane = a + b * y[:, None] + c * x
    return combine(block.asked, from_host(plane, block.values, block.values.dtype))


def _planes(image: Samples, *, shape: tuple[int, int]) -> HostArray:
    """Find the plane of each frame, (..., 3), in coordinates from -1 to 1."""

    def moments(tile: Tile, _: None) -> Array:
        place = tuple(range(n)[s] for n, s in zip(shape, tile.where, strict=True))
        return ops.plane_moments(as_block(tile)[..., 0], *_coordinates(place, shape))

    def plane(frame: Samples) -> HostArray:
        found, _ = fold(frame, moments, lambda a, b: a + b, label="finding planes")
        return ops.plane_of(to_host(found))

    return of_frames(image, plane, 3)


def _coordinates(place: tuple[range, ...], shape: tuple[int, int]) -> tuple[HostArray, HostArray]:
    y, x = (2 * (np.asarray(p) + 0.5) / n - 1 for p, n in zip(place, shape, strict=True))
    return y, x
