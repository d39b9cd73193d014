"""What several methods find in the same samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._arrays import to_host
from . import _panels as panels
from . import _style as style
from .maps import component_scales, draw, map_scale

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..decompose.compare import Comparison

HEIGHT, WIDEST, LOWEST = 1.6, 15.0, 0.6
"""Height of a panel in inches, unless the figure is wider than the second; but no lower."""
CAPTION, ABOVE, BESIDE = 0.25, 0.3, 0.55
"""What the words above a row, a title and a colour bar take."""


def compare(
    comparison: Comparison, *, log: bool = True, n: int | None = None, frame: int = 0
) -> Figure:
    """Draw the maps and components of several methods, like ones below each other.

    Parameters
    ----------
    comparison : Comparison
        From `unmix.compare`.
    log : bool
        Logarithmic colours for components that are not negative.
    n : int, optional
        How many columns to show. Default: as many as fit on a screen.
    frame : int
        Which frame of maps (frame, y, x) to show.

    Returns
    -------
    matplotlib.figure.Figure
        A row for each method under its name and figures: each map beside its component. What has
        both signs is white at zero.

    Raises
    ------
    ParameterError
        If ``n`` or ``frame`` is out of range.
    BackendError
        If matplotlib is not installed.

    Examples
    --------
    >>> import unmix as um
    >>> scene = um.synthetic.two_phases((128, 160))
    >>> samples = um.window_fft(um.sliding_windows(scene.image, 32, 16))
    >>> found = um.compare(samples, {"PCA": lambda s: um.pca(s, 2)})
    >>> [ax.get_title() for ax in um.plot.compare(found).axes[1:]]
    ['Map 0', 'Component 0', 'Map 1', 'Component 1']
    """
    models = list(comparison.models.values())
    layout = models[0].layout
    widths = [panels.aspect(axes) for axes in (layout.map_axes[-2:], layout.descriptor_axes)]
    if n is None:
        fit = int(WIDEST / (LOWEST * sum(widths) + 2 * BESIDE))
        n = min(comparison.columns.shape[1], max(fit, 1))
    n = style.chosen(n, comparison.columns.shape[1])
    height = max(min(HEIGHT, (WIDEST / n - 2 * BESIDE) / sum(widths)), LOWEST)
    wide = [height * w + BESIDE for w in widths]
    figure = style.new_figure(n * sum(wide), len(models) * (height + CAPTION + ABOVE))
    places = figure.add_gridspec(
        2 * len(models),
        2 * n,
        width_ratios=wide * n,
        height_ratios=[CAPTION, height + ABOVE] * len(models),
    )
    for i, (name, model) in enumerate(comparison.models.items()):
        caption = figure.add_subplot(places[2 * i, :])
        caption.set_axis_off()
        words = _words(comparison, i, name)
        caption.text(0, 0.5, words, fontsize=style.TITLE, va="center", weight="bold")
        maps = panels.frame_of(to_host(model.maps), len(layout.map_axes), frame)
        components = to_host(model.components)
        scales = component_scales(model, components, log)
        for column, number in enumerate(comparison.columns[i, :n]):
            if number < 0:
                continue
            ax = figure.add_subplot(places[2 * i + 1, 2 * column])
            draw(ax, maps[number], layout.map_axes[-2:], map_scale(model, maps[number]))
            panels.title(ax, f"Map {number}")
            ax = figure.add_subplot(places[2 * i + 1, 2 * column + 1])
            draw(ax, components[number], layout.descriptor_axes, scales[number])
            panels.title(ax, f"Component {number}")
    return figure


def _words(comparison: Comparison, number: int, name: str) -> str:
    """Name of a method, with its figures."""
    maps, components = comparison.negative_maps[number], comparison.negative_components[number]
    figures = [
        f"error {style.percent(comparison.error[number])}",
        f"below zero {style.percent(maps)} of maps and {style.percent(components)} of components",
        f"smoothness {comparison.smoothness[number]:.2f}",
    ]
    if not np.isfinite(comparison.smoothness[number]):
        figures.pop()
    return f"{name}: {', '.join(figures)}"
