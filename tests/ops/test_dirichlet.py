"""The draws of abundances against the distributions that they are to leave as they are."""

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


class TestShareOfTwo:
    @pytest.mark.parametrize("powers", [(0.2, 0.3), (0.1, 2.5), (3.0, 0.6), (1.7, 1.2)])
    @pytest.mark.parametrize(("mean", "deviation"), [(0.4, 0.2), (-0.3, 0.1), (0.5, 50.0)])
    def test_leaves_its_distribution_as_it_is(self, draws, powers, mean, deviation):
        """Its distribution function from a sum over even steps of ``log(x / (1 - x))``."""
        t, n = np.linspace(-250, 40, 200_001), 20_000
        one, two = -np.logaddexp(0, -t), -np.logaddexp(0, t)
        x = np.exp(one)
        logs = powers[0] * one + powers[1] * two - ((x - mean) / deviation) ** 2 / 2
        cdf = np.cumsum(np.exp(logs - logs.max()))
        cdf /= cdf[-1]
        values = np.interp(draws.random(n), cdf, x)
        for _ in range(4):
            values = ops.slice_share(
                values,
                1 - values,
                mean - values,
                np.full(n, deviation),
                tuple(np.full(n, power) for power in powers),
                draws.random((3, n)),
            )
        assert stats.kstest(values, lambda v: np.interp(v, x, cdf)).pvalue > 1e-3

    def test_comes_out_of_a_pole_at_once(self, draws):
        """A value of next to nothing keeps none of the next."""
        values = np.full(20_000, 1e-20)
        one = np.ones_like(values)
        powers = 0.3 * one, 0.999 * one
        drawn = ops.slice_share(values, one, 0 * one, 1e6 * one, powers, draws.random((3, 20_000)))
        assert stats.kstest(drawn, stats.beta(0.3, 1).cdf).pvalue > 1e-3


class TestAbundances:
    @pytest.mark.parametrize("concentration", [(0.999, 0.999, 0.999), (0.4, 1.7, 0.8)])
    def test_follow_the_posterior_of_one_sample(self, draws, concentration):
        """Against many draws of the prior, weighted by what the sample says."""
        vertices = np.asarray([[0.0, 0.0], [1.0, 0.2], [0.3, 0.9]])
        point, variance, n = np.asarray([0.1, 0.35]), 0.04, 4000
        prior = draws.dirichlet(concentration, 400_000)
        weight = np.exp(-np.sum((prior @ vertices - point) ** 2, axis=1) / 2 / variance)
        mean = weight @ prior / weight.sum()
        spread = np.sqrt(weight @ (prior - mean) ** 2 / weight.sum())

        abundances = np.full((1, 3, n), 1 / 3)
        points, pairs = np.repeat(point[:, None], n, axis=1), [(2, 0), (0, 1), (1, 2)]
        for _ in range(80):
            ops.draw_abundances(
                points,
                abundances,
                vertices[None],
                np.asarray([variance]),
                np.asarray([concentration]),
                pairs,
                draws.random((3, 3, 1, n)),
            )
        assert np.allclose(abundances[0].mean(axis=1), mean, atol=4 * spread / np.sqrt(n))
        assert np.allclose(abundances[0].std(axis=1), spread, rtol=0.05)

    def test_stay_on_the_simplex_and_agree_between_backends(self, backend, draws):
        points, abundances, vertices = mixtures(4, 50)
        uniform, pairs = draws.random((4, 3, 2, 50)), [(0, 1), (1, 2), (2, 3), (3, 0)]
        variance, concentration = np.asarray([0.01, 0.2]), draws.uniform(0.2, 1.8, (2, 4))
        expected = abundances.copy()
        given = vertices, variance, concentration, pairs
        ops.draw_abundances(points, expected, *given, uniform)
        found = backend.xp.asarray(backend.asarray(abundances), copy=True)
        ops.draw_abundances(backend.asarray(points), found, *given, backend.asarray(uniform))
        assert backend.owns(found)
        assert np.allclose(host(found), expected, atol=1e-11)
        assert np.min(expected) > 0
        assert np.allclose(expected.sum(axis=1), 1)


