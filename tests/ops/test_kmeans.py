"""k-means against scikit-learn and brute force, and the race of k-means++ against its odds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.cluster import KMeans
from strategies import computing_types, seeds, table
from threadpoolctl import threadpool_limits
from tolerances import tolerance

from unmix import ops
from unmix._arrays import uniform_per_sample
from unmix.ops.kmeans import moved_centers


@pytest.fixture(autouse=True)
def one_thread():
    """Small products are slowed down by threads that wait for one another."""
    with threadpool_limits(1):
        yield


def blobs(seed, n, k, f, *, spread=1.0, distance=4.0):
    """Return samples around k points, and k of them as a start."""
    rng = np.random.default_rng(seed)
    centers = distance * rng.standard_normal((k, f))
    x = centers[rng.integers(0, k, n)] + spread * rng.standard_normal((n, f))
    return x, x[rng.choice(n, k, replace=False)]


def distances(x, centers):
    """Return all squared distances, one by one."""
    return np.sum((x[:, None].astype(float) - centers.astype(float)) ** 2, axis=2)


def inertia_of(x, centers):
    """Return the sum of squared distances to the nearest centre."""
    return distances(x, centers).min(axis=1).sum()


def step_of(backend, x, seen=None):
    """Return a step of Lloyd's iteration over a table, which notes each inertia."""
    rows = backend.asarray(x)
    xp = backend.xp
    origin = backend.asarray(x.mean(axis=0), x.dtype)
    norms = ops.squared_norms(rows, origin)

    def step(centers, _):
        part = ops.assign(rows, xp.astype(centers, rows.dtype), origin, norms)
        if seen is not None:
            seen.append(backend.numpy(part.inertia))
        return moved_centers(part)

    return step


def nearest(backend, x, centers, origin):
    """Return labels and squared distances on the host."""
    rows, c, o = (backend.asarray(a) for a in (x, centers, origin))
    labels, relative = ops.nearest(rows, c, o)
    assert backend.owns(labels)
    assert labels.dtype == backend.xp.int32
    assert relative.dtype == rows.dtype
    norms = backend.numpy(ops.squared_norms(rows, o))
    return backend.numpy(labels), backend.numpy(relative) + norms[:, None]


def assigned(backend, x, centers, origin):
    """Return what a table says about centres."""
    rows, c, o = (backend.asarray(a) for a in (x, centers, origin))
    return ops.assign(rows, c, o, ops.squared_norms(rows, o))


class TestNearest:
    @given(
        n=st.integers(1, 30),
        s=st.integers(1, 3),
        k=st.integers(1, 6),
        f=st.integers(1, 8),
        seed=seeds,
        offset=st.sampled_from([0.0, 10.0, 100.0, 1e4]),
        dtype=computing_types,
    )
    def test_equals_brute_force(self, backend, n, s, k, f, seed, offset, dtype):
        x = (table(seed, (n, f)) + offset).astype(dtype)
        centers = (table(seed + 1, (s, k, f)) + offset).astype(dtype)
        origin = x.mean(axis=0, dtype=float).astype(dtype)
        labels, squared = nearest(backend, x, centers, origin)
        assert labels.shape == squared.shape == (n, s)
        scale = max(np.sum((centers - origin) ** 2, axis=-1).max(), squared.max(), 1)
        # an offset of up to FAR times their distance from the origin is left in
        atol = tolerance("kmeans", dtype) * scale * min(1 + offset, 16)
        for i in range(s):
            exact = distances(x, centers[i])
            np.testing.assert_allclose(squared[:, i], exact.min(axis=1), rtol=0, atol=atol)
            mine = np.take_along_axis(exact, labels[:, i, None], axis=1)[:, 0]
            assert np.all(mine <= exact.min(axis=1) + atol)

    def test_ties_go_to_the_lowest_centre(self, backend):
        x = np.array([[0.0, 0], [2, 0], [1, 1]])
        centers = np.array([[[1.0, 0], [1, 0], [0, 0], [2, 0]]])
        labels, squared = nearest(backend, x, centers, np.array([1.0, 0.0]))
        np.testing.assert_array_equal(labels, [[2], [3], [0]])
        np.testing.assert_array_equal(squared, [[0], [0], [1]])
        between = np.array([[[2.0, 0], [0, 0]], [[0, 5], [2, 5]]])
        labels, _ = nearest(backend, np.array([[1.0, 5]]), between, np.array([1.0, 1]))
        np.testing.assert_array_equal(labels, [[0, 0]])

    @given(seed=seeds, k=st.integers(1, 6))
    def test_labels_permute_with_the_centres(self, backend, seed, k):
        x, centers = table(seed, (40, 3)), table(seed + 1, (k, 3))
        order = np.random.default_rng(seed).permutation(k)
        plain, permuted = (
            nearest(backend, x, c[None], np.zeros(3)) for c in (centers, centers[order])
        )
        np.testing.assert_array_equal(order[permuted[0]], plain[0])
        np.testing.assert_allclose(permuted[1], plain[1], atol=1e-12)


