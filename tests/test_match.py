"""Families of components against motifs that were turned and mirrored by formula, not by pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import unmix as um
from unmix.decompose._symmetry import PointGroup

SIZE = 48


def turn(degrees):
    """Matrix on (y, x) that turns x towards y."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[c, s], [-s, c]])


def element(degrees, mirrored, line=0.0):
    """Mirror at a line first, then turn."""
    flip = turn(line) @ np.diag([-1.0, 1.0]) @ turn(-line)
    return turn(degrees) @ flip if mirrored else turn(degrees)


def motif(rng, n=6):
    """Positions (y, x) of some atoms in units of half the image, and their heights."""
    radius, angle = rng.uniform(0.2, 0.75, n), rng.uniform(0, 2 * np.pi, n)
    places = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)
    return places, rng.uniform(0.5, 1.0, n)


def drawn(atoms, matrix, shape=(SIZE, SIZE), center=None, pitch=(1.0, 1.0), shift=(0, 0)):
    """An image of the motif under a matrix, its centre at a pixel."""
    places, heights = atoms
    center = (np.array(shape) - 1) / 2 if center is None else np.array(center)
    half = (np.array(shape) * pitch).min() / 2
    at = (places @ np.asarray(matrix).T) * half
    y, x = ((np.arange(n) - c) * p for n, c, p in zip(shape, center, pitch, strict=True))
    y, x = y - shift[0] * pitch[0], x - shift[1] * pitch[1]
    width = 2 * (0.09 * half) ** 2
    tall = np.exp(-((y[:, None] - at[:, 0]) ** 2) / width)
    wide = np.exp(-((x[:, None] - at[:, 1]) ** 2) / width)
    return np.einsum("a,ya,xa->yx", heights, tall, wide)


def noisy(images, rng, decibels=20):
    power = np.mean(images**2) / 10 ** (decibels / 10)
    return images + rng.normal(0, np.sqrt(power), images.shape)


def mixed_copies(group, seed, n_motifs=4, n_components=24, line=0.0, **options):
    """Components of motifs under random elements, in random order, with the truth."""
    rng, symmetry = np.random.default_rng(seed), PointGroup.of(group)
    motifs = [motif(rng) for _ in range(n_motifs)]
    labels = rng.permutation(np.arange(n_components) % n_motifs)
    chosen = rng.integers(0, len(symmetry.rotations), n_components)
    elements = list(zip(symmetry.rotations[chosen], symmetry.mirrored[chosen], strict=True))
    images = [
        drawn(motifs[label], element(*e, line), **options)
        for label, e in zip(labels, elements, strict=True)
    ]
    return noisy(np.stack(images), rng), labels, elements


def check(found, labels, elements, line=0.0):
    """Families are those of the truth, and each element takes the head to its component."""
    np.testing.assert_array_equal(
        np.equal.outer(found.labels, found.labels), np.equal.outer(labels, labels)
    )
    for family in found.families:
        head = element(*elements[family[0]], line)
        for i in family:
            step = element(found.rotations[i], found.mirrored[i], line)
            np.testing.assert_allclose(step @ head, element(*elements[i], line), atol=1e-9)


class TestFamilies:
    @pytest.mark.parametrize("seed", range(4))
    @pytest.mark.parametrize("group", ["C6v", "C4v", "C3v"])
    def test_motifs_and_elements_are_recovered(self, group, seed):
        components, labels, elements = mixed_copies(group, seed)
        found = um.match_components(components, group)
        check(found, labels, elements)
        assert len(found) == 4
        assert found.scores.min() >= -1
        np.testing.assert_allclose(np.diag(found.scores), 1, atol=1e-9)
        np.testing.assert_array_equal(found.scores, found.scores.T)

    @pytest.mark.parametrize("group", ["C1", "C5", "C12", "C1v", "C2v", "C7v"])
    def test_other_groups(self, group):
        components, labels, elements = mixed_copies(group, 5)
        check(um.match_components(components, group), labels, elements)

    @pytest.mark.parametrize("seed", range(2))
    def test_structural_similarity(self, seed):
        components, labels, elements = mixed_copies("C6v", seed, n_components=12)
        check(um.match_components(components, "C6v", measure="ssim"), labels, elements)

    def test_on_every_backend(self, backend):
        components, labels, elements = mixed_copies("C4v", 1, n_components=8)
        found = um.match_components(backend.asarray(components.astype(np.float32)), "C4v")
        check(found, labels, elements)
        for array in (found.components, found.aligned, found.means):
            assert backend.owns(array)
            assert array.dtype == backend.xp.float32
        assert isinstance(found.scores, np.ndarray)

    def test_the_largest_family_comes_first_and_heads_are_earliest(self):
        components, _, _ = mixed_copies("C4v", 0)
        found = um.match_components(components[[0, 1, 2, 5, 8, 9]], "C4v")
        sizes = [len(f) for f in found.families]
        assert sizes == sorted(sizes, reverse=True)
        for family in found.families:
            assert list(family) == sorted(family)
            assert found.rotations[family[0]] == 0
            assert not found.mirrored[family[0]]

    def test_turns_alone_do_not_mirror(self):
        atoms = motif(np.random.default_rng(0))
        pair = np.stack([drawn(atoms, element(0, False)), drawn(atoms, element(60, True))])
        assert len(um.match_components(pair, "C6")) == 2
        assert len(um.match_components(pair, "C6v")) == 1

    def test_threshold(self):
        components, _, _ = mixed_copies("C4v", 0, n_components=8)
        assert len(um.match_components(components, "C4v", threshold=0.999)) == 8
        assert len(um.match_components(components, "C4v", threshold=0)) < 4

    def test_one_component(self):
        found = um.match_components(mixed_copies("C4v", 0)[0][:1], "C4v")
        assert found.labels.tolist() == [0]
        assert repr(found) == "<Families: 1 components under C4v in families of 1>"


