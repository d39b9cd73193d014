"""Classes on a map: how they are found, and what is done with their shapes."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from backends import Backend
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import unmix as um

needs_skimage = pytest.mark.skipif(
    importlib.util.find_spec("skimage") is None, reason="scikit-image is not installed"
)


def of(labels, *, mask=None, **options):
    """Regions of labels on a plain map."""
    samples = um.samples(np.zeros(np.shape(labels)), np.ndim(labels))
    return um.regions(samples if mask is None else samples.where(mask), np.asarray(labels))


def picture(text):
    """Labels drawn as text: digits are classes, dots are none."""
    rows = text.split()
    return np.array([[-1 if c == "." else int(c) for c in row] for row in rows], np.int32)


@pytest.fixture(scope="module")
def model():
    scene = um.synthetic.two_phases((96, 128), period=8.0, counts=10, rng=3)
    return um.nfindr(um.window_fft(um.sliding_windows(scene.image, 32, 8), k_max=0.2), 2)


class TestClassify:
    def test_takes_the_largest_map(self, model):
        found = um.classify(model)
        np.testing.assert_array_equal(found.labels, model.maps.argmax(axis=0))
        assert found.names == ("Endmember 0", "Endmember 1")

    def test_leaves_doubt(self, model):
        ordered = np.sort(model.maps, axis=0)
        found = um.classify(model, lead=0.4)
        np.testing.assert_array_equal(found.labels < 0, ordered[1] - ordered[0] < 0.4)
        least = um.classify(model, least=0.8)
        np.testing.assert_array_equal(least.labels < 0, ordered[1] < 0.8)
        assert 0 < (least.labels < 0).sum() < least.labels.size

    def test_otsu_parts_each_map(self):
        maps = np.zeros((2, 4, 6))
        maps[0, :, :3], maps[1, :, 3:] = 1.0, 30.0
        maps[1, :, 5] = 5.0
        from unmix._record import Record
        from unmix._unmixing import Unmixing
        from unmix.layout import Layout

        axes = um.samples(maps[0], 2).layout.map_axes
        model = Unmixing(
            maps=maps, components=maps[:, 0, :1], layout=Layout(axes, axes[:1]), record=Record()
        )
        expected = np.repeat([[0, 0, 0, 1, 1, -1]], 4, axis=0)
        np.testing.assert_array_equal(um.classify(model, least="otsu").labels, expected)

    def test_left_out_samples_have_no_class(self, backend):
        table = np.random.default_rng(0).random((5, 6, 4))
        mask = np.ones((5, 6), bool)
        mask[2, 1:4] = False
        model = um.kmeans(um.samples(backend.asarray(table), 2).where(mask), 3, rng=0)
        found = um.classify(model)
        np.testing.assert_array_equal(found.labels, Backend.numpy(model.labels))
        np.testing.assert_array_equal(found.kept, mask)

    def test_colors_and_names_stay(self, model):
        found = um.classify(model.rename(["film", "substrate"]).reorder([1, 0]))
        assert found.names == ("substrate", "film")
        assert found.colors == (1, 0)


class TestThreshold:
    def test_otsu_is_that_of_scikit_image(self):
        pytest.importorskip("skimage")
        from skimage.filters import threshold_otsu

        rng = np.random.default_rng(1)
        image = np.concatenate([rng.normal(0, 1, (20, 30)), rng.normal(4, 1.5, (9, 30))])
        found = um.threshold(image).labels
        # theirs is the middle of the bin below the gap, where ours is the edge
        theirs = threshold_otsu(image, nbins=256)
        assert np.mean(found != (image > theirs)) < 0.01

    def test_otsu_has_the_least_variance_within(self):
        rng = np.random.default_rng(2)
        values = np.sort(np.concatenate([rng.normal(0, 1, 60), rng.normal(5, 0.5, 30)]))
        within = [k * values[:k].var() + (90 - k) * values[k:].var() for k in range(1, 90)]
        labels = um.threshold(values.reshape(9, 10)).labels
        assert (labels == 0).sum() == 1 + np.argmin(within)

    def test_percentile_and_number(self):
        image = np.arange(100.0).reshape(10, 10)
        assert um.threshold(image, percentile=80).labels.sum() == 20
        assert um.threshold(image, 95).labels.sum() == 5

    def test_of_one_map_of_a_model(self):
        table = np.random.default_rng(0).random((6, 7, 5))
        model = um.pca(um.samples(table, 2), 3)
        found = um.threshold(model.scores[..., 1], 0.0)
        np.testing.assert_array_equal(found.labels, model.maps[1] >= 0)
        assert found.layout.map_shape == (6, 7)


class TestRegions:
    def test_takes_labels_of_others(self):
        mask = np.ones((3, 4), bool)
        mask[1, 1] = False
        samples = um.samples(np.zeros((3, 4, 2)), 2).where(mask)
        flat = np.array([0, 0, -1, 2, 1, 1, 1, 0, 2, 2, -1])  # HDBSCAN's noise is -1
        found = um.regions(samples, flat, names=["a", "b", "c", "d"])
        assert len(found) == 4
        np.testing.assert_array_equal(found.labels[mask], flat)
        assert found.labels[1, 1] == -1
        assert found.sizes.tolist() == [3, 3, 3, 0]

    def test_areas_have_the_unit_of_the_map(self):
        samples = um.samples(np.zeros((4, 6)), 2, pitch=(0.5, 2.0), units="nm")
        assert um.regions(samples, np.eye(4, 6, dtype=int)).areas.tolist() == [20.0, 4.0]


class TestShapes:
    def test_opened(self):
        labels = picture("0000000 0000000 0001111 0001111 2201111 0001111")
        found = of(labels).opened(1).labels
        expected = picture("0000000 0000000 000.111 00.1111 ...1111 ...1111")
        np.testing.assert_array_equal(found, expected)

    def test_an_isolated_entry_and_a_line_go(self):
        labels = np.zeros((9, 9), int)
        labels[4, 4] = 1
        labels[:, 7] = 2
        found = of(labels).opened(1).labels
        assert (found[labels > 0] == -1).all()
        assert found[0, 0] == 0

    def test_closed_takes_what_is_free_only(self):
        labels = picture("00.00 00.00 00100 00.00")
        found = of(labels).closed(1).labels
        np.testing.assert_array_equal(found, picture("00000 00000 00100 00000"))

    def test_without_small_and_filled(self):
        labels = picture("00011 02011 00011 00112")
        small = of(labels).without_small(2)
        np.testing.assert_array_equal(small.labels, picture("00011 0.011 00011 0011."))
        np.testing.assert_array_equal(small.filled().labels, picture("00011 00011 00011 00111"))

    def test_pieces(self):
        labels = picture("0.0.1 0.011 .1...")
        found = of(labels).pieces()
        assert len(found) == 4
        assert found.classes.tolist() == [0, 0, 1, 1]
        assert found.names == ("Class 0", "Class 0", "Class 1", "Class 1")
        assert found.sizes.tolist() == [2, 2, 3, 1]
        np.testing.assert_array_equal(found.classes[found.labels[labels >= 0]], labels[labels >= 0])
        assert len(of(picture("0. .0")).pieces(diagonal=True)) == 1

    def test_frames_are_apart(self):
        found = of(np.zeros((3, 4, 5), int)).pieces()
        assert found.sizes.tolist() == [20, 20, 20]
        assert found.labels[1, 0, 0] == 1

    @needs_skimage
    def test_watershed_cuts_touching_discs(self):
        y, x = np.mgrid[:40, :70]
        discs = (np.hypot(y - 20, x - 20) < 15) | (np.hypot(y - 20, x - 46) < 15)
        found = of(np.where(discs, 0, -1))
        assert len(found.pieces()) == 1
        cut = found.watershed(5)
        assert len(cut) == 2
        np.testing.assert_array_equal(cut.labels >= 0, discs)
        assert abs(int(cut.sizes[0]) - int(cut.sizes[1])) < 20
        assert cut.labels[20, 20] != cut.labels[20, 46]

    @given(
        hnp.arrays(
            np.int32,
            hnp.array_shapes(min_dims=2, max_dims=3, max_side=9),
            elements=st.integers(-1, 2),
        ),
        st.integers(0, 2**32 - 1),
    )
    def test_laws(self, labels, seed):
        mask = np.random.default_rng(seed).random(labels.shape) < 0.8
        mask.ravel()[0] = True
        found = of(labels, mask=mask)
        for changed in (found.opened(1), found.without_small(3)):
            kept = changed.labels >= 0
            np.testing.assert_array_equal(changed.labels[kept], found.labels[kept])
        opened = found.opened(1)
        np.testing.assert_array_equal(opened.opened(1).labels, opened.labels)
        closed, had = found.closed(1), found.labels >= 0
        np.testing.assert_array_equal(closed.labels[had], found.labels[had])
        for changed in (opened, closed, found.filled(), found.pieces()):
            assert (changed.labels[~mask] == -1).all()
        pieces = found.pieces()
        assert pieces.sizes.sum() == had.sum()
        assert (pieces.sizes > 0).all()
        if len(pieces):
            np.testing.assert_array_equal(pieces.classes[pieces.labels[had]], found.labels[had])


class TestOnPixels:
    @pytest.mark.parametrize("edges", ["valid", "reflect"])
    def test_each_pixel_has_the_nearest_window(self, edges):
        image = np.zeros((2, 23, 30))
        scaled = um.samples(image, 3, pitch=0.5, units="nm")
        windows = um.sliding_windows(scaled, (6, 7), (4, 3), edges=edges)
        shape, grid = windows.layout.map_shape, windows.layout.windows
        labels = np.random.default_rng(0).integers(-1, 3, shape)
        found = um.regions(windows, labels).on_pixels()
        assert found.labels.shape == image.shape
        np.testing.assert_allclose(found.layout.map_axes[1].values, 0.5 * np.arange(23), atol=1e-12)
        assert found.layout.map_axes[2].units == "nm"
        y, x = grid.centers
        for place in ((0, 0), (11, 13), (19, 25)):
            near = [np.abs(c - p).argmin() for c, p in zip((y, x), place, strict=True)]
            np.testing.assert_array_equal(found.labels[:, *place], labels[:, *near])

    def test_uncovered_pixels_are_left_out(self):
        windows = um.sliding_windows(np.zeros((10, 11)), 4, 4)
        found = um.regions(windows, np.zeros(windows.layout.map_shape, int)).on_pixels()
        assert (found.labels[8:] == -1).all()
        assert (found.labels[:8, :8] == 0).all()
        np.testing.assert_array_equal(found.kept, found.labels == 0)

    def test_follows_the_phases(self):
        scene = um.synthetic.two_phases((160, 192), period=8.0, counts=10, rng=3)
        spectra = um.window_fft(um.sliding_windows(scene.image, 24, 4), k_max=0.2)
        found = um.classify(um.kmeans(spectra, 2, rng=0)).on_pixels()
        labels, truth = found.labels[found.kept], scene.labels[found.kept]
        assert max(np.mean(labels == truth), np.mean(labels != truth)) > 0.9


class TestRecord:
    def test_replays(self):
        scene = um.synthetic.two_phases((96, 128), period=8.0, counts=10, rng=3)
        spectra = um.window_fft(um.sliding_windows(scene.image, 32, 8))
        model = um.kmeans(spectra, 3, rng=0).merge([0, 2])
        found = um.classify(model).opened(1).without_small(4).filled().pieces().on_pixels()
        text = found.record.to_json()
        again = um.Pipeline.from_record(um.Record.from_json(text)).run(scene.image)
        np.testing.assert_array_equal(again.labels, found.labels)
        assert again.names == found.names

    def test_replays_labels_and_thresholds(self):
        image = np.random.default_rng(0).random((12, 15))
        for found in (
            um.threshold(image, percentile=70).closed(1.5),
            um.regions(um.samples(image, 2), (image > 0.3).astype(int)).opened(),
            um.threshold(um.pca(um.sliding_windows(image, 4, 2), 2).scores[..., 0]),
            um.regions(um.pca(um.sliding_windows(image, 4, 2), 2), np.eye(5, 6, dtype=int)),
        ):
            again = um.Pipeline.from_record(found.record).run(image)
            np.testing.assert_array_equal(again.labels, found.labels)


class TestResidualMap:
    def test_is_the_root_of_the_mean_square(self, backend):
        table = np.random.default_rng(0).random((5, 6, 8))
        samples = um.samples(backend.asarray(table), 2)
        model = um.pca(samples, 3)
        found = um.residual_map(samples, model)
        left = table - Backend.numpy(model.reconstruct().to_array())
        assert backend.owns(found.to_array())
        np.testing.assert_allclose(
            Backend.numpy(found.to_array()), np.sqrt(np.mean(left**2, axis=-1)), atol=1e-12
        )

    def test_of_spectra_counts_the_whole_plane(self):
        image = np.random.default_rng(1).random((24, 30))
        spectra = um.window_fft(um.sliding_windows(image, (6, 8), 3), k_min=0.1)
        model = um.nmf(spectra, 2, rng=0)
        left = spectra.to_array() - model.reconstruct().to_array()
        found = um.residual_map(spectra, model)
        np.testing.assert_allclose(
            found.to_array(), np.sqrt(np.nanmean(left**2, axis=(-1, -2))), rtol=1e-9
        )
        again = um.Pipeline.from_record(found.record).run(image)
        np.testing.assert_array_equal(again.to_array(), found.to_array())

    def test_shows_what_the_model_does_not(self):
        rng = np.random.default_rng(2)
        table = rng.dirichlet(np.ones(3), (8, 9)) @ rng.random((3, 20))
        table[3, 4] += rng.random(20)
        samples = um.samples(table, 2)
        mask = np.ones((8, 9), bool)
        mask[3, 4] = False
        model = um.pca(samples.where(mask), 2).project(samples)
        found = um.residual_map(samples, model).to_array()
        assert found.argmax() == 3 * 9 + 4

    def test_one_pass(self, monkeypatch):
        import unmix.maps.residuals as module

        passes = []
        plain = module.fold
        monkeypatch.setattr(module, "fold", lambda *a, **k: passes.append(1) or plain(*a, **k))
        table = np.random.default_rng(0).random((30, 8))
        um.residual_map(um.samples(table, 1), um.pca(um.samples(table, 1), 2))
        assert len(passes) == 1

    def test_on_dask(self):
        da = pytest.importorskip("dask.array")
        table = np.random.default_rng(0).random((12, 10, 8))
        lazy = um.samples(da.from_array(table, chunks=(4, 10, 8)), 2)
        model = um.pca(um.samples(table, 2), 3)
        np.testing.assert_allclose(
            um.residual_map(lazy, model).to_array(),
            um.residual_map(um.samples(table, 2), model).to_array(),
            rtol=1e-9,
        )
