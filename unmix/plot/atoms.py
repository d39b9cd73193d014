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
        The legend counts the sites of each class. All of a class are one artist, so that 10,000
        take no longer to draw than an image.

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
    for i in (*range(n), -1):
        members = places[classes == i]
        if len(members):
            color = style.GREY if i < 0 else colors[i]
            name = "None" if i < 0 else names[i]
            _discs(ax, members, size, color, f"{name}: {len(members)}")
    panels.finish_axes(ax, view, "white" if grey is not None else "black")
    figure.legend(
        handles=ax.collections,
        loc="outside right upper",
        frameon=False,
        fontsize=style.TEXT,
        ncols=1 + (len(ax.collections) - 1) // 16,
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
        ends = [(a - margin, b + margin) for a, b in zip(low, high, strict=True)]
        y, x = (Axis(n, np.array(e), "px") for n, e in zip("yx", ends, strict=True))
        return (y, x), None
    samples = as_image(image)
    if len(samples.layout.map_axes) != 2:
        raise ShapeError(
            f"the image has the shape {samples.layout.map_shape}; expected (y, x): choose a frame"
        )
    y, x = samples.layout.map_axes
    return (y, x), to_host(samples.to_array()).astype(float)


def _discs(ax: Any, places: HostArray, size: float, color: Any, label: str) -> None:
    """Draw discs of one size and colour."""
    from matplotlib.collections import EllipseCollection

    diameters = np.full(len(places), size)
    discs = EllipseCollection(
        diameters,
        diameters,
        np.zeros(len(places)),
        units="xy",
        offsets=places[:, ::-1],
        offset_transform=ax.transData,
        facecolors=[color],
        linewidths=0,
        label=label,
    )
    ax.add_collection(discs, autolim=False)
