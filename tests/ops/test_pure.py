"""The draws of which samples are pure against the distributions that they are to keep."""

from __future__ import annotations

import numpy as np
import pytest
from backends import Backend
from scipy import stats

from unmix import ops

host = Backend.numpy

MIXED = ops.MIXED


@pytest.fixture
def draws():
    return np.random.default_rng(0)


@pytest.mark.parametrize(
    ("concentration", "share", "point", "deviation"),
    [
        ((0.999, 0.999, 0.999), 0.004, (0.02, -0.01), 0.03),
        ((0.4, 1.7, 0.8), 0.003, (0.05, 0.03), 0.05),
        ((0.999, 0.999, 0.999), 1.0, (0.3, 0.3), 0.3),
    ],
)
def test_odds_and_abundances_are_those_of_one_sample(draws, concentration, share, point, deviation):
    """Against many draws of the prior, weighted by what the sample says."""
    vertices = np.asarray([[0.0, 0.0], [1.0, 0.2], [0.3, 0.9]])
    prior = draws.dirichlet(concentration, 2_000_000)

    def densities(at):
        return np.exp(-np.sum((at - point) ** 2, axis=-1) / 2 / deviation**2)

    weight = densities(prior @ vertices)
    evidence = np.append(share * densities(vertices), weight.mean())
    expected = evidence / evidence.sum()
    mean = weight @ prior / weight.sum()
    assert 0.2 < expected[-1] < 0.8

    n, kept, sums = 4000, [], []
    abundances, pure = np.full((1, 3, n), 1 / 3), np.full((1, n), MIXED)
    points, pairs = np.repeat(np.asarray(point)[:, None], n, axis=1), [(2, 0), (0, 1), (1, 2)]
    given = vertices[None], np.asarray([deviation**2]), np.asarray([concentration])
    for i in range(160):
        ops.draw_abundances(points, abundances, *given, pairs, draws.random((3, 3, 1, n)))
        pure = ops.draw_pure(points, abundances, pure, *given, share, draws)
        if i >= 80:
            kept.append(np.mean(pure == np.asarray([[0], [1], [2], [MIXED]]), axis=1))
            sums.append(abundances[0][:, pure[0] == MIXED].mean(axis=1))
    assert np.allclose(np.mean(kept, axis=0), expected, atol=0.012)
    assert np.allclose(np.mean(sums, axis=0), mean, atol=0.006)


def corners(seed=0, p=4, n=60, chains=2):
    """Return points of which many are at vertices, abundances, which are pure, and the rest."""
    rng = np.random.default_rng(seed)
    vertices = rng.standard_normal((chains, p, p - 1)) + 9 * np.eye(p)[:, : p - 1]
    abundances = np.swapaxes(rng.dirichlet(np.full(p, 0.2), (chains, n)), 1, 2).clip(1e-20)
    points = np.einsum("pk,pn->kn", vertices[0], abundances[0])
    pure = np.where(rng.random((chains, n)) < 0.3, abundances.argmax(axis=1), MIXED)
    given = vertices, np.asarray([0.01, 0.3]), rng.uniform(0.2, 1.8, (chains, p))
    return points, abundances, pure, (*given, 0.3)


def test_pure_samples_are_one_and_nothing_on_every_backend(backend):
    points, abundances, pure, given = corners()
    expected, before = abundances.copy(), pure.copy()
    which = ops.draw_pure(points, expected, pure, *given, np.random.default_rng(1))
    found = backend.xp.asarray(backend.asarray(abundances), copy=True)
    rng = np.random.default_rng(1)
    assert np.array_equal(ops.draw_pure(backend.asarray(points), found, pure, *given, rng), which)
    assert backend.owns(found)
    assert np.allclose(host(found), expected, atol=1e-11)
    assert np.array_equal(pure, before)
    kinds = {
        (bool(one), bool(two)) for one, two in zip((pure < 0).flat, (which < 0).flat, strict=True)
    }
    assert len(kinds) == 4  # some stay and some change, both ways
    assert np.allclose(expected.sum(axis=1), 1)
    assert np.min(expected) > 0
    chain, sample = np.nonzero(which != MIXED)
    assert np.all(expected[chain, which[chain, sample], sample] == 1)
    same = np.broadcast_to(((pure == MIXED) & (which == MIXED))[:, None], expected.shape)
    assert np.array_equal(expected[same], abundances[same])


