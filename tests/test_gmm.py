"""Mixtures of Gaussian classes against scikit-learn, against their densities and known classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from backends import Backend
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

import unmix as um

host = Backend.numpy
DENSE = ["full", "tied", "diag", "spherical"]
KINDS = [*DENSE, "low_rank"]


def classes(sizes=(400, 200, 100), f=4, seed=0):
    """Overlapping classes of unlike shapes: a table and the class of each row."""
    rng = np.random.default_rng(seed)
    rows = []
    for n in sizes:
        turn = np.linalg.qr(rng.normal(size=(f, f)))[0]
        rows.append(rng.normal(size=(n, f)) * rng.uniform(0.3, 2, f) @ turn + rng.normal(0, 2, f))
    order = rng.permutation(sum(sizes))
    return np.concatenate(rows)[order], np.repeat(np.arange(len(sizes)), sizes)[order]


def flat(n=300, f=60, rank=2, seed=0):
    """Two classes that differ in the directions along which they vary, and little in the mean."""
    rng = np.random.default_rng(seed)
    spans = [np.linalg.qr(rng.normal(size=(f, rank)))[0].T for _ in range(2)]
    rows = [rng.normal(0, [[6, 4]], (n, rank)) @ span + 0.3 * j for j, span in enumerate(spans)]
    table = np.concatenate(rows) + rng.normal(0, 0.5, (2 * n, f))
    return table, np.repeat([0, 1], n), spans


def theirs(table, start, kind, model, **options):
    """Return scikit-learn's mixture from the same hard start, with classes in our order."""

    class FromStart(GaussianMixture):
        def _initialize_parameters(self, rows, *_, **__):
            nearest = ((rows[:, None] - start) ** 2).sum(axis=2).argmin(axis=1)
            self._initialize(rows, np.eye(len(start))[nearest])

    added = 1e-6 * table.var(axis=0).mean()
    found = FromStart(len(start), covariance_type=kind, reg_covar=added, **options).fit(table)
    return found, np.argsort(-found.weights_, kind="stable")


def density(model, table):
    """Logarithm of the mixture's density from its public fields, row by row."""
    k, f = model.components.shape
    each = []
    for j in range(k):
        one = model.covariances[j % len(model.covariances)]
        if one.ndim == 1:
            one = np.diag(np.broadcast_to(one, f))
        if model.directions is not None:
            one = one + model.directions[j].T @ model.directions[j]
        log = multivariate_normal(model.components[j], one, allow_singular=True).logpdf(table)
        each.append(np.log(model.weights[j]) + log)
    return np.asarray(each)


class TestScikitLearn:
    @pytest.mark.parametrize("kind", DENSE)
    def test_same_start_same_answer(self, backend, kind):
        table, _ = classes()
        start = um.kmeans(table, 3, rng=1).centers
        model = um.gmm(
            backend.asarray(table), 3, covariance=kind, init=backend.asarray(start), tol=1e-4
        )
        them, order = theirs(table, start, kind, model, tol=1e-4)
        assert model.n_iter == them.n_iter_ > 3
        assert model.converged
        np.testing.assert_allclose(host(model.weights), them.weights_[order], rtol=1e-9)
        np.testing.assert_allclose(host(model.components), them.means_[order], atol=1e-9)
        expected = them.covariances_ if kind == "tied" else them.covariances_[order]
        shape = {"tied": (1, 4, 4), "spherical": (3, 1)}.get(kind, expected.shape)
        np.testing.assert_allclose(host(model.covariances), expected.reshape(shape), atol=1e-9)
        np.testing.assert_allclose(
            host(model.maps).T, them.predict_proba(table)[:, order], atol=1e-9
        )
        np.testing.assert_allclose(model.log_likelihood, them.score(table) * len(table))
        np.testing.assert_allclose(model.bic, them.bic(table))
        np.testing.assert_array_equal(host(model.labels), np.argsort(order)[them.predict(table)])
        for array in (model.maps, model.components, model.weights, model.covariances, model.labels):
            assert backend.owns(array)

    @pytest.mark.parametrize("kind", DENSE)
    def test_single_precision(self, kind):
        table, _ = classes()
        start = um.kmeans(table, 3, rng=1).centers
        single = um.gmm(table.astype(np.float32), 3, covariance=kind, init=start.astype(np.float32))
        double = um.gmm(table, 3, covariance=kind, init=start)
        assert single.n_iter == double.n_iter
        assert single.maps.dtype == np.float32
        np.testing.assert_allclose(single.maps, double.maps, atol=2e-4)
        np.testing.assert_allclose(single.log_likelihood, double.log_likelihood, rtol=1e-6)


