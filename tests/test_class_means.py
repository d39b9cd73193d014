"""Labels of others as a model."""

from __future__ import annotations

import numpy as np
import pytest
from backends import Backend

import unmix as um

TABLE = np.random.default_rng(0).random((8, 9, 5))
LABELS = np.random.default_rng(1).integers(-1, 3, (8, 9))


def test_means_of_labels_with_noise(backend):
    samples = um.samples(backend.asarray(TABLE), 2)
    model = um.class_means(samples, LABELS)
    for i in range(3):
        np.testing.assert_allclose(
            Backend.numpy(model.centers)[i], TABLE[i == LABELS].mean(axis=0), rtol=1e-12
        )
    np.testing.assert_array_equal(Backend.numpy(model.labels), LABELS)
    np.testing.assert_array_equal(model.layout.mask, LABELS >= 0)
    assert backend.owns(model.maps)
    assert model.colors is None


def test_those_of_kmeans_are_its_centres():
    image = np.random.default_rng(2).random((40, 48))
    spectra = um.window_fft(um.sliding_windows(image, 8, 4))
    model = um.kmeans(spectra, 3, rng=0)
    found = um.class_means(spectra, model.labels)
    np.testing.assert_allclose(found.centers, model.centers, rtol=1e-6)
    again = um.Pipeline.from_record(found.record).run(image)
    np.testing.assert_array_equal(again.centers, found.centers)


def test_a_gap_keeps_the_colours():
    samples = um.samples(TABLE, 2)
    labels = np.where(LABELS == 1, 5, LABELS)
    model = um.class_means(samples, labels)
    assert model.colors == (0, 2, 5)
    assert model.names == ("Cluster 0", "Cluster 2", "Cluster 5")
    np.testing.assert_array_equal(model.labels == 2, labels == 5)


def test_regions_keep_names_and_colours():
    samples = um.samples(TABLE, 2)
    model = um.kmeans(samples, 3, rng=0).rename(["a", "b", "c"]).reorder([1, 2, 0])
    found = um.class_means(samples, um.classify(model).opened(1))
    assert set(found.names) <= {"a", "b", "c"}
    for name, color in zip(found.names, found.colors, strict=True):
        assert model.colors[model.names.index(name)] == color


def test_flat_labels_of_a_table():
    pytest.importorskip("sklearn")
    from sklearn.cluster import HDBSCAN

    rng = np.random.default_rng(0)
    table = np.concatenate([rng.normal(c, 0.1, (30, 2)) for c in (0, 3, 6)] + [[[40.0, 40]]])
    model = um.class_means(table, HDBSCAN(min_cluster_size=5, copy=True).fit_predict(table))
    assert len(model) == 3
    assert model.labels[-1] == -1
    np.testing.assert_allclose(np.sort(model.centers[:, 0]), [0, 3, 6], atol=0.1)
