"""The synthetic scenes are what they say: everything else is measured against them."""

import json
import re
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

from unmix._errors import ParameterError
from unmix.synthetic import Scene, blobs, simplex_mixtures, superlattice_phases, two_phases

SCENES = [superlattice_phases, two_phases]


def small(make=superlattice_phases, **options):
    """Return a scene that is not square, so that a swap of the axes shows."""
    return make((96, 144), **options)


def spot(image, k, window):
    """Return the amplitude of one plane wave in a Hann window, per unit of the mean weight."""
    (y, x), size = window, 64
    taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    wave_y, wave_x = (taper * np.exp(-2j * np.pi * c * np.arange(size)) for c in k)
    tile = image[y : y + size, x : x + size]
    return abs(wave_y @ (tile - tile.mean()) @ wave_x) / taper.sum() ** 2


@pytest.fixture(scope="module")
def quiet():
    """Return the default scene without noise."""
    return superlattice_phases(counts=None)


class TestScene:
    @pytest.mark.parametrize("make", SCENES)
    def test_shapes_and_types(self, make):
        scene = small(make)
        n_phases = 3 if make is superlattice_phases else 2
        assert (scene.image.shape, scene.image.dtype) == ((96, 144), np.float32)
        assert (scene.labels.shape, scene.labels.dtype) == ((96, 144), np.int64)
        assert (scene.weights.shape, scene.weights.dtype) == ((n_phases, 96, 144), np.float32)

    @pytest.mark.parametrize("make", SCENES)
    def test_weights_are_fractions_and_labels_their_largest(self, make):
        scene = small(make)
        assert scene.weights.min() == 0
        assert scene.weights.max() == 1
        np.testing.assert_allclose(scene.weights.sum(axis=0), 1, atol=3e-7)
        np.testing.assert_array_equal(scene.labels, scene.weights.argmax(axis=0))

    @pytest.mark.parametrize("make", SCENES)
    def test_seams_are_a_period_wide(self, make):
        scene = small(make)
        period = int(scene.parameters["period"])
        padded = np.pad(scene.labels, period, mode="edge")
        around = sliding_window_view(padded, (2 * period + 1,) * 2)
        far = around.min(axis=(2, 3)) == around.max(axis=(2, 3))
        weight = scene.weights.max(axis=0)
        assert far.any()
        assert (weight[far] == 1).all()
        near = scene.labels[:, 1:] != scene.labels[:, :-1]
        assert (weight[:, 1:][near] < 1).all()
        # From one pixel to the next, a square loses one column of pixels and gains another.
        assert np.abs(np.diff(scene.weights, axis=2)).max() <= 1 / period

    @pytest.mark.parametrize("make", SCENES)
    def test_same_rng_same_bits(self, make):
        one, two = small(make, rng=5), small(make, rng=5)
        np.testing.assert_array_equal(one.image, two.image)
        np.testing.assert_array_equal(one.weights, two.weights)
        assert one.parameters == two.parameters

    @pytest.mark.parametrize("make", SCENES)
    def test_other_rng_other_scene(self, make):
        one, two = small(make, rng=5), small(make, rng=6)
        assert (one.image != two.image).any()
        assert (one.labels != two.labels).any()

    def test_generator_is_drawn_from_and_its_key_recorded(self):
        rng = np.random.default_rng(3)
        one, two = small(rng=rng), small(rng=rng)
        assert (one.labels != two.labels).any()
        np.testing.assert_array_equal(small(rng=one.parameters["rng"]).image, one.image)

    def test_noise_leaves_the_layout(self):
        one, two = small(counts=None, amplitude=0.1), small(counts=9.0)
        np.testing.assert_array_equal(one.weights, two.weights)

    def test_parameters_are_json(self):
        parameters = small(counts=np.float32(2), rng=np.int64(4)).parameters
        assert json.loads(json.dumps(parameters)) == parameters
        assert parameters["shape"] == [96, 144]
        assert parameters["rng"] == 4

    def test_frozen(self):
        with pytest.raises(FrozenInstanceError):
            small().image = None


