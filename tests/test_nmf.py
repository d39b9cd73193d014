"""Non-negative matrix factorisation against known factors and scikit-learn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import NMF
from tolerances import tolerance

import unmix as um


def factors(n=200, f=30, k=3, seed=0):
    """Amounts and parts, each part with entries and samples of its own: the answer is unique."""
    rng = np.random.default_rng(seed)
    maps = rng.gamma(1, 1, (n, k)) * (rng.random((n, k)) > 0.5)
    maps[:k] = np.eye(k)
    parts = rng.gamma(1, 1, (k, f))
    parts[:, :k] = np.eye(k)
    return maps, parts


def cosines(found, true):
    """Cosine of each true component with its match, each found one used once."""
    a = found / np.linalg.norm(found, axis=1, keepdims=True)
    b = true / np.linalg.norm(true, axis=1, keepdims=True)
    similar = np.abs(b @ a.T)
    assert sorted(similar.argmax(axis=1)) == list(range(len(true)))
    return similar.max(axis=1)


def start_for(table, k, seed=1):
    """A model to start from, and its factors."""
    rng = np.random.default_rng(seed)
    maps, parts = rng.random((len(table), k)), rng.random((k, table.shape[1]))
    model = um.nmf(table, k, max_iter=1)
    return replace(model, maps=maps.T, components=parts), maps, parts


class TestTruth:
    @pytest.mark.parametrize("init", ["nndsvda", "random", "nfindr"])
    @pytest.mark.parametrize("loss", ["frobenius", "kullback-leibler"])
    def test_unique_factors_are_found(self, backend, loss, init):
        maps, parts = factors()
        model = um.nmf(
            backend.asarray(maps @ parts), 3, loss=loss, init=init, tol=1e-5, max_iter=1000
        )
        assert backend.owns(model.components)
        assert backend.owns(model.maps)
        assert cosines(backend.numpy(model.components), parts).min() > 0.9999
        found = backend.numpy(model.maps).T @ backend.numpy(model.components)
        np.testing.assert_allclose(found, maps @ parts, atol=0.02 * (maps @ parts).max())

    @pytest.mark.parametrize("loss", ["frobenius", "kullback-leibler"])
    def test_abundances_sum_to_one(self, backend, loss):
        rng = np.random.default_rng(3)
        true, parts = rng.dirichlet([0.3] * 3, 300), rng.gamma(1, 1, (3, 20)) + 0.1
        true[:3] = np.eye(3)
        table = rng.poisson(true @ parts * 500) / 500
        model = um.nmf(backend.asarray(table), 3, loss=loss, init="nfindr", simplex=True)
        maps = backend.numpy(model.maps)
        np.testing.assert_allclose(maps.sum(axis=0), 1, atol=1e-6)
        assert maps.min() >= 0
        found = backend.numpy(model.components)
        similar = cosines(found, parts)
        assert similar.min() > 0.99
        order = ((found[None] - parts[:, None]) ** 2).sum(axis=2).argmin(axis=1)
        assert np.sqrt(np.mean((maps[order].T - true) ** 2)) < 0.05

    def test_counts_are_explained_better_by_the_divergence(self):
        """A weak component among strong counts: the squared error fits the strong ones' noise."""
        rng = np.random.default_rng(0)
        maps, parts = factors(400, 40, 3, seed=5)
        parts = parts * np.asarray([[40.0], [40.0], [1.5]])
        counts = rng.poisson(maps @ parts).astype(float)
        weak = {
            loss: cosines(um.nmf(counts, 3, loss=loss, tol=1e-5).components, parts)[2]
            for loss in ("frobenius", "kullback-leibler")
        }
        assert weak["kullback-leibler"] > weak["frobenius"] + 0.02


