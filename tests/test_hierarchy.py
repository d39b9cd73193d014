"""Distances of classes and of samples: trees, silhouettes, neighbours that join."""

from __future__ import annotations

import numpy as np
import pytest
from backends import Backend

import unmix as um

sklearn = pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def blobs():
    rng = np.random.default_rng(0)
    centers = np.array([[0, 0, 0], [0, 1, 0], [8, 0, 0], [8, 1, 0.2], [0, 0, 9.0]])
    return np.concatenate([c + 0.05 * rng.normal(size=(20, 3)) for c in centers])


class TestHierarchy:
    def test_joins_what_is_near(self, blobs):
        model = um.kmeans(blobs, 5, rng=0)
        tree = um.hierarchy(model, "average")
        groups = tree.groups(3)
        first = model.centers[:, 0] > 4, model.centers[:, 2] > 4
        expected = sorted(
            np.flatnonzero(m).tolist() for m in (first[0], first[1], ~first[0] & ~first[1])
        )
        assert groups == expected
        assert len(model.merge(*groups)) == 3
        assert tree.groups(1) == [[0, 1, 2, 3, 4]]
        assert tree.groups(5) == [[0], [1], [2], [3], [4]]

    def test_distances_are_those_of_the_full_plane(self):
        image = np.random.default_rng(1).random((40, 48))
        model = um.kmeans(um.window_fft(um.sliding_windows(image, (7, 8), 4)), 2, rng=0)
        away = np.linalg.norm(model.centers[0] - model.centers[1])
        assert um.hierarchy(model).linkage[0, 2] == pytest.approx(away)


class TestSilhouette:
    def test_is_that_of_all_samples(self, blobs):
        from sklearn.metrics import silhouette_samples

        model = um.kmeans(blobs, 3, rng=0)
        found = um.silhouette(blobs, model)
        np.testing.assert_allclose(found.values, silhouette_samples(blobs, model.labels), atol=1e-9)
        np.testing.assert_allclose(
            found.classes, [found.values[model.labels == i].mean() for i in range(3)]
        )

    def test_draws_some(self, blobs):
        model = um.kmeans(blobs, 3, rng=0)
        found = um.silhouette(blobs, model, n_samples=40, rng=3)
        assert len(found.values) == 40
        assert (np.diff(found.numbers) > 0).all()
        np.testing.assert_array_equal(found.labels, np.asarray(model.labels)[found.numbers])
        again = um.silhouette(blobs, model, n_samples=40, rng=3)
        np.testing.assert_array_equal(again.values, found.values)
        assert abs(found.score - um.silhouette(blobs, model).score) < 0.1

    def test_of_labels_of_others(self, blobs, backend):
        labels = np.repeat([0, 0, 1, 1, -1], 20)
        found = um.silhouette(backend.asarray(blobs), labels)
        assert len(found.values) == 80
        assert found.score > 0.8


class TestAgglomerative:
    def test_finds_connected_regions(self, backend):
        # two stripes of one phase, apart: k-means sees one class, neighbours see two regions
        phase = np.repeat([0, 1, 0], 5)
        rng = np.random.default_rng(0)
        table = phase[:, None, None] * np.ones((15, 8, 3)) + 0.05 * rng.normal(size=(15, 8, 3))
        model = um.agglomerative(um.samples(backend.asarray(table), 2), 3)
        labels = Backend.numpy(model.labels)
        assert backend.owns(model.labels)
        assert sorted(np.unique(labels[:, 0], return_counts=True)[1].tolist()) == [5, 5, 5]
        assert (labels == labels[:, :1]).all()
        for i in range(3):
            np.testing.assert_allclose(
                Backend.numpy(model.centers)[i], table[labels == i].mean(axis=0)
            )
        maps = Backend.numpy(model.maps)
        np.testing.assert_array_equal(maps.argmax(axis=0), labels)

    def test_the_largest_comes_first_and_inertia_fits(self):
        table = np.random.default_rng(1).random((9, 10, 4))
        mask = np.random.default_rng(2).random((9, 10)) < 0.8
        model = um.agglomerative(um.samples(table, 2).where(mask), 4)
        sizes = np.bincount(model.labels[mask])
        assert (np.diff(sizes) <= 0).all()
        assert (model.labels[~mask] == -1).all()
        left = table[mask] - model.centers[model.labels[mask]]
        assert model.inertia == pytest.approx((left**2).sum())

    def test_replays_and_projects(self):
        image = np.random.default_rng(3).random((40, 48))
        model = um.agglomerative(
            um.pca(um.window_fft(um.sliding_windows(image, 8, 4)), 3).scores, 4
        )
        again = um.Pipeline.from_record(model.record).run(image)
        np.testing.assert_array_equal(again.labels, model.labels)
        assert model.project(um.pca(um.window_fft(um.sliding_windows(image, 8, 4)), 3).scores)

    def test_of_spectra_centres_are_whole_planes(self):
        image = np.random.default_rng(3).random((40, 48))
        spectra = um.window_fft(um.sliding_windows(image, 8, 4))
        model = um.agglomerative(spectra, 3)
        every = spectra.to_array()
        np.testing.assert_allclose(model.centers[0], every[model.labels == 0].mean(axis=0))
