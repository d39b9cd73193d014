"""What every rule looks at to say how many components there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._errors import ParameterError
from ..decompose import RankRule, RankTable
from . import _bars as bars
from . import _panels as panels
from . import _style as style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMES = {
    "elbow": ("Scree elbow", "Eigenvalue"),
    "gavish_donoho": ("Gavish-Donoho", "Singular value"),
    "gavish_donoho_known": ("Gavish-Donoho (known)", "Singular value"),
    "parallel_analysis": ("Parallel analysis", "Eigenvalue"),
    "mdl": ("Description length", "Length per sample"),
    "hysime": ("HySime", "Power / twice the noise"),
    "cross_validation": ("Cross-validation", "Error / all"),
    "nfindr_volume": ("N-FINDR volume", "Height of the vertex"),
    "nfindr_residual": ("N-FINDR residual", "Residual per value"),
    "autocorrelation": ("Autocorrelation", "Moran's I of the map"),
}
"""Title and vertical axis of each panel."""

LINEAR = ("mdl", "autocorrelation")
"""Curves that may be zero or less."""

COLUMNS = 4
SIZE = (2.4, 1.9)
"""Panels in a row, and the width and height of each in inches."""


def rank(table: RankTable) -> Figure:
    """Draw the curve that each rule looks at, its threshold and its answer.

    Parameters
    ----------
    table : RankTable
        From `unmix.rank`.

    Returns
    -------
    matplotlib.figure.Figure
        A panel for each rule that has a curve: over the number of components, the threshold dashed,
        the answer in the title and as a line.

    Raises
    ------
    ParameterError
        If ``table`` is something else.
    BackendError
        If matplotlib is not installed.

    Examples
    --------
    >>> import unmix as um
    >>> mixtures = um.synthetic.simplex_mixtures(300, 3, 20, snr_db=30)
    >>> figure = um.plot.rank(um.rank(mixtures.samples, 6))
    >>> figure.axes[0].get_title()
    'Scree elbow: 2'
    """
    if not isinstance(table, RankTable):
        raise ParameterError(
            f"got {type(table).__name__}; expected the table that unmix.rank returns"
        )
    shown = {name: rule for name, rule in table.rules.items() if rule.curve.size}
    n_rows = -(-len(shown) // COLUMNS)
    figure = style.new_figure(SIZE[0] * COLUMNS, SIZE[1] * n_rows)
    for i, (name, rule) in enumerate(shown.items()):
        ax = figure.add_subplot(n_rows, COLUMNS, i + 1)
        _draw(ax, name, rule, table.n_samples)
        ax.set_xlim(-0.5, table.most + 1.5)
        if i >= len(shown) - COLUMNS:
            ax.set_xlabel("Components", fontsize=style.TEXT)
    return figure


def _draw(ax: Axes, name: str, rule: RankRule, n_samples: int) -> None:
    from matplotlib.ticker import MaxNLocator

    curve_color, answer_color = style.class_colors(6)[[0, 5]]
    curve = rule.curve
    if name == "mdl":
        curve = (curve - np.min(curve)) / n_samples
    log = name not in LINEAR
    if log:
        curve = np.where(curve > np.finfo(float).eps * np.max(curve), curve, np.nan)
    ax.plot(rule.components, curve, "o-", color=curve_color, linewidth=1, markersize=3)
    if rule.threshold is not None:
        ax.plot(rule.components, rule.threshold, "--", color="black", linewidth=1)
    if rule.answer is not None:
        ax.axvline(rule.answer, color=answer_color, linewidth=1, zorder=0)
    panels.plain_axes(ax)
    if log:
        ax.set_yscale("log")
        low, high = ax.get_ylim()
        bars.log_ticks(ax.yaxis, high / low)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    title, label = NAMES[name]
    panels.title(ax, f"{title}: {'no answer' if rule.answer is None else rule.answer}")
    ax.set_ylabel(label, fontsize=style.TEXT)