class TestLowRank:
    def test_of_all_but_one_direction_is_a_full_covariance(self, backend):
        table, _ = classes(f=3)
        start = um.kmeans(table, 3, rng=1).centers
        options = {"tol": 1e-7, "max_iter": 2000}
        full = um.gmm(table, 3, init=start, **options)
        model = um.gmm(
            backend.asarray(table),
            3,
            covariance="low_rank",
            rank=2,
            init=backend.asarray(start),
            **options,
        )
        np.testing.assert_allclose(model.log_likelihood, full.log_likelihood, rtol=1e-5)
        np.testing.assert_allclose(host(model.maps), full.maps, atol=0.01)
        assert model.n_parameters == full.n_parameters
        assert backend.owns(model.directions)

    def test_directions_tell_classes_apart(self, backend):
        table, truth, spans = flat()
        start = um.gmm(table + 0.0, 2, covariance="low_rank", rank=2, max_iter=30)
        model = um.gmm(
            backend.asarray(table),
            2,
            covariance="low_rank",
            rank=2,
            init=backend.asarray(start.components),
        )
        assert backend.owns(model.maps)
        labels = host(model.labels)
        assert np.mean(labels == truth) > 0.99 or np.mean(labels != truth) > 0.99
        found = host(model.directions)[labels[0]]
        lengths = np.linalg.norm(found, axis=1)
        np.testing.assert_allclose(lengths, [6, 4], rtol=0.1)
        cosines = np.linalg.svd(found / lengths[:, None] @ spans[0].T)[1]
        assert cosines.min() > 0.99
        np.testing.assert_allclose(host(model.covariances), 0.25, rtol=0.05)

    def test_single_precision(self):
        table, _, _ = flat()
        double = um.gmm(table, 2, covariance="low_rank", rank=3)
        single = um.gmm(table.astype(np.float32), 2, covariance="low_rank", rank=3)
        np.testing.assert_allclose(single.maps, double.maps, atol=1e-3)
        np.testing.assert_allclose(single.log_likelihood, double.log_likelihood, rtol=1e-5)

    def test_default_rank(self):
        table, _ = classes()
        assert um.gmm(table, 2, covariance="low_rank").directions.shape == (2, 3, 4)
        assert um.gmm(flat()[0], 2, covariance="low_rank").directions.shape == (2, 5, 60)


