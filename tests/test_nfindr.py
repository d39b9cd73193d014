"""`nfindr`: pure samples are found, volumes never fall, and endmembers come back as asked for."""

from __future__ import annotations

from itertools import combinations
from math import factorial

import numpy as np
import pytest
from backends import Backend
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import seeds

import unmix as um

host = Backend.numpy


def mixtures(n=300, p=4, f=20, **options):
    return um.synthetic.simplex_mixtures(n, p, f, **options)


def volume(points):
    edges = points[1:] - points[0]
    return np.sqrt(max(np.linalg.det(edges @ edges.T), 0)) / factorial(len(edges))


def angles(a, b):
    """Angles between rows, in radians."""
    cosine = np.sum(a * b, axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return np.arccos(np.clip(cosine, -1, 1))


class TestPureSamples:
    @pytest.mark.parametrize("p", [2, 3, 5])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_are_found(self, backend, p, dtype):
        truth = mixtures(p=p, rng=p)
        model = um.nfindr(backend.asarray(truth.samples, dtype), p)
        order = np.argsort(truth.pure_indices)
        np.testing.assert_array_equal(model.indices, truth.pure_indices[order])
        eps = 1e-4 if dtype is np.float32 else 1e-9
        np.testing.assert_allclose(host(model.endmembers), truth.endmembers[order], atol=eps)
        np.testing.assert_allclose(host(model.abundances), truth.abundances.T[order], atol=eps)
        for array in (model.endmembers, model.abundances):
            assert backend.owns(array)
            assert str(array.dtype).endswith(np.dtype(dtype).name)

    def test_of_any_type(self):
        truth = mixtures(p=3, rng=2)
        whole = np.round(truth.samples * 100)
        assert whole.max() < 256
        expected = um.nfindr(whole, 3)
        for dtype in (np.uint8, np.uint16, ">i4", np.float16, ">f4"):
            model = um.nfindr(whole.astype(dtype), 3)
            np.testing.assert_array_equal(model.indices, expected.indices)
            np.testing.assert_allclose(model.maps, expected.maps, atol=1e-4)

    def test_are_those_of_the_largest_volume_by_brute_force(self, backend):
        for seed in range(5):
            points = np.random.default_rng(seed).standard_normal((18, 2))
            model = um.nfindr(backend.asarray(points), 3)
            best = max(combinations(range(18), 3), key=lambda c: volume(points[list(c)]))
            np.testing.assert_array_equal(model.indices, best)
            assert model.volume == pytest.approx(volume(points[list(best)]))

    def test_two_endmembers_are_the_ends_of_the_first_component(self, backend):
        table = np.random.default_rng(0).random((50, 6)) @ np.diag([9, 1, 1, 1, 1, 1])
        model = um.nfindr(backend.asarray(table), 2)
        scores = host(um.pca(backend.asarray(table), 1).maps)[0]
        np.testing.assert_array_equal(model.indices, np.sort([scores.argmin(), scores.argmax()]))
        assert model.volume == pytest.approx(np.ptp(scores))
        fraction = (scores - scores[model.indices[1]]) / np.subtract(*scores[model.indices])
        np.testing.assert_allclose(host(model.maps)[0], fraction, atol=1e-12)

    def test_as_many_as_the_features_allow(self, backend):
        points = np.asarray([[0.0, 0], [1, 0], [0, 1], [0.2, 0.2]])
        model = um.nfindr(backend.asarray(points), 3)
        np.testing.assert_array_equal(model.indices, [0, 1, 2])
        np.testing.assert_allclose(host(model.maps)[:, 3], [0.6, 0.2, 0.2], atol=1e-12)


class TestResult:
    def test_order_indices_and_abundances_belong_together(self, backend):
        model = um.nfindr(backend.asarray(mixtures(rng=3).samples), 4)
        assert (np.diff(model.indices) > 0).all()
        at_vertices = host(model.maps)[:, model.indices]
        np.testing.assert_allclose(at_vertices, np.eye(4), atol=1e-9)
        maps = host(model.maps)
        assert maps.min() >= 0
        np.testing.assert_allclose(maps.sum(axis=0), 1, atol=1e-12)
        assert model.components is model.endmembers
        assert model.maps is model.abundances
        assert model.mean is None
        assert model.constraint == "sum_to_one"

    @settings(max_examples=10)
    @given(seed=seeds, p=st.integers(2, 5), n_starts=st.integers(0, 4))
    def test_the_volume_never_falls(self, backend, seed, p, n_starts):
        table = np.random.default_rng(seed).standard_normal((40, 6))
        model = um.nfindr(backend.asarray(table), p, n_starts=n_starts, rng=seed)
        history = model.volume_history
        assert (np.diff(history) >= 0).all()
        assert history[-1] == model.volume > 0
        points = host(um.pca(backend.asarray(table), p - 1).maps).T[model.indices]
        assert model.volume == pytest.approx(volume(points), rel=1e-6)

    def test_no_exchange_of_one_vertex_enlarges_it(self, backend):
        table = np.random.default_rng(1).standard_normal((60, 8))
        model = um.nfindr(backend.asarray(table), 4)
        points = host(um.pca(backend.asarray(table), 3).maps).T
        for j in range(4):
            for i in range(60):
                numbers = model.indices.copy()
                numbers[j] = i
                assert volume(points[numbers]) <= model.volume * (1 + 1e-8)

    def test_more_starts_are_never_worse(self):
        table = np.random.default_rng(9).standard_normal((60, 9))
        volumes = [um.nfindr(table, 8, n_starts=n, rng=2).volume for n in (0, 1, 5, 25)]
        assert (np.diff(volumes) >= 0).all()
        assert volumes[-1] > volumes[0]

    def test_the_same_rng_gives_the_same_bits(self, backend):
        table = backend.asarray(np.random.default_rng(5).standard_normal((80, 9)))
        a, b = (um.nfindr(table, 5, rng=3) for _ in range(2))
        np.testing.assert_array_equal(host(a.maps), host(b.maps))
        generator = um.nfindr(table, 5, rng=np.random.default_rng(1))
        key = generator.record.steps[-1].parameters["rng"]
        np.testing.assert_array_equal(host(generator.maps), host(um.nfindr(table, 5, rng=key).maps))

    def test_tiles_change_no_vertex(self, backend, monkeypatch):
        values = mixtures(n=400, rng=6, snr_db=30).samples.reshape(20, 20, 20)
        samples = um.samples(backend.asarray(values), 2)
        whole = um.nfindr(samples, 4, average=3)
        monkeypatch.setattr(um.config, "TILE_BYTES", 1 << 12)
        assert len(samples.plan()) > 10
        tiled = um.nfindr(samples, 4, average=3)
        np.testing.assert_array_equal(tiled.indices, whole.indices)
        np.testing.assert_allclose(host(tiled.maps), host(whole.maps), atol=1e-9)

    def test_is_recorded(self, backend):
        model = um.nfindr(backend.asarray(mixtures().samples), 3, n_starts=2, average=4, raw=True)
        step = model.record.steps[-1]
        assert step.operation == "nfindr"
        assert step.parameters == {
            "n_endmembers": 3,
            "n_starts": 2,
            "average": 4,
            "pca": None,
            "raw": True,
            "rng": 0,
        }
        assert step.run["namespace"] == backend.module


class TestEndmembers:
    """What is returned for a vertex: its projection, the sample itself, or a mean of neighbours."""

    @pytest.fixture
    def noisy(self):
        return mixtures(n=1500, p=3, f=60, snr_db=12, rng=4)

    def test_are_projected_on_the_subspace(self, backend, noisy):
        table = noisy.samples
        model = um.nfindr(backend.asarray(table), 3)
        pca = um.pca(backend.asarray(table), 2)
        mean, axes = host(pca.mean), host(pca.components)
        expected = mean + (table[model.indices] - mean) @ axes.T @ axes
        np.testing.assert_allclose(host(model.endmembers), expected, atol=1e-10)

    def test_are_not_negative_where_the_samples_are_not(self, backend):
        """Counts hold no value below zero, their projections do."""
        truth = mixtures(n=400, p=3, f=60, rng=4)
        counts = np.random.default_rng(0).poisson(20 * truth.samples).astype(float)
        table = backend.asarray(counts)
        model = um.nfindr(table, 3, average=2)
        pca = um.pca(table, 2)
        mean, axes = host(pca.mean), host(pca.components)
        scores = (counts - mean) @ axes.T
        nearest = [np.argsort(np.sum((scores - scores[i]) ** 2, axis=1))[:2] for i in model.indices]
        projected = mean + np.stack([scores[two].mean(axis=0) for two in nearest]) @ axes
        assert projected.min() < -0.1
        np.testing.assert_allclose(host(model.endmembers), np.maximum(projected, 0), atol=1e-9)
        direct = um.abundances(table, model)
        np.testing.assert_allclose(host(model.maps), host(direct.maps), atol=1e-7)

    def test_raw_ones_are_the_samples_to_the_last_bit(self, backend, noisy):
        for dtype in (np.float32, np.float64):
            table = noisy.samples.astype(dtype)
            model = um.nfindr(backend.asarray(table), 3, raw=True)
            np.testing.assert_array_equal(host(model.endmembers), table[model.indices])
            expected = um.abundances(backend.asarray(table), model.endmembers)
            np.testing.assert_allclose(host(model.maps), host(expected.maps), atol=1e-6)

    def test_projected_ones_are_nearer_to_the_truth(self, noisy):
        model = um.nfindr(noisy.samples, 3)
        raw = um.nfindr(noisy.samples, 3, raw=True)
        np.testing.assert_array_equal(model.indices, raw.indices)
        order = noisy.abundances[model.indices].argmax(axis=1)
        assert sorted(order) == [0, 1, 2]
        better = angles(model.endmembers, noisy.endmembers[order])
        worse = angles(raw.endmembers, noisy.endmembers[order])
        assert (better < 0.5 * worse).all()

    @pytest.mark.parametrize("raw", [True, False])
    def test_average_is_the_mean_of_the_nearest(self, backend, noisy, raw):
        table = noisy.samples
        model = um.nfindr(backend.asarray(table), 3, average=5, raw=raw)
        one = um.nfindr(backend.asarray(table), 3)
        np.testing.assert_array_equal(model.indices, one.indices)
        assert model.volume == one.volume
        pca = um.pca(backend.asarray(table), 2)
        scores = host(pca.maps).T
        for endmember, i in zip(host(model.endmembers), model.indices, strict=True):
            nearest = np.argsort(np.sum((scores - scores[i]) ** 2, axis=1))[:5]
            assert nearest[0] == i
            expected = table[nearest].mean(axis=0)
            if not raw:
                expected = host(pca.mean) + scores[nearest].mean(axis=0) @ host(pca.components)
            np.testing.assert_allclose(endmember, expected, atol=1e-9)

    def test_average_makes_noisy_maps_truer(self):
        noisy, errors = mixtures(n=3000, p=3, f=60, snr_db=6, rng=0), []
        for average in (1, 10):
            model = um.nfindr(noisy.samples, 3, average=average)
            order = noisy.abundances[model.indices].argmax(axis=1)
            errors.append(np.abs(model.maps.T - noisy.abundances[:, order]).mean())
        assert errors[1] < 0.9 * errors[0]

    def test_abundances_of_projections_are_those_of_the_samples(self, backend, noisy):
        table = backend.asarray(noisy.samples)
        model = um.nfindr(table, 3)
        direct = um.abundances(table, model)
        np.testing.assert_allclose(host(model.maps), host(direct.maps), atol=1e-7)


class TestPca:
    @pytest.mark.parametrize("n", [3, 6])
    def test_a_fitted_model_gives_the_same(self, backend, n):
        table = backend.asarray(mixtures(rng=8, snr_db=25).samples)
        fresh = um.nfindr(table, 4)
        reused = um.nfindr(table, 4, pca=um.pca(table, n))
        np.testing.assert_array_equal(reused.indices, fresh.indices)
        np.testing.assert_allclose(host(reused.maps), host(fresh.maps), atol=1e-12)
        assert reused.volume == pytest.approx(fresh.volume)

    def test_saves_the_passes_over_the_samples(self, monkeypatch):
        calls = []
        true = um.ops.window_fft
        monkeypatch.setattr(um.ops, "window_fft", lambda *a, **k: calls.append(1) or true(*a, **k))
        image = np.random.default_rng(0).random((40, 40))
        samples = um.window_fft(um.sliding_windows(image, 8, 4))
        model = um.pca(samples, 3)
        calls.clear()
        um.nfindr(samples, 3, pca=model)
        assert not calls

    def test_of_other_samples_is_refused(self):
        table = mixtures().samples
        samples = um.samples(table.reshape(15, 20, 20), 2)
        mask = np.random.default_rng(0).random((15, 20)) < 0.5
        pca = um.pca(samples, 3)
        for other, message in [
            (
                samples.where(mask),
                r"pca is of 300 samples .* these \d+ of \(15, 20\): fit it to them",
            ),
            (
                samples[1:],
                r"pca is of 300 samples of a map \(15, 20\); expected .* these 280 of \(14",
            ),
            (samples.features(np.arange(20) > 2), "leave out other entries"),
            (um.samples(table, 1), r"these 300 of \(300,\)"),
        ]:
            with pytest.raises(um.ShapeError, match=message):
                um.nfindr(other, 3, pca=pca)
        masked = samples.where(mask)
        with pytest.raises(um.ShapeError, match="fit it to them, with the same mask"):
            um.nfindr(samples, 3, pca=um.pca(masked, 3))
        um.nfindr(masked, 3, pca=um.pca(masked.keep(), 3))
        for other in (
            um.samples(table[::-1].reshape(15, 20, 20), 2),
            samples.transform("sqrt"),
        ):
            with pytest.raises(um.ShapeError, match="pca was fitted to other data than these"):
                um.nfindr(other, 3, pca=pca)

    def test_too_few_components_and_other_models_are_refused(self):
        table = mixtures().samples
        with pytest.raises(um.ParameterError, match="pca has 2 components; expected a centred mod"):
            um.nfindr(table, 4, pca=um.pca(table, 2))
        with pytest.raises(um.ParameterError, match="fitted without centring; expected a centred"):
            um.nfindr(table, 4, pca=um.pca(table, 3, center=False))
        for other in (um.kmeans(table, 4), um.samples(table, 1), 3):
            with pytest.raises(um.ParameterError, match=r"pca is .*; expected what unmix\.pca"):
                um.nfindr(table, 4, pca=other)


class TestOnMaps:
    def test_masked_samples_and_entries_are_as_if_they_were_not_there(self, backend):
        rng = np.random.default_rng(1)
        values = mixtures(n=300, p=3, f=24, snr_db=30, rng=1).samples.reshape(15, 20, 4, 6)
        mask, entries = rng.random((15, 20)) < 0.6, rng.random((4, 6)) < 0.7
        samples = um.samples(backend.asarray(values), 2).where(mask).features(entries)
        table = backend.asarray(values[mask][:, entries])
        for options in ({}, {"raw": True}, {"average": 4}, {"average": 4, "raw": True}):
            model = um.nfindr(samples, 3, **options)
            alone = um.nfindr(table, 3, **options)
            numbers = np.flatnonzero(mask)
            np.testing.assert_array_equal(model.indices, numbers[alone.indices])
            np.testing.assert_allclose(host(model.maps)[:, mask], host(alone.maps), atol=1e-9)
            assert np.isnan(host(model.maps)[:, ~mask]).all()
            np.testing.assert_allclose(
                host(model.endmembers)[:, entries], host(alone.endmembers), atol=1e-10
            )
            assert np.isnan(host(model.endmembers)[:, ~entries]).all()
            assert model.volume == pytest.approx(alone.volume)

    def test_positions_are_in_the_units_of_the_axes(self, backend):
        movie = np.random.default_rng(3).random((3, 24, 31))
        image = um.samples(
            backend.asarray(movie), 3, pitch=(2.0, 0.5, 0.25), units=("s", "nm", "nm")
        )
        samples = um.window_fft(um.sliding_windows(image, (8, 9), (4, 3)))
        mask = np.random.default_rng(0).random(samples.layout.map_shape) < 0.8
        model = um.nfindr(samples.where(mask), 3)
        assert model.positions.shape == (3, 3)
        for number, position in zip(model.indices, model.positions, strict=True):
            frame, y, x = np.unravel_index(number, samples.layout.map_shape)
            assert mask[frame, y, x]
            expected = (2.0 * frame, 0.5 * (4 * y + 3.5), 0.25 * (3 * x + 4))
            np.testing.assert_allclose(position, expected)
        assert tuple(model.maps.shape) == (3, *samples.layout.map_shape)

    def test_endmembers_of_spectra_are_full_planes(self, backend):
        image = np.random.default_rng(3).random((32, 40))
        samples = um.window_fft(um.sliding_windows(backend.asarray(image), (8, 9), 4))
        model = um.nfindr(samples, 3, raw=True)
        full = host(samples.to_array()).reshape(-1, 8, 9)
        np.testing.assert_allclose(host(model.endmembers), full[model.indices], atol=1e-13)

    def test_half_planes_find_what_full_planes_find(self, backend):
        image = np.random.default_rng(3).random((32, 40))
        samples = um.window_fft(um.sliding_windows(backend.asarray(image), (8, 9), 4))
        full = um.samples(samples.to_array(), 2)
        a, b = um.nfindr(samples, 4), um.nfindr(full, 4)
        np.testing.assert_array_equal(a.indices, b.indices)
        np.testing.assert_allclose(host(a.maps), host(b.maps), atol=1e-9)
        assert a.volume == pytest.approx(b.volume)

    def test_of_scores(self, backend):
        table = backend.asarray(mixtures(rng=8).samples)
        scores = um.pca(table, 5).scores
        np.testing.assert_array_equal(um.nfindr(scores, 4).indices, um.nfindr(table, 4).indices)

    def test_project(self, backend):
        truth = mixtures(rng=8)
        model = um.nfindr(backend.asarray(truth.samples), 4)
        other = mixtures(n=50, rng=9)
        mixed = other.abundances @ truth.endmembers[np.argsort(truth.pure_indices)]
        projected = model.project(backend.asarray(mixed))
        np.testing.assert_allclose(host(projected.abundances), other.abundances.T, atol=1e-8)
        np.testing.assert_array_equal(host(projected.endmembers), host(model.endmembers))
        for name in ("indices", "positions", "volume", "volume_history"):
            assert getattr(model, name) is not None
            assert getattr(projected, name) is None


class TestDegenerate:
    def test_repeated_samples(self, backend):
        truth = mixtures(n=40, p=3, rng=1)
        table = np.concatenate([truth.samples] * 3)
        model = um.nfindr(backend.asarray(table), 3)
        # of equal samples the first one
        np.testing.assert_array_equal(model.indices, np.sort(truth.pure_indices))

    def test_repeated_samples_in_other_tiles(self, backend, monkeypatch):
        table = np.random.default_rng(0).integers(0, 4, (8, 4)).astype(float)
        table[[2, 5, 6]] = [[9, 0, 0, 0], [0, 9, 0, 0], [0, 0, 9, 0]]
        monkeypatch.setattr(um.config, "TILE_BYTES", 8 * 4 * 16)
        samples = um.samples(backend.asarray(np.tile(table, (6, 1))), 1)
        assert len(samples.plan()) == 6
        model = um.nfindr(samples, 3)
        np.testing.assert_array_equal(model.indices, [2, 5, 6])

    def test_as_many_samples_as_endmembers(self, backend):
        table = np.eye(4)[:, :3]
        model = um.nfindr(backend.asarray(table), 4)
        np.testing.assert_array_equal(model.indices, np.arange(4))
        np.testing.assert_allclose(host(model.maps), np.eye(4), atol=1e-12)

    def test_constant_features_are_no_matter(self, backend):
        truth = mixtures(p=3, rng=2)
        table = np.concatenate([truth.samples, np.full((300, 5), 7.0)], axis=1)
        model = um.nfindr(backend.asarray(table), 3)
        np.testing.assert_array_equal(model.indices, np.sort(truth.pure_indices))

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("offset", [0, 1000])
    @pytest.mark.parametrize("rank", [0, 1, 2])
    def test_an_affine_rank_below_is_refused(self, backend, dtype, offset, rank):
        rng = np.random.default_rng(0)
        table = rng.random((50, rank)) @ rng.random((rank, 12)) + offset * rng.random(12)
        message = f"span {rank} dimensions; expected 3: ask for {3 - rank} fewer"
        with pytest.raises(um.DataError, match=message):
            um.nfindr(backend.asarray(table.astype(dtype)), 4)
        if rank:
            model = um.nfindr(backend.asarray(table.astype(dtype)), rank + 1)
            assert np.isfinite(host(model.maps)).all()

    def test_a_scale_is_no_rank(self, backend):
        table = mixtures(p=3, rng=2).samples
        expected = um.nfindr(table, 3)
        for scale in (1e-30, 1e-9, 1e20):
            model = um.nfindr(backend.asarray(table * scale), 3)
            np.testing.assert_array_equal(model.indices, expected.indices)
            np.testing.assert_allclose(host(model.maps), expected.maps, atol=1e-9)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"n_endmembers": 1}, "n_endmembers is 1; expected a whole number from 2 to 21"),
            ({"n_endmembers": 22}, "n_endmembers is 22; expected a whole number from 2 to 21"),
            ({"n_endmembers": 2.5}, r"n_endmembers is 2\.5; expected"),
            ({"n_starts": -1}, "n_starts is -1; expected a whole number from 0"),
            ({"average": 0}, "average is 0; expected a whole number from 1 to 300"),
            ({"average": 301}, "average is 301; expected a whole number from 1 to 300"),
            ({"rng": -1}, "rng is -1; expected a whole number"),
        ],
    )
    def test_numbers_out_of_range_are_refused(self, options, message):
        with pytest.raises(um.ParameterError, match=message):
            um.nfindr(mixtures().samples, **{"n_endmembers": 3, **options})

    def test_more_endmembers_than_samples_are_refused(self):
        with pytest.raises(um.ParameterError, match=r"from 2 to 5 \(5 samples with 30 features"):
            um.nfindr(np.random.default_rng(0).random((5, 30)), 6)
        assert len(um.nfindr(np.random.default_rng(0).random((5, 30)), 5)) == 5


def test_warns_where_values_went_below_zero():
    table = um.samples(np.random.default_rng(0).random((40, 6)), 1)
    with pytest.warns(UserWarning, match=r"below zero since normalize\(kind='robust'.*no spectra"):
        um.nfindr(table.normalize("robust"), 3)
