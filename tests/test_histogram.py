"""Histograms and moments against NumPy and SciPy, and what tells two textures apart."""

from __future__ import annotations

import numpy as np
import scipy.stats
from backends import Backend

import unmix as um

host = Backend.numpy
VALUES = np.random.default_rng(0).gamma(2, size=(4, 5, 6, 7))


class TestHistogram:
    def test_equals_numpy(self, backend):
        found = um.intensity_histogram(um.samples(backend.asarray(VALUES), 2), 12)
        low, high = VALUES.min(), VALUES.max()
        edges = np.linspace(low, high, 13)
        axis = found.axes[-1]
        assert axis.name == "bin"
        np.testing.assert_allclose(axis.values, (edges[1:] + edges[:-1]) / 2)
        got = host(found.to_array())
        for place in np.ndindex(4, 5):
            np.testing.assert_allclose(got[place], np.histogram(VALUES[place], edges)[0] / 42)
        assert found.nonnegative

    def test_of_spectra_is_of_the_full_plane(self):
        spectra = um.window_fft(um.sliding_windows(VALUES[..., 0, 0].repeat(4, 1), 4, 4), k_min=0.1)
        got = um.intensity_histogram(spectra, 5).to_array()
        full = spectra.to_array()
        edges = np.linspace(np.nanmin(full), np.nanmax(full) * (1 + 1e-12), 6)
        for place in np.ndindex(got.shape[:-1]):
            entries = full[place][np.isfinite(full[place])]
            expected = np.histogram(entries, edges)[0] / len(entries)
            np.testing.assert_allclose(got[place], expected, atol=1e-12)

    def test_what_lies_beyond_the_limits_counts_at_the_ends(self, backend):
        table = um.samples(backend.asarray([[-5.0, 0, 0.5, 1, 9]]), 1)
        got = um.intensity_histogram(table, 2, limits=(0, 1)).to_array()
        np.testing.assert_allclose(host(got), [[0.4, 0.6]])

    def test_other_data_gets_the_same_bins(self):
        found = um.intensity_histogram(um.samples(VALUES, 2), 8)
        other = um.Pipeline.from_record(found.record).run(VALUES * 0.5)
        np.testing.assert_array_equal(other.axes[-1].values, found.axes[-1].values)
        um.pca(found, 2).project(other)

    def test_nan_counts_in_no_bin(self):
        values = VALUES.copy()
        samples = um.samples(values, 2)
        values[0, 0, 0, :3] = np.nan
        got = um.intensity_histogram(samples, 6, limits=(0, 9)).to_array()
        np.testing.assert_allclose(got.sum(axis=-1).ravel(), [39 / 42] + [1] * 19)


class TestMoments:
    def test_equal_scipy(self, backend):
        for dtype, rtol in ((np.float64, 1e-10), (np.float32, 1e-3)):
            values = VALUES + 100
            found = um.intensity_moments(um.samples(backend.asarray(values, dtype), 2))
            flat = values.reshape(4, 5, -1)
            expected = [
                flat.mean(-1),
                flat.std(-1),
                scipy.stats.skew(flat, axis=-1),
                scipy.stats.kurtosis(flat, axis=-1, fisher=False),
            ]
            np.testing.assert_array_equal(found.axes[-1].values, [1, 2, 3, 4])
            np.testing.assert_allclose(
                host(found.to_array()), np.stack(expected, -1), rtol=rtol, atol=rtol
            )

    def test_of_constants(self, backend):
        for value in (0.0, 0.1, 1e6):
            table = um.samples(backend.asarray(np.full((2, 77), value), np.float32), 1)
            got = host(um.intensity_moments(table, 5).to_array())
            np.testing.assert_allclose(got, [[value, 0, 0, 0, 0]] * 2, rtol=1e-6)
