"""Steps that remember the last one: no sample that may have changed its cluster is passed over."""

from __future__ import annotations

import numpy as np
import pytest
from backends import Backend
from hypothesis import given
from hypothesis import strategies as st
from strategies import computing_types, seeds
from tolerances import tolerance

from unmix import ops
from unmix._dispatch import ROUTES

TWINS = ["generic", *(route.target for route in ROUTES["reassign"])]


@pytest.fixture(params=TWINS, ids=[t.split(":")[0] for t in TWINS])
def impl(request):
    """Each implementation for NumPy."""
    if "compiled" in request.param:
        pytest.importorskip("numba")
    return request.param


def walk(impl, x, path, origin):
    """Follow centres (steps, s, k, f) and yield all that is known after each step."""
    n, (s, k, f) = len(x), path.shape[1:]
    norms = ops.squared_norms(x, origin)
    known, drift = np.full((n, 2 * s), -1, x.dtype), np.zeros((s, k))
    counts, sums, previous = np.zeros((s, k)), np.zeros((s, k, f)), path[0]
    for centers in path:
        drift += ops.drifts(centers, previous)
        seen = ops.reassign(x, centers, origin, norms, known, drift.astype(x.dtype), impl=impl)
        looked_at = np.count_nonzero(seen.known[:, s:] != known[:, s:])
        counts, sums, known, previous = counts + seen.counts, sums + seen.sums, seen.known, centers
        yield centers, known, counts, sums, looked_at


class TestReassign:
    @given(
        n=st.integers(1, 150),
        s=st.integers(1, 2),
        k=st.integers(1, 6),
        f=st.sampled_from([1, 2, 3, 5, 33, 40]),
        pace=st.sampled_from([0.001, 0.03, 1.0]),
        offset=st.sampled_from([0.0, 10.0, 1e3]),
        seed=seeds,
        dtype=computing_types,
    )
    def test_never_passes_over_a_sample_that_changes(
        self, impl, n, s, k, f, pace, offset, seed, dtype
    ):
        rng = np.random.default_rng(seed)
        x = (rng.standard_normal((n, f)) + offset).astype(dtype)
        steps = pace * rng.standard_normal((6, s, k, f)) * rng.choice([0, 1], (6, s, k, 1))
        path = (np.cumsum(steps, axis=0) + rng.standard_normal((s, k, f)) + offset).astype(dtype)
        origin = x.mean(axis=0)
        for centers, known, counts, sums, _ in walk(impl, x, path, origin):
            for i in range(s):
                exact = np.sum((x[:, None].astype(float) - centers[i].astype(float)) ** 2, axis=2)
                labels = known[:, i].astype(int)
                mine = np.take_along_axis(exact, labels[:, None], axis=1)[:, 0]
                scale = max(exact.max(), 1) * min(1 + offset, 16)
                assert np.all(mine <= exact.min(axis=1) + tolerance("kmeans", dtype) * scale)
                np.testing.assert_array_equal(counts[i], np.bincount(labels, minlength=k))
                for j in range(k):
                    members = x[labels == j].sum(axis=0, dtype=float)
                    last = tolerance("kmeans", dtype) * n * (10 + offset)
                    np.testing.assert_allclose(sums[i, j], members, rtol=0, atol=last)

    def test_looks_only_where_a_label_may_change(self, impl):
        """Two groups ten apart and one sample between them; the centres move by a hundredth."""
        x = np.array([[0.0], [1.0], [5.1], [10.0], [11.0]])
        path = np.array([[[[0.5], [10.5]]], [[[0.51], [10.49]]], [[[0.5], [9.0]]]])
        seen = [(looked_at, k[:, 0]) for _, k, _, _, looked_at in walk(impl, x, path, x[0])]
        assert [looked_at for looked_at, _ in seen] == [5, 0, 1]
        np.testing.assert_array_equal(seen[1][1], [0, 0, 0, 1, 1])
        np.testing.assert_array_equal(seen[2][1], [0, 0, 1, 1, 1])

    def test_ties_go_to_the_lowest_and_are_looked_at_again(self, impl):
        x = np.array([[1.0, 0], [3.0, 0]])
        path = np.tile(np.array([[[0.0, 0], [2, 0], [2, 0]]]), (2, 1, 1, 1))
        _, (_, known, counts, _, _) = walk(impl, x, path, np.zeros(2))
        np.testing.assert_array_equal(known[:, 0], [0, 1])
        np.testing.assert_array_equal(counts, [[1, 1, 0]])
        assert np.all(known[:, 1] <= 0)

    def test_leaves_its_arguments_alone(self, impl):
        x, centers = np.eye(3), np.eye(3)[None, :2]
        known = np.full((3, 2), -1.0)
        args = (x, centers, x[0], ops.squared_norms(x, x[0]), known, np.zeros((1, 2)))
        before = [a.copy() for a in args]
        ops.reassign(*args, impl=impl)
        for a, b in zip(args, before, strict=True):
            np.testing.assert_array_equal(a, b)

    @pytest.mark.parametrize("order", ["F", "reversed", "read-only"])
    def test_takes_rows_however_they_lie(self, impl, order):
        x = np.random.default_rng(0).standard_normal((70, 5))
        rows = {"F": np.asfortranarray(x), "reversed": x[::-1].copy()[::-1]}.get(order, x.copy())
        rows.flags.writeable = order != "read-only"
        if order == "reversed" and impl != "generic":
            return  # declined: see test_routes
        args = (
            x[None, :3],
            x[0],
            ops.squared_norms(x, x[0]),
            np.full((70, 2), -1.0),
            np.zeros((1, 3)),
        )
        for a, b in zip(
            ops.reassign(rows, *args, impl=impl), ops.reassign(x, *args, impl=impl), strict=True
        ):
            np.testing.assert_array_equal(a, b)


def test_nearest_of_every_twin_cuts_rows_into_blocks_without_a_seam():
    """More rows than a block holds, and a last block that is not full."""
    x = np.random.default_rng(1).integers(-4, 5, (5001, 3)).astype(float)
    centers = x[:14].reshape(2, 7, 3)
    expected = ops.nearest(x, centers, x[0], impl="generic")
    for route in ROUTES["nearest"]:
        if route.takes(Backend.NUMPY.xp) and route.declines(x) is None:
            for a, b in zip(
                ops.nearest(x, centers, x[0], impl=route.target), expected, strict=True
            ):
                np.testing.assert_array_equal(a, b)


class TestDrifts:
    def test_are_the_own_move_and_the_longest_of_the_others(self, backend):
        before = np.zeros((2, 3, 2), np.float32)
        after = np.array([[[3, 4], [0, 0], [0, 1]], [[0, 2], [0, 2], [0, 0]]], np.float32)
        got = ops.drifts(backend.asarray(after), backend.asarray(before))
        np.testing.assert_array_equal(backend.numpy(got), [[6, 5, 6], [4, 4, 2]])

    def test_of_one_cluster_is_its_own_move(self, backend):
        got = ops.drifts(backend.asarray([[[3.0, 4.0]]]), backend.asarray([[[0.0, 0.0]]]))
        np.testing.assert_array_equal(backend.numpy(got), [[5]])
