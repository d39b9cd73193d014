"""Colours, norms, sizes and words that all pictures share."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from .._errors import BackendError, ParameterError
from .._typing import HostArray
from ..decompose._common import whole_number

if TYPE_CHECKING:
    from matplotlib.colors import Colormap, Normalize
    from matplotlib.figure import Figure

TITLE, TEXT, SMALL = 9, 8, 7
"""Sizes of letters in points."""

DPI = 150

GREY = (0.7, 0.7, 0.7)
"""What is left out."""

MAP, SPECTRUM, SIGNED = "viridis", "inferno", "RdBu_r"
"""Colour maps for what is not negative, in space and in R, in even steps of brightness; and for
both signs, white at zero. All survive colour blindness."""

# First Okabe and Ito's colours, which survive colour blindness, those first that differ most, also
# in brightness. Then each time one that is far from all others, from white and from grey in CIELAB.
PALETTE = bytes.fromhex(
    "0072B2E69F00009E73CC79A756B4E9D55E00F0E4420000000000FF00FF47FF66FF0066FF00FFFFFFAD85"
    "FF009900FFA3C2F5ADFF5C708F148585000A998F3DAD99FF1F5C5C00298514A3007A00C2855247FF001F"
    "ADF5005229520A5C00333300"
)

LOG_SPAN = 1e4
"""Most that a logarithmic scale spans."""

NEGLIGIBLE = 0.05
"""Endmembers projected on a subspace fall a little below zero; so much a log scale may clip."""


def require_matplotlib() -> None:
    """Raise if matplotlib is missing."""
    if find_spec("matplotlib") is None:
        raise BackendError(
            'pictures need matplotlib, which is not installed: pip install "unmix[plot]"'
        )


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure, in inches, that lays itself out."""
    require_matplotlib()
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def class_colors(n: int) -> HostArray:
    """Return the colours of classes.

    Parameters
    ----------
    n : int
        How many.

    Returns
    -------
    numpy.ndarray
        Red, green and blue from 0 to 1, (n, 3). Up to 32 can be told apart; then they come again.

    Examples
    --------
    >>> import unmix as um
    >>> um.plot.class_colors(40).shape
    (40, 3)
    """
    return np.resize(np.frombuffer(PALETTE, np.uint8) / 255, (n, 3))


def colors_of(numbers: Sequence[int]) -> HostArray:
    """Colours (n, 3) of classes by their numbers in the palette."""
    return class_colors(max(numbers, default=0) + 1)[list(numbers)]


def color_map(name: str) -> Colormap:
    """Return a colour map of matplotlib that shows NaN in grey."""
    from matplotlib import colormaps

    return colormaps[name].with_extremes(bad=GREY)


def signed_norm(values: HostArray) -> Normalize:
    """Scale with zero in the middle."""
    from matplotlib.colors import Normalize

    _, high = finite_range(np.abs(values))
    return Normalize(-high, high)


def linear_norm(values: HostArray) -> Normalize:
    """Scale from the smallest to the largest value; from zero where all are above it."""
    from matplotlib.colors import Normalize

    low, high = finite_range(values)
    low = min(low, 0.0)
    return Normalize(low, high if high > low else low + 1)


def log_norm(values: HostArray) -> Normalize | None:
    """Logarithmic scale to the largest value; None if the values are negative or all the same."""
    from matplotlib.colors import LogNorm

    low, high = finite_range(values)
    if high <= 0 or low < -NEGLIGIBLE * high:
        return None
    above = values[values > 0]
    floor = max(float(np.quantile(above, 0.02)), high / LOG_SPAN)
    return LogNorm(floor, high) if floor < high else None


def is_log(norm: Normalize) -> bool:
    """Tell whether a norm is logarithmic."""
    from matplotlib.colors import LogNorm

    return isinstance(norm, LogNorm)


def percentile_norm(values: HostArray, percentiles: tuple[float, float]) -> Normalize:
    """Scale between two percentiles of the values."""
    from matplotlib.colors import Normalize

    low, high = checked_percentiles(percentiles)
    known = values[np.isfinite(values)]
    ends = np.percentile(known, (low, high)) if known.size else np.array([0.0, 1.0])
    return Normalize(ends[0], ends[1] if ends[1] > ends[0] else ends[0] + 1)


def checked_percentiles(percentiles: Any) -> tuple[float, float]:
    """Return two percentiles, the lower first."""
    try:
        low, high = (float(p) for p in percentiles)
    except (TypeError, ValueError):
        low, high = 0.0, -1.0
    if not 0 <= low < high <= 100:
        raise ParameterError(
            f"percentiles are {percentiles!r}; expected two, the lower first, from 0 to 100"
        )
    return low, high


def finite_range(values: HostArray) -> tuple[float, float]:
    """Smallest and largest value beside NaN; 0 and 1 where there is none, or nothing but zero."""
    known = values[np.isfinite(values)]
    if not known.size or not known.any():
        return 0.0, 1.0
    return float(known.min()), float(known.max())


def short(value: float, _: Any = None) -> str:
    """Write a number in few letters; also a formatter of ticks."""
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return f"{value:.6g}"
    digits, _, power = f"{value:.2e}".partition("e")
    return f"{digits.rstrip('0').rstrip('.')}e{int(power)}"


def percent(fraction: float) -> str:
    """Write a fraction in percent: 38.4 %, 0.02 %."""
    return f"{100 * fraction:.1f} %" if fraction >= 0.001 else f"{100 * fraction:.2g} %"


def unit_text(units: str) -> str:
    """Write a unit as in print: ``1/nm`` as nm⁻¹."""
    return f"{units[2:]}\N{SUPERSCRIPT MINUS}\N{SUPERSCRIPT ONE}" if units[:2] == "1/" else units


def with_unit(text: str, units: str) -> str:
    """Append a unit, where there is one, in parentheses."""
    return f"{text} ({unit_text(units)})" if units else text


def chosen(n: int | None, most: int) -> int:
    """Return how many components to show."""
    return most if n is None else whole_number(n, 1, most, "n", f"{most} components")


def halo(ink: str, width: float) -> list[Any]:
    """Outline in the opposite tone: light ink shows on dark ground and on light."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=width, foreground="black" if ink == "white" else "white")]
