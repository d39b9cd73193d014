"""Bayesian unmixing: calibrated intervals, the same bits and numbers anywhere, and partial runs."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from backends import Backend
from scipy import stats
from scipy.optimize import linear_sum_assignment

import unmix as um
from unmix.decompose import _chains

host = Backend.numpy


@pytest.fixture(autouse=True)
def quiet():
    """Most runs here are too short to agree."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*R-hat.*", category=RuntimeWarning)
        yield


def mixed(n, p=3, f=24, seed=0, **options):
    return um.synthetic.simplex_mixtures(
        n, p, f, rng=seed, **({"snr_db": 25, "pure": False} | options)
    )


def matched(model, truth):
    """Return the true abundances in the order of the model's endmembers, (k, n)."""
    costs = np.sum((np.asarray(model.components)[:, None] - truth.endmembers) ** 2, axis=-1)
    return truth.abundances.T[linear_sum_assignment(costs)[1]]


def rmse(a, b):
    return float(np.sqrt(np.mean((np.asarray(a) - b) ** 2)))


class TestTruth:
    @pytest.mark.parametrize(("p", "snr_db", "largest"), [(3, 25, 0.8), (4, 30, 1.0)])
    def test_intervals_hold_the_truth_and_means_beat_nfindr(self, p, snr_db, largest):
        truth = mixed(400, p, 30, snr_db=snr_db, largest=largest)
        model = um.bayesian_unmixing(truth.samples, p, r_hat=1.2, max_iter=1000)
        true = matched(model, truth)
        low, high = model.interval(0.9)
        assert 0.85 < np.mean((low <= true) & (true <= high)) < 0.95
        vertices = um.nfindr(truth.samples, p)
        assert rmse(model.abundances, true) < rmse(vertices.abundances, matched(vertices, truth))

    def test_noise_and_endmembers(self):
        truth = mixed(400, 3, 40)
        sigma = np.std(truth.samples - truth.abundances @ truth.endmembers)
        model = um.bayesian_unmixing(truth.samples, 3, r_hat=1.2, max_iter=1000)
        assert np.isclose(model.noise, sigma, rtol=0.02)
        costs = np.sum((model.components[:, None] - truth.endmembers) ** 2, axis=-1)
        true = truth.endmembers[linear_sum_assignment(costs)[1]]
        assert rmse(model.components, true) < 0.4 * sigma
        low, high = model.endmember_interval(0.9)
        assert np.all(low <= high)
        assert np.mean((low <= model.components) & (model.components <= high)) > 0.95
        assert np.all(model.components_std > 0)
        assert model.r_hat.shape == model.ess.shape == (10,)
        assert model.r_hat.max() < 1.2
        assert model.ess.min() > 10

    def test_intervals_may_hold_one_and_zero(self):
        """The tail goes to the end where the shortest interval leaves none."""
        model = um.bayesian_unmixing(mixed(60, 3, 8).samples, 3, max_iter=20)
        many = np.random.default_rng(0).beta([50, 1, 8], [1, 50, 8], (4000, 60, 3))
        drawn = replace(model, abundances_draws=np.swapaxes(many, 1, 2))
        low, high = (end.mean(axis=1) for end in drawn.interval(0.8))
        assert np.allclose(
            low, [stats.beta(50, 1).ppf(0.2), 0, stats.beta(8, 8).ppf(0.1)], atol=0.01
        )
        assert np.allclose(
            high, [1, stats.beta(1, 50).ppf(0.8), stats.beta(8, 8).ppf(0.9)], atol=0.01
        )

    @pytest.mark.parametrize(("snr_db", "pure"), [(20, False), (30, True)])
    def test_of_samples_that_are_nearly_pure(self, snr_db, pure):
        """As maps of phases are: an even prior would make the simplex larger by the noise."""
        truth = mixed(400, 3, 40, snr_db=snr_db, pure=pure, concentration=0.2)
        model = um.bayesian_unmixing(truth.samples, 3, r_hat=1.1, max_iter=1500)
        true = matched(model, truth)
        low, high = model.interval(0.9)
        assert 0.85 < np.mean((low <= true) & (true <= high)) < 0.98
        vertices = um.nfindr(truth.samples, 3)
        error = rmse(vertices.abundances, matched(vertices, truth))
        assert rmse(model.abundances, true) < 0.8 * error
        assert np.allclose(model.concentration, 0.2, atol=0.07)

    def test_vertices_are_at_their_pure_samples(self):
        """One of each among even mixtures, which hold too little of any to say where it ends."""
        truth = mixed(1000, 6, 40, snr_db=40, pure=True)
        model = um.bayesian_unmixing(truth.samples, 6, r_hat=1.2, max_iter=800)
        vertices = um.nfindr(truth.samples, 6)
        error = rmse(vertices.abundances, matched(vertices, truth))
        assert rmse(model.abundances, matched(model, truth)) < 0.98 * error
        center = truth.endmembers.mean(axis=0)
        costs = np.sum((model.components[:, None] - truth.endmembers) ** 2, axis=-1)
        away = truth.endmembers[linear_sum_assignment(costs)[1]] - center
        outward = np.sum((model.components - center) * away, axis=1) / np.sum(away**2, axis=1)
        assert abs(outward.mean() - 1) < 0.001
        ones = np.mean(model.abundances_draws == 1, axis=(0, 2)) * 1000
        assert np.all((ones > 0.9) & (ones < 1.5))