def test_sums_tell_pure_samples_from_mixed_ones(backend):
    points, abundances, _, given = corners()
    pure = ops.draw_pure(
        points, abundances, np.full((2, 60), MIXED), *given, np.random.default_rng(0)
    )
    split = [
        ops.products(
            backend.asarray(points[:, part]), backend.asarray(abundances[..., part]), pure[:, part]
        )
        for part in (slice(25), slice(25, None))
    ]
    sums = ops.merge_products(*split)
    for chain in range(2):
        mixed = pure[chain] == MIXED
        assert sums.n_mixed[chain] == mixed.sum() > 0
        logs = np.log(abundances[chain][:, mixed]).sum(axis=1)
        assert np.allclose(sums.logarithms[chain], logs)
        for i in range(4):
            of_i = pure[chain] == i
            assert sums.pure[chain, i] == of_i.sum()
            assert np.allclose(sums.pure_points[chain, i], points[:, of_i].sum(axis=1))
    assert sums.pure.sum() > 0


def sums_of(counts, points, n_mixed):
    nothing = np.zeros(0)
    return ops.Products(nothing, nothing, 0.0, nothing, n_mixed, counts, points)


@pytest.mark.parametrize(("of_i", "of_j"), [(1.0, 1.0), (0.6, 1.4)])
def test_slides_take_pure_samples_along(draws, of_i, of_j):
    """Vertex i of an edge on which 20 mixed points lie and two are pure, against its density.

    The edge goes from j at 0 to i at ``1 + s``. Mixed points have the density of their abundances
    over its length, and the pure ones a normal about ``1 + s``.
    """
    points, pure, deviation = np.sort(draws.random(20) * 0.95), np.asarray([1.0, 1.06]), 0.05
    axis = np.linspace(points.max() - 1, 1, 200_001)[1:]
    a = points[:, None] / (1 + axis)
    logs = np.sum((of_i - 1) * np.log(a) + (of_j - 1) * np.log1p(-a) - np.log1p(axis), axis=0)
    logs -= np.sum((pure[:, None] - 1 - axis) ** 2, axis=0) / 2 / deviation**2
    density = np.exp(logs - logs.max())
    cdf = np.cumsum(density) / density.sum()

    chains = 4000
    place, mixed = np.zeros(chains), np.repeat(np.append(np.ones(20), [0, 0])[None], chains, axis=0)
    counts, totals = np.tile([2.0, 0], (chains, 1)), np.zeros((chains, 2, 1))
    totals[:, 0] = pure.sum()
    sums = sums_of(counts, totals, np.full(chains, 20))
    for _ in range(40):
        a = np.concatenate([points / (1 + place[:, None]), np.ones((chains, 2))], axis=1)
        abundances = np.stack([a, np.maximum(1 - a, ops.LEAST_ABUNDANCE)], axis=1)
        ratio = ops.ratios(abundances, mixed, 0, 1)
        free = np.full(chains, -np.inf), np.full(chains, np.inf)
        share, odds = ops.try_share(ops.least_distance(ratio), free, draws.standard_normal(chains))
        growth = ops.log_growth(ratio, share)
        move = (share / (1 - share) * (1 + place))[:, None]
        odds = odds + ops.log_pull(sums, 1 + place[:, None], move, 0, np.full(chains, deviation**2))
        both = np.full(chains, of_i), np.full(chains, of_j)
        share = ops.take_share(share, odds, growth, both, sums.n_mixed, draws.random(chains))
        ops.move_share(abundances, ratio, 0, 1, share)
        place = (1 + place) / (1 - share) - 1
        assert np.all(abundances[:, 0, 20:] == 1)
        assert np.allclose(abundances[:, 0, :20] * (1 + place[:, None]), points)
    assert stats.kstest(place, lambda s: np.interp(s, axis, cdf)).pvalue > 1e-3


def test_a_vertex_with_pure_samples_alone_does_not_slide(draws):
    """No mixed sample tells where a face is."""
    abundances = np.asarray([[[1.0], [1e-20]]])
    ratio = ops.ratios(abundances, np.zeros((1, 1)), 0, 1)
    free = np.full(1, -np.inf), np.full(1, np.inf)
    for normal in (-1.0, 1.0):
        assert ops.try_share(ops.least_distance(ratio), free, np.asarray([normal]))[0] == 0
