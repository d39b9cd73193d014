"""Moments and principal components against NumPy in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import computing_types, seeds, table
from threadpoolctl import threadpool_limits
from tolerances import tolerance

from unmix import ops


@pytest.fixture(autouse=True)
def one_thread():
    """Small products are slowed down by threads that wait for one another."""
    with threadpool_limits(1):
        yield


def decaying(rng, n, f, *, ratio=0.7, rank=None):
    """Return a table of known singular values, and them."""
    k = min(n, f) if rank is None else rank
    u, _ = np.linalg.qr(rng.standard_normal((n, k)))
    v, _ = np.linalg.qr(rng.standard_normal((f, k)))
    s = 10.0 * ratio ** np.arange(k)
    return (u * s) @ v.T, s


def noisy(seed, n, f, rank=4, noise=1.0):
    """Return a few strong components in white noise, whose spectrum hardly decays."""
    rng = np.random.default_rng(seed)
    strengths = 4.0 * np.arange(rank, 0, -1)
    signal = (rng.standard_normal((n, rank)) * strengths) @ rng.standard_normal((rank, f))
    return signal / np.sqrt(f) + noise * rng.standard_normal((n, f))


def captured(x, vt):
    """Return the sum of squares of a table along orthonormal rows."""
    return float(np.sum((x @ vt.T.astype(float)) ** 2))


def centred(x):
    """Take the mean row off."""
    return x - x.mean(axis=0)


class TestCovariance:
    @given(n=st.integers(1, 40), f=st.integers(1, 9), seed=seeds, dtype=computing_types)
    def test_equals_numpy(self, backend, n, f, seed, dtype):
        x = table(seed, (n, f), dtype)
        got = ops.covariance(backend.asarray(x))
        wide = centred(x.astype(float))
        assert got.n == n
        for part in (got.mean, got.scatter):
            assert backend.owns(part)
            assert part.dtype == backend.xp.float64
        np.testing.assert_allclose(
            backend.numpy(got.mean), x.astype(float).mean(axis=0), atol=1e-14
        )
        atol = tolerance("covariance", dtype) * max(np.trace(wide.T @ wide), 1e-3)
        np.testing.assert_allclose(backend.numpy(got.scatter), wide.T @ wide, rtol=0, atol=atol)

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize("offset", [0.0, 1e3, 1e6])
    def test_does_not_cancel_however_large_the_offset(self, backend, dtype, offset):
        x = (table(0, (4000, 6)) + offset * np.arange(1, 7)).astype(dtype)
        parts = [ops.covariance(backend.asarray(part)) for part in np.array_split(x, 7)]
        whole = ops.covariance(backend.asarray(x))
        merged = parts[0]
        for part in parts[1:]:
            merged = ops.merge_covariance(merged, part)
        wide = x.astype(np.longdouble)
        exact = centred(wide).T @ centred(wide)
        for got in (whole, merged):
            assert got.n == 4000
            np.testing.assert_allclose(
                backend.numpy(got.mean), wide.mean(axis=0), rtol=0, atol=1e-14 * (1 + 6 * offset)
            )
            # means of parts are rounded, and their differences with them: first order in n
            atol = tolerance("covariance", dtype) * np.trace(exact) + 4000 * 6 * offset * 2.0**-52
            np.testing.assert_allclose(backend.numpy(got.scatter), exact, rtol=0, atol=atol)

    @given(seed=seeds, cuts=st.lists(st.integers(1, 29), unique=True, max_size=6).map(sorted))
    def test_of_parts_does_not_depend_on_the_cuts_nor_their_order(self, backend, seed, cuts):
        x = 5 + table(seed, (30, 4))
        parts = [ops.covariance(backend.asarray(p)) for p in np.split(x, cuts)]
        exact = centred(x).T @ centred(x)
        for order in (parts, parts[::-1]):
            merged = order[0]
            for part in order[1:]:
                merged = ops.merge_covariance(merged, part)
            assert merged.n == 30
            np.testing.assert_allclose(backend.numpy(merged.scatter), exact, atol=1e-11)
            np.testing.assert_allclose(backend.numpy(merged.mean), x.mean(axis=0), rtol=1e-13)

    def test_of_small_integers_is_exact(self, backend):
        x = np.array([[1, 2], [3, 6], [5, 1], [7, 7]], float)
        a, b = (ops.covariance(backend.asarray(p, "float32")) for p in (x[:2], x[2:]))
        got = ops.merge_covariance(a, b)
        np.testing.assert_array_equal(backend.numpy(got.scatter), centred(x).T @ centred(x))

    def test_of_constant_rows_is_exactly_zero(self, backend):
        got = ops.covariance(backend.asarray(np.full((50, 3), 0.1), "float32"))
        np.testing.assert_array_equal(backend.numpy(got.scatter), np.zeros((3, 3)))


class TestEigenpairs:
    @given(f=st.integers(1, 12), seed=seeds, data=st.data())
    def test_solve_the_eigenproblem(self, backend, f, seed, data):
        n = data.draw(st.integers(1, f))
        x = table(seed, (2 * f, f))
        matrix = x.T @ x
        values, vectors = (backend.numpy(a) for a in ops.eigenpairs(backend.asarray(matrix), n))
        assert values.shape == (n,)
        assert vectors.shape == (n, f)
        assert np.all(np.diff(values) <= 0)
        np.testing.assert_allclose(vectors @ vectors.T, np.eye(n), atol=1e-12)
        np.testing.assert_allclose(vectors @ matrix, values[:, None] * vectors, atol=1e-10 * f)
        np.testing.assert_allclose(
            values, np.linalg.eigvalsh(matrix)[::-1][:n], rtol=1e-9, atol=1e-9
        )


class TestSketch:
    @given(n=st.integers(1, 30), f=st.integers(1, 8), seed=seeds, dtype=computing_types)
    def test_is_the_product_with_the_scatter_matrix(self, backend, n, f, seed, dtype):
        x = (3 + table(seed, (n, f))).astype(dtype)
        q = table(seed + 1, (f, 3)).astype(dtype).astype(float)
        c = np.round(3 + 0.5 * table(seed + 2, (f,)), 3).astype(dtype).astype(float)
        cut = n // 2
        parts = [
            ops.sketch(backend.asarray(p), backend.asarray(q), backend.asarray(c))
            for p in (x[:cut], x[cut:])
            if len(p)
        ]
        got = parts[0] if len(parts) == 1 else ops.merge_sketch(*parts)
        away = x.astype(float) - c
        assert got.n == n
        # products of values near the offset, 3, and not near zero
        scale = tolerance("covariance", dtype) * n * f * 16
        np.testing.assert_allclose(backend.numpy(got.total), away.sum(axis=0), atol=scale)
        np.testing.assert_allclose(
            backend.numpy(got.product), away.T @ (away @ q), atol=scale * (1 + np.abs(q).max())
        )

    @pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
    def test_takes_counts_as_they_come_and_scales_them(self, backend, dtype):
        rng = np.random.default_rng(2)
        x = rng.poisson(30, (90, 17)).astype(dtype)
        scale = rng.uniform(0.5, 2, 17)
        q, c = rng.standard_normal((17, 4)), x.mean(axis=0) * scale
        given = (backend.asarray(a) for a in (x, q, c, scale))
        got = ops.sketch(*given)
        away = x * scale - c
        near = tolerance("sketch", "float64" if dtype == "float64" else "float32")
        near *= np.sum((x * scale) ** 2)
        assert backend.owns(got.product)
        np.testing.assert_allclose(
            backend.numpy(got.product), away.T @ away @ q, rtol=0, atol=near * np.abs(q).max()
        )
        np.testing.assert_allclose(backend.numpy(got.total), away.sum(axis=0), rtol=0, atol=near)
        np.testing.assert_allclose(
            backend.numpy(got.y), away @ q, rtol=0, atol=np.sqrt(near) * 1e-2 * np.abs(q).max()
        )

    def test_rows_may_count_differently(self, backend):
        x, q = table(3, (40, 12)) + 2, table(4, (12, 3))
        c, scale = x.mean(axis=0), np.linspace(0.5, 2, 12)
        weights = np.linspace(0, 3, 40)
        got = ops.sketch(*(backend.asarray(a) for a in (x, q, c * scale, scale, weights)))
        away = (x - c) * scale
        np.testing.assert_allclose(
            backend.numpy(got.product), (away * weights[:, None]).T @ away @ q, atol=1e-11
        )
        np.testing.assert_allclose(backend.numpy(got.y), away @ q, atol=1e-12)
        np.testing.assert_allclose(backend.numpy(got.total), away.sum(axis=0), atol=1e-11)


class TestOrthonormal:
    @given(n=st.integers(1, 40), width=st.integers(1, 9), seed=seeds)
    def test_spans_the_columns(self, backend, n, width, seed):
        block = table(seed, (n, min(width, n)))
        basis = backend.numpy(ops.orthonormal(backend.asarray(block)))
        np.testing.assert_allclose(basis.T @ basis, np.eye(basis.shape[1]), atol=1e-13)
        np.testing.assert_allclose(basis @ (basis.T @ block), block, atol=1e-12)


class TestRandomizedSVD:
    @pytest.mark.parametrize("center", [False, True])
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize(
        ("n", "f"), [(300, 40), (40, 300), (100, 100), (60, 15), (60, 20), (60, 25), (9, 5), (5, 9)]
    )
    def test_of_a_decaying_spectrum_is_exact(self, backend, n, f, dtype, center):
        rng = np.random.default_rng(n + f)
        x = (decaying(rng, n, f, ratio=0.3)[0] + (2.0 if center else 0.0)).astype(dtype)
        u, s, vt = ops.randomized_svd(backend.asarray(x), 3, center=center)
        for part in (u, s, vt):
            assert backend.owns(part)
            assert part.dtype == getattr(backend.xp, dtype)
        u, s, vt = (backend.numpy(a).astype(float) for a in (u, s, vt))
        wide = x.astype(float)
        wide = centred(wide) if center else wide
        _, expected, right = np.linalg.svd(wide, full_matrices=False)
        tol = tolerance("randomized_svd", dtype) * (20 if center else 1)
        np.testing.assert_allclose(s, expected[:3], rtol=0, atol=tol * expected[0])
        np.testing.assert_allclose(vt @ vt.T, np.eye(3), atol=tol)
        np.testing.assert_allclose(u.T @ u, np.eye(3), atol=20 * tol)
        np.testing.assert_allclose(np.abs(np.sum(vt * right[:3], axis=1)), 1, atol=tol)
        best = wide @ right[:3].T @ right[:3]
        np.testing.assert_allclose((u * s) @ vt, best, rtol=0, atol=20 * tol * expected[0])

    @given(
        n=st.integers(2, 60), f=st.integers(1, 60), seed=seeds, center=st.booleans(), data=st.data()
    )
    def test_captures_the_variance_of_any_table(self, backend, n, f, seed, center, data):
        """Noise of any shape: also where the sketch is nearly as wide as the table."""
        k = data.draw(st.integers(1, min(n, f)))
        x = table(seed, (n, f)) + 0.5
        _, s, vt = (
            backend.numpy(a) for a in ops.randomized_svd(backend.asarray(x), k, center=center)
        )
        wide = centred(x) if center else x
        exact = np.sum(np.linalg.svd(wide)[1][:k] ** 2)
        assert captured(wide, vt) >= (1 - 1e-3) * exact
        # values are what the vectors capture: never more than there is
        assert np.sum(s**2) == pytest.approx(captured(wide, vt), rel=1e-9, abs=1e-9)
        np.testing.assert_allclose(vt @ vt.T, np.eye(k), atol=1e-10)

    @pytest.mark.parametrize("center", [False, True])
    @pytest.mark.parametrize(("n", "f"), [(800, 300), (200, 900)])
    @pytest.mark.parametrize("noise", [1.0, 4.0])
    def test_loses_little_in_noise(self, backend, n, f, center, noise):
        x = noisy(5, n, f, noise=noise)
        wide = centred(x) if center else x
        exact = np.sum(np.linalg.svd(wide, compute_uv=False)[:6] ** 2)
        for key in range(3):
            _, _, vt = ops.randomized_svd(backend.asarray(x), 6, center=center, key=key)
            assert 1 - captured(wide, backend.numpy(vt)) / exact <= 1e-3

    @given(
        rank=st.integers(1, 6),
        n=st.integers(8, 50),
        f=st.integers(8, 50),
        seed=seeds,
        k=st.integers(1, 8),
    )
    def test_of_low_rank_is_exact(self, backend, rank, n, f, seed, k):
        x, exact = decaying(np.random.default_rng(seed), n, f, rank=rank)
        u, s, vt = (backend.numpy(a) for a in ops.randomized_svd(backend.asarray(x), k))
        # values are roots of eigenvalues: half of the digits below the first
        expected = np.r_[exact, np.zeros(max(0, k - rank))][:k]
        np.testing.assert_allclose(s**2, expected**2, atol=1e-11)
        np.testing.assert_allclose(vt @ vt.T, np.eye(k), atol=1e-10)
        assert np.all(np.isfinite(u))
        if k >= rank:
            np.testing.assert_allclose((u * s) @ vt, x, atol=1e-9)

    @pytest.mark.parametrize("center", [False, True])
    def test_of_tables_without_variance(self, backend, center):
        for x in (np.zeros((20, 30)), np.full((20, 30), 0.25)):
            u, s, vt = (
                backend.numpy(a) for a in ops.randomized_svd(backend.asarray(x), 2, center=center)
            )
            norm = 0.0 if center else np.linalg.norm(x)
            np.testing.assert_allclose(s, [norm, 0], atol=1e-6)
            np.testing.assert_allclose(vt @ vt.T, np.eye(2), atol=1e-12)
            assert np.all(np.isfinite(u))

    def test_of_sparse_tables(self, backend):
        """Unit vectors as data: blocks that lose rank must stay orthonormal."""
        x = np.zeros((40, 50))
        x[np.arange(5), 7 * np.arange(5)] = [5, 4, 3, 2, 1]
        _, s, vt = (backend.numpy(a) for a in ops.randomized_svd(backend.asarray(x), 7))
        np.testing.assert_allclose(s**2, [25, 16, 9, 4, 1, 0, 0], atol=1e-11)
        expected = np.zeros((5, 50))
        expected[np.arange(5), 7 * np.arange(5)] = 1
        np.testing.assert_allclose(vt[:5], expected, atol=1e-9)

    def test_equals_a_centred_copy_and_changes_nothing(self, backend):
        x = noisy(2, 80, 30) + 10
        given_ = backend.asarray(x)
        here = ops.randomized_svd(given_, 3, center=True)
        np.testing.assert_array_equal(backend.numpy(given_), x)
        there = ops.randomized_svd(backend.asarray(centred(x)), 3)
        for a, b in zip(here, there, strict=True):
            np.testing.assert_allclose(backend.numpy(a), backend.numpy(b), atol=1e-5)

    def test_equal_key_equal_bits(self, backend):
        x = backend.asarray(noisy(1, 200, 120))
        a, b, other = (ops.randomized_svd(x, 3, key=key) for key in (4, 4, 5))
        for i, j in zip(a, b, strict=True):
            np.testing.assert_array_equal(backend.numpy(i), backend.numpy(j))
        assert not np.array_equal(backend.numpy(a[2]), backend.numpy(other[2]))

    @given(seed=seeds)
    def test_signs_are_fixed(self, backend, seed):
        """The largest entry of each component is positive: of the negative table too."""
        x = table(seed, (30, 12))
        there, back = (backend.numpy(ops.randomized_svd(backend.asarray(t), 3)[2]) for t in (x, -x))
        for vt in (there, back):
            largest = np.take_along_axis(vt, np.abs(vt).argmax(axis=1)[:, None], axis=1)
            assert np.all(largest > 0)
        np.testing.assert_allclose(there, back, atol=1e-12)

    def test_does_not_depend_on_the_sign_of_a_feature_it_never_sees(self, backend):
        vectors = backend.asarray([[0.0, -2.0, 1.0], [3.0, 1.0, -3.0], [0.0, 0.0, 0.0]])
        got = backend.numpy(ops.fix_signs(vectors))
        np.testing.assert_array_equal(got, [[0, 2, -1], [3, 1, -3], [0, 0, 0]])


class TestBlockKrylov:
    @pytest.mark.parametrize("f", [12, 13, 18, 23, 24, 25, 60])
    def test_in_parts_equals_the_covariance(self, backend, f):
        x = noisy(3, 300, f) + 5 * np.arange(f) / f
        parts = [backend.asarray(p) for p in np.array_split(x, 4)]

        def pass_over(q, c):
            found = ops.sketch(parts[0], q, c)
            for part in parts[1:]:
                found = ops.merge_sketch(found, ops.sketch(part, q, c))
            return found

        omega = backend.asarray(ops.random_directions(f, 2, 0))
        near = backend.asarray(x[:10].mean(axis=0))
        got = ops.block_krylov(pass_over, omega, near, 2)
        wide = centred(x)
        values = np.linalg.eigvalsh(wide.T @ wide)[::-1]
        np.testing.assert_allclose(backend.numpy(got.values), values[:2], rtol=1e-3)
        assert np.all(backend.numpy(got.values) <= values[:2] * (1 + 1e-10))
        np.testing.assert_allclose(backend.numpy(got.mean), x.mean(axis=0), rtol=1e-11, atol=1e-11)
        assert got.n == 300
        v = backend.numpy(got.vectors)
        np.testing.assert_allclose(v @ v.T, np.eye(2), atol=1e-12)

    def test_takes_no_pass_more_than_it_needs(self):
        """Few for a table of low rank; for noise as many as the loss asks for, 24 at the most."""
        passes = []
        x, _ = decaying(np.random.default_rng(0), 500, 400, rank=5)
        noise = table(1, (500, 400))

        def taken(rows, **options):
            def pass_over(q, c):
                passes.append(q.shape)
                return ops.sketch(rows, q, c)

            passes.clear()
            start = ops.random_directions(400, 5, 0)
            ops.block_krylov(pass_over, start, np.zeros(400), 5, **options)
            assert set(passes) <= {(400, 15), (400, 400 % 15)}
            return len(passes)

        assert taken(x) == 2
        assert taken(noise, loss=1e-2) < taken(noise, loss=1e-4) < taken(noise) < 24
        assert taken(noise, loss=0) <= 24

    @pytest.mark.parametrize(
        "spectrum",
        [
            np.arange(1.0, 301) ** -1,
            np.arange(1.0, 301) ** -0.5,
            0.9 ** np.arange(300),
            np.r_[np.full(5, 3.0), np.full(295, 0.01)],
            np.r_[np.full(9, 3.0), np.full(291, 0.01)],
            np.r_[1e3, 1e2, np.linspace(1.2, 1, 298)],
            np.r_[np.linspace(1.5, 1, 40), np.full(260, 0.1)],
            np.linspace(2, 1, 300),
        ],
        ids=["1/i", "i^-1/2", "0.9^i", "gap behind", "gap far behind", "steps", "knee", "flat"],
    )
    @pytest.mark.parametrize("loss", [1e-3, 1e-6])
    def test_loses_what_it_is_allowed_to(self, spectrum, loss):
        """By ground truth: variances without noise, with gaps in all places and without any."""
        rng = np.random.default_rng(0)
        v, _ = np.linalg.qr(rng.standard_normal((300, 300)))
        scatter = (v * spectrum) @ v.T

        def pass_over(q, c):
            return ops.Sketch(300, np.zeros(300), scatter @ q)

        for key in range(3):
            start = ops.random_directions(300, 5, key)
            found = ops.block_krylov(pass_over, start, np.zeros(300), 5, loss)
            best = spectrum[:5].sum()
            assert np.einsum("if,fg,ig->", found.vectors, scatter, found.vectors) >= best * (
                1 - 10 * loss
            )

    def test_directions_are_those_of_the_key(self):
        assert ops.random_directions(100, 4, 0).shape == (100, 14)
        assert ops.random_directions(7, 4, 0).shape == (7, 7)
        a, b = ops.random_directions(50, 4, 1), ops.random_directions(50, 4, 2)
        np.testing.assert_array_equal(a, ops.random_directions(50, 4, 1))
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.15
