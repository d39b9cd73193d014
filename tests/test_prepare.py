"""Backgrounds, hot pixels and trends, against SciPy and NumPy; and an image as it is found."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import scipy.ndimage as ndi
from backends import Backend
from numpy.lib.stride_tricks import sliding_window_view
from tolerances import tolerance

import unmix as um

host = Backend.numpy
RNG = np.random.default_rng(0)
Y, X = np.mgrid[:40, :57]
IMAGE = 10 + 0.1 * Y - 0.05 * X + RNG.random((40, 57))
MOVIE = np.stack([IMAGE, 3 * IMAGE + X, RNG.random((40, 57)) + 0.5])


def with_nan(image):
    image = image.copy()
    image[..., 3:7, 10:12] = np.nan
    image[..., 0, 0] = np.nan
    return image


def mean_by_scipy(image, sigma):
    """Normalised convolution by the book."""
    there = np.isfinite(image).astype(float)
    options = {"mode": "constant", "truncate": 4}
    total = ndi.gaussian_filter(np.nan_to_num(image), sigma, **options)
    return total / ndi.gaussian_filter(there, sigma, **options)


def plane_by_lstsq(image):
    there = np.isfinite(image)
    terms = np.stack([np.ones(image.shape), *np.mgrid[: image.shape[0], : image.shape[1]]])
    found = np.linalg.lstsq(terms[:, there].T, image[there], rcond=None)[0]
    return np.tensordot(found, terms, 1)


def in_blocks(values):
    """Return what slices like a file."""

    class Data:
        shape, dtype, keys = values.shape, values.dtype, []

        def __getitem__(self, key):
            self.keys.append(key)
            return values[key]

    return Data()


class TestFlatten:
    @pytest.mark.parametrize("nan", [False, True])
    @pytest.mark.parametrize("how", ["subtract", "divide"])
    def test_gaussian(self, backend, nan, how):
        image = with_nan(IMAGE) if nan else IMAGE
        background = mean_by_scipy(image, 2)
        expected = image - background if how == "subtract" else image / background
        got = um.flatten(backend.asarray(image), "gaussian", sigma=2, how=how)
        assert backend.owns(got)
        np.testing.assert_allclose(host(got), expected, atol=1e-11)

    @pytest.mark.parametrize("nan", [False, True])
    @pytest.mark.parametrize("how", ["subtract", "divide"])
    def test_plane_of_each_frame(self, backend, nan, how):
        movie = with_nan(MOVIE) if nan else MOVIE
        planes = np.stack([plane_by_lstsq(frame) for frame in movie])
        expected = movie - planes if how == "subtract" else movie / planes
        got = um.flatten(backend.asarray(movie), "plane", how=how)
        np.testing.assert_allclose(host(got), expected, atol=1e-10)

    def test_what_is_missing_from_all_of_a_frame_stays_missing(self, backend):
        movie = MOVIE.copy()
        movie[1] = np.nan
        for method, sigma in (("plane", None), ("gaussian", 2)):
            got = host(um.flatten(backend.asarray(movie), method, sigma=sigma, how="divide"))
            assert np.isnan(got[1]).all()
            assert np.isfinite(got[[0, 2]]).all()

    def test_difference_of_gaussians(self, backend):
        image = with_nan(IMAGE)
        expected = mean_by_scipy(image, 1) - mean_by_scipy(image, 4)
        got = host(um.flatten(backend.asarray(image), "dog", sigma=(1, 4)))
        there = np.isfinite(image)
        np.testing.assert_allclose(got[there], expected[there], atol=1e-11)
        assert np.isnan(got[~there]).all()

    def test_single_precision(self, backend):
        image = backend.asarray(IMAGE, np.float32)
        got = um.flatten(image, "gaussian", sigma=5)
        assert str(got.dtype).endswith("float32")
        expected = IMAGE.astype(np.float32) - mean_by_scipy(IMAGE, 5)
        atol = 20 * tolerance("scaling", np.float32)
        np.testing.assert_allclose(host(got), expected, atol=atol)

    def test_constant_image_and_one_row(self):
        for shape in ((9, 12), (1, 12), (9, 1)):
            flat = np.full(shape, 7.0)
            for options in ({"method": "plane"}, {"method": "gaussian", "sigma": 3}):
                np.testing.assert_allclose(um.flatten(flat, **options), 0, atol=1e-12)
                np.testing.assert_allclose(um.flatten(flat, **options, how="divide"), 1)

    def test_zero_background_gives_zero(self):
        counts = np.zeros((40, 40), np.uint16)
        counts[:3, :3] = 4
        got = um.flatten(counts, "gaussian", sigma=2, how="divide")
        assert np.isfinite(got).all()
        assert (got[20:, 20:] == 0).all()

    def test_sigma_with_a_unit(self):
        image = um.samples(IMAGE, 2, pitch=0.5, units="nm")
        expected = um.flatten(IMAGE, "gaussian", sigma=3)
        for sigma in ("1.5 nm", "15 Å", "0.0015 um", "3 px"):
            got = um.flatten(image, "gaussian", sigma=sigma)
            np.testing.assert_allclose(got.to_array(), expected, atol=1e-12)
            assert got.axes[0].same_as(image.axes[0])


class TestDespike:
    @pytest.mark.parametrize("nan", [False, True])
    def test_spikes_are_found_and_nothing_else(self, backend, nan):
        movie = with_nan(MOVIE) if nan else MOVIE.copy()
        spiked = movie.copy()
        places = np.zeros(movie.shape, bool)
        for place in [
            (0, 0, 5),
            (1, 20, 30),
            (1, 21, 30),
            (2, 39, 56),
            (0, 7, 10),
            (0, 1, 1),
            (1, 39, 0),
        ]:
            places[place], spiked[place] = True, 500
        places[2, 10, 40], spiked[2, 10, 40] = True, -90
        got = host(um.despike(backend.asarray(spiked)))
        np.testing.assert_array_equal(got[~places], movie[~places])
        assert np.abs(got[places] - movie[places]).max() < 4

    @pytest.mark.parametrize("nan", [False, True])
    def test_medians(self, backend, nan):
        image = with_nan(IMAGE) if nan else IMAGE
        ring = np.ones((5, 5), bool)
        ring[2, 2] = False
        expected = ndi.generic_filter(
            image,
            np.nanmedian,
            footprint=ring,
            mode="reflect",
        )
        got = um.ops.neighbour_medians(backend.asarray(image), 5)
        np.testing.assert_allclose(host(got), expected)

    def test_a_pixel_alone_stays(self):
        np.testing.assert_array_equal(um.despike(np.asarray([[5.0]])), [[5.0]])

    def test_sparse_counts_stay(self):
        counts = np.random.default_rng(1).poisson(0.05, (64, 64)).astype(np.uint8)
        clean = um.despike(counts, threshold=50)
        np.testing.assert_array_equal(clean, counts)
        counts[30, 30] = 200
        assert um.despike(counts, threshold=50)[30, 30] == 0

    def test_sharp_atoms_stay(self):
        for period in (5, 8, 14):
            scene = um.synthetic.two_phases((128, 128), period=period, counts=None)
            np.testing.assert_array_equal(um.despike(scene.image), scene.image)


class TestDetrend:
    def test_no_plane_is_left(self, backend):
        windows = um.sliding_windows(backend.asarray(IMAGE), (8, 6), 5)
        got = host(um.detrend(windows).to_array())
        cut = host(windows.to_array())
        for place in [(0, 0), (3, 4), (6, 10)]:
            np.testing.assert_allclose(
                got[place], cut[place] - plane_by_lstsq(cut[place]), atol=1e-11
            )

    def test_spectra_of_a_slope_vanish(self, backend):
        slope = backend.asarray(0.3 * Y - 2.0 * X)
        windows = um.detrend(um.sliding_windows(slope, 16, 4))
        for output in ("amplitude", "power"):
            spectra = um.window_fft(windows, output=output).to_array()
            np.testing.assert_allclose(host(spectra), 0, atol=1e-10)

    def test_thin_windows(self):
        windows = um.sliding_windows(IMAGE, (1, 6), (1, 2))
        got = um.detrend(windows).to_array()
        np.testing.assert_allclose(got.mean(-1), 0, atol=1e-12)


PREPARED = {
    "plane": lambda image: um.flatten(image, "plane", how="divide"),
    "gaussian": lambda image: um.flatten(image, "gaussian", sigma=3),
    "dog": lambda image: um.flatten(image, "dog", sigma=(1, 5)),
    "despike": lambda image: um.despike(image, threshold=3, size=5),
}


@pytest.mark.parametrize("prepare", PREPARED.values(), ids=PREPARED)
class TestSamples:
    def test_axes_stay_and_the_record_runs_again(self, prepare):
        image = um.samples(MOVIE, 3, pitch=(1, 0.2, 0.2), units=("s", "nm", "nm"))
        got = prepare(image)
        assert all(a.same_as(b) for a, b in zip(got.axes, image.axes, strict=True))
        assert len(got.record.steps) == 2
        again = um.Pipeline.from_record(um.Record.from_json(got.record.to_json())).run(MOVIE)
        np.testing.assert_array_equal(again.to_array(), got.to_array())
        np.testing.assert_array_equal(prepare(MOVIE), got.to_array())

    def test_files_block_by_block(self, prepare):
        data, expected = in_blocks(MOVIE), prepare(MOVIE)
        image = um.samples(data, 3)
        data.keys.clear()
        got = prepare(image)
        assert not data.keys  # nothing was read
        with um.config.memory_budget(1 << 20):
            np.testing.assert_allclose(got.to_array(), expected, atol=1e-10)
            np.testing.assert_allclose(got[1, 5:30:3, 7:9].to_array(), expected[1, 5:30:3, 7:9])
            spectra = um.window_fft(um.sliding_windows(got, 8, 4))
            other = um.window_fft(um.sliding_windows(expected, 8, 4))
            np.testing.assert_allclose(spectra.to_array(), other.to_array(), atol=1e-10)
        read = [[len(range(n)[s]) for s, n in zip(k, MOVIE.shape, strict=True)] for k in data.keys]
        assert len(read) > 3

    def test_tiles_do_not_show(self, prepare, monkeypatch):
        expected = prepare(MOVIE)
        monkeypatch.setattr(um.config, "tile_bytes", lambda: 20_000)
        got = prepare(um.samples(in_blocks(MOVIE), 3))
        assert len(got.plan()) > 6
        np.testing.assert_allclose(got.to_array(), expected, atol=1e-10)

    def test_dask(self, prepare):
        got = prepare(um.samples(da.from_array(MOVIE, (1, 16, 57)), 3))
        np.testing.assert_allclose(got.to_array(), prepare(MOVIE), atol=1e-10)

    def test_masked_pixels_count_as_missing(self, prepare):
        mask = np.ones(MOVIE.shape, bool)
        mask[:, 3:9, 20:30] = False
        mask[2] = False
        got = prepare(um.samples(np.where(mask, MOVIE, 1e6), 3).where(mask))
        np.testing.assert_allclose(got.to_array()[:2], prepare(np.where(mask, MOVIE, np.nan))[:2])
        assert np.isnan(got.to_array()[2]).all()


class TestAnImageAsItIsFound:
    """A gradient of 30 %, a bright blob of contamination and hot pixels, planted."""

    @pytest.fixture
    def scene(self):
        return um.synthetic.two_phases((400, 400), counts=20, rng=1)

    def planted(self, image, multiplied):
        draws, (height, width) = np.random.default_rng(0), image.shape
        y, x = np.mgrid[:height, :width]
        slope, mean = 0.3 * (x / width - 0.5), image.mean()
        bad = image * (1 + slope) if multiplied else image + mean * slope
        blob = np.exp(-((y - 0.3 * height) ** 2 + (x - 0.6 * width) ** 2) / (0.02 * width**2))
        bad += 3 * mean * blob
        hot = draws.choice(bad.size, bad.size // 500, replace=False)
        bad.ravel()[hot] += draws.uniform(10, 40, hot.size) * mean
        return bad.astype(np.float32)

    def correlation(self, image, scene):
        spectra = um.window_fft(um.sliding_windows(image, 64, 8), k_max=1 / 8)
        model = um.nfindr(spectra, 2)
        taper = um.ops.taper_weights("hann", 64)
        cut = sliding_window_view(scene.weights[1], (64, 64))[::8, ::8]
        truth = np.einsum("abij,i,j->ab", cut, taper, taper)
        return abs(np.corrcoef(model.abundances[0].ravel(), truth.ravel())[0, 1]), model

    @pytest.mark.parametrize("multiplied", [True, False])
    def test_the_map_is_that_of_the_clean_image(self, scene, multiplied):
        clean, _ = self.correlation(scene.image, scene)
        bad = self.planted(scene.image, multiplied)
        assert self.correlation(bad, scene)[0] < clean - 0.02
        prepared = um.flatten(um.despike(um.samples(bad, 2)), "gaussian", sigma=14)
        found, model = self.correlation(prepared, scene)
        assert found > clean - 0.02
        done = [step.operation for step in model.record.steps]
        assert done[:4] == ["samples", "despike", "flatten", "sliding_windows"]
        again = um.Pipeline.from_record(model.record).run(bad)
        np.testing.assert_array_equal(again.abundances, model.abundances)