class TestSame:
    def test_on_every_backend(self, backend):
        truth = mixed(60, 3, 8)
        expected = um.bayesian_unmixing(truth.samples, 3, max_iter=30, n_chains=2)
        found = um.bayesian_unmixing(backend.asarray(truth.samples), 3, max_iter=30, n_chains=2)
        assert found.n_iter == 30
        for name in ("maps", "abundances_std", "components", "components_std", "abundances_draws"):
            assert backend.owns(getattr(found, name))
            a, b = host(getattr(found, name)), getattr(expected, name)
            assert np.allclose(a, b, atol=1e-6 if "draws" in name else 1e-8), name
        low, high = (host(end) for end in found.interval(0.5))
        assert np.all(low <= high)

    def test_bits_for_any_number_of_threads(self, monkeypatch):
        monkeypatch.setattr("unmix.decompose.bayesian.BLOCK", 64)
        truth, found = mixed(300, 3, 8), []
        for workers in (1, 3):
            monkeypatch.setattr("unmix.decompose.bayesian.default_workers", lambda _, n=workers: n)
            found.append(um.bayesian_unmixing(truth.samples, 3, max_iter=20))
        assert np.array_equal(found[0].maps, found[1].maps)
        assert np.array_equal(found[0].components_draws, found[1].components_draws)

    def test_another_key_gives_other_draws(self):
        truth = mixed(60, 3, 8)
        one, two = (um.bayesian_unmixing(truth.samples, 3, max_iter=20, rng=k) for k in (0, 1))
        assert not np.array_equal(one.maps, two.maps)

    def test_runs_again_from_the_record_and_is_saved(self, tmp_path):
        cube = mixed(60, 2, 8).samples.reshape(6, 10, 8)
        model = um.bayesian_unmixing(um.samples(cube, 2), 2, max_iter=20)
        again = um.Pipeline.from_record(model.record).run(cube)
        um.save(tmp_path / "a.npz", model)
        loaded = um.load(tmp_path / "a.npz")
        for other in (again, loaded):
            assert isinstance(other, um.Posterior)
            for name in ("maps", "components", "abundances_draws", "concentration", "ess"):
                assert np.array_equal(getattr(other, name), getattr(model, name)), name


