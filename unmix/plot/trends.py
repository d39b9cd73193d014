"""Classes in numbers: areas along frames, trees of centres, silhouettes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .._arrays import is_array, to_host
from .._axes import Axis
from .._errors import ShapeError
from .._typing import Array, HostArray
from ..maps import AreaFractions, Hierarchy, Silhouette
from . import _panels as panels
from . import _style as style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def area_fractions(
    found: AreaFractions, along: Array | None = None, *, label: str | None = None
) -> Figure:
    """Draw the area fraction of each class along the frames, with its errors.

    Parameters
    ----------
    found : AreaFractions
        From `unmix.area_fractions`.
    along : array, optional
        A coordinate of the frames, such as the temperature. Lines are dashed where it falls, as on
        cooling. Default: that of their axis.
    label : str, optional
        What it is, with its unit.

    Returns
    -------
    matplotlib.figure.Figure
        Each class in its colour, in a band of its intervals; of one image, bars with these.

    Raises
    ------
    ShapeError
        If there is more than one axis of frames, or not one coordinate for each.
    BackendError
        If matplotlib is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> labels = np.random.default_rng(0).integers(0, 2, (9, 20, 24))
    >>> frames = um.samples(np.zeros(labels.shape), 3)
    >>> found = um.area_fractions(um.regions(frames, labels, names=["film", "substrate"]))
    >>> um.plot.area_fractions(found, 25 + 5 * np.arange(9), label="Temperature (K)").axes[0]
    <Axes: xlabel='Temperature (K)', ylabel='Area fraction'>
    """
    style.require_matplotlib()
    figure = style.new_figure(4.6, 2.6)
    ax = figure.add_subplot()
    colors = style.colors_of(found.colors)
    if not found.axes:
        places = np.arange(len(found))
        ends = np.abs(np.stack([found.low, found.high]) - found.fractions)
        ax.bar(places, found.fractions, color=colors, width=0.7)
        ax.errorbar(places, found.fractions, ends, fmt="none", ecolor="black", capsize=3, lw=0.8)
        panels.plain_axes(ax)
        ax.set_xticks(places, found.names)
    else:
        axis = _coordinate(found, along, label)
        ways = branches(axis.values)
        keys = []
        for i, color in enumerate(colors):
            for part, falls in ways:
                at, low, high = axis.values[part], found.low[i, part], found.high[i, part]
                ax.fill_between(at, low, high, color=color, alpha=0.15, linewidth=0)
                panels.curve(ax, found.fractions[i, part], replace(axis, values=at), color)
                ax.lines[-1].set_linestyle("--" if falls else "-")
            keys.append(ax.lines[-len(ways)])
            keys[-1].set_label(found.names[i])
        figure.legend(handles=keys, loc="outside right upper", frameon=False, fontsize=style.TEXT)
    ax.set_ylim(-0.02, 1.02)
    ax.set_ylabel("Area fraction", fontsize=style.TEXT)
    return figure


def branches(values: HostArray) -> list[tuple[slice, bool]]:
    """Parts of a coordinate that goes up and down, and whether it falls there; ends are shared."""
    signs = np.sign(np.diff(values))
    moving = np.flatnonzero(signs)
    turns = moving[1:][np.diff(signs[moving]) != 0]
    starts, stops = [0, *turns.tolist()], [*turns.tolist(), len(values) - 1]
    first = [moving[moving >= a][:1] for a in starts]
    falls = [bool(len(m)) and bool(signs[m[0]] < 0) for m in first]
    return [(slice(a, b + 1), f) for a, b, f in zip(starts, stops, falls, strict=True)]


def _coordinate(found: AreaFractions, along: Any, label: str | None) -> Axis:
    if len(found.axes) > 1:
        raise ShapeError(
            f"the fractions have the shape {found.fractions.shape}; expected one axis of frames"
        )
    axis = found.axes[0]
    if along is not None:
        values = np.asarray(to_host(along) if is_array(along) else along, float)
        if values.shape != (axis.size,):
            raise ShapeError(
                f"along has shape {values.shape}; expected one coordinate for each of {axis.size} "
                "frames"
            )
        axis = Axis(axis.name, values, "")
    if label is not None:
        axis = Axis(label, axis.values, "")
    return axis


def dendrogram(tree: Hierarchy) -> Figure:
    """Draw which components join first.

    Parameters
    ----------
    tree : Hierarchy
        From `unmix.hierarchy`.

    Returns
    -------
    matplotlib.figure.Figure
        A fork where two groups join, at their distance; a square in the colour of each component.

    Raises
    ------
    BackendError
        If matplotlib is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> model = um.kmeans(np.random.default_rng(0).random((60, 4)), 5, rng=0)
    >>> um.plot.dendrogram(um.hierarchy(model)).axes[0].get_xlabel()
    'Distance (ward)'
    """
    style.require_matplotlib()
    from scipy.cluster.hierarchy import dendrogram as forks

    k = len(tree.names)
    figure = style.new_figure(4.0, 0.6 + 0.22 * k)
    ax = figure.add_subplot()
    drawn = forks(tree.linkage, no_plot=True)
    for places, heights in zip(drawn["icoord"], drawn["dcoord"], strict=True):
        ax.plot(heights, places, color="black", linewidth=1, solid_capstyle="projecting")
    panels.plain_axes(ax)
    ax.set_ylim(10 * k, 0)
    ax.set_xlim(1.02 * tree.linkage[-1, 2], 0)
    ax.yaxis.tick_right()
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
    ax.set_yticks(5 + 10 * np.arange(k), [tree.names[i] for i in drawn["leaves"]])
    colors = style.colors_of(tree.colors)[drawn["leaves"]]
    squares: Any = {"marker": "s", "s": 30, "clip_on": False, "zorder": 3}
    ax.scatter(np.zeros(k), 5 + 10 * np.arange(k), c=colors, **squares)
    ax.set_xlabel(f"Distance ({tree.method})", fontsize=style.TEXT)
    return figure


def silhouette(found: Silhouette) -> Figure:
    """Draw how well each sample fits into its class.

    Parameters
    ----------
    found : Silhouette
        From `unmix.silhouette`.

    Returns
    -------
    matplotlib.figure.Figure
        Samples of each class in falling order, in its colour; the dashed line is the mean of all.

    Raises
    ------
    BackendError
        If matplotlib is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> table = np.random.default_rng(0).random((60, 4))
    >>> figure = um.plot.silhouette(um.silhouette(table, um.kmeans(table, 3, rng=0)))
    >>> [text.get_text() for text in figure.axes[0].get_yticklabels()]
    ['Cluster 0: 0...', 'Cluster 1: 0...', 'Cluster 2: 0...']
    """
    style.require_matplotlib()
    present = np.unique(found.labels).tolist()
    figure = style.new_figure(4.0, 1.0 + 0.35 * len(present))
    ax = figure.add_subplot()
    colors, means = style.colors_of(found.colors), found.classes
    start, middles = 0.0, []
    gap = 0.02 * len(found.values)
    for i in present:
        values = np.sort(found.values[found.labels == i])[::-1]
        _steps(ax, start, values, colors[i])
        middles.append(start + len(values) / 2)
        start += len(values) + gap
    panels.plain_axes(ax)
    ax.axvline(found.score, color="black", linewidth=1, linestyle="--")
    ax.axvline(0, color="black", linewidth=0.6)
    ax.set_ylim(start - gap, 0)
    ax.set_yticks(middles, [f"{found.names[i]}: {means[i]:.2f}" for i in present])
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel(f"Silhouette (mean {found.score:.2f})", fontsize=style.TEXT)
    return figure


def _steps(ax: Any, start: float, values: HostArray, color: HostArray) -> None:
    """Fill the values of samples one below the other."""
    edges = start + np.arange(len(values) + 1)
    ax.fill_betweenx(edges, 0, np.append(values, values[-1]), step="post", color=color, linewidth=0)
