"""zarr: one array of a store, read chunk by chunk, with the axes that its attributes tell of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .._axes import Axis
from .._errors import FileError
from ._opened import FileArray, Opened, choose, library, unreadable

MARKERS = ("zarr.json", ".zgroup", ".zarray")
"""Files that make a folder a zarr store: of version 3, and of version 2."""

NAMES = {"t": "frame", "z": "slice", "c": "channel"}
"""OME's names of axes that have another one here."""

UNITS = {
    "angstrom": "Å",
    "nanometer": "nm",
    "micrometer": "µm",
    "millimeter": "mm",
    "meter": "m",
    "second": "s",
    "millisecond": "ms",
}


def is_zarr(path: Path) -> bool:
    """Tell whether a folder is a zarr store."""
    return any((path / name).is_file() for name in MARKERS)


def read_zarr(path: Path, name: str | None) -> Opened:
    """Open one array of a store, version 2 or 3."""
    zarr, version = library("zarr")
    try:
        node = zarr.open(str(path), mode="r")
        found: dict[str, Any] = {"": node}
        if isinstance(node, zarr.Group):
            members = node.members(max_depth=None)
            found = {inner: item for inner, item in members if isinstance(item, zarr.Array)}
        images = _images(node)
        if name is None and images:
            name = next(iter(images))  # of several resolutions the first is the full one
        shapes = {k: tuple(a.shape) for k, a in found.items() if a.dtype.kind in "iufcb"}
        chosen = choose(path, name and name.strip("/"), shapes)
        array = found[chosen]
        if chosen in images:
            axes, scales = images[chosen]
        else:
            axes, scales = _axes(array, chosen, found)
    except FileError:
        raise
    except Exception as error:  # damage to metadata shows anywhere in its parser
        raise unreadable(path, "a zarr store", error) from error
    data = FileArray(
        path, "a zarr store", array.shape, array.dtype, array.__getitem__, chunks=array.chunks
    )
    return Opened(data, version, axes, scales)


def _axes(array: Any, chosen: str, found: dict[str, Any]) -> tuple[str | None, dict[int, Axis]]:
    """Read names of axes and the arrays of coordinates beside the data, as xarray writes them."""
    names = getattr(array.metadata, "dimension_names", None)
    names = names or array.attrs.get("_ARRAY_DIMENSIONS") or ()
    folder = chosen.rpartition("/")[0]
    scales = {}
    for i, (name, n) in enumerate(zip(names, array.shape, strict=False)):
        beside = found.get(f"{folder}/{name}".strip("/"))
        if beside is None or beside.shape != (n,) or beside.dtype.kind not in "iuf":
            continue
        values = np.asarray(beside[:], dtype=np.float64)
        if np.isfinite(values).all():
            scales[i] = Axis("", values, str(beside.attrs.get("units", "")))
    said = array.attrs.get("axes")  # ours: with a bar between map and descriptor
    if isinstance(said, str) and said.replace("|", " ").split() == list(names):
        return said, scales
    plain = len(names) in (2, 3) and all(isinstance(n, str) and n.isidentifier() for n in names)
    return " ".join(names) if plain else None, scales


def _images(node: Any) -> dict[str, tuple[str | None, dict[int, Axis]]]:
    """Read names, pixel sizes and units of the images of an OME-Zarr store, by their paths."""
    about = node.attrs.get("ome", node.attrs)
    images: dict[str, tuple[str | None, dict[int, Axis]]] = {}
    for image in about.get("multiscales", [])[:1]:
        letters = [axis["name"] for axis in image["axes"]]
        units = [UNITS.get(axis.get("unit", ""), axis.get("unit", "px")) for axis in image["axes"]]
        for data in image["datasets"]:
            size, start = [1.0] * len(letters), [0.0] * len(letters)
            for change in data.get("coordinateTransformations", []):
                size = change.get("scale", size)
                start = change.get("translation", start)
            shape = node[data["path"]].shape
            images[data["path"].strip("/")] = (
                " ".join(NAMES.get(letter, letter) for letter in letters),
                {
                    i: Axis.regular("", n, start=start[i], spacing=size[i], units=units[i])
                    for i, n in enumerate(shape)
                },
            )
    return images