class TestDensities:
    @pytest.mark.parametrize("kind", KINDS)
    def test_likelihood_and_posteriors_are_those_of_the_fields(self, kind):
        table, _ = classes()
        model = um.gmm(table, 3, covariance=kind)
        each = density(model, table)
        logs = np.logaddexp.reduce(each, axis=0)
        np.testing.assert_allclose(model.log_likelihood, logs.sum(), rtol=1e-9)
        r = np.exp(each - logs)
        np.testing.assert_allclose(model.maps, r, atol=1e-9)
        np.testing.assert_array_equal(model.labels, r.argmax(axis=0))
        np.testing.assert_allclose(model.entropy, -np.sum(r * (each - logs)), rtol=1e-8)
        np.testing.assert_allclose(model.icl, model.bic + 2 * model.entropy)

    @settings(max_examples=15)
    @given(kind=st.sampled_from(KINDS), k=st.integers(1, 4), seed=st.integers(0, 99))
    def test_the_likelihood_never_falls(self, kind, k, seed):
        table, _ = classes((40, 30), seed=seed)
        options = {"covariance": kind, "tol": 0, "rng": seed, "regularization": 1e-9}
        found = [
            um.gmm(table, k, max_iter=n, **options).log_likelihood for n in (1, 2, 3, 5, 9, 20)
        ]
        # the regularisation is no part of the likelihood, and moves it by its own size
        assert np.all(np.diff(found) >= -1e-4)

    @pytest.mark.parametrize("kind", KINDS)
    def test_one_class_is_the_moments(self, kind):
        table, _ = classes()
        model = um.gmm(table, 1, covariance=kind, regularization=1e-12, tol=1e-9, max_iter=2000)
        np.testing.assert_allclose(model.components[0], table.mean(axis=0))
        whole = np.cov(table.T, bias=True)
        expected = {
            "full": whole,
            "tied": whole,
            "diag": np.diag(whole),
            "spherical": np.trace(whole) / 4,
            "low_rank": np.linalg.eigvalsh(whole)[0],
        }[kind]
        shape = model.covariances.shape
        rtol = 1e-3 if kind == "low_rank" else 1e-9
        np.testing.assert_allclose(model.covariances, np.broadcast_to(expected, shape), rtol=rtol)

    @pytest.mark.parametrize("kind", KINDS)
    def test_free_parameters(self, kind):
        table, _ = classes()
        model = um.gmm(table, 3, covariance=kind)
        if kind == "low_rank":  # as many as full covariances have
            assert model.n_parameters == 2 + 3 * 4 + 3 * 10
        else:
            them = GaussianMixture(3, covariance_type=kind).fit(table)
            assert model.n_parameters == them._n_parameters()


class TestTruth:
    def test_long_classes_side_by_side(self, backend):
        """What k-means cannot do: it cuts them across."""
        rng = np.random.default_rng(0)
        table = rng.normal(0, [10, 0.5], (600, 2))
        table[300:, 1] += 4
        truth = np.repeat([0, 1], 300)
        model = um.gmm(backend.asarray(table), 2, covariance="tied", tol=1e-6, max_iter=1000)
        assert adjusted_rand_score(truth, um.kmeans(table, 2).labels) < 0.1
        assert adjusted_rand_score(truth, host(model.labels)) > 0.98

    def test_histograms_of_labels_tell_states_of_a_movie(self):
        rng = np.random.default_rng(0)
        y, x = np.mgrid[:48, :48]
        state = np.repeat([0, 1, 2, 3, 0], [8, 10, 6, 10, 6])
        waves = [1.5 * x, y + x, 0 * y, y - x]
        frames = np.stack([np.sin((waves[s] + rng.uniform(0, 20)) * 0.4) * (s != 2) for s in state])
        frames += rng.normal(0, 0.7, frames.shape)
        samples = um.window_fft(um.sliding_windows(frames.astype(np.float32), 16, 8))
        labels = um.gmm(samples, 8, covariance="low_rank").labels
        counts = [np.bincount(of_frame.ravel(), minlength=8) for of_frame in labels]
        found = um.kmeans(np.asarray(counts, dtype=float), 4).labels
        assert adjusted_rand_score(state, found) > 0.95

    def test_more_starts_are_no_worse(self):
        table, _ = classes((60, 50, 40, 30, 20), f=2, seed=3)
        found = [um.gmm(table, 6, n_starts=n, rng=2).log_likelihood for n in (1, 2, 8)]
        assert found[0] <= found[1] <= found[2]
        assert found[2] > found[0]

    @pytest.mark.parametrize("kind", KINDS)
    def test_starts_from_a_model_go_on(self, kind):
        table, _ = classes()
        first = um.gmm(table, 3, covariance=kind, max_iter=4, tol=0)
        rest = um.gmm(table, 3, covariance=kind, init=first, max_iter=200, tol=1e-9)
        whole = um.gmm(table, 3, covariance=kind, max_iter=200, tol=1e-9)
        np.testing.assert_allclose(rest.log_likelihood, whole.log_likelihood, rtol=1e-5)

    def test_starts_from_a_simpler_mixture(self):
        table, _ = classes()
        simple = um.gmm(table, 3, covariance="spherical")
        assert um.gmm(table, 3, init=simple).log_likelihood > simple.log_likelihood


