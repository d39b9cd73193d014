"""Sliding windows on a regular grid, and their inverse."""

from __future__ import annotations

from functools import cache, partial
from typing import Any, Literal

import numpy as np

from .. import ops
from .._axes import Axis
from .._door import as_image
from .._errors import BackendError, ParameterError, ShapeError
from .._lattice import lattice_period
from .._lengths import in_pixels
from .._record import encode
from .._samples import Samples
from .._sources import ArraySource, Mapped
from .._typing import Array, HostArray
from .._windows import ImageBlocks, WindowSource, whole_windows, zero_where_not_finite
from ..layout import Layout, WindowGrid
from .suggest import STEPS, good_size

Length = int | str | tuple[int | str, int | str]
Edges = Literal["valid", "reflect", "periodic", "constant"]


def sliding_windows(
    image: Samples | Array,
    window: Length | None = None,
    step: Length | None = None,
    *,
    edges: Edges = "valid",
) -> Samples:
    """Take windows of an image on a regular grid.

    Parameters
    ----------
    image : Samples or array
        Image (..., y, x), real; what comes before y and x (frames) stays part of the map.
    window : int or str, or pair of them, optional
        Size of a window, (y, x): in pixels; with a unit, such as ``"3 nm"``, or in periods of the
        image's lattice, such as ``"6 periods"``, to the nearest pixel. Default: what
        `suggest_window` proposes.
    step : int or str, or pair of them, optional
        Distance between neighbouring windows, (y, x), as for ``window``. Windows may overlap.
        Default: an eighth of the window.
    edges : {"valid", "reflect", "periodic", "constant"}
        Windows that lie wholly inside the image; or windows centred on every step-th pixel, whose
        outside is the mirror image, the image again, or zero.

    Returns
    -------
    Samples
        Map axes (..., grid_y, grid_x), coordinates of the windows' centres in the image's units;
        descriptor axes (win_y, win_x), distances from the centre. Nothing is copied. The fraction
        of each window inside the image is in ``layout.windows.coverage``. Where pixels of the image
        are left out, so are the windows that hold one. The record holds window and step in pixels,
        and beside them what was asked for and the period.

    Raises
    ------
    ShapeError
        If a window is larger than the image, a size or step is not a positive whole number, or
        every window holds a pixel that is left out.
    ParameterError
        If a size or step has a unit that the image has not, or the image shows no lattice.
    DTypeError, DataError
        If the image is complex, boolean or holds NaN or infinity.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> samples = um.sliding_windows(np.random.default_rng(0).random((64, 96)), 16, 8)
    >>> samples
    <Samples grid_y 7 x grid_x 11 (px) | win_y 16 x win_x 16 (px), float64, numpy>
    >>> samples.axes[0].values[:3]
    array([ 7.5, 15.5, 23.5])
    """
    source = as_image(image)
    *lead, y, x = source.layout.map_axes
    window, step, facts = _geometry(source, window, step)
    ops.require_windows_fit(source.layout.map_shape, window, step)
    grid = WindowGrid((y.size, x.size), window, step, _corners((y, x), window, step, edges), edges)
    axes = [
        Axis(name, a.values[0] + c * a.spacing, a.units)
        for name, a, c in zip(("grid_y", "grid_x"), (y, x), grid.centers, strict=True)
    ]
    inner = [
        Axis.regular(name, w, start=-(w - 1) / 2 * a.spacing, spacing=a.spacing, units=a.units)
        for name, a, w in zip(("win_y", "win_x"), (y, x), window, strict=True)
    ]
    parameters = {"window": window, "step": step, "edges": edges}
    pixels, mask = source.source, source.layout.mask
    if mask is not None:
        pixels, mask = Mapped(pixels, zero_where_not_finite), whole_windows(mask, grid)
        if not mask.any():
            raise ShapeError("every window holds a pixel that is left out; take a smaller window")
    return Samples(
        source=WindowSource(ImageBlocks(pixels, source.layout.map_shape, grid)),
        layout=Layout((*lead, *axes), tuple(inner), mask=mask, windows=grid),
        record=source.record.then("sliding_windows", parameters, **facts),
        nonnegative=source.nonnegative,
    )


