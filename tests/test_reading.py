"""The windows that stand for components: which they are, and what they hold."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from backends import Backend
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

import unmix as um
from unmix._nearest import nearest_samples

WINDOW, STEP = 32, 8


def described(image, **options):
    return um.window_fft(um.sliding_windows(image, WINDOW, STEP, **options), k_max=0.2)


def windows_of(image):
    """Cut all windows with NumPy alone: (grid_y, grid_x, win_y, win_x)."""
    return sliding_window_view(image, (WINDOW, WINDOW))[::STEP, ::STEP]


@pytest.fixture(scope="module")
def scene():
    return um.synthetic.two_phases((160, 208), period=8.0, counts=10, rng=3)


@pytest.fixture(scope="module")
def model(scene):
    return um.nfindr(described(scene.image), 2, average=4)


def in_register(windows, shifts):
    """Mean of windows (k, n, y, x) shifted by whole pixels, by NaN outside of them."""
    means = []
    for each, by in zip(windows.astype(float), shifts, strict=True):
        padded = []
        for window, (dy, dx) in zip(each, by, strict=True):
            wide = np.pad(window, WINDOW, constant_values=np.nan)
            padded.append(wide[WINDOW - dy :, WINDOW - dx :][:WINDOW, :WINDOW])
        means.append(np.nanmean(padded, axis=0))
    return np.stack(means)


class TestRepresentatives:
    def test_lie_in_the_phase_of_their_endmember(self, scene, model):
        reps = um.representatives(model, scene.image, 5)
        fractions = scene.window_fractions(WINDOW, STEP).reshape(2, -1)
        phases = fractions[:, reps.numbers].argmax(axis=0)
        assert (phases == phases[:, :1]).all()
        assert set(phases[:, 0]) == {0, 1}
        assert fractions[:, reps.numbers].max(axis=0).min() > 0.8

    def test_are_the_windows_at_their_positions(self, scene, model):
        reps = um.representatives(model, scene.image, 3)
        cut = windows_of(scene.image)
        places = np.unravel_index(reps.numbers, cut.shape[:2])
        np.testing.assert_array_equal(reps.windows, cut[places])
        np.testing.assert_array_equal(
            reps.positions, STEP * np.stack(places, axis=-1) + (WINDOW - 1) / 2
        )
        assert reps.windows.shape == (2, 3, WINDOW, WINDOW)
        assert reps.average.shape == (2, WINDOW, WINDOW)
        np.testing.assert_allclose(reps.average, in_register(cut[places], reps.shifts), rtol=1e-6)

    def test_are_the_nearest_in_the_space_of_the_descriptor(self, scene, model):
        reps = um.representatives(model, scene.image, 6)
        spectra = described(scene.image).to_array().reshape(-1, model.components[0].size)
        for i, endmember in enumerate(model.components):
            away = np.linalg.norm(spectra - endmember.ravel(), axis=1)
            np.testing.assert_array_equal(reps.numbers[i], np.argsort(away)[:6])
            np.testing.assert_allclose(reps.distances[i], np.sort(away)[:6], rtol=1e-4)

    def test_of_clusters(self, scene):
        model = um.kmeans(described(scene.image), 2)
        reps = um.representatives(model, scene.image, 4)
        assert (model.labels.ravel()[reps.numbers] == [[0], [1]]).all()
        assert reps.names == ("Cluster 0", "Cluster 1")

    def test_of_clusters_of_scores(self, scene):
        spectra = described(scene.image)
        by_scores = um.kmeans(um.pca(spectra, 3).scores, 2)
        reps = um.representatives(by_scores, scene.image, 4)
        assert (by_scores.labels.ravel()[reps.numbers] == [[0], [1]]).all()

    def test_of_given_endmembers_and_other_images(self, scene, model):
        other = um.synthetic.two_phases((160, 208), period=8.0, rng=4).image
        spectra = described(other)
        for again in (model.project(spectra), um.abundances(spectra, model)):
            reps = um.representatives(again, other, 2)
            cut = windows_of(other).reshape(-1, WINDOW, WINDOW)
            np.testing.assert_array_equal(reps.windows, cut[reps.numbers])

    def test_never_takes_what_was_left_out(self, scene, model):
        all_of_them = um.representatives(model, scene.image, 3)
        mask = np.ones(model.layout.map_shape, bool)
        mask.ravel()[all_of_them.numbers.ravel()] = False
        fitted = um.nfindr(described(scene.image).where(mask), 2)
        reps = um.representatives(fitted, scene.image, 3)
        assert mask.ravel()[reps.numbers].all()

    def test_of_frames(self, scene):
        movie = np.stack([np.full_like(scene.image, 3), scene.image, scene.image[::-1]])
        mask = np.ones((3, 17, 23), bool)
        mask[0] = False
        model = um.kmeans(described(movie).where(mask), 2)
        reps = um.representatives(model, movie, 3)
        assert reps.positions.shape == (2, 3, 3)
        assert (reps.positions[..., 0] > 0).all()
        cut = np.stack([windows_of(frame) for frame in movie]).reshape(-1, WINDOW, WINDOW)
        np.testing.assert_array_equal(reps.windows, cut[reps.numbers])

    def test_of_a_block_of_the_grid(self, scene):
        model = um.kmeans(described(scene.image)[2:15:2, 3:], 2)
        reps = um.representatives(model, scene.image, 2)
        cut = windows_of(scene.image)[2:15:2, 3:].reshape(-1, WINDOW, WINDOW)
        np.testing.assert_array_equal(reps.windows, cut[reps.numbers])

    def test_of_later_frames(self, scene):
        movie = np.stack([scene.image[::-1], scene.image, scene.image[:, ::-1]])
        model = um.kmeans(described(movie)[1:], 2)
        reps = um.representatives(model, movie, 2)
        cut = np.stack([windows_of(frame) for frame in movie[1:]]).reshape(-1, WINDOW, WINDOW)
        np.testing.assert_array_equal(reps.windows, cut[reps.numbers])
        assert (reps.positions[..., 0] >= 1).all()

    @pytest.mark.parametrize("edges", ["reflect", "periodic", "constant"])
    def test_over_the_border(self, scene, edges):
        spectra = described(scene.image, edges=edges)
        at_the_border = np.zeros(spectra.layout.map_shape, bool)
        at_the_border[:, 0] = at_the_border[-1] = True
        model = um.kmeans(spectra.where(at_the_border), 2)
        reps = um.representatives(model, scene.image, 2)
        windows = um.sliding_windows(scene.image, WINDOW, STEP, edges=edges).to_array()
        np.testing.assert_array_equal(
            reps.windows, windows.reshape(-1, WINDOW, WINDOW)[reps.numbers]
        )

    def test_keeps_units_and_type(self, scene):
        counts = um.samples(scene.image.astype(np.uint16), 2, pitch=0.5, units="nm")
        model = um.kmeans(described(counts[8:, 16:]), 2)
        reps = um.representatives(model, counts, 2)
        assert reps.windows.dtype == np.uint16
        assert reps.average.dtype == np.float32
        assert [(a.name, a.size, a.spacing, a.units) for a in reps.axes] == [
            ("win_y", WINDOW, 0.5, "nm"),
            ("win_x", WINDOW, 0.5, "nm"),
        ]
        cut = windows_of(scene.image[8:, 16:]).reshape(-1, WINDOW, WINDOW)
        np.testing.assert_array_equal(reps.windows, cut[reps.numbers])

    def test_holds_no_second_table(self, scene):
        model = um.kmeans(described(scene.image).keep(), 2)
        reps = um.representatives(model, scene.image, 1)
        assert reps.windows.shape == (2, 1, WINDOW, WINDOW)

    def test_on_every_backend(self, scene, backend: Backend):
        image = backend.asarray(scene.image)
        reps = um.representatives(um.kmeans(described(image), 2), image, 3)
        assert backend.owns(reps.windows)
        assert backend.owns(reps.average)
        expected = windows_of(scene.image).reshape(-1, WINDOW, WINDOW)[reps.numbers]
        np.testing.assert_array_equal(backend.numpy(reps.windows), expected)
        average = in_register(expected, reps.shifts)
        np.testing.assert_allclose(backend.numpy(reps.average), average, rtol=1e-5, atol=1e-5)

    def test_average_is_in_register(self):
        # one lattice of 12 pixels, cut anywhere: unshifted windows would fade to its mean
        y, x = np.mgrid[:160, :160] * (2 * np.pi / 12)
        image = (np.cos(y) + np.cos(x)) * (1 + (x > np.pi * 13)) + 5
        model = um.kmeans(um.window_fft(um.sliding_windows(image, 36, 5)), 2)
        reps = um.representatives(model, image, 8)
        assert np.abs(reps.shifts).max() <= 6
        assert np.all(reps.shifts[:, 0] == 0)
        for average, windows in zip(reps.average, reps.windows, strict=True):
            assert average.std() > 0.9 * windows[0].std()

    def test_is_frozen_and_says_what_it_is(self, scene, model):
        reps = um.representatives(model, scene.image, 2)
        assert "2 windows of 32 x 32 pixels for each of 2 components" in repr(reps)
        with pytest.raises(FrozenInstanceError):
            reps.names = ("phase",)


class TestRefusals:
    def test_principal_components(self, scene):
        with pytest.raises(um.ParameterError, match="principal components are directions"):
            um.representatives(um.pca(described(scene.image), 2), scene.image)

    def test_samples_that_are_no_windows(self):
        table = np.random.default_rng(0).random((20, 3))
        with pytest.raises(um.ShapeError, match="are not windows of an image"):
            um.representatives(um.kmeans(table, 2), table)

    @pytest.mark.parametrize("shape", [(96, 208), (208, 160), (2, 160, 200)])
    def test_image_of_another_shape(self, model, shape):
        with pytest.raises(um.ShapeError, match=r"axes|windows of \(\.\.\., 160, 208\)"):
            um.representatives(model, np.zeros(shape, np.float32))

    def test_fewer_frames(self, scene):
        movie = np.stack([scene.image, scene.image[::-1], scene.image])
        model = um.kmeans(described(movie), 2)
        with pytest.raises(um.ShapeError, match=r"shape \(2, 160, 208\).* map \(3, 17, 23\)"):
            um.representatives(model, movie[:2])

    def test_frames_chosen_after_windows_were_cut(self, scene):
        movie = np.stack([scene.image, scene.image[::-1]])
        model = um.kmeans(described(movie)[1], 2)
        with pytest.raises(um.ShapeError, match="choose frames before cutting windows"):
            um.representatives(model, movie)

    @pytest.mark.parametrize("n", [0, 392, 2.5, True])
    def test_n_out_of_range(self, scene, model, n):
        with pytest.raises(um.ParameterError, match="whole number from 1 to 391"):
            um.representatives(model, scene.image, n)


class TestNearestSamples:
    @given(
        st.integers(1, 12), st.integers(1, 9), st.integers(1, 40), st.integers(0, 2**32), st.data()
    )
    def test_agrees_with_brute_force(self, n_points, n_features, n_samples, seed, data):
        draws = np.random.default_rng(seed)
        table = draws.integers(-3, 4, (n_samples, n_features)).astype(float)
        points = draws.integers(-3, 4, (n_points, n_features)).astype(float)
        n = data.draw(st.integers(1, n_samples))
        numbers, squared = nearest_samples(um.samples(table, 1), points, n)
        exact = np.sum((points[:, None] - table) ** 2, axis=2)
        order = np.argsort(exact, axis=1, kind="stable")[:, :n]  # ties: the lowest number
        np.testing.assert_array_equal(numbers, order)
        np.testing.assert_array_equal(squared, np.take_along_axis(exact, order, axis=1))

    def test_sees_small_distances_on_a_large_offset(self):
        draws = np.random.default_rng(0)
        table = (1e4 + draws.normal(size=(500, 64))).astype(np.float32)
        point = table[[123]] + np.float32(0.001)
        numbers, squared = nearest_samples(um.samples(table, 1), point, 4)
        exact = np.sum((table.astype(float) - point.astype(float)) ** 2, axis=1)
        np.testing.assert_array_equal(numbers[0], np.argsort(exact)[:4])
        np.testing.assert_allclose(squared[0], np.sort(exact)[:4], rtol=1e-12)

    def test_gives_the_same_bits_for_any_tiling(self):
        draws = np.random.default_rng(1)
        table = draws.random((3000, 20), dtype=np.float32)
        samples = um.samples(np.concatenate([table, table]).reshape(60, 100, 20), 2)
        whole = nearest_samples(samples, table[:3], 9)
        with um.config.memory_budget(1 << 20):
            assert len(samples.plan()) > 3
            tiled = nearest_samples(samples, table[:3], 9)
        for a, b in zip(whole, tiled, strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(whole[0][:, 0], [0, 1, 2])
        np.testing.assert_array_equal(whole[0][:, 1], [3000, 3001, 3002])

    def test_of_constant_samples_takes_the_first(self):
        numbers, squared = nearest_samples(um.samples(np.ones((50, 3)), 1), np.zeros((2, 3)), 4)
        assert numbers.tolist() == [[0, 1, 2, 3]] * 2
        np.testing.assert_array_equal(squared, 3)

    def test_takes_rows_of_any_backend(self, backend: Backend):
        table = np.random.default_rng(2).random((40, 5))
        samples = um.samples(backend.asarray(table), 1)
        numbers, _ = nearest_samples(samples, backend.asarray(table[[7, 30]]), 1)
        assert numbers.tolist() == [[7], [30]]

    def test_returns_what_there_is(self):
        numbers, _ = nearest_samples(um.samples(np.eye(3), 1), np.eye(3)[:1], 8)
        assert numbers.tolist() == [[0, 1, 2]]
