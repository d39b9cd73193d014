"""`window_fft` end to end: planes, k axes, crops, padding, tapers, and windows of every origin."""

from __future__ import annotations

import numpy as np
import pytest
from backends import Backend
from numpy.lib.stride_tricks import sliding_window_view

import unmix as um

host = Backend.numpy
SHAPE, WINDOW, STEP = (21, 34), (8, 11), (4, 7)
TAPERS = {
    "boxcar": [1.0],
    "hann": [0.5, 0.5],
    "hamming": [0.54, 0.46],
    "blackman": [0.42, 0.5, 0.08],
    "nuttall": [0.3635819, 0.4891775, 0.1365995, 0.0106411],
    "blackmanharris": [0.35875, 0.48829, 0.14128, 0.01168],
    "flattop": [0.21557895, 0.41663158, 0.277263158, 0.083578947, 0.006947368],
}


def image(shape=SHAPE, dtype=np.float64):
    return (np.random.default_rng(8).random(shape) + 2).astype(dtype)


def taper(name, n):
    """Return a cosine sum over one period, of mean square one."""
    t = 2 * np.pi * np.arange(n) / n
    values = sum((-1) ** i * a * np.cos(i * t) for i, a in enumerate(TAPERS[name]))
    return values / np.sqrt(np.mean(values**2))


def cut(images, window=WINDOW, step=STEP):
    windows = sliding_window_view(images.astype(float), window, axis=(-2, -1))
    return windows[..., :: step[0], :: step[1], :, :]


def planes(windows, name="hann", pad=None):
    """Full centred planes of windows by NumPy's two-dimensional FFT, unitary."""
    shape = pad or windows.shape[-2:]
    tapered = windows - windows.mean(axis=(-2, -1), keepdims=True)
    tapered = tapered * np.outer(taper(name, windows.shape[-2]), taper(name, windows.shape[-1]))
    found = np.fft.fftshift(np.fft.fft2(tapered, s=shape), axes=(-2, -1))
    return found / np.sqrt(np.prod(shape))


def described(backend, window=WINDOW, step=STEP, dtype=np.float64, **options):
    return um.window_fft(
        um.sliding_windows(backend.asarray(image(dtype=dtype)), window, step), **options
    )


def assert_close(got, expected, eps=1e-13):
    got = host(got)
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=0, atol=eps * np.nanmax(np.abs(expected)))


def assert_same_gram(samples):
    """Rows as decompositions see them have the products of the full planes."""
    table = host(samples.table())
    full = host(samples.to_array()).reshape(len(table), -1)
    full = full[:, ~np.isnan(full).any(axis=0)]
    assert_close(table @ table.T, full @ full.T, 1e-12)


