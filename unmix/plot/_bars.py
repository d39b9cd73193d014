"""Bars beside and inside of images: lengths and colours."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ._style import SMALL, halo, is_log, short, unit_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis as XYAxis
    from matplotlib.cm import ScalarMappable
    from matplotlib.colorbar import Colorbar

LENGTHS = ("px", "pixel", "pixels", "m", "cm", "mm", "um", "µm", "μm", "nm", "pm", "A", "Å")
ANGLES = ("rad", "mrad", "deg", "°")
BAR_UNITS = frozenset((*LENGTHS, *ANGLES, *(f"1/{u}" for u in LENGTHS)))
"""Units that a scale bar can be in; axes in others have ticks."""


def bar_length(width: float) -> float:
    """Return the largest of 1, 2, 5, 10 ... that is at most a third of ``width``."""
    decade = 10.0 ** math.floor(math.log10(width / 3))
    return max(step * decade for step in (0.5, 1, 2, 5) if step * decade <= width / 3)


def lies_left_below(ax: Axes, y: float, x: float) -> bool:
    """Tell whether a place is near to the lower left corner, where the scale bar goes."""
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    return (x - left) / (right - left) < 0.5 and (y - bottom) / (top - bottom) < 0.3


def scale_bar(ax: Axes, units: str, ink: str = "white", *, right: bool = False) -> None:
    """Draw a bar of a round length, in the coordinates of the axes, into a lower corner."""
    from matplotlib.patches import Rectangle

    (start, stop), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    length = bar_length(abs(stop - start))
    up, along = top - bottom, math.copysign(length, stop - start)
    corner = (start + 0.05 * (stop - start), bottom + 0.05 * up)
    if right:
        corner = (stop - 0.05 * (stop - start) - along, corner[1])
    bar = Rectangle(
        corner,
        along,
        0.025 * up,
        facecolor=ink,
        path_effects=halo(ink, 1.5),
        gid="scale bar",
        zorder=4,
    )
    ax.add_patch(bar)
    ax.text(
        corner[0] + (along if right else 0),
        corner[1] + 0.045 * up,
        f"{short(length)} {unit_text(units)}",
        color=ink,
        fontsize=SMALL,
        ha="right" if right else "left",
        va="bottom",
        path_effects=halo(ink, 1.5),
        zorder=5,
    )


def color_bar(ax: Axes, shown: ScalarMappable, aspect: float) -> Colorbar:
    """Draw a colour bar as high as the image beside it, whose width over height is ``aspect``."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    norm: Any = shown.norm
    width = 1 / aspect
    cax = ax.inset_axes((1 + 0.03 * width, 0.0, 0.055 * width, 1.0))
    log = is_log(norm)
    bar = ax.figure.colorbar(shown, cax=cax, extend="min" if log else "neither", extendfrac=0.04)
    if log:
        log_ticks(cax.yaxis, norm.vmax / norm.vmin)
    else:
        cax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        cax.yaxis.set_major_formatter(FuncFormatter(short))
    cax.tick_params(which="both", labelsize=SMALL, width=0.6, pad=2)
    bar.outline.set_linewidth(0.6)
    return bar


def log_ticks(axis: XYAxis, span: float) -> None:
    """Name powers of ten, and 2 and 5 times those where the axis spans less than two of them."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1.0,) if span > 100 else (1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(short))
    axis.set_minor_formatter(NullFormatter())
