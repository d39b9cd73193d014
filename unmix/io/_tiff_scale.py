"""The pixel size of a TIFF: from OME, ImageJ or the resolution tags."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

from .._errors import FileError

Sizes = dict[str, tuple[float, str]]
"""Letter of an axis (Y, X, Z, T) -> distance between entries and its unit."""

UNITS = {
    "micron": "µm",
    "microns": "µm",
    "um": "µm",
    "\\u00B5m": "µm",
    "\u03bcm": "µm",
    "nanometer": "nm",
    "angstrom": "Å",
    "\\u00C5": "Å",
    "sec": "s",
}
"""Ways to write a unit -> ours."""

NANOMETRES = {2: 25.4e6, 3: 10e6}
"""Of the TIFF resolution units, inch and centimetre."""

COARSEST = 10_000.0
"""Nanometres; a coarser resolution is that of a print or a screen and no pixel size."""


def pixel_sizes(tif: Any, page: Any) -> Sizes:
    """Return what the file says of the distance between its pixels, slices and frames."""
    if tif.is_ome:
        return _ome(tif.ome_metadata)
    y, x = (_ratio(page.tags.valueof(code)) for code in (283, 282))
    sizes: Sizes = {}
    if tif.is_imagej:
        sizes = _imagej(tif.imagej_metadata or {}, y, x)
    unit = page.tags.valueof(296)
    if "Y" in sizes or y is None or x is None or unit not in NANOMETRES:
        return sizes
    in_nm = {letter: NANOMETRES[unit] / per_unit for letter, per_unit in (("Y", y), ("X", x))}
    if max(in_nm.values()) > COARSEST:
        return sizes
    return sizes | {letter: (size, "nm") for letter, size in in_nm.items()}


def _imagej(said: Mapping[str, Any], y: float | None, x: float | None) -> Sizes:
    sizes: Sizes = {}
    unit = _unit(said.get("unit"))
    if unit:
        if y is not None and x is not None:
            sizes |= {"Y": (1 / y, unit), "X": (1 / x, unit)}
        if _positive(said.get("spacing")):
            sizes["Z"] = (float(said["spacing"]), unit)
    if _positive(said.get("finterval")):
        sizes["T"] = (float(said["finterval"]), _unit(said.get("tunit")) or "s")
    return sizes


def _ome(text: str | None) -> Sizes:
    try:
        root = ET.fromstring(text or "")
    except ET.ParseError as error:
        msg = f"its OME metadata is no XML ({error})"
        raise FileError(msg) from error
    pixels = root.find(".//{*}Pixels")
    if pixels is None:
        return {}
    sizes: Sizes = {}
    for letter, name, unit in (
        ("Y", "PhysicalSizeY", "µm"),
        ("X", "PhysicalSizeX", "µm"),
        ("Z", "PhysicalSizeZ", "µm"),
        ("T", "TimeIncrement", "s"),
    ):
        if _positive(pixels.get(name)):
            sizes[letter] = (float(pixels.get(name) or 1), _unit(pixels.get(f"{name}Unit")) or unit)
    return sizes


def _ratio(value: Any) -> float | None:
    """Return pixels per unit of a resolution tag, or None where there are none."""
    try:
        ratio = value[0] / value[1]
    except (TypeError, IndexError, ZeroDivisionError):
        return None
    return float(ratio) if _positive(ratio) else None


def _positive(value: Any) -> bool:
    try:
        return math.isfinite(float(value)) and float(value) > 0
    except (TypeError, ValueError):
        return False


def _unit(value: Any) -> str:
    text = str(value or "").strip()
    if text.lower() in ("", "pixel", "pixels", "px"):
        return ""
    return UNITS.get(text, UNITS.get(text.lower(), text))
