"""N-FINDR against brute force, and the geometry that it rests on."""

from __future__ import annotations

import re
from itertools import combinations
from math import factorial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import computing_types, seeds, table
from threadpoolctl import threadpool_limits
from tolerances import tolerance

from unmix import ops
from unmix._errors import DataError, ShapeError
from unmix.ops import simplex


@pytest.fixture(autouse=True)
def one_thread():
    """Small products are slowed down by threads that wait for one another."""
    with threadpool_limits(1):
        yield


TRIPLES = np.array(list(combinations(range(40), 3)))


def volume(points):
    """Return the volume of one simplex (p, p - 1)."""
    return abs(np.linalg.det(points[1:] - points[0])) / factorial(len(points) - 1)


def largest_triangle(points):
    """Return the largest area over all triples of forty points."""
    a, b, c = points[TRIPLES.T]
    ab, ac = (b - a).T, (c - a).T
    return np.abs(ab[0] * ac[1] - ab[1] * ac[0]).max() / 2


def host_search(points):
    """Return the search over points in memory."""

    def search(forms, offsets):
        values = np.abs(forms @ points.T + offsets[:, None])
        at = values.argmax(axis=1)
        return ops.Found(values.max(axis=1), at, points[at])

    return search


@st.composite
def mixtures(draw):
    """Draw pure points (p, p - 1), and a table in which they stand among their mixtures."""
    p, seed = draw(st.integers(2, 6)), draw(seeds)
    rng = np.random.default_rng(seed)
    pure = rng.standard_normal((p, p - 1)) + 2 * np.eye(p)[:, : p - 1]
    shares = rng.dirichlet(np.ones(p), draw(st.integers(0, 60)))
    at = rng.permutation(p + len(shares))
    points = np.concatenate([pure, shares @ pure])[at]
    return pure, points, np.sort(np.argsort(at)[:p])


class TestBruteForce:
    @pytest.mark.parametrize("kind", ["normal", "triangle", "skewed"])
    def test_multi_start_finds_the_global_maximum(self, kind):
        """Acceptance: on 200 random problems in at least 99 of 100."""
        hits = 0
        for seed in range(200):
            rng = np.random.default_rng(seed)
            points = {
                "normal": rng.standard_normal((40, 2)),
                "triangle": rng.dirichlet(np.ones(3), 40) @ rng.standard_normal((3, 2)),
                "skewed": rng.exponential(size=(40, 2)) @ np.array([[1, 0.9], [0, 0.1]]),
            }[kind]
            best = largest_triangle(points)
            found = ops.nfindr(points, 3, key=seed)
            assert found.volume <= best * (1 + 1e-12)
            hits += found.volume >= best * (1 - 1e-9)
        assert hits >= 198

    def test_every_backend_finds_the_same(self, backend):
        for seed in range(8):
            points = table(seed, (40, 2))
            found = ops.nfindr(backend.asarray(points), 3, key=seed)
            reference = ops.nfindr(points, 3, key=seed)
            np.testing.assert_array_equal(found.numbers, reference.numbers)
            assert found.volume == pytest.approx(reference.volume, rel=1e-12)

    @given(seed=seeds, p=st.integers(2, 6), n=st.integers(0, 100), dtype=computing_types)
    def test_no_exchange_of_one_vertex_is_larger(self, backend, seed, p, n, dtype):
        points = table(seed, (p + n, p - 1), dtype)
        found = ops.nfindr(backend.asarray(points), p, n_starts=2, key=seed % 100)
        assert found.numbers.dtype == np.int64
        wide = points.astype(float)
        np.testing.assert_array_equal(found.points, wide[found.numbers])
        assert found.volume == pytest.approx(volume(found.points), rel=1e-9)
        others = np.broadcast_to(found.points, (p, len(wide), p, p - 1)).copy()
        for j in range(p):
            others[j, :, j] = wide
        largest = np.exp(simplex.log_volumes(others.reshape(-1, p, p - 1))).max()
        assert largest <= found.volume * (1 + tolerance("nfindr", dtype))


