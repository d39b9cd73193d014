"""`Samples.bin` against sums over blocks in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from backends import Backend
from hypothesis import given
from hypothesis import strategies as st

import unmix as um

host = Backend.numpy
SHAPE = (7, 9, 8, 10)


def scan(dtype=np.uint16, shape=SHAPE):
    return np.random.default_rng(0).integers(0, 200, shape).astype(dtype)


def in_blocks(values, factors, mean):
    """Sum over whole blocks by the book."""
    for axis, f in enumerate(factors):
        n = values.shape[axis] // f
        values = np.take(values, range(n * f), axis=axis)
        shape = (*values.shape[:axis], n, f, *values.shape[axis + 1 :])
        values = values.reshape(shape).sum(axis=axis + 1, dtype=np.float64)
    return values / np.prod(factors) if mean else values


class TestValues:
    @given(data=st.data())
    def test_equal_sums_of_blocks(self, backend, data):
        factors = [data.draw(st.integers(1, n)) for n in SHAPE]
        how = data.draw(st.sampled_from(["sum", "mean"]))
        names = ("scan_y", "scan_x", "det_y", "det_x")
        samples = um.samples(backend.asarray(scan(np.uint8)), 2)
        got = samples.bin(how=how, **dict(zip(names, factors, strict=True)))
        expected = in_blocks(scan(np.uint8), factors, how == "mean")
        assert got.shape == expected.shape
        array = got.to_array()
        assert backend.owns(array)
        np.testing.assert_allclose(host(array), expected, rtol=1e-6)

    @given(data=st.data())
    def test_slices_and_masks_of_bins(self, data):
        names = ("scan_y", "scan_x", "det_y", "det_x")
        factors = [data.draw(st.integers(1, 3)) for _ in SHAPE]
        samples = um.samples(scan(), 2).bin(**dict(zip(names, factors, strict=True)))
        expected = in_blocks(scan(), factors, False)
        key = []
        for n in expected.shape:
            start = data.draw(st.integers(0, n - 1))
            stop = data.draw(st.integers(start + 1, n))
            key.append(slice(start, stop, data.draw(st.integers(1, 2))))
        if data.draw(st.booleans()):
            key[data.draw(st.integers(0, 3))] = 0
        got, expected = samples[tuple(key)], expected[tuple(key)]
        np.testing.assert_allclose(got.to_array(), expected, rtol=1e-6)
        mask = np.random.default_rng(1).random(got.layout.map_shape) < 0.6
        if mask.any() and mask.ndim:
            np.testing.assert_allclose(got.where(mask).to_array()[mask], expected[mask], rtol=1e-6)

    def test_twice_is_once_by_the_product(self):
        samples = um.samples(scan(), 2)
        twice = samples.bin(det_y=2, scan_x=2).bin(det_y=2, scan_x=2)
        np.testing.assert_array_equal(twice.to_array(), samples.bin(det_y=4, scan_x=4).to_array())

    @pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32])
    def test_integers_do_not_overflow(self, dtype):
        info = np.iinfo(dtype) if np.dtype(dtype).kind in "iu" else np.finfo(np.float16)
        values = np.full((4, 4, 16, 16), info.max, dtype)
        got = um.samples(values, 2).bin(det_y=16, det_x=16, scan_y=2).to_array()
        assert got.dtype == (np.float64 if dtype == np.int32 else np.float32)
        np.testing.assert_allclose(got, 512.0 * float(info.max))


class TestAxes:
    def test_coordinates_are_the_centres_of_the_bins(self):
        samples = um.samples(scan(), 2, pitch=(0.5, 2, 1, 1), units=("nm", "nm", "1/nm", "1/nm"))
        binned = samples.bin(scan_y=3, det_x=4)
        np.testing.assert_allclose(binned.axes[0].values, [0.5, 2.0])
        np.testing.assert_allclose(binned.axes[3].values, [1.5, 5.5])
        assert [a.name for a in binned.axes] == [a.name for a in samples.axes]
        assert [a.units for a in binned.axes] == ["nm", "nm", "1/nm", "1/nm"]
        assert binned.axes[1].same_as(samples.axes[1])

    def test_the_record_says_what_was_left_out_and_can_be_run_again(self):
        samples = um.samples(scan(), 2)
        binned = samples.bin(how="mean", scan_y=3, det_x=4, det_y=4)
        step = binned.record.steps[-1]
        assert step.parameters == {"how": "mean", "scan_y": 3, "det_x": 4, "det_y": 4}
        assert step.run == {"left_out": {"scan_y": 1, "det_x": 2}}
        again = um.Pipeline.from_record(um.Record.from_json(binned.record.to_json())).run(scan())
        np.testing.assert_array_equal(again.to_array(), binned.to_array())

    def test_models_know_of_it(self):
        model = um.pca(um.samples(scan(), 2).bin(det_y=2), 2)
        with pytest.raises(um.ShapeError, match="describe both in the same way"):
            model.project(um.samples(scan(), 2).bin(how="mean", det_y=2))


class TestImages:
    def test_windows_are_cut_from_a_binned_movie(self, backend):
        movie = np.random.default_rng(0).random((4, 33, 41))
        binned = um.samples(backend.asarray(movie), 3).bin(how="mean", frame=2, y=2, x=3)
        expected = in_blocks(movie, (2, 2, 3), True)
        for edges in ("valid", "reflect"):
            got = um.window_fft(um.sliding_windows(binned, 6, 4, edges=edges))
            other = um.window_fft(um.sliding_windows(backend.asarray(expected), 6, 4, edges=edges))
            np.testing.assert_allclose(host(got.to_array()), host(other.to_array()), atol=1e-12)

    def test_windows_and_spectra_are_binned_over_the_grid(self, backend):
        image = np.random.default_rng(0).random((40, 44))
        windows = um.sliding_windows(backend.asarray(image), 8, 4)
        spectra = um.window_fft(windows)
        got = host(spectra.bin(how="mean", grid_y=2, grid_x=3).to_array())
        expected = in_blocks(host(spectra.to_array()), (2, 3, 1, 1), True)
        np.testing.assert_allclose(got, expected, atol=1e-12)
        got = host(spectra.keep().bin(grid_y=2).to_array())
        expected = in_blocks(host(spectra.to_array()), (2, 1, 1, 1), False)
        np.testing.assert_allclose(got, expected, atol=1e-12)
        pixels = windows.bin(win_y=2, win_x=2)
        assert pixels.layout.windows is None
        assert um.window_fft(pixels).shape == (9, 10, 4, 4)

    def test_decompositions_of_bins(self):
        binned = um.samples(scan(), 2).bin(scan_x=2, det_y=2, det_x=2)
        values = in_blocks(scan(), (1, 2, 2, 2), False).astype(np.float32)
        one, two = um.pca(binned, 3), um.pca(um.samples(values, 2), 3)
        np.testing.assert_allclose(one.components, two.components, atol=1e-4)
