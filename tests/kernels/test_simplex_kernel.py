"""The kernels of the simplex search against the generic operation."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import LAYOUTS, laid_out, on_host
from hypothesis import given
from hypothesis import strategies as st
from tolerances import tolerance

import unmix as um
from unmix.cuda import simplex

pytestmark = pytest.mark.kernels

SIZES = [1, 2, 31, 32, 33, 63, 97, 127, 128, 129, 255, 257, 511, 513, 1021]
DTYPES = st.sampled_from([np.float32, np.float64])
SEEDS = st.integers(0, 2**32 - 1)


def reference(points, forms, offsets):
    return um.ops.largest_forms(points, forms, offsets, impl="generic")


def search(kernels, points, forms, offsets, **options):
    found = simplex.search(kernels, points, forms, offsets, **options)
    values, positions = map(on_host, found)
    assert values.dtype == points.dtype
    assert positions.dtype == np.int64
    assert values.shape == positions.shape == (len(forms),)
    return values, positions


@given(
    n=st.one_of(st.sampled_from(SIZES), st.integers(1, 600)),
    d=st.integers(1, 27),
    s=st.integers(1, 20),
    dtype=DTYPES,
    layout=st.sampled_from(LAYOUTS),
    reach=st.integers(0, 4),
    seed=SEEDS,
)
def test_is_exact_on_small_integers_and_ties_go_to_the_lowest(
    kernels, n, d, s, dtype, layout, reach, seed
):
    draw = np.random.default_rng(seed)
    points = draw.integers(-reach, reach + 1, (n, d)).astype(dtype)
    forms = draw.integers(-2, 3, (s, d)).astype(float)
    offsets = draw.integers(-2, 3, s).astype(float)
    found = search(kernels, laid_out(kernels.xp, points, layout), forms, offsets)
    for ours, theirs in zip(found, reference(points, forms, offsets), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@given(
    n=st.integers(1, 400),
    d=st.integers(1, 40),
    s=st.integers(1, 12),
    dtype=DTYPES,
    offset=st.sampled_from([0.0, 1.0, 1e4]),
    seed=SEEDS,
)
def test_agrees_to_rounding(kernels, n, d, s, dtype, offset, seed):
    draw = np.random.default_rng(seed)
    points = (draw.standard_normal((n, d)) + offset).astype(dtype)
    forms, offsets = draw.standard_normal((s, d)), draw.standard_normal(s)
    values, positions = search(kernels, kernels.xp.asarray(points), forms, offsets)
    exact = np.abs(points.astype(float) @ forms.T + offsets)
    scale = np.max(np.abs(points)) * np.sum(np.abs(forms), axis=1) + np.abs(offsets)
    allowed = tolerance("nfindr", dtype) * scale
    assert np.all(np.abs(values - exact.max(axis=0)) <= allowed)
    assert np.all(exact[positions, np.arange(s)] >= exact.max(axis=0) - allowed)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("d", [3, 7, 24, 25])
@pytest.mark.parametrize("n", SIZES)
def test_finds_the_last_row_and_the_first_of_equals(kernels, n, d, dtype):
    points = np.zeros((n, d), dtype=dtype)
    points[-1] = -1
    forms = np.stack([np.ones(d), np.zeros(d)])
    values, positions = search(kernels, kernels.xp.asarray(points), forms, np.asarray([0.0, 2.0]))
    assert list(values) == [d, 2]
    assert list(positions) == [n - 1, 0]


@pytest.mark.parametrize(("d", "dtype"), [(24, np.float64), (4, np.float32), (30, np.float32)])
def test_takes_more_forms_than_fit_at_once(kernels, d, dtype):
    s = 3 * simplex.forms_at_once(10_000, d, np.dtype(dtype).itemsize) + 1 if d <= 24 else 50
    draw = np.random.default_rng(s)
    points = draw.integers(-3, 4, (70, d)).astype(dtype)
    forms, offsets = draw.integers(-3, 4, (s, d)).astype(float), np.zeros(s)
    found = search(kernels, kernels.xp.asarray(points), forms, offsets)
    for ours, theirs in zip(found, reference(points, forms, offsets), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("d", [5, 26])
def test_few_blocks_walk_over_many_rows(kernels, monkeypatch, d):
    monkeypatch.setattr(simplex, "MOST_BLOCKS", 2)
    draw = np.random.default_rng(d)
    points = draw.integers(-3, 4, (5003, d)).astype(np.float32)
    forms, offsets = draw.integers(-3, 4, (9, d)).astype(float), np.zeros(9)
    found = search(kernels, kernels.xp.asarray(points), forms, offsets)
    for ours, theirs in zip(found, reference(points, forms, offsets), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_rising_values_move_the_peak_at_every_row(kernels):
    points = np.arange(1.0, 2001.0)[:, None]
    forms = np.asarray([[1.0], [-1.0]])
    values, positions = search(kernels, kernels.xp.asarray(points), forms, np.zeros(2))
    assert list(values) == [2000, 2000]
    assert list(positions) == [1999, 1999]


@pytest.mark.parametrize("d", [2, 29])
def test_nan_never_wins(kernels, d):
    draw = np.random.default_rng(7)
    points = draw.integers(-5, 6, (300, d)).astype(np.float32)
    holes = draw.random(300) < 0.5
    whole = points.copy()
    points[holes, draw.integers(0, d)] = np.nan
    whole[holes] = 0
    forms, offsets = draw.integers(-3, 4, (8, d)).astype(float), np.zeros(8)
    forms[:, :] += forms == 0
    values, positions = search(kernels, kernels.xp.asarray(points), forms, offsets)
    np.testing.assert_array_equal(values, reference(whole, forms, offsets)[0])
    assert not np.any(holes[positions])
    nothing = np.full((40, d), np.nan)
    values, positions = search(kernels, kernels.xp.asarray(nothing), forms, offsets)
    assert np.all(np.isnan(values))
    assert not np.any(positions)


def test_infinity_wins(kernels):
    points = np.zeros((50, 3))
    points[20, 1] = -np.inf
    values, positions = search(kernels, kernels.xp.asarray(points), np.ones((1, 3)), np.zeros(1))
    assert values[0] == np.inf
    assert positions[0] == 20


def test_no_forms_give_no_answers(kernels):
    points = kernels.xp.ones((5, 3))
    values, positions = search(kernels, points, np.empty((0, 3)), np.empty(0))
    assert values.size == positions.size == 0


@pytest.mark.parametrize("d", [3, 30])
@pytest.mark.parametrize("first", [0, 2**31 - 7, 2**31 + 5, 2**40 - 1000])
def test_counts_rows_beyond_32_bits(kernels, d, first):
    # one row, repeated without being stored: only the last of its numbers are looked at
    row = np.arange(1.0, d + 1.0, dtype=np.float32)
    strided = kernels.xp.lib.stride_tricks.as_strided
    points = strided(kernels.xp.asarray(row), shape=(first + 601, d), strides=(0, 4))
    values, positions = search(kernels, points, np.ones((2, d)), np.zeros(2), first=first)
    assert list(positions) == [first, first]
    assert list(values) == [row.sum()] * 2


@pytest.mark.parametrize("columns_first", [False, True])
def test_tables_of_more_than_2_31_numbers(gpu, columns_first):
    n, d = 2**28 + 77, 9
    shape = (d, n) if columns_first else (n, d)
    points = gpu.xp.zeros(shape, dtype=np.float32)
    points = points.T if columns_first else points
    points[-1] = 1
    values, positions = search(gpu, points, np.ones((1, d)), np.zeros(1))
    assert (values[0], positions[0]) == (d, n - 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "d", "s"), [(777, 7, 11), (300, 23, 5), (290, 33, 18)])
def test_any_order_of_threads_gives_the_same_bits(orders, n, d, s, dtype):
    draw = np.random.default_rng(n)
    points = draw.standard_normal((n, d)).astype(dtype)
    points[n // 2 :] = points[: n - n // 2]  # every value comes twice
    forms, offsets = draw.standard_normal((s, d)), draw.standard_normal(s)
    runs = [search(k, k.xp.asarray(points), forms, offsets) for k in orders]
    assert np.all(runs[0][1] < n - n // 2)
    for values, positions in runs[1:]:
        assert values.tobytes() == runs[0][0].tobytes()
        assert positions.tobytes() == runs[0][1].tobytes()