class TestHistory:
    @given(seed=seeds, p=st.integers(2, 6), n=st.integers(0, 60), n_starts=st.integers(0, 5))
    def test_never_falls(self, backend, seed, p, n, n_starts):
        points = table(seed, (p + n, p - 1))
        found = ops.nfindr(backend.asarray(points), p, n_starts=n_starts)
        assert np.all(np.diff(found.history) >= 0)
        assert found.history[-1] == found.volume
        assert np.all(np.diff(found.history[:-1]) > 0) or len(found.history) < 3
        assert len(np.unique(found.numbers)) == p
        assert np.all(np.diff(found.numbers) > 0)

    @given(seed=seeds, p=st.integers(2, 6))
    def test_never_falls_from_thin_starts(self, seed, p):
        """Starts of nearly no volume, and of no volume at all."""
        rng = np.random.default_rng(seed)
        points = rng.standard_normal((50, p - 1))
        numbers = np.array([rng.choice(50, p, replace=False) for _ in range(4)])
        starts = points[numbers]
        starts[1] = starts[0].mean(axis=0) + 1e-5 * (starts[1] - starts[1].mean(axis=0))
        starts[2] = starts[2, :1]
        found = ops.largest_simplex(host_search(points), numbers, starts)
        assert np.all(np.diff(found.history) >= 0)
        assert found.volume >= max(volume(points[n]) for n in numbers[[0, 3]])
        assert found.volume == pytest.approx(volume(points[found.numbers]), rel=1e-9)

    def test_more_starts_are_never_worse(self):
        for seed in range(20):
            points = table(seed, (60, 4))
            volumes = [ops.nfindr(points, 5, n_starts=n, key=3).volume for n in (0, 1, 4, 16)]
            assert np.all(np.diff(volumes) >= -1e-9 * volumes[-1])

    def test_starts_are_those_of_the_key(self):
        a = ops.random_starts(100, 4, 6, 1)
        assert a.shape == (6, 4)
        np.testing.assert_array_equal(a, ops.random_starts(100, 4, 6, 1))
        np.testing.assert_array_equal(a[:3], ops.random_starts(100, 4, 3, 1))
        assert not np.array_equal(a, ops.random_starts(100, 4, 6, 2))
        assert all(len(set(row)) == 4 for row in ops.random_starts(5, 4, 50, 3).tolist())
        assert ops.random_starts(5, 4, 0, 3).shape == (0, 4)


class TestPurePoints:
    @given(drawn=mixtures(), dtype=computing_types)
    def test_are_found(self, backend, drawn, dtype):
        pure, points, numbers = drawn
        found = ops.nfindr(backend.asarray(points.astype(dtype)), len(pure))
        np.testing.assert_array_equal(found.numbers, numbers)
        assert found.volume == pytest.approx(volume(pure), rel=tolerance("nfindr", dtype) * 100)

    @given(drawn=mixtures(), seed=seeds, scale=st.sampled_from([1e-6, 1.0, 1e6]))
    def test_do_not_depend_on_where_the_data_lies(self, backend, drawn, seed, scale):
        """Rotated, mirrored, moved, scaled and sheared: the volume only gets a factor."""
        pure, points, numbers = drawn
        rng = np.random.default_rng(seed)
        d = points.shape[1]
        turn, _ = np.linalg.qr(rng.standard_normal((d, d)))
        shear = np.eye(d) + 0.3 * np.triu(rng.standard_normal((d, d)), 1)
        moved = scale * (points @ turn @ shear + 5 * rng.standard_normal(d))
        found = ops.nfindr(backend.asarray(moved), len(pure))
        np.testing.assert_array_equal(found.numbers, numbers)
        assert found.volume == pytest.approx(volume(pure) * scale**d, rel=1e-8)

    def test_on_a_line_are_its_ends(self, backend):
        found = ops.nfindr(backend.asarray([[3.0], [-1.0], [7.0], [7.0], [2.0]]), 2)
        np.testing.assert_array_equal(found.numbers, [1, 2])
        assert found.volume == pytest.approx(8)


class TestTies:
    """On small integers, where sums are exact."""

    def test_of_a_form_go_to_the_lowest(self, backend):
        points = backend.asarray([[0, 1], [2, 0], [-2, 0], [0, 2], [2, 0]], "float64")
        values, at = ops.largest_forms(points, np.array([[1.0, 0], [0, -1], [0, 0]]), np.zeros(3))
        np.testing.assert_array_equal(backend.numpy(values), [2, 2, 0])
        np.testing.assert_array_equal(backend.numpy(at), [1, 3, 0])
        values, at = ops.largest_forms(points, np.array([[1.0, 0]]), np.array([-1.0]))
        np.testing.assert_array_equal(backend.numpy(values), [3])
        np.testing.assert_array_equal(backend.numpy(at), [2])

    def test_of_a_distance_go_to_the_lowest(self, backend):
        points = backend.asarray([[0, 1], [3, 0], [-3, 0], [0, 3]], "float64")
        assert ops.farthest_point(points, np.zeros(2)) == (9.0, 1)
        assert ops.farthest_point(points, np.array([1.0, 0.0])) == (16.0, 2)

    @given(seed=seeds, dtype=computing_types)
    def test_of_duplicates_go_to_the_lowest(self, backend, seed, dtype):
        rng = np.random.default_rng(seed)
        triangle = np.array([[0, 0], [8, 0], [0, 8]])
        inside = np.array([[1, 1], [2, 3], [4, 1], [3, 3]])
        points = np.concatenate([triangle, inside])[rng.permutation(np.arange(42) % 7)]
        found = ops.nfindr(backend.asarray(points, dtype), 3, n_starts=5, key=seed)
        first = [np.flatnonzero(np.all(points == corner, axis=1))[0] for corner in triangle]
        assert found.volume == pytest.approx(32)
        np.testing.assert_array_equal(found.numbers, np.sort(first))

    def test_of_a_square_are_the_same_on_every_backend(self, backend):
        """Four triangles of equal area."""
        square = [[0, 0], [4, 0], [4, 4], [0, 4], [2, 2]]
        found = ops.nfindr(backend.asarray(square, "float64"), 3)
        assert found.volume == pytest.approx(8)
        np.testing.assert_array_equal(found.numbers, [0, 1, 2])


