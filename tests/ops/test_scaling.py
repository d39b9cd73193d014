"""Statistics and scalings against NumPy, with features that stand for several entries."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import computing_types, seeds, table
from tolerances import tolerance

from unmix import ops
from unmix._errors import DataError, ParameterError


def by_numpy(values, kind, axis):
    """Scale whole, unpacked values along an axis (None: all together)."""
    values = values.astype(float)
    common = {"axis": axis, "keepdims": True}
    if kind == "minmax":
        shift, size = values.min(**common), np.ptp(values, **common)
    elif kind == "unit_sum":
        shift, size = 0.0, values.sum(**common)
    elif kind == "unit_norm":
        shift, size = 0.0, np.sqrt((values**2).sum(**common))
    else:
        shift, size = values.mean(**common), values.std(**common)
    return (values - shift) / np.where(size == 0, 1, size)


def statistics(backend, rows, counts, axis):
    """Return the statistics over rows, columns or all."""
    if axis == 1:
        return ops.row_statistics(rows, counts)
    # in two parts, as tiles are
    n = rows.shape[0]
    cut = max(1, n // 2)
    seen = ops.column_statistics(rows[:cut, :])
    if cut < n:
        seen = ops.merge_statistics(seen, ops.column_statistics(rows[cut:, :]))
    return seen if axis == 0 else ops.pooled(seen, counts)


@pytest.mark.parametrize("kind", [k for k in ops.KINDS if k != "robust"])
class TestScaled:
    @given(
        n=st.integers(1, 20),
        f=st.integers(1, 8),
        axis=st.sampled_from([0, 1, None]),
        counted=st.booleans(),
        seed=seeds,
        dtype=computing_types,
    )
    def test_equals_numpy_on_all_entries(self, backend, kind, n, f, axis, counted, seed, dtype):
        rng = np.random.default_rng(seed)
        packed = (rng.exponential(size=(n, f)) + 0.1).astype(dtype)
        counts = rng.integers(1, 3, f) if counted else None
        entries = packed if counts is None else np.repeat(packed, counts, axis=1)
        expected = by_numpy(entries, kind, axis)
        rows = backend.asarray(packed)
        got = ops.scaled(rows, statistics(backend, rows, counts, axis), kind)
        assert backend.owns(got)
        assert got.dtype == rows.dtype
        host = backend.numpy(got)
        whole = host if counts is None else np.repeat(host, counts, axis=1)
        spread = entries.std(axis=axis, keepdims=True) if kind == "standard" else np.ones(1)
        # near equal values are spread to one: their last digit grows with them
        atol = tolerance("scaling", dtype) * np.max(
            np.where(spread > 0, 1 / np.maximum(spread, 1e-30), 1)
        )
        if kind == "minmax":
            wide = np.ptp(entries.astype(float), axis=axis, keepdims=True)
            atol *= np.max(np.where(wide > 0, 1 / np.maximum(wide, 1e-30), 1))
        np.testing.assert_allclose(whole, expected, rtol=0, atol=10 * atol)

    @pytest.mark.parametrize("axis", [0, 1, None])
    @pytest.mark.parametrize("value", [0.0, 0.1, -3.0, 1e5])
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_of_constants(self, backend, kind, axis, value, dtype):
        """Zero after minmax and standard; no division by zero in any."""
        rows = backend.asarray(np.full((4, 6), value), dtype)
        got = backend.numpy(ops.scaled(rows, statistics(backend, rows, None, axis), kind))
        n = {0: 4, 1: 6, None: 24}[axis]
        if kind in ("minmax", "standard") or value == 0:
            expected = 0.0
        else:
            expected = 1 / n if kind == "unit_sum" else np.sign(value) / np.sqrt(n)
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6 * (kind == "standard"))

    def test_of_some_constant_columns_leaves_the_others(self, backend, kind):
        values = np.abs(table(0, (20, 5)))
        values[:, [1, 3]] = 2.5
        rows = backend.asarray(values)
        got = backend.numpy(ops.scaled(rows, ops.column_statistics(rows), kind))
        np.testing.assert_allclose(got, by_numpy(values, kind, 0), atol=1e-12)
        assert np.all(np.isfinite(got))

    @pytest.mark.parametrize("offset", [10.0, 1e4])
    def test_does_not_lose_a_small_spread_on_a_large_offset(self, backend, kind, offset):
        values = (offset + table(0, (500, 3))).astype(np.float32)
        rows = backend.asarray(values)
        got = backend.numpy(ops.scaled(rows, ops.column_statistics(rows), kind))
        # what single precision leaves of a value less its offset
        atol = 1e-6 + (offset * 2.0**-23 if kind in ("minmax", "standard") else 0)
        np.testing.assert_allclose(got, by_numpy(values, kind, 0), rtol=0, atol=atol)

    def test_does_not_change_its_input(self, backend, kind):
        values = np.abs(table(1, (6, 3)))
        rows = backend.asarray(values)
        ops.scaled(rows, ops.row_statistics(rows, None), kind)
        np.testing.assert_array_equal(backend.numpy(rows), values)


class TestStatistics:
    @given(n=st.integers(1, 12), f=st.integers(1, 6), seed=seeds, data=st.data())
    def test_of_parts_equal_those_of_the_whole(self, backend, n, f, seed, data):
        values = np.random.default_rng(seed).integers(-9, 9, (n, f))
        counts = np.random.default_rng(seed + 1).integers(1, 3, f)
        rows = backend.asarray(values, "float32")
        cut = data.draw(st.integers(1, n))
        parts = [ops.column_statistics(r) for r in (rows[:cut, :], rows[cut:, :]) if r.shape[0]]
        merged = parts[0] if len(parts) == 1 else ops.merge_statistics(*parts)
        columns = [backend.numpy(a) for a in merged]
        assert all(a.shape == (1, f) and a.dtype == np.float64 for a in columns)
        expected = [np.full(f, n), values.sum(0), (values**2).sum(0), values.min(0), values.max(0)]
        np.testing.assert_array_equal(np.concatenate(columns), expected)
        entries = np.repeat(values, counts, axis=1)
        together = [float(a[0, 0]) for a in ops.pooled(merged, counts)]
        assert together == [
            entries.size, entries.sum(), (entries**2).sum(), entries.min(), entries.max()
        ]  # fmt: skip
        each = [backend.numpy(a) for a in ops.row_statistics(rows, counts)]
        assert all(a.shape == (n, 1) and a.dtype == np.float64 for a in each)
        expected = [
            np.full(n, counts.sum()),
            entries.sum(1),
            (entries**2).sum(1),
            entries.min(1),
            entries.max(1),
        ]
        np.testing.assert_array_equal(np.concatenate(each, axis=1).T, expected)


class TestTransform:
    VALUES = np.array([[0.0, 0.5, 2.0], [9.0, 1e-9, 100.0]])

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize(
        ("name", "options", "expected"),
        [
            ("log1p", {}, np.log1p(VALUES)),
            ("log1p", {"scale": 0.25}, np.log1p(VALUES / 0.25)),
            ("sqrt", {}, np.sqrt(VALUES)),
            ("clip", {"low": 0.4, "high": 8}, np.clip(VALUES, 0.4, 8)),
            ("clip", {"low": 1}, np.maximum(VALUES, 1)),
            ("clip", {"high": 1.5}, np.minimum(VALUES, 1.5)),
            ("clip", {"low": 2, "high": 2}, np.full_like(VALUES, 2)),
        ],
    )
    def test_equals_numpy(self, backend, name, options, expected, dtype):
        rows = backend.asarray(self.VALUES, dtype)
        got = ops.transform(name, **options)(rows)
        assert backend.owns(got)
        assert got.dtype == rows.dtype
        rtol = tolerance("scaling", dtype)
        np.testing.assert_allclose(backend.numpy(got), expected, rtol=rtol, atol=0)
        np.testing.assert_array_equal(backend.numpy(rows), self.VALUES.astype(dtype))

    @pytest.mark.parametrize(
        ("name", "options", "least"),
        [
            ("sqrt", {}, -0.25),
            ("log1p", {}, -1.0),
            ("log1p", {}, -2.0),
            ("log1p", {"scale": 2.0}, -2.5),
        ],
    )
    def test_refuses_what_it_has_no_number_for(self, backend, name, options, least):
        rows = backend.asarray([[1.0, least, 3.0]])
        message = re.escape(f"{name} of {least:g} is not a number; clip the values at zero first")
        with pytest.raises(DataError, match=message):
            ops.transform(name, **options)(rows)

    def test_log1p_takes_what_lies_above_minus_its_scale(self, backend):
        got = ops.transform("log1p", scale=2.0)(backend.asarray([[-1.9, 0.0]]))
        np.testing.assert_allclose(backend.numpy(got), [[np.log(0.05), 0]], atol=1e-12)

    @pytest.mark.parametrize("shape", [(0, 4), (4, 0), (0, 0)])
    @pytest.mark.parametrize("name", ["log1p", "sqrt"])
    def test_of_no_values_is_no_values(self, backend, name, shape):
        got = ops.transform(name)(backend.asarray(np.zeros(shape)))
        assert tuple(got.shape) == shape

    @pytest.mark.parametrize(
        ("name", "options", "message"),
        [
            ("log", {}, "transform is 'log'; expected one of log1p, sqrt, clip"),
            ("sqrt", {"scale": 2}, "sqrt has the options none, but got ['scale']"),
            ("log1p", {"low": 2}, "log1p has the options ['scale'], but got ['low']"),
            ("clip", {"scale": 2}, "clip has the options ['high', 'low'], but got ['scale']"),
            ("clip", {}, "clip got low=None and high=None; expected at least one, low <= high"),
            ("clip", {"low": 2, "high": 1}, "clip got low=2 and high=1; expected at least one"),
            ("clip", {"low": 0, "high": np.nan}, "clip got low=0 and high=nan"),
            ("log1p", {"scale": 0}, "scale is 0; expected a positive number"),
            ("log1p", {"scale": -1.0}, "scale is -1.0; expected a positive number"),
            ("log1p", {"scale": np.nan}, "scale is nan; expected a positive number"),
            ("log1p", {"scale": np.inf}, "scale is inf; expected a positive number"),
        ],
    )
    def test_refuses_other_names_and_options(self, name, options, message):
        with pytest.raises(ParameterError, match=re.escape(message)):
            ops.transform(name, **options)
