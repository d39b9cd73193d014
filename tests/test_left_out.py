"""What is left out: masks of samples and features together, NaN, and sweeps that read once."""

from __future__ import annotations

import numpy as np
import pytest
from backends import Backend
from test_descriptors import Counted

import unmix as um

host = Backend.numpy


class TestMasksTogether:
    """On a scan and a detector that are not square, as on the arrays without what is left out."""

    @pytest.fixture(params=["covariance", "randomized"])
    def solver(self, request):
        return request.param

    def test_poisson_scaling(self, backend, solver):
        rng = np.random.default_rng(0)
        amounts, parts = rng.random((11, 17, 3)), rng.random((3, 8, 13)) ** 4 * 30
        counts = rng.poisson(np.tensordot(amounts, parts, 1)).astype(np.float64)
        keep, entries = rng.random((11, 17)) < 0.8, rng.random((8, 13)) < 0.7
        compressed = counts[keep][:, entries]
        counts[~keep] = 1e5  # what is left out must not count
        counts[:, :, ~entries] = 1e5
        samples = um.samples(backend.asarray(counts), 2).where(keep).features(entries)
        model = um.pca(samples, 3, noise="poisson", solver=solver, loss=1e-9)
        plain = um.pca(backend.asarray(compressed), 3, noise="poisson", solver=solver, loss=1e-9)
        maps, components = host(model.maps), host(model.components)
        assert maps.shape == (3, 11, 17)
        assert components.shape == (3, 8, 13)
        assert np.isnan(maps[:, ~keep]).all()
        assert np.isnan(components[:, ~entries]).all()
        size = np.abs(host(plain.maps)).max()
        np.testing.assert_allclose(maps[:, keep], host(plain.maps), rtol=0, atol=1e-6 * size)
        np.testing.assert_allclose(components[:, entries], host(plain.components), atol=1e-6)
        np.testing.assert_allclose(host(model.mean)[entries], host(plain.mean))
        np.testing.assert_allclose(
            host(model.explained_variance), host(plain.explained_variance), rtol=1e-8
        )

    def test_labels(self, backend):
        rng = np.random.default_rng(1)
        values = rng.random((11, 17, 8, 13)) + rng.integers(0, 3, (11, 17, 1, 1))
        keep, entries = rng.random((11, 17)) < 0.8, rng.random((8, 13)) < 0.7
        samples = um.samples(backend.asarray(values), 2).where(keep).features(entries)
        labels = host(um.kmeans(samples, 3).labels)
        plain = host(um.kmeans(backend.asarray(values[keep][:, entries]), 3).labels)
        np.testing.assert_array_equal(labels[keep], plain)
        assert (labels[~keep] == -1).all()


