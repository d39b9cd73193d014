"""`sliding_windows` and `overlap_add` end to end: geometry, edges, units, and the way back."""

from __future__ import annotations

import numpy as np
import pytest
from backends import Backend
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import geometries, seeds, table

import unmix as um

host = Backend.numpy
EDGES = ("valid", "reflect", "periodic", "constant")
PAD = {"reflect": "reflect", "periodic": "wrap", "constant": "constant"}


def cut(image, window, step, edges="valid"):
    """Cut windows one by one from an image that NumPy has padded."""
    if edges != "valid":
        before = [w // 2 for w in window]
        pads = [(0, 0)] * (image.ndim - 2) + [(b, w) for b, w in zip(before, window, strict=True)]
        rows, columns = (range(0, n, s) for n, s in zip(image.shape[-2:], step, strict=True))
        image = np.pad(image, pads, mode=PAD[edges])
    else:
        rows, columns = (
            range(0, n - w + 1, s) for n, w, s in zip(image.shape[-2:], window, step, strict=True)
        )
    lines = [
        np.stack([image[..., y : y + window[0], x : x + window[1]] for x in columns], axis=-3)
        for y in rows
    ]
    return np.stack(lines, axis=-4)


class TestValues:
    @settings(max_examples=15)
    @given(geometry=geometries(), seed=seeds, edges=st.sampled_from(EDGES))
    def test_equal_a_loop(self, backend, geometry, seed, edges):
        image = table(seed, geometry.shape)
        samples = um.sliding_windows(
            backend.asarray(image), geometry.window, geometry.step, edges=edges
        )
        got = samples.to_array()
        assert backend.owns(got)
        np.testing.assert_array_equal(host(got), cut(image, geometry.window, geometry.step, edges))

    @pytest.mark.parametrize("edges", EDGES)
    @pytest.mark.parametrize("tile", [1 << 10, 1 << 13])
    def test_equal_a_loop_however_they_are_tiled(self, backend, monkeypatch, edges, tile):
        monkeypatch.setattr(um.config, "TILE_BYTES", tile)
        images = table(0, (2, 17, 23))
        samples = um.sliding_windows(backend.asarray(images), (6, 9), (5, 4), edges=edges)
        assert len(samples.plan()) > 2
        expected = cut(images, (6, 9), (5, 4), edges)
        np.testing.assert_array_equal(host(samples.to_array()), expected)
        part = samples[1:, ::2, 1:]
        np.testing.assert_array_equal(host(part.to_array()), expected[1:, ::2, 1:])

    @pytest.mark.parametrize("edges", EDGES)
    @pytest.mark.parametrize("window", [(13, 11), (14, 20), (8, 19), (1, 20)])
    def test_windows_larger_than_half_the_image(self, backend, edges, window):
        image = table(0, (14, 20))
        samples = um.sliding_windows(backend.asarray(image), window, (3, 4), edges=edges)
        np.testing.assert_array_equal(host(samples.to_array()), cut(image, window, (3, 4), edges))

    def test_of_samples_are_of_what_those_are_now(self, backend):
        image = np.abs(table(0, (15, 20)))
        samples = um.samples(backend.asarray(image), 2)[1:, ::2].transform("sqrt")
        got = host(um.sliding_windows(samples, 4, 3).to_array())
        np.testing.assert_allclose(got, cut(np.sqrt(image)[1:, ::2], (4, 4), (3, 3)), rtol=1e-14)

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, ">i2", ">f8"])
    def test_of_any_type(self, dtype):
        image = (np.abs(table(0, (15, 20))) * 20).astype(dtype)
        for given_image in (image, np.asfortranarray(image), image[::-1, ::-1]):
            samples = um.sliding_windows(given_image, (4, 6), 3, edges="constant")
            expected = cut(np.asarray(given_image), (4, 6), (3, 3), "constant")
            got = samples.to_array()
            assert got.dtype == samples.dtype
            np.testing.assert_array_equal(got, expected.astype(samples.dtype))

    def test_copy_nothing(self):
        image = table(0, (30, 40))
        tile = next(um.sliding_windows(image, (30, 40), 1).tiles())
        assert np.shares_memory(tile.rows, image)


