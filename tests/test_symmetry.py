"""Symmetry scores of motifs whose symmetry is known."""

from __future__ import annotations

import numpy as np
import pytest
from backends import Backend

import unmix as um

host = Backend.numpy
NAMES = ("C2", "C3", "C4", "C6", "mirror")


def spots(places, size=33, width=2.0, center=(0, 0)):
    """Render Gaussian spots at (radius, angle in degrees, height) about the middle."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    image = np.zeros((size, size))
    for radius, angle, height in places:
        t = np.deg2rad(angle)
        dy, dx = y - center[0] - radius * np.sin(t), x - center[1] - radius * np.cos(t)
        image += height * np.exp(-(dy**2 + dx**2) / (2 * width**2))
    return image


def ring(n, start, *, chiral=False):
    places = [(9, start + 360 * i / n, 1) for i in range(n)]
    return places + [(6, start + 25 + 360 * i / n, 1) for i in range(n if chiral else 0)]


# what each motif has, and what it has not
MOTIFS = {
    "two": (ring(2, 17), {"C2", "mirror"}, {"C3", "C4", "C6"}),
    "three": (ring(3, 40), {"C3", "mirror"}, {"C2", "C4", "C6"}),
    "four": (ring(4, 11), {"C2", "C4", "mirror"}, {"C3", "C6"}),
    "six": (ring(6, 5), {"C2", "C3", "C6", "mirror"}, {"C4"}),
    "pinwheel of four": (ring(4, 11, chiral=True), {"C2", "C4"}, {"C3", "C6", "mirror"}),
    "pinwheel of three": (ring(3, 0, chiral=True), {"C3"}, {"C2", "C4", "mirror"}),
    "one": ([(9, 70, 1)], {"mirror"}, {"C2", "C3", "C4", "C6"}),
}


@pytest.mark.parametrize("name", list(MOTIFS))
def test_of_motifs(name):
    places, has, has_not = MOTIFS[name]
    scores = um.symmetry_scores(um.samples(spots(places)[None, None], 2))
    np.testing.assert_array_equal(scores.axes[-1].values, [2, 3, 4, 6, 0])
    got = dict(zip(NAMES, scores.to_array()[0, 0], strict=True))
    for symmetry in has:
        assert got[symmetry] > 0.95, (symmetry, got)
    for symmetry in has_not:
        assert got[symmetry] < 0.8, (symmetry, got)


def test_equals_correlation_with_the_image_that_is_turned(backend):
    values = np.random.default_rng(0).random((1, 1, 21, 21))
    polar = um.polar_transform(um.samples(values, 2), n_angles=48, r_min=1)
    f, r = polar.to_array()[0, 0], polar.axes[2].values
    f = f - f.mean(axis=1, keepdims=True)

    def score(g):
        return np.sum(r[:, None] * f * g) / np.sum(r[:, None] * f * f)

    expected = [score(np.roll(f, 48 // n, axis=1)) for n in (2, 3, 4, 6)]
    expected.append(max(score(np.roll(f[:, ::-1], s, axis=1)) for s in range(48)))
    scores = um.symmetry_scores(um.samples(backend.asarray(values), 2), n_angles=48)
    np.testing.assert_allclose(host(scores.to_array())[0, 0], expected, atol=1e-12)


def test_search_finds_the_centre():
    image = spots(ring(3, 40), center=(3, -2))
    samples = um.samples(image[None, None], 2, pitch=0.5)
    there = um.symmetry_scores(samples, ("C3",), search=4).to_array()
    middle = um.symmetry_scores(samples, ("C3",)).to_array()
    assert there > 0.95
    assert middle < 0.6


def test_search_is_the_same_wherever_a_window_lies_in_a_lattice():
    y, x = np.mgrid[:64, :64]
    image = np.cos(2 * np.pi * x / 12) + np.cos(2 * np.pi * y / 12)
    windows = um.sliding_windows(image, 33, 7)
    found = um.symmetry_scores(windows, ("C4", "mirror"), search=6).to_array()
    assert found.min() > 0.95
    assert um.symmetry_scores(windows, ("C4", "mirror")).to_array().min() < 0.7


def test_of_what_does_not_vary_is_zero(backend):
    for values in (np.full((17, 17), 0.1), np.zeros((17, 17)), np.full((17, 17), -1e5)):
        for dtype in (np.float32, np.float64):
            scan = um.samples(backend.asarray(values[None, None], dtype), 2)
            assert not host(um.symmetry_scores(scan).to_array()).any()


def test_spectra_have_c2():
    image = np.random.default_rng(0).random((40, 40))
    spectra = um.window_fft(um.sliding_windows(image, 16, 8))
    np.testing.assert_allclose(um.symmetry_scores(spectra, ("C2",)).to_array(), 1, rtol=1e-6)
