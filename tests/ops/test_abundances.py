"""Abundances against SciPy's active set and the conditions that make them optimal."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize
from strategies import computing_types, seeds
from tolerances import tolerance

from unmix import ops
from unmix._errors import BackendError, DataError, DTypeError, ShapeError
from unmix.ops import abundances

SOLVERS = [ops.fcls, ops.nnls]


def fcls_by_scipy(x, endmembers):
    """Solve each sample by Lawson and Hanson's code, exactly.

    The point of the simplex that is nearest to zero is the direction of the solution of
    ``min |u (E - x, 1) - (0, 1)|, u >= 0``: for ``u = s a`` with ``sum(a) = 1`` this is
    ``s^2 |a E - x|^2 + (s - 1)^2``, which grows with the distance at the best ``s``.
    """
    unit = np.sqrt(np.mean(np.sum((endmembers - endmembers.mean(axis=0)) ** 2, axis=1)))
    out = []
    for row in x:
        lifted = np.vstack([((endmembers - row) / unit).T, np.ones(len(endmembers))])
        u = optimize.nnls(lifted, np.eye(len(lifted))[-1])[0]
        out.append(u / u.sum())
    return np.array(out)


def nnls_by_scipy(x, endmembers):
    """Solve each sample by Lawson and Hanson's code."""
    return np.array([optimize.nnls(endmembers.T, row)[0] for row in x])


def broken_conditions(a, x, endmembers, *, sums):
    """Return by how much each sample breaks the Karush-Kuhn-Tucker conditions, without units."""
    low = endmembers.mean(axis=0) if sums else 0.0
    scale = np.mean(np.sum((endmembers - low) ** 2, axis=1)) or 1.0
    residual = (x - low) - a @ (endmembers - low)
    gain = residual @ (endmembers - low).T
    if sums:  # against the multiplier of the sum
        gain = gain - np.sum(a * gain, axis=1, keepdims=True)
    # Products of vectors of these lengths are what rounds.
    size = np.sqrt(scale) * np.linalg.norm(x - low, axis=1) + scale
    broken = [gain.max(axis=1) / size, np.abs(a * gain).max(axis=1) / size / (1 + a.max(axis=1))]
    broken.append(-a.min(axis=1))
    if sums:
        broken.append(np.abs(a.sum(axis=1) - 1))
    return np.max(broken, axis=0)


def points(rng, endmembers, n):
    """Return n samples of each kind: inside, at vertices, on faces, close by and far outside."""
    p, f = endmembers.shape
    inside = rng.dirichlet(np.full(p, 0.7), n)
    vertices = np.eye(p)[rng.integers(0, p, n)]
    faces = inside * (rng.random((n, p)) < 0.5) + 1e-300
    faces /= faces.sum(axis=1, keepdims=True)
    faces[faces < 1e-200] = 0
    on = np.concatenate([inside, vertices, faces]) @ endmembers
    near = inside @ endmembers + 0.3 * rng.standard_normal((n, f))
    far = 20 * rng.standard_normal((n, f))
    return np.concatenate([on, near, far])


def bumps(p, f=64):
    """Return overlapping bumps on an axis; their condition number grows without bound with p."""
    return np.exp(-(((np.arange(f) - np.linspace(10, f - 10, p)[:, None]) / 12) ** 2) / 2)