class TestGeometry:
    def test_axes_are_centres_in_pixels(self, backend):
        samples = um.sliding_windows(backend.asarray(table(0, (3, 17, 23))), (6, 7), (5, 4))
        assert [a.name for a in samples.axes] == ["frame", "grid_y", "grid_x", "win_y", "win_x"]
        assert samples.shape == (3, 3, 5, 6, 7)
        np.testing.assert_array_equal(samples.axes[1].values, [2.5, 7.5, 12.5])
        np.testing.assert_array_equal(samples.axes[2].values, [3, 7, 11, 15, 19])
        np.testing.assert_array_equal(samples.axes[3].values, np.arange(6) - 2.5)
        np.testing.assert_array_equal(samples.axes[4].values, np.arange(7) - 3)
        assert [a.units for a in samples.axes] == ["", "px", "px", "px", "px"]

    def test_axes_are_in_the_images_units(self, backend):
        image = um.samples(
            backend.asarray(table(0, (2, 17, 23))),
            3,
            pitch=(0.1, 0.5, 0.25),
            units=("s", "nm", "nm"),
        )
        samples = um.sliding_windows(image[:, 2:, 3:], (6, 7), (5, 4))
        assert [a.units for a in samples.axes] == ["s", "nm", "nm", "nm", "nm"]
        np.testing.assert_allclose(samples.axes[1].values, (2 + 2.5 + np.arange(0, 10, 5)) * 0.5)
        np.testing.assert_allclose(samples.axes[2].values, (3 + 3 + np.arange(0, 16, 4)[:4]) * 0.25)
        np.testing.assert_allclose(samples.axes[3].values, (np.arange(6) - 2.5) * 0.5)
        np.testing.assert_allclose(samples.axes[4].values, (np.arange(7) - 3) * 0.25)

    @pytest.mark.parametrize("edges", EDGES[1:])
    def test_edges_put_a_window_on_every_step_of_the_image(self, edges):
        samples = um.sliding_windows(table(0, (17, 23)), (6, 7), (5, 4), edges=edges)
        assert samples.layout.map_shape == (4, 6)
        # an even window has no middle pixel: its centre lies half a pixel before
        np.testing.assert_array_equal(samples.axes[0].values, np.arange(0, 17, 5) - 0.5)
        np.testing.assert_array_equal(samples.axes[1].values, np.arange(0, 23, 4))

    @settings(max_examples=20)
    @given(geometry=geometries(frames=False), edges=st.sampled_from(EDGES))
    def test_coverage_is_the_part_of_a_window_inside(self, geometry, edges):
        samples = um.sliding_windows(
            np.ones(geometry.shape), geometry.window, geometry.step, edges=edges
        )
        ones = cut(np.ones(geometry.shape), geometry.window, geometry.step, "constant")
        if edges == "valid":
            ones = cut(np.ones(geometry.shape), geometry.window, geometry.step)
        expected = ones.mean(axis=(-2, -1))
        np.testing.assert_allclose(samples.layout.windows.coverage, expected)
        assert edges != "valid" or (expected == 1).all()

    def test_the_last_window_lies_on_the_grid(self):
        # 29 pixels hold windows at 0, 4 ... 20, and one more would stick out
        samples = um.sliding_windows(np.zeros((29, 29)), 8, 4)
        np.testing.assert_array_equal(samples.layout.windows.corners[0], np.arange(0, 21, 4))
        assert samples.axes[0].values[-1] == 23.5

    @pytest.mark.parametrize("shape", [(8, 40), (40, 8), (8, 8)])
    def test_one_window_on_an_axis(self, backend, shape):
        image = table(0, shape)
        samples = um.sliding_windows(backend.asarray(image), 8, 8)
        assert samples.layout.map_shape == (shape[0] // 8, shape[1] // 8)
        np.testing.assert_array_equal(host(samples.to_array()), cut(image, (8, 8), (8, 8)))
        np.testing.assert_array_equal(host(um.overlap_add(samples).to_array()), image)

    def test_four_axes(self, backend):
        images = table(0, (2, 3, 9, 10))
        samples = um.sliding_windows(backend.asarray(images), 4, 3)
        assert [a.name for a in samples.layout.map_axes] == ["axis_0", "frame", "grid_y", "grid_x"]
        np.testing.assert_array_equal(host(samples.to_array()), cut(images, (4, 4), (3, 3)))


class TestOverlapAdd:
    @settings(max_examples=15)
    @given(geometry=geometries(), seed=seeds, edges=st.sampled_from(EDGES))
    def test_inverts_windows(self, backend, geometry, seed, edges):
        image = table(seed, geometry.shape)
        samples = um.sliding_windows(
            backend.asarray(image), geometry.window, geometry.step, edges=edges
        )
        back = um.overlap_add(samples)
        got = back.to_array()
        assert backend.owns(got)
        got = host(got)
        assert got.shape == image.shape
        covered = np.zeros(geometry.image, bool)
        rows, columns = samples.layout.windows.corners
        for y in rows:
            for x in columns:
                box = [
                    slice(max(c, 0), max(c + w, 0))
                    for c, w in zip((y, x), geometry.window, strict=True)
                ]
                covered[tuple(box)] = True
        np.testing.assert_array_equal(np.isnan(got), np.broadcast_to(~covered, got.shape))
        np.testing.assert_allclose(got[..., covered], image[..., covered], rtol=0, atol=1e-13)

    def test_averages_what_overlaps(self, backend):
        windows = um.sliding_windows(backend.asarray(np.zeros((4, 6))), 4, 2)
        values = np.asarray([1.0, 3.0]).reshape(1, 2, 1, 1) * np.ones((1, 2, 4, 4))
        changed = um.samples(backend.asarray(values), 2)
        laid = um.overlap_add(
            um.Samples(source=changed.source, layout=windows.layout, record=windows.record)
        )
        expected = np.broadcast_to([1, 1, 2, 2, 3, 3], (4, 6))
        np.testing.assert_array_equal(host(laid.to_array()), expected)

    def test_of_changed_windows(self, backend):
        image = np.abs(table(0, (16, 22)))
        windows = um.sliding_windows(backend.asarray(image), (4, 6), (3, 4))
        got = host(um.overlap_add(windows.transform("sqrt")).to_array())
        np.testing.assert_allclose(got, np.sqrt(image), rtol=1e-13)

    def test_of_a_block_of_the_grid(self, backend):
        image = table(0, (16, 22))
        windows = um.sliding_windows(backend.asarray(image), (4, 6), (3, 4))
        got = host(um.overlap_add(windows[1:3, 2:]).to_array())
        expected = np.full(image.shape, np.nan)
        expected[3:10, 8:] = image[3:10, 8:]
        np.testing.assert_allclose(got, expected, rtol=1e-14)

    def test_gives_the_images_axes_back(self, backend):
        image = um.samples(
            backend.asarray(table(0, (2, 18, 26))),
            3,
            pitch=(0.1, 0.5, 0.25),
            units=("s", "nm", "nm"),
        )[:, 2:, 2:]
        for edges in EDGES:
            for window in ((4, 6), (1, 6), (1, 1)):
                back = um.overlap_add(um.sliding_windows(image, window, (3, 3), edges=edges))
                assert back.shape == image.shape
                for got, expected in zip(back.axes, image.axes, strict=True):
                    assert (got.name, got.units) == (expected.name, expected.units)
                    np.testing.assert_allclose(got.values, expected.values)
        assert back.record.steps[-1].operation == "overlap_add"

    def test_is_an_image_again(self, backend):
        image = np.abs(table(0, (16, 22)))
        back = um.overlap_add(um.sliding_windows(backend.asarray(image), 4, 2))
        again = um.overlap_add(um.sliding_windows(back, 4, 2))
        np.testing.assert_allclose(host(again.to_array()), image, rtol=1e-14)

    def test_refuses_what_are_no_windows_of_a_grid(self):
        windows = um.sliding_windows(table(0, (16, 22)), (4, 6), (3, 4))
        with pytest.raises(um.BackendError, match=r"expected windows, but got ndarray; cut them"):
            um.overlap_add(table(0, (16, 22)))
        for other in (
            um.samples(table(0, (16, 22)), 2),
            um.window_fft(windows),
            windows[:, 1],
            windows[..., 1:, :],
        ):
            with pytest.raises(um.ShapeError, match=r"expected windows \(win_y, win_x\) of a grid"):
                um.overlap_add(other)
        mask = np.ones((5, 5), bool)
        mask[2, 2] = False
        with pytest.raises(um.ShapeError, match="some windows are left out"):
            um.overlap_add(windows.where(mask))
        holes = windows.features(np.arange(24).reshape(4, 6) % 2 == 0)
        with pytest.raises(um.ShapeError, match="pixels of the windows are left out"):
            um.overlap_add(holes)
