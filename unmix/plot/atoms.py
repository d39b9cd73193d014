"""Atoms, or other sites, in the colours of their classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._arrays import is_array, to_host
from .._axes import Axis
from .._door import as_image
from .._errors import ParameterError, ShapeError
from .._results import Clusters
from .._samples import Samples
from .._typing import Array, HostArray
from . import _panels as panels
from . import _style as style

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

HEIGHT, BESIDE = 3.4, 1.1


def sites(
    positions: Array,
    labels: Clusters | Array,
    image: Samples | Array | None = None,
    *,
    size: float | None = None,
    names: Sequence[str] | None = None,
) -> Figure:
    """Draw sites at their places, each in the colour of its class.

    Parameters
    ----------
    positions : array
        Coordinates (n, 2), (y, x), in the unit of the image.
    labels : Clusters or array
        Class of each site, (n,): of a model of samples along one axis of sites, or whole numbers,
        negative where there is none; these sites are grey.
    image : Samples or array, optional
        What they were found in, (y, x), drawn below in grey.
    size : float, optional
        Diameter of a disc in the unit of the positions. Default: 0.7 of the distance that as many
        sites have on a square grid.
    names : sequence of str, optional
        Of the classes. Default: those of the model, or "Class 0" and so on.

    Returns
    -------
    matplotlib.figure.Figure
        The legend counts the sites of each class. All sites are one artist, so that 10,000 are
        drawn in a fraction of a second.

    Raises
    ------
    ShapeError
        If positions and labels do not fit each other, or the image is a stack.
    ParameterError
        If labels are no whole numbers, or positions not finite, or there are too few names.
    BackendError
        If matplotlib is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> rng = np.random.default_rng(0)
    >>> figure = um.plot.sites(rng.random((500, 2)), rng.integers(-1, 3, 500))
    >>> [text.get_text() for text in figure.legends[0].get_texts()]
    ['Class 0: ...', 'Class 1: ...', 'Class 2: ...', 'None: ...']
    """
    places, classes = _checked(positions, labels)
    n = int(classes.max(initial=-1)) + 1
    if isinstance(labels, Clusters):
        n, colors = len(labels), style.colors_of(labels.color_numbers)
        names = [labels.name(i) for i in range(n)] if names is None else names
    else:
        colors = style.class_colors(n)
        names = [f"Class {i}" for i in range(n)] if names is None else names
    if len(names) < n:
        raise ParameterError(f"names are {names!r}; expected one for each of {n} classes")
    view, grey = _view(places, image)
    style.require_matplotlib()
    figure = style.new_figure(HEIGHT * panels.aspect(view) + BESIDE, HEIGHT)
    ax = figure.add_subplot()
    if grey is None:
        panels.show_image(ax, np.ones((1, 1, 3)), view)
    else:
        low, high = np.nanquantile(grey, (0.005, 0.995))
        panels.show_image(ax, grey, view, "gray", vmin=low, vmax=high)
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    if size is None:
        size = 0.7 * float(np.sqrt(abs((right - left) * (top - bottom)) / max(len(places), 1)))
    counts = np.bincount(classes + 1, minlength=n + 1)
    shades, called = np.concatenate([[style.GREY], colors]), ["None", *names]
    _discs(ax, places, size, shades[classes + 1])
    panels.finish_axes(ax, view, "white" if grey is not None else "black")
    figure.legend(
        handles=[
            _key(shades[i], f"{called[i]}: {counts[i]}") for i in (*range(1, n + 1), 0) if counts[i]
        ],
        loc="outside right upper",
        frameon=False,
        fontsize=style.TEXT,
        ncols=1 + (n - 1) // 16,
    )
    return figure


def _checked(positions: Any, labels: Any) -> tuple[HostArray, HostArray]:
    """Return places (n, 2) and classes (n,) on the host."""
    given = labels.labels if isinstance(labels, Clusters) else labels
    places, classes = (np.asarray(to_host(v) if is_array(v) else v) for v in (positions, given))
    if places.ndim != 2 or places.shape[1] != 2 or classes.shape != places.shape[:1]:
        raise ShapeError(
            f"positions have shape {places.shape} and labels {classes.shape}; expected (n, 2), "
            "(y, x), and (n,)"
        )
    if classes.dtype.kind not in "iu" or not np.isfinite(places).all() or not len(places):
        raise ParameterError(
            f"labels have dtype {classes.dtype}, and {int((~np.isfinite(places)).sum())} of "
            f"{places.size} coordinates are not finite; expected whole numbers at known places"
        )
    return places.astype(float), np.where(classes < 0, -1, classes)


def _view(places: HostArray, image: Any) -> tuple[tuple[Axis, Axis], HostArray | None]:
    """Axes of what is shown, and the image below."""
    if image is None:
        low, high = places.min(axis=0), places.max(axis=0)
        margin = 0.03 * max(*(high - low), 1e-12)
        quarters = np.array([[0.75, 0.25], [0.25, 0.75]])  # middles of two pixels that cover all
        ends = np.stack([low - margin, high + margin])
        y, x = (Axis(n, quarters @ ends[:, i], "px") for i, n in enumerate("yx"))
        return (y, x), None
    samples = as_image(image, finite=False)
    if len(samples.layout.map_axes) != 2:
        raise ShapeError(
            f"the image has the shape {samples.layout.map_shape}; expected (y, x): choose a frame"
        )
    y, x = samples.layout.map_axes
    return (y, x), to_host(samples.to_array()).astype(float)


def _key(color: HostArray, label: str) -> Line2D:
    """Return an entry of the legend."""
    from matplotlib.lines import Line2D

    return Line2D(
        [], [], marker="o", linestyle="none", markersize=5, color=tuple(color), label=label
    )


def _discs(ax: Any, places: HostArray, size: float, colors: HostArray) -> None:
    """Draw discs of one size, in the unit of the axes: one path, laid at all places."""
    from matplotlib.collections import PathCollection
    from matplotlib.path import Path
    from matplotlib.transforms import Affine2D, AffineDeltaTransform

    discs = PathCollection(
        [Path.unit_circle()],
        offsets=places[:, ::-1],
        offset_transform=ax.transData,
        transform=Affine2D().scale(size / 2) + AffineDeltaTransform(ax.transData),
        facecolors=colors,
        linewidths=0,
        gid="sites",
    )
    ax.add_collection(discs, autolim=False)
