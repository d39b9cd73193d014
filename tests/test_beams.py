"""Beams found and patterns centred, against where they were drawn."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import scipy.ndimage as ndi
from backends import Backend

import unmix as um

host = Backend.numpy
SCAN, DETECTOR, RADIUS = (5, 6), (33, 40), 6.0
UNITS = {"pitch": (1, 1, 0.5, 0.5), "units": ("nm", "nm", "mrad", "mrad")}


def places():
    """Where the beam is, (y, x): an even descan."""
    y, x = np.mgrid[: SCAN[0], : SCAN[1]]
    return np.stack([15.3 + 0.7 * y - 0.31 * x, 20.6 - 0.45 * y + 0.52 * x], axis=-1)


def disc(y0, x0, radius=RADIUS, shape=DETECTOR):
    """Draw a disc, each pixel by a hundred points."""
    fine = (np.arange(10) + 0.5) / 10 - 0.5
    y = (np.arange(shape[0])[:, None] + fine - y0).ravel()
    x = (np.arange(shape[1])[:, None] + fine - x0).ravel()
    inside = y[:, None] ** 2 + x**2 < radius**2
    return inside.reshape(shape[0], 10, shape[1], 10).mean(axis=(1, 3))


@pytest.fixture(scope="module")
def patterns():
    return np.stack([[disc(*p) for p in row] for row in places()])


def crowded(patterns):
    """A weaker spot beside the beam, an even background and counts."""
    extra = 0.3 * disc(6, 31, radius=4) + 0.05
    return np.random.default_rng(0).poisson(50 * (patterns + extra)).astype(np.uint16)


class TestFinding:
    def test_centre_of_mass(self, backend, patterns):
        found = um.find_beam(um.samples(backend.asarray(patterns), 2, **UNITS))
        assert found.axes[-1].units == "mrad"
        got = found.to_array()
        assert backend.owns(got)
        np.testing.assert_allclose(host(got), 0.5 * places(), atol=0.01)

    def test_correlation(self, backend, patterns):
        samples = um.samples(backend.asarray(crowded(patterns)), 2)
        found = um.find_beam(samples, "correlation", radius=RADIUS)
        error = host(found.to_array()) - places()
        assert np.abs(error).max() < 0.15
        plain = host(um.find_beam(samples).to_array()) - places()
        assert np.abs(plain).max() > 1  # which is what it is for

    def test_mask_and_plane(self, patterns):
        samples = um.samples(crowded(patterns), 2)
        mask = um.detector_mask(samples, center=(16, 20), outer=10.5)
        inside = um.find_beam(samples, mask=mask).to_array() - places()
        assert np.abs(inside).max() < 0.8
        found = um.find_beam(samples, "correlation", radius=RADIUS, smooth="plane")
        assert np.abs(found.to_array() - places()).max() < 0.1

    def test_empty_patterns_have_none(self, backend, patterns):
        empty = patterns.copy()
        empty[1, 2] = 0
        samples = um.samples(backend.asarray(empty), 2)
        for options in ({}, {"method": "correlation", "radius": RADIUS}):
            got = host(um.find_beam(samples, **options).to_array())
            assert np.isnan(got[1, 2]).all()
            assert np.isfinite(got).sum() == got.size - 2
            smooth = host(um.find_beam(samples, **options, smooth="plane").to_array())
            np.testing.assert_allclose(smooth, places(), atol=0.1)

    def test_line_scans_and_frames(self, patterns):
        line = um.find_beam(um.samples(patterns[0], 1), smooth="plane").to_array()
        np.testing.assert_allclose(line, places()[0], atol=0.02)
        movie = um.samples(np.stack([patterns, patterns[::-1]]), 3)
        found = um.find_beam(movie, smooth="plane").to_array()
        np.testing.assert_allclose(found[1], places()[::-1], atol=0.02)


class TestCentring:
    @pytest.mark.parametrize("interpolation", ["bilinear", "fourier"])
    def test_beams_come_to_the_middle(self, backend, patterns, interpolation):
        samples = um.samples(backend.asarray(patterns), 2, **UNITS)
        centred = um.center_beam(samples, interpolation=interpolation)
        assert centred.axes[2].values[0] == -centred.axes[2].values[-1] == -8
        assert centred.axes[3].values[0] == -9.75
        got = host(centred.to_array())
        expected = disc(16, 19.5)
        assert np.abs(got - expected).mean() < 0.02
        np.testing.assert_allclose(got.sum((-2, -1)), patterns.sum((-2, -1)), rtol=1e-6)
        again = host(um.find_beam(centred).to_array())
        np.testing.assert_allclose(again, 0, atol=1e-9 if interpolation == "bilinear" else 0.01)

    def test_bilinear_is_that_of_scipy(self, backend):
        values = np.random.default_rng(0).random((4, 7, 9))
        by = np.asarray([(0.3, -1.7), (2.5, 0), (-8.1, 3), (0, 0.9)])
        got = host(um.ops.moved(backend.asarray(values), by))
        for pattern, shift, out in zip(values, by, got, strict=True):
            wide = np.pad(pattern, 12)
            expected = ndi.shift(wide, -shift, order=1)[12:-12, 12:-12]
            np.testing.assert_allclose(out, expected, atol=1e-12)

    def test_fourier_is_exact_and_comes_round(self, backend):
        for shape in ((8, 9), (9, 8)):
            y, x = np.mgrid[: shape[0], : shape[1]]

            def wave(y, x, shape=shape):
                return 1 + np.cos(2 * np.pi * (2 * y / shape[0] - 3 * x / shape[1]) + 0.4)

            by = np.asarray([[0.37, -1.21], [9.5, 4.25]])
            got = um.ops.moved(backend.asarray(np.stack([wave(y, x)] * 2)), by, "fourier")
            expected = [wave(y + a, x + b) for a, b in by]
            np.testing.assert_allclose(host(got), expected, atol=1e-12)

    def test_positions_of_another_kind(self, patterns):
        samples = um.samples(crowded(patterns), 2)
        positions = um.find_beam(samples, "correlation", radius=RADIUS, smooth="plane")
        centred = um.center_beam(samples, positions)
        options = {"method": "correlation", "radius": RADIUS, "smooth": "plane"}
        np.testing.assert_array_equal(
            centred.to_array(), um.center_beam(samples, **options).to_array()
        )
        for result in (centred, um.center_beam(samples, **options), positions):
            record = um.Record.from_json(result.record.to_json())
            again = um.Pipeline.from_record(record).run(crowded(patterns))
            np.testing.assert_array_equal(again.to_array(), result.to_array())

    def test_slices_masks_crops_and_bins_follow(self, patterns):
        samples = um.samples(patterns, 2)
        centred = um.center_beam(samples)
        whole = centred.to_array()
        np.testing.assert_array_equal(centred[1:4, ::2, 3:9].to_array(), whole[1:4, ::2, 3:9])
        mask = np.random.default_rng(0).random(SCAN) < 0.6
        np.testing.assert_array_equal(centred.where(mask).to_array()[mask], whole[mask])
        binned = centred.bin(scan_y=5, det_x=2).to_array()
        np.testing.assert_allclose(binned[0], whole.sum(0).reshape(6, 33, 20, 2).sum(-1))
        disc_of_beam = um.detector_mask(centred, center=(0, 0), outer=RADIUS + 2)
        bright = um.virtual_image(centred, disc_of_beam).to_array()
        np.testing.assert_allclose(bright, patterns.sum((-2, -1)))

    def test_left_out_and_empty_patterns(self, patterns):
        empty = patterns.copy()
        empty[0, 0] = 0
        mask = np.ones(SCAN, bool)
        mask[3, 3] = False
        got = um.center_beam(um.samples(empty, 2).where(mask)).to_array()
        assert np.isnan(got[3, 3]).all()
        assert not got[0, 0].any()
        expected = um.center_beam(um.samples(patterns, 2)).to_array()
        np.testing.assert_allclose(got[1:3], expected[1:3])

    def test_files_and_dask_in_tiles(self, patterns, monkeypatch):
        expected = um.center_beam(um.samples(patterns, 2)).to_array()

        class Data:
            shape, dtype = patterns.shape, patterns.dtype

            def __getitem__(self, key):
                return patterns[key]

        monkeypatch.setattr(um.config, "tile_bytes", lambda: 1 << 17)
        for data in (Data(), da.from_array(patterns, (2, 3, -1, -1))):
            centred = um.center_beam(um.samples(data, 2))
            assert len(centred.plan()) > 3
            np.testing.assert_allclose(centred.to_array(), expected, atol=1e-12)
            model = um.pca(centred, 2)
            assert model.maps.shape == (2, *SCAN)


class TestAffine:
    def test_ellipses_become_circles(self, backend):
        y, x = np.mgrid[:41, :45]
        matrix = um.ellipse(1.2, 30)
        inverse = np.linalg.inv(matrix)
        true = np.tensordot(inverse, np.stack([y - 20, x - 22]), 1)
        ring = np.exp(-((np.hypot(*true) - 12) ** 2) / 8)
        samples = um.samples(backend.asarray(np.stack([[ring, 2 * ring]])), 2)
        got = host(um.affine(samples, matrix).to_array())
        expected = np.exp(-((np.hypot(y - 20, x - 22) - 12) ** 2) / 8)
        np.testing.assert_allclose(got[0, 0], expected, atol=0.04)
        np.testing.assert_allclose(got[0, 1], 2 * got[0, 0])

    def test_along_the_axis_of_the_ellipse(self):
        matrix = um.ellipse(1.44, 40)
        turn = np.deg2rad(40)
        along = np.asarray([np.sin(turn), np.cos(turn)])
        np.testing.assert_allclose(matrix @ along, 1.2 * along)
        assert np.linalg.det(matrix) == pytest.approx(1)

    def test_identity_shift_of_centre_and_record(self):
        values = np.random.default_rng(0).random((2, 3, 8, 9))
        samples = um.samples(values, 2, **UNITS)
        np.testing.assert_allclose(um.affine(samples, np.eye(2)).to_array(), values)
        turned = um.affine(samples, [[-1, 0], [0, -1]], center=(1.5, 2.0))
        expected = np.zeros(values.shape)
        expected[..., :7, :] = values[..., 6::-1, ::-1]
        np.testing.assert_allclose(turned.to_array(), expected, atol=1e-12)
        again = um.Pipeline.from_record(turned.record).run(values)
        np.testing.assert_array_equal(again.to_array(), turned.to_array())