class TestAgainstScipy:
    @pytest.mark.parametrize("p", range(2, 9))
    def test_ten_thousand_problems(self, p):
        rng = np.random.default_rng(p)
        for _ in range(15):
            endmembers = rng.random((p, int(rng.integers(p, 40))))
            x = points(rng, endmembers, 20)
            for solver, theirs in ((ops.fcls, fcls_by_scipy), (ops.nnls, nnls_by_scipy)):
                a = solver(x, endmembers)
                expected = theirs(x, endmembers)
                np.testing.assert_allclose(a, expected, rtol=1e-8, atol=1e-8)
                broken = broken_conditions(a, x, endmembers, sums=solver is ops.fcls)
                assert broken.max() < 1e-13

    @pytest.mark.parametrize("p", [12, 20, 40])
    def test_many_endmembers(self, p):
        rng = np.random.default_rng(p)
        endmembers = rng.random((p, 64))
        x = points(rng, endmembers, 40)
        np.testing.assert_allclose(
            ops.fcls(x, endmembers), fcls_by_scipy(x, endmembers), rtol=0, atol=1e-8
        )
        np.testing.assert_allclose(
            ops.nnls(x, endmembers), nnls_by_scipy(x, endmembers), rtol=1e-8, atol=1e-8
        )

    @pytest.mark.parametrize("p", [3, 6, 10])
    def test_nearly_dependent_endmembers(self, p):
        # At p = 10, changing sides all at once never ends, and one by one takes hundreds of turns.
        rng = np.random.default_rng(p)
        endmembers = bumps(p)
        x = points(rng, endmembers, 40)
        a = ops.fcls(x, endmembers)
        assert broken_conditions(a, x, endmembers, sums=True).max() < 1e-15 * np.linalg.cond(
            endmembers
        )
        np.testing.assert_allclose(a, fcls_by_scipy(x, endmembers), rtol=0, atol=1e-7)

    @pytest.mark.parametrize("p", [6, 16])
    def test_best_fit_where_rounding_would_let_endmembers_in_for_ever(self, p):
        rng = np.random.default_rng(p)
        endmembers = rng.random(64) + 1e-7 * rng.random((p, 64))
        x = rng.dirichlet(np.full(p, 0.3), 100) @ endmembers + 1e-7 * rng.standard_normal((100, 64))
        a, theirs = ops.nnls(x, endmembers), nnls_by_scipy(x, endmembers)
        ours, best = (np.sum((x - v @ endmembers) ** 2, axis=1) for v in (a, theirs))
        assert np.all(ours <= best + 1e-15 * np.sum(x**2, axis=1))

    def test_unconstrained(self):
        rng = np.random.default_rng(1)
        endmembers = rng.random((5, 30)) * 10.0 ** np.arange(-2, 3)[:, None]
        x = rng.standard_normal((50, 30))
        expected = np.linalg.lstsq(endmembers.T, x.T, rcond=None)[0].T
        np.testing.assert_allclose(ops.ucls(x, endmembers), expected, rtol=1e-9)


