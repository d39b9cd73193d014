"""Components and maps as curves, in the colours of their classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._arrays import to_host
from .._axes import Axis
from .._errors import ShapeError
from .._typing import HostArray
from .._unmixing import Unmixing
from ..maps import LineProfile
from . import _bars as bars
from . import _panels as panels
from . import _style as style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

HEIGHT, WIDE, BESIDE = 1.6, 3.2, 0.65
"""Height of a row and width of its curve in inches, and what a colour bar takes."""


def components(
    model: Unmixing, *, offset: float = 0.0, label: str = "Intensity", n: int | None = None
) -> Figure:
    """Draw all components as curves in one frame: spectra, histograms, radial profiles.

    Parameters
    ----------
    model : Unmixing
        With one descriptor axis, whose name and unit stand below.
    offset : float
        How far each curve is lifted above the one before, as a part of the range of all.
    label : str
        What the values are.
    n : int, optional
        How many components to show. Default: all.

    Returns
    -------
    matplotlib.figure.Figure
        Each in the colour of its class, and named; broken where entries were left out.

    Raises
    ------
    ShapeError
        If the descriptor has more than one axis.
    ParameterError
        If ``n`` is out of range.
    BackendError
        If matplotlib is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> scan = um.samples(np.random.default_rng(0).random((8, 9, 30)), 2, descriptor_names=["E"])
    >>> figure = um.plot.components(um.nmf(scan, 3), offset=0.5)
    >>> len(figure.axes[0].lines), figure.axes[0].get_xlabel()
    (3, 'E (px)')
    """
    axis = _one_axis(model)
    n = style.chosen(n, len(model))
    values = to_host(model.components)[:n]
    style.require_matplotlib()
    low, high = style.finite_range(values)
    lift = offset * (high - low)
    figure = style.new_figure(4.6, 2.6)
    ax = figure.add_subplot()
    for i, color in enumerate(style.colors_of(model.color_numbers)[:n]):
        panels.curve(ax, values[i] + i * lift, axis, color)
        ax.lines[-1].set_label(model.name(i))
    ax.set_ylabel(label, fontsize=style.TEXT)
    if lift:
        ax.set_yticks([])
    _legend(ax, n)
    return figure


def tinted(model: Unmixing, *, n: int | None = None, frame: int = 0) -> Figure:
    """Draw each map and its component in one colour, a row for each.

    Parameters
    ----------
    model : Unmixing
        With a map of two axes, or frames of such.
    n : int, optional
        How many components to show. Default: all.
    frame : int
        Which frame of a map (frame, y, x) to show.

    Returns
    -------
    matplotlib.figure.Figure
        Maps from white to the colour of the class. Components of one axis are curves in it, others
        images in its shades.

    Raises
    ------
    ShapeError
        If the map is no plane.
    ParameterError
        If ``n`` or ``frame`` is out of range.
    BackendError
        If matplotlib is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> scan = um.samples(np.random.default_rng(0).random((8, 9, 30)), 2)
    >>> [ax.get_title() for ax in um.plot.tinted(um.nmf(scan, 2)).axes[::2]]
    ['Component 0', 'Component 1']
    """
    map_axes, axes = model.layout.map_axes, model.layout.descriptor_axes
    if len(map_axes) < 2:
        raise ShapeError(
            f"the map has the shape {model.layout.map_shape}; expected (..., y, x): "
            "unmix.plot.components draws curves alone"
        )
    n = style.chosen(n, len(model))
    maps = panels.frame_of(to_host(model.maps), len(map_axes), frame)[:n]
    style.require_matplotlib()
    curved = len(axes) != 2
    left = HEIGHT * panels.aspect(map_axes[-2:]) + BESIDE
    right = WIDE if curved else HEIGHT * panels.aspect(axes) + BESIDE
    figure = style.new_figure(left + right, n * (HEIGHT + 0.3))
    grid = figure.subplots(n, 2, squeeze=False, width_ratios=[left, right])
    for i, color in enumerate(style.colors_of(model.color_numbers)[:n]):
        _tint(grid[i, 0], maps[i], map_axes[-2:], color)
        panels.title(grid[i, 0], model.name(i))
        component = to_host(model.components[i, ...])
        if not curved:
            _tint(grid[i, 1], component, axes, color)
            continue
        whole = axes[0] if len(axes) == 1 else Axis.regular("entry", component.size, units="")
        panels.curve(grid[i, 1], component.ravel(), whole, color)
        if i < n - 1:
            grid[i, 1].set_xlabel("")
    return figure


def profile(found: LineProfile, *, label: str = "") -> Figure:
    """Draw values along a line.

    Parameters
    ----------
    found : LineProfile
        From `unmix.line_profile`.
    label : str
        What the values are.

    Returns
    -------
    matplotlib.figure.Figure
        Each map in its colour, in a band of the standard deviation over the width of the line.

    Raises
    ------
    BackendError
        If matplotlib is not installed.

    Examples
    --------
    >>> import unmix as um
    >>> scene = um.synthetic.two_phases((128, 160))
    >>> model = um.nfindr(um.window_fft(um.sliding_windows(scene.image, 32, 8)), 2)
    >>> line = um.line_profile(model, (60, 20), (60, 140), width=16)
    >>> um.plot.profile(line, label="Abundance").axes[0].get_xlabel()
    'Distance (px)'
    """
    style.require_matplotlib()
    figure = style.new_figure(4.0, 2.4)
    ax = figure.add_subplot()
    axis = Axis("Distance", found.distance, found.units)
    colors = style.colors_of(found.colors)
    for i, color in enumerate(colors):
        low, high = found.values[i] - found.spread[i], found.values[i] + found.spread[i]
        if found.spread[i].any():
            ax.fill_between(found.distance, low, high, color=color, alpha=0.25, linewidth=0)
        panels.curve(ax, found.values[i], axis, color)
        ax.lines[-1].set_label(found.names[i])
    if label:
        ax.set_ylabel(label, fontsize=style.TEXT)
    ax.margins(x=0)
    if len(found) > 1:
        _legend(ax, len(found))
    return figure


def _one_axis(model: Unmixing) -> Axis:
    axes = model.layout.descriptor_axes
    if len(axes) != 1:
        raise ShapeError(
            f"the components have the shape {model.layout.descriptor_shape}; expected one axis: "
            "unmix.plot.unmixing draws images"
        )
    return axes[0]


def _legend(ax: Axes, n: int) -> None:
    figure: Any = ax.figure
    figure.legend(
        handles=ax.lines,
        loc="outside right upper",
        frameon=False,
        fontsize=style.TEXT,
        ncols=1 + (n - 1) // 12,
    )


def _tint(ax: Axes, values: HostArray, axes: tuple[Axis, ...], color: HostArray) -> None:
    """Show an image from white to a colour."""
    cmap = _shades(color)
    shown = panels.show_image(ax, values, axes, cmap, style.linear_norm(values))
    panels.finish_axes(ax, axes, "black")
    bars.color_bar(ax, shown, panels.ratio(axes))


def _shades(color: HostArray) -> Colormap:
    from matplotlib.colors import LinearSegmentedColormap

    shades = LinearSegmentedColormap.from_list("shades", [(1, 1, 1), tuple(color)])
    return shades.with_extremes(bad=style.GREY)
