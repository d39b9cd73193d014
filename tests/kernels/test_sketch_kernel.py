"""The kernels of the sketch against the generic operation, and the basis by Cholesky QR."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import LAYOUTS, laid_out, on_host
from hypothesis import given
from hypothesis import strategies as st
from tolerances import tolerance

import unmix as um
from unmix import _declines
from unmix.cuda import svd

pytestmark = pytest.mark.kernels

DTYPES = (np.uint8, np.uint16, np.float32)
SEEDS = st.integers(0, 2**32 - 1)
SIZES = [1, 2, 31, 32, 33, 127, 128, 129, 257, 509]


def counts(n, f, dtype, seed, offset=0):
    """Detector counts."""
    return (np.random.default_rng(seed).poisson(20, (n, f)) + offset).astype(dtype)


def sketched(kernels, rows, q, center, scale=None, layout=None, weights=None):
    xp = kernels.xp
    if layout is None:
        rows = xp.asarray(rows)
    elif np.dtype(rows.dtype).kind == "f":
        rows = laid_out(xp, rows, layout)
    else:  # what lies around a block cannot be NaN
        rows = laid_out(xp, rows.astype(np.float32), layout).astype(rows.dtype, order="K")
    scale = None if scale is None else xp.asarray(scale)
    weights = None if weights is None else xp.asarray(weights)
    seen = svd.sketch_part(kernels, rows, xp.asarray(q), xp.asarray(center), scale, weights)
    assert isinstance(seen, um.ops.Sketch)
    parts = um.ops.Sketch(seen.n, *map(on_host, seen[1:]))
    assert parts.total.dtype == parts.product.dtype == np.float64
    assert parts.y.dtype == np.float32
    return parts


def agree(ours, rows, q, center, scale=None):
    """To rounding, relative to the moduli of what is summed."""
    scale = np.ones(rows.shape[1]) if scale is None else scale.astype(np.float32).astype(float)
    q = q.astype(np.float32).astype(float)
    centred = rows.astype(float) * scale - center
    theirs = um.ops.sketch(centred, q, np.zeros(rows.shape[1]), impl="generic")
    assert ours.n == theirs.n
    assert ours.product.shape == theirs.product.shape
    near = tolerance("sketch", np.float32)
    # centring rounds once, at the size of what comes out or of the centre's last digit
    row = np.linalg.norm(centred, axis=1)
    column = np.linalg.norm(centred, axis=0) + 1e-3 * near * np.linalg.norm(rows)
    each = row[:, None] * np.linalg.norm(q, axis=0)
    assert np.all(np.abs(ours.y - theirs.y) <= near * each + 1e-9)
    y = np.linalg.norm(each, axis=0)
    assert np.all(np.abs(ours.product - theirs.product) <= near * column[:, None] * y + 1e-9)
    assert np.all(np.abs(ours.total - theirs.total) <= near * np.abs(centred).sum(axis=0) + 1e-9)


@given(
    n=st.one_of(st.sampled_from(SIZES), st.integers(1, 400)),
    f=st.one_of(st.sampled_from(SIZES), st.integers(1, 400)),
    width=st.integers(1, 64),
    dtype=st.sampled_from(DTYPES),
    layout=st.sampled_from(LAYOUTS),
    scaled=st.booleans(),
    seed=SEEDS,
)
def test_agrees(kernels, n, f, width, dtype, layout, scaled, seed):
    draw = np.random.default_rng(seed)
    rows = counts(n, f, dtype, seed)
    q, scale = draw.standard_normal((f, width)), draw.uniform(0.5, 2, f) if scaled else None
    center = rows.mean(axis=0) * (1 if scale is None else scale) + draw.standard_normal(f) / 10
    ours = sketched(kernels, rows, q, center, scale, layout)
    agree(ours, rows, q, center, scale)


@given(
    n=st.integers(1, 300),
    f=st.integers(1, 300),
    width=st.integers(1, 64),
    dtype=st.sampled_from(DTYPES),
    seed=SEEDS,
)
def test_is_exact_on_small_integers(kernels, n, f, width, dtype, seed):
    draw = np.random.default_rng(seed)
    rows = draw.integers(0, 5, (n, f)).astype(dtype)
    q, center = draw.integers(-1, 2, (f, width)).astype(float), draw.integers(0, 5, f).astype(float)
    scale, weights = 2.0 ** draw.integers(-1, 2, f), draw.integers(0, 3, n).astype(float)
    for options in ((None, None), (scale, None), (scale, weights)):
        ours = sketched(kernels, rows, q, center, options[0], weights=options[1])
        theirs = um.ops.sketch(rows.astype(float), q, center, *options, impl="generic")
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_an_offset_costs_no_digits(kernels, dtype):
    rows = counts(300, 70, dtype, 3, offset=60_000)
    q = np.random.default_rng(0).standard_normal((70, 26))
    # a centre that float32 does not hold
    center = rows.mean(axis=0) + 1e-4
    agree(sketched(kernels, rows, q, center), rows, q, center)


@pytest.mark.parametrize(("least_group", "most_slice"), [(256, 2048), (32, 32), (4096, 64)])
@pytest.mark.parametrize("f", [61, 700])
def test_sums_in_any_number_of_parts(kernels, monkeypatch, least_group, most_slice, f):
    monkeypatch.setattr(svd, "LEAST_GROUP", least_group)
    monkeypatch.setattr(svd, "MOST_SLICE", most_slice)
    monkeypatch.setattr(svd, "LEAST_SLICE", min(svd.LEAST_SLICE, most_slice))
    rows = counts(2500, f, np.uint8, 1)  # more rows than are summed in float
    q, center = np.random.default_rng(1).standard_normal((f, 5)), rows.mean(axis=0)
    agree(sketched(kernels, rows, q, center), rows, q, center)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("n", "f", "width"), [(700, 131, 26), (150, 600, 64), (37, 41, 3)])
def test_any_order_of_threads_gives_the_same_bits(orders, dtype, n, f, width):
    rows = counts(n, f, dtype, 5)
    q, center = np.random.default_rng(2).standard_normal((f, width)), rows.mean(axis=0)
    first, *rest = (sketched(k, rows, q, center) for k in orders)
    for other in rest:
        for a, b in zip(other[1:], first[1:], strict=True):
            assert a.tobytes() == b.tobytes()


def test_a_bad_number_is_not_hidden(kernels):
    rows = counts(40, 30, np.float32, 1)
    rows[3, 4] = np.nan
    seen = sketched(kernels, rows, np.ones((30, 2)), np.zeros(30))
    assert np.all(np.isnan(seen.product))
    np.testing.assert_array_equal(np.isnan(seen.total), np.arange(30) == 4)


@pytest.mark.parametrize("dtype", DTYPES)
def test_leading_components_are_those_of_the_generic_operations(kernels, dtype):
    draw = np.random.default_rng(4)
    parts = draw.uniform(0, 100, (400, 3)) @ draw.uniform(0, 1, (3, 90))
    rows = draw.poisson(parts).clip(0, 255).astype(dtype)
    omega = um.ops.random_directions(90, 3, key=7)
    center = rows.mean(axis=0) + 0.25

    def pass_over(q, c):
        return sketched(kernels, rows, q, c)

    ours = um.ops.block_krylov(pass_over, omega, center, 3)
    exact = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(ours.mean, rows.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(
        np.sqrt(ours.values), exact.S[:3], rtol=tolerance("randomized_svd", np.float32)
    )


class TestBasis:
    """Cholesky QR needs no kernel of its own."""

    @given(
        f=st.integers(1, 200),
        width=st.integers(1, 30),
        decades=st.floats(0, 12),
        seed=SEEDS,
    )
    def test_is_orthonormal_and_spans_the_columns(self, kernels, f, width, decades, seed):
        draw = np.random.default_rng(seed)
        width = min(width, f)
        turn = np.linalg.qr(draw.standard_normal((width, width)))[0]
        block = draw.standard_normal((f, width)) * 10.0 ** np.linspace(0, -decades, width) @ turn
        basis = on_host(svd.cholesky_qr2(kernels, kernels.xp.asarray(block)))
        assert np.max(np.abs(basis.T @ basis - np.eye(width))) < 1e-13
        rest = block - basis @ (basis.T @ block)
        assert np.max(np.abs(rest)) <= 1e-12 * np.linalg.norm(block)

    @pytest.mark.parametrize("kind", ["twice the same", "a column of zeros", "nothing"])
    def test_leaves_what_has_no_full_rank_to_householder(self, kernels, kind):
        block = np.random.default_rng(0).standard_normal((50, 4))
        block[:, 3] = block[:, 1] if kind == "twice the same" else 0
        block *= kind != "nothing"
        basis = on_host(svd.cholesky_qr2(kernels, kernels.xp.asarray(block)))
        np.testing.assert_allclose(basis.T @ basis, np.eye(4), atol=1e-14)
        np.testing.assert_allclose(basis @ (basis.T @ block), block, atol=1e-13)

    def test_scale_does_not_matter(self, kernels):
        block = np.random.default_rng(0).standard_normal((50, 4)) * [1e-150, 1, 1e100, 1e-30]
        basis = on_host(svd.cholesky_qr2(kernels, kernels.xp.asarray(block)))
        np.testing.assert_allclose(basis.T @ basis, np.eye(4), atol=1e-14)


class TestRoutes:
    @pytest.mark.parametrize(
        ("rows", "width", "reason"),
        [
            (np.zeros((4, 3)), 2, "the rows are float64"),
            (np.zeros((4, 3), np.int32), 2, "the rows are int32"),
            (np.zeros((4, 3), np.uint8), 65, "and there are 65"),
            (np.zeros((4, 3, 2), np.uint8), 2, "the array has 3 axes"),
            (np.zeros((0, 3), np.uint8), 2, "nothing to launch a kernel for"),
            (np.zeros((4, 0), np.uint8), 2, "nothing to launch a kernel for"),
            (np.zeros((4, 3), np.uint8)[::-1], 2, "the rows lie backwards"),
        ],
    )
    def test_say_what_the_kernels_are_not_written_for(self, rows, width, reason):
        assert reason in _declines.counted(rows, q=np.zeros((3, width)))

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_take_what_they_are_written_for(self, dtype):
        rows = np.zeros((4, 3), dtype)
        assert _declines.counted(rows) is None
        assert _declines.counted(rows, q=np.zeros((3, 64)), center=np.zeros(3)) is None
