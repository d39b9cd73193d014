"""The compiled loop of abundances: as it is written, as it is compiled, and when it declines."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds

import unmix as um
from unmix import _declines, ops
from unmix.host import abundances as host
from unmix.ops.abundances import ROUNDING

TARGET = "unmix.host.abundances:active_set"
needs_numba = pytest.mark.skipif(find_spec("numba") is None, reason="Numba is not installed")


def problem(p=5, n=400, *, seed=0, constraint="sum_to_one", n_samples=10**6):
    """Return a problem and points, far ones among them."""
    rng = np.random.default_rng(seed)
    endmembers = rng.random((p, 12))
    samples = rng.dirichlet(np.ones(p), n) @ endmembers + 0.3 * rng.standard_normal((n, 12))
    mixing = ops.mixing(endmembers, np.dtype(float), constraint, n_samples)
    return ops.points_of(mixing.basis @ samples.T, mixing), mixing


def settle(points, mixing, turns):
    """Run the loop as Python."""
    found = np.empty((len(mixing.vertices), points.shape[1]))
    left = np.empty(points.shape[1], dtype=bool)
    host._settle(points, *mixing.table.by_support, ROUNDING, turns, found, left)
    return found, left


class TestLoop:
    @given(
        seed=seeds, p=st.integers(1, 6), constraint=st.sampled_from(["sum_to_one", "nonnegative"])
    )
    def test_settles_what_the_generic_function_settles(self, seed, p, constraint):
        points, mixing = problem(p, 30, seed=seed, constraint=constraint)
        found, left = settle(points, mixing, 20)
        expected = ops.active_set(points, mixing, impl="generic")
        assert left.sum() < 5
        np.testing.assert_allclose(found[:, ~left], expected[:, ~left], rtol=0, atol=1e-9)

    def test_leaves_what_needs_more_turns(self):
        points, mixing = problem()
        expected = ops.active_set(points, mixing, impl="generic")
        counts = []
        for turns in (1, 2, 8):
            found, left = settle(points, mixing, turns)
            np.testing.assert_allclose(found[:, ~left], expected[:, ~left], rtol=0, atol=1e-12)
            counts.append(left.sum())
        assert counts[0] > counts[1] > counts[2] == 0
        first, _ = settle(points, mixing, 1)
        assert np.sum(np.all(first > 0, axis=0)) == np.sum(np.all(expected > 0, axis=0))

    def test_nan_stays_in_its_sample(self):
        points, mixing = problem(4, 9)
        clean, _ = settle(points, mixing, 9)
        points[1, 3] = np.nan
        found, left = settle(points, mixing, 9)
        assert np.all(np.isnan(found[:, 3]))
        assert not left.any()
        np.testing.assert_array_equal(np.delete(found, 3, axis=1), np.delete(clean, 3, axis=1))


@needs_numba
class TestCompiled:
    def test_gives_the_bits_of_the_loop(self):
        points, mixing = problem(6, 300)
        found, left = settle(points, mixing, host.BLOCK_TURNS)
        compiled = ops.active_set(points, mixing, impl=TARGET)
        np.testing.assert_allclose(compiled[:, ~left], found[:, ~left], rtol=1e-12, atol=1e-14)

    @pytest.mark.parametrize("turns", [1, 2])
    def test_hands_on_what_is_left(self, monkeypatch, turns):
        points, mixing = problem()
        assert settle(points, mixing, turns)[1].any()
        monkeypatch.setattr(host, "BLOCK_TURNS", turns)
        np.testing.assert_allclose(
            ops.active_set(points, mixing, impl=TARGET),
            ops.active_set(points, mixing, impl="generic"),
            rtol=0,
            atol=1e-12,
        )

    def test_runs_where_many_samples_come(self):
        points, mixing = problem()
        assert um.explain("active_set", points, problem=mixing) == [(TARGET, "runs")]

    @pytest.mark.parametrize("p", [1, 2, 5, 9])
    @pytest.mark.parametrize("solver", [ops.fcls, ops.nnls])
    def test_agrees_in_whole_abundances(self, monkeypatch, solver, p):
        rng = np.random.default_rng(p)
        endmembers = rng.random((p, 20))
        samples = rng.dirichlet(np.full(p, 0.4), 3000) @ endmembers + 0.1 * rng.random((3000, 20))
        ours = solver(samples, endmembers)
        monkeypatch.setattr(_declines, "find_spec", lambda name: None)
        np.testing.assert_allclose(ours, solver(samples, endmembers), rtol=0, atol=1e-11)


class TestDecline:
    def test_without_numba_says_what_to_install(self, monkeypatch):
        points, mixing = problem()
        monkeypatch.setattr(_declines, "find_spec", lambda name: None)
        (target, why), last = um.explain("active_set", points, problem=mixing)
        assert target == TARGET
        assert why == (
            "its kernel is compiled by Numba, which is not installed: pip install unmix[cpu]"
        )
        assert last == ("generic", "runs")
        with pytest.raises(um.BackendError, match="compiled by Numba, which is not installed"):
            ops.active_set(points, mixing, impl=TARGET)

    @needs_numba
    @pytest.mark.parametrize(("p", "n_samples"), [(5, 100), (14, 10**6)])
    def test_without_a_table_says_how_many_there_are(self, p, n_samples):
        endmembers = np.eye(p)
        mixing = ops.mixing(endmembers, np.dtype(float), "sum_to_one", n_samples)
        points = ops.points_of(mixing.basis @ endmembers, mixing)
        (_, why), _ = um.explain("active_set", points, problem=mixing)
        assert why.endswith(f"for so many endmembers or so few samples: {p} and {p} here")
