"""The windows that stand for each component, in real space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._arrays import to_host
from . import _bars as bars
from . import _panels as panels
from . import _style as style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..reading import Representatives

SIDE, BETWEEN = 1.15, 0.08
"""Height of a window and space beside it in inches."""


def representatives(reps: Representatives) -> Figure:
    """Draw the windows nearest to each component, and their average.

    Parameters
    ----------
    reps : Representatives
        From `unmix.representatives`.

    Returns
    -------
    matplotlib.figure.Figure
        A row for each component: the average in a frame of the component's colour, then the
        windows, the nearest first. All windows have one grey scale. Each average has its own: it is
        weaker where the windows are not in register.

    Raises
    ------
    BackendError
        If matplotlib is not installed.

    Examples
    --------
    >>> import unmix as um
    >>> scene = um.synthetic.two_phases((128, 160))
    >>> model = um.kmeans(um.window_fft(um.sliding_windows(scene.image, 32, 16)), 2)
    >>> figure = um.plot.representatives(um.representatives(model, scene.image, 3))
    >>> len(figure.axes)
    8
    """
    windows, average = to_host(reps.windows), to_host(reps.average)
    k, n = windows.shape[:2]
    axes = reps.axes
    colors = style.colors_of(reps.colors)
    wide = SIDE * panels.aspect(axes) + BETWEEN
    figure = style.new_figure((n + 1) * wide + 0.25, k * (SIDE + BETWEEN) + 0.3)
    grid = figure.subplots(k, n + 1, squeeze=False)
    low, high = np.quantile(windows, (0.005, 0.995))
    for i in range(k):
        own = np.quantile(average[i], (0.005, 0.995))
        panels.show_image(grid[i, 0], average[i], axes, "gray", vmin=own[0], vmax=own[1])
        for j in range(n):
            panels.show_image(grid[i, j + 1], windows[i, j], axes, "gray", vmin=low, vmax=high)
        for ax in grid[i]:
            ax.set_xticks([])
            ax.set_yticks([])
            panels.thin_frame(ax)
        panels.colored_frame(grid[i, 0], colors[i])
        grid[i, 0].set_ylabel(reps.names[i], fontsize=style.TITLE)
    bars.scale_bar(grid[0, 0], axes[1].units)
    panels.title(grid[0, 0], "Average")
    panels.title(grid[0, 1], "Nearest" if n == 1 else "Nearest \N{RIGHTWARDS ARROW}")
    return figure
