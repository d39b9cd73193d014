"""The kernels of k-means against the generic operations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from conftest import LAYOUTS, laid_out, on_host
from hypothesis import given
from hypothesis import strategies as st
from tolerances import tolerance

import unmix as um
from unmix.cuda import kmeans

pytestmark = pytest.mark.kernels

SIZES = [1, 2, 31, 33, 63, 64, 65, 127, 129, 191, 257, 509]
DTYPES = st.sampled_from([np.float32, np.float64])
SEEDS = st.integers(0, 2**32 - 1)
WAYS = ("fused", "columns", "sorted")


@pytest.fixture(params=WAYS)
def way(request, monkeypatch):
    """Force one of the three ways to the sums."""
    if request.param != "fused":
        monkeypatch.setattr(kmeans, "fused_shared", lambda *_: kmeans.MOST_SHARED + 1)
    if request.param == "sorted":
        monkeypatch.setattr(kmeans, "column_centers", lambda _: 0)
    return request.param


@dataclass
class Problem:
    rows: np.ndarray
    centers: np.ndarray
    origin: np.ndarray

    @classmethod
    def whole(cls, n, f, s, k, dtype, seed, offset=0):
        """Small integers: every sum is exact, and many distances tie."""
        draw = np.random.default_rng(seed)
        shapes = ((n, f), (s, k, f), (f,))
        return cls(*((draw.integers(-2, 3, shape) + offset).astype(dtype) for shape in shapes))

    @classmethod
    def real(cls, n, f, s, k, dtype, seed, offset=0.0):
        draw = np.random.default_rng(seed)
        rows = (draw.standard_normal((n, f)) + offset).astype(dtype)
        centers = rows[draw.integers(0, n, (s, k))] + draw.standard_normal((s, k, f)) / 10
        return cls(rows, centers.astype(dtype), rows.mean(axis=0, dtype=float).astype(dtype))

    @property
    def norms(self):
        return um.ops.squared_norms(self.rows, self.origin)

    def on(self, kernels, layout="C"):
        xp = kernels.xp
        return laid_out(xp, self.rows, layout), xp.asarray(self.centers), xp.asarray(self.origin)

    def squared(self):
        """Squared distances (n, s, k) in float64."""
        away = self.rows.astype(float)[:, None, None, :] - self.centers.astype(float)
        return np.sum(away**2, axis=3)


def nearest(kernels, problem, layout="C"):
    labels, relative = map(on_host, kmeans.label_rows(kernels, *problem.on(kernels, layout)))
    assert labels.dtype == np.int32
    assert relative.dtype == problem.rows.dtype
    return labels, relative


def assign(kernels, problem, layout="C"):
    rows, centers, origin = problem.on(kernels, layout)
    norms = kernels.xp.asarray(problem.norms)
    seen = kmeans.assign_rows(kernels, rows, centers, origin, norms)
    assert isinstance(seen, um.ops.Assignment)
    return um.ops.Assignment(*map(on_host, seen))


def same(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype


SHAPES = {
    "n": st.one_of(st.sampled_from(SIZES), st.integers(1, 300)),
    "f": st.one_of(st.integers(1, 40), st.sampled_from([64, 127, 128, 131])),
    "s": st.integers(1, 4),
    "k": st.one_of(st.integers(1, 9), st.sampled_from([17, 31, 33])),
    "dtype": DTYPES,
    "layout": st.sampled_from(LAYOUTS),
    "seed": SEEDS,
    "offset": st.sampled_from([0, 1000]),
}


class TestNearest:
    @given(**SHAPES)
    def test_is_exact_on_small_integers(self, kernels, n, f, s, k, dtype, layout, seed, offset):
        problem = Problem.whole(n, f, s, k, dtype, seed)
        parts = (problem.rows, problem.centers, problem.origin)
        same(nearest(kernels, problem, layout), um.ops.nearest(*parts, impl="generic"))
        # a common offset changes nothing, however large: distances are taken about the origin
        shifted = Problem(*(p + dtype(offset) for p in parts))
        same(nearest(kernels, shifted), um.ops.nearest(*parts, impl="generic"))

    @given(
        n=st.integers(1, 200),
        f=st.integers(1, 70),
        s=st.integers(1, 3),
        k=st.integers(1, 20),
        dtype=DTYPES,
        offset=st.sampled_from([0.0, 1e3]),
        seed=SEEDS,
    )
    def test_agrees_to_rounding(self, kernels, n, f, s, k, dtype, offset, seed):
        problem = Problem.real(n, f, s, k, dtype, seed, offset)
        labels, relative = nearest(kernels, problem)
        squared, norms = problem.squared(), problem.norms.astype(float)
        scale = max(norms.max(), np.max((problem.centers - problem.origin) ** 2) * f)
        allowed = tolerance("kmeans", dtype) * scale + 4 * np.finfo(dtype).eps * offset
        found = np.take_along_axis(squared, labels[:, :, None].astype(int), axis=2)[:, :, 0]
        assert np.all(found <= squared.min(axis=2) + allowed)
        assert np.all(np.abs(relative + norms[:, None] - found) <= allowed)

    @pytest.mark.parametrize("k", [64, 65, 129, 300])
    @pytest.mark.parametrize("f", [3, 70])
    def test_starts_go_on_from_chunk_to_chunk(self, kernels, f, k):
        problem = Problem.whole(70, f, 3, k, np.float32, k)
        parts = (problem.rows, problem.centers, problem.origin)
        same(nearest(kernels, problem), um.ops.nearest(*parts, impl="generic"))

    def test_equal_centres_leave_the_rows_to_the_first(self, kernels):
        problem = Problem.whole(100, 5, 2, 1, np.float64, 0)
        problem.centers = np.repeat(problem.centers, 40, axis=1)
        assert not np.any(nearest(kernels, problem)[0])

    def test_no_rows_have_no_labels(self, kernels):
        problem = Problem.whole(0, 5, 2, 3, np.float32, 0)
        labels, relative = nearest(kernels, problem)
        assert labels.shape == relative.shape == (0, 2)

    def test_few_blocks_walk_over_many_tiles(self, kernels, monkeypatch):
        monkeypatch.setattr(kmeans, "MOST_BLOCKS", 2)
        for f, k in ((5, 4), (5, 90), (40, 4), (40, 90)):
            problem = Problem.whole(900, f, 1, k, np.float32, f)
            parts = (problem.rows, problem.centers, problem.origin)
            same(nearest(kernels, problem), um.ops.nearest(*parts, impl="generic"))


class TestAssign:
    @given(**SHAPES)
    def test_is_exact_on_small_integers(self, kernels, n, f, s, k, dtype, layout, seed, offset):
        problem = Problem.whole(n, f, s, k, dtype, seed, offset)
        parts = (problem.rows, problem.centers, problem.origin, problem.norms)
        same(assign(kernels, problem, layout), um.ops.assign(*parts, impl="generic"))

    @given(n=SHAPES["n"], f=st.integers(1, 20), s=SHAPES["s"], k=st.integers(1, 20), seed=SEEDS)
    def test_every_way_is_exact_on_small_integers(self, kernels, way, n, f, s, k, seed):
        for dtype in (np.float32, np.float64):
            problem = Problem.whole(n, f, s, k, dtype, seed)
            parts = (problem.rows, problem.centers, problem.origin, problem.norms)
            same(assign(kernels, problem), um.ops.assign(*parts, impl="generic"))

    @given(
        n=st.integers(1, 300),
        f=st.integers(1, 30),
        k=st.integers(1, 8),
        dtype=DTYPES,
        offset=st.sampled_from([0.0, 1e3]),
        seed=SEEDS,
    )
    def test_agrees_to_rounding(self, kernels, way, n, f, k, dtype, offset, seed):
        problem = Problem.real(n, f, 2, k, dtype, seed, offset)
        seen = assign(kernels, problem)
        labels, _ = nearest(kernels, problem)
        squared = problem.squared()
        members = labels.T[:, None, :] == np.arange(k)[:, None]
        scale = problem.norms.astype(float).max() + np.finfo(dtype).tiny
        allowed = tolerance("kmeans", dtype) * (scale + np.max(squared)) + (
            4 * np.finfo(dtype).eps * offset
        )
        np.testing.assert_array_equal(seen.counts, members.sum(axis=2))
        sums = members.astype(float) @ problem.rows.astype(float)
        size = np.max(np.abs(problem.rows.astype(float)))
        assert np.all(np.abs(seen.sums - sums) <= tolerance("kmeans", dtype) * n * size)
        least = squared.min(axis=2)
        assert np.all(np.abs(seen.inertia - least.sum(axis=0)) <= n * allowed)
        assert np.all(np.abs(seen.farthest - least.max(axis=0)) <= allowed)
        for start in range(2):
            at = np.flatnonzero(np.all(problem.rows == seen.outlier[start], axis=1))
            assert np.max(least[at, start]) >= least[:, start].max() - allowed

    @pytest.mark.parametrize("n", SIZES)
    def test_the_farthest_of_equals_is_the_first(self, kernels, way, n):
        rows = 2.0 * (np.arange(n)[:, None] >> np.arange(10) & 1) - 1  # unlike, and equally far
        rows[: n // 3] = 0
        zeros = np.zeros((1, 1, 10), np.float32)
        seen = assign(kernels, Problem(rows.astype(np.float32), zeros, zeros[0, 0]))
        assert seen.farthest[0] == 10
        np.testing.assert_array_equal(seen.outlier[0], rows[n // 3])
        assert seen.inertia[0] == 10 * (n - n // 3)

    def test_clusters_may_be_empty(self, kernels, way):
        problem = Problem.whole(90, 4, 2, 6, np.float32, 3)
        problem.centers[:, ::2] += 100
        seen = assign(kernels, problem)
        assert not np.any(seen.counts[:, ::2])
        assert not np.any(seen.sums[:, ::2])
        assert np.all(seen.counts.sum(axis=1) == 90)

    def test_one_cluster_may_hold_all(self, kernels, way):
        problem = Problem.whole(1500, 3, 1, 40, np.float64, 3)
        problem.centers[:, 1:] += 100
        seen = assign(kernels, problem)
        np.testing.assert_array_equal(seen.sums[0, 0], problem.rows.sum(axis=0))

    def test_sums_of_many_starts_take_turns(self, kernels):
        problem = Problem.whole(90, 130, 7, 31, np.float32, 0)
        assert kmeans.fused_shared(7, 31, 130, 4, 4, 1) > kmeans.MOST_SHARED
        assert kmeans.column_centers(4) < 7 * 31
        parts = (problem.rows, problem.centers, problem.origin, problem.norms)
        same(assign(kernels, problem), um.ops.assign(*parts, impl="generic"))

    def test_partial_sums_are_added_in_several_rounds(self, kernels, way):
        problem = Problem.whole(64 * (kmeans.GROUP + 3), 2, 1, 2, np.float32, 0)
        parts = (problem.rows, problem.centers, problem.origin, problem.norms)
        same(assign(kernels, problem), um.ops.assign(*parts, impl="generic"))

    @pytest.mark.parametrize("per_block", [128, 4096])
    def test_a_block_takes_many_tiles(self, kernels, way, monkeypatch, per_block):
        monkeypatch.setattr(kmeans, "_rows_of_block", lambda *_: per_block)
        problem = Problem.whole(1111, 6, 2, 5, np.float32, 0)
        parts = (problem.rows, problem.centers, problem.origin, problem.norms)
        same(assign(kernels, problem), um.ops.assign(*parts, impl="generic"))

    def test_many_centres_are_sorted(self, kernels):
        problem = Problem.whole(700, 50, 2, 97, np.float32, 5)
        parts = (problem.rows, problem.centers, problem.origin, problem.norms)
        same(assign(kernels, problem), um.ops.assign(*parts, impl="generic"))

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_any_order_of_threads_gives_the_same_bits(self, orders, way, dtype):
        problem = Problem.real(333, 9, 2, 7, dtype, 1)
        runs = [assign(k, problem) for k in orders]
        for run in runs[1:]:
            for a, b in zip(run, runs[0], strict=True):
                assert a.tobytes() == b.tobytes()

    @pytest.mark.parametrize(
        ("s", "k", "f", "dtype", "c", "asks"),
        [
            (1, 32, 64, np.float32, 4, False),
            (5, 8, 64, np.float32, 8, True),
            (2, 30, 60, np.float32, 4, True),
            (1, 8, 130, np.float32, 4, True),
            (3, 4, 5, np.float64, 4, False),
        ],
    )
    def test_shared_memory_stays_in_its_bounds(self, kernels, s, k, f, dtype, c, asks):
        # the emulator fails a launch that touches what lies past the end of its shared memory
        used = kmeans.fused_shared(s, k, f, np.dtype(dtype).itemsize, c, 1)
        assert kmeans.SHARED * asks < used <= kmeans.MOST_SHARED
        problem = Problem.whole(70, f, s, k, dtype, 0)
        parts = (problem.rows, problem.centers, problem.origin, problem.norms)
        same(assign(kernels, problem), um.ops.assign(*parts, impl="generic"))


def test_tables_of_more_than_2_31_numbers(gpu):
    xp, n = gpu.xp, 2**28 + 77
    rows, norms = xp.zeros((n, 8), dtype=np.float32), xp.zeros(n, dtype=np.float32)
    rows[-1], norms[-1] = 3, 72
    centers = xp.asarray([[[0.0] * 8, [2.0] * 8]], dtype=np.float32)
    seen = kmeans.assign_rows(gpu, rows, centers, xp.zeros(8, dtype=np.float32), norms)
    assert on_host(seen.counts).tolist() == [[n - 1, 1]]
    assert on_host(seen.sums)[0].tolist() == [[0] * 8, [3] * 8]
    assert on_host(seen.outlier).tolist() == [[3] * 8]
    labels, _ = kmeans.label_rows(gpu, rows, centers, xp.zeros(8, dtype=np.float32))
    assert int(labels.sum()) == int(labels[-1, 0]) == 1


class TestRace:
    def race(self, kernels, rows, squared, exponentials):
        xp = kernels.xp
        seed = kmeans.race_rows(kernels, *(xp.asarray(a) for a in (rows, squared, exponentials)))
        assert isinstance(seed, um.ops.Seed)
        return um.ops.Seed(*map(on_host, seed))

    @given(
        n=st.one_of(st.sampled_from(SIZES), st.integers(1, 3000)),
        s=st.one_of(st.integers(1, 6), st.sampled_from([31, 257, 300])),
        rows=DTYPES,
        dtype=DTYPES,
        seed=SEEDS,
    )
    def test_is_exact(self, kernels, n, s, rows, dtype, seed):
        draw = np.random.default_rng(seed)
        table = draw.standard_normal((n, 3)).astype(rows)
        squared = draw.integers(0, 3, (n, s)).astype(dtype)  # zero: a centre already
        exponentials = draw.integers(0, 4, (n, s)).astype(dtype)
        found = self.race(kernels, table, squared, exponentials)
        same(found, um.ops.race(table, squared, exponentials, impl="generic"))

    @pytest.mark.parametrize("n", [1, 100, 5000])
    def test_of_equal_times_the_first_wins(self, kernels, n):
        rows = np.arange(float(n))[:, None]
        squared, exponentials = np.ones((n, 2)), np.ones((n, 2))
        squared[: n // 2, 1] = 0
        found = self.race(kernels, rows, squared, exponentials)
        assert list(found.row[:, 0]) == [0, n // 2]

    def test_with_nobody_to_run_the_first_row_comes_at_infinity(self, kernels):
        rows = np.arange(70.0)[:, None]
        found = self.race(kernels, rows, np.zeros((70, 3)), np.ones((70, 3)))
        assert np.all(found.time == np.inf)
        assert np.all(found.row == 0)

    def test_takes_tables_of_mixed_types_and_layouts(self, kernels):
        draw = np.random.default_rng(0)
        rows = draw.standard_normal((90, 2)).astype(np.float32)
        squared = draw.random((3, 90)).astype(np.float32).T
        exponentials = draw.exponential(size=(90, 3))
        found = self.race(kernels, rows, squared, exponentials)
        same(found, um.ops.race(rows, squared, exponentials, impl="generic"))

    def test_any_order_of_threads_gives_the_same_bits(self, orders):
        draw = np.random.default_rng(0)
        rows, squared = draw.standard_normal((4100, 3)), draw.random((4100, 4))
        exponentials = draw.exponential(size=(4100, 4))
        runs = [self.race(k, rows, squared, exponentials) for k in orders]
        for run in runs[1:]:
            same(run, runs[0])
