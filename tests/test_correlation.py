"""Correlations against sums over overlapping pixels, lattice vectors and displacements."""

from __future__ import annotations

import numpy as np
import pytest
from backends import Backend

import unmix as um

host = Backend.numpy


def by_sums(a, b, lags, normalize):
    """Return the mean product at each lag, term by term."""
    a, b = a - a.mean(), b - b.mean()
    out = np.empty((2 * lags[0] + 1, 2 * lags[1] + 1))
    for i, dy in enumerate(range(-lags[0], lags[0] + 1)):
        for j, dx in enumerate(range(-lags[1], lags[1] + 1)):
            terms = [
                a[y, x] * b[y + dy, x + dx]
                for y in range(max(0, -dy), min(a.shape[0], a.shape[0] - dy))
                for x in range(max(0, -dx), min(a.shape[1], a.shape[1] - dx))
            ]
            out[i, j] = np.mean(terms)
    return out / (a.std() * b.std()) if normalize else out


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("cross", [True, False])
def test_equals_sums(backend, cross, normalize):
    values = np.random.default_rng(0).random((2, 2, 7, 6)) + 3
    others = np.random.default_rng(1).random((2, 2, 7, 6)) if cross else values
    samples = um.samples(backend.asarray(values), 2, pitch=(1, 1, 0.5, 0.25))
    other = um.samples(backend.asarray(others), 2, pitch=(1, 1, 0.5, 0.25)) if cross else None
    found = um.correlation(samples, other, max_lag=(2.5, 0.75), normalize=normalize)
    assert [a.name for a in found.axes[2:]] == ["lag_y", "lag_x"]
    np.testing.assert_allclose(found.axes[2].values, np.arange(-5, 6) * 0.5)
    np.testing.assert_allclose(found.axes[3].values, np.arange(-3, 4) * 0.25)
    got = host(found.to_array())
    for place in np.ndindex(2, 2):
        expected = by_sums(values[place], others[place], (5, 3), normalize)
        np.testing.assert_allclose(got[place], expected, atol=1e-12)


def test_halves_have_the_geometry_of_the_whole():
    samples = um.samples(np.random.default_rng(0).random((9, 7, 6)), 1)
    found = um.correlation(samples)
    flat = found.to_array().reshape(9, -1)
    assert found.layout.n_features == flat.shape[1] // 2 + 1
    np.testing.assert_allclose(found.table() @ found.table().T, flat @ flat.T, rtol=1e-12)


def test_peaks_at_lattice_vectors_wherever_the_window_lies():
    y, x = np.mgrid[:80, :80]
    u, v = np.array([9, 2]), np.array([-3, 8])
    to_lattice = np.linalg.inv(np.stack([u, v], axis=1))
    c = np.tensordot(to_lattice, np.stack([y, x]), 1)
    image = np.cos(2 * np.pi * c).sum(axis=0) ** 3
    found = um.correlation(um.sliding_windows(image, 40, 13), max_lag=12).to_array()
    for window in found.reshape(-1, 25, 25):
        assert window[12, 12] == pytest.approx(1)
        for lag in (u, v, -u, -v, u + v):
            at = tuple(12 + lag)
            assert window[at] > 0.9
            around = window[at[0] - 2 : at[0] + 3, at[1] - 2 : at[1] + 3]
            assert window[at] > around.max() - 0.01


def test_of_frames_peaks_at_their_displacement():
    image = np.random.default_rng(0).random((60, 60))
    moved = np.roll(image, (3, -2), axis=(0, 1))
    a, b = (um.sliding_windows(i, 20, 20) for i in (image, moved))
    found = um.correlation(a, b, max_lag=5).to_array()
    for window in found.reshape(-1, 11, 11):
        assert np.unravel_index(window.argmax(), (11, 11)) == (5 + 3, 5 - 2)


def test_of_constants_is_zero(backend):
    for value in (0, 0.1, 1e6):
        samples = um.samples(backend.asarray(np.full((1, 1, 9, 9), value), np.float32), 2)
        assert not host(um.correlation(samples).to_array()).any()


def test_both_masks_count():
    values = np.random.default_rng(0).random((3, 3, 5, 5))
    samples, mask, other = um.samples(values, 2), np.ones((3, 3), bool), np.ones((3, 3), bool)
    mask[0, 1], other[2, 2] = False, False
    got = um.correlation(samples.where(mask), samples.where(other)).to_array()
    np.testing.assert_array_equal(np.isnan(got).any(axis=(2, 3)), ~(mask & other))
