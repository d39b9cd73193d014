"""Abundances as mixed colours, over the image that they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._arrays import to_host
from .._axes import Axis
from .._door import as_image
from .._endmembers import Endmembers
from .._errors import ParameterError, ShapeError
from .._results import PrincipalComponents
from .._samples import Samples
from .._typing import Array, HostArray
from .._unmixing import Unmixing
from ..layout import Layout, field_of_view
from . import _panels as panels
from . import _style as style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

HEIGHT, BESIDE = 3.0, 1.1
"""Height of a panel and width of the legend in inches."""


def abundances(
    model: Unmixing,
    image: Samples | Array | None = None,
    *,
    n: int | None = None,
    frame: int = 0,
) -> Figure:
    """Draw all abundances at once: each pixel mixes the colours of its endmembers.

    Parameters
    ----------
    model : Endmembers or Clusters
        With a map of two axes, or frames of such.
    image : Samples or array, optional
        What the samples were taken from. It is drawn beside the map, and under it where no sample
        lies.
    n : int, optional
        How many endmembers have colours; the others are white. Default: all.
    frame : int
        Which frame of a map (frame, y, x), and of a stack of images, to show.

    Returns
    -------
    matplotlib.figure.Figure
        What was left out is grey. Where the samples are windows, the picture has the size of the
        whole image, and the square in its upper left corner that of a window.

    Raises
    ------
    ParameterError
        If the model has no abundances, or ``n`` or ``frame`` is out of range.
    ShapeError
        If the map has one axis, or the image another size than that of the model.
    BackendError
        If matplotlib is not installed.

    Examples
    --------
    >>> import unmix as um
    >>> scene = um.synthetic.two_phases((128, 160))
    >>> samples = um.window_fft(um.sliding_windows(scene.image, 32, 16))
    >>> figure = um.plot.abundances(um.nfindr(samples, 2), scene.image)
    >>> len(figure.axes), [text.get_text() for text in figure.legends[0].get_texts()]
    (2, ['Endmember 0', 'Endmember 1', 'Window'])
    """
    if isinstance(model, PrincipalComponents):
        raise ParameterError(
            f"{model!r} has no abundances; expected endmembers (unmix.nfindr, unmix.abundances) or "
            "clusters (unmix.kmeans)"
        )
    layout = model.layout
    if len(layout.map_axes) < 2:
        raise ShapeError(
            f"the map has the shape {layout.map_shape}; expected (..., y, x): unmix.plot.unmixing "
            "draws maps of one axis as curves"
        )
    colors = style.colors_of(model.color_numbers)[: style.chosen(n, len(model))]
    maps = panels.frame_of(to_host(model.maps), len(layout.map_axes), frame)
    view = field_of_view(layout)
    grey = None if image is None else image_of(image, layout, frame)
    style.require_matplotlib()
    columns = 1 if grey is None else 2
    width = columns * (HEIGHT * panels.aspect(view) + 0.1) + BESIDE
    figure = style.new_figure(width, HEIGHT)
    axes = figure.subplots(1, columns, squeeze=False)[0]
    for ax in axes:
        ground(ax, view, grey)
    fractions = isinstance(model, Endmembers) and model.constraint == "sum_to_one"
    shades = mixed(maps, colors, 1.0 if fractions else 0.0)
    panels.show_image(axes[-1], shades, layout.map_axes[-2:], gid="abundances")
    for ax in axes:
        finish(ax, view, layout)
    figure.legend(
        handles=_keys(model, colors, layout),
        loc="outside right upper",
        frameon=False,
        fontsize=style.TEXT,
    )
    return figure


def mixed(maps: HostArray, colors: HostArray, whole: float = 0.0) -> HostArray:
    """Mix the colours (n, 3) of the first n maps (k, y, x) by their shares: (y, x, 3).

    The shares of the other maps are white, and so are pixels with no abundance at all, and what is
    missing to a ``whole`` where components were dropped.
    """
    amounts = np.clip(maps, 0, None)
    total = np.maximum(amounts.sum(axis=0), whole)
    shares = amounts[: len(colors)] / np.where(total > 0, total, 1)
    rgb = np.clip(1 - np.tensordot(shares, 1 - colors, axes=(0, 0)), 0, 1)
    rgb[np.isnan(total)] = style.GREY
    return np.asarray(rgb)


def image_of(image: Samples | Array, layout: Layout, frame: int) -> HostArray:
    """Read one frame of the image, and check that it is one of the model's size."""
    samples = as_image(image, finite=False)
    expected = layout.map_shape[-2:] if layout.windows is None else layout.windows.image_shape
    *lead, height, width = samples.layout.map_shape
    if (height, width) != expected or (lead and frame >= np.prod(lead)):
        raise ShapeError(
            f"the image has the shape {samples.layout.map_shape}; expected (..., {expected[0]}, "
            f"{expected[1]}) with a frame {frame}, as the model was made of"
        )
    place = np.unravel_index(frame, lead) if lead else ()
    return to_host(samples[tuple(int(i) for i in place)].to_array()).astype(float)


def ground(ax: Axes, view: tuple[Axis, Axis], grey: HostArray | None) -> None:
    """Show the image, or white, over the whole field of view."""
    if grey is not None:
        low, high = np.nanquantile(grey, (0.005, 0.995))
        panels.show_image(ax, grey, view, "gray", interpolation="auto", vmin=low, vmax=high)
    else:
        white = np.ones((1, 1, 3))
        panels.show_image(ax, white, view)


def finish(ax: Axes, view: tuple[Axis, Axis], layout: Layout) -> None:
    """Give a picture its limits, its scale bar and the square of one window."""
    from matplotlib.patches import Rectangle

    left, right, bottom, top = panels.extent(*view)
    ax.set(xlim=(left, right), ylim=(bottom, top))
    panels.finish_axes(ax, view)
    if layout.windows is None:
        return
    height, width = layout.windows.window
    square = Rectangle(
        (left, top),
        width * view[1].spacing,
        height * view[0].spacing,
        fill=False,
        edgecolor="white",
        linewidth=1.2,
        path_effects=style.halo("white", 2.4),
        gid="window",
        zorder=4,
    )
    ax.add_patch(square)


def _keys(model: Unmixing, colors: HostArray, layout: Layout) -> list[Patch]:
    """Entries of the legend: a colour for each endmember, and the window."""
    from matplotlib.patches import Patch

    keys = [Patch(color=c, label=model.name(i)) for i, c in enumerate(colors)]
    if len(colors) < len(model):
        keys.append(Patch(facecolor="white", edgecolor="black", linewidth=0.6, label="Others"))
    return [*keys, *window_key(layout)]


def window_key(layout: Layout) -> list[Patch]:
    """Entry of the legend for the square of one window, where samples are windows."""
    from matplotlib.patches import Patch

    if layout.windows is None:
        return []
    return [Patch(fill=False, edgecolor="black", linewidth=1.2, label="Window")]
