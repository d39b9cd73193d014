"""Virtual detectors, against sums over the detector in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from backends import Backend

import unmix as um

host = Backend.numpy
SCAN = np.random.default_rng(0).integers(0, 99, (6, 7, 9, 11)).astype(np.uint16)


class TestMasks:
    @pytest.fixture
    def samples(self):
        return um.samples(SCAN, 2, pitch=(1, 1, 0.5, 0.25), units=("nm", "nm", "1/nm", "1/nm"))

    def test_disc_and_ring_are_in_the_axes_unit(self, samples):
        y, x = np.meshgrid(np.arange(9) * 0.5, np.arange(11) * 0.25, indexing="ij")
        r = np.hypot(y - 2, x - 1.25)
        np.testing.assert_array_equal(um.detector_mask(samples, outer=1), r < 1)
        ring = um.detector_mask(samples, inner=1, outer=2)
        np.testing.assert_array_equal(ring, (r >= 1) & (r < 2))
        other = um.detector_mask(samples, center=(1, 0.5), inner=0.5)
        np.testing.assert_array_equal(other, np.hypot(y - 1, x - 0.5) >= 0.5)

    def test_disc_and_ring_share_no_pixel_and_miss_none(self, samples):
        parts = [
            um.detector_mask(samples, inner=a, outer=b) for a, b in [(0, 1), (1, 2), (2, None)]
        ]
        np.testing.assert_array_equal(np.sum(parts, axis=0), 1)


class TestImages:
    def test_one_mask(self, backend):
        samples = um.samples(backend.asarray(SCAN), 2)
        mask = um.detector_mask(samples, inner=1.5, outer=4)
        image = um.virtual_image(samples, mask)
        assert [a.name for a in image.axes] == ["scan_y", "scan_x"]
        assert image.nonnegative is samples.nonnegative
        got = image.to_array()
        assert backend.owns(got)
        assert str(got.dtype).endswith("float32")
        np.testing.assert_allclose(host(got), SCAN[..., mask].sum(-1))

    def test_several_weights(self, backend):
        samples = um.samples(backend.asarray(SCAN), 2)
        weights = np.random.default_rng(1).normal(size=(3, 9, 11))
        weights[:, :2] = 0
        images = um.virtual_image(samples, backend.asarray(weights))
        assert [a.name for a in images.axes] == ["detector", "scan_y", "scan_x"]
        expected = np.einsum("yxij,nij->nyx", SCAN, weights)
        np.testing.assert_allclose(host(images.to_array()), expected, rtol=1e-4, atol=0.05)

    def test_samples_and_entries_that_are_left_out(self):
        keep = np.random.default_rng(1).random((6, 7)) < 0.7
        entries = np.random.default_rng(2).random((9, 11)) < 0.7
        mask = np.ones((9, 11), bool)
        for masks in (mask, np.stack([mask, mask])):
            samples = um.samples(SCAN, 2).where(keep).features(entries)
            got = um.virtual_image(samples, masks).to_array()
            expected = np.where(keep, SCAN[..., entries].sum(-1), np.nan)
            np.testing.assert_allclose(got, np.broadcast_to(expected, got.shape))

    def test_aperture_on_local_spectra_is_of_the_full_plane(self):
        image = np.random.default_rng(0).random((40, 44))
        spectra = um.window_fft(um.sliding_windows(image, 8, 4), output="power")
        mask = um.detector_mask(spectra, center=(0, 0.25), outer=0.2)
        got = um.virtual_image(spectra, mask).to_array()
        np.testing.assert_allclose(got, spectra.to_array()[..., mask].sum(-1))

    def test_windows_can_be_cut_from_it(self):
        image = um.virtual_image(um.samples(SCAN, 2), np.ones((9, 11), bool))
        assert um.sliding_windows(image, 3, 1).shape == (4, 5, 3, 3)

    def test_reads_only_the_rectangle_around_the_mask(self):
        class Data:
            shape, dtype, keys = SCAN.shape, SCAN.dtype, []

            def __getitem__(self, key):
                self.keys.append(key)
                return SCAN[key]

        data = Data()
        samples = um.samples(data, 2)
        data.keys.clear()
        mask = um.detector_mask(samples, center=(4, 6), outer=2)
        um.virtual_image(samples, mask)
        (key,) = data.keys
        assert [len(range(n)[s]) for s, n in zip(key, SCAN.shape, strict=True)] == [6, 7, 3, 3]

    def test_record_runs_again(self):
        samples = um.samples(SCAN, 2)
        for mask in (um.detector_mask(samples, outer=3), np.full((2, 9, 11), 0.5)):
            image = um.virtual_image(samples, mask)
            again = um.Pipeline.from_record(image.record).run(SCAN)
            np.testing.assert_array_equal(again.to_array(), image.to_array())