class TestProperties:
    @given(p=st.integers(1, 10), extra=st.integers(0, 20), seed=seeds, dtype=computing_types)
    @pytest.mark.parametrize("solver", SOLVERS)
    def test_conditions(self, backend, solver, p, extra, seed, dtype):
        rng = np.random.default_rng(seed)
        endmembers = rng.random((p, p + extra)).astype(dtype)
        x = points(rng, endmembers, 4).astype(dtype)
        a = solver(backend.asarray(x), backend.asarray(endmembers))
        assert backend.owns(a)
        assert a.dtype == backend.asarray(x).dtype
        a = backend.numpy(a).astype(float)
        broken = broken_conditions(
            a, x.astype(float), endmembers.astype(float), sums=solver is ops.fcls
        )
        assert broken.max() < (3e-6 if dtype is np.float32 else 1e-13)

    @given(p=st.integers(2, 9), seed=seeds)
    @pytest.mark.parametrize("solver", SOLVERS)
    def test_permuted_endmembers_permute_abundances(self, solver, p, seed):
        rng = np.random.default_rng(seed)
        endmembers, order = rng.random((p, 20)), rng.permutation(p)
        x = points(rng, endmembers, 4)
        a = solver(x, endmembers)
        permuted = solver(x, endmembers[order])
        np.testing.assert_allclose(permuted, a[:, order], rtol=1e-9, atol=1e-9)

    @given(p=st.integers(1, 14), seed=seeds, dtype=computing_types)
    @pytest.mark.parametrize("solver", [*SOLVERS, ops.ucls])
    def test_exact_mixtures_come_back(self, backend, solver, p, seed, dtype):
        rng = np.random.default_rng(seed)
        endmembers = rng.random((p, p + 10))
        a = rng.dirichlet(np.full(p, 0.5), 10)
        x, given_to = (a @ endmembers).astype(dtype), endmembers.astype(dtype)
        found = solver(backend.asarray(x), backend.asarray(given_to))
        condition = np.linalg.cond(endmembers - endmembers.mean(axis=0) * (1 - 1e-3))
        np.testing.assert_allclose(
            backend.numpy(found), a, rtol=0, atol=tolerance("abundances", dtype) * condition
        )

    @given(p=st.integers(1, 6), seed=seeds)
    def test_equals_numpy(self, backend, p, seed):
        rng = np.random.default_rng(seed)
        endmembers = rng.random((p, 12))
        x = points(rng, endmembers, 4)
        for solver in (*SOLVERS, ops.ucls):
            a = solver(backend.asarray(x), backend.asarray(endmembers))
            np.testing.assert_allclose(
                backend.numpy(a), solver(x, endmembers), rtol=0, atol=tolerance("abundances", float)
            )

    @given(p=st.integers(2, 8), seed=seeds)
    @pytest.mark.parametrize("solver", SOLVERS)
    def test_single_precision_is_close(self, solver, p, seed):
        rng = np.random.default_rng(seed)
        endmembers = rng.random((p, 50)).astype(np.float32)
        x = points(rng, endmembers, 4)[:-4].astype(np.float32)
        single, double = (solver(x.astype(t), endmembers.astype(t)) for t in (np.float32, float))
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, double, rtol=0, atol=tolerance("abundances", "float32"))

    @pytest.mark.parametrize("scale", [1e-30, 1e-6, 1e6, 1e30])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("solver", [*SOLVERS, ops.ucls])
    def test_scale_of_the_data(self, solver, dtype, scale):
        rng = np.random.default_rng(3)
        endmembers = rng.random((4, 30))
        x = points(rng, endmembers, 10)
        a = solver(x.astype(dtype), endmembers.astype(dtype))
        scaled = solver((scale * x).astype(dtype), (scale * endmembers).astype(dtype))
        # Far samples are 50 times as far from the endmembers as those from each other.
        np.testing.assert_allclose(scaled, a, rtol=0, atol=50 * tolerance("abundances", dtype))

    @pytest.mark.parametrize("solver", [ops.nnls, ops.ucls])
    def test_scale_of_each_endmember(self, solver):
        rng = np.random.default_rng(4)
        endmembers, scales = rng.random((4, 30)), np.array([1e-12, 1e-6, 1.0, 1e6])
        x = points(rng, endmembers, 10)
        a = solver(x, endmembers)
        scaled = solver(x, endmembers * scales[:, None]) * scales
        np.testing.assert_allclose(scaled, a, rtol=0, atol=1e-10)

    def test_offset_costs_digits_only_once(self):
        # Spectra that differ by 1e-5 of themselves: their Gram matrix would lose all of float32's.
        rng = np.random.default_rng(5)
        endmembers = 1e5 + rng.random((4, 400))
        a = rng.dirichlet(np.ones(4), 100)
        found = ops.fcls(a @ endmembers, endmembers)
        np.testing.assert_allclose(found, a, rtol=0, atol=1e-9)

    @given(seed=seeds, p=st.integers(2, 6))
    @pytest.mark.parametrize("solver", SOLVERS)
    def test_ties_on_small_integers(self, solver, seed, p):
        # On faces, with endmembers at right angles, abundances and multipliers vanish together.
        rng = np.random.default_rng(seed)
        endmembers = np.eye(p, p + 1) * 4
        x = rng.integers(-2, 6, (50, p + 1)).astype(float)
        a = solver(x, endmembers)
        assert broken_conditions(a, x, endmembers, sums=solver is ops.fcls).max() < 1e-14


