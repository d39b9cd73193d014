"""What users hand in: a `Samples`, an image, or a table; anything else is refused with a hint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from numbers import Real
from operator import index
from typing import Any, Literal

import numpy as np

from ._arrays import is_array, namespace_of, require_finite, require_real, to_host
from ._axes import Axis
from ._errors import BackendError, DataError, DTypeError, ParameterError, ShapeError
from ._fold import map_rows
from ._record import Record, fingerprint
from ._samples import Samples
from ._sources import ArraySource, in_memory, stored_source
from ._typing import Array, HostArray
from .layout import Layout

MAP_NAMES: dict[int, tuple[str, ...]] = {
    1: ("site",),
    2: ("y", "x"),
    3: ("frame", "y", "x"),
}
COUNTED = ("frame", "site", "sample", "feature", "bin", "channel", "component")
"""Axes whose entries are counted: they have no unit unless one is given."""

SCAN_NAMES = ("scan_y", "scan_x")
DESCRIPTOR_NAMES: dict[int, tuple[str, ...]] = {0: (), 1: ("bin",), 2: ("det_y", "det_x")}


def samples(
    array: Array,
    map_axes: int | Sequence[int],
    *,
    map_names: Sequence[str] | None = None,
    descriptor_names: Sequence[str] | None = None,
    pitch: float | Sequence[float] | None = None,
    units: str | Sequence[str] | None = None,
    coordinates: Mapping[str, Any] | None = None,
    nan: Literal["raise", "skip"] = "raise",
) -> Samples:
    """Make samples of any array: say which of its axes are the map.

    Parameters
    ----------
    array : array
        Real, with any number of axes: of an Array API namespace, or anything that slices like one
        and has ``shape`` and ``dtype`` (a memory map, a dataset of an HDF5 file), which is read
        block by block. Of a dask array each block is a task of Dask, on whatever it is set to
        compute: threads, processes or a cluster; results are arrays like its chunks.
    map_axes : int or sequence of int
        The axes along which samples lie, or how many of the first axes. The others are the
        descriptor.
    map_names, descriptor_names : sequence of str, optional
        Names, slow to fast. Default: ``site``, ``y, x``, ``scan_y, scan_x`` (where there is a
        descriptor) or ``frame, y, x``; and ``bin`` or ``det_y, det_x``.
    pitch : float or sequence of float, optional
        Distance between entries: one number for the map axes, but for frames and channels of
        images and axes with ``coordinates``, or one for each axis of ``array``.
    units : str or sequence of str, optional
        Units: one for the same axes, or one for each axis of ``array``. Default: ``"px"``;
        none for counted axes (``frame, site, bin, channel``) and for those with ``coordinates``.
    coordinates : mapping of str to sequence of float, optional
        Where the entries of an axis lie, by its name: energies of a spectrum, temperatures of
        frames. They need be neither even nor in order. Default: even, ``pitch`` apart from zero on.
    nan : {"raise", "skip"}
        What is done about NaN and infinity: refuse them, or leave their samples out as `where`
        does, after one pass that looks for them. `sliding_windows` then leaves out the windows of
        an image that such a pixel lies in.

    Returns
    -------
    Samples
        Nothing is copied.

    Raises
    ------
    ShapeError
        If the axes or the names do not fit the array, or a dask array does not know its sizes.
    DTypeError
        If the values are complex, boolean or not numbers.
    DataError
        If an array in memory holds NaN or infinity (what is read block by block is checked as it is
        read), or is a masked array.
    ParameterError
        If a pitch is not a positive number, there are coordinates of no axis or not one finite
        number for each entry, or ``nan`` is another word.

    Examples
    --------
    A 4D-STEM data set:

    >>> import numpy as np
    >>> import unmix as um
    >>> um.samples(np.ones((8, 9, 32, 32), np.uint16), 2)
    <Samples scan_y 8 x scan_x 9 (px) | det_y 32 x det_x 32 (px), float32, numpy>

    A spectrum image whose energies start at 350 eV:

    >>> um.samples(np.ones((8, 9, 100), np.uint16), 2, descriptor_names=["energy"],
    ...     units=("nm", "nm", "eV"), coordinates={"energy": 350 + 0.5 * np.arange(100)})
    <Samples scan_y 8 x scan_x 9 (nm) | energy 100 (eV), float32, numpy>
    """
    if nan not in ("raise", "skip"):
        raise ParameterError(f"nan is {nan!r}; expected 'raise' or 'skip'")
    skips = nan == "skip"
    found = _samples(
        array,
        map_axes,
        map_names,
        descriptor_names,
        pitch,
        units,
        coordinates,
        finite=not skips,
    )
    return _without_nan(found) if skips else found


def _without_nan(samples: Samples) -> Samples:
    """Leave out the samples that hold NaN or infinity, which one pass finds."""
    source = samples.source
    if not isinstance(source, ArraySource) or not samples.xp.isdtype(
        source.like.dtype, "real floating"
    ):
        return samples
    read = replace(samples, source=replace(source, finite=False))

    def whole(rows: Array) -> Array:
        xp = namespace_of(rows)
        return xp.astype(xp.all(xp.isfinite(rows), axis=1), rows.dtype)[:, None]

    mask = to_host(map_rows(read, whole, 1, label="looking for NaN"))[..., 0] > 0
    if mask.all():
        return samples
    if not mask.any():
        raise DataError("every sample holds NaN or infinity; expected some finite ones")
    return replace(read, layout=replace(samples.layout, mask=mask))


def _samples(
    array: Array,
    map_axes: int | Sequence[int],
    map_names: Sequence[str] | None,
    descriptor_names: Sequence[str] | None,
    pitch: float | Sequence[float] | None = None,
    units: str | Sequence[str] | None = None,
    coordinates: Mapping[str, Any] | None = None,
    *,
    finite: bool = True,
) -> Samples:
    """Make samples; ``finite``: look for NaN and infinity in an array in memory."""
    _require_known_shape(array)
    ndim = len(array.shape)
    places = _map_places(map_axes, ndim)
    rest = tuple(i for i in range(ndim) if i not in places)
    names = _names(map_names, _default_map_names(len(places), bool(rest)), len(places), "map_names")
    entries = _names(
        descriptor_names, DESCRIPTOR_NAMES.get(len(rest)), len(rest), "descriptor_names"
    )
    loaded = in_memory(array)
    _check_values(array, loaded, finite)
    order = places + rest
    named = dict(zip(order, names + entries, strict=True))
    sizes = {named[i]: int(array.shape[i]) for i in order}
    values = {n: _along(n, v, sizes) for n, v in (coordinates or {}).items()}
    lengths = [i for i in places if named[i] not in {*COUNTED, *values}] or list(places)
    pitches = _positive(_per_axis(pitch, [1.0] * ndim, lengths, "pitch"), pitch)
    pixels = ["" if named[i] in COUNTED or named[i] in values else "px" for i in range(ndim)]
    unit = _per_axis(units, pixels, lengths, "units")
    axes = tuple(
        Axis(name, values[name], str(unit[i]))
        if name in values
        else Axis.regular(name, int(array.shape[i]), spacing=pitches[i], units=str(unit[i]))
        for name, i in zip(names + entries, order, strict=True)
    )
    parameters = {
        "map_axes": list(places),
        "map_names": list(names),
        "descriptor_names": list(entries),
        "pitch": pitches,
        "units": [str(u) for u in unit],
        "coordinates": {name: v.tolist() for name, v in values.items()},
        "nan": "raise" if finite else "skip",
    }
    make = ArraySource if loaded else stored_source
    return Samples(
        source=make(array, order, len(places)),
        layout=Layout(axes[: len(places)], axes[len(places) :]),
        record=Record().then("samples", parameters, data=fingerprint(array)),
        nonnegative=True if _kind(array) == "u" else None,
    )


def _require_known_shape(array: Any) -> None:
    if not hasattr(array, "shape") or not hasattr(array, "dtype"):
        raise BackendError(
            f"expected an array, but got {type(array).__name__}; wrap it with numpy.asarray"
        )
    if not all(n >= 0 for n in array.shape):  # dask's word for it is NaN
        raise ShapeError(
            f"the dask array has shape {tuple(array.shape)}; expected known sizes: call its "
            "compute_chunk_sizes()"
        )
    if 0 in array.shape:
        raise ShapeError(
            f"the array has shape {tuple(array.shape)}; expected at least one entry on every axis"
        )


def as_image(image: Samples | Array, *, finite: bool = True) -> Samples:
    """Take an image (..., y, x): `Samples` without descriptor, or a bare array.

    With ``finite=False`` NaN is let in.
    """
    if isinstance(image, Samples):
        if image.layout.descriptor_axes:
            names = ", ".join(a.name for a in image.layout.descriptor_axes)
            raise ShapeError(
                f"expected an image, but these samples are described already (by {names}); "
                "cut windows before describing"
            )
        if len(image.layout.map_axes) < 2:
            raise ShapeError(
                f"expected an image (..., y, x), but the map has the shape {image.shape}"
            )
        y, x = (a.name for a in image.layout.map_axes[-2:])
        if (y, x) == ("x", "y"):
            raise ShapeError(
                "the image has the axes (..., x, y); expected y before x: transpose the array, or "
                "name its axes the other way round"
            )
        return image
    _refuse_others(image, "an image (..., y, x) or what unmix.open returns")
    ndim = len(image.shape)
    if ndim < 2:
        raise ShapeError(f"the image has shape {tuple(image.shape)}; expected (..., y, x)")
    leading = [f"axis_{i}" for i in range(ndim - 3)]
    map_names = [*leading, *MAP_NAMES[min(ndim, 3)]]
    return _samples(image, ndim, map_names, None, finite=finite)


def as_table(table: Samples | Array, least: int = 2, *, finite: bool = True) -> Samples:
    """Take what a decomposition can work on: described `Samples` or a table (sample, feature).

    Fewer than ``least`` samples are refused. Who reads a table once and sees NaN in what comes out
    of it calls with ``finite=False``: to look for it first is a pass of its own.
    """
    if not isinstance(table, Samples):
        if hasattr(table, "scores"):
            raise BackendError(f"got {table!r}; expected samples: hand in its scores")
        _refuse_others(table, "Samples or a table (sample, feature)")
        if len(table.shape) != 2:
            raise ShapeError(
                f"the table has shape {tuple(table.shape)}; expected (sample, feature): "
                "for other arrays say which axes are the map with unmix.samples(array, map_axes)"
            )
        table = _samples(table, 1, ("sample",), ("feature",), finite=finite)
    if not table.layout.descriptor_axes:
        raise ShapeError(
            f"these samples are an image of {table.shape} with no descriptor; "
            "cut windows first: unmix.window_fft(unmix.sliding_windows(image, window, step))"
        )
    if table.is_complex:
        raise DTypeError(
            "these samples are complex, and decompositions are of real values; "
            "take output='amplitude' or 'power'"
        )
    if table.layout.n_samples < least:
        raise ShapeError(
            f"there is {table.layout.n_samples} sample; expected at least two: "
            "take a smaller window or step, or a larger image"
        )
    return table


def _refuse_others(value: Any, expected: str) -> None:
    if isinstance(value, (str, bytes)) or hasattr(value, "__fspath__"):
        raise BackendError(
            f"expected {expected}, but got the path {value!r}; read it with unmix.open"
        )
    if not is_array(value) and not (hasattr(value, "shape") and hasattr(value, "dtype")):
        raise BackendError(
            f"expected {expected}, but got {type(value).__name__}; wrap it with numpy.asarray"
        )


def _check_values(array: Array, loaded: bool, finite: bool) -> None:
    if isinstance(array, np.ma.MaskedArray):
        raise DataError(
            "the data is a masked array, whose mask would be lost; hand in its data and leave out "
            "samples with where(mask) or entries with features(mask)"
        )
    kind = _kind(array)
    if loaded:
        require_real(array, "the data")
        if finite:
            require_finite(array, "the data")
    elif kind not in "iuf":
        raise DTypeError(
            f"the data has dtype {array.dtype}; expected integers or real floats: convert it "
            "first, for example with astype('uint8')"
        )


def _kind(array: Array) -> str:
    """NumPy's letter for the kind of an array's dtype."""
    known = isinstance(array.dtype, np.dtype)
    try:
        return np.dtype(array.dtype if known else str(array.dtype).split(".")[-1]).kind
    except TypeError:
        raise DTypeError(
            f"the data has dtype {array.dtype}, which NumPy does not know; convert it to float32"
        ) from None


def _map_places(map_axes: int | Sequence[int], ndim: int) -> tuple[int, ...]:
    try:
        given = tuple(map_axes) if isinstance(map_axes, Iterable) else tuple(range(index(map_axes)))
        places = tuple(index(p) + ndim if p < 0 else index(p) for p in given)
    except TypeError:
        places = ()
    if not places or len(set(places)) < len(places) or not all(0 <= p < ndim for p in places):
        raise ShapeError(
            f"map_axes is {map_axes!r}; expected different axes of an array with {ndim}, "
            "or how many of the first ones"
        )
    return places


def _default_map_names(n: int, described: bool) -> tuple[str, ...] | None:
    if not described:
        return MAP_NAMES.get(n, MAP_NAMES[1]) if n > 1 else MAP_NAMES[1]
    return {1: ("site",), 2: SCAN_NAMES, 3: ("frame", *SCAN_NAMES)}.get(n)


def _names(
    given: Sequence[str] | None, default: tuple[str, ...] | None, n: int, what: str
) -> tuple[str, ...]:
    names = default if given is None else tuple(given)
    if names is None or len(names) != n or len(set(names)) < n:
        raise ShapeError(f"{what} is {given!r}; expected {n} different names")
    return names


def _per_axis(value: Any, default: list[Any], along: list[int], what: str) -> list[Any]:
    """Return a value for each axis: one that was given is that of the axes ``along``."""
    if value is None:
        return default
    n = len(default)
    if isinstance(value, (str, Real)):
        return [value if i in along else default[i] for i in range(n)]
    if len(value) != n:
        raise ShapeError(f"{what} has {len(value)} entries; expected one for each of {n} axes")
    return list(value)


def _along(name: str, given: Any, sizes: Mapping[str, int]) -> HostArray:
    """Return the coordinates that were given for an axis."""
    if name not in sizes:
        raise ParameterError(f"coordinates name the axis {name!r}; there are {', '.join(sizes)}")
    try:
        values = np.array(to_host(given) if is_array(given) else given, dtype=np.float64)
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.shape != (sizes[name],) or not np.isfinite(values).all():
        raise ParameterError(
            f"the coordinates of {name} are {given!r:.40}; expected a finite number for each of "
            f"{sizes[name]} entries"
        )
    return values


def _positive(values: list[Any], given: Any) -> list[float]:
    if not all(isinstance(v, Real) and 0 < float(v) < np.inf for v in values):
        raise ParameterError(f"pitch is {given!r}; expected positive numbers")
    return [float(v) for v in values]


def require_samples(samples: Any) -> Samples:
    """Return samples, or raise."""
    if not isinstance(samples, Samples):
        raise BackendError(
            f"expected Samples, but got {type(samples).__name__}; make them of an array with "
            "unmix.samples(array, map_axes)"
        )
    return samples


def descriptor_plane(samples: Any) -> tuple[Axis, Axis]:
    """Return the two descriptor axes of samples, which have one unit, or raise."""
    axes = require_samples(samples).layout.descriptor_axes
    if len(axes) != 2 or axes[0].units != axes[1].units:
        raise ShapeError(
            f"expected samples with two descriptor axes of one unit, but got {samples!r}"
        )
    return axes[0], axes[1]
