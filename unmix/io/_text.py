"""Files and models in words, for the command line."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .._axes import Axis
from .._endmembers import Endmembers
from .._errors import UnmixError
from .._fold import fold
from .._mixture import Mixture
from .._record import Record
from .._results import Clusters, NonnegativeFactors, PrincipalComponents
from .._samples import Samples
from .._sources import ArraySource
from .._tiles import Tile
from .._unmixing import Unmixing
from ._model import load
from ._numpy import MODEL
from ._open import open as open_file

Range = tuple[float, float, float, int]
"""Smallest, largest, sum, count."""


def about(path: str, axes: str | None) -> list[str]:
    """Say what a file holds."""
    if axes is None and _is_model(Path(path)):
        return _model(load(path))
    return _data(open_file(path, axes=axes))


def _is_model(file: Path) -> bool:
    if not zipfile.is_zipfile(file):
        return False
    with zipfile.ZipFile(file) as archive:
        return MODEL in archive.namelist()


def _data(samples: Samples) -> list[str]:
    step, source = samples.record.steps[0], samples.source
    dtype = str(source.like.dtype)
    size = int(np.prod(samples.shape)) * source.like.dtype.itemsize
    lazy = isinstance(source, ArraySource) and not source.in_memory
    return [
        f"file     {step.parameters['path']} ({step.run['reader']})",
        *(
            f"{'map' if not i else '':8} {line}"
            for i, line in enumerate(_axes(samples.layout.map_axes))
        ),
        *(
            f"{'each' if not i else '':8} {line}"
            for i, line in enumerate(_axes(samples.layout.descriptor_axes))
        ),
        f"type     {dtype}, {size / 1e6:.4g} MB, {'read block by block' if lazy else 'in memory'}",
        f"values   {_range(samples)}",
    ]


def _axes(axes: tuple[Axis, ...]) -> list[str]:
    width = max((len(a.name) for a in axes), default=0)
    return [
        f"{a.name:{width}}  {a.size:>6}, {a.values[0]:.6g} to {a.values[-1]:.6g} {a.units}".rstrip()
        + (f" ({a.spacing:.6g} apart)" if a.size > 1 and a.spacing != 1 else "")
        for a in axes
    ]


def _range(samples: Samples) -> str:
    """Find smallest, largest and mean value, block by block."""

    def update(tile: Tile, _: None) -> Range:
        rows = tile.rows
        return float(rows.min()), float(rows.max()), float(rows.sum(dtype=np.float64)), rows.size

    def merge(a: Range, b: Range) -> Range:
        return min(a[0], b[0]), max(a[1], b[1]), a[2] + b[2], a[3] + b[3]

    try:
        (low, high, total, n), _ = fold(samples, update, merge, label="values")
    except UnmixError as error:
        return f"cannot be used: {error}"
    return f"{low:g} to {high:g}, mean {total / n:g}"


def _model(model: Unmixing) -> list[str]:
    return [
        repr(model).strip("<>"),
        *(f"map       {line}" for line in _axes(model.layout.map_axes)),
        *(f"component {line}" for line in _axes(model.layout.descriptor_axes)),
        *findings(model, None),
        "made by",
        *steps(model.record),
    ]


def findings(model: Unmixing, pca: PrincipalComponents | None) -> list[str]:
    """Say in a few lines what a model found."""
    sizes = " x ".join(f"{a.name} {a.size}" for a in model.layout.map_axes)
    lines = [f"{model.layout.n_samples} samples: {sizes}"]
    grid = model.layout.windows
    if grid is not None:
        lines[0] += (
            f" (windows of {grid.window[0]} x {grid.window[1]} pixels, every {_pair(grid.step)})"
        )
    if isinstance(model, Endmembers):
        if model.volume is not None:
            lines.append(f"volume of the simplex: {model.volume:.6g}")
        lines += [
            f"endmember {i}: mean abundance {np.nanmean(a):.3f}{_at(model, i)}"
            for i, a in enumerate(np.asarray(model.maps))
        ]
    elif isinstance(model, Clusters):
        n = model.layout.n_samples
        counts = np.bincount(
            np.asarray(model.labels)[np.asarray(model.labels) >= 0], minlength=len(model)
        )
        lines += [f"cluster {i}: {c} samples ({c / n:.1%})" for i, c in enumerate(counts)]
    elif isinstance(model, Mixture):
        lines.append(
            f"log-likelihood after {model.n_iter} passes: {model.log_likelihood:.6g} "
            f"(BIC {model.bic:.6g}, ICL {model.icl:.6g})"
        )
        lines += [f"cluster {i}: {w:.1%} of the samples" for i, w in enumerate(model.weights)]
    elif isinstance(model, NonnegativeFactors):
        lines.append(f"{model.loss} loss after {model.n_iter} passes: {model.divergence:.6g}")
    pca = model if isinstance(model, PrincipalComponents) else pca
    if pca is not None:
        ratios = np.asarray(pca.explained_variance_ratio)
        each = ", ".join(f"{r:.2%}" for r in ratios)
        lines.append(
            f"variance explained by {len(pca)} principal components: {ratios.sum():.2%} ({each})"
        )
    return lines


def _pair(pair: tuple[int, int]) -> str:
    return f"{pair[0]}" if pair[0] == pair[1] else f"{pair[0]} x {pair[1]}"


def _at(model: Endmembers, i: int) -> str:
    if model.positions is None:
        return ""
    axes = model.layout.map_axes
    place = (f"{a.name} {p:g}" for a, p in zip(axes, model.positions[i], strict=True))
    return f", purest at {', '.join(place)} {axes[-1].units}".rstrip()


def steps(record: Record) -> list[str]:
    """Return one line for each step of a record."""
    lines = []
    for i, step in enumerate(record.steps):
        given = ", ".join(f"{k}={_short(v)}" for k, v in step.parameters.items() if v is not None)
        seconds = f"  [{step.run['seconds']} s]" if "seconds" in step.run else ""
        lines.append(f"  {i + 1}. {step.operation}({given}){seconds}")
    return lines


def _short(value: Any) -> str:
    """Return a parameter of a record in a few words."""
    if isinstance(value, Mapping) and "array" in value:
        shape = " x ".join(map(str, value["array"]["shape"]))
        return f"<array {shape} {np.dtype(value['array']['dtype']).name}>"
    if isinstance(value, Mapping) and "record" in value:
        return f"<{value['record'][-1]['operation']} of {len(value['record'])} steps>"
    return repr(value)
