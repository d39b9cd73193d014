"""The draws of Bayesian unmixing against the distributions that they are to leave as they are."""

from __future__ import annotations

import numpy as np
import pytest
from backends import Backend
from scipy import stats

from unmix import ops

host = Backend.numpy


@pytest.fixture
def draws():
    return np.random.default_rng(0)


def mixtures(p=3, n=40, chains=2, seed=0):
    """Return points (d, n), abundances (chains, p, n) and vertices (chains, p, d)."""
    rng = np.random.default_rng(seed)
    vertices = rng.standard_normal((chains, p, p - 1)) + 3 * np.eye(p)[:, : p - 1]
    abundances = np.swapaxes(rng.dirichlet(np.ones(p), (chains, n)), 1, 2)
    points = np.einsum("pk,pn->kn", vertices[0], abundances[0])
    return points + 0.1 * rng.standard_normal(points.shape), abundances, vertices


def summed(points, abundances):
    """Return the sums over samples that are all mixed."""
    return ops.products(points, abundances, np.full(abundances.shape[::2], ops.MIXED))


class TestSliceNormal:
    @pytest.mark.parametrize(
        ("low", "high"), [(-np.inf, np.inf), (-1.0, 0.3), (2.0, 2.5), (9.0, 30.0), (-40.0, -9.0)]
    )
    def test_leaves_a_truncated_normal_as_it_is(self, draws, low, high):
        n, truth = 20_000, stats.truncnorm(low, high)
        values = 1 + 2 * truth.rvs(n, random_state=draws)
        ends = np.full(n, 1 + 2 * low), np.full(n, 1 + 2 * high)
        for _ in range(3):
            uniform = draws.random((2, n))
            values = ops.slice_normal(values, np.ones(n), np.full(n, 2.0), *ends, uniform)
        assert stats.kstest((values - 1) / 2, truth.cdf).pvalue > 1e-3

    def test_reaches_the_distribution_from_anywhere(self, draws):
        values = np.full(5000, 8.0)
        for _ in range(60):
            ends = np.full(5000, -1.0), np.full(5000, 9.0)
            one = np.ones(5000)
            values = ops.slice_normal(values, 0 * one, one, *ends, draws.random((2, 5000)))
        assert stats.kstest(values, stats.truncnorm(-1, 9).cdf).pvalue > 1e-3


class TestVertices:
    def test_follow_the_normal_distribution_of_least_squares(self, draws):
        points, abundances, vertices = mixtures(3, 200, chains=400)
        abundances[:] = abundances[0]
        vertices[:] = vertices[0]
        variance = np.full(400, 0.25)
        sums, free = summed(points, abundances), ops.Bound(np.empty((2, 0)), np.empty(0))
        for _ in range(40):
            vertices = ops.draw_vertices(vertices, sums, variance, free, draws)
        inverse = np.linalg.inv(abundances[0] @ abundances[0].T)
        spread = np.sqrt(0.25 * np.diag(inverse))[:, None]
        away = (vertices - inverse @ abundances[0] @ points.T) / spread
        assert np.all(np.abs(away.mean(axis=0)) < 4 / np.sqrt(400))
        assert np.allclose(away.std(axis=0), 1, atol=0.15)

    def test_never_fall_below_the_bound(self, draws):
        points, abundances, vertices = mixtures(3, 30, chains=50)
        basis = np.linalg.qr(draws.standard_normal((9, 2)))[0].T
        bound = ops.Bound(basis, np.abs(vertices @ basis).max(axis=(0, 1)))
        sums = summed(points, abundances)
        for _ in range(20):
            vertices = ops.draw_vertices(vertices, sums, np.full(50, 9.0), bound, draws)
        assert np.min(vertices @ basis + bound.offset) > -1e-12

    def test_step_limits_are_where_a_value_becomes_zero(self, draws):
        values, slopes = draws.random((5, 7)), draws.standard_normal((5, 7))
        low, high = ops.step_limits(values, slopes)
        for s in (low, high):
            assert np.allclose(np.min(values + s[:, None] * slopes, axis=1), 0, atol=1e-12)
        assert np.all(low < 0)
        assert np.all(high > 0)
        assert ops.step_limits(values, 0 * slopes)[1].tolist() == [np.inf] * 5


class TestNoise:
    def test_variance_is_that_of_the_residuals(self, draws):
        points, abundances, vertices = mixtures(3, 500, chains=300)
        abundances[:], vertices[:] = abundances[0], vertices[0]
        sums = ops.merge_products(
            summed(points[:, :200], abundances[..., :200]),
            summed(points[:, 200:], abundances[..., 200:]),
        )
        squares = np.sum((points - vertices[0].T @ abundances[0]) ** 2) + 70.0
        found = ops.draw_variance(sums, vertices, 70.0, 4000.0, draws)
        assert np.isclose(found.mean(), squares / 4000, rtol=0.01)
        assert np.isclose(found.std(), squares / 4000 * np.sqrt(2 / 4000), rtol=0.2)
        assert np.allclose(sums.logarithms, np.log(abundances).sum(axis=2))


class TestConvergence:
    def test_r_hat_sees_chains_that_differ_and_chains_that_drift(self, draws):
        same = draws.standard_normal((500, 4, 3))
        same[:, 0, 1] += 2
        same[:, :, 2] += np.linspace(0, 4, 500)[:, None]
        r_hat = ops.split_r_hat(same)
        assert r_hat[0] < 1.02
        assert np.all(r_hat[1:] > 1.2)

    def test_effective_sample_size_of_an_autoregression(self, draws):
        """Draws that keep a share r of the last one are worth (1 - r) / (1 + r) of their number."""
        values = np.zeros((20_000, 4, 2))
        for i in range(1, len(values)):
            values[i] = np.asarray([0.9, 0.5]) * values[i - 1] + draws.standard_normal((4, 2))
        expected = 80_000 * np.asarray([0.1 / 1.9, 0.5 / 1.5])
        assert np.allclose(ops.effective_sample_size(values), expected, rtol=0.15)

    def test_quantiles(self, backend):
        values = np.random.default_rng(1).random((37, 4))
        found = ops.quantiles(backend.asarray(values), [0.0, 0.05, 0.5, 0.95, 1.0])
        wanted = np.quantile(values, [0, 0.05, 0.5, 0.95, 1], axis=0, method="weibull")
        assert np.allclose([host(q) for q in found], wanted)
