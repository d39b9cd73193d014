"""Several descriptors, channels or images under one model: the fit of the stacked table."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from backends import Backend

import unmix as um

host = Backend.numpy
RNG = np.random.default_rng(0)
SCAN, EDS = RNG.random((6, 7, 4, 5)), RNG.random((6, 7, 9))
IMAGES = RNG.random((40, 56)), RNG.random((56, 44)), RNG.random((30, 30))


def spectra(image, k_max=0.3):
    return um.window_fft(um.sliding_windows(image, 12, 6), k_max=k_max)


class TestJoin:
    def joined(self, backend=Backend.NUMPY, weights=(1, 0.5)):
        scan = um.samples(backend.asarray(SCAN), 2, pitch=(1, 1, 2, 2))
        eds = um.samples(backend.asarray(EDS), 2, units=("px", "px", "keV"))
        return um.join(scan, eds, weights=weights)

    def test_a_fit_is_that_of_the_stacked_table(self, backend):
        stacked = np.concatenate([SCAN.reshape(42, 20), 0.5 * EDS.reshape(42, 9)], axis=1)
        joined = self.joined(backend)
        assert joined.shape == (6, 7, 29)
        np.testing.assert_allclose(host(joined.to_array()).reshape(42, 29), stacked)
        for fit in (um.pca, um.nfindr, partial(um.nmf, max_iter=5)):
            mine, plain = fit(joined, 3), fit(backend.asarray(stacked), 3)
            assert backend.owns(mine.maps)
            np.testing.assert_allclose(host(mine.maps).reshape(3, 42), host(plain.maps), atol=1e-8)

    def test_components_come_apart_in_their_own_axes(self, backend):
        model = um.pca(self.joined(backend), 2)
        scan, eds = um.split(model)
        assert (scan.components.shape, eds.components.shape) == ((2, 4, 5), (2, 9))
        assert (scan.mean.shape, eds.mean.shape) == ((4, 5), (9,))
        assert [a.name for a in scan.layout.descriptor_axes] == ["det_y", "det_x"]
        np.testing.assert_allclose(scan.layout.descriptor_axes[0].values, [0, 2, 4, 6])
        assert eds.layout.descriptor_axes[0].units == "keV"
        flat = host(model.components)
        np.testing.assert_allclose(host(scan.components).reshape(2, 20), flat[:, :20])
        np.testing.assert_allclose(host(eds.components), 2 * flat[:, 20:])
        np.testing.assert_allclose(host(eds.mean), EDS.mean((0, 1)))

    def test_half_planes_keep_the_geometry_of_the_whole(self):
        a = um.window_fft(um.sliding_windows(IMAGES[0], 12, 6), k_min=0.1)
        b = um.radial_profile(a)
        joined = um.join(a, b)
        flat = [np.nan_to_num(x.to_array()).reshape(joined.layout.n_samples, -1) for x in (a, b)]
        full = np.concatenate(flat, axis=1)
        np.testing.assert_allclose(joined.table() @ joined.table().T, full @ full.T, rtol=1e-9)
        first, second = um.split(um.pca(joined, 2))
        assert first.components.shape == (2, 12, 12)
        np.testing.assert_array_equal(np.isnan(first.components[0]), np.isnan(a.to_array()[0, 0]))
        assert first.layout.n_features == a.layout.n_features
        assert second.layout.n_features == b.layout.n_features

    def test_entries_left_out_after_joining(self):
        mask = np.ones(29, bool)
        mask[[3, 25]] = False
        scan, eds = um.split(um.pca(self.joined().features(mask), 2))
        assert np.isnan(scan.components[:, 0, 3]).all()
        assert np.isnan(eds.components[:, 5]).all()
        assert np.isnan(scan.components).sum() == np.isnan(eds.components).sum() == 2

    def test_masks_and_signs(self):
        mask = np.ones((6, 7), bool)
        mask[0] = False
        scan, eds = um.samples(SCAN, 2).where(mask), um.samples(EDS, 2).where(mask[::-1])
        joined = um.join(scan, eds)
        np.testing.assert_array_equal(joined.layout.mask, mask & mask[::-1])
        assert joined.nonnegative is None
        assert um.join(scan.transform("sqrt"), eds.transform("sqrt")).nonnegative
        assert um.join(scan.normalize("standard"), eds).nonnegative is False

    def test_replays_on_two_data_sets(self):
        model = um.kmeans(self.joined(), 2)
        again = um.Pipeline.from_json(model.record.to_json()).run(SCAN, EDS)
        np.testing.assert_array_equal(again.labels, model.labels)
        part = um.split(model)[1]
        again = um.Pipeline.from_record(part.record).run(SCAN, EDS)
        np.testing.assert_array_equal(again.components, part.components)

    def test_kept_bits_and_other_data(self):
        joined = self.joined()
        model = um.pca(joined, 3)
        np.testing.assert_array_equal(um.pca(joined.keep(), 3).maps, model.maps)
        np.testing.assert_allclose(model.project(self.joined()).maps, model.maps, atol=1e-12)
        with pytest.raises(um.ShapeError, match="described by"):
            model.project(self.joined(weights=(1, 2)))

    def test_of_two_types(self):
        joined = um.join(um.samples(SCAN.astype(np.float32), 2), um.samples(EDS, 2))
        assert str(joined.dtype) == "float64"
        assert um.join(um.samples(np.ones((6, 7, 2), np.uint8), 2), joined).shape == (6, 7, 31)


class TestChannels:
    def test_become_part_of_the_descriptor(self, backend):
        both = um.samples(
            backend.asarray(np.stack([IMAGES[0], IMAGES[0] ** 2])),
            3,
            map_names=("channel", "y", "x"),
        )
        found = spectra(both).to_descriptor("channel")
        assert [a.name for a in found.axes] == ["grid_y", "grid_x", "channel", "k_y", "k_x"]
        assert found.nonnegative
        assert found.layout.windows is not None
        assert found.layout.n_features == 2 * spectra(both).layout.n_features
        expected = np.moveaxis(host(spectra(both).to_array()), 0, 2)
        np.testing.assert_allclose(host(found.to_array()), expected, atol=1e-14)
        model = um.nmf(found, 2)
        assert model.components.shape == (2, 2, *expected.shape[3:])

    def test_of_classes_that_lie_last(self):
        classes = RNG.random((20, 24, 3))
        image = um.samples(classes, (2, 0, 1), map_names=("channel", "y", "x"))
        found = um.sliding_windows(image, 6, 4).to_descriptor("channel")
        np.testing.assert_array_equal(found.to_array()[1, 2, 2], classes[4:10, 8:14, 2])

    def test_samples_with_a_channel_left_out_are(self):
        mask = np.ones((2, 6, 7), bool)
        mask[1, 2, 3] = False
        values = RNG.random((2, 6, 7, 4))
        found = um.samples(values, 3).where(mask).to_descriptor("frame")
        got = found.to_array()
        np.testing.assert_array_equal(np.isnan(got[2, 3]), True)
        np.testing.assert_array_equal(got[0, 1], values[:, 0, 1])


class TestConcat:
    def test_a_fit_is_that_of_the_stacked_table(self, backend):
        each = [spectra(backend.asarray(image)) for image in IMAGES]
        whole = um.concat(each, coordinate=[0.1, 0.2, 0.4], along="composition")
        assert whole.axes[0].name == "composition"
        np.testing.assert_allclose(whole.axes[0].values, [0.1, 0.2, 0.4])
        tables = [host(s.table()) for s in each]
        stacked = np.concatenate(tables)
        np.testing.assert_array_equal(host(whole.table()), stacked)
        for fit in (um.pca, um.nfindr):
            model, plain = fit(whole, 3), fit(backend.asarray(stacked), 3)
            parts = um.split(model)
            at = 0
            for part, one in zip(parts, each, strict=True):
                n = one.layout.n_samples
                assert part.layout.map_shape == one.layout.map_shape
                np.testing.assert_allclose(
                    host(part.maps).reshape(3, n), host(plain.maps)[:, at : at + n], atol=1e-9
                )
                at += n
            assert type(parts[0]) is type(model)

    def test_maps_beyond_an_image_are_empty(self):
        whole = um.concat([spectra(image) for image in IMAGES])
        model = um.kmeans(whole, 2)
        assert model.labels.shape == (3, 8, 8)
        np.testing.assert_array_equal(model.labels[2] == -1, ~whole.layout.mask[2])
        assert np.isnan(model.maps[:, 2, 5:]).all()
        parts = um.split(model)
        assert [p.labels.shape for p in parts] == [(5, 8), (8, 6), (4, 4)]
        assert all((p.labels >= 0).all() and p.layout.mask is None for p in parts)
        assert parts[1].layout.windows.image_shape == (56, 44)

    def test_axes_keep_coordinates_that_agree(self):
        whole = um.concat([spectra(image) for image in IMAGES])
        np.testing.assert_allclose(whole.axes[1].values, spectra(IMAGES[1]).axes[0].values)
        other = um.concat([spectra(IMAGES[0]), spectra(IMAGES[0])[1:]])
        assert other.axes[1].units == ""
        np.testing.assert_array_equal(other.axes[1].values, np.arange(5))

    def test_of_images_of_one_size(self, backend):
        a, b = (backend.asarray(IMAGES[0]) for _ in range(2))
        both = um.concat([a, b], along="temperature", coordinate=[20, 80], units="C")
        assert both.layout.mask is None
        windows = um.sliding_windows(both, 12, 6)
        assert [a.name for a in windows.axes[:3]] == ["temperature", "grid_y", "grid_x"]
        got = host(um.window_fft(windows, k_max=0.3).to_array())
        np.testing.assert_allclose(got[1], host(spectra(a).to_array()), atol=1e-13)
        scores = um.pca(um.window_fft(windows), 2).scores
        assert scores.shape[0] == 2

    def test_windows_of_unlike_images_lie_inside_of_them(self):
        whole = um.concat([IMAGES[0], IMAGES[2]])
        got = um.sliding_windows(whole, 12, 6)
        np.testing.assert_array_equal(got.layout.mask[0], True)
        assert got.layout.mask[1].sum() == 16
        np.testing.assert_array_equal(got.to_array()[1, 2, 3], IMAGES[2][12:24, 18:30])

    def test_masks_tiles_and_steps(self, monkeypatch):
        monkeypatch.setattr(um.config, "TILE_BYTES", 1 << 13)
        each = [spectra(image) for image in IMAGES]
        mask = RNG.random((5, 8)) < 0.6
        whole = um.concat([each[0].where(mask), *each[1:]])
        assert len(whole.plan()) > 3
        got = whole.to_array()
        np.testing.assert_array_equal(np.isnan(got[0, :5]).all(axis=(-1, -2)), ~mask)
        np.testing.assert_allclose(got[1, :, :6], each[1].to_array(), atol=1e-14)
        np.testing.assert_array_equal(whole[1:, ::2, 1::3].to_array(), got[1:, ::2, 1::3])
        cropped = um.concat([s.crop(k_y=(0, 0.3)) for s in each])
        assert np.isfinite(cropped.to_array()[2, :4, :4]).all()

    def test_replays_on_several_images(self):
        model = um.nfindr(um.concat([spectra(image) for image in IMAGES], coordinate=[1, 2, 3]), 3)
        recipe = um.Pipeline.from_json(model.record.to_json())
        np.testing.assert_array_equal(recipe.run(*IMAGES).maps, model.maps)
        part = um.split(model)[1]
        assert part.indices is None
        again = um.Pipeline.from_record(part.record).run(*IMAGES)
        np.testing.assert_array_equal(again.maps, part.maps)

    def test_cropped_maps_do_not_come_apart(self):
        whole = um.concat([spectra(image) for image in IMAGES])
        with pytest.raises(um.ShapeError, match="was cropped or binned since join or concat"):
            um.split(um.pca(whole[:, :3], 2))


def test_both_come_apart_and_are_saved(tmp_path):
    each = [um.join(spectra(image), um.radial_profile(spectra(image))) for image in IMAGES]
    model = um.kmeans(um.concat(each), 2)
    um.save(tmp_path / "model.npz", model)
    for one in (model, um.load(tmp_path / "model.npz")):
        by_descriptor = um.split(one)
        assert len(by_descriptor) == 2
        parts = um.split(by_descriptor[1])
        assert [p.maps.shape[1:] for p in parts] == [(5, 8), (8, 6), (4, 4)]
        assert parts[0].layout.descriptor_axes[0].name == "radius"
        np.testing.assert_allclose(parts[1].layout.map_axes[0].values, each[1].axes[0].values)
        np.testing.assert_array_equal(um.split(model)[1].components, by_descriptor[1].components)
        assert parts[2].layout.windows.image_shape == (30, 30)


def test_dask_and_files_side_by_side(tmp_path):
    da = pytest.importorskip("dask.array")
    np.save(tmp_path / "scan.npy", SCAN)
    scan = um.open(tmp_path / "scan.npy")
    eds = um.samples(da.from_array(EDS, chunks=(3, 4, 9)), 2)
    got = um.pca(um.join(scan, eds), 2)
    np.testing.assert_allclose(
        got.maps, um.pca(um.join(um.samples(SCAN, 2), um.samples(EDS, 2)), 2).maps, atol=1e-9
    )
