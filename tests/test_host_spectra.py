"""The twins of `window_fft` for NumPy, against the generic function in double precision."""

from __future__ import annotations

import tracemalloc
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import computing_types, geometries, seeds, table
from tolerances import tolerance

import unmix as um
from unmix import _declines, ops
from unmix._arrays import as_float
from unmix.host import _row_spectra

PLAIN = "unmix.host.spectra:window_fft"
COMPILED = "unmix.host.spectra:window_fft_compiled"


@pytest.fixture(params=[PLAIN, COMPILED], ids=["plain", "compiled"])
def impl(request):
    """Run a test once for each twin."""
    if request.param == COMPILED and find_spec("numba") is None:
        pytest.skip("numba is not installed")
    return request.param


def assert_same(image, window, step, impl, factor=1, **options):
    """Compare a twin with the generic function of the same values in double precision."""
    got = ops.window_fft(image, window, step, impl=impl, **options)
    exact = ops.window_fft(image.astype(float), window, step, impl="generic", **options)
    assert got.shape == exact.shape
    assert got.real.dtype == as_float(image).dtype
    atol = factor * tolerance("window_fft", got.real.dtype) * max(np.abs(exact).max(), 1)
    np.testing.assert_allclose(got, exact, rtol=0, atol=atol)


class TestBlocks:
    """Images of many blocks, and windows of every kind of length."""

    @pytest.mark.parametrize(
        ("shape", "window", "step"),
        [
            ((700, 90), 16, (9, 3)),  # several blocks downwards
            ((40, 900), (16, 16), (11, 2)),  # several across
            ((300, 310), 64, 24),
            ((90, 80), (14, 9), (20, 31)),  # steps that leave pixels out
            ((7, 3, 20, 24), (20, 24), 1),  # stacks of single windows
            ((5, 60, 40), (13, 8), (3, 16)),
            ((130, 70), (120, 66), (5, 2)),
            ((21, 33), (1, 5), (2, 3)),
            ((21, 33), (5, 1), (2, 3)),
            ((21, 33), (2, 2), 1),
        ],
    )
    @pytest.mark.parametrize("output", ["amplitude", "power", "complex"])
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_join_without_a_seam(self, impl, shape, window, step, output, dtype):
        image = table(0, shape, dtype)
        # of a power the relative error is twice that of the amplitude
        assert_same(image, window, step, impl, factor=3, output=output, taper="hamming")

    @pytest.mark.parametrize("output", ["amplitude", "power", "complex"])
    def test_of_tall_windows(self, output):
        tall = (257, 6)
        image = table(1, (tall[0] + 12, 11), "float32")
        assert_same(image, tall, (5, 2), PLAIN, factor=3, output=output)
        rows, columns = np.array([3, 300, 0]), np.array([2, 1])
        options = {"fft_shape": (301, 9), "rows": rows, "columns": columns}
        assert_same(image, tall, (5, 2), PLAIN, factor=3, output=output, **options)

    @given(
        geometry=geometries(most=30, least_window=2),
        seed=seeds,
        dtype=computing_types,
        more=st.tuples(st.integers(0, 9), st.integers(0, 9)),
        taper=st.sampled_from(list(ops.COSINE_SUMS)),
        output=st.sampled_from(["amplitude", "complex"]),
    )
    def test_of_any_geometry(self, impl, geometry, seed, dtype, more, taper, output):
        padded = tuple(w + m for w, m in zip(geometry.window, more, strict=True))
        image = table(seed, geometry.shape, dtype)
        if _declines.compiled_spectra(image, window=padded) is not None:
            padded = (padded[0] + 32 - padded[0] % 32, padded[1])
        rows = np.random.default_rng(seed).integers(0, padded[0], padded[0])
        options = {"fft_shape": padded, "taper": taper, "output": output}
        for part in ({}, {"rows": rows}, {"columns": np.array([padded[1] // 2, 0])}):
            assert_same(image, geometry.window, geometry.step, impl, factor=3, **options, **part)


class TestAccuracy:
    def test_an_offset_costs_no_digits(self, impl):
        """Whole numbers are exact in float32: an offset changes the mean and nothing else."""
        image = np.random.default_rng(0).integers(0, 50, (200, 210))
        plain = ops.window_fft(image.astype(float), 64, 8, impl="generic")
        got = ops.window_fft((image + 60_000).astype(np.uint16), 64, 8, impl=impl)
        assert np.abs(got - plain).max() < 1e-5 * plain.max()

    def test_a_step_in_the_image_spoils_no_other_window(self, impl):
        image = np.random.default_rng(0).integers(0, 50, (80, 96)).astype(np.float32)
        image[:, 32:64] += 30_000
        exact = ops.window_fft(image.astype(float), 32, 32, impl="generic")
        got = ops.window_fft(image, 32, 32, impl=impl)
        for ours, theirs in zip(
            got.reshape(6, -1), exact.reshape(6, -1), strict=True
        ):  # each by its own largest
            assert np.abs(ours - theirs).max() < 1e-5 * theirs.max()

    def test_cutting_the_image_changes_rounding_alone(self, impl):
        image = table(3, (320, 300), "float32")
        whole = ops.window_fft(image, 32, 4, impl=impl)
        part = ops.window_fft(image[40:, 80:], 32, 4, impl=impl)
        np.testing.assert_allclose(part, whole[10:, 20:], rtol=0, atol=2e-6 * whole.max())

    def test_the_same_call_gives_the_same_bits(self, impl):
        image = table(4, (90, 100), "float32")
        first = ops.window_fft(image, 24, 3, impl=impl)
        np.testing.assert_array_equal(ops.window_fft(image.copy(), 24, 3, impl=impl), first)


class TestMemory:
    def test_is_that_of_the_output(self, impl):
        image = table(5, (640, 1024), "float32")
        ops.window_fft(image[:64, :64], 64, 8, impl=impl)  # imports and compiles
        tracemalloc.start()
        out = ops.window_fft(image, 64, 8, impl=impl)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 1.3 * out.nbytes


class TestChoice:
    def test_without_numba_says_what_to_install(self, monkeypatch):
        monkeypatch.setattr(_declines, "find_spec", lambda _: None)
        said = um.explain("window_fft", np.ones((64, 64)), window=32)
        assert said == [
            (
                COMPILED,
                "its kernel is compiled by numba, which is not installed: pip install 'unmix[cpu]'",
            ),
            (PLAIN, "runs"),
        ]

    @pytest.mark.skipif(find_spec("numba") is None, reason="numba is not installed")
    def test_of_lengths_that_do_not_split(self):
        image = np.ones((64, 64))
        assert um.explain("window_fft", image, window=(26, 17)) == [(COMPILED, "runs")]
        for options in ({"window": (34, 8)}, {"window": 8, "fft_shape": (34, 8)}):
            assert um.explain("window_fft", image, **options) == [
                (
                    COMPILED,
                    "its kernel splits transforms into those of up to 13 rows, and 34 = 2 x 17",
                ),
                (PLAIN, "runs"),
            ]

    @pytest.mark.skipif(find_spec("numba") is None, reason="numba is not installed")
    @given(n=st.integers(1, 5000))
    def test_lengths_are_products_of_their_factors(self, n):
        from unmix.host._columns_numba import factors

        found = factors(n)
        assert np.prod(found, initial=1) == n
        assert found.count(2) <= 1


class TestTiles:
    def test_are_tall(self):
        """Rows of pixels are transformed once for all windows of a tile that share them."""
        image = np.zeros((2048, 2048), np.float32)
        windows = um.sliding_windows(image, 64, 8)
        heights = {w[0].stop - w[0].start for w in um.window_fft(windows).plan()[:4]}
        assert heights == {16}

    def test_read_what_one_call_gives(self, impl):
        image = table(6, (3, 120, 150), "float32")
        samples = um.window_fft(um.sliding_windows(image, 32, 4), impl=impl)
        half = np.abs(samples.to_array()[..., 16:])  # k_x = 0 ... 15
        expected = ops.window_fft(image.astype(float), 32, 4, impl="generic")
        expected = np.fft.fftshift(expected, axes=-2)[..., :16]
        np.testing.assert_allclose(half, expected, rtol=0, atol=3e-6 * expected.max())


def test_blocks_cover_all_windows_once():
    """Whatever is cut, no window is left out and none is computed twice."""
    for images, grid, window, step in [(1, (40, 300), 8, 2), (9, (3, 4), 8, 2), (2, (5, 6), 8, 9)]:
        options = {"taper": "hann", "output": "power"}
        none = {"fft_shape": None, "rows": None, "columns": None}
        job = _row_spectra.plan_job(np.dtype("f4"), window, step, **options, **none)
        count = np.zeros((images, *grid), int)
        for block in _row_spectra._blocks(images, grid, job, 64):
            count[block] += 1
        assert np.all(count == 1)