class TestHowItIsComputed:
    @pytest.mark.parametrize("solver", [*SOLVERS, ops.ucls])
    @pytest.mark.parametrize("p", [3, 7])
    def test_blocks_agree(self, monkeypatch, solver, p):
        rng = np.random.default_rng(p)
        endmembers = rng.random((p, 20))
        x = points(rng, endmembers, 200)
        whole = solver(x, endmembers)
        monkeypatch.setattr(abundances, "_ROWS", 60)
        monkeypatch.setattr(abundances, "_BLOCK", 8 * p * p * 33)
        np.testing.assert_allclose(solver(x, endmembers), whole, rtol=0, atol=1e-12)

    @pytest.mark.parametrize("solver", SOLVERS)
    def test_few_samples_agree_with_many(self, solver):
        rng = np.random.default_rng(6)
        endmembers = rng.random((6, 20))
        x = points(rng, endmembers, 100)
        many = solver(x, endmembers)
        few = np.concatenate([solver(x[i : i + 7], endmembers) for i in range(0, len(x), 7)])
        np.testing.assert_allclose(few, many, rtol=0, atol=1e-12)

    def test_inputs_stay(self, backend):
        rng = np.random.default_rng(7)
        endmembers = rng.random((3, 8))
        x = points(rng, endmembers, 5)
        arrays = backend.asarray(x), backend.asarray(endmembers)
        for solver in (*SOLVERS, ops.ucls):
            solver(*arrays)
        np.testing.assert_array_equal(backend.numpy(arrays[0]), x)
        np.testing.assert_array_equal(backend.numpy(arrays[1]), endmembers)

    @pytest.mark.parametrize(
        ("dtype", "computed"),
        [("uint8", "float32"), ("int16", "float32"), ("int32", "float64"), ("int64", "float64")],
    )
    def test_integers(self, backend, dtype, computed):
        counts = np.array([[1, 2], [9, 0], [0, 3]]).astype(dtype)
        corners = np.array([[0, 0], [4, 0], [0, 4]]).astype(dtype)
        a = ops.fcls(backend.asarray(counts), backend.asarray(corners))
        assert a.dtype == getattr(backend.xp, computed)
        expected = [[0.25, 0.25, 0.5], [0, 1, 0], [0.25, 0, 0.75]]
        np.testing.assert_allclose(backend.numpy(a), expected, rtol=0, atol=1e-6)


class TestEdges:
    @pytest.mark.parametrize("solver", [*SOLVERS, ops.ucls])
    def test_no_samples(self, backend, solver):
        a = solver(backend.asarray(np.zeros((0, 5))), backend.asarray(np.eye(3, 5)))
        assert tuple(a.shape) == (0, 3)

    def test_one_endmember(self, backend):
        x, one = backend.asarray([[1.0, 2.0], [-3.0, 0.0]]), backend.asarray([[2.0, 0.0]])
        np.testing.assert_array_equal(backend.numpy(ops.fcls(x, one)), [[1], [1]])
        np.testing.assert_allclose(backend.numpy(ops.nnls(x, one)), [[0.5], [0]], atol=1e-15)
        np.testing.assert_allclose(backend.numpy(ops.ucls(x, one)), [[0.5], [-1.5]], atol=1e-15)

    def test_as_few_features_as_the_simplex_needs(self):
        a = ops.fcls(np.array([[0.25], [2.0]]), np.array([[0.0], [1.0]]))
        np.testing.assert_allclose(a, [[0.75, 0.25], [0, 1]], atol=1e-15)

    def test_zero_sample(self):
        assert np.all(ops.nnls(np.zeros((2, 4)), np.eye(3, 4)) == 0)

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("solver", [*SOLVERS, ops.ucls])
    def test_what_is_not_finite_stays_in_its_sample(self, backend, solver, bad):
        x = np.array([[0.5, 0.5, 0.0], [bad, 1.0, 0.0], [1.0, 0.0, 0.0]] * 9)
        a = backend.numpy(solver(backend.asarray(x), backend.asarray(np.eye(2, 3))))
        assert np.all(np.isnan(a[1::3]))
        np.testing.assert_allclose(a[::3], [[0.5, 0.5]] * 9, atol=1e-15)
        np.testing.assert_allclose(a[2::3], [[1, 0]] * 9, atol=1e-15)