class TestScikitLearn:
    @pytest.mark.parametrize(("loss", "solver"), [("frobenius", "cd"), ("kullback-leibler", "mu")])
    def test_same_start_same_answer(self, loss, solver):
        maps, parts = factors(seed=2)
        table = maps @ parts + 0.1 * np.random.default_rng(1).random((200, 30))
        init, w, h = start_for(table, 3)
        ours = um.nmf(table, 3, loss=loss, init=init, tol=1e-9, max_iter=5000)
        theirs = NMF(3, init="custom", solver=solver, beta_loss=loss, tol=0, max_iter=3000)
        found = theirs.fit_transform(table, W=w.copy(), H=h.copy())
        product = found @ theirs.components_
        np.testing.assert_allclose(
            ours.maps.T @ ours.components, product, atol=1e-3 * product.max()
        )
        assert cosines(ours.components, theirs.components_).min() > 1 - 1e-4
        error = theirs.reconstruction_err_**2 / (1 if loss == "frobenius" else 2)
        np.testing.assert_allclose(ours.divergence, error, rtol=1e-5)

    def test_no_worse_from_its_own_start(self):
        maps, parts = factors(500, 40, 5, seed=4)
        table = maps @ parts + 0.2 * np.random.default_rng(1).random((500, 40))
        ours = um.nmf(table, 5)
        theirs = NMF(5, init="nndsvda", random_state=0, max_iter=500).fit(table)
        assert ours.divergence <= theirs.reconstruction_err_**2 * 1.01


@pytest.mark.parametrize("simplex", [False, True])
@pytest.mark.parametrize("loss", ["frobenius", "kullback-leibler"])
def test_every_backend_agrees(backend, loss, simplex):
    table = np.random.default_rng(1).gamma(1, 1, (80, 12))
    for dtype in (np.float32, np.float64):
        values, given = table.astype(dtype), {"loss": loss, "simplex": simplex, "max_iter": 20}
        expected, got = (um.nmf(t, 3, **given) for t in (values, backend.asarray(values)))
        assert got.n_iter == expected.n_iter
        for name in ("maps", "components"):
            a, b = backend.numpy(getattr(got, name)), getattr(expected, name)
            assert a.dtype == dtype
            np.testing.assert_allclose(a, b, atol=tolerance("nmf", dtype) * b.max())
        np.testing.assert_allclose(got.divergence, expected.divergence, rtol=1e-5)


class TestDescent:
    @given(
        loss=st.sampled_from(["frobenius", "kullback-leibler"]),
        simplex=st.booleans(),
        seed=st.integers(0, 99),
    )
    def test_the_loss_never_rises(self, loss, simplex, seed):
        table = np.random.default_rng(seed).gamma(1, 1, (30, 8))
        init, _, _ = start_for(table, 3, seed)
        found = [
            um.nmf(table, 3, loss=loss, simplex=simplex, init=init, tol=0, max_iter=n).divergence
            for n in (1, 2, 3, 5, 9)
        ]
        assert np.all(np.diff(found) <= 1e-9 * found[0])

    def test_optimality_conditions_are_met(self):
        table = np.random.default_rng(0).gamma(1, 1, (40, 10))
        model = um.nmf(table, 3, tol=1e-8, max_iter=20_000)
        w, h = model.maps.T, model.components
        for values, gradient in (
            (h, w.T @ (w @ h - table)),
            (w, (w @ h - table) @ h.T),
        ):
            assert gradient[values == 0].min(initial=0) > -1e-5
            assert np.abs(gradient[values > 1e-9]).max() < 1e-5

    def test_tolerance_stops_sooner(self):
        table = np.random.default_rng(0).gamma(1, 1, (60, 10))
        passes = [um.nmf(table, 4, tol=t, max_iter=10_000).n_iter for t in (1e-1, 1e-3, 1e-6)]
        assert passes[0] < passes[1] < passes[2] < 10_000