class TestPlanes:
    @pytest.mark.parametrize(
        "window", [(8, 11), (11, 8), (8, 8), (7, 11), (21, 9), (3, 34), (2, 2)]
    )
    @pytest.mark.parametrize("output", ["amplitude", "power", "complex"])
    def test_equal_numpys(self, backend, window, output):
        found = planes(cut(image(), window))
        expected = {"amplitude": np.abs, "power": lambda f: np.abs(f) ** 2, "complex": lambda f: f}
        samples = described(backend, window, output=output)
        got = samples.to_array()
        assert backend.owns(got)
        assert_close(got, expected[output](found))
        assert samples.is_complex == (output == "complex")
        if output != "complex":
            assert samples.nonnegative
            assert host(got).min() >= 0
            assert_same_gram(samples)

    @pytest.mark.parametrize("name", list(TAPERS))
    def test_tapers_act_on_the_window(self, backend, name):
        assert_close(described(backend, taper=name).to_array(), np.abs(planes(cut(image()), name)))

    def test_tapers_are_scipys_periodic_ones(self):
        windows = pytest.importorskip("scipy.signal").windows
        for name in TAPERS:
            for n in (5, 8, 64):
                expected = windows.get_window(name, n, fftbins=True)
                expected = expected / np.sqrt(np.mean(expected**2))
                np.testing.assert_allclose(um.ops.taper_weights(name, n), expected, atol=1e-12)

    def test_the_mean_of_a_window_does_not_matter(self, backend):
        far = backend.asarray(image() + 1000)
        samples = um.window_fft(um.sliding_windows(far, WINDOW, STEP))
        assert_close(samples.to_array(), host(described(backend).to_array()), 1e-11)

    @pytest.mark.parametrize("pad", [None, (16, 11), (13, 20), 32])
    @pytest.mark.parametrize("name", ["hann", "boxcar"])
    def test_parseval(self, backend, pad, name):
        windows = cut(image())
        windows = windows - windows.mean(axis=(-2, -1), keepdims=True)
        windows = windows * np.outer(taper(name, 8), taper(name, 11))
        expected = np.sum(windows**2, axis=(-2, -1))
        samples = described(backend, pad=pad, taper=name)
        power = host(samples.transform("clip", low=0).to_array()) ** 2
        np.testing.assert_allclose(power.sum(axis=(-2, -1)), expected, rtol=1e-12)
        table = host(samples.table())
        np.testing.assert_allclose((table**2).sum(axis=1), expected.ravel(), rtol=1e-12)

    def test_movies_and_stacks(self, backend):
        images = image((2, 3, *SHAPE))
        samples = um.window_fft(um.sliding_windows(backend.asarray(images), WINDOW, STEP))
        assert [a.name for a in samples.layout.map_axes] == ["axis_0", "frame", "grid_y", "grid_x"]
        assert_close(samples.to_array(), np.abs(planes(cut(images))))

    @pytest.mark.parametrize(
        ("dtype", "expected"),
        [
            (np.float32, "float32"),
            (np.uint8, "float32"),
            (np.uint16, "float32"),
            (">f8", "float64"),
        ],
    )
    @pytest.mark.parametrize("output", ["amplitude", "complex"])
    def test_types(self, dtype, expected, output):
        values = (image() * 40).astype(dtype)
        samples = um.window_fft(um.sliding_windows(values, WINDOW, STEP), output=output)
        got = samples.to_array()
        assert got.real.dtype == expected
        found = planes(cut(values))
        found = np.abs(found) if output == "amplitude" else found
        assert_close(got, found, 5e-6 if expected == "float32" else 1e-13)

    def test_constant_windows_have_no_spectrum(self, backend):
        values = backend.asarray(np.full(SHAPE, 7.0))
        got = um.window_fft(um.sliding_windows(values, WINDOW, STEP)).to_array()
        np.testing.assert_array_equal(host(got), 0)

    @pytest.mark.parametrize("tile", [1 << 11, 1 << 14])
    def test_tiles_change_nothing(self, backend, monkeypatch, tile):
        monkeypatch.setattr(um.config, "TILE_BYTES", tile)
        samples = described(backend, step=(3, 2))
        assert len(samples.plan()) > 1
        assert_close(samples.to_array(), np.abs(planes(cut(image(), WINDOW, (3, 2)))))


class TestAxes:
    @pytest.mark.parametrize("pad", [None, (12, 32)])
    def test_are_in_cycles_per_unit(self, backend, pad):
        values = backend.asarray(image())
        samples = um.samples(values, 2, pitch=(0.5, 0.2), units=("nm", "nm"))
        found = um.window_fft(um.sliding_windows(samples, WINDOW, STEP), pad=pad)
        k_y, k_x = found.layout.descriptor_axes
        n_y, n_x = pad or WINDOW
        assert (k_y.name, k_x.name, k_y.units, k_x.units) == ("k_y", "k_x", "1/nm", "1/nm")
        np.testing.assert_allclose(k_y.values, np.fft.fftshift(np.fft.fftfreq(n_y, 0.5)))
        np.testing.assert_allclose(k_x.values, np.fft.fftshift(np.fft.fftfreq(n_x, 0.2)))

    def test_no_unit_stays_no_unit(self):
        samples = um.samples(image(), 2, units=("", ""))
        found = um.window_fft(um.sliding_windows(samples, WINDOW, STEP))
        assert {a.units for a in found.layout.descriptor_axes} == {""}

    def test_zero_frequency_is_the_middle_and_a_wave_lies_at_its_k(self, backend):
        y, x = np.indices((32, 48)) * np.array([0.5, 0.25])[:, None, None]
        wave = np.cos(2 * np.pi * (0.25 * y - 0.75 * x))
        samples = um.samples(backend.asarray(wave), 2, pitch=(0.5, 0.25), units="nm")
        found = um.window_fft(um.sliding_windows(samples, (16, 32), 8))
        plane = host(found.to_array())[1, 1]
        k_y, k_x = (a.values for a in found.layout.descriptor_axes)
        assert k_y[8] == k_x[16] == 0
        peaks = {(float(k_y[i]), float(k_x[j])) for i, j in np.argwhere(plane > 0.99 * plane.max())}
        assert peaks == {(0.25, -0.75), (-0.25, 0.75)}