class TestWindows:
    @pytest.mark.parametrize(("window", "step"), [(32, 8), ((24, 40), (7, 11)), ((96, 1), (1, 5))])
    @pytest.mark.parametrize("tapered", [False, True])
    def test_fractions_against_a_loop(self, window, step, tapered):
        scene = small()
        (height, width), (step_y, step_x) = (
            v if isinstance(v, tuple) else (v, v) for v in (window, step)
        )
        taper = np.hanning(height + 2)[1:-1], np.hamming(width) + np.linspace(0, 1, width)
        weight = np.outer(*taper) if tapered else np.ones((height, width))
        expected = [
            [
                (scene.weights[:, y : y + height, x : x + width] * weight).sum((1, 2))
                for x in range(0, 144 - width + 1, step_x)
            ]
            for y in range(0, 96 - height + 1, step_y)
        ]
        expected = np.moveaxis(np.array(expected), 2, 0) / weight.sum()
        fractions = scene.window_fractions(window, step, taper if tapered else None)
        assert fractions.dtype == np.float64
        np.testing.assert_allclose(fractions, expected, atol=1e-6)
        np.testing.assert_allclose(fractions.sum(axis=0), 1, atol=1e-6)

    @pytest.mark.parametrize(("window", "step"), [(24, 8), ((16, 30), (5, 3))])
    def test_pure_windows_against_a_loop(self, window, step):
        scene = small(n_phases=2)
        (height, width), (step_y, step_x) = (
            v if isinstance(v, tuple) else (v, v) for v in (window, step)
        )
        found = scene.pure_windows(window, step)
        assert found.dtype == np.int64
        for i, y in enumerate(range(0, 96 - height + 1, step_y)):
            for j, x in enumerate(range(0, 144 - width + 1, step_x)):
                whole = (scene.weights[:, y : y + height, x : x + width] == 1).all(axis=(1, 2))
                assert found[i, j] == (whole.argmax() if whole.any() else -1)
        assert set(found.flat) == {-1, 0, 1}

    def test_grid_ends_where_windows_end(self):
        scene = small()
        assert scene.pure_windows(96, 48).shape == (1, 2)
        assert scene.window_fractions((48, 72), (48, 72)).shape == (3, 2, 2)

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            ({"window": 97, "step": 1}, r"window is (97, 97); expected at most the image's size"),
            ({"window": 0, "step": 1}, "window along y is 0; expected a whole number of at least"),
            ({"window": (8, 8.0), "step": 1}, "window along x is 8.0; expected a whole number"),
            ({"window": (8, 8, 8), "step": 1}, "window is (8, 8, 8); expected a (y, x) pair"),
            ({"window": 8, "step": (1, -1)}, "step along x is -1; expected a whole number of at"),
            (
                {"window": (4, 5), "step": 1, "taper": (np.ones(5), np.ones(4))},
                "shapes [(5,), (4,)",
            ),
            ({"window": 4, "step": 1, "taper": np.ones((3, 4))}, "expected one of (4,) and one of"),
            ({"window": 4, "step": 1, "taper": np.zeros((2, 4))}, "that are not all 0"),
            ({"window": 4, "step": 1, "taper": np.full((2, 4), np.nan)}, "finite weights"),
            ({"window": 2, "step": 1, "taper": [[-1, 3], [1, 1]]}, "weights of at least 0"),
        ],
    )
    def test_errors(self, call, message):
        with pytest.raises(ParameterError, match=re.escape(message)):
            small().window_fractions(**call)