class TestTables:
    @pytest.mark.parametrize("kind", KINDS)
    def test_half_planes_have_whole_means(self, kind):
        image = np.random.default_rng(2).random((60, 61))
        spectra = um.window_fft(um.sliding_windows(image, 8, 4))
        planes = spectra.to_array().reshape(-1, 64)
        model = um.gmm(
            spectra, 2, covariance=kind, rank=2 if kind == "low_rank" else None, tol=1e-8
        )
        r = model.maps.reshape(2, -1)
        expected = r @ planes / r.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(model.components.reshape(2, 64), expected, rtol=2e-2)
        if kind == "low_rank":
            assert model.directions.shape == (2, 2, 8, 8)
            np.testing.assert_allclose(
                model.directions[..., 1:, 1:], model.directions[..., :0:-1, :0:-1]
            )
            # lengths over the whole plane are the standard deviations along the directions
            along = (planes - expected[0]) @ model.directions[0, 0].ravel()
            length = np.linalg.norm(model.directions[0, 0])
            spread = np.sqrt(np.average((along / length) ** 2, weights=r[0]))
            np.testing.assert_allclose(
                spread, np.hypot(length, model.covariances[0, 0] ** 0.5), rtol=0.05
            )

    @pytest.mark.parametrize("kind", KINDS)
    def test_tiles_and_masks(self, kind):
        table, _ = classes((3000, 2000, 1000), f=50)
        cube = table.reshape(60, 100, 50)
        mask = np.ones((60, 100), dtype=bool)
        mask[20:30, 5:50] = False
        samples = um.samples(cube, 2).where(mask)
        whole = um.gmm(samples, 3, covariance=kind)
        with um.config.memory_budget(1 << 21):
            tiled = um.gmm(samples, 3, covariance=kind)
        np.testing.assert_array_equal(np.isnan(whole.maps[0]), ~mask)
        np.testing.assert_array_equal(whole.labels == -1, ~mask)
        np.testing.assert_allclose(tiled.components, whole.components, atol=1e-6)
        np.testing.assert_allclose(tiled.maps, whole.maps, atol=1e-4)
        left = um.gmm(um.samples(cube[mask], 1), 3, covariance=kind)
        np.testing.assert_allclose(left.maps, whole.maps[:, mask], atol=1e-4)

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_large_offset_in_single_precision(self, kind):
        table = np.round(classes()[0] * 64) / 64  # exact with the offset, too
        far = um.gmm((table + 4096).astype(np.float32), 3, covariance=kind)
        near = um.gmm(table, 3, covariance=kind)
        np.testing.assert_allclose(far.components - 4096, near.components, atol=2e-3)
        np.testing.assert_allclose(far.maps, near.maps, atol=5e-3)

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("scale", [1e-12, 1e12])
    def test_units_change_nothing(self, kind, scale):
        table, _ = classes()
        plain = um.gmm(table, 3, covariance=kind)
        scaled = um.gmm((table * scale).astype(np.float32), 3, covariance=kind)
        np.testing.assert_allclose(scaled.maps, plain.maps, atol=2e-3)

    @pytest.mark.parametrize("kind", KINDS)
    def test_constant_features_and_equal_samples(self, kind):
        table = np.repeat([[0.0, 1.0, 5.0], [3.0, 1.0, 5.0], [0.0, 7.0, 5.0]], [5, 4, 3], axis=0)
        for dtype in (np.float32, np.float64):
            model = um.gmm(table.astype(dtype), 3, covariance=kind)
            np.testing.assert_array_equal(model.labels, np.repeat([0, 1, 2], [5, 4, 3]))
            np.testing.assert_allclose(model.components, table[[0, 5, 9]], atol=1e-3)
            np.testing.assert_allclose(model.weights, np.asarray([5, 4, 3]) / 12)
            assert np.isfinite(model.log_likelihood)

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_class_of_one_sample(self, kind):
        table, _ = classes((200, 100))
        table[7] = 400.0
        model = um.gmm(table, 3, covariance=kind)
        assert np.isfinite(model.log_likelihood)
        assert np.sum(model.labels == model.labels[7]) == 1

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_class_without_samples_keeps_its_place(self, kind):
        table, _ = classes((200, 100))
        model = um.gmm(table, 2, covariance=kind)
        far = um.gmm(table, 2, covariance=kind, init=lost(model))
        assert far.weights[1] == 0
        for array in (far.maps, far.components, far.covariances):
            assert np.isfinite(array).all()
        assert np.all(far.labels == 0)
        assert np.isfinite(far.bic)

    def test_equal_classes_stay_apart_in_name_only(self):
        table, _ = classes((200, 100))
        twice = np.stack([table.mean(axis=0)] * 2)
        model = um.gmm(table, 2, init=twice)  # the nearest of equal centres is the first
        assert model.weights[0] == 1

    @pytest.mark.parametrize("kind", KINDS)
    def test_projects_its_own_samples_to_its_maps(self, kind):
        table, _ = classes()
        model = um.gmm(table.astype(np.float32), 3, covariance=kind)
        again = model.project(table.astype(np.float32))
        np.testing.assert_array_equal(again.maps, model.maps)
        np.testing.assert_array_equal(again.labels, model.labels)
        assert again.bic == model.bic
        half = model.project(table[::2].astype(np.float32))
        np.testing.assert_allclose(half.maps, model.maps[:, ::2], atol=1e-6)
        assert half.labels.shape == (350,)
        np.testing.assert_allclose(
            half.log_likelihood, density(model, table[::2]).max(axis=0).sum(), rtol=0.05
        )

    @pytest.mark.parametrize("kind", KINDS)
    def test_saved_models_are_whole(self, kind, tmp_path):
        image = np.random.default_rng(2).random((40, 41))
        spectra = um.window_fft(um.sliding_windows(image, 8, 4))
        model = um.gmm(spectra, 2, covariance=kind)
        um.save(tmp_path / "a.npz", model)
        again = um.load(tmp_path / "a.npz")
        assert isinstance(again, um.Mixture)
        assert (again.bic, again.icl, again.converged) == (model.bic, model.icl, model.converged)
        np.testing.assert_array_equal(again.project(spectra).maps, model.maps)

    def test_windows_that_stand_for_classes(self):
        scene = um.synthetic.two_phases((64, 80))
        samples = um.window_fft(um.sliding_windows(scene.image, 16, 8))
        model = um.gmm(samples, 2, covariance="diag")
        found = um.representatives(model, scene.image, 2)
        assert repr(found).endswith("2 windows of 16 x 16 pixels for each of 2 components>")

    def test_input_is_left_as_it_was(self):
        table, _ = classes()
        before = table.copy()
        um.gmm(table, 2, covariance="low_rank")
        np.testing.assert_array_equal(table, before)