class TestCrops:
    @pytest.mark.parametrize("k_max", [0.1, 1 / 8, 0.26, 4 / 11, 0.5, 9])
    @pytest.mark.parametrize("pad", [None, (17, 22)])
    def test_k_max_keeps_a_square(self, backend, k_max, pad):
        samples = described(backend, k_max=k_max, pad=pad)
        shape = pad or WINDOW
        axes = [np.fft.fftshift(np.fft.fftfreq(n)) for n in shape]
        inside = [np.abs(k) <= k_max + 1e-12 for k in axes]
        for axis, k, i in zip(samples.layout.descriptor_axes, axes, inside, strict=True):
            np.testing.assert_allclose(axis.values, k[i], atol=1e-15)
        full = np.abs(planes(cut(image()), pad=pad))
        assert_close(samples.to_array(), full[..., inside[0], :][..., inside[1]])
        assert_same_gram(samples)

    @pytest.mark.parametrize("k_max", [None, 0.3])
    def test_k_min_leaves_out_a_disc(self, backend, k_max):
        samples = described(backend, k_min=0.2, k_max=k_max)
        k_y, k_x = (a.values for a in samples.layout.descriptor_axes)
        inside = np.hypot(k_y[:, None], k_x) < 0.2 - 1e-12
        assert inside.any()
        assert not inside.all()
        full = host(described(backend, k_max=k_max).to_array())
        assert_close(samples.to_array(), np.where(inside, np.nan, full))
        assert samples.nonnegative
        assert_same_gram(samples)
        table = host(samples.table())
        kept = np.sum(full[..., ~inside] ** 2, axis=-1).ravel()
        np.testing.assert_allclose((table**2).sum(axis=1), kept, rtol=1e-12)

    def test_limits_are_in_the_axes_units(self):
        values = um.samples(image(), 2, pitch=0.5, units="nm")
        windows = um.sliding_windows(values, 16, 8)
        found = um.window_fft(windows, k_min=0.3, k_max=0.5)
        np.testing.assert_allclose(found.axes[2].values, np.arange(-4, 5) / 8)
        plane = found.to_array()[0, 0]
        assert np.isnan(plane[4, 4])
        assert np.isnan(plane[4, 6])  # 0.25 per nm
        assert not np.isnan(plane[4, 7])  # 0.375 per nm

    @pytest.mark.parametrize("k_min", [1 / 8, 0.25, 3 / 8])
    def test_an_entry_on_the_border_of_the_disc_stays(self, k_min):
        plane = described(Backend.NUMPY, (8, 8), k_min=k_min).to_array()[0, 0]
        n = round(8 * k_min)
        assert np.isnan(plane[4, 4 + n - 1])
        assert not np.isnan(plane[4, 4 + n])

    @pytest.mark.parametrize("limits", [{"k_max": 0.3}, {"k_min": 0.2}, {"k_min": 0.1, "pad": 16}])
    @pytest.mark.parametrize("output", ["power", "complex"])
    def test_of_other_outputs(self, backend, limits, output):
        amplitude = host(described(backend, **limits).to_array())
        got = host(described(backend, output=output, **limits).to_array())
        expected = amplitude**2
        found = np.abs(got) ** 2 if output == "complex" else got
        np.testing.assert_allclose(found, expected, atol=1e-13)
        np.testing.assert_array_equal(np.isnan(got), np.isnan(amplitude))


class TestPad:
    @pytest.mark.parametrize("pad", [(16, 22), (24, 11), (9, 14), 32])
    def test_interpolates_between_the_same_values(self, backend, pad):
        samples = described(backend, pad=pad)
        shape = pad if isinstance(pad, tuple) else (pad, pad)
        assert samples.layout.descriptor_shape == shape
        assert_close(samples.to_array(), np.abs(planes(cut(image()), pad=shape)))
        assert_same_gram(samples)

    def test_twice_as_fine(self, backend):
        fine = host(described(backend, pad=(16, 22)).to_array())
        coarse = host(described(backend).to_array())
        # 11 is odd: -5/11 is the second entry of 22
        np.testing.assert_allclose(fine[..., ::2, 1::2] * 2, coarse, atol=1e-13)


