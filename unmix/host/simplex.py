"""The search of N-FINDR in blocks: values of a block are looked at while they are in cache."""

from __future__ import annotations

import numpy as np

from .._typing import Array, HostArray

BLOCK = 1 << 20
"""Bytes of values that are computed at once."""


def largest_forms(points: Array, forms: HostArray, offsets: HostArray) -> tuple[Array, Array]:
    """Largest modulus of linear forms over the rows of a NumPy array; see `unmix.ops`."""
    n, s = len(points), len(forms)
    forms, shifts = (np.asarray(a, dtype=points.dtype) for a in (forms, offsets[:, None]))
    best, position = np.full(s, -1, dtype=points.dtype), np.zeros(s, dtype=np.int64)
    step = max(1, BLOCK // max(1, s * points.itemsize))
    for start in range(0, n, step):
        values = forms @ points[start : start + step].T
        values += shifts
        np.abs(values, out=values)
        top = values.max(axis=1)
        for i in np.flatnonzero(top > best):  # few: the largest so far is seldom beaten
            position[i] = start + values[i].argmax()
        best = np.maximum(best, top)
    return best, position