class TestAssign:
    @given(
        n=st.integers(1, 40), s=st.integers(1, 3), k=st.integers(1, 5), seed=seeds, data=st.data()
    )
    def test_of_parts_equals_the_whole(self, backend, n, s, k, seed, data):
        """On integers, where sums are exact: to the bit, outlier and all."""
        rng = np.random.default_rng(seed)
        x = rng.integers(-4, 5, (n, 2)).astype(float)
        centers = rng.integers(-4, 5, (s, k, 2)).astype(float)
        origin = np.array([1.0, -1.0])
        cut = data.draw(st.integers(0, n))
        parts = [assigned(backend, p, centers, origin) for p in (x[:cut], x[cut:]) if len(p)]
        merged = parts[0] if len(parts) == 1 else ops.merge_assignments(*parts)
        got = [backend.numpy(a) for a in merged]
        for a, b in zip(got, assigned(backend, x, centers, origin), strict=True):
            np.testing.assert_array_equal(a, backend.numpy(b))
        counts, sums, inertia, farthest, outlier = got
        for i in range(s):
            exact = distances(x, centers[i])
            labels, least = exact.argmin(axis=1), exact.min(axis=1)
            np.testing.assert_array_equal(counts[i], np.bincount(labels, minlength=k))
            for j in range(k):
                np.testing.assert_array_equal(sums[i, j], x[labels == j].sum(axis=0))
            assert inertia[i] == least.sum()
            assert farthest[i] == least.max()
            np.testing.assert_array_equal(outlier[i], x[least.argmax()])

    def test_of_equally_far_samples_the_first_is_the_outlier(self, backend):
        parts = [
            assigned(backend, np.array(p, float), np.zeros((2, 1, 1)), np.zeros(1))
            for p in ([[1], [3], [-3]], [[3], [2]], [[-4], [4]])
        ]
        first = ops.merge_assignments(*parts[:2])
        np.testing.assert_array_equal(backend.numpy(first.outlier), [[3], [3]])
        swapped = ops.merge_assignments(parts[1], parts[0])
        np.testing.assert_array_equal(backend.numpy(swapped.farthest), [9, 9])
        later = ops.merge_assignments(first, parts[2])
        np.testing.assert_array_equal(backend.numpy(later.outlier), [[-4], [-4]])
        tied = ops.merge_assignments(
            assigned(backend, np.array([[-3.0]]), np.zeros((2, 1, 1)), np.zeros(1)), parts[0]
        )
        np.testing.assert_array_equal(backend.numpy(tied.outlier), [[-3], [-3]])

    def test_sums_are_double_whatever_the_data(self, backend):
        x = table(0, (6, 2), np.float32)
        part = assigned(backend, x, x[None, :2], x[0])
        assert {str(a.dtype).split(".")[-1] for a in part[:4]} == {"float64"}


