"""Labels that stay: the same phase has the same number and colour."""

from __future__ import annotations

import numpy as np
import pytest
from backends import Backend
from hypothesis import given
from hypothesis import strategies as st

import unmix as um


@given(
    st.lists(st.integers(-1, 3), min_size=1, max_size=40),
    st.permutations(range(4)),
)
def test_undoes_any_permutation(labels, order):
    reference = np.array(labels)
    turned = np.where(reference >= 0, np.array(order)[reference], -1)
    np.testing.assert_array_equal(um.match_labels(turned, reference), reference)


def test_labels_that_are_new_follow():
    reference = np.array([0, 0, 0, 2, 2, 2, -1])
    found = um.match_labels(np.array([5, 5, 1, 0, 0, 0, 1]), reference)
    assert found.tolist() == [0, 0, 3, 2, 2, 2, 3]
    assert um.match_labels(np.array([-1, -1]), np.array([0, 1])).tolist() == [-1, -1]


@pytest.fixture(scope="module")
def spectra():
    def described(rng, counts=10):
        scene = um.synthetic.superlattice_phases((128, 160), counts=counts, rng=rng)
        return um.window_fft(um.sliding_windows(scene.image, 32, 8), k_max=0.2)

    return described(1), described(2)


class TestModels:
    def test_two_runs(self, spectra):
        reference = um.kmeans(spectra[0], 3, rng=0)
        turned = reference.reorder([2, 0, 1])
        found = um.match_labels(turned, reference)
        np.testing.assert_array_equal(found.labels, reference.labels)
        assert found.colors == (0, 1, 2)

    def test_two_images_by_their_components(self, spectra):
        a, b = (um.kmeans(s, 3, rng=0) for s in spectra)
        found = um.match_labels(b, a)
        for i in range(3):
            away = [np.linalg.norm(found.components[i] - c) for c in a.components]
            assert np.argmin(away) == i

    def test_by_what_is_asked(self, spectra):
        reference = um.kmeans(spectra[0], 3, rng=0)
        for by in ("maps", "components"):
            found = um.match_labels(reference.reorder([1, 2, 0]), reference, by=by)
            np.testing.assert_array_equal(found.labels, reference.labels)

    def test_of_fewer_keeps_colors_and_names(self, spectra):
        reference = um.kmeans(spectra[0], 3, rng=0).rename(["a", "b", "c"])
        found = um.match_labels(reference.select([2, 0]).recolor([0, 1]), reference)
        assert found.names == ("a", "c")
        assert found.colors == (0, 2)

    def test_of_more_takes_free_colors(self, spectra):
        reference = um.kmeans(spectra[0], 2, rng=0).recolor([3, 0]).rename(["a", "Cluster 2"])
        found = um.match_labels(um.kmeans(spectra[0], 4, rng=0), reference)
        assert found.colors[:2] == (3, 0)
        assert sorted(found.colors[2:]) == [1, 2]
        assert found.names[:2] == ("a", "Cluster 2")
        assert len(set(found.names)) == 4

    def test_signs_of_principal_components_do_not_matter(self):
        from dataclasses import replace

        table = np.random.default_rng(0).normal(size=(50, 6)) * np.arange(1, 7)
        model = um.pca(table, 3)
        flipped = replace(model, maps=-model.maps, components=-model.components)
        found = um.match_labels(flipped.reorder([2, 1, 0]), model)
        np.testing.assert_array_equal(found.maps, flipped.maps)

    def test_on_every_backend(self, backend):
        table = backend.asarray(np.random.default_rng(0).random((40, 5)))
        model = um.kmeans(table, 3, rng=0)
        found = um.match_labels(model.reorder([1, 2, 0]), model)
        np.testing.assert_array_equal(Backend.numpy(found.labels), Backend.numpy(model.labels))

    def test_is_recorded(self, spectra):
        scene = um.synthetic.superlattice_phases((128, 160), counts=10, rng=1)
        a, b = (um.kmeans(spectra[0], n, rng=0) for n in (3, 4))
        found = um.match_labels(b, a.rename(["a", "b", "c"]))
        again = um.Pipeline.from_record(found.record).run(scene.image)
        np.testing.assert_array_equal(again.labels, found.labels)
        assert (again.names, again.colors) == (found.names, found.colors)
