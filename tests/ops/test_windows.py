"""Sliding windows against loops, and overlap-add against their average."""

from __future__ import annotations

import re

import numpy as np
import pytest
from backends import Backend
from hypothesis import given
from hypothesis import strategies as st
from strategies import Geometry, computing_types, geometries, seeds, table
from tolerances import tolerance

from unmix import ops
from unmix._errors import ShapeError


def cut(image, window, step):
    """Cut windows one by one."""
    ys = range(0, image.shape[-2] - window[0] + 1, step[0])
    xs = range(0, image.shape[-1] - window[1] + 1, step[1])
    return np.stack(
        [
            np.stack([image[..., y : y + window[0], x : x + window[1]] for x in xs], axis=-3)
            for y in ys
        ],
        axis=-4,
    )


def laid(windows, corners, shape):
    """Lay windows back one by one: their mean, NaN where none lies."""
    total = np.zeros((*windows.shape[:-4], *shape))
    count = np.zeros(shape)
    w_y, w_x = windows.shape[-2:]
    for i, y in enumerate(corners[0]):
        for j, x in enumerate(corners[1]):
            total[..., y : y + w_y, x : x + w_x] += windows[..., i, j, :, :]
            count[y : y + w_y, x : x + w_x] += 1
    with np.errstate(invalid="ignore"):
        return total / np.where(count > 0, count, np.nan)


CASES = [
    Geometry((), (11, 17), (4, 3), (2, 5)),
    Geometry((), (11, 17), (11, 3), (1, 1)),  # one window along y
    Geometry((), (6, 9), (6, 9), (3, 3)),  # one window
    Geometry((), (7, 5), (1, 1), (2, 3)),
    Geometry((), (9, 8), (2, 3), (5, 4)),  # gaps between windows
    Geometry((3,), (8, 6), (3, 4), (2, 1)),
    Geometry((2, 1, 2), (5, 7), (2, 3), (3, 2)),
]


class TestSlidingWindows:
    @given(geometry=geometries(), seed=seeds)
    def test_equal_a_loop(self, backend, geometry, seed):
        image = table(seed, geometry.shape)
        got = ops.sliding_windows(backend.asarray(image), geometry.window, geometry.step)
        expected = cut(image, geometry.window, geometry.step)
        assert backend.owns(got)
        assert tuple(got.shape) == expected.shape
        np.testing.assert_array_equal(backend.numpy(got), expected)

    @pytest.mark.parametrize("case", CASES, ids=str)
    def test_every_implementation_is_the_same(self, backend, case):
        image = backend.asarray(np.arange(np.prod(case.shape)).reshape(case.shape), "int32")
        generic = ops.sliding_windows(image, case.window, case.step, impl="generic")
        fast = ops.sliding_windows(image, case.window, case.step)
        assert generic.dtype == fast.dtype == image.dtype
        expected = cut(backend.numpy(image), case.window, case.step)
        np.testing.assert_array_equal(backend.numpy(generic), expected)
        np.testing.assert_array_equal(backend.numpy(fast), expected)

    @pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int64", "float32", "float64"])
    def test_keep_the_dtype(self, backend, dtype):
        image = np.arange(30).reshape(5, 6).astype(dtype)
        got = ops.sliding_windows(backend.asarray(image), 3, 2)
        assert got.dtype == getattr(backend.xp, dtype)
        np.testing.assert_array_equal(backend.numpy(got), cut(image, (3, 3), (2, 2)))

    @pytest.mark.parametrize("dtype", [">u2", ">f8", "f2", "g", "?", "c16"])
    def test_of_numpy_only_types(self, dtype):
        image = (np.arange(30) % 7).reshape(5, 6).astype(dtype)
        got = ops.sliding_windows(image, (2, 3), (3, 1))
        assert got.dtype == image.dtype
        np.testing.assert_array_equal(got, cut(image, (2, 3), (3, 1)))

    def test_of_strided_images(self, backend):
        base = backend.asarray(np.arange(240.0).reshape(12, 20))
        for image in (base.T, base[1::3, 2::2], base[:, 3:4]):
            window = (2, min(3, image.shape[1]))
            got = ops.sliding_windows(image, window, (1, 2))
            expected = cut(backend.numpy(image), window, (1, 2))
            np.testing.assert_array_equal(backend.numpy(got), expected)

    @pytest.mark.parametrize("case", CASES, ids=str)
    def test_are_views_where_there_are_strides(self, case):
        image = np.zeros(case.shape)
        got = ops.sliding_windows(image, case.window, case.step)
        assert np.shares_memory(got, image)
        assert not got.flags.writeable, "a write would change several windows at once"
        tensor = Backend.TORCH.asarray(image)
        view = ops.sliding_windows(tensor, case.window, case.step)
        assert view.untyped_storage().data_ptr() == tensor.untyped_storage().data_ptr()

    def test_sizes_may_be_of_any_whole_type(self):
        image = np.arange(42.0).reshape(6, 7)
        expected = cut(image, (3, 3), (2, 2))
        for size, step in ((3, 2), ((3, 3), [2, 2]), (np.int64(3), np.array([2, 2]))):
            np.testing.assert_array_equal(ops.sliding_windows(image, size, step), expected)

    @pytest.mark.parametrize("impl", [None, "generic"])
    @pytest.mark.parametrize(
        ("shape", "window", "step", "message"),
        [
            ((5, 6), (6, 2), 1, "window of 6 x 2 pixels is larger than the image of 5 x 6; take a"),
            ((5, 6), (2, 7), 1, "window of 2 x 7 pixels is larger than the image of 5 x 6; take a"),
            ((5, 6), 0, 1, "window is (0, 0) and step is (1, 1) pixels; expected whole numbers of"),
            ((5, 6), 2, (1, 0), "window is (2, 2) and step is (1, 0) pixels; expected whole"),
            ((5, 6), -2, 1, "window is (-2, -2)"),
            ((5, 6), 2, -1, "step is (-1, -1)"),
            ((30,), 2, 1, "the image has shape (30,); expected at least two axes (..., y, x)"),
            (
                (5, 6),
                2.5,
                1,
                "2.5 came as a size in pixels; expected a whole number or two, (y, x)",
            ),
            ((5, 6), (2, 2.5), 1, "(2, 2.5) came as a size in pixels"),
            ((5, 6), 2, (1, 1, 1), "(1, 1, 1) came as a size in pixels"),
            ((5, 6), "23", 1, "'23' came as a size in pixels"),
            ((5, 6), None, 1, "None came as a size in pixels"),
        ],
    )
    def test_refuses_what_does_not_fit(self, backend, impl, shape, window, step, message):
        image = backend.asarray(np.zeros(shape))
        with pytest.raises(ShapeError, match=re.escape(message)):
            ops.sliding_windows(image, window, step, impl=impl)