class TestKMeans:
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize("offset", [0.0, 1e4])
    @pytest.mark.parametrize(("n", "k", "f"), [(400, 3, 2), (600, 5, 12), (90, 7, 40)])
    def test_equals_scikit_learn_from_the_same_start(self, backend, n, k, f, offset, dtype):
        for seed in range(4):
            x, start = blobs(seed, n, k, f)
            x, start = (x + offset).astype(dtype), (start + offset).astype(dtype)
            labels, centers, inertia = ops.kmeans(backend.asarray(x), backend.asarray(start))
            reference = KMeans(k, init=start, n_init=1, tol=0, algorithm="lloyd").fit(x)
            assert backend.owns(labels)
            assert centers.dtype == backend.xp.float64
            np.testing.assert_array_equal(backend.numpy(labels), reference.labels_)
            single = dtype == "float32"
            # scikit-learn keeps centres in the type of the data
            last = 1e-5 + 3e-7 * offset if single else 1e-12 * (10 + offset)
            np.testing.assert_allclose(
                backend.numpy(centers), reference.cluster_centers_, rtol=0, atol=last
            )
            rel = 1e-5 if single else 1e-9
            assert inertia == pytest.approx(inertia_of(x, backend.numpy(centers)), rel=rel)
            assert inertia == pytest.approx(reference.inertia_, rel=10 * rel)

    @given(seed=seeds, n=st.integers(4, 60), k=st.integers(1, 4), f=st.integers(1, 4))
    def test_inertia_never_rises(self, backend, seed, n, k, f):
        """Empty clusters included: a start of far away centres."""
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((n, f))
        start = rng.standard_normal((k, f)) * rng.choice([1, 50])
        seen = []
        centers, n_iter = ops.lloyd(
            step_of(backend, x, seen), [backend.asarray(start)], max_iter=50, tolerance=0.0
        )
        assert len(seen) == n_iter
        inertia = [float(s[0]) for s in seen] + [inertia_of(x, backend.numpy(centers[0]))]
        assert np.all(np.diff(inertia) <= 1e-10 * (1 + inertia[0]))

    @given(seed=seeds, k=st.integers(2, 5))
    def test_rests_where_each_centre_is_the_mean_of_its_samples(self, backend, seed, k):
        x, start = blobs(seed, 60, k, 3)
        labels, centers, inertia = ops.kmeans(backend.asarray(x), backend.asarray(start))
        labels, centers = backend.numpy(labels), backend.numpy(centers)
        np.testing.assert_array_equal(labels, distances(x, centers).argmin(axis=1))
        for j in range(k):
            assert np.any(labels == j)
            np.testing.assert_allclose(centers[j], x[labels == j].mean(axis=0), atol=1e-12)
        assert inertia == pytest.approx(inertia_of(x, centers), rel=1e-10, abs=1e-10)

    @given(seed=seeds, k=st.integers(1, 5))
    def test_labels_permute_with_the_start(self, backend, seed, k):
        x, start = blobs(seed, 50, k, 2)
        order = np.random.default_rng(seed).permutation(k)
        plain, permuted = (
            ops.kmeans(backend.asarray(x), backend.asarray(s)) for s in (start, start[order])
        )
        np.testing.assert_array_equal(order[backend.numpy(permuted[0])], backend.numpy(plain[0]))
        np.testing.assert_allclose(
            backend.numpy(permuted[1]), backend.numpy(plain[1])[order], atol=1e-12
        )
        assert permuted[2] == pytest.approx(plain[2])

    def test_of_one_cluster_is_the_mean(self, backend):
        x = table(3, (30, 4))
        labels, centers, inertia = ops.kmeans(backend.asarray(x), backend.asarray(x[:1]))
        np.testing.assert_array_equal(backend.numpy(labels), np.zeros(30))
        np.testing.assert_allclose(backend.numpy(centers)[0], x.mean(axis=0), atol=1e-14)
        assert inertia == pytest.approx(30 * x.var(axis=0).sum())

    def test_fills_empty_clusters(self, backend):
        """All centres but one far away: each of four groups gets one in the end."""
        rng = np.random.default_rng(0)
        groups = np.array([[0, 0], [20, 0], [0, 20], [20, 20]])
        x = np.repeat(groups, 10, axis=0) + 0.1 * rng.standard_normal((40, 2))
        start = np.array([[1.0, 1.0], [900, 900], [901, 900], [900, 901]])
        labels, _, inertia = ops.kmeans(backend.asarray(x), backend.asarray(start))
        assert sorted(np.bincount(backend.numpy(labels), minlength=4)) == [10] * 4
        assert inertia < 2

    def test_moves_an_empty_cluster_to_the_farthest_sample(self, backend):
        x = np.array([[0.0, 0], [1, 0], [5, 0], [5, 0]])
        centers = np.array([[[0.0, 0], [90, 0]]])
        moved = moved_centers(assigned(backend, x, centers, np.zeros(2)))
        np.testing.assert_array_equal(backend.numpy(moved), [[[2.75, 0], [5, 0]]])

    def test_of_fewer_different_samples_than_clusters_comes_to_rest(self, backend):
        x = np.repeat([[0.0, 1], [4, 4]], 5, axis=0)
        start = np.array([[0.0, 1], [4, 4], [9, 9]])
        labels, centers, inertia = ops.kmeans(backend.asarray(x), backend.asarray(start))
        assert inertia == 0
        assert set(backend.numpy(labels).tolist()) == {0, 1}
        assert np.all(np.isfinite(backend.numpy(centers)))

    @given(seed=seeds)
    def test_starts_do_not_feel_one_another(self, backend, seed):
        x, _ = blobs(seed, 40, 3, 2)
        x = np.round(x * 1024) / 1024  # sums are exact, whatever the shape of the product
        rng = np.random.default_rng(seed)
        starts = [backend.asarray(x[rng.choice(40, 3, replace=False)]) for _ in range(3)]
        together, longest = ops.lloyd(step_of(backend, x), starts, max_iter=100, tolerance=0.0)
        alone = [ops.lloyd(step_of(backend, x), [s], max_iter=100, tolerance=0.0) for s in starts]
        assert longest == max(n for _, n in alone)
        for centers, (single, _) in zip(together, alone, strict=True):
            np.testing.assert_allclose(backend.numpy(centers), backend.numpy(single[0]), atol=1e-12)

    def test_stops_where_it_is_told_to(self, backend):
        x, start = blobs(1, 200, 5, 3, spread=3)
        seen = []
        _, n_iter = ops.lloyd(
            step_of(backend, x, seen), [backend.asarray(start)], max_iter=2, tolerance=0.0
        )
        assert n_iter == len(seen) == 2
        _, n_iter = ops.lloyd(
            step_of(backend, x), [backend.asarray(start)], max_iter=99, tolerance=1e9
        )
        assert n_iter == 1


