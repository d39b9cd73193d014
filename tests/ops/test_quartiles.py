"""Quartiles of rows and of columns in parts, against NumPy's inverse of the distribution."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from strategies import computing_types, seeds

from unmix import ops


def by_numpy(values, axis):
    return np.quantile(values, (0.25, 0.5, 0.75), axis=axis, keepdims=True, method="inverted_cdf")


@given(n=st.integers(1, 9), f=st.integers(1, 12), counted=st.booleans(), seed=seeds)
def test_of_rows(backend, n, f, counted, seed):
    rng = np.random.default_rng(seed)
    rows, counts = rng.integers(-4, 4, (n, f)).astype(float), rng.integers(1, 4, f)
    entries = np.repeat(rows, counts, axis=1) if counted else rows
    found = ops.row_quartiles(backend.asarray(rows), counts if counted else None)
    assert all(backend.owns(q) for q in found)
    np.testing.assert_array_equal(np.stack([backend.numpy(q) for q in found]), by_numpy(entries, 1))


@given(n=st.integers(1, 40), f=st.integers(1, 3), seed=seeds, dtype=computing_types)
def test_brackets_close_on_columns(backend, n, f, seed, dtype):
    rng = np.random.default_rng(seed)
    values = (10.0 ** rng.integers(-3, 4) * rng.standard_normal((n, f))).astype(dtype)
    values[rng.random((n, f)) < 0.3] = 1  # ties
    rows = backend.asarray(values)
    seen = ops.column_statistics(rows)
    bracket = ops.Bracket.of(seen.low, seen.high)
    for _ in range(ops.QUARTILE_PASSES):
        guesses = bracket.guesses(rows.dtype)
        bracket = bracket.narrowed(guesses, ops.count_below(rows, guesses), seen.count)
    found = np.stack([backend.numpy(q) for q in bracket.quartiles()])
    spread = np.ptp(values.astype(float), axis=0)
    assert np.all(np.abs(found - by_numpy(values, 0)) <= 2.0**-40 * spread)