class TestErrors:
    @pytest.mark.parametrize("solver", [*SOLVERS, ops.ucls])
    @pytest.mark.parametrize("shapes", [((4, 5), (2, 6)), ((5,), (2, 5)), ((4, 5), (5,))])
    def test_shapes(self, backend, solver, shapes):
        x, endmembers = (backend.asarray(np.ones(s)) for s in shapes)
        with pytest.raises(ShapeError, match=r"have shapes .* as many features in both"):
            solver(x, endmembers)

    @pytest.mark.parametrize("shape", [(0, 5), (63, 5), (2, 0)])
    def test_number_of_endmembers(self, shape):
        with pytest.raises(ShapeError, match="expected 1 to 62"):
            ops.fcls(np.ones((4, shape[1])), np.ones(shape))

    def test_duplicates(self, backend):
        endmembers = np.random.default_rng(0).random((4, 9))
        endmembers[2] = endmembers[0]
        x = backend.asarray(np.ones((3, 9)))
        message = "4 endmembers are affinely dependent: they have rank 2 about their mean.* rank 3"
        with pytest.raises(DataError, match=message):
            ops.fcls(x, backend.asarray(endmembers))
        for solver in (ops.nnls, ops.ucls):
            with pytest.raises(DataError, match=r"linearly dependent: they have rank 3, .* rank 4"):
                solver(x, backend.asarray(endmembers))

    @pytest.mark.parametrize("scale", [1e-12, 1e-6, 1.0, 1e6, 1e12])
    @pytest.mark.parametrize("copies", [2, 3])
    def test_duplicates_at_any_scale(self, scale, copies):
        spectrum = 1000 + np.random.default_rng(1).random((1, 50))
        endmembers = scale * spectrum.repeat(copies, axis=0)
        with pytest.raises(DataError, match=r"rank 0 about their mean.*drop duplicates"):
            ops.fcls(np.ones((3, 50)), endmembers)

    def test_mixtures_as_endmembers(self):
        endmembers = np.random.default_rng(2).random((4, 30))
        endmembers[3] = [0.2, 0.3, 0.5] @ endmembers[:3]
        with pytest.raises(DataError, match="rank 2 about"):
            ops.fcls(np.ones((3, 30)), endmembers)

    def test_dark_endmember(self):
        # Zero is a vertex like any other of a simplex, but no direction.
        endmembers = np.array([[0.0, 0.0], [1.0, 0.0]])
        np.testing.assert_allclose(ops.fcls(np.array([[0.5, 3.0]]), endmembers), [[0.5, 0.5]])
        with pytest.raises(DataError, match="rank 1"):
            ops.nnls(np.ones((1, 2)), endmembers)

    def test_more_endmembers_than_features(self):
        with pytest.raises(DataError, match=r"rank 3, .* rank 5"):
            ops.nnls(np.ones((2, 3)), np.random.default_rng(3).random((5, 3)))

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_endmembers_that_are_not_finite(self, bad):
        endmembers = np.eye(2, 4)
        endmembers[1, 2] = bad
        with pytest.raises(DataError, match=r"endmembers holds 1 values .* at \(1, 2\)"):
            ops.fcls(np.ones((3, 4)), endmembers)

    @pytest.mark.parametrize("dtype", [bool, complex])
    def test_kinds_of_values(self, dtype):
        with pytest.raises(DTypeError, match="samples is"):
            ops.fcls(np.ones((3, 4), dtype), np.eye(2, 4))
        with pytest.raises(DTypeError, match="endmembers is"):
            ops.fcls(np.ones((3, 4)), np.eye(2, 4).astype(dtype))

    def test_not_arrays(self):
        with pytest.raises(BackendError):
            ops.fcls([[1.0, 2.0]], np.eye(2))