class TestExchange:
    @given(seed=seeds, p=st.integers(2, 6))
    def test_a_barycentric_coordinate_is_a_ratio_of_volumes(self, seed, p):
        """|b_j(x)| = V(v_j -> x) / V: what makes a sweep one matrix product."""
        rng = np.random.default_rng(seed)
        corners, points = rng.standard_normal((p, p - 1)), rng.standard_normal((20, p - 1))
        seen = []

        def search(forms, offsets):
            seen.append((forms[0], offsets[0]))
            return ops.Found(np.ones(1), np.zeros(1, int), corners[:1])  # never larger

        kept = ops.largest_simplex(search, np.arange(p)[None], corners[None])
        assert len(seen) == p
        assert kept.volume == pytest.approx(volume(corners))
        coordinates = np.array([points @ form + offset for form, offset in seen])
        np.testing.assert_allclose(coordinates.sum(axis=0), 1, atol=1e-8)
        np.testing.assert_allclose(coordinates.T @ corners, points, atol=1e-8)
        for j, of_points in enumerate(coordinates):
            for b, x in zip(of_points, points, strict=True):
                other = corners.copy()
                other[j] = x
                assert volume(other) == pytest.approx(abs(b) * volume(corners), rel=1e-7, abs=1e-10)

    @pytest.mark.parametrize(("gain", "taken"), [(1e-3, 3), (1e-7, 3), (1e-12, 2), (0.0, 2)])
    def test_takes_any_gain_above_rounding(self, gain, taken):
        points = np.array([[0.0, 0], [1, 0], [0, 1], [0, 1 + gain]])
        found = ops.largest_simplex(host_search(points), np.arange(3)[None], points[None, :3])
        np.testing.assert_array_equal(found.numbers, [0, 1, taken])

    @given(seed=seeds, d=st.integers(1, 5))
    def test_growth_takes_the_farthest_from_the_hull(self, seed, d):
        points = table(seed, (30, d))
        numbers, corners = ops.grow_simplex(host_search(points), 3, points[3])
        assert numbers[0] == 3
        np.testing.assert_array_equal(corners, points[numbers])
        # it takes the largest coordinate in some orthonormal basis of what is orthogonal to the
        # hull: not less than 1 / sqrt(its dimension) of the largest distance
        for k in range(1, d + 1):
            edges = corners[1:k] - corners[0]
            away = points - corners[0]
            if k > 1:
                q, _ = np.linalg.qr(edges.T)
                away = away - away @ q @ q.T
            distances = np.linalg.norm(away, axis=1)
            assert distances[numbers[k]] >= distances.max() / np.sqrt(d - k + 1) * (1 - 1e-9)
        assert volume(corners) > 0

    def test_volumes_of_known_simplices(self):
        for p in range(2, 7):
            corner = np.concatenate([np.zeros((1, p - 1)), np.eye(p - 1)])
            got = np.exp(simplex.log_volumes(np.stack([corner, 2 * corner, 0 * corner])))
            unit = 1 / factorial(p - 1)
            np.testing.assert_allclose(got, [unit, 2 ** (p - 1) * unit, 0], rtol=1e-14)


class TestRefusal:
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize("offset", [0.0, 10.0])
    @pytest.mark.parametrize("rank", [0, 1, 2])
    def test_of_points_that_span_too_little(self, backend, dtype, offset, rank):
        """Also where rounding lifts them out of their plane by a last digit."""
        rng = np.random.default_rng(0)
        flat = rng.standard_normal((50, rank)) @ rng.standard_normal((rank, 3))
        points = (flat + offset).astype(dtype)
        message = (
            f"the samples span {rank} dimensions; 4 endmembers need 3: ask for at most {rank + 1}"
        )
        with pytest.raises(DataError, match=message):
            ops.nfindr(backend.asarray(points), 4)

    def test_of_fewer_samples_than_endmembers(self, backend):
        with pytest.raises(DataError, match="the samples span 1 dimensions; 4 endmembers need 3"):
            ops.nfindr(backend.asarray(table(0, (2, 3))), 4)

    @pytest.mark.parametrize("shape", [(20, 3), (20, 1), (20,)])
    def test_of_coordinates_of_another_number(self, backend, shape):
        message = f"the points have shape {shape}; expected (n, 2): one coordinate less than the 3"
        with pytest.raises(ShapeError, match=re.escape(message)):
            ops.nfindr(backend.asarray(np.ones(shape)), 3)
