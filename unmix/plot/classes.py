"""Maps of classes, each in its colour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._arrays import to_host
from .._errors import ParameterError
from .._results import Clusters
from .._samples import Samples
from .._typing import Array, HostArray
from ..layout import field_of_view
from ..maps import Regions
from . import _panels as panels
from . import _style as style
from .overlay import BESIDE, HEIGHT, finish, ground, image_of, window_key

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

MOST_KEYS = 16
"""Entries of a column of the legend."""


def labels(
    regions: Regions | Clusters, image: Samples | Array | None = None, *, frame: int = 0
) -> Figure:
    """Draw the class of each entry of a map.

    Parameters
    ----------
    regions : Regions or Clusters
        Labels of others become regions by `unmix.regions`.
    image : Samples or array, optional
        What the samples were taken from: it is drawn beside the map, and under it where no sample
        lies.
    frame : int
        Which frame of a map (frame, y, x), and of a stack of images, to show.

    Returns
    -------
    matplotlib.figure.Figure
        The legend names the classes of the frame and their parts of what takes part, as
        `unmix.area_fractions` counts them; pieces are in the colours of their classes, with white
        lines between. What is unclassified, or left out, is grey.

    Raises
    ------
    ParameterError
        If these are no regions, or ``frame`` is out of range.
    ShapeError
        If the image has another size than that of the map.
    BackendError
        If matplotlib is not installed.

    Examples
    --------
    >>> import unmix as um
    >>> scene = um.synthetic.two_phases((128, 160))
    >>> model = um.kmeans(um.window_fft(um.sliding_windows(scene.image, 32, 16)), 2)
    >>> figure = um.plot.labels(um.classify(model), scene.image)
    >>> len(figure.axes), len(figure.legends[0].get_texts())
    (2, 3)
    """
    if not isinstance(regions, (Regions, Clusters)):
        raise ParameterError(
            f"expected regions or clusters, but got {type(regions).__name__}; lay labels on their "
            "map with unmix.regions(samples, labels)"
        )
    layout = regions.layout
    whole = to_host(regions.labels)
    shown = panels.frame_of(whole[None, ...], len(layout.map_axes), frame)[0]
    style.require_matplotlib()
    view, grey = field_of_view(layout), None
    if image is not None:
        grey = image_of(image, layout, frame)
    columns = 1 if grey is None else 2
    part = np.ones(layout.map_shape, bool) if layout.mask is None else layout.mask
    kept = panels.frame_of(part[None, ...], len(layout.map_axes), frame)[0]
    keys = [*_keys(regions, shown[kept]), *window_key(layout)]
    beside = BESIDE * (1 + (len(keys) - 1) // MOST_KEYS)
    width = columns * (HEIGHT * panels.aspect(view) + 0.1) + beside
    figure = style.new_figure(width, HEIGHT)
    axes = figure.subplots(1, columns, squeeze=False)[0]
    for ax in axes:
        ground(ax, view, grey)
    panels.show_image(axes[-1], painted(regions, shown), layout.map_axes[-2:], gid="labels")
    for ax in axes:
        finish(ax, view, layout)
    figure.legend(
        handles=keys,
        loc="outside right upper",
        frameon=False,
        fontsize=style.TEXT,
        ncols=1 + (len(keys) - 1) // MOST_KEYS,
    )
    return figure


def painted(regions: Regions | Clusters, labels: HostArray) -> HostArray:
    """Colours (y, x, 3) of labels (y, x)."""
    colors = np.concatenate([style.colors_of(regions.color_numbers), [style.GREY]])
    return np.asarray(colors[labels])


def _keys(regions: Regions | Clusters, labels: HostArray) -> list[Patch]:
    """Entries of the legend: each class of a name and colour, and its part of the labels."""
    from matplotlib.patches import Patch

    none, *counts = np.bincount(labels + 1, minlength=len(regions) + 1).tolist()
    parts: dict[tuple[str, int], int] = {}
    for i, count in enumerate(counts):
        key = (regions.name(i), regions.color_numbers[i])
        parts[key] = parts.get(key, 0) + count
    colors = style.class_colors(max((c for _, c in parts), default=0) + 1)
    entries = [(name, colors[color], count) for (name, color), count in parts.items()]
    return [
        Patch(color=color, label=f"{name}: {style.percent(count / labels.size)}")
        for name, color, count in [*entries, ("Unclassified", style.GREY, none)]
        if count
    ]