class TestSuperlattice:
    def test_is_a_sum_of_gaussian_atoms(self):
        scene = superlattice_phases((40, 56), n_phases=1, counts=None)
        lattice = np.linalg.inv(scene.parameters["parent_spots"][:2]).T
        ((q_y, q_x),) = scene.parameters["superlattice_spots"]
        y, x = np.mgrid[:40, :56]
        expected = np.zeros((40, 56))
        for i, j in np.ndindex(41, 41):
            r_y, r_x = (i - 20) * lattice[0] + (j - 20) * lattice[1]
            height = 1 + 0.6 * np.cos(2 * np.pi * (q_y * r_y + q_x * r_x))
            expected += height * np.exp(-((y - r_y) ** 2 + (x - r_x) ** 2) / (2 * (0.22 * 8) ** 2))
        np.testing.assert_allclose(scene.image, expected, atol=2e-6)

    def test_regions_are_large_and_alike(self, quiet):
        areas = np.bincount(quiet.labels.ravel()) / quiet.labels.size
        np.testing.assert_allclose(areas, 1 / 3, atol=0.01)
        pure = quiet.pure_windows(64, 8)
        assert np.bincount(pure[pure >= 0]).min() > 1000

    def test_phases_share_the_parent_and_differ_in_the_superlattice(self, quiet):
        pure = quiet.pure_windows(64, 8)
        windows = [8 * np.argwhere(pure == phase)[::200] for phase in range(3)]

        def amplitudes(name):  # (phase, spot)
            spots = quiet.parameters[name]
            return np.array(
                [[np.mean([spot(quiet.image, k, w) for w in ws]) for k in spots] for ws in windows]
            )

        parent = amplitudes("parent_spots")
        np.testing.assert_allclose(parent, parent.mean(), rtol=0.03)
        superlattice = amplitudes("superlattice_spots")
        own = np.diag(superlattice)
        np.testing.assert_allclose(own, own.mean(), rtol=0.03)
        assert own.min() > 20 * superlattice[~np.eye(3, dtype=bool)].max()

    def test_superlattice_has_the_double_period(self):
        parameters = small().parameters
        parent, superlattice = (
            np.linalg.norm(parameters[name], axis=1)
            for name in ("parent_spots", "superlattice_spots")
        )
        np.testing.assert_allclose(parent, 2 / (np.sqrt(3) * 8))
        np.testing.assert_allclose(superlattice, parent / 2)
        assert (64 * superlattice).min() > 4  # periods in a window of 64 pixels

    def test_counts_are_poisson(self):
        intensity = superlattice_phases((256, 256), counts=None).image.astype(float)
        image = superlattice_phases((256, 256), counts=5.0).image
        np.testing.assert_array_equal(image, image.round())
        assert image.min() == 0
        excess = (image - 5 * intensity) / np.sqrt(5 * intensity)
        assert abs(excess.mean()) < 4 / 256  # four standard errors of 256**2 pixels
        assert abs(excess.var() - 1) < 0.03

    def test_noise_is_drawn_anew_with_another_rng(self):
        one, two = (superlattice_phases((64, 64), n_phases=1, rng=r) for r in (0, 1))
        np.testing.assert_array_equal(one.weights, two.weights)
        assert (one.image != two.image).mean() > 0.1

    def test_one_phase_fills_the_scene(self):
        assert (small(n_phases=1).weights == 1).all()

    def test_full_amplitude_leaves_no_negative_intensity(self):
        assert small(amplitude=1.0, counts=None).image.min() >= 0
        assert small(amplitude=1.0).image.min() == 0

    def test_without_amplitude_the_phases_are_one(self):
        one, two = (small(amplitude=0.0, counts=None, n_phases=n).image for n in (1, 3))
        np.testing.assert_allclose(one, two, rtol=1e-5)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"n_phases": 0}, "n_phases is 0; expected a whole number from 1 to 3"),
            ({"n_phases": 4}, "n_phases is 4; expected a whole number from 1 to 3"),
            ({"n_phases": 2.0}, "n_phases is 2.0; expected a whole number from 1 to 3"),
            ({"n_phases": True}, "n_phases is True; expected a whole number from 1 to 3"),
            ({"counts": -1.0}, "counts is -1.0; expected a number above 0 or None"),
            ({"counts": 0}, "counts is 0; expected a number above 0 or None"),
            ({"counts": np.inf}, "counts is inf; expected a number above 0 or None"),
            ({"amplitude": 1.1}, "amplitude is 1.1; expected a number from 0 to 1"),
            ({"amplitude": np.nan}, "amplitude is nan; expected a number from 0 to 1"),
            ({"amplitude": "0.6"}, "amplitude is '0.6'; expected a number from 0 to 1"),
            ({"period": 3.9}, "period is 3.9; expected a number of at least 4 pixels"),
            ({"shape": (15, 64)}, "shape along y is 15; expected a whole number of at least 16"),
            ({"shape": (64,)}, "shape is (64,); expected a (y, x) pair of whole numbers"),
            ({"rng": -1}, "rng is -1"),
        ],
    )
    def test_errors(self, options, message):
        with pytest.raises(ParameterError, match=re.escape(message)):
            superlattice_phases(**options)