class TestSamples:
    def test_left_out_samples_are_nan_and_change_nothing(self):
        truth = mixed(66, 3, 8)
        mask = np.ones((6, 11), bool)
        mask[2, 3:9] = False
        whole = um.samples(truth.samples.reshape(6, 11, 8), 2)
        model = um.bayesian_unmixing(whole.where(mask), 3, max_iter=20)
        same = um.bayesian_unmixing(truth.samples[mask.ravel()], 3, max_iter=20)
        for name in ("maps", "abundances_std", "abundances_draws"):
            values = getattr(model, name)
            assert np.array_equal(np.isnan(values), np.broadcast_to(~mask, values.shape))
            assert np.array_equal(values[..., mask], getattr(same, name))
        assert np.all(np.isnan(model.interval()[0][:, ~mask]))

    def test_projected_model_has_no_draws(self):
        truth = mixed(60, 3, 8)
        model = um.bayesian_unmixing(truth.samples, 3, max_iter=20)
        other = model.project(truth.samples[:7])
        assert other.abundances_std is None
        assert np.allclose(other.maps, um.abundances(truth.samples[:7], model).maps)

    def test_a_pca_may_have_more_components(self):
        table = mixed(200).samples
        models = [
            um.bayesian_unmixing(
                table, 3, pca=um.pca(table, n, solver="covariance"), n_chains=2, r_hat=1e6
            )
            for n in (2, 5)
        ]
        np.testing.assert_allclose(models[1].abundances, models[0].abundances, atol=1e-6)

    def test_values_below_zero_where_they_are_allowed(self):
        truth = mixed(80, 3, 8)
        model = um.bayesian_unmixing(truth.samples - 5, 3, max_iter=20, nonnegative=False)
        free = um.bayesian_unmixing(truth.samples, 3, max_iter=20, nonnegative=False)
        assert np.allclose(model.components + 5, free.components, atol=1e-6)

    def test_draws_keep_to_the_budget(self):
        truth = mixed(4000, 3, 8)
        with um.config.memory_budget(4 << 20):
            model = um.bayesian_unmixing(truth.samples, 3, max_iter=60, n_chains=2)
        assert model.abundances_draws.size * 4 < 3 << 20


def stopping(monkeypatch, after):
    """Interrupt the sweep of that number."""
    sweep = _chains.Chains.sweep

    def interrupted(self, window):
        if self.sweeps == after:
            raise KeyboardInterrupt
        sweep(self, window)

    monkeypatch.setattr(_chains.Chains, "sweep", interrupted)


class TestInterrupt:
    @pytest.mark.parametrize(("after", "used"), [(60, 60), (130, 100), (170, 70)])
    def test_keeps_the_partial_posterior(self, monkeypatch, after, used):
        stopping(monkeypatch, after)
        truth = mixed(60, 3, 8)
        with pytest.warns(RuntimeWarning, match=f"interrupted after {after}.* last {used} sweeps"):
            model = um.bayesian_unmixing(truth.samples, 3, r_hat=1 + 1e-9)
        assert model.n_iter == after
        assert np.allclose(model.abundances.sum(axis=0), 1)

    def test_before_there_is_anything(self, monkeypatch):
        stopping(monkeypatch, 2)
        with pytest.raises(KeyboardInterrupt):
            um.bayesian_unmixing(mixed(60, 3, 8).samples, 3)

    def test_says_that_chains_do_not_agree(self):
        with pytest.warns(
            RuntimeWarning, match=r"ended after 8 sweeps with R-hat .*raise max_iter"
        ):
            um.bayesian_unmixing(mixed(60, 3, 8).samples, 3, max_iter=8)


def test_chains_are_matched_to_the_first():
    rng = np.random.default_rng(0)
    vertices = rng.standard_normal((4, 3)) * 5
    orders = np.asarray([[0, 1, 2, 3], [2, 0, 3, 1]])
    window = _chains.Window([], 1)
    for _ in range(6):
        window.vertices.append(vertices[orders] + 0.01 * rng.standard_normal((2, 4, 3)))
    found = window.matched(window.vertices)
    assert np.allclose(found[:, 0], found[:, 1], atol=0.1)
    assert np.array_equal(window.matched([orders])[0], [[0, 1, 2, 3]] * 2)


def test_noise_that_differs_between_features_is_measured():
    """Intervals stay right where the signal's features are the noisiest, as those of counts are."""
    truth = mixed(500, 3, 30, snr_db=None)
    sigma = np.where(np.arange(30) < 10, 0.12, 0.01)
    rng = np.random.default_rng(3)
    table = truth.samples + sigma * rng.standard_normal(truth.samples.shape)
    model = um.bayesian_unmixing(table, 3, r_hat=1.2, max_iter=1000)
    low, high = model.interval(0.9)
    true = matched(model, truth)
    assert 0.83 < np.mean((low <= true) & (true <= high)) < 0.96
    assert np.isclose(model.noise, np.sqrt(np.mean(sigma**2)), rtol=0.1)
