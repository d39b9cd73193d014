"""Values along a line through a map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._arrays import to_host
from .._door import as_image
from .._errors import ParameterError, ShapeError
from .._samples import Samples
from .._typing import Array, HostArray
from .._unmixing import Unmixing
from ..decompose._common import whole_number


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class LineProfile:
    """Values along a line.

    Parameters
    ----------
    distance : numpy.ndarray
        From the start, in the unit of the map, (m,).
    values : numpy.ndarray
        Mean over the width of the line, (k, m), float64; NaN outside of the map, and where it is.
    spread : numpy.ndarray
        Standard deviation over the width, (k, m).
    units : str
        Of ``distance``.
    names, colors : tuple
        Of the maps.
    """

    distance: HostArray
    values: HostArray
    spread: HostArray
    units: str
    names: tuple[str, ...]
    colors: tuple[int, ...]

    def __len__(self) -> int:
        """Return the number of maps."""
        return len(self.values)

    def __repr__(self) -> str:
        """Return the length and the number of maps."""
        length = f"{self.distance[-1]:.4g} {self.units}".rstrip()
        return f"<LineProfile: {len(self)} maps along {length}>"


def line_profile(
    maps: Unmixing | Samples | Array,
    start: tuple[float, float],
    stop: tuple[float, float],
    *,
    width: float = 0,
    frame: int = 0,
) -> LineProfile:
    """Read maps along a straight line.

    Parameters
    ----------
    maps : Unmixing, Samples or array
        All maps of a model; or one image (..., y, x).
    start, stop : (float, float)
        Coordinates (y, x) of the ends, in the unit of the map.
    width : float
        Of the band around the line that values are averaged over, in the same unit.
    frame : int
        Which frame of a map (frame, y, x).

    Returns
    -------
    LineProfile
        Bilinear between the entries of the map, at least as dense as these.

    Raises
    ------
    ShapeError
        If the map is no plane, or its axes have two units.
    ParameterError
        If start and stop are no two different places, the width is negative or ``frame`` is out of
        range.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> image = um.samples(np.tile(np.arange(8.0), (6, 1)), 2, pitch=0.5, units="nm")
    >>> um.line_profile(image, (1, 0), (1, 2)).values
    array([[0., 1., 2., 3., 4.]])
    """
    from scipy.ndimage import map_coordinates

    samples = maps if isinstance(maps, Unmixing) else as_image(maps)
    axes = samples.layout.map_axes
    if len(axes) < 2 or axes[-2].units != axes[-1].units:
        raise ShapeError(f"the map of {samples!r} is no plane of one unit; expected (..., y, x)")
    ends = _ends(start, stop, width)
    planes, names, colors = _planes(samples, frame)
    pitches = np.array([abs(a.spacing) for a in axes[-2:]])
    fine = float(pitches.min())
    length = float(np.hypot(*(ends[1] - ends[0])))
    along = np.linspace(0, 1, max(2, round(length / fine) + 1))
    across = np.linspace(-0.5, 0.5, max(1, 2 * round(width / fine / 2) + 1)) * width
    normal = np.array([ends[1, 1] - ends[0, 1], ends[0, 0] - ends[1, 0]]) / length
    line = ends[0] + along[:, None] * (ends[1] - ends[0])
    points = line[None] + (across if len(across) > 1 else np.zeros(1))[:, None, None] * normal
    places = [(points[..., i] - a.values[0]) / a.spacing for i, a in enumerate(axes[-2:])]
    read = np.stack([map_coordinates(p, places, order=1, cval=np.nan) for p in planes])
    return LineProfile(
        distance=along * length,
        values=read.mean(axis=1),
        spread=read.std(axis=1),
        units=axes[-1].units,
        names=names,
        colors=colors,
    )


def _ends(start: Any, stop: Any, width: Any) -> HostArray:
    """Return start and stop as one array, (2, 2)."""
    try:
        ends = np.array([start, stop], dtype=float)
    except (TypeError, ValueError):
        ends = np.empty(0)
    if ends.shape != (2, 2) or not np.isfinite(ends).all() or np.array_equal(*ends):
        raise ParameterError(
            f"start is {start!r} and stop is {stop!r}; expected two different places (y, x)"
        )
    if not isinstance(width, (int, float, np.integer, np.floating)) or not 0 <= width < np.inf:
        raise ParameterError(f"width is {width!r}; expected zero or more")
    return ends


def _planes(
    source: Unmixing | Samples, frame: int
) -> tuple[HostArray, tuple[str, ...], tuple[int, ...]]:
    """Return maps (k, y, x) of one frame, float64, their names and their colours."""
    if isinstance(source, Unmixing):
        whole = to_host(source.maps)
        names = tuple(source.name(i) for i in range(len(source)))
        colors = source.color_numbers
    else:
        whole, names, colors = to_host(source.to_array())[None, ...], ("Image",), (0,)
    shape = whole.shape
    frames = whole.reshape(shape[0], -1, *shape[-2:])
    n = frames.shape[1]
    frame = whole_number(frame, 0, n - 1, "frame", f"{n} frames in the map")
    return np.asarray(frames[:, frame], np.float64), names, colors
