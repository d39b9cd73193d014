"""What other tools of the field get wrong, as inputs that broke them and the right answers.

Each class names the tool and its defect. The tools themselves are not needed.
"""

from __future__ import annotations

import re
from importlib.metadata import requires

import numpy as np
import pytest
from backends import Backend

import unmix as um

host = Backend.numpy


def lattice(shape, period=9.0):
    y, x = np.indices(shape)
    return 2 + np.cos(2 * np.pi * x / period) + 0.5 * np.cos(2 * np.pi * (y / 7 + x / 20))


def hann(n):
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)


class TestPysptools:
    """N-FINDR and its start raise on NumPy 2 and SciPy 1.10; arrays are compared with None."""

    def test_nfindr_runs_on_the_libraries_of_today(self, backend):
        truth = um.synthetic.simplex_mixtures(400, 4, 30, rng=3)
        table = backend.asarray(truth.samples)
        model = um.nfindr(table, 4, n_starts=0)  # from the deterministic start (ATGP) alone
        np.testing.assert_array_equal(model.indices, np.sort(truth.pure_indices))

    def test_a_reduction_may_be_given(self, backend):
        truth = um.synthetic.simplex_mixtures(400, 4, 30, rng=3)
        table = backend.asarray(truth.samples)
        model = um.nfindr(table, 4, pca=um.pca(table, 3))
        np.testing.assert_array_equal(model.indices, np.sort(truth.pure_indices))


class TestPycroscopyPins:
    """A pin of SciPy below 1.10.2 leaves no wheel for Python 3.12."""

    def test_no_requirement_has_an_upper_bound(self):
        for requirement in requires("unmix"):
            specifier = requirement.partition(";")[0]
            assert not re.search(r"<|==|~=", specifier), requirement