class TestRace:
    ROWS = np.array([[0.0], [1], [3], [4], [4], [-2], [0], [7]])

    def race_of(self, backend, odds, key, s=6000):
        """Let s starts draw with given odds; count each value, and what is expected of it."""
        x = self.ROWS
        uniform = uniform_per_sample(key, 2, np.arange(len(x)), s)
        squared = np.repeat(np.asarray(odds, float)[:, None], s, axis=1)
        exponentials = -np.log1p(-uniform)
        seed = ops.race(backend.asarray(x), backend.asarray(squared), backend.asarray(exponentials))
        assert backend.owns(seed.row)
        assert tuple(seed.row.shape) == (s, 1)
        drawn = backend.numpy(seed.row)[:, 0]
        values = np.unique(x)
        assert np.isin(drawn, values).all()
        counts = np.array([np.sum(drawn == v) for v in values])
        share = np.array([np.sum(squared[x[:, 0] == v, 0]) for v in values])
        return counts, s * share / share.sum()

    def test_first_pick_is_uniform(self, backend):
        counts, expected = self.race_of(backend, np.ones(8), 5)
        assert stats.chisquare(counts, expected).pvalue > 1e-3

    @pytest.mark.parametrize("centers", [[4.0], [4.0, -2.0], [1.0], [0.0, 1, 3, 4, -2]])
    def test_next_picks_go_with_the_squared_distance(self, backend, centers):
        x = self.ROWS
        _, squared = nearest(backend, x, np.array(centers)[None, :, None], x[0])
        odds = np.maximum(squared[:, 0], 0)
        np.testing.assert_allclose(odds, distances(x, np.array(centers)[:, None]).min(axis=1))
        counts, expected = self.race_of(backend, odds, 6)
        assert counts[expected == 0].sum() == 0, "a centre was drawn twice"
        if np.sum(expected > 0) > 1:
            few = expected > 0
            assert stats.chisquare(counts[few], expected[few]).pvalue > 1e-3

    def test_odds_hold_over_keys(self):
        """One start for each of many keys, as a user sees it."""
        x = self.ROWS
        odds = (x - 1) ** 2
        picks = np.array(
            [
                ops.race(x, odds, -np.log1p(-uniform_per_sample(key, 2, np.arange(8), 1))).row[0, 0]
                for key in range(3000)
            ]
        )
        values = np.unique(x)
        expected = np.array([odds[x == v].sum() for v in values])
        counts = np.array([np.sum(picks == v) for v in values])
        few = expected > 0
        assert counts[~few] == 0
        assert stats.chisquare(counts[few], 3000 * expected[few] / odds.sum()).pvalue > 1e-3

    @given(
        n=st.integers(1, 40),
        cuts=st.lists(st.integers(1, 39), unique=True, max_size=5).map(sorted),
        seed=seeds,
    )
    def test_does_not_depend_on_how_the_table_is_cut(self, backend, n, cuts, seed):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((n, 3))
        squared = rng.integers(0, 4, (n, 4)).astype(float)

        def race(numbers):
            exponentials = -np.log1p(-uniform_per_sample(seed, 2, numbers, 4))
            arrays = x[numbers], squared[numbers], exponentials
            return ops.race(*(backend.asarray(a) for a in arrays))

        whole = race(np.arange(n))
        parts = [race(p) for p in np.split(np.arange(n), cuts) if len(p)]
        merged = parts[0]
        for part in parts[1:]:
            merged = ops.merge_seeds(merged, part)
        np.testing.assert_array_equal(backend.numpy(merged.time), backend.numpy(whole.time))
        np.testing.assert_array_equal(backend.numpy(merged.row), backend.numpy(whole.row))

    def test_of_equal_times_the_first_wins(self, backend):
        rows, ones = backend.asarray([[5.0], [6.0], [7.0]]), backend.asarray(np.ones((3, 1)))
        times = backend.asarray([[2.0], [1.0], [1.0]])
        assert float(ops.race(rows, ones, times).row[0, 0]) == 6
        a, b = (
            ops.Seed(backend.asarray(t), backend.asarray(r))
            for t, r in (([1.0, 3.0], [[1.0], [2.0]]), ([1.0, 2.0], [[8.0], [9.0]]))
        )
        got = ops.merge_seeds(a, b)
        np.testing.assert_array_equal(backend.numpy(got.time), [1, 2])
        np.testing.assert_array_equal(backend.numpy(got.row), [[1], [9]])

    def test_where_every_sample_is_a_centre_takes_the_first(self, backend):
        rows = backend.asarray([[3.0], [4.0]])
        seed = ops.race(rows, backend.asarray(np.zeros((2, 1))), backend.asarray(np.ones((2, 1))))
        assert np.all(np.isinf(backend.numpy(seed.time)))
        np.testing.assert_array_equal(backend.numpy(seed.row), [[3]])
