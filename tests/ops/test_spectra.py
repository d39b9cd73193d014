"""Spectra of windows against the discrete Fourier transform, and what a physicist knows of them."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from strategies import computing_types, geometries, seeds, table
from tolerances import tolerance

from unmix import ops
from unmix._errors import ParameterError, ShapeError

TAPERS = list(ops.COSINE_SUMS)


def windows_of(image, window, step):
    """Cut windows with NumPy alone."""
    every = sliding_window_view(image, window, axis=(-2, -1))
    return every[..., :: step[0], :: step[1], :, :]


def tapered(windows, taper):
    """Return windows less their means, under a taper of mean square one."""
    weights = []
    for n in windows.shape[-2:]:
        t = 2 * np.pi * np.arange(n) / n
        w = {
            "boxcar": np.ones(n),
            "hann": np.sin(t / 2) ** 2,
            "hamming": 0.54 - 0.46 * np.cos(t),
            "blackman": 0.42 - 0.5 * np.cos(t) + 0.08 * np.cos(2 * t),
        }[taper]
        weights.append(w / np.sqrt(np.mean(w**2)))
    return (windows - windows.mean(axis=(-2, -1), keepdims=True)) * np.multiply.outer(*weights)


def spectrum(image, window, step, taper, fft_shape=None):
    """Return the whole complex plane of every window, in float64."""
    shape = fft_shape or window
    cut = tapered(windows_of(image.astype(float), window, step), taper)
    return np.fft.fft2(cut, s=shape, axes=(-2, -1)) / np.sqrt(np.prod(shape))


def half(plane):
    """Keep the columns that a real transform keeps."""
    return plane[..., : plane.shape[-1] // 2 + 1]


def whole_power(power, n_x):
    """Sum the power of a half plane over the whole one."""
    twice = np.full(power.shape[-1], 2.0)
    twice[0] = 1
    if n_x % 2 == 0:
        twice[-1] = 1
    return np.sum(power * twice, axis=(-2, -1))


@st.composite
def padded_geometries(draw):
    """Draw windows of at least two pixels and a transform that holds them."""
    geometry = draw(geometries(most=14, least_window=2))
    pad = tuple(w + draw(st.integers(0, 6)) for w in geometry.window)
    return geometry, pad


class TestTransform:
    @given(
        drawn=padded_geometries(),
        seed=seeds,
        dtype=computing_types,
        taper=st.sampled_from(["boxcar", "hann", "hamming", "blackman"]),
        impl=st.sampled_from([None, "generic"]),
    )
    def test_equals_the_definition(self, backend, drawn, seed, dtype, taper, impl):
        geometry, pad = drawn
        image = table(seed, geometry.shape, dtype)
        expected = half(spectrum(image, geometry.window, geometry.step, taper, pad))
        atol = tolerance("window_fft", dtype) * max(np.abs(expected).max(), np.abs(image).max())
        common = {"taper": taper, "fft_shape": pad, "impl": impl}
        x = backend.asarray(image)
        got = ops.window_fft(x, geometry.window, geometry.step, output="complex", **common)
        assert backend.owns(got)
        assert got.dtype == getattr(backend.xp, f"complex{16 * np.dtype(dtype).itemsize}")
        assert tuple(got.shape) == expected.shape
        np.testing.assert_allclose(backend.numpy(got), expected, rtol=0, atol=atol)
        amplitude = ops.window_fft(x, geometry.window, geometry.step, **common)
        assert amplitude.dtype == x.dtype
        np.testing.assert_allclose(backend.numpy(amplitude), np.abs(expected), rtol=0, atol=atol)
        power = ops.window_fft(x, geometry.window, geometry.step, output="power", **common)
        assert power.dtype == x.dtype
        most = max(np.abs(expected).max(), 1)
        np.testing.assert_allclose(
            backend.numpy(power), np.abs(expected) ** 2, rtol=0, atol=3 * atol * most
        )

    @given(drawn=padded_geometries(), seed=seeds, taper=st.sampled_from(TAPERS))
    def test_conserves_power(self, backend, drawn, seed, taper):
        """Parseval: summed over the whole plane, odd sizes and padding included."""
        geometry, pad = drawn
        image = table(seed, geometry.shape)
        weights = [ops.taper_weights(taper, n) for n in geometry.window]
        cut = windows_of(image, geometry.window, geometry.step)
        cut = (cut - cut.mean(axis=(-2, -1), keepdims=True)) * np.multiply.outer(*weights)
        power = ops.window_fft(
            backend.asarray(image),
            geometry.window,
            geometry.step,
            taper=taper,
            output="power",
            fft_shape=pad,
        )
        got = whole_power(backend.numpy(power), pad[1])
        np.testing.assert_allclose(got, np.sum(cut**2, axis=(-2, -1)), rtol=1e-11, atol=1e-12)

    @given(
        shape=st.tuples(st.integers(1, 12), st.integers(1, 12)),
        shift=st.tuples(st.integers(-12, 12), st.integers(-12, 12)),
        seed=seeds,
    )
    def test_amplitude_does_not_feel_a_circular_shift(self, backend, shape, shift, seed):
        image = table(seed, shape)
        here, there = (
            backend.numpy(ops.window_fft(backend.asarray(x), shape, 1, taper="boxcar"))
            for x in (image, np.roll(image, shift, axis=(0, 1)))
        )
        np.testing.assert_allclose(here, there, atol=1e-12)

    @given(seed=seeds, offset=st.floats(-100, 100), scale=st.floats(0.1, 10))
    def test_does_not_feel_an_offset_and_is_linear(self, backend, seed, offset, scale):
        image = table(seed, (9, 13))
        options = {"taper": "hann", "output": "complex"}
        plain = ops.window_fft(backend.asarray(image), (6, 7), (3, 2), **options)
        moved = ops.window_fft(backend.asarray(scale * image + offset), (6, 7), (3, 2), **options)
        np.testing.assert_allclose(
            backend.numpy(moved),
            scale * backend.numpy(plain),
            rtol=0,
            atol=1e-12 * (1 + abs(offset)),
        )

    @pytest.mark.parametrize(("n_y", "n_x"), [(16, 12), (15, 9), (8, 21)])
    @pytest.mark.parametrize(("k_y", "k_x"), [(0, 2), (3, 0), (2, 3), (-3, 1)])
    def test_of_a_cosine_is_one_peak_of_known_height(self, backend, n_y, n_x, k_y, k_x):
        y, x = np.mgrid[:n_y, :n_x]
        wave = 3 * np.cos(2 * np.pi * (k_y * y / n_y + k_x * x / n_x) + 0.4)
        got = backend.numpy(ops.window_fft(backend.asarray(wave), (n_y, n_x), 1, taper="boxcar"))
        expected = np.zeros((n_y, n_x // 2 + 1))
        expected[k_y % n_y, k_x] = 1.5 * np.sqrt(n_y * n_x)
        if k_x == 0:
            expected[-k_y % n_y, 0] = expected[k_y % n_y, 0]
        np.testing.assert_allclose(got[0, 0], expected, atol=1e-12)

    def test_of_white_noise_has_its_variance_under_every_taper(self, backend):
        image = table(3, (256, 320))
        for taper in TAPERS:
            power = backend.numpy(
                ops.window_fft(backend.asarray(image), 32, 32, taper=taper, output="power")
            )
            # away from zero, where the mean is missing
            assert power[..., 6:27, 6:].mean() == pytest.approx(1, abs=0.05)

    def test_has_no_mean(self, backend):
        image = 40 + table(0, (20, 22))
        box = backend.numpy(ops.window_fft(backend.asarray(image), 10, 4, taper="boxcar"))
        assert np.abs(box[..., 0, 0]).max() < 1e-12
        flat = ops.window_fft(backend.asarray(np.full((20, 22), 7.0)), 10, 4)
        assert np.abs(backend.numpy(flat)).max() < 1e-13

    @given(drawn=padded_geometries(), seed=seeds, impl=st.sampled_from([None, "generic"]))
    def test_rows_and_columns_are_those_of_the_whole(self, backend, drawn, seed, impl):
        geometry, pad = drawn
        rng = np.random.default_rng(seed)
        x = backend.asarray(table(seed, geometry.shape))
        whole = backend.numpy(
            ops.window_fft(x, geometry.window, geometry.step, fft_shape=pad, impl=impl)
        )
        # any order, and the same one twice
        rows = rng.integers(0, pad[0], rng.integers(1, 2 * pad[0]))
        columns = rng.integers(0, pad[1] // 2 + 1, rng.integers(1, pad[1]))
        for r, c in ((rows, columns), (rows, None), (None, columns)):
            got = ops.window_fft(
                x, geometry.window, geometry.step, fft_shape=pad, rows=r, columns=c, impl=impl
            )
            expected = whole if r is None else whole[..., r, :]
            expected = expected if c is None else expected[..., c]
            np.testing.assert_allclose(backend.numpy(got), expected, rtol=0, atol=1e-13)

    @given(drawn=padded_geometries(), seed=seeds, dtype=computing_types)
    def test_every_implementation_is_the_same(self, backend, drawn, seed, dtype):
        geometry, pad = drawn
        x = backend.asarray(table(seed, geometry.shape, dtype))
        for output in ("amplitude", "power", "complex"):
            generic, fast = (
                backend.numpy(
                    ops.window_fft(
                        x, geometry.window, geometry.step, output=output, fft_shape=pad, impl=impl
                    )
                )
                for impl in ("generic", None)
            )
            assert generic.dtype == fast.dtype
            atol = tolerance("window_fft", dtype) * max(np.abs(generic).max(), 1)
            np.testing.assert_allclose(fast, generic, rtol=0, atol=atol)

    def test_columns_may_come_in_any_order(self, backend):
        """Those that follow one another may be read as a view; these do not, or only nearly."""
        x = backend.asarray(table(4, (12, 14)))
        whole = backend.numpy(ops.window_fft(x, (6, 12), 2))
        for columns in ([0, 2, 1, 3], [3, 2, 1], [1, 1, 3], [2], [0, 2, 4], [1, 2, 3], [5, 6]):
            got = ops.window_fft(x, (6, 12), 2, columns=np.array(columns))
            np.testing.assert_allclose(backend.numpy(got), whole[..., columns], atol=1e-14)


class TestProjection:
    @given(
        drawn=geometries(most=20, least_window=2),
        power_of_two=st.booleans(),
        width=st.integers(1, 40),
        seed=seeds,
        dtype=computing_types,
        options=st.sampled_from([{}, {"output": "power"}, {"taper": "hamming"}]),
        crop=st.booleans(),
    )
    def test_is_a_product_with_the_spectra(
        self, backend, drawn, power_of_two, width, seed, dtype, options, crop
    ):
        window, step, shape = drawn.window, drawn.step, drawn.shape
        if power_of_two:
            window, shape = (8, 16), (*shape[:-2], shape[-2] + 8, shape[-1] + 16)
        if crop:
            options = options | {"rows": np.array([window[0] - 1, 0]), "columns": np.array([1, 0])}
        image = table(seed, shape, dtype)
        spectra = ops.window_fft(image.astype(float), window, step, impl="generic", **options)
        flat = spectra.reshape(*spectra.shape[:-2], -1)
        vectors = table(seed + 1, (flat.shape[-1], width), dtype)
        offset = table(seed + 2, (width,), dtype)
        x, v, b = (backend.asarray(a) for a in (image, vectors, offset))
        plain = ops.window_project(x, window, step, v, **options)
        moved = ops.window_project(x, window, step, v, offset=b, **options)
        near = tolerance("window_project", dtype)
        atol = 4 * near * (np.max(flat @ np.abs(vectors), initial=0) + 10)
        for got, less in ((plain, 0), (moved, offset)):
            assert backend.owns(got)
            assert got.dtype == x.dtype
            np.testing.assert_allclose(
                backend.numpy(got), flat @ vectors.astype(float) - less, rtol=0, atol=atol
            )

    def test_says_what_vectors_it_expects(self, backend):
        image, vectors = backend.asarray(np.ones((9, 9))), backend.asarray(np.ones((39, 2)))
        with pytest.raises(ShapeError, match=r"have shape \(39, 2\); expected \(40, l\)"):
            ops.window_project(image, 8, 1, vectors)

    def test_of_complex_spectra_is_refused(self, backend):
        image, vectors = backend.asarray(np.ones((9, 9))), backend.asarray(np.ones((40, 2)))
        with pytest.raises(ParameterError, match="expected 'amplitude' or 'power'"):
            ops.window_project(image, 8, 1, vectors, output="complex")


class TestInput:
    IMAGE = np.random.default_rng(8).integers(0, 120, (18, 23))

    @pytest.mark.parametrize("impl", [None, "generic"])
    @pytest.mark.parametrize(
        ("dtype", "computing"),
        [
            ("int8", "float32"),
            ("uint8", "float32"),
            ("int16", "float32"),
            ("uint16", "float32"),
            ("float32", "float32"),
            ("int32", "float64"),
            ("int64", "float64"),
            ("float64", "float64"),
        ],
    )
    def test_of_any_type_equals_that_of_the_floats(self, backend, dtype, computing, impl):
        got = ops.window_fft(backend.asarray(self.IMAGE, dtype), (8, 7), (5, 4), impl=impl)
        floats = backend.asarray(self.IMAGE, computing)
        assert got.dtype == floats.dtype
        expected = ops.window_fft(floats, (8, 7), (5, 4), impl=impl)
        np.testing.assert_array_equal(backend.numpy(got), backend.numpy(expected))

    @pytest.mark.parametrize("impl", [None, "generic"])
    @pytest.mark.parametrize(
        ("dtype", "computing"),
        [
            (">u2", "f4"),
            (">i2", "f4"),
            (">f4", "f4"),
            ("f2", "f4"),
            (">i4", "f8"),
            (">f8", "f8"),
            ("g", "f8"),
        ],
    )
    def test_of_types_that_only_numpy_has(self, dtype, computing, impl):
        got = ops.window_fft(self.IMAGE.astype(dtype), (8, 7), (5, 4), impl=impl)
        assert got.dtype == computing
        expected = ops.window_fft(self.IMAGE.astype(computing), (8, 7), (5, 4), impl=impl)
        np.testing.assert_array_equal(got, expected)

    def test_of_big_endian_doubles_keeps_their_digits(self):
        image = 1e6 + table(0, (16, 16))
        got = ops.window_fft(image.astype(">f8"), 8, 4)
        np.testing.assert_allclose(got, ops.window_fft(image, 8, 4), rtol=0, atol=1e-8)

    @pytest.mark.parametrize("impl", [None, "generic"])
    def test_of_strided_images(self, backend, impl):
        base = backend.asarray(table(0, (2, 30, 44)))
        for image in (base[:, ::2, 1::3], base[1, :, :].T, base[0, 3:, :20]):
            host = np.ascontiguousarray(backend.numpy(image))
            got = ops.window_fft(image, (5, 6), (2, 3), impl=impl)
            expected = np.abs(half(spectrum(host, (5, 6), (2, 3), "hann")))
            np.testing.assert_allclose(backend.numpy(got), expected, rtol=0, atol=1e-13)

    @pytest.mark.parametrize("impl", [None, "generic"])
    @pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
    @pytest.mark.parametrize("window", [(6, 7), (18, 23)])
    def test_is_never_changed(self, backend, dtype, impl, window):
        image = backend.asarray(self.IMAGE, dtype)
        for output in ("amplitude", "power", "complex"):
            ops.window_fft(image, window, window, taper="boxcar", output=output, impl=impl)
        np.testing.assert_array_equal(backend.numpy(image), self.IMAGE)

    @pytest.mark.parametrize("impl", [None, "generic"])
    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            (
                {"taper": "hanning"},
                ParameterError,
                "taper is 'hanning'; expected one of boxcar, hann",
            ),
            (
                {"output": "phase"},
                ParameterError,
                "output is 'phase'; expected 'amplitude', 'power'",
            ),
            (
                {"window": 19},
                ShapeError,
                "window of 19 x 19 pixels is larger than the image of 18 x",
            ),
            ({"window": (1, 4)}, ParameterError, "a hann taper of 1 pixel is zero; take a larger"),
            (
                {"fft_shape": (7, 9)},
                ShapeError,
                "transform of 7 x 9 is smaller than the window of 8",
            ),
            (
                {"fft_shape": (8, 6)},
                ShapeError,
                "the transform of 8 x 6 is smaller than the window",
            ),
        ],
    )
    def test_is_refused_with_a_reason(self, backend, impl, options, error, message):
        options = {"window": (8, 7), "step": 4} | options
        with pytest.raises(error, match=re.escape(message)):
            ops.window_fft(backend.asarray(self.IMAGE, "float32"), impl=impl, **options)


class TestTaper:
    @pytest.mark.parametrize("name", TAPERS)
    @given(size=st.integers(3, 300))
    def test_has_mean_square_one_and_is_periodic(self, name, size):
        weights = ops.taper_weights(name, size)
        assert weights.shape == (size,)
        assert weights.dtype == np.float64
        assert np.mean(weights**2) == pytest.approx(1, rel=1e-12)
        # w(n - i) = w(i), and of even sizes the middle is the largest: the form that an FFT implies
        np.testing.assert_allclose(weights[1:], weights[:0:-1], atol=1e-11)
        assert np.argmax(np.round(weights, 9)) == (0 if name == "boxcar" else size // 2)

    @pytest.mark.parametrize("name", TAPERS)
    @given(size=st.integers(10, 200))
    def test_touches_only_the_nearest_frequencies(self, name, size):
        """A sum of m cosines has m + 1 lines on each side of zero and nothing else, to rounding."""
        assume(size > 2 * len(ops.COSINE_SUMS[name]))
        lines = np.abs(np.fft.rfft(ops.taper_weights(name, size))) / size
        terms = np.array(ops.COSINE_SUMS[name])
        np.testing.assert_allclose(lines[len(terms) :], 0, atol=1e-14)
        expected = np.r_[terms[0], terms[1:] / 2]
        np.testing.assert_allclose(lines[: len(terms)] / lines[0], expected / terms[0], rtol=1e-10)

    @pytest.mark.parametrize("name", TAPERS)
    @pytest.mark.parametrize("size", [7, 16, 64])
    def test_is_that_of_scipy(self, name, size):
        from scipy.signal.windows import get_window

        expected = get_window(name, size, fftbins=True)
        expected = expected / np.sqrt(np.mean(expected**2))
        np.testing.assert_allclose(ops.taper_weights(name, size), expected, atol=1e-12)

    def test_sums_to_what_the_formula_says(self):
        # mean 1/2 and mean square 3/8
        assert ops.taper_weights("hann", 32).sum() == pytest.approx(32 * 0.5 / np.sqrt(0.375))
        np.testing.assert_array_equal(ops.taper_weights("boxcar", 5), np.ones(5))
        np.testing.assert_array_equal(ops.taper_weights("boxcar", 1), np.ones(1))

    @pytest.mark.parametrize("name", ["hann", "blackman"])
    def test_of_one_pixel_is_refused_where_it_is_zero(self, name):
        with pytest.raises(ParameterError, match=f"a {name} taper of 1 pixel is zero; .*'boxcar'"):
            ops.taper_weights(name, 1)