class TestNaN:
    def test_one_pattern_of_ten_thousand(self, backend):
        rng = np.random.default_rng(0)
        values = rng.random((100, 100, 3, 4)) + 2 * (rng.random((100, 100, 1, 1)) < 0.3)
        values[41, 7, 2, 1] = np.nan
        keep = np.ones((100, 100), bool)
        keep[41, 7] = False
        with pytest.raises(um.DataError, match=r"leave their samples out with nan='skip'"):
            um.samples(backend.asarray(values), 2)
        samples = um.samples(backend.asarray(values), 2, nan="skip")
        plain = um.kmeans(backend.asarray(values[keep].reshape(-1, 12)), 2, n_starts=1)
        model = um.kmeans(samples, 2, n_starts=1)
        np.testing.assert_array_equal(host(model.labels)[keep], host(plain.labels))
        assert host(model.labels)[41, 7] == -1
        assert np.isnan(host(um.pca(samples, 2).maps)[:, 41, 7]).all()

    @pytest.mark.parametrize("step", [8, 5])
    def test_windows_beside_a_pixel_are_not_touched_by_it(self, backend, step):
        image = np.random.default_rng(0).random((64, 80))
        bad = image.copy()
        bad[30, 41], bad[50, 3] = np.nan, np.inf
        pixels = um.samples(backend.asarray(bad), 2, nan="skip")
        for edges in ("valid", "reflect", "periodic", "constant"):
            windows = um.sliding_windows(pixels, (16, 12), step, edges=edges)
            clean = um.sliding_windows(image, (16, 12), step, edges=edges)
            marked = um.sliding_windows(np.isfinite(bad) * 1.0 + 1, (16, 12), step, edges=edges)
            keep = (marked.to_array() != 1).all(axis=(2, 3))
            np.testing.assert_array_equal(windows.layout.mask, keep)
            assert not keep.all()
            got = host(um.window_fft(windows).to_array())
            np.testing.assert_allclose(got[keep], um.window_fft(clean).to_array()[keep], atol=1e-12)
            assert np.isnan(got[~keep]).all()

    def test_of_files_and_records(self, tmp_path):
        values = np.random.default_rng(0).random((9, 12, 5))
        values[3, 4, 1] = np.nan
        np.save(tmp_path / "scan.npy", values)
        with pytest.raises(um.DataError, match="nan='skip'"):
            um.pca(um.open(tmp_path / "scan.npy", axes="y x | bin"), 2)
        samples = um.open(tmp_path / "scan.npy", axes="y x | bin", nan="skip")
        assert samples.layout.n_samples == 9 * 12 - 1
        model = um.pca(samples, 2)
        again = um.Pipeline.from_record(model.record).run(str(tmp_path / "scan.npy"))
        np.testing.assert_array_equal(again.maps, model.maps)
        mine = um.pca(um.samples(values, 2, nan="skip"), 2)
        np.testing.assert_allclose(mine.maps, model.maps, atol=1e-12)
        again = um.Pipeline.from_record(mine.record).run(values)
        np.testing.assert_array_equal(again.maps, mine.maps)

    def test_of_dask_arrays(self):
        da = pytest.importorskip("dask.array")
        values = np.random.default_rng(0).random((9, 12, 5))
        values[3, 4, 1] = np.nan
        samples = um.samples(da.from_array(values, chunks=(4, 6, 5)), 2, nan="skip")
        expected = um.pca(um.samples(values, 2, nan="skip"), 2)
        np.testing.assert_allclose(um.pca(samples, 2).maps, expected.maps, atol=1e-9)

    def test_of_what_holds_none(self):
        assert um.samples(np.ones((3, 4), np.uint8), 1, nan="skip").layout.mask is None
        assert um.samples(np.ones((3, 4)), 1, nan="skip").layout.mask is None


class TestSweep:
    @pytest.mark.parametrize("fit", [um.nmf, um.nfindr, um.kmeans, um.vca])
    def test_reads_the_image_once(self, fit):
        source = Counted(np.random.default_rng(0).random((72, 80)))
        spectra = um.window_fft(um.sliding_windows(um.samples(source, 2), 16, 8))
        before = source.reads
        tiles = len(spectra.plan())
        options = {"max_iter": 5} if fit is um.nmf else {}
        models = um.sweep(fit, spectra, range(3, 9), **options)
        assert source.reads - before == tiles
        assert [len(model) for model in models] == [3, 4, 5, 6, 7, 8]

    def test_gives_what_single_fits_give(self, backend):
        image = backend.asarray(np.random.default_rng(0).random((72, 80)))
        spectra = um.window_fft(um.sliding_windows(image, 16, 8), k_max=0.2)
        for n, model in zip((2, 3), um.sweep(um.kmeans, spectra, (2, 3), rng=5), strict=True):
            np.testing.assert_array_equal(
                host(model.labels), host(um.kmeans(spectra, n, rng=5).labels)
            )
        shared = um.pca(spectra, 4)
        for n, model in zip((3, 4), um.sweep(um.nfindr, spectra, (3, 4)), strict=True):
            one = um.nfindr(spectra, n, pca=shared)
            np.testing.assert_array_equal(model.indices, one.indices)
            np.testing.assert_allclose(host(model.maps), host(one.maps), atol=1e-9)

    def test_replays(self):
        image = np.random.default_rng(0).random((72, 80))
        spectra = um.window_fft(um.sliding_windows(image, 16, 8), k_max=0.2)
        model = um.sweep(um.nfindr, spectra, (2, 3))[1]
        again = um.Pipeline.from_json(model.record.to_json()).run(image)
        np.testing.assert_array_equal(again.indices, model.indices)
