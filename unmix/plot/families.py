"""Components that are the same up to symmetry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._arrays import to_host
from . import _bars as bars
from . import _panels as panels
from . import _style as style
from .maps import Scale, shared_scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .._axes import Axis
    from .._typing import HostArray
    from ..decompose.match import Families

SIDE, ABOVE, BETWEEN = 1.15, 0.22, 0.08
"""Height of a component, of its title, and space beside it in inches."""

MOST_BESIDE = 8
"""Components in one row; a larger family goes on in the next."""


def families(matched: Families, *, log: bool = True) -> Figure:
    """Draw the mean of each family and its components as they came.

    Parameters
    ----------
    matched : Families
        From `unmix.match_components`.
    log : bool
        Logarithmic colours for components that are not negative.

    Returns
    -------
    matplotlib.figure.Figure
        A row for each family: its mean in a frame of the family's colour, then its components under
        their numbers, with the turn in degrees that takes the first to each; "m" where it is
        mirrored before. The mean is grey outside of the circle in which they were compared.

    Raises
    ------
    BackendError
        If matplotlib is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> motif = np.random.default_rng(0).random((9, 9))
    >>> matched = um.match_components(np.stack([motif, np.rot90(motif, -1)]), "C4")
    >>> [ax.get_title() for ax in um.plot.families(matched).axes]
    ['Mean', '0', '1: 90°']
    """
    components, means = to_host(matched.components), to_host(matched.means)
    wide = SIDE * panels.aspect(matched.axes) + BETWEEN
    lines = [-(-len(members) // MOST_BESIDE) for members in matched.families]
    columns = 1 + min(MOST_BESIDE, max(map(len, matched.families)))
    figure = style.new_figure(columns * wide + 0.25, sum(lines) * (SIDE + ABOVE) + 0.1)
    places = figure.add_gridspec(sum(lines), columns)
    colors, scale = style.class_colors(len(matched)), shared_scale(components, log)
    for i, members in enumerate(matched.families):
        line = sum(lines[:i])
        ax = figure.add_subplot(places[line, 0])
        _image(ax, means[i], matched.axes, scale)
        panels.colored_frame(ax, colors[i])
        ax.set_ylabel(f"Family {i}", fontsize=style.TITLE)
        if i == 0:
            panels.title(ax, "Mean")
            bars.scale_bar(ax, matched.axes[1].units)
        for j, member in enumerate(members):
            row, column = divmod(j, MOST_BESIDE)
            ax = figure.add_subplot(places[line + row, column + 1])
            _image(ax, components[member], matched.axes, scale)
            panels.thin_frame(ax)
            ax.set_title(_element(matched, int(member)), fontsize=style.TEXT, pad=3)
    return figure


def _image(ax: Axes, values: HostArray, axes: tuple[Axis, Axis], scale: Scale) -> None:
    """Show a component without ticks."""
    norm: Any = scale.norm
    if style.is_log(norm):  # zero has no logarithm, but the colour of the smallest
        values = values.clip(norm.vmin)
    panels.show_image(ax, values, axes, style.color_map(scale.colors), norm)
    ax.set_xticks([])
    ax.set_yticks([])


def _element(matched: Families, number: int) -> str:
    """Number of a component, and what takes its head to it: ``7: m, 120°``."""
    if number == matched.families[matched.labels[number]][0]:
        return str(number)
    mirror = "m, " if matched.mirrored[number] else ""
    return f"{number}: {mirror}{matched.rotations[number]:.4g}\N{DEGREE SIGN}"
