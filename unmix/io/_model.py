"""`save` and `load`: a fitted model as one .npz file."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from .._arrays import is_array, to_host
from .._axes import Axis
from .._endmembers import Endmembers, PixelPurity, Posterior
from .._errors import FileError, ParameterError
from .._mixture import Mixture
from .._record import Record
from .._results import Clusters, IndependentComponents, NonnegativeFactors, PrincipalComponents
from .._typing import HostArray
from .._unmixing import Unmixing
from .._write import new_file
from ..layout import Layout, Part, WindowGrid
from ._numpy import MODEL, read_member
from ._opened import unreadable

VERSION = 1
"""Of the file format; files of a later one are refused."""

FORMAT = "unmix model"

KINDS: dict[str, type[Unmixing]] = {
    kind.__name__: kind
    for kind in (
        Unmixing,
        PrincipalComponents,
        Endmembers,
        PixelPurity,
        Posterior,
        IndependentComponents,
        NonnegativeFactors,
        Clusters,
        Mixture,
    )
}
"""What a file may hold."""

EPOCH = (1980, 1, 1, 0, 0, 0)
"""Date of every member, so that the same model gives the same file."""


def save(path: str | os.PathLike[str], model: Unmixing) -> None:
    """Write a model to one ``.npz`` file, whole or not at all.

    Parameters
    ----------
    path : str or path-like
        Ends in ``.npz``. A file of this name is replaced.
    model : Unmixing
        Arrays of any namespace; they are saved as NumPy's.

    Raises
    ------
    FileError
        If the path does not end in ``.npz`` or cannot be written.
    ParameterError
        If ``model`` is no model.

    Notes
    -----
    One ``.npz`` because everybody with NumPy can read it, today and without this library:
    ``numpy.load(path)["maps"]``. It is a zip archive of ``.npy`` files: ``maps``, ``components``,
    ``mean``, the kind's own results (``explained_variance``, ``indices``, ``labels`` ...),
    ``axis0``, ``axis1`` ... with the coordinates of all axes, ``mask``, ``index``; and of one text
    file, ``unmix.json``, with the kind, the names and units of the axes, the window grid and the
    record. An array that is None is not there. Zarr would cost a dependency and give many files; a
    model is small beside its data.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import unmix as um
    >>> model = um.pca(np.random.default_rng(0).random((50, 6)), 2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "model.npz"
    ...     um.save(path, model)
    ...     with np.load(path) as file:
    ...         print(file["maps"].shape)
    ...     um.load(path)
    (2, 50)
    <PrincipalComponents: 2 maps of sample 50, components of feature 6>
    """
    if not isinstance(model, Unmixing):
        raise ParameterError(
            f"expected a fitted model, but got {type(model).__name__}; save arrays with numpy.save"
        )
    file = Path(path)
    if file.suffix != ".npz":
        raise FileError(f"cannot save a model as {file}; expected a name that ends in .npz")
    text = json.dumps(_header(model), indent=1, ensure_ascii=False)
    with new_file(file) as stream, zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(zipfile.ZipInfo(MODEL, EPOCH), text, zipfile.ZIP_DEFLATED)
        for name, array in _arrays(model).items():
            with archive.open(
                zipfile.ZipInfo(f"{name}.npy", EPOCH), "w", force_zip64=True
            ) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _header(model: Unmixing) -> dict[str, Any]:
    layout = model.layout
    return {
        "format": FORMAT,
        "version": VERSION,
        "kind": type(model).__name__,
        **_layout_header(layout),
        "parts": [{"axes": _named(p.axes), "weight": p.weight} for p in layout.parts or ()],
        "images": [_layout_header(image) for image in layout.images or ()],
        "names": model.names,
        "colors": model.colors,
        "record": model.record.to_list(),
    }


def _named(axes: tuple[Axis, ...]) -> list[dict[str, str]]:
    return [{"name": a.name, "units": a.units} for a in axes]


def _layout_header(layout: Layout) -> dict[str, Any]:
    grid = layout.windows
    return {
        "map_axes": _named(layout.map_axes),
        "descriptor_axes": _named(layout.descriptor_axes),
        "windows": None
        if grid is None
        else {
            "image_shape": list(grid.image_shape),
            "window": list(grid.window),
            "step": list(grid.step),
            "edges": grid.edges,
        },
    }


def _arrays(model: Unmixing) -> dict[str, HostArray]:
    layout = model.layout
    named = {name: getattr(model, name) for name in ("maps", "components", "mean", *model.extras)}
    named |= _layout_arrays(layout)
    for i, part in enumerate(layout.parts or ()):
        named |= {f"part{i}_axis{j}": axis.values for j, axis in enumerate(part.axes)}
    for i, image in enumerate(layout.images or ()):
        named |= {f"image{i}_{name}": value for name, value in _layout_arrays(image).items()}
    return {
        name: to_host(value) if is_array(value) else np.asarray(value)
        for name, value in named.items()
        if value is not None
    }


def _layout_arrays(layout: Layout) -> dict[str, Any]:
    axes = (*layout.map_axes, *layout.descriptor_axes)
    named: dict[str, Any] = {f"axis{i}": axis.values for i, axis in enumerate(axes)}
    named |= {"index": layout.index, "mask": layout.mask}
    if layout.windows is not None:
        named["corners_y"], named["corners_x"] = layout.windows.corners
    return named


def load(path: str | os.PathLike[str]) -> Unmixing:
    """Read a model that `save` wrote.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    Unmixing
        Of the kind that was saved, in NumPy arrays, every bit as it was.

    Raises
    ------
    FileError
        If the file is missing, truncated, of another kind or of a later version of this library.

    Notes
    -----
    Nothing in the file is executed: it holds numbers and JSON.
    """
    file = Path(path)
    if not file.is_file():
        raise FileError(f"there is no model {file}; expected an .npz file that unmix.save wrote")
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            if MODEL not in names:
                raise FileError(
                    f"{file} is an archive, but no model of unmix; read data with unmix.open"
                )
            header = json.loads(archive.read(MODEL))
            _require_known(header, file)
            arrays = {
                n: read_member(archive, n)
                for n in (m.removesuffix(".npy") for m in names if m.endswith(".npy"))
            }
        return _model(header, arrays)
    except FileError:
        raise
    except Exception as error:  # damage shows anywhere
        raise unreadable(file, "a model of unmix", error) from error


def _require_known(header: Any, file: Path) -> None:
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise FileError(f"{file} holds another {MODEL} than unmix.save writes; expected a model")
    if header["version"] > VERSION:
        raise FileError(
            f"{file} has version {header['version']} of the format; this unmix reads up to "
            f"{VERSION}: pip install --upgrade unmix"
        )


def _model(header: Mapping[str, Any], arrays: dict[str, HostArray]) -> Unmixing:
    kind = KINDS.get(header["kind"])
    if kind is None:
        msg = f"there is no kind of model {header['kind']!r}"
        raise ValueError(msg)
    known = {f.name for f in fields(kind)} - {"layout", "record"}
    found: dict[str, Any] = {n: a if a.ndim else a.item() for n, a in arrays.items() if n in known}
    found |= {n: tuple(header[n]) for n in ("names", "colors") if header.get(n)}
    layout, record = _layout_of(header, arrays), Record.from_list(header["record"])
    model: Unmixing = kind(**found, layout=layout, record=record)
    expected = ((len(model), *layout.map_shape), (len(model), *layout.descriptor_shape))
    if (model.maps.shape, model.components.shape) != expected:
        msg = f"maps {model.maps.shape} and components {model.components.shape} do not fit the axes"
        raise ValueError(msg)
    return model


def _layout_of(header: Mapping[str, Any], arrays: Mapping[str, HostArray]) -> Layout:
    """Return the layout with what was joined or put together in it."""
    parts = tuple(
        Part(
            tuple(
                Axis(a["name"], arrays[f"part{i}_axis{j}"], a["units"])
                for j, a in enumerate(part["axes"])
            ),
            float(part["weight"]),
        )
        for i, part in enumerate(header.get("parts", ()))
    )
    images = tuple(
        _layout(image, _beginning_with(f"image{i}_", arrays))
        for i, image in enumerate(header.get("images", ()))
    )
    return replace(_layout(header, arrays), parts=parts or None, images=images or None)


def _beginning_with(start: str, arrays: Mapping[str, HostArray]) -> dict[str, HostArray]:
    return {n.removeprefix(start): a for n, a in arrays.items() if n.startswith(start)}


def _layout(header: Mapping[str, Any], arrays: Mapping[str, HostArray]) -> Layout:
    named = [*header["map_axes"], *header["descriptor_axes"]]
    axes = [Axis(a["name"], arrays[f"axis{i}"], a["units"]) for i, a in enumerate(named)]
    n, grid = len(header["map_axes"]), header["windows"]
    windows = None
    if grid is not None:
        windows = WindowGrid(
            image_shape=_pair(grid["image_shape"]),
            window=_pair(grid["window"]),
            step=_pair(grid["step"]),
            corners=(arrays["corners_y"], arrays["corners_x"]),
            edges=str(grid["edges"]),
        )
    return Layout(
        tuple(axes[:n]),
        tuple(axes[n:]),
        index=arrays.get("index"),
        mask=arrays.get("mask"),
        windows=windows,
    )


def _pair(values: Any) -> tuple[int, int]:
    y, x = values
    return int(y), int(x)