class TestOrigins:
    """The same windows by another way have the same spectra."""

    def test_kept_sliced_cropped(self, backend):
        windows = um.sliding_windows(backend.asarray(image()), WINDOW, STEP)
        expected = np.abs(planes(cut(image())))
        assert_close(um.window_fft(windows.keep()).to_array(), expected)
        assert_close(um.window_fft(windows[1:, ::2]).to_array(), expected[1:, ::2])
        assert_close(um.window_fft(windows)[1:, ::2].to_array(), expected[1:, ::2])
        assert_close(um.window_fft(windows[2]).to_array(), expected[2])
        center = windows.axes[1].values[1]
        assert_close(um.window_fft(windows.crop(grid_x=(center, 99))).to_array(), expected[:, 1:])

    @pytest.mark.parametrize("kind", ["standard", "minmax", "unit_norm"])
    @pytest.mark.parametrize("over", ["sample", "all"])
    def test_normalized_before(self, backend, kind, over):
        windows = um.sliding_windows(backend.asarray(image()), WINDOW, STEP)
        v = cut(image())
        axes = (2, 3) if over == "sample" else (0, 1, 2, 3)
        size = {
            "standard": v.std(axis=axes, keepdims=True),
            "minmax": np.ptp(v, axis=axes, keepdims=True),
            "unit_norm": np.sqrt(np.sum(v**2, axis=axes, keepdims=True)),
        }[kind]
        got = um.window_fft(windows.normalize(kind, over=over)).to_array()
        assert_close(got, np.abs(planes(v)) / size[..., 0, 0, None, None], 1e-12)

    def test_transformed_before(self, backend):
        windows = um.sliding_windows(backend.asarray(image()), WINDOW, STEP)
        got = um.window_fft(windows.transform("log1p", scale=1), k_max=0.3, pad=16)
        expected = np.abs(planes(np.log1p(cut(image())), pad=(16, 16)))
        assert_close(got.to_array(), expected[..., 4:13, 4:13])
        assert_same_gram(got)

    def test_masked_windows(self, backend, monkeypatch):
        monkeypatch.setattr(um.config, "TILE_BYTES", 1 << 13)
        mask = np.random.default_rng(0).random((4, 4)) < 0.6
        windows = um.sliding_windows(backend.asarray(image()), WINDOW, STEP)
        expected = np.where(mask[..., None, None], np.abs(planes(cut(image()))), np.nan)
        for samples in (
            um.window_fft(windows).where(mask),
            um.window_fft(windows.where(mask)),
            um.window_fft(windows.where(mask).keep()),
            um.window_fft(windows.where(mask).normalize("minmax", over="all")),
        ):
            got = host(samples.to_array())
            np.testing.assert_array_equal(np.isnan(got), np.isnan(expected))
            ratio = got[mask] / expected[mask]
            np.testing.assert_allclose(ratio, ratio.ravel()[0], rtol=1e-9)
            assert samples.layout.n_samples == mask.sum()

    @pytest.mark.parametrize("edges", ["reflect", "periodic", "constant"])
    @pytest.mark.parametrize("window", [(8, 11), (15, 20), (21, 34)])
    def test_windows_over_the_edges(self, backend, edges, window):
        mode = {"reflect": "reflect", "periodic": "wrap", "constant": "constant"}[edges]
        pads = [(w // 2, w) for w in window]
        padded = np.pad(image(), pads, mode=mode)[: SHAPE[0] - 1 + window[0]]
        padded = padded[:, : SHAPE[1] - 1 + window[1]]
        windows = um.sliding_windows(backend.asarray(image()), window, STEP, edges=edges)
        got = um.window_fft(windows)
        assert got.layout.map_shape == (6, 5)
        assert_close(got.to_array(), np.abs(planes(cut(padded, window))))
        np.testing.assert_array_equal(got.layout.windows.coverage, windows.layout.windows.coverage)

    @pytest.mark.parametrize("shape", [(8, 40), (40, 11), (8, 11)])
    def test_one_window_on_an_axis(self, backend, shape):
        values = image(shape)
        samples = um.window_fft(um.sliding_windows(backend.asarray(values), WINDOW, STEP))
        assert 1 in samples.layout.map_shape
        assert_close(samples.to_array(), np.abs(planes(cut(values))))

    @pytest.mark.parametrize("window", [(1, 12), (12, 1)])
    def test_windows_of_one_line(self, backend, window):
        samples = described(backend, window, taper="boxcar")
        assert_close(samples.to_array(), np.abs(planes(cut(image(), window), "boxcar")))
        assert_same_gram(samples)

    def test_images_with_changed_values(self, backend):
        samples = um.samples(backend.asarray(image()), 2).normalize("standard", over="all")
        got = um.window_fft(um.sliding_windows(samples, WINDOW, STEP)).to_array()
        assert_close(got, np.abs(planes(cut(image()))) / image().std(), 1e-12)

    def test_windows_that_are_data_themselves(self, backend):
        values = np.random.default_rng(0).random((5, 6, 8))
        samples = um.samples(
            backend.asarray(values),
            1,
            descriptor_names=("win_y", "win_x"),
            pitch=(1, 0.5, 0.5),
            units=("px", "nm", "nm"),
        )
        found = um.window_fft(samples)
        assert_close(found.to_array(), np.abs(planes(values)))
        assert found.axes[-1].units == "1/nm"


class TestImplementation:
    def test_the_record_says_which_one_runs(self, backend):
        step = described(backend).record.steps[-1]
        expected = {
            "numpy": um.explain("window_fft", np.ones((16, 16)))[-1][0],
            "cupy": "unmix.cuda.spectra:window_fft_any",
        }
        assert step.run["route"] == expected.get(backend.module, "generic")
        assert step.parameters == {
            "taper": "hann",
            "output": "amplitude",
            "k_min": 0,
            "k_max": None,
            "pad": None,
        }

    def test_can_be_forced(self, backend):
        got = described(backend, impl="generic", k_max=0.3)
        assert got.record.steps[-1].run["route"] == "generic"
        assert_close(got.to_array(), host(described(backend, k_max=0.3).to_array()))

    def test_refused_at_once_if_it_cannot_run(self, backend):
        with pytest.raises(um.ParameterError, match="no implementation 'fast'; it has unmix"):
            described(backend, impl="fast")
        if backend.module != "numpy":
            with pytest.raises(um.BackendError, match=r"cannot run as 'unmix.host.* it is not for"):
                described(backend, impl="unmix.host.spectra:window_fft")


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            (
                {"taper": "tukey"},
                um.ParameterError,
                "taper is 'tukey'; expected one of boxcar, hann",
            ),
            ({"taper": None}, um.ParameterError, "taper is None; expected one of boxcar, hann"),
            (
                {"output": "phase"},
                um.ParameterError,
                "output is 'phase'; expected 'amplitude', 'po",
            ),
            ({"k_min": -0.1}, um.ParameterError, r"k_min is -0\.1 .* expected positive limits"),
            ({"k_min": np.nan}, um.ParameterError, "k_min is nan .* expected positive limits"),
            ({"k_max": 0}, um.ParameterError, "k_max is 0; expected positive limits"),
            ({"k_max": np.nan}, um.ParameterError, "k_max is nan; expected positive limits"),
            ({"k_max": "all"}, um.ParameterError, "k_max is 'all'; expected positive limits"),
            (
                {"k_min": 3},
                um.ShapeError,
                "k_min=3 leaves no entry of the spectrum; take a smaller",
            ),
            ({"k_min": 0.2, "k_max": 0.1}, um.ShapeError, r"k_min=0\.2 leaves no entry"),
            ({"pad": 9}, um.ShapeError, "pad is 9; expected at least the window's 8 x 11 pixels"),
            ({"pad": (7, 20)}, um.ShapeError, r"pad is \(7, 20\); expected at least the window's"),
            (
                {"pad": 16.0},
                um.ShapeError,
                r"16\.0 came as a size in pixels; expected a whole numb",
            ),
        ],
    )
    def test_of_options(self, options, error, message):
        with pytest.raises(error, match=message):
            described(Backend.NUMPY, **options)

    def test_of_a_taper_that_is_zero(self):
        with pytest.raises(um.ParameterError, match="hann taper of 1 pixel is zero; take a larger"):
            described(Backend.NUMPY, (1, 8))

    def test_of_what_are_no_windows(self):
        windows = um.sliding_windows(image(), WINDOW, STEP)
        for other in (um.samples(image(), 2), um.window_fft(windows), windows[..., 2]):
            with pytest.raises(
                um.ShapeError, match=r"expected windows, from unmix\.sliding_windows"
            ):
                um.window_fft(other)
        with pytest.raises(um.BackendError, match="expected windows, but got ndarray; cut them"):
            um.window_fft(image())
        with pytest.raises(
            um.ShapeError, match="pixels of the windows are left out; a Fourier tra"
        ):
            um.window_fft(windows.features(np.random.default_rng(0).random(WINDOW) < 0.5))

    def test_of_complex_spectra_by_decompositions(self):
        samples = described(Backend.NUMPY, output="complex")
        for fit in (um.pca, um.nfindr, um.kmeans):
            with pytest.raises(
                um.DTypeError, match=r"these samples are complex.* output='amplitude"
            ):
                fit(samples, 2)