class TestGeometry:
    @pytest.mark.parametrize("shape", [(48, 48), (47, 47), (48, 64), (61, 50)])
    def test_centred_spectra_of_even_and_odd_size(self, shape):
        """k = 0 stays at its pixel n // 2."""
        center = [n // 2 for n in shape]
        components, labels, elements = mixed_copies(
            "C6v", 3, n_components=12, shape=shape, center=center
        )
        check(um.match_components(components, "C6v", center=center), labels, elements)

    @pytest.mark.parametrize("n", [16, 17])
    def test_the_centre_of_a_model(self, n):
        image = um.synthetic.two_phases((64, 80), rng=1).image
        windows = um.sliding_windows(image, n, 8)
        for samples, center in ((um.window_fft(windows), n // 2), (windows, (n - 1) / 2)):
            model = um.nfindr(samples, 2)
            found = um.match_components(model, "C4")
            given_center = um.match_components(model.components, "C4", center=(center, center))
            np.testing.assert_array_equal(found.aligned, given_center.aligned)

    def test_pixels_that_are_not_square(self):
        shape, pitch = (72, 48), (2 / 3, 1.0)
        components, labels, elements = mixed_copies("C6v", 2, shape=shape, pitch=pitch)
        samples = um.samples(components, 1, pitch=[1, *pitch], units=["", "nm", "nm"])
        model = um.abundances(samples, components[:2])
        whole = um.match_components(_with(model, components), "C6v")
        check(whole, labels, elements)
        assert len(um.match_components(components, "C6v")) > 4

    def test_spectra_of_one_phase_turned(self):
        """Superlattices of three directions are one phase; amplitudes are even: turns below 180."""
        scene = um.synthetic.superlattice_phases((256, 256), rng=3)
        samples = um.window_fft(um.sliding_windows(scene.image, 64, 16), k_max=0.12)
        model = um.nfindr(samples, 3)
        found = um.match_components(model, "C6")
        assert [len(f) for f in found.families] == [3]
        assert sorted(found.rotations.tolist()) == [0, 60, 120]
        assert len(um.match_components(model, "C2")) == 3

    @pytest.mark.parametrize("line", [0.0, 11.3, 24.0])
    def test_the_line_of_the_mirror(self, line):
        components, labels, elements = mixed_copies("C6v", 4, n_components=10, line=line)
        check(um.match_components(components, "C6v", mirror=line), labels, elements, line)
        free = um.match_components(components, "C6v", mirror=None)
        away = abs(free.mirror - line) % 30
        assert min(away, 30 - away) < 0.5
        np.testing.assert_array_equal(
            np.equal.outer(free.labels, free.labels), np.equal.outer(labels, labels)
        )

    def test_a_free_mirror_of_turns_is_none(self):
        components, _, _ = mixed_copies("C4", 0, n_components=4)
        assert um.match_components(components, "C4", mirror=None).mirror == 0

    def test_right_angles_move_whole_pixels(self):
        image = np.random.default_rng(0).random((21, 21))
        copies = np.stack([image, np.rot90(image, -1), image[::-1], np.rot90(image, -1).T])
        found = um.match_components(copies, "C4v")
        # y runs down, so that x turns towards y clockwise
        assert found.rotations.tolist() == [0, 90, 0, 0]
        assert found.mirrored.tolist() == [False, False, True, True]
        inside = np.isfinite(found.aligned[0])
        assert inside.sum() == np.sum(np.hypot(*(np.indices((21, 21)) - 10)) <= 10)
        for aligned in found.aligned:
            np.testing.assert_allclose(aligned[inside], image[inside], atol=1e-12)
        np.testing.assert_allclose(found.means[0][inside], image[inside], atol=1e-12)

    @pytest.mark.parametrize("shift", [(2, -1), (0.4, 1.3), (0.3, 0.4)])
    @pytest.mark.parametrize("measure", ["ncc", "ssim"])
    def test_shifted_motifs(self, shift, measure):
        atoms = motif(np.random.default_rng(1))
        pair = np.stack([drawn(atoms, np.eye(2)), drawn(atoms, element(120, True), shift=shift)])
        found = um.match_components(pair, "C6v", max_shift=3, measure=measure)
        assert len(found) == 1
        assert found.rotations[1] == 120
        assert found.mirrored[1]
        # what was moved after the turn is moved back before it is taken back
        expected = -np.linalg.inv(element(120, True)) @ shift
        np.testing.assert_allclose(found.shifts, [[0, 0], expected], atol=0.15)
        inside = np.isfinite(found.aligned[0])
        away = found.aligned[1][inside] - pair[0][inside]
        assert np.abs(away).max() < 0.1 * pair[0].max()
        unmoved = um.match_components(pair, "C6v", measure=measure).scores[0, 1]
        assert unmoved < found.scores[0, 1] or np.hypot(*shift) < 1

    def test_what_is_left_out_does_not_count(self):
        components, labels, elements = mixed_copies("C4v", 2, n_components=8)
        y, x = np.indices((SIZE, SIZE)) - (SIZE - 1) / 2
        beam = np.hypot(y, x) < 4
        bright = components + 1e3 * np.random.default_rng(0).random(components.shape) * beam
        bright[:, beam] = np.nan
        found = um.match_components(bright, "C4v")
        check(found, labels, elements)
        assert np.isnan(found.aligned[:, beam]).all()

    def test_corners_do_not_count(self):
        components, labels, elements = mixed_copies("C4v", 2, n_components=8)
        y, x = np.indices((SIZE, SIZE)) - (SIZE - 1) / 2
        outside = np.hypot(y, x) > SIZE / 2 + 2
        found = um.match_components(components + 5.0 * outside, "C4v")
        check(found, labels, elements)


def _with(model, components):
    from dataclasses import replace

    return replace(model, components=components)


class TestGroups:
    @given(st.integers(1, 24), st.booleans(), st.floats(-180, 180))
    def test_elements_form_the_group(self, n, mirrors, line):
        group = PointGroup.of(f"C{n}" + "v" * mirrors)
        matrices = group.matrices(line)
        assert len(matrices) == n * (1 + mirrors)
        np.testing.assert_allclose(
            matrices @ matrices[group.inverse], [np.eye(2)] * len(matrices), atol=1e-12
        )
        for product in matrices[0] @ matrices[-1], matrices[n // 2] @ matrices[-1]:
            assert np.min(np.abs(matrices - product).max(axis=(1, 2))) < 1e-9
        for matrix, degrees, mirrored in zip(
            matrices, group.rotations, group.mirrored, strict=True
        ):
            np.testing.assert_allclose(matrix, element(degrees, mirrored, line), atol=1e-12)


def mean_ssim(a, b):
    """Mean of SSIM over the pixels of the circle, window by window."""
    n = len(a)
    offsets = np.indices((n, n)) - (n - 1) / 2
    circle = np.hypot(*offsets) <= (n - 1) / 2
    a, b = ((v - v[circle].mean()) / v[circle].std() for v in (a, b))
    c1, c2 = ((k * max(np.ptp(v[circle]) for v in (a, b))) ** 2 for k in (0.01, 0.03))
    values = []
    for y, x in np.argwhere(circle):
        apart_y, apart_x = np.indices((n, n)) - np.array([y, x])[:, None, None]
        weight = np.exp(-(apart_y**2 + apart_x**2) / (2 * 1.5**2)) * circle
        weight *= (abs(apart_y) <= 5) & (abs(apart_x) <= 5)
        weight /= weight.sum()
        mean_a, mean_b = (weight * a).sum(), (weight * b).sum()
        var_a, var_b = (weight * (a - mean_a) ** 2).sum(), (weight * (b - mean_b) ** 2).sum()
        both = (weight * (a - mean_a) * (b - mean_b)).sum()
        luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
        values.append(luminance * (2 * both + c2) / (var_a + var_b + c2))
    return np.mean(values)


class TestSimilarity:
    def test_against_the_formula_pixel_by_pixel(self):
        """Mean SSIM of eq. 13 in windows of 11 x 11, written out, inside the circle."""
        rng = np.random.default_rng(0)
        pair = rng.random((2, 15, 15)) + np.hypot(*(np.indices((15, 15)) - 7.0))
        found = um.match_components(pair, "C1", measure="ssim")
        assert found.scores[0, 1] == pytest.approx(mean_ssim(*pair), abs=1e-9)

    def test_sees_what_correlation_does_not(self):
        """Noise in a dark corner: correlation hardly changes, structure does."""
        atoms = motif(np.random.default_rng(2))
        clean = drawn(atoms, np.eye(2))
        dull = clean + 0.03 * np.random.default_rng(0).standard_normal(clean.shape) * (clean < 0.01)
        pair = np.stack([clean, dull])
        ncc, ssim = (
            um.match_components(pair, "C1", measure=m).scores[0, 1] for m in ("ncc", "ssim")
        )
        assert ncc > 0.98
        assert ssim < 0.9
