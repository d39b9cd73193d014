"""Several descriptors, or several images, under one model; and the model taken apart again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from numbers import Real
from typing import Any

import numpy as np

from ._arrays import namespace_of
from ._axes import Axis, describe_axes
from ._door import as_image
from ._endmembers import Endmembers
from ._errors import BackendError, DTypeError, ParameterError, ShapeError
from ._joined import Concatenated, Joined, both_masks, require_same_map
from ._samples import Samples
from ._typing import Array, HostArray, Slices
from ._unmixing import Unmixing
from .layout import Layout, Part


def join(samples: Samples, *others: Samples, weights: Sequence[float] | None = None) -> Samples:
    """Put several descriptors of the same samples side by side: diffraction and EDS, for one.

    Parameters
    ----------
    samples, *others : Samples
        Described samples of one map, in one namespace. A sample that is left out of one is left
        out.
    weights : sequence of float, optional
        What the values of each are multiplied by, above zero. Default: as they are. What a
        descriptor says counts as the square of its values: ``normalize("unit_norm", over="all")``
        of each gives all the same say.

    Returns
    -------
    Samples
        The same map axes; one descriptor axis ``feature``, the entries of all descriptors one after
        the other, in the widest computing type. Half planes stay halves. `split` takes a model of
        them apart.

    Raises
    ------
    ShapeError
        If the maps differ, or there is no descriptor, or no sample takes part in all.
    ParameterError
        If there is nothing to join, or a weight is not a positive number.
    BackendError, DTypeError
        If these are no samples, complex ones, or of two namespaces.

    Notes
    -----
    Rows are read of both, tile by tile. Those of dask arrays are fetched to this process.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> rng = np.random.default_rng(0)
    >>> patterns = um.samples(rng.random((6, 7, 8, 8)), 2)
    >>> spectra = um.samples(rng.random((6, 7, 20)), 2)
    >>> model = um.nmf(um.join(patterns, spectra, weights=(1, 0.5)), 2)
    >>> [part.components.shape for part in um.split(model)]
    [(2, 8, 8), (2, 20)]
    """
    all_of_them = tuple(_require_described(s) for s in (samples, *others))
    factors = _weights(weights, len(all_of_them))
    for other in all_of_them[1:]:
        require_same_map(samples, other)
    parts, index, offset = [], [], 0
    for one, factor in zip(all_of_them, factors, strict=True):
        mine = one.layout.parts or (Part(one.layout.descriptor_axes, 1.0),)
        parts += [replace(part, weight=part.weight * factor) for part in mine]
        features = one.layout.features.ravel()
        index.append(np.where(features < 0, -1, features + offset))
        offset += one.layout.n_features
    number = np.concatenate(index)
    plain = np.array_equal(number, np.arange(len(number)))
    axis = Axis.regular("feature", len(number), units="")
    layout = replace(
        samples.layout.with_descriptor(axis, index=None if plain else number),
        mask=both_masks([s.layout.mask for s in all_of_them]),
        parts=tuple(parts),
    )
    return Samples(
        source=Joined(tuple(s.unweighted().source for s in all_of_them), factors),
        layout=layout,
        record=samples.record.then("join", {"others": list(others), "weights": weights}),
        nonnegative=_all_nonnegative(all_of_them),
    )


def concat(
    samples: Sequence[Samples | Array],
    *,
    along: str = "image",
    coordinate: Sequence[float] | None = None,
    units: str = "",
) -> Samples:
    """Put the samples of several images one after the other: one model explains them all.

    Parameters
    ----------
    samples : sequence of Samples or array
        Described in the same way, on map axes of the same names; or images, to cut windows of if
        they have one size. The images may be of unlike sizes.
    along : str
        Name of the new map axis, the first.
    coordinate : sequence of float, optional
        Where each image lies on it: a composition, a temperature. Default: their numbers.
    units : str
        Unit of ``coordinate``.

    Returns
    -------
    Samples
        Map axes (along, *map axes), of the size of the largest image along each: images lie at the
        low end of each axis, and what is beyond them takes no part (NaN in maps, -1 in labels).
        Axes keep their coordinates where those of all images agree, else entries are counted:
        `split` gives each image its own maps and coordinates.

    Raises
    ------
    ShapeError
        If map axes or descriptors differ.
    ParameterError
        If there are no samples, the name is taken, or there is not one finite coordinate for each.
    BackendError
        If these are no samples, or of two namespaces.

    Notes
    -----
    Images of files are read tile by tile. Those of dask arrays are fetched to this process.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> rng = np.random.default_rng(0)
    >>> images = rng.random((64, 64)), rng.random((48, 80))
    >>> spectra = [um.window_fft(um.sliding_windows(image, 16, 8)) for image in images]
    >>> model = um.pca(um.concat(spectra, along="temperature", coordinate=[20, 80], units="C"), 2)
    >>> model.maps.shape
    (2, 2, 7, 9)
    >>> [part.maps.shape for part in um.split(model)]
    [(2, 7, 7), (2, 5, 9)]
    """
    given = _require_alike(samples)
    first, layouts = given[0], tuple(s.layout for s in given)
    taken = [a.name for a in first.axes]
    if along in taken or not str(along).isidentifier():
        raise ParameterError(
            f"along is {along!r}; expected a name for the new axis, other than {', '.join(taken)}"
        )
    shapes = tuple(layout.map_shape for layout in layouts)
    most = tuple(max(n) for n in zip(*shapes, strict=True))
    inner = tuple(_common_axis(axes) for axes in zip(*(x.map_axes for x in layouts), strict=True))
    mask = np.zeros((len(given), *most), bool)
    for i, layout in enumerate(layouts):
        part = mask[i][_corner(layout)]
        part[...] = True if layout.mask is None else layout.mask
    grid = layouts[0].windows
    alike = grid is not None and all(
        x.windows is not None and grid.same_as(x.windows) for x in layouts
    )
    axis = Axis(along, _coordinates(coordinate, len(given)), str(units))
    layout = replace(
        layouts[0],
        map_axes=(axis, *inner),
        mask=None if mask.all() else mask,
        windows=grid if alike else None,
        images=tuple(x.with_descriptor() for x in layouts),
    )
    parameters = {
        "others": list(given[1:]),
        "along": along,
        "coordinate": None if coordinate is None else [float(v) for v in coordinate],
        "units": units,
    }
    return Samples(
        source=Concatenated(tuple(s.unweighted().source for s in given), shapes),
        layout=layout,
        record=first.record.then("concat", parameters),
        nonnegative=_all_nonnegative(given),
    )


def split(model: Unmixing) -> tuple[Unmixing, ...]:
    """Take a model of joined descriptors, or of several images, apart.

    Parameters
    ----------
    model : Unmixing
        Fitted to what `join` or `concat` gave.

    Returns
    -------
    tuple of Unmixing
        Of joined descriptors one for each: the same maps, and components of that descriptor in its
        own axes and units, less its weight. Of several images one for each, of the kind of the
        model: its own maps, of its own size and coordinates, and the same components. A model of
        both comes apart by descriptors, and each of those by images.

    Raises
    ------
    ShapeError
        If the model is of neither, or samples or entries were cropped or binned since.
    BackendError
        If this is no model.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> a = um.samples(np.random.default_rng(0).random((9, 4)), 1)
    >>> model = um.kmeans(um.join(a, a.transform("sqrt")), 2)
    >>> bool(np.allclose(um.split(model)[0].components, model.components[:, :4]))
    True
    """
    if not isinstance(model, Unmixing):
        raise BackendError(f"expected a model, but got {type(model).__name__}; fit one first")
    if model.layout.parts is not None:
        return tuple(_part_of(model, i) for i in range(len(model.layout.parts)))
    if model.layout.images is not None:
        return tuple(_image_of(model, i) for i in range(len(model.layout.images)))
    raise ShapeError(
        f"{model!r} is of one descriptor of one image, or was cropped or binned since join or "
        "concat; expected a model of what these gave"
    )


def _part_of(model: Unmixing, number: int) -> Unmixing:
    """Return what a model says of one of the descriptors."""
    layout, xp = model.layout, namespace_of(model.components)
    parts = layout.parts or ()
    ends = np.cumsum([0, *(part.size for part in parts)])
    part, where = parts[number], slice(int(ends[number]), int(ends[number + 1]))
    own, _ = layout.crop_entries((where,), ())
    index = None if own.index is None else own.index.reshape(part.shape)

    def entries(values: Array) -> Array:
        return xp.reshape(values[..., where], (*values.shape[:-1], *part.shape)) / part.weight

    return Unmixing(
        maps=model.maps,
        components=entries(model.components),
        mean=None if model.mean is None else entries(model.mean),
        layout=own.with_descriptor(*part.axes, index=index),
        record=model.record.then("split", {"number": number}),
    )


def _image_of(model: Unmixing, number: int) -> Unmixing:
    """Return what a model says of one of the images."""
    whole = model.layout
    own = (whole.images or ())[number]
    corner = _corner(own)
    mask = None if whole.mask is None else whole.mask[number][corner]
    layout = replace(
        own,
        descriptor_axes=whole.descriptor_axes,
        index=whole.index,
        mask=None if mask is None or mask.all() else mask,
    )
    values = {name: getattr(model, name) for name in model.per_sample}
    cut: dict[str, Any] = {n: v[(..., number, *corner)] for n, v in values.items() if v is not None}
    if isinstance(model, Endmembers):  # they lie in one of the images only
        cut |= {"indices": None, "positions": None}
    record = model.record.then("split", {"number": number})
    return replace(model, layout=layout, record=record, **cut)


def _corner(layout: Layout) -> Slices:
    """Return where an image lies among those that were put together."""
    return tuple(slice(0, n) for n in layout.map_shape)


def _require_described(samples: Any) -> Samples:
    if not isinstance(samples, Samples):
        raise BackendError(
            f"expected Samples, but got {type(samples).__name__}; make them of an array with "
            "unmix.samples(array, map_axes)"
        )
    if not samples.layout.descriptor_axes:
        raise ShapeError(f"expected described samples, but got the image {samples!r}")
    if samples.is_complex:
        raise DTypeError("these samples are complex; take output='amplitude' or 'power'")
    return samples


def _weights(weights: Any, n: int) -> tuple[float, ...]:
    if n < 2:
        raise ParameterError("one descriptor came; expected two or more to join")
    given = (1.0,) * n if weights is None else weights
    listed = tuple(given) if isinstance(given, (Sequence, np.ndarray)) else ()
    if len(listed) != n or not all(isinstance(w, Real) and 0 < float(w) < np.inf for w in listed):
        raise ParameterError(
            f"weights is {weights!r}; expected a positive number for each of {n} descriptors"
        )
    return tuple(float(w) for w in listed)


def _require_alike(samples: Any) -> list[Samples]:
    """Return samples with map axes of the same names and the same description."""
    if not isinstance(samples, (list, tuple)) or not samples:
        raise ParameterError(
            f"expected a list of samples, but got {type(samples).__name__}"
            + (" without any" if isinstance(samples, (list, tuple)) else "")
        )
    given = [s if isinstance(s, Samples) else as_image(s) for s in samples]
    first = given[0]
    for other in given[1:]:
        namespace_of(first.source.like, other.source.like)
        first.layout.require_same_descriptor(other.layout)
        mine, theirs = (
            [a.name for a in s.layout.map_axes] + [s.record.description()] for s in (first, other)
        )
        if mine != theirs:
            raise ShapeError(
                f"some samples are ({describe_axes(first.layout.map_axes)}: {mine[-1]}), others "
                f"({describe_axes(other.layout.map_axes)}: {theirs[-1]}); expected map axes of the "
                "same names and values described in the same way"
            )
    return given


def _common_axis(axes: tuple[Axis, ...]) -> Axis:
    """Return the longest axis where all others begin it, else one that counts."""
    longest = max(axes, key=lambda a: a.size)
    begun = (replace(longest, values=longest.values[: a.size]) for a in axes)
    if all(a.same_as(b) for a, b in zip(axes, begun, strict=True)):
        return longest
    return Axis.regular(longest.name, longest.size, units="")


def _coordinates(coordinate: Any, n: int) -> HostArray:
    if coordinate is None:
        return np.arange(n, dtype=float)
    given = list(coordinate) if isinstance(coordinate, (Sequence, np.ndarray)) else []
    if len(given) != n or not all(isinstance(v, Real) and np.isfinite(float(v)) for v in given):
        raise ParameterError(
            f"coordinate is {coordinate!r}; expected a finite number for each of {n} images"
        )
    return np.asarray(given, float)


def _all_nonnegative(samples: Sequence[Samples]) -> bool | None:
    known = {s.nonnegative for s in samples}
    return True if known == {True} else False if False in known else None
