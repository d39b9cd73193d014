"""What all descriptors promise: lazy, recorded, the same in tiles and on every backend."""

from __future__ import annotations

import tracemalloc

import fakecupy
import numpy as np
import pytest
from backends import Backend

import unmix as um

host = Backend.numpy
IMAGE = np.random.default_rng(3).random((40, 52))


def spectra(image):
    return um.window_fft(um.sliding_windows(image, 16, 6))


def windows(image):
    return um.sliding_windows(image, (9, 8), 6)


DESCRIPTORS = {
    "radial mean": lambda image: um.radial_profile(spectra(image)),
    "radial variance": lambda image: um.radial_profile(spectra(image), statistic="variance"),
    "polar": lambda image: um.polar_transform(windows(image), n_angles=24),
    "autocorrelation": lambda image: um.correlation(windows(image), max_lag=3),
    "cross-correlation": lambda image: um.correlation(
        windows(image), windows(image).transform("clip", high=0.5), normalize=False
    ),
    "histogram": lambda image: um.intensity_histogram(windows(image), 9, limits=(0, 1)),
    "histogram of spectra": lambda image: um.intensity_histogram(spectra(image), 7, limits=(0, 2)),
    "moments": lambda image: um.intensity_moments(windows(image)),
    "symmetry": lambda image: um.symmetry_scores(windows(image), search=1),
    "joined": lambda image: um.join(
        spectra(image), um.radial_profile(spectra(image)), weights=(2, 1)
    ),
    "joined of several": lambda image: um.join(
        um.join(windows(image), um.intensity_moments(windows(image))), windows(image)
    ),
    "put together": lambda image: um.concat([windows(image), windows(image)[1:]]),
    "a map axis": lambda image: spectra(image).to_descriptor("grid_y"),
    "orders": lambda image: um.angular_orders(spectra(image), r_min=0.1),
}


class Counted:
    """Something that slices, and counts how often."""

    def __init__(self, values):
        self.values, self.shape, self.dtype, self.reads = values, values.shape, values.dtype, 0

    def __getitem__(self, key):
        self.reads += 1
        return self.values[key]


@pytest.fixture(params=list(DESCRIPTORS))
def describe(request):
    return DESCRIPTORS[request.param]


def test_backends_agree(backend, describe):
    for dtype, rtol in ((np.float64, 1e-9), (np.float32, 2e-4)):
        samples = describe(backend.asarray(IMAGE, dtype))
        got, expected = samples.to_array(), describe(IMAGE).to_array()
        assert backend.owns(got)
        assert str(got.dtype).endswith(np.dtype(dtype).name)
        assert got.shape == samples.shape
        size = np.nanmax(np.abs(expected))
        np.testing.assert_allclose(host(got), expected, rtol=0, atol=rtol * size)


def test_tiles_give_what_the_whole_gives(describe, monkeypatch):
    expected = describe(IMAGE).to_array()
    monkeypatch.setattr(um.config, "TILE_BYTES", 1 << 13)
    samples = describe(IMAGE)
    assert len(samples.plan()) > 3
    np.testing.assert_allclose(samples.to_array(), expected, rtol=1e-9, atol=1e-12)


def test_nothing_is_read_before_it_is_asked_for(describe):
    source = Counted(IMAGE)
    image = um.samples(source, 2)
    before = source.reads  # the fingerprint
    samples = describe(image)
    assert source.reads == before
    np.testing.assert_array_equal(samples[1:3].to_array(), describe(IMAGE)[1:3].to_array())
    assert source.reads > before


def test_records_replay(describe):
    samples = describe(um.samples(IMAGE, 2, pitch=1.0, units="nm"))
    text = samples.record.to_json()
    again = um.Pipeline.from_json(text).run(IMAGE)
    np.testing.assert_array_equal(again.to_array(), samples.to_array())
    assert repr(again) == repr(samples)
    model = um.pca(samples, 2)
    np.testing.assert_array_equal(um.Pipeline.from_record(model.record).run(IMAGE).maps, model.maps)
    np.testing.assert_allclose(model.project(again).maps, model.maps, atol=1e-9)


def test_samples_that_are_left_out(describe):
    samples = describe(IMAGE)
    mask = np.random.default_rng(0).random(samples.layout.map_shape) < 0.6
    if samples.layout.mask is not None:
        mask &= samples.layout.mask
    got = samples.where(mask).to_array()
    np.testing.assert_allclose(got[mask], samples.to_array()[mask], rtol=1e-12, atol=1e-15)
    assert np.isnan(got[~mask]).all()


def test_dask(describe):
    da = pytest.importorskip("dask.array")
    lazy = describe(da.from_array(IMAGE, chunks=(20, 26)))
    np.testing.assert_allclose(lazy.to_array(), describe(IMAGE).to_array(), rtol=1e-9, atol=1e-12)


def test_a_tile_holds_no_more_than_its_source_says(describe):
    samples = describe(np.random.default_rng(0).random((120, 120)))
    where = samples.plan()[0]
    samples.tile(where)
    tracemalloc.start()
    samples.tile(where)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    n = samples.layout.n_samples
    assert peak < n * samples.source.bytes_per_sample + (1 << 18)


@pytest.mark.kernels
def test_streams_through_a_gpu(describe):
    with fakecupy.installed() as cupy:
        got = describe(um.samples(IMAGE, 2).on("cuda")).to_array()
        assert isinstance(got, cupy.ndarray)
        np.testing.assert_allclose(got.get(), describe(IMAGE).to_array(), rtol=1e-9, atol=1e-12)


@pytest.mark.kernels
def test_joined_streams_through_a_gpu():
    samples = um.join(windows(IMAGE), um.intensity_moments(windows(IMAGE)))
    with fakecupy.installed() as cupy:
        got = samples.on("cuda").to_array()
        assert isinstance(got, cupy.ndarray)
        np.testing.assert_allclose(got.get(), samples.to_array(), rtol=1e-9, atol=1e-12)
