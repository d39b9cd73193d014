"""One panel of a picture: an image with coordinates, scale bar and colour bar, or a curve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._axes import Axis
from .._typing import HostArray
from ..decompose._common import whole_number
from ._bars import BAR_UNITS, color_bar, lies_left_below, scale_bar
from ._style import GREY, SMALL, TEXT, TITLE, short, with_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize
    from matplotlib.image import AxesImage

MOST_WIDE = 2.6
"""Panels of longer images keep this ratio of their sides."""

Extent = tuple[float, float, float, float]

Color = Any
"""What matplotlib takes for a colour."""


def extent(y: Axis, x: Axis) -> Extent:
    """Left, right, bottom and top edge of an image whose pixels lie at these coordinates."""
    half_y, half_x = (
        (a if a.size > 1 or b.units != a.units else b).spacing / 2 for a, b in ((y, x), (x, y))
    )
    return (
        float(x.values[0] - half_x),
        float(x.values[-1] + half_x),
        float(y.values[-1] + half_y),
        float(y.values[0] - half_y),
    )


def ratio(axes: tuple[Axis, ...]) -> float:
    """Width over height of an image or a curve along these axes."""
    if len(axes) != 2:
        return 1.6
    left, right, bottom, top = extent(*axes)
    return abs((right - left) / (bottom - top)) if axes[0].units == axes[1].units else 1.0


def aspect(axes: tuple[Axis, ...]) -> float:
    """Width over height of the panel for such an image or curve."""
    return min(max(ratio(axes), 1 / MOST_WIDE), MOST_WIDE)


def frame_of(values: HostArray, n_axes: int, frame: int) -> HostArray:
    """Choose one frame of values (k, *map_shape): (k, y, x), or (k, site) for a map of one axis."""
    lead = values.shape[1 : max(n_axes - 1, 1)]
    n = int(np.prod(lead))
    frame = whole_number(frame, 0, n - 1, "frame", f"{n} frames in the map")
    return values.reshape(values.shape[0], n, *values.shape[1 + len(lead) :])[:, frame]


def show_image(
    ax: Axes,
    values: HostArray,
    axes: tuple[Axis, ...],
    cmap: Colormap | str | None = None,
    norm: Normalize | None = None,
    **options: Any,
) -> AxesImage:
    """Show values (y, x) or colours (y, x, 3), y down, each pixel around its coordinate."""
    y, x = axes
    options = {"interpolation": "nearest", **options}
    shown = ax.imshow(
        values, cmap=cmap, norm=norm, origin="upper", extent=extent(y, x), aspect="auto", **options
    )
    if y.units == x.units:
        ax.set_aspect("equal")
    ax.autoscale(False)
    return shown


def finish_axes(
    ax: Axes, axes: tuple[Axis, ...], ink: str = "white", marked: HostArray | None = None
) -> None:
    """Give an image a scale bar, or ticks where its units have none.

    The bar gives way to a mark at coordinates ``marked`` (y, x).
    """
    y, x = axes
    thin_frame(ax)
    if y.units == x.units and x.units in BAR_UNITS:
        ax.set_xticks([])
        ax.set_yticks([])
        scale_bar(ax, x.units, ink, right=marked is not None and lies_left_below(ax, *marked))
        return
    ax.tick_params(labelsize=SMALL)
    ax.set_xlabel(with_unit(x.name, x.units), fontsize=TEXT)
    ax.set_ylabel(with_unit(y.name, y.units), fontsize=TEXT)


def labels(ax: Axes, values: HostArray, axes: tuple[Axis, ...], colors: HostArray) -> None:
    """Show labels (y, x), or those of a line, in the colours of their classes; -1 is grey."""
    from matplotlib.colors import BoundaryNorm, ListedColormap

    n = len(colors)
    if len(axes) == 1:
        shades = np.concatenate([colors, [GREY]])[values]
        ax.scatter(axes[0].values, values, s=6, c=shades)
        plain_axes(ax)
        ax.set_yticks(range(n))
        ax.set_xlabel(with_unit(axes[0].name, axes[0].units), fontsize=TEXT)
        return
    norm = BoundaryNorm(np.arange(n + 1) - 0.5, n)
    masked = np.where(values < 0, np.nan, values)
    shown = show_image(ax, masked, axes, ListedColormap(colors).with_extremes(bad=GREY), norm)
    finish_axes(ax, axes)
    bar = color_bar(ax, shown, ratio(axes))
    bar.set_ticks(list(range(n)), labels=[str(i) for i in range(n)])
    bar.ax.invert_yaxis()
    bar.ax.tick_params(length=0)


def curve(ax: Axes, values: HostArray, axis: Axis, color: Color = "black") -> None:
    """Show values along one axis as a line, broken where they are NaN."""
    from matplotlib.ticker import MaxNLocator

    few = axis.size <= 40
    ax.plot(
        axis.values, values, color=color, linewidth=1, marker="." if few else None, markersize=4
    )
    plain_axes(ax)
    if np.array_equal(axis.values, np.rint(axis.values)):
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel(with_unit(axis.name, axis.units), fontsize=TEXT)


def plain_axes(ax: Axes) -> None:
    """Thin lines and small, short numbers; no frame where no axis is."""
    from matplotlib.ticker import FuncFormatter

    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(FuncFormatter(short))
    ax.tick_params(labelsize=SMALL, width=0.6)
    for side, spine in ax.spines.items():
        spine.set_linewidth(0.6)
        spine.set_visible(side in ("left", "bottom"))


def thin_frame(ax: Axes) -> None:
    """Thin lines around an image."""
    for spine in ax.spines.values():
        spine.set_linewidth(0.6)


def colored_frame(ax: Axes, color: Color) -> None:
    """Draw the frame of a panel in the colour of its class."""
    for spine in ax.spines.values():
        spine.set_visible(True)
        spine.set_color(color)
        spine.set_linewidth(2)


def title(ax: Axes, text: str) -> None:
    """Write the title of a panel."""
    ax.set_title(text, fontsize=TITLE, pad=4)
