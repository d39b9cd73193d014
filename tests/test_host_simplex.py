"""The search of N-FINDR in blocks, and starts that leave it when they are done."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import computing_types, seeds, table

import unmix as um
from unmix import ops
from unmix.host import simplex as host


def generic(points):
    """Return the search of `ops.nfindr`, in one product, with the number of forms it was asked."""
    asked = []

    def search(forms, offsets):
        asked.append(len(forms))
        values, at = ops.largest_forms(points, forms, offsets, impl="generic")
        return ops.Found(values.astype(float), at, points[at].astype(float))

    return search, asked


def exhaustive(search, numbers, points):
    """Let every start try every vertex until none of them gains: (s, p), (s, p, p - 1)."""
    numbers, points = numbers.copy(), points.copy()
    gained = True
    while gained:
        gained = False
        for j in range(numbers.shape[1]):
            lifted = np.concatenate([points, np.ones((*numbers.shape, 1))], axis=2)
            forms = np.linalg.inv(lifted)[:, :, j]
            found = search(forms[:, :-1], forms[:, -1])
            larger = found.value > 1 + 1e-9
            numbers[larger, j], points[larger, j] = found.number[larger], found.point[larger]
            gained |= larger.any()
    return np.sort(numbers, axis=1), points


@contextmanager
def blocks_of(n_bytes):
    """Search in blocks of some bytes; apart from the fixture, for hypothesis."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(host, "BLOCK", n_bytes)
        yield


class TestBlocks:
    @given(seed=seeds, dtype=computing_types, n=st.integers(1, 60), s=st.integers(0, 5))
    @pytest.mark.parametrize("block", [1, 64, 500])
    def test_equal_the_whole(self, seed, dtype, n, s, block):
        rng = np.random.default_rng(seed)
        points = rng.integers(-3, 4, (n, 3)).astype(dtype)
        forms, offsets = rng.integers(-3, 4, (s, 3)).astype(float), rng.integers(-3, 4, s) / 2
        with blocks_of(block):
            values, at = ops.largest_forms(
                points, forms, offsets, impl="unmix.host.simplex:largest_forms"
            )
        expected = ops.largest_forms(points, forms, offsets, impl="generic")
        np.testing.assert_array_equal(values, expected[0])
        np.testing.assert_array_equal(at, expected[1])
        assert values.dtype == dtype
        assert at.dtype == np.int64

    def test_ties_go_to_the_lowest_over_blocks(self):
        points = np.asarray([[1.0], [-4], [2], [4], [-4]])
        with blocks_of(16):
            values, at = host.largest_forms(points, np.ones((1, 1)), np.zeros(1))
        assert (values[0], at[0]) == (4, 1)

    def test_change_no_vertex(self):
        points = table(3, (500, 4), np.float32)
        whole = ops.nfindr(points, 5)
        with blocks_of(200):
            found = ops.nfindr(points, 5)
        np.testing.assert_array_equal(found.numbers, whole.numbers)
        np.testing.assert_array_equal(found.history, whole.history)


class TestStarts:
    @given(seed=seeds, p=st.integers(2, 5), n_starts=st.integers(1, 6))
    def test_end_where_all_tried_for_ever_would(self, seed, p, n_starts):
        points = table(seed, (40, p - 1))
        numbers = ops.random_starts(40, p, n_starts, seed)
        search, asked = generic(points)
        found = ops.largest_simplex(search, numbers, points[numbers])
        every, corners = exhaustive(search, numbers, points[numbers])
        volumes = np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1]))
        best = np.argmax(volumes > volumes.max() * (1 - 1e-9))
        np.testing.assert_array_equal(found.numbers, every[best])
        assert asked[0] == n_starts

    def test_leave_when_every_vertex_was_tried(self):
        points = table(0, (300, 3))
        numbers = ops.random_starts(300, 4, 12, 0)
        search, asked = generic(points)
        found = ops.largest_simplex(search, numbers, points[numbers])
        assert asked[0] == 12
        assert asked[-1] < 12
        assert np.all(np.diff(asked) <= 0)
        done = found.numbers[None]
        search, asked = generic(points)
        again = ops.largest_simplex(search, done, points[done])
        assert asked == [1] * 4
        assert again.volume == pytest.approx(found.volume)


def test_numbers_at_positions_are_those_of_the_tile():
    rng = np.random.default_rng(0)
    samples = um.samples(rng.random((6, 7, 5, 3)), 3)
    masked = samples.where(rng.random((6, 7, 5)) < 0.5)
    block = (slice(1, 4), slice(0, 7, 2), slice(2, 5))
    for layout in (samples.layout, masked.layout):
        for where in (block, (slice(None),) * 3):
            numbers = layout.numbers(where)
            positions = rng.integers(0, len(numbers), 20)
            np.testing.assert_array_equal(layout.numbers_at(where, positions), numbers[positions])
    expected = np.arange(6 * 7 * 5).reshape(6, 7, 5)
    np.testing.assert_array_equal(samples.layout.numbers(block), expected[block].ravel())
    np.testing.assert_array_equal(
        masked.layout.numbers(block), expected[block][masked.layout.mask[block]]
    )
