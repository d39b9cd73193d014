"""How much each principal component explains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._arrays import to_host
from .._errors import ParameterError
from .._results import PrincipalComponents
from .._unmixing import Unmixing
from . import _bars as bars
from . import _panels as panels
from . import _style as style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def scree(model: Unmixing, *, n: int | None = None) -> Figure:
    """Draw the variance that each principal component explains.

    Parameters
    ----------
    model : PrincipalComponents
        From `unmix.pca`.
    n : int, optional
        How many components to show. Default: all.

    Returns
    -------
    matplotlib.figure.Figure
        Fractions of the variance of all features on a logarithmic axis; their running sum, in
        percent, on a second axis.

    Raises
    ------
    ParameterError
        If the model has no variances, or ``n`` is out of range.
    BackendError
        If matplotlib is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> table = np.random.default_rng(0).normal(size=(50, 6))
    >>> figure = um.plot.scree(um.pca(table, 4))
    >>> [ax.get_ylabel() for ax in figure.axes]
    ['Explained variance ratio', 'Cumulative (%)']
    """
    if not isinstance(model, PrincipalComponents):
        raise ParameterError(
            f"{model!r} has no explained variances; expected what unmix.pca returns"
        )
    n = style.chosen(n, len(model))
    ratios = to_host(model.explained_variance_ratio)[:n]
    figure = style.new_figure(4.0, 2.8)
    from matplotlib.ticker import MaxNLocator

    ax = figure.add_subplot()
    each, total = style.class_colors(6)[[0, 5]]
    numbers, above = np.arange(n), ratios > 0
    ax.plot(numbers, np.where(above, ratios, np.nan), "o-", color=each, linewidth=1, markersize=4)
    ax.set_xlabel("Component", fontsize=style.TEXT)
    ax.set_ylabel("Explained variance ratio", fontsize=style.TEXT, color=each)
    second = ax.twinx()
    second.plot(numbers, 100 * np.cumsum(ratios), "s--", color=total, linewidth=1, markersize=3)
    second.set_ylim(0, 105)
    second.set_ylabel("Cumulative (%)", fontsize=style.TEXT, color=total)
    for a, color in ((ax, each), (second, total)):
        panels.plain_axes(a)
        a.tick_params(axis="y", which="both", colors=color)
    second.spines["right"].set_visible(True)
    second.spines["left"].set_visible(False)
    if above.any():
        ax.set_yscale("log")
        bars.log_ticks(ax.yaxis, float(ratios.max() / ratios[above].min()))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlim(-0.5, n - 0.5)
    return figure