class TestTwoPhases:
    def test_only_the_pairs_have_a_superlattice(self):
        scene = two_phases(counts=None)
        (k,) = scene.parameters["superlattice_spots"]
        pure = scene.pure_windows(64, 8)
        hexagonal, pairs = (
            np.mean([spot(scene.image, k, 8 * w) for w in np.argwhere(pure == phase)[::50]])
            for phase in (0, 1)
        )
        assert pairs > 10 * hexagonal

    def test_halves_are_alike(self):
        scene = two_phases()
        assert abs(scene.labels.mean() - 0.5) < 0.01
        assert abs(np.diff([scene.image[scene.labels == i].mean() for i in (0, 1)])[0]) < 0.02

    def test_without_shift_the_phases_are_one(self):
        images = [small(two_phases, shift=0.0, counts=None, rng=r).image for r in (0, 1)]
        np.testing.assert_allclose(*images, rtol=1e-5)

    @pytest.mark.parametrize("shift", [-0.1, 0.3, None])
    def test_errors(self, shift):
        with pytest.raises(ParameterError, match=f"shift is {shift}; expected a number from 0 to"):
            two_phases(shift=shift)


class TestSimplexMixtures:
    @settings(deadline=None, max_examples=50)
    @given(st.data())
    def test_linear_model(self, data):
        n_endmembers = data.draw(st.integers(2, 8))
        n_samples, n_features = (data.draw(st.integers(n_endmembers, 60)) for _ in range(2))
        pure = data.draw(st.booleans())
        concentration = data.draw(st.floats(0.05, 20))
        mixtures = simplex_mixtures(
            n_samples,
            n_endmembers,
            n_features,
            pure=pure,
            concentration=concentration,
            rng=data.draw(st.integers(0, 2**63 - 1)),
        )
        assert mixtures.samples.shape == (n_samples, n_features)
        assert mixtures.endmembers.shape == (n_endmembers, n_features)
        assert mixtures.abundances.shape == (n_samples, n_endmembers)
        assert mixtures.pure_indices.shape == (n_endmembers * pure,)
        assert mixtures.samples.dtype == mixtures.endmembers.dtype == np.float64
        assert mixtures.endmembers.min() >= 0
        assert mixtures.abundances.min() >= 0
        assert np.linalg.matrix_rank(mixtures.endmembers, tol=1e-3) == n_endmembers
        np.testing.assert_allclose(mixtures.abundances.sum(axis=1), 1)
        np.testing.assert_array_equal(mixtures.samples, mixtures.abundances @ mixtures.endmembers)
        if pure:
            np.testing.assert_allclose(
                mixtures.samples[mixtures.pure_indices], mixtures.endmembers, rtol=1e-12
            )

    def test_pure_samples_lie_at_random_places(self):
        places = [simplex_mixtures(rng=r).pure_indices for r in (0, 0, 1)]
        np.testing.assert_array_equal(places[0], places[1])
        assert (places[0] != places[2]).all()
        assert places[0].min() > 3

    def test_other_samples_are_not_pure(self):
        mixtures = simplex_mixtures(pure=False)
        assert (mixtures.abundances.max(axis=1) < 1).all()

    def test_endmembers_are_smooth_and_distinct(self):
        endmembers = simplex_mixtures(n_features=200).endmembers
        assert np.abs(np.diff(endmembers, axis=1)).max() < 0.1 * endmembers.max()
        unit = endmembers / np.linalg.norm(endmembers, axis=1, keepdims=True)
        assert (unit @ unit.T)[~np.eye(4, dtype=bool)].max() < 0.9

    @pytest.mark.parametrize("snr_db", [0, 20.0, 60.0])
    def test_noise_has_the_stated_power(self, snr_db):
        signal, noisy = (simplex_mixtures(snr_db=s, rng=3).samples for s in (None, snr_db))
        measured = 10 * np.log10(np.mean(signal**2) / np.mean((noisy - signal) ** 2))
        assert abs(measured - snr_db) < 0.2

    def test_concentration_prefers_corners_when_small(self):
        corners = [simplex_mixtures(concentration=c).abundances.max(axis=1) for c in (0.2, 5.0)]
        assert corners[0].mean() > corners[1].mean() + 0.2

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"n_endmembers": 1}, "n_endmembers is 1; expected a whole number of at least 2"),
            ({"n_samples": 3}, "n_samples is 3; expected a whole number of at least 4"),
            ({"n_features": 3}, "n_features is 3; expected a whole number of at least 4"),
            ({"concentration": 0.0}, "concentration is 0.0; expected a number above 0"),
            ({"snr_db": np.inf}, "snr_db is inf; expected a number of decibels or None"),
        ],
    )
    def test_errors(self, options, message):
        with pytest.raises(ParameterError, match=re.escape(message)):
            simplex_mixtures(**options)