class TestPycroscopyImageWindowing:
    """The sliding FFT of the field's lectures."""

    @pytest.mark.parametrize("pad", [None, (24, 32), 40])
    def test_amplitudes_are_moduli_zoomed_or_not(self, backend, pad):
        """There: the real part of the FFT, with negative values, if the zoom is not one."""
        image = lattice((40, 56)) + np.random.default_rng(0).random((40, 56))
        windows = um.sliding_windows(backend.asarray(image), (12, 16), 4)
        got = host(um.window_fft(windows, pad=pad, taper="boxcar").to_array())
        assert got.min() >= 0
        first = image[:12, :16] - image[:12, :16].mean()
        shape = got.shape[-2:]
        expected = np.abs(np.fft.fftshift(np.fft.fft2(first, s=shape))) / np.sqrt(np.prod(shape))
        np.testing.assert_allclose(got[0, 0], expected, atol=1e-12)
        assert um.window_fft(windows, pad=pad).nonnegative

    def test_the_taper_acts_on_the_window_by_default(self, backend):
        """There: ignored without a zoom, and else multiplied with the FFT."""
        image = np.random.default_rng(0).random((20, 24))
        windows = um.sliding_windows(backend.asarray(image), (8, 12), 4)
        tapered, plain = (
            host(um.window_fft(windows, taper=t).to_array()) for t in ("hann", "boxcar")
        )
        np.testing.assert_array_equal(host(um.window_fft(windows).to_array()), tapered)
        weights = np.outer(hann(8), hann(12)) * 8 / 3  # of mean square one
        first = image[:8, :12] - image[:8, :12].mean()
        expected = np.abs(np.fft.fftshift(np.fft.fft2(first * weights))) / np.sqrt(96)
        np.testing.assert_allclose(tapered[0, 0], expected, atol=1e-13)
        assert np.abs(tapered - plain).max() > 0.1

    def test_a_taper_keeps_a_wave_between_two_frequencies_together(self):
        wave = np.cos(2 * np.pi * 4.5 / 32 * np.arange(32)) + np.zeros((32, 1))
        leak = {}
        for taper in ("hann", "boxcar"):
            samples = um.window_fft(um.sliding_windows(wave, 32, 1), taper=taper)
            row = samples.to_array()[0, 0][16]
            leak[taper] = row[16 + 12] / row.max()
        assert leak["hann"] < leak["boxcar"] / 20

    def test_maps_of_images_that_are_not_square_are_not_transposed(self, backend):
        """There: window [0, 1] is the one below the first."""
        image = np.arange(24.0 * 40).reshape(24, 40)
        samples = um.sliding_windows(backend.asarray(image), 8, 4)
        assert samples.layout.map_shape == (5, 9)
        windows = host(samples.to_array())
        np.testing.assert_array_equal(windows[0, 1], image[0:8, 4:12])
        np.testing.assert_array_equal(windows[1, 0], image[4:12, 0:8])
        assert [a.name for a in samples.axes] == ["grid_y", "grid_x", "win_y", "win_x"]
        bright = np.where(np.arange(40) < 20, 0.0, 1.0) + np.zeros((24, 1))
        bright += np.random.default_rng(0).random((24, 40)) * 0.01
        model = um.kmeans(um.sliding_windows(backend.asarray(bright), 8, 4), 2)
        labels = host(model.labels)
        assert (labels == labels[:1]).all()  # the border runs from top to bottom
        assert labels[0, 0] != labels[0, -1]

    def test_the_grid_is_regular_and_its_coordinates_are_true(self):
        """There: the last window is off the grid, and the axis says that it is on it."""
        samples = um.sliding_windows(np.zeros((33, 33)), 8, 4)
        corners = samples.layout.windows.corners[0]
        np.testing.assert_array_equal(corners, np.arange(0, 25, 4))
        np.testing.assert_array_equal(samples.axes[0].values, corners + 3.5)

    def test_frequencies_are_centred_like_the_data(self, backend):
        """There: the axis begins at zero though the plane is centred."""
        image = lattice((48, 64), period=8)
        samples = um.window_fft(um.sliding_windows(backend.asarray(image), (32, 32), 16))
        k_y, k_x = (a.values for a in samples.layout.descriptor_axes)
        assert k_y[16] == k_x[16] == 0
        row = host(samples.to_array())[0, 0][16]
        assert abs(k_x[row.argmax()]) == pytest.approx(1 / 8)

    def test_windows_are_transformed_by_the_tile(self, monkeypatch):
        """There: one delayed task for each window, 70 times slower."""
        calls = []
        true = um.ops.window_fft
        monkeypatch.setattr(um.ops, "window_fft", lambda *a, **k: calls.append(1) or true(*a, **k))
        samples = um.window_fft(um.sliding_windows(np.zeros((256, 256), np.float32), 32, 4))
        assert samples.layout.n_samples == 3249
        samples.to_array()
        assert len(calls) == len(samples.plan()) <= 4

    def test_overlaps_are_averaged(self, backend):
        """There: cleaned windows overwrite one another where they overlap."""
        image = lattice((30, 38)) + np.random.default_rng(0).normal(0, 0.5, (30, 38))
        windows = um.sliding_windows(backend.asarray(image), (10, 12), 2)
        model = um.pca(windows, 4)
        scores, components = host(model.maps), host(model.components)
        cleaned = np.einsum("kyx,kab->yxab", scores, components) + host(model.mean)
        source = um.samples(backend.asarray(cleaned), 2).source
        laid = um.overlap_add(
            um.Samples(source=source, layout=windows.layout, record=windows.record)
        )
        total, count = np.zeros((30, 38)), np.zeros((30, 38))
        for i, y in enumerate(range(0, 21, 2)):
            for j, x in enumerate(range(0, 27, 2)):
                total[y : y + 10, x : x + 12] += cleaned[i, j]
                count[y : y + 10, x : x + 12] += 1
        got = host(laid.to_array())
        np.testing.assert_allclose(got, total / count, atol=1e-12)
        truth = lattice((30, 38))
        assert np.abs(got - truth).mean() < 0.5 * np.abs(image - truth).mean()