class TestOverlapAdd:
    @given(geometry=geometries(), seed=seeds, dtype=computing_types)
    def test_gives_the_image_back(self, backend, geometry, seed, dtype):
        image = table(seed, geometry.shape, dtype)
        windows = ops.sliding_windows(backend.asarray(image), geometry.window, geometry.step)
        back = ops.overlap_add(windows, *geometry.corners, geometry.image)
        assert backend.owns(back)
        assert back.dtype == getattr(backend.xp, np.dtype(dtype).name)
        host = backend.numpy(back)
        covered = np.zeros(geometry.image, bool)
        for y in geometry.corners[0]:
            for x in geometry.corners[1]:
                covered[y : y + geometry.window[0], x : x + geometry.window[1]] = True
        np.testing.assert_array_equal(np.isnan(host), np.broadcast_to(~covered, host.shape))
        atol = tolerance("overlap_add", dtype) * np.abs(image).max()
        np.testing.assert_allclose(host[..., covered], image[..., covered], rtol=0, atol=atol)

    @given(geometry=geometries(), seed=seeds)
    def test_is_the_mean_of_changed_windows(self, backend, geometry, seed):
        y, x = geometry.corners
        windows = table(seed, (*geometry.lead, len(y), len(x), *geometry.window))
        got = ops.overlap_add(backend.asarray(windows), y, x, geometry.image)
        expected = laid(windows, (y, x), geometry.image)
        np.testing.assert_allclose(
            backend.numpy(got), expected, atol=10 * tolerance("overlap_add", np.float64)
        )

    @given(seed=seeds, at=st.tuples(st.integers(0, 5), st.integers(0, 5)))
    def test_windows_may_start_anywhere(self, backend, seed, at):
        windows = table(seed, (2, 3, 4, 3))
        y, x = at[0] + 2 * np.arange(2), at[1] + 4 * np.arange(3)
        got = ops.overlap_add(backend.asarray(windows), y, x, (12, 18))
        np.testing.assert_allclose(backend.numpy(got), laid(windows, (y, x), (12, 18)), atol=1e-13)

    @pytest.mark.parametrize("dtype", ["uint8", "int16", "int64"])
    def test_of_integers_does_not_overflow(self, backend, dtype):
        image = np.full((9, 8), 120, dtype)
        windows = ops.sliding_windows(backend.asarray(image), 4, 1)
        back = ops.overlap_add(windows, np.arange(6), np.arange(5), (9, 8))
        assert back.dtype == (backend.xp.float64 if dtype == "int64" else backend.xp.float32)
        np.testing.assert_allclose(backend.numpy(back), image, rtol=1e-6)

    def test_of_complex_windows(self, backend):
        image = table(0, (7, 9)) + 1j * table(1, (7, 9))
        windows = ops.sliding_windows(backend.asarray(image), 3, 2)
        back = ops.overlap_add(windows, np.arange(0, 5, 2), np.arange(0, 7, 2), (7, 9))
        np.testing.assert_allclose(backend.numpy(back), image, atol=1e-14)

    def test_changes_no_window(self, backend):
        windows = backend.asarray(table(0, (3, 2, 4, 4)))
        before = backend.numpy(windows).copy()
        ops.overlap_add(windows, np.arange(0, 6, 2), np.arange(0, 4, 2), (8, 6))
        np.testing.assert_array_equal(backend.numpy(windows), before)


@given(size=st.integers(1, 60), window=st.integers(1, 60), step=st.integers(1, 9))
def test_corners_are_all_that_fit(size, window, step):
    expected = [c for c in range(0, size, step) if c + window <= size]
    np.testing.assert_array_equal(ops.corners(size, window, step), expected)
