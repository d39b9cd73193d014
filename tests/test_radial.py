"""Rings and circles: against analytic functions, sums over rings, and rotated lattices."""

from __future__ import annotations

import numpy as np
import pytest
from backends import Backend

import unmix as um

host = Backend.numpy
SCAN = np.random.default_rng(0).random((3, 4, 17, 21))


def grid(size, pitch=1.0):
    y = (np.arange(size) - size // 2) * pitch
    return np.meshgrid(y, y, indexing="ij")


def waves(angle, fold, size=96, period=8.0):
    """Return a lattice of plane waves, turned by an angle in degrees."""
    y, x = np.mgrid[:size, :size].astype(float)
    turned = np.deg2rad(angle) + np.pi * np.arange(fold // 2) / (fold // 2)
    return sum(np.cos(2 * np.pi * (x * np.cos(t) + y * np.sin(t)) / period) for t in turned)


class TestProfile:
    def test_of_a_function_of_the_radius(self, backend):
        y, x = grid(41, 0.5)
        r = np.hypot(y, x)
        scan = um.samples(
            backend.asarray(np.exp(-r / 4)[None, None]),
            2,
            pitch=(1, 1, 0.5, 0.5),
            units=("nm", "nm", "1/nm", "1/nm"),
        )
        profile = um.radial_profile(scan)
        axis = profile.axes[-1]
        assert (axis.name, axis.units) == ("radius", "1/nm")
        np.testing.assert_allclose(axis.values, np.arange(21) * 0.5)
        got = profile.to_array()
        assert backend.owns(got)
        np.testing.assert_allclose(host(got)[0, 0], np.exp(-axis.values / 4), rtol=0.03)

    @pytest.mark.parametrize("statistic", ["mean", "variance"])
    def test_is_over_all_entries_of_a_ring(self, backend, statistic):
        values = SCAN + 1e4
        scan = um.samples(backend.asarray(values, np.float32), 2)
        profile = um.radial_profile(
            scan, statistic=statistic, center=(7, 9), r_min=2, r_max=8, width=2
        )
        y, x = np.mgrid[:17, :21]
        ring = np.floor(np.hypot(y - 7, x - 9) / 2 + 0.5)
        wanted = getattr(np, "mean" if statistic == "mean" else "var")
        rows = values.astype(np.float32).astype(float)
        expected = [wanted(rows[..., ring == n], axis=-1) for n in (1, 2, 3, 4)]
        np.testing.assert_allclose(profile.axes[-1].values, [2, 4, 6, 8])
        atol = 0.01 if statistic == "mean" else 1e-3
        np.testing.assert_allclose(
            host(profile.to_array()), np.moveaxis(expected, 0, -1), rtol=0, atol=atol
        )

    @pytest.mark.parametrize("statistic", ["mean", "variance"])
    def test_of_half_planes_is_of_the_full_plane(self, statistic):
        image = np.random.default_rng(0).random((40, 44))
        spectra = um.window_fft(um.sliding_windows(image, (16, 12), 8), k_min=0.09)
        profile = um.radial_profile(spectra, statistic=statistic)
        k_y, k_x = (a.values for a in spectra.axes[2:])
        width = 1 / 12
        ring = np.floor(np.hypot(k_y[:, None], k_x) / width + 0.5 + 1e-9)
        full = np.asarray(spectra.to_array())
        wanted = np.nanmean if statistic == "mean" else np.nanvar
        for n, r in enumerate(profile.axes[-1].values):
            np.testing.assert_allclose(r, n * width)
            got = profile.to_array()[..., n]
            if n == 0:  # the disc that k_min left out
                assert np.isnan(got).all()
            else:
                np.testing.assert_allclose(got, wanted(full[..., ring == n], axis=-1), rtol=1e-9)

    def test_knows_what_is_not_below_zero(self):
        counts = um.samples(np.ones((2, 2, 5, 5), np.uint8), 2)
        signed = um.samples(SCAN - 0.5, 2)
        assert um.radial_profile(counts).nonnegative
        assert um.radial_profile(signed).nonnegative is None
        assert um.radial_profile(signed, statistic="variance").nonnegative
        assert um.angular_orders(signed).nonnegative
        assert um.polar_transform(counts).nonnegative

    def test_nan_stays_in_its_sample(self):
        values = SCAN.copy()
        scan = um.samples(values, 2)
        values[1, 2, 8, 10] = np.nan
        got = um.radial_profile(scan).to_array()
        assert np.isnan(got[1, 2]).all()
        assert np.isfinite(np.delete(got.reshape(12, -1), 6, axis=0)).all()


class TestPolar:
    def test_of_a_plane_is_exact(self, backend):
        y, x = np.mgrid[:15, :19].astype(float)
        scan = um.samples(backend.asarray((2 * x - 3 * y + 1)[None, None]), 2)
        polar = um.polar_transform(scan, n_angles=36, center=(6.5, 9), r_min=1, width=0.5)
        radius, angle = polar.axes[2:]
        assert (angle.name, angle.units, radius.name) == ("angle", "deg", "radius")
        np.testing.assert_allclose(angle.values, np.arange(36) * 10)
        np.testing.assert_allclose(radius.values, np.arange(1, 6.51, 0.5))
        t = np.deg2rad(angle.values)
        points_y = 6.5 + radius.values[:, None] * np.sin(t)
        points_x = 9 + radius.values[:, None] * np.cos(t)
        got = polar.to_array()
        assert backend.owns(got)
        np.testing.assert_allclose(host(got)[0, 0], 2 * points_x - 3 * points_y + 1, atol=1e-12)

    def test_a_quarter_turn_is_a_shift(self):
        scan = um.samples(np.stack([SCAN[0, 0, :17, :17], np.rot90(SCAN[0, 0, :17, :17], -1)]), 1)
        one, two = um.polar_transform(scan, n_angles=40).to_array()
        np.testing.assert_allclose(np.roll(one, 10, axis=-1), two, atol=1e-12)

    def test_beside_entries_that_are_left_out(self):
        keep = np.ones((17, 21), bool)
        keep[:, 12:] = False
        scan = um.samples(np.ones((2, 2, 17, 21)), 2).features(keep)
        got = um.polar_transform(scan, n_angles=8).to_array()
        radius = np.arange(9)
        # along x: entries up to 11, one from the centre, and what leans on them
        np.testing.assert_array_equal(np.isnan(got[0, 0, :, 0]), radius >= 2)
        np.testing.assert_array_equal(got[0, 0, :, 4], 1)

    def test_at_the_border_of_even_planes(self):
        spectra = um.window_fft(um.sliding_windows(SCAN[0, 0, :16, :16], 16, 1))
        assert spectra.axes[2].values[0] == -0.5
        polar = um.polar_transform(spectra, r_max=0.5)
        got = polar.to_array()[0, 0]
        full = spectra.to_array()[0, 0]
        assert polar.axes[2].size == 9
        np.testing.assert_allclose(got[-1, [90, 135]], [full[8, 0], full[0, 8]])
        # there is no entry at +0.5, nor beside it
        assert np.isnan(got[-1, [0, 45]]).all()
        assert np.isfinite(um.polar_transform(spectra).to_array()).all()


class TestOrders:
    def test_of_a_wave_around_the_centre(self, backend):
        y, x = grid(65)
        t = np.arctan2(y, x)
        scan = um.samples(backend.asarray((2 + np.cos(3 * t) + 0.5 * np.sin(6 * t))[None, None]), 2)
        orders = um.angular_orders(scan, (0, 2, 3, 6), r_min=15)
        assert [a.name for a in orders.axes[2:]] == ["order", "radius"]
        got = host(orders.to_array())[0, 0]
        np.testing.assert_allclose(
            got, np.broadcast_to([[2], [0], [0.5], [0.25]], got.shape), atol=0.01
        )

    def test_are_those_of_the_rotated_lattice(self):
        def strengths(angle, fold):
            image = waves(angle, fold)
            spectra = um.window_fft(um.sliding_windows(image, 64, 16), k_max=0.25)
            return um.angular_orders(spectra, r_min=0.1, r_max=0.15).to_array()[1, 1].sum(axis=-1)

        square = np.stack([strengths(a, 4) for a in (0, 7, 22.5, 38)])
        triangular = np.stack([strengths(a, 6) for a in (0, 7, 22.5, 38)])
        # the window's mean spectrum differs a little with where pixels lie about a spot
        for seen in (square, triangular):
            assert np.all(seen.std(axis=0) < 0.05 * seen.max())
        assert np.all(square[:, 2] > 5 * square[:, [0, 1, 3]].max(axis=1))
        assert np.all(triangular[:, 3] > 5 * triangular[:, :3].max(axis=1))

    def test_leave_out_circles_that_are_not_whole(self):
        keep = np.ones((17, 21), bool)
        keep[8, 15] = False
        orders = um.angular_orders(um.samples(SCAN, 2).features(keep), n_angles=4, orders=(0, 1))
        assert (
            np.isnan(orders.to_array()[0, 0]).any(axis=0).tolist()
            == [False] * 5 + [True] + [False] * 3
        )
