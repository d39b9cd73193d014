"""Independent components against known sources and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import FastICA
from sklearn.exceptions import ConvergenceWarning
from tolerances import tolerance

import unmix as um
from unmix._arrays import generator


def mixed(n=3000, seed=0, f=12):
    """Sources (n, 3) of different kinds, mixed into a table (n, f)."""
    rng = np.random.default_rng(seed)
    sources = np.stack(
        [rng.laplace(size=n), rng.uniform(-1, 1, n), rng.integers(0, 2, n) * 2.0 - 1], axis=1
    )
    parts = rng.standard_normal((3, f))
    return sources, parts, sources @ parts + rng.standard_normal(f) * 5


def correlations(maps, sources):
    """Largest modulus of the correlation of each source with a map of its own."""
    k = len(maps)
    found = np.abs(np.corrcoef(maps, sources.T)[:k, k:])
    assert sorted(found.argmax(axis=0)) == list(range(k))
    return found.max(axis=0)


class TestTruth:
    @pytest.mark.parametrize("contrast", ["logcosh", "exp"])
    def test_sources_are_found(self, backend, contrast):
        sources, _, table = mixed()
        model = um.ica(backend.asarray(table), 3, contrast=contrast)
        assert backend.owns(model.maps)
        assert backend.owns(model.components)
        assert model.converged
        maps, components = backend.numpy(model.maps), backend.numpy(model.components)
        assert correlations(maps, sources).min() > 0.995
        np.testing.assert_allclose(maps.mean(axis=1), 0, atol=1e-10)
        np.testing.assert_allclose(np.cov(maps, bias=True), np.eye(3), atol=1e-8)
        np.testing.assert_allclose(
            maps.T @ components + backend.numpy(model.mean), table, atol=1e-8
        )

    def test_order_and_signs(self):
        _, _, table = mixed()
        model = um.ica(table, 3)
        assert np.all(np.diff(model.negentropy) <= 0)
        assert np.all(model.negentropy > 0)
        largest = np.abs(model.components).argmax(axis=1)
        assert np.all(model.components[np.arange(3), largest] > 0)

    def test_least_gaussian_first(self):
        """Two signs are farther from a Gaussian than a uniform or a Laplace source."""
        sources, _, table = mixed()
        model = um.ica(table, 3)
        assert abs(np.corrcoef(model.maps[0], sources[:, 2])[0, 1]) > 0.99


class TestStability:
    def test_sources_are_stable_and_noise_is_not(self):
        rng = np.random.default_rng(1)
        sources = np.concatenate(
            [rng.laplace(size=(5000, 2)), 0.7 * rng.standard_normal((5000, 3))], axis=1
        )
        model = um.ica(sources @ rng.standard_normal((5, 20)), 5, n_runs=12)
        found = np.abs(np.corrcoef(model.maps, sources.T)[:5, 5:7]).max(axis=1) > 0.95
        assert found.sum() == 2
        assert model.stability[found].min() > 0.85
        assert model.stability[~found].max() < 0.7

    def test_one_run_has_none(self):
        assert um.ica(mixed()[2], 3).stability is None

    def test_more_runs_change_no_component(self):
        _, _, table = mixed()
        one, many = (um.ica(table, 3, n_runs=n, tol=1e-13, max_iter=500) for n in (1, 4))
        np.testing.assert_allclose(one.components, many.components, atol=1e-6)


@pytest.mark.parametrize(("contrast", "fun"), [("logcosh", "logcosh"), ("exp", "exp")])
def test_agrees_with_scikit_learn(contrast, fun):
    _, _, table = mixed(seed=2)
    ours = um.ica(table, 3, contrast=contrast, tol=1e-10, max_iter=1000)
    theirs = FastICA(3, fun=fun, tol=1e-10, max_iter=1000, random_state=0, whiten_solver="svd")
    sources = theirs.fit_transform(table)
    assert correlations(ours.maps, sources).min() > 1 - 1e-8


@pytest.mark.parametrize("max_iter", [1, 2, 5])
@pytest.mark.parametrize("contrast", ["logcosh", "exp"])
def test_takes_the_steps_of_scikit_learn_from_the_same_start(contrast, max_iter):
    _, _, table = mixed(seed=2)
    ours = um.ica(table, 3, contrast=contrast, tol=0, max_iter=max_iter)
    whitening = FastICA(3, max_iter=1, tol=1e3, random_state=0).fit(table).whitening_
    signs = np.sign(np.sum(whitening * um.pca(table, 3).components, axis=1))
    start = generator(0, 1).standard_normal((3, 3)) * signs
    theirs = FastICA(3, fun=contrast, tol=0, max_iter=max_iter, w_init=start)
    with pytest.warns(ConvergenceWarning):
        sources = theirs.fit_transform(table)
    assert correlations(ours.maps, sources).min() > 1 - 1e-12
    assert ours.n_iter == theirs.n_iter_ == max_iter


@pytest.mark.parametrize("contrast", ["logcosh", "exp"])
def test_every_backend_agrees(backend, contrast):
    _, _, table = mixed()
    for dtype in (np.float32, np.float64):
        expected = um.ica(table.astype(dtype), 3, contrast=contrast, n_runs=2)
        got = um.ica(backend.asarray(table.astype(dtype)), 3, contrast=contrast, n_runs=2)
        assert got.n_iter == expected.n_iter
        for name in ("maps", "components"):
            a, b = backend.numpy(getattr(got, name)), getattr(expected, name)
            assert a.dtype == dtype
            np.testing.assert_allclose(a, b, atol=tolerance("ica", dtype) * np.abs(b).max())
        np.testing.assert_allclose(got.stability, expected.stability, atol=tolerance("ica", dtype))


class TestTables:
    def test_an_offset_larger_than_the_spread(self):
        sources, _, table = mixed()
        model = um.ica((table + 1000).astype(np.float32), 3)
        assert correlations(model.maps, sources).min() > 0.99

    def test_tiles_and_masks(self):
        sources, _, table = mixed(6000, f=40)
        cube = table.reshape(60, 100, 40)
        mask = np.ones((60, 100), dtype=bool)
        mask[10:30, 5:50] = False
        samples = um.samples(cube, 2).where(mask)
        model = um.ica(samples, 3)
        with um.config.memory_budget(1 << 20):
            tiled = um.ica(samples, 3)
        np.testing.assert_array_equal(np.isnan(model.maps[0]), ~mask)
        assert correlations(model.maps[:, mask], sources[mask.ravel()]).min() > 0.99
        np.testing.assert_allclose(tiled.maps, model.maps, atol=1e-6)

    def test_projects_its_own_samples_to_its_maps(self):
        _, _, table = mixed()
        model = um.ica(table, 3)
        np.testing.assert_allclose(model.project(table).maps, model.maps, atol=1e-8)

    def test_a_fitted_pca_saves_its_passes(self):
        _, _, table = mixed()
        pca = um.pca(table, 4)
        np.testing.assert_allclose(
            um.ica(table, 3, pca=pca).components, um.ica(table, 3).components, atol=1e-6
        )

    def test_same_rng_same_bits(self):
        _, _, table = mixed()
        a, b = (um.ica(table, 3, n_runs=3, rng=5) for _ in range(2))
        np.testing.assert_array_equal(a.components, b.components)
        np.testing.assert_array_equal(a.stability, b.stability)