class TestConcentration:
    def test_is_found_from_abundances(self, draws):
        true = np.asarray([0.3, 1.0, 2.5])
        logarithms = np.log(draws.dirichlet(true, 2000)).sum(axis=0)
        values, kept = np.full((50, 3), 0.8), []
        for _ in range(60):
            values = ops.draw_concentration(
                values, np.tile(logarithms, (50, 1)), np.full(50, 2000), draws
            )
            kept.append(values)
        found = np.stack(kept[20:]).reshape(-1, 3)
        away = (found.mean(axis=0) - true) / found.std(axis=0)
        assert np.all(np.abs(away) < 3)
        assert np.all(found.std(axis=0) < 0.05 * true)

    def test_follows_its_density(self, draws):
        """Few samples, so that the prior matters, against sums over a grid."""
        logs, n = np.asarray([-9.0, -4.0]), 4
        axis = np.linspace(0.1, 12, 500)
        a, b = np.meshgrid(axis, axis, indexing="ij")
        from scipy.special import gammaln

        density = np.exp(
            n * (gammaln(a + b) - gammaln(a) - gammaln(b)) + a * (logs[0] - 1) + b * (logs[1] - 1)
        )
        mean = np.sum(a * density) / density.sum(), np.sum(b * density) / density.sum()
        values, kept = np.ones((400, 2)), []
        for _ in range(60):
            values = ops.draw_concentration(values, np.tile(logs, (400, 1)), np.full(400, n), draws)
            kept.append(values)
        assert np.allclose(np.mean(kept[10:], axis=(0, 1)), mean, rtol=0.04)

    def test_is_not_below_its_least(self, draws):
        logs = np.full((20, 2), -30.0 * 100)
        values = np.full((20, 2), 0.3)
        for _ in range(20):
            values = ops.draw_concentration(values, logs, np.full(20, 100), draws)
        assert np.min(values) >= 0.1


class TestSlides:
    def test_points_stay_where_they_are(self, backend):
        _, abundances, vertices = mixtures(4, 30)
        before = np.swapaxes(abundances, 1, 2) @ vertices
        found = backend.xp.asarray(backend.asarray(abundances), copy=True)
        ratio = ops.ratios(found, backend.asarray(np.ones((2, 30))), 1, 3)
        nearest = ops.least_distance(ratio)
        assert np.allclose(nearest, np.min(abundances[:, 3] / abundances[:, 1], axis=1))
        share = -0.9 * nearest
        growth = ops.log_growth(ratio, share)
        ops.move_share(found, ratio, 1, 3, share)
        assert np.allclose(growth, np.log(host(found)[:, 3] / abundances[:, 3]).sum(axis=1))
        vertices[:, 1] += (share / (1 - share))[:, None] * (vertices[:, 1] - vertices[:, 3])
        assert np.allclose(np.swapaxes(host(found), 1, 2) @ vertices, before)
        assert np.allclose(host(found).sum(axis=1), 1)
        assert np.min(host(found)) > 0

    @pytest.mark.parametrize("concentration", [(1.0, 1.0), (0.6, 1.4)])
    @pytest.mark.parametrize(("low", "high"), [(-np.inf, np.inf), (-0.02, 0.03)])
    def test_follow_the_density_of_the_points(self, draws, concentration, low, high):
        """Vertex i of an edge on which 20 points lie, moved again and again, against its density.

        The edge goes from j at 0 to i at ``1 + s``, and the density of points x on it is that of
        their abundances ``x / (1 + s)`` over its length.
        """
        points = np.sort(draws.random(20) * 0.95)
        of_i, of_j = concentration
        axis = np.linspace(points.max() - 1, 9, 200_001)[1:]
        axis = axis[(axis > low) & (axis < high)]
        a = points[:, None] / (1 + axis)
        logs = np.sum((of_i - 1) * np.log(a) + (of_j - 1) * np.log1p(-a) - np.log1p(axis), axis=0)
        density = np.exp(logs - logs.max())
        cdf = np.cumsum(density) / density.sum()

        chains = 4000
        place = np.zeros(chains)
        for _ in range(40):
            a = points / (1 + place[:, None])
            abundances = np.stack([a, 1 - a], axis=1)
            # limits are in units of the edge as it is
            limits = tuple((end - place) / (1 + place) for end in (low, high))
            ratio = ops.ratios(abundances, np.ones((chains, 20)), 0, 1)
            share, odds = ops.try_share(
                ops.least_distance(ratio), limits, draws.standard_normal(chains)
            )
            growth = ops.log_growth(ratio, share)
            both = np.full(chains, of_i), np.full(chains, of_j)
            share = ops.take_share(
                share, odds, growth, both, np.full(chains, 20), draws.random(chains)
            )
            place = (1 + place) / (1 - share) - 1
        assert stats.kstest(place, lambda s: np.interp(s, axis, cdf)).pvalue > 1e-3
