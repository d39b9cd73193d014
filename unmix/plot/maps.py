"""Each map beside its component."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._arrays import to_host
from .._axes import Axis
from .._endmembers import Endmembers
from .._results import Clusters, PrincipalComponents
from .._typing import HostArray
from .._unmixing import Unmixing
from . import _bars as bars
from . import _panels as panels
from . import _style as style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

HEIGHT = 1.75
"""Height of a panel in inches."""
ABOVE, BESIDE, BETWEEN = 0.35, 0.65, 0.25
"""What a title, a colour bar and the gap between pairs take."""
SHAPE = 1.4
"""Width over height that figures come close to."""


class Scale(NamedTuple):
    """How values become colours."""

    colors: str
    norm: Normalize


def unmixing(
    model: Unmixing,
    *,
    log: bool = True,
    n: int | None = None,
    frame: int = 0,
    percentiles: tuple[float, float] | None = None,
) -> Figure:
    """Draw each map beside its component.

    Parameters
    ----------
    model : Unmixing
        Any result. Maps and components with two axes become images with scale bars, those with one
        axis curves. Clusters have one map, of labels, and the frames of their centres its colours.
    log : bool
        Logarithmic colours for components that are not negative.
    n : int, optional
        How many components to show. Default: all.
    frame : int
        Which frame of a map (frame, y, x) to show.
    percentiles : (float, float), optional
        Colours of each map reach from one to the other percentile of its values. Default: over all.

    Returns
    -------
    matplotlib.figure.Figure
        What was left out is grey. Principal components are white at zero; the others share one
        scale. A circle marks the sample that an endmember was taken at.

    Raises
    ------
    ParameterError
        If ``n``, ``frame`` or ``percentiles`` are out of range.
    BackendError
        If matplotlib is not installed.

    Examples
    --------
    >>> import unmix as um
    >>> scene = um.synthetic.two_phases((128, 160))
    >>> samples = um.window_fft(um.sliding_windows(scene.image, 32, 16))
    >>> figure = um.plot.unmixing(um.pca(samples, 3), n=2)
    >>> len(figure.axes), figure.axes[0].get_title()
    (4, 'Component 0')
    """
    n = style.chosen(n, len(model))
    map_axes, axes = model.layout.map_axes[-2:], model.layout.descriptor_axes
    maps = panels.frame_of(to_host(model.maps), len(model.layout.map_axes), frame)[:n]
    components = to_host(model.components)[:n]
    style.require_matplotlib()
    scales = component_scales(model, components, log)
    if isinstance(model, Clusters):
        return _clusters(model, components, scales, frame)
    wide = _width(map_axes) + _width(axes)
    rows, columns = _grid(n, wide)
    figure = style.new_figure(columns * (wide + BETWEEN) - BETWEEN, rows * (HEIGHT + ABOVE))
    ratios = ([_width(map_axes), _width(axes), BETWEEN] * columns)[:-1]
    places = figure.add_gridspec(rows, len(ratios), width_ratios=ratios)
    for i in range(n):
        row, column = divmod(i, columns)
        ax = figure.add_subplot(places[row, 3 * column])
        place = _place(model, i, frame)
        scale = map_scale(model, maps[i])
        if percentiles is not None:
            scale = Scale(scale.colors, style.percentile_norm(maps[i], percentiles))
        draw(ax, maps[i], map_axes, scale, marked=place)
        panels.title(ax, model.name(i))
        _mark(ax, place)
        ax = figure.add_subplot(places[row, 3 * column + 1])
        draw(ax, components[i], axes, scales[i])
        panels.title(ax, _subtitle(model, i))
    return figure


def _clusters(model: Clusters, centers: HostArray, scales: list[Scale], frame: int) -> Figure:
    """Draw the map of labels, and each centre in a frame of its colour."""
    map_axes, axes = model.layout.map_axes, model.layout.descriptor_axes
    labels = panels.frame_of(to_host(model.labels)[None, ...], len(map_axes), frame)[0]
    colors = style.colors_of(model.color_numbers)
    few = len(centers) <= 3
    rows, columns = (1, len(centers)) if few else _grid(len(centers), _width(axes))
    tall = HEIGHT * (1 if few else 1.5)
    ratios = [tall * panels.aspect(map_axes[-2:]) + BESIDE, *[_width(axes)] * columns]
    figure = style.new_figure(sum(ratios), rows * (HEIGHT + ABOVE))
    places = figure.add_gridspec(rows, columns + 1, width_ratios=ratios)
    ax = figure.add_subplot(places[:, 0], anchor="N")
    panels.labels(ax, labels, map_axes[-2:], colors)
    panels.title(ax, "Labels")
    counts = np.bincount(to_host(model.labels).ravel() + 1, minlength=len(model) + 1)[1:]
    for i, center in enumerate(centers):
        row, column = divmod(i, columns)
        ax = figure.add_subplot(places[row, column + 1])
        draw(ax, center, axes, scales[i], color=colors[i])
        panels.colored_frame(ax, colors[i])
        panels.title(ax, f"{model.name(i)}: {style.percent(counts[i] / counts.sum())}")
    return figure


def _width(axes: tuple[Axis, ...]) -> float:
    """Width in inches of a panel with what stands beside it."""
    return HEIGHT * panels.aspect(axes) + BESIDE


def _grid(n: int, width: float) -> tuple[int, int]:
    """Rows and columns for ``n`` panels, near to a good shape and with few empty places."""

    def penalty(columns: int) -> float:
        rows = -(-n // columns)
        shape = columns * width / (rows * (HEIGHT + ABOVE))
        return abs(math.log(shape / SHAPE)) + 0.3 * (rows * columns - n)

    columns = min(range(1, n + 1), key=penalty)
    return -(-n // columns), columns


def map_scale(model: Unmixing, values: HostArray) -> Scale:
    """Fractions from 0 to 1, others over their range; white at zero where there are both signs."""
    if isinstance(model, PrincipalComponents) or _has_both_signs(values):
        return Scale(style.SIGNED, style.signed_norm(values))
    fractions = isinstance(model, Endmembers) and model.constraint == "sum_to_one"
    return Scale(style.MAP, style.linear_norm(np.array([0.0, 1.0]) if fractions else values))


def component_scales(model: Unmixing, components: HostArray, log: bool) -> list[Scale]:
    """Give each principal component its own scale, and the components of other models one."""
    if isinstance(model, PrincipalComponents):
        return [Scale(style.SIGNED, style.signed_norm(c)) for c in components]
    return [shared_scale(components, log)] * len(components)


def shared_scale(components: HostArray, log: bool) -> Scale:
    """One scale for all components (k, ...): logarithmic if asked for and nothing is negative."""
    norm = style.log_norm(components) if log and components.ndim == 3 else None
    if norm is not None:
        return Scale(style.SPECTRUM, norm)
    if _has_both_signs(components):
        return Scale(style.SIGNED, style.signed_norm(components))
    return Scale(style.SPECTRUM, style.linear_norm(components))


def _has_both_signs(values: HostArray) -> bool:
    """Tell whether values reach farther below zero than noise takes abundances and endmembers."""
    low, high = style.finite_range(values)
    return low < -style.NEGLIGIBLE * max(high, 0.0)


def draw(
    ax: Axes,
    values: HostArray,
    axes: tuple[Axis, ...],
    scale: Scale,
    *,
    color: panels.Color = "black",
    marked: HostArray | None = None,
) -> None:
    """Draw a map or a component as an image or as a curve."""
    norm: Any = scale.norm
    if len(axes) != 2:
        whole = Axis.regular("entry", values.size, units="")
        panels.curve(ax, values.ravel(), axes[0] if len(axes) == 1 else whole, color)
        margin = 0.05 * (norm.vmax - norm.vmin)
        ax.set_ylim(norm.vmin - margin, norm.vmax + margin)
        return
    if style.is_log(norm):  # zero has no logarithm, but the colour of the smallest
        values = np.clip(values, norm.vmin, None)
    shown = panels.show_image(ax, values, axes, style.color_map(scale.colors), norm)
    panels.finish_axes(ax, axes, "black" if scale.colors == style.SIGNED else "white", marked)
    bars.color_bar(ax, shown, panels.ratio(axes))


def _subtitle(model: Unmixing, number: int) -> str:
    """What the title of a component adds to that of its map."""
    if isinstance(model, PrincipalComponents):
        return f"{style.percent(float(model.explained_variance_ratio[number]))} of variance"
    if not isinstance(model, Endmembers) or model.positions is None:
        return ""
    axes = model.layout.map_axes
    places = [
        f"{a.name.removeprefix('grid_').removeprefix('scan_')} {p:.5g}"
        for a, p in zip(axes, model.positions[number], strict=True)
    ]
    lines = [", ".join(part) for part in (places[:-2], places[-2:]) if part]  # as wide as a panel
    return ("taken at " + ",\n".join(lines) + f" {style.unit_text(axes[-1].units)}").rstrip()


def _place(model: Unmixing, number: int, frame: int) -> HostArray | None:
    """Coordinates (y, x) of where an endmember was taken, if that is in this frame."""
    if not isinstance(model, Endmembers) or model.indices is None or model.positions is None:
        return None
    shape = model.layout.map_shape
    if len(shape) < 2 or int(model.indices[number]) // (shape[-2] * shape[-1]) != frame:
        return None
    return np.asarray(model.positions[number][-2:])


def _mark(ax: Axes, place: HostArray | None) -> None:
    """Draw a circle, white and black, around a place."""
    if place is None:
        return
    for color, width in (("black", 2.2), ("white", 1.0)):
        ax.plot(
            place[1:],
            place[:1],
            marker="o",
            markersize=6,
            fillstyle="none",
            linestyle="none",
            color=color,
            markeredgewidth=width,
            clip_on=False,
        )
