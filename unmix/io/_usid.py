"""USID files: a data set of positions by values, which is turned into a grid when it is read.

The layout is that of the Universal Spectroscopy and Imaging Data model: a data set (positions,
values) refers to four tables, of indices and of values along the dimensions of both of its axes.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import numpy as np

from .._axes import Axis
from .._typing import HostArray

TABLES = ("Position_Indices", "Position_Values", "Spectroscopic_Indices", "Spectroscopic_Values")


def is_main(dataset: Any) -> bool:
    """Tell whether a data set refers to tables of its dimensions."""
    return len(dataset.shape) == 2 and all(name in dataset.attrs for name in TABLES)


def grids(file: Any, dataset: Any) -> tuple[tuple[Axis, ...], tuple[Axis, ...]]:
    """Return the dimensions of the positions and those of the values, slow to fast.

    A single value has none.
    """
    tables = [file[dataset.attrs[name]] for name in TABLES]
    indices, values, inner, inner_values = (np.asarray(t[()]) for t in tables)
    labels = [_texts(t.attrs, "labels") for t in tables]
    units = [_texts(t.attrs, "units") for t in tables]
    positions = _grid(indices, values, labels[0], units[1] or units[0], "site")
    within = _grid(inner.T, inner_values.T, labels[2], units[3] or units[2], "bin")
    return positions or (Axis.regular("site", 1, units=""),), within


def _grid(
    indices: HostArray, values: HostArray, labels: list[str], units: list[str], flat: str
) -> tuple[Axis, ...]:
    """Return the dimensions of a table (entries, dimensions), or one where they are no grid."""
    n, n_dims = indices.shape
    changes = [int(np.count_nonzero(np.diff(indices[:, d]))) for d in range(n_dims)]
    order = [d for d in np.argsort(changes, kind="stable") if changes[d]]
    sizes = [len(np.unique(indices[:, d])) for d in order]
    if int(np.prod(sizes)) != n:  # a scan that was stopped, or places of any kind
        return (Axis.regular(flat, n, units=""),)
    ranks = [np.unique(indices[:, d], return_inverse=True)[1].ravel() for d in order]
    if n > 1 and not np.array_equal(np.ravel_multi_index(ranks, sizes), np.arange(n)):
        return (Axis.regular(flat, n, units=""),)
    axes = []
    for place, d in enumerate(order):
        step = int(np.prod(sizes[place + 1 :]))
        along = values[: step * sizes[place] : step, d].astype(np.float64)
        name = re.sub(r"\W+", "_", labels[d] if d < len(labels) else "").strip("_").lower()
        unit = units[d] if d < len(units) else ""
        axes.append(Axis(name if name.isidentifier() else f"{flat}_{d}", along, unit))
    return tuple(axes)


def _texts(attributes: Any, name: str) -> list[str]:
    found = np.ravel(attributes.get(name, []))
    return [t.decode() if isinstance(t, bytes) else str(t) for t in found]


def _numbers(shape: tuple[int, ...], part: tuple[slice, ...]) -> HostArray:
    """Return the numbers in a grid of the entries of a block."""
    found = np.zeros((), dtype=np.int64)
    for n, s in zip(shape, part, strict=True):
        found = found[..., None] * n + np.arange(n)[s]
    return np.asarray(found)


def read_block(
    dataset: Any, shape: tuple[int, ...], n_map: int, key: tuple[slice, ...]
) -> HostArray:
    """Read a block of a grid whose first ``n_map`` axes are positions, by runs of rows."""
    rows = _numbers(shape[:n_map], key[:n_map])
    columns = _numbers(shape[n_map:], key[n_map:])
    first, last = int(columns.min()), int(columns.max()) + 1
    breaks = np.flatnonzero(np.diff(rows.ravel()) != 1) + 1
    runs = [rows.flat[a:b] for a, b in pairwise([0, *breaks, rows.size])]
    read = np.concatenate([dataset[int(r[0]) : int(r[-1]) + 1, first:last] for r in runs])
    block: HostArray = read[:, columns.ravel() - first].reshape(*rows.shape, *columns.shape)
    return block