class TestAtomaiSlidingFFT:
    """Windows that are not square raise, the image's remainder is lost, files appear."""

    def test_windows_need_not_be_square(self, backend):
        samples = um.window_fft(um.sliding_windows(backend.asarray(lattice((50, 70))), (32, 16), 8))
        assert samples.shape == (3, 7, 32, 16)
        model = um.nfindr(samples, 2)
        assert tuple(model.endmembers.shape) == (2, 32, 16)

    def test_every_pixel_is_in_a_window_where_edges_are_asked_for(self):
        image = lattice((100, 100))
        for edges in ("reflect", "periodic", "constant"):
            back = um.overlap_add(um.sliding_windows(image, 32, 32, edges=edges)).to_array()
            np.testing.assert_allclose(back, image)
        inside = um.overlap_add(um.sliding_windows(image, 32, 32)).to_array()
        assert np.isnan(inside[96:]).all()  # and where not, what has no window is said to

    def test_nothing_is_printed_written_or_rescaled(self, backend, tmp_path, monkeypatch, capfd):
        monkeypatch.chdir(tmp_path)
        image = lattice((40, 40)) * 1000
        given = backend.asarray(image)
        samples = um.window_fft(um.sliding_windows(given, 16, 4))
        um.nfindr(samples, 2)
        um.kmeans(samples, 2)
        assert not list(tmp_path.iterdir())
        assert capfd.readouterr() == ("", "")
        np.testing.assert_array_equal(host(given), image)
        unit = um.window_fft(um.sliding_windows(backend.asarray(image / 1000), 16, 4))
        np.testing.assert_allclose(
            host(samples.to_array()), 1000 * host(unit.to_array()), atol=1e-9
        )

    def test_the_same_call_gives_the_same_bits(self):
        samples = um.window_fft(um.sliding_windows(lattice((40, 40)), 16, 4))
        for fit in (um.nfindr, um.kmeans, um.pca):
            np.testing.assert_array_equal(fit(samples, 2).maps, fit(samples, 2).maps)


class TestAtomaiRandomState:
    """The seed is not used: the same one gives other results, and others the same."""

    def test_rng_is_heard_and_global_state_is_not(self):
        table = np.random.default_rng(0).random((120, 5))

        def fit(rng):
            return um.kmeans(table, 6, n_starts=1, max_iter=1, rng=rng).inertia

        first = fit(3)
        np.random.seed(1)  # noqa: NPY002
        assert fit(3) == first
        assert len({fit(i) for i in range(6)}) == 6


class TestHyperspyVarianceRatio:
    """The ratio is divided by the sum of the kept components, so that it always sums to one."""

    @pytest.mark.parametrize("solver", ["covariance", "randomized"])
    def test_is_to_the_variance_of_all(self, backend, solver):
        table = np.random.default_rng(0).standard_normal((500, 20))
        ratio = host(um.pca(backend.asarray(table), 3, solver=solver).explained_variance_ratio)
        variance = np.linalg.eigvalsh(np.cov(table.T))[::-1]
        np.testing.assert_allclose(ratio, (variance / variance.sum())[:3], rtol=0.03)
        assert ratio.sum() < 0.35
        more = host(um.pca(backend.asarray(table), 6, solver=solver).explained_variance_ratio)
        np.testing.assert_allclose(more[:3], ratio, rtol=0.03)  # asking for more changes none


class TestScikitLearnNamespaces:
    """k-means takes arrays of NumPy alone."""

    def test_kmeans_stays_where_its_samples_are(self, backend):
        table, _ = um.synthetic.blobs(100, 3, 4, rng=1)
        model = um.kmeans(backend.asarray(table), 3)
        for array in (
            model.labels,
            model.centers,
            model.maps,
            model.project(backend.asarray(table)).labels,
        ):
            assert backend.owns(array)