def _geometry(
    image: Samples, window: Length | None, step: Length | None
) -> tuple[tuple[int, int], tuple[int, int], dict[str, Any]]:
    """Return window and step in pixels, and what was asked for where that was something else."""
    y, x = image.layout.map_axes[-2:]
    period = cache(partial(lattice_period, image))

    def size(value: Length, what: str) -> tuple[int, int]:
        if not _has_unit(value):
            return _whole_pair(value, what)
        along = in_pixels(value, (y, x), what, period)
        return max(1, round(along[0])), max(1, round(along[1]))

    if window is None:
        wide = ops.pair(good_size(period(), min(y.size, x.size)))
    else:
        wide = size(window, "window")
    apart = (max(1, wide[0] // STEPS), max(1, wide[1] // STEPS))
    if step is not None:
        apart = size(step, "step")
    facts: dict[str, Any] = {}
    if window is None or _has_unit(window) or _has_unit(step):
        facts["asked"] = {"window": encode(window), "step": encode(step)}
    if period.cache_info().currsize:
        facts["period"] = period()
    return wide, apart, facts


def _has_unit(value: Any) -> bool:
    both = value if isinstance(value, (tuple, list)) else (value,)
    return any(isinstance(v, str) for v in both)


def _whole_pair(value: Any, what: str) -> tuple[int, int]:
    values = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    whole = all(isinstance(v, (int, np.integer)) and not isinstance(v, bool) for v in values)
    if len(values) != 2 or not whole:
        raise ShapeError(f"{what} is {value!r}; expected a whole number of pixels or two, (y, x)")
    return ops.pair((values[0], values[1]))


def _corners(
    axes: tuple[Axis, Axis], window: tuple[int, int], step: tuple[int, int], edges: str
) -> tuple[HostArray, HostArray]:
    if edges not in ("valid", "reflect", "periodic", "constant"):
        raise ParameterError(
            f"edges is {edges!r}; expected 'valid', 'reflect', 'periodic' or 'constant'"
        )
    y, x = (
        ops.corners(a.size, w, s) if edges == "valid" else np.arange(0, a.size, s) - w // 2
        for a, w, s in zip(axes, window, step, strict=True)
    )
    return y, x


def overlap_add(samples: Samples) -> Samples:
    """Lay windows back where they were taken and average them where they overlap.

    Parameters
    ----------
    samples : Samples
        Windows (..., grid_y, grid_x | win_y, win_x) of a whole regular grid: raw, denoised or
        changed.

    Returns
    -------
    Samples
        The image, map axes (..., y, x), in memory; NaN where no window lies. It inverts
        `sliding_windows`.

    Raises
    ------
    ShapeError
        If the samples are not windows, or some windows or pixels are left out.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> image = np.random.default_rng(0).random((32, 40))
    >>> back = um.overlap_add(um.sliding_windows(image, 8, 4))
    >>> bool(np.allclose(back.to_array(), image))
    True
    """
    if not isinstance(samples, Samples):
        raise BackendError(
            f"expected windows, but got {type(samples).__name__}; "
            "cut them first with unmix.sliding_windows(image, window, step)"
        )
    layout, grid = samples.layout, samples.layout.windows
    names = [a.name for a in layout.descriptor_axes]
    if grid is None or names != ["win_y", "win_x"] or layout.descriptor_shape != grid.window:
        raise ShapeError(f"expected windows (win_y, win_x) of a grid, but got {samples!r}")
    if layout.mask is not None:
        raise ShapeError("some windows are left out; overlap_add needs all of a grid")
    if layout.index is not None:
        raise ShapeError("pixels of the windows are left out; overlap_add needs all of them")
    low = [min(int(c[0]), 0) for c in grid.corners]
    sizes = [
        max(int(c[-1]) + w, n) - o
        for c, w, n, o in zip(grid.corners, grid.window, grid.image_shape, low, strict=True)
    ]
    corners = [c - o for c, o in zip(grid.corners, low, strict=True)]
    image = ops.overlap_add(samples.to_array(), corners[0], corners[1], (sizes[0], sizes[1]))
    inside = [slice(-o, n - o) for o, n in zip(low, grid.image_shape, strict=True)]
    return _image_samples(samples, image[(..., *inside)], grid)


def _image_samples(samples: Samples, image: Array, grid: WindowGrid) -> Samples:
    *lead, y, x = samples.layout.map_axes
    axes = []
    both = zip((y, x), samples.layout.descriptor_axes, grid.step, strict=True)
    for i, (a, win, step) in enumerate(both):
        # a window of one pixel does not know how large that is, but its neighbours do
        pitch = win.spacing if win.size > 1 or a.size < 2 else a.spacing / step
        start = a.values[0] - grid.centers[i][0] * pitch
        size = grid.image_shape[i]
        axes.append(Axis.regular("yx"[i], size, start=start, spacing=pitch, units=a.units))
    layout = Layout((*lead, *axes), ())
    source = ArraySource(image, tuple(range(image.ndim)), image.ndim)
    record = samples.record.then("overlap_add", {})
    return Samples(source=source, layout=layout, record=record, nonnegative=samples.nonnegative)