class TestTightened:
    def test_phases_and_not_what_they_share_and_differ_by(self, backend):
        """The spectrum of the second phase holds that of the first."""
        first, more = np.eye(6)[:3].sum(axis=0), np.eye(6)[4:].sum(axis=0)
        share = np.linspace(0, 1, 50).clip(0.2, 0.8) / 0.6 - 1 / 3
        table = first + np.outer(share, more)
        for init in ("nndsvda", "random", "nfindr"):
            model = um.nmf(backend.asarray(table), 2, init=init, tol=1e-7, max_iter=3000)
            found = backend.numpy(model.components)
            assert cosines(found, np.stack([first, first + more])).min() > 0.999
            maps = backend.numpy(model.maps)
            np.testing.assert_allclose(maps.T @ found, table, atol=1e-2)
            assert sorted({*maps[:, 0].argsort()[-1:], *maps[:, -1].argsort()[-1:]}) == [0, 1]

    @given(seed=st.integers(0, 999), k=st.integers(1, 4))
    def test_the_product_stays(self, seed, k):
        rng = np.random.default_rng(seed)
        maps, parts = rng.random((20, k)) + 0.1, rng.random((k, 7))
        tight, taken = um.ops.tightened(maps, parts)
        assert tight.min() >= 0
        assert taken.min() >= 0
        np.testing.assert_allclose(tight @ taken, maps @ parts, rtol=1e-4)
        np.testing.assert_array_less(parts, taken + 1e-12)

    def test_unique_answers_stay(self):
        maps, parts = factors()
        for got, given_ in zip(um.ops.tightened(maps, parts), (maps, parts), strict=True):
            np.testing.assert_array_equal(got, given_)

    def test_two_end_as_the_purest_samples(self):
        maps, parts = np.asarray([[3.0, 1.0], [2.0, 2.0], [1.0, 4.0]]), np.eye(2) + 0.1
        tight, taken = um.ops.tightened(maps, parts)
        np.testing.assert_allclose(tight[[0, 2], [1, 0]], 0, atol=1e-5)
        purest = (maps @ parts)[[0, 2]]
        assert cosines(taken, purest).min() > 1 - 1e-9

    def test_a_model_to_start_from_is_kept_to(self):
        first, more = np.eye(6)[:3].sum(axis=0), np.eye(6)[4:].sum(axis=0)
        share = np.linspace(0, 1, 20)
        table = first + np.outer(share, more)
        start = replace(
            um.nmf(table, 2, max_iter=1),
            maps=np.stack([np.ones(20), share]),
            components=np.stack([first, more]),
        )
        assert (
            cosines(um.nmf(table, 2, init=start).components, np.stack([first, more])).min() > 0.999
        )


class TestTables:
    def test_norms_and_order(self):
        maps, parts = factors()
        model = um.nmf(maps @ parts, 3)
        np.testing.assert_allclose(np.linalg.norm(model.components, axis=1), 1)
        assert np.all(np.diff(np.linalg.norm(model.maps, axis=1)) <= 0)

    @pytest.mark.parametrize("loss", ["frobenius", "kullback-leibler"])
    def test_half_planes_count_as_whole_ones(self, loss):
        image = np.random.default_rng(2).random((40, 41))
        spectra = um.window_fft(um.sliding_windows(image, 8, 4))
        plane = spectra.to_array()
        packed = um.nmf(spectra, 2, loss=loss, tol=1e-9, init="nfindr", max_iter=2000)
        whole = um.nmf(um.samples(plane, 2), 2, loss=loss, tol=1e-9, init="nfindr", max_iter=2000)
        np.testing.assert_allclose(packed.divergence, whole.divergence, rtol=1e-5)
        np.testing.assert_allclose(packed.components, whole.components, atol=1e-4)

    @pytest.mark.parametrize("loss", ["frobenius", "kullback-leibler"])
    def test_tiles_and_masks(self, loss):
        maps, parts = factors(6000, 50, 3)
        cube = (maps @ parts).reshape(60, 100, 50)
        mask = np.ones((60, 100), dtype=bool)
        mask[20:30, 5:50] = False
        samples = um.samples(cube, 2).where(mask)
        whole = um.nmf(samples, 3, loss=loss)
        with um.config.memory_budget(1 << 21):
            tiled = um.nmf(samples, 3, loss=loss)
        np.testing.assert_array_equal(np.isnan(whole.maps[0]), ~mask)
        np.testing.assert_allclose(tiled.components, whole.components, atol=1e-6)
        np.testing.assert_allclose(tiled.maps, whole.maps, atol=1e-4)

    @pytest.mark.parametrize("loss", ["frobenius", "kullback-leibler"])
    @pytest.mark.parametrize("simplex", [False, True])
    def test_projects_its_own_samples_to_its_maps(self, loss, simplex):
        rng = np.random.default_rng(1)
        table = rng.dirichlet([0.5] * 3, 100) @ (rng.gamma(1, 1, (3, 20)) + 0.05)
        model = um.nmf(table, 3, loss=loss, simplex=simplex, tol=1e-7, max_iter=5000)
        again = model.project(table)
        np.testing.assert_allclose(again.maps, model.maps, atol=5e-3 * model.maps.max())

    def test_input_is_left_as_it_was(self):
        table = np.random.default_rng(0).gamma(1, 1, (60, 10))
        init, w, h = start_for(table, 2)
        um.nmf(table, 2, init=init)
        np.testing.assert_array_equal(init.maps.T, w)
        np.testing.assert_array_equal(init.components, h)
