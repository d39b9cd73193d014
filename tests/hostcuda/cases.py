"""A small problem for each kernel of the project, which is right or raises.

Small, because under the race checker each thread costs a millisecond; but every loop turns at least
twice somewhere, every kind of tail is there, and ties and integers leave no tolerance where none is
needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import numpy as np

import unmix as um
from unmix.cuda import kmeans, simplex, spectra, svd

from .kernels import HostKernels

Case = Callable[[HostKernels], None]


def _draw(*key: int) -> np.random.Generator:
    return np.random.default_rng(key)


def _same(ours: Any, theirs: Any) -> None:
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)


def _forms(n: int, d: int, s: int, dtype: Any, layout: Any = "C") -> Case:
    """Search small integers, where many rows tie."""
    draw = _draw(n, d, s)
    points = draw.integers(-2, 3, (n, d)).astype(dtype, order=layout)
    forms, offsets = draw.integers(-2, 3, (s, d)).astype(float), draw.integers(-2, 3, s)

    def case(kernels: HostKernels) -> None:
        expected = um.ops.largest_forms(points, forms, offsets, impl="generic")
        with patch.object(simplex, "MOST_BLOCKS", 2):
            _same(simplex.search(kernels, points, forms, offsets), expected)

    return case


def _labels(n: int, f: int, s: int, k: int, dtype: Any) -> Case:
    draw = _draw(n, f, s, k)
    rows, centers, origin = (draw.integers(-2, 3, m).astype(dtype) for m in ((n, f), (s, k, f), f))

    def case(kernels: HostKernels) -> None:
        expected = um.ops.nearest(rows, centers, origin, impl="generic")
        with patch.object(kmeans, "MOST_BLOCKS", 2):
            _same(kmeans.label_rows(kernels, rows, centers, origin), expected)

    return case


def _sums(way: str, n: int, f: int, s: int, k: int, dtype: Any) -> Case:
    draw = _draw(n, f, s, k)
    rows, centers, origin = (draw.integers(-2, 3, m).astype(dtype) for m in ((n, f), (s, k, f), f))
    norms = um.ops.squared_norms(rows, origin)
    never = kmeans.MOST_SHARED + 1

    def case(kernels: HostKernels) -> None:
        expected = um.ops.assign(rows, centers, origin, norms, impl="generic")
        with patch.multiple(
            kmeans,
            MOST_BLOCKS=2,
            fused_shared=kmeans.fused_shared if way == "fused" else lambda *_: never,
            column_centers=(lambda _: 0) if way == "sorted" else kmeans.column_centers,
        ):
            ours = kmeans.assign_rows(kernels, rows, centers, origin, norms)
        _same(ours, expected)

    return case


def _race(n: int, s: int, dtype: Any) -> Case:
    draw = _draw(n, s)
    rows = draw.standard_normal((n, 2)).astype(dtype)
    squared, exponentials = draw.integers(0, 3, (2, n, s)).astype(dtype)

    def case(kernels: HostKernels) -> None:
        expected = um.ops.race(rows, squared, exponentials, impl="generic")
        _same(kmeans.race_rows(kernels, rows, squared, exponentials), expected)

    return case


def _sketch(n: int, f: int, width: int, dtype: Any) -> Case:
    draw = _draw(n, f, width)
    rows = draw.integers(0, 5, (n, f)).astype(dtype)
    q = draw.integers(-1, 2, (f, width)).astype(float)
    center, scale = draw.integers(0, 5, f).astype(float), 2.0 ** draw.integers(-1, 2, f)

    def case(kernels: HostKernels) -> None:
        centred = rows.astype(float) * scale - center
        expected = um.ops.sketch(centred, q, np.zeros(f), impl="generic")
        with patch.multiple(svd, MOST_BLOCKS=1, MOST_SLICE=256):
            _same(svd.sketch_part(kernels, rows, q, center, scale), expected)

    return case


def _image(shape: tuple[int, ...], dtype: Any) -> Any:
    return _draw(*shape).integers(0, 200, shape).astype(dtype)


def _close(ours: Any, theirs: Any) -> None:
    assert ours.shape == theirs.shape
    assert np.all(np.abs(ours - theirs) <= 1e-5 * np.max(np.abs(theirs), initial=1))


def _fft(
    window: tuple[int, int], step: tuple[int, int], shape: Any, dtype: Any, **kept: Any
) -> Case:
    image = _image(shape, dtype)

    def case(kernels: HostKernels) -> None:
        wide = image.astype(float)
        expected = um.ops.window_fft(wide, window, step, impl="generic", **kept)
        with patch.object(spectra, "LEAST_BLOCKS", 2):
            task = spectra.Spectra.of(image, window, step, **kept)
            _close(spectra.describe(kernels, task), expected)

    return case


def _project(window: tuple[int, int], step: tuple[int, int], shape: Any, width: int) -> Case:
    image = _image(shape, np.uint16)
    rows, columns = np.arange(window[0] - 1), np.arange(window[1] // 2 - 1)
    features = len(rows) * len(columns)  # not in fours
    vectors = _draw(features, width).standard_normal((features, width)).astype(np.float32)

    def case(kernels: HostKernels) -> None:
        wide = image.astype(float)
        expected = um.ops.window_project(
            wide, window, step, vectors, rows=rows, columns=columns, impl="generic"
        )
        task = spectra.Spectra.of(image, window, step, rows=rows, columns=columns)
        _close(spectra.project(kernels, task, vectors, None, 48 * 1024), expected)

    return case


def _any(window: tuple[int, int], shape: Any, dtype: Any, output: Any) -> Case:
    image = _image(shape, dtype)

    def case(kernels: HostKernels) -> None:
        wide = image.astype(float)
        expected = um.ops.window_fft(wide, window, (3, 2), output=output, impl="generic")
        task = spectra.Spectra.of(image, window, (3, 2), output=output)
        _close(spectra.describe_any(kernels, task), expected)

    return case


CASES: dict[str, Case] = {
    "search dense": _forms(2100, 5, 3, np.float32),
    "search ties": _forms(300, 2, 4, np.float32),
    "search strided": _forms(900, 4, 9, np.float64, "F"),
    "search wide": _forms(700, 33, 18, np.float32),
    "labels": _labels(150, 40, 2, 21, np.float32),
    "fused": _sums("fused", 150, 5, 3, 15, np.float32),
    "fused double": _sums("fused", 300, 9, 1, 4, np.float64),
    "columns": _sums("columns", 100, 40, 2, 3, np.float32),
    "sorted": _sums("sorted", 1300, 3, 2, 5, np.float64),
    "race": _race(2100, 3, np.float32),
    "sketch": _sketch(1100, 140, 10, np.uint16),
    "sketch wide": _sketch(40, 300, 33, np.float32),
    "fft 8 x 16": _fft((8, 16), (5, 3), (2, 20, 40), np.uint8),
    "fft 32 x 64": _fft((32, 64), (9, 7), (50, 85), np.uint16, columns=np.array([0, 5, 32])),
    "fft 64 x 32": _fft((64, 32), (9, 7), (75, 60), np.float32),
    "fft of halves": _fft((16, 8), (4, 4), (24, 24), np.float16),
    "project": _project((32, 16), (4, 5), (40, 60), 5),
    "any window": _any((12, 9), (18, 20), np.int16, "amplitude"),
    "any complex": _any((7, 10), (9, 15), np.float64, "complex"),
}