class TestBlobs:
    @settings(deadline=None, max_examples=50)
    @given(st.integers(1, 9), st.integers(0, 90), st.integers(1, 12), st.integers(0, 99))
    def test_every_cluster_has_samples(self, n_clusters, n_more, n_features, rng):
        table, labels = blobs(n_clusters + n_more, n_clusters, n_features, rng=rng)
        assert (table.shape, table.dtype) == ((n_clusters + n_more, n_features), np.float64)
        assert (labels.shape, labels.dtype) == ((n_clusters + n_more,), np.int64)
        shares = np.arange(1, n_clusters + 1) / (n_clusters * (n_clusters + 1) / 2)
        sizes = np.bincount(labels, minlength=n_clusters)
        assert sizes.min() >= 1
        assert np.abs(sizes - 1 - n_more * shares).max() <= 1

    def test_sizes_are_unequal_and_shuffled(self):
        _, labels = blobs(1000, 4, 3)
        np.testing.assert_allclose(np.bincount(labels), [100, 200, 300, 400], atol=2)
        assert (np.diff(labels) < 0).sum() > 100

    @pytest.mark.parametrize("rng", range(5))
    def test_clusters_are_well_separated(self, rng):
        table, labels = blobs(2000, 5, 3, rng=rng)
        centers = np.array([table[labels == i].mean(axis=0) for i in range(5)])
        distances = np.linalg.norm(table[:, None] - centers, axis=-1)
        np.testing.assert_array_equal(distances.argmin(axis=1), labels)
        within = np.concatenate([table[labels == i] - centers[i] for i in range(5)])
        np.testing.assert_allclose(within.std(axis=0), 0.1, rtol=0.1)
        gaps = np.linalg.norm(centers[:, None] - centers, axis=-1)[~np.eye(5, dtype=bool)]
        assert abs(gaps.min() - 1) < 0.1

    def test_rng(self):
        tables = [blobs(50, 3, 2, rng=r)[0] for r in (0, 0, 1)]
        np.testing.assert_array_equal(tables[0], tables[1])
        assert (tables[0] != tables[2]).all()

    def test_without_spread_samples_are_centers(self):
        table, labels = blobs(60, 3, 2, spread=0)
        assert len(np.unique(table, axis=0)) == len(np.unique(labels)) == 3

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"n_clusters": 0}, "n_clusters is 0; expected a whole number of at least 1"),
            ({"n_samples": 3}, "n_samples is 3; expected a whole number of at least 4"),
            ({"n_features": 0}, "n_features is 0; expected a whole number of at least 1"),
            ({"spread": -0.1}, "spread is -0.1; expected a number of at least 0"),
        ],
    )
    def test_errors(self, options, message):
        with pytest.raises(ParameterError, match=re.escape(message)):
            blobs(**options)


def test_scene_is_built_by_keyword():
    with pytest.raises(TypeError, match="positional"):
        Scene(np.zeros((2, 2)))
