"""An image, its darkest and brightest pixels cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._arrays import to_host
from .._door import as_image
from .._samples import Samples
from .._typing import Array
from . import _bars as bars
from . import _panels as panels
from . import _style as style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEIGHT, BESIDE = 3.0, 0.4


def image(
    image: Samples | Array,
    *,
    percentiles: tuple[float, float] = (0.5, 99.5),
    colors: str = "gray",
    frame: int = 0,
) -> Figure:
    """Draw an image, or a map.

    Parameters
    ----------
    image : Samples or array
        (..., y, x).
    percentiles : (float, float)
        Black and white are these percentiles of the values of the frame.
    colors : str
        Name of a colour map of matplotlib.
    frame : int
        Which frame of a stack to show.

    Returns
    -------
    matplotlib.figure.Figure
        With a scale bar where the axes have a length, and what is NaN in grey.

    Raises
    ------
    ParameterError
        If ``percentiles`` or ``frame`` are out of range.
    BackendError
        If matplotlib is not installed.

    Examples
    --------
    >>> import unmix as um
    >>> figure = um.plot.image(um.synthetic.two_phases((96, 128)).image, percentiles=(1, 99))
    >>> figure.axes[0].get_images()[0].get_array().shape
    (96, 128)
    """
    samples = as_image(image, finite=False)
    axes = samples.layout.map_axes
    values = to_host(samples.to_array())[None, ...]
    pixels = panels.frame_of(np.asarray(values, float), len(axes), frame)[0]
    style.require_matplotlib()
    norm = style.percentile_norm(pixels, percentiles)
    figure = style.new_figure(HEIGHT * panels.aspect(axes[-2:]) + BESIDE, HEIGHT)
    ax = figure.add_subplot()
    shown = panels.show_image(ax, pixels, axes[-2:], style.color_map(colors), norm)
    panels.finish_axes(ax, axes[-2:])
    bars.color_bar(ax, shown, panels.ratio(axes[-2:]))
    return figure