def lost(model):
    """Return the mixture with its second class where no sample is."""
    components = model.components.copy()
    components[1] = 1e6
    return replace(model, components=components)


class TestTable:
    def test_finds_how_many(self):
        table, _ = classes()
        found = um.gmm_table(table, range(1, 6), n_starts=2)
        assert len(found.best()) == len(found.best("icl")) == 3
        np.testing.assert_array_equal(found.n_clusters, np.arange(1, 6))
        one = um.gmm(table, 4, n_starts=2)
        np.testing.assert_array_equal(found.models[3].maps, one.maps)
        assert found.models[3].record.steps[-1].parameters == one.record.steps[-1].parameters
        assert found.bic[3] == one.bic
        assert found.log_likelihood[3] == one.log_likelihood

    def test_icl_counts_clusters_where_bic_counts_gaussians(self):
        rng = np.random.default_rng(1)
        table = np.concatenate([rng.uniform(0, 6, (500, 1)), rng.normal(30, 1, (500, 1))])
        found = um.gmm_table(table, range(1, 6), n_starts=3)
        assert len(found.best("icl")) == 2 < len(found.best("bic"))

    def test_prints_a_table(self):
        table, _ = classes()
        lines = repr(um.gmm_table(table, [2, 3])).splitlines()
        assert lines[0].split() == ["classes", "parameters", "log-likelihood", "BIC", "ICL"]
        assert [line.split()[0] for line in lines[1:]] == ["2", "3"]
        assert lines[2].count("*") == 2
        assert lines[1].count("*") == 0
