"""Components chosen, merged, named and added up again."""

from __future__ import annotations

import numpy as np
import pytest
from backends import Backend
from tolerances import tolerance

import unmix as um
from unmix._unmixing import Unmixing

RNG = np.random.default_rng(5)
IMAGE = RNG.random((24, 30))
WINDOWS = um.sliding_windows(IMAGE, (6, 8), 2)
TABLE = np.abs(RNG.dirichlet(np.ones(4), 60) @ RNG.random((4, 9)) + 0.01 * RNG.random((60, 9)))


@pytest.fixture(scope="module")
def models():
    with pytest.warns(RuntimeWarning, match="ended after 64 sweeps"):
        posterior = um.bayesian_unmixing(TABLE, 4, max_iter=64, rng=0)
    return {
        "pca": um.pca(TABLE, 4),
        "ica": um.ica(TABLE, 3, rng=0),
        "nmf": um.nmf(TABLE, 4, rng=0),
        "nfindr": um.nfindr(TABLE, 4, rng=0),
        "ppi": um.ppi(TABLE, 4, rng=0),
        "kmeans": um.kmeans(TABLE, 4, rng=0),
        "gmm": um.gmm(TABLE, 4, covariance="diag", rng=0),
        "bayesian": posterior,
    }


def kinds():
    """Return all kinds of models."""

    def below(kind):
        return [kind, *(k for child in kind.__subclasses__() for k in below(child))]

    return below(Unmixing)


@pytest.mark.parametrize("kind", kinds(), ids=lambda k: k.__name__)
def test_every_own_field_is_edited_or_left_knowingly(kind):
    known = {*kind.along, *kind.together}
    whole = {"scale", "n_iter", "converged", "loss", "simplex", "constraint", "labels", "counts"}
    mixture = {"covariance", "covariances"}
    assert set(kind.extras) <= known | whole | mixture | {"noise", "r_hat", "ess"}
    assert known <= set(kind.extras)


class TestSelect:
    @pytest.mark.parametrize(
        "name", ["pca", "ica", "nmf", "nfindr", "ppi", "kmeans", "gmm", "bayesian"]
    )
    def test_takes_all_that_belongs_to_a_component(self, models, name):
        model = models[name]
        chosen = model.select([2, 0])
        assert type(chosen) is type(model)
        np.testing.assert_array_equal(chosen.components, model.components[[2, 0]])
        for field, axis in model.along.items():
            whole, part = getattr(model, field), getattr(chosen, field)
            if whole is None:
                assert part is None
            else:
                np.testing.assert_array_equal(part, np.take(whole, [2, 0], axis=axis))
        if name != "kmeans":
            np.testing.assert_array_equal(chosen.maps, model.maps[[2, 0]])
        assert chosen.colors == (2, 0)

    def test_of_clusters_leaves_their_samples_out(self, models):
        model = models["kmeans"]
        chosen = model.select([2, 0])
        expected = np.select([model.labels == 2, model.labels == 0], [0, 1], -1)
        np.testing.assert_array_equal(chosen.labels, expected)
        np.testing.assert_array_equal(chosen.layout.mask, expected >= 0)
        np.testing.assert_array_equal(np.isnan(chosen.maps[0]), expected < 0)
        np.testing.assert_array_equal(chosen.maps[0] == 1, expected == 0)
        assert np.isnan(chosen.inertia)
        assert chosen.labels.dtype == model.labels.dtype

    def test_forgets_what_held_for_all_together(self, models):
        assert models["nfindr"].select([0]).volume is None
        assert np.isnan(models["nmf"].drop([0]).divergence)

    def test_by_name(self, models):
        model = models["nfindr"].rename(["a", "b", "c", "d"])
        assert model.select(["c", 0]).names == ("c", "a")
        np.testing.assert_array_equal(model.drop("b").maps, model.maps[[0, 2, 3]])
        np.testing.assert_array_equal(model.drop(np.int64(1)).maps, model.maps[[0, 2, 3]])

    def test_projects_on_what_is_left(self, models):
        chosen = models["pca"].select([3, 1])
        np.testing.assert_allclose(
            chosen.project(TABLE).maps, models["pca"].maps[[3, 1]], atol=1e-12
        )


class TestReorder:
    def test_keeps_what_holds_for_all(self, models):
        model = models["nfindr"]
        turned = model.reorder([3, 1, 0, 2])
        assert turned.volume == model.volume
        np.testing.assert_array_equal(turned.indices, model.indices[[3, 1, 0, 2]])

    def test_labels_follow_their_centres(self, models):
        model = models["kmeans"]
        turned = model.reorder([3, 1, 0, 2])
        np.testing.assert_array_equal(
            turned.components[turned.labels], model.components[model.labels]
        )
        assert turned.inertia == model.inertia
        assert turned.layout.mask is None


class TestMerge:
    def test_clusters_have_the_mean_of_their_samples(self, models):
        model = models["kmeans"].merge([3, 1])
        members = np.isin(models["kmeans"].labels, [1, 3])
        np.testing.assert_array_equal(model.labels == 1, members)
        np.testing.assert_allclose(model.centers[1], TABLE[members].mean(axis=0))
        np.testing.assert_array_equal(model.maps[1], members)
        assert model.colors == (0, 1, 2)

    @pytest.mark.parametrize("name", ["nmf", "nfindr", "ppi", "kmeans"])
    def test_the_mean_of_all_samples_stays(self, models, name):
        model = models[name]
        before, after = (
            np.mean(m.reconstruct().to_array(), axis=0) for m in (model, model.merge([0, 2]))
        )
        np.testing.assert_allclose(after, before, rtol=1e-6)

    def test_factors_merge_alike_in_every_scale(self, models):
        from dataclasses import replace

        model = models["nmf"]
        scale = np.array([1, 30, 0.2, 5.0])[:, None]
        other = replace(model, maps=model.maps / scale, components=model.components * scale)
        a, b = (m.merge([0, 1, 3]).reconstruct([0]).to_array() for m in (model, other))
        np.testing.assert_allclose(a, b, rtol=1e-6)

    def test_abundances_still_sum_to_one(self, models):
        merged = models["nfindr"].merge([1, 3])
        np.testing.assert_allclose(merged.maps.sum(axis=0), 1, rtol=1e-9)
        assert merged.indices is None
        assert merged.volume is None

    def test_a_component_that_is_nowhere(self, models):
        from dataclasses import replace

        model = models["nfindr"]
        empty = replace(model, maps=model.maps * np.array([1, 0, 0, 1.0])[:, None])
        np.testing.assert_allclose(
            empty.merge([1, 2]).components[1], model.components[1:3].mean(axis=0)
        )

    def test_groups_merge_as_one_after_the_other(self, models):
        model = models["nmf"]
        at_once = model.merge([0, 3], [2, 1])
        after = model.merge([0, 3]).merge([2, 1])
        np.testing.assert_allclose(at_once.maps, after.maps, rtol=1e-12)
        np.testing.assert_allclose(at_once.components, after.components, rtol=1e-12)
        assert at_once.colors == after.colors == (0, 1)

    def test_names(self, models):
        model = models["kmeans"]
        assert model.merge([2, 1]).names is None
        assert model.merge([2, 1], names=["film"]).names == ("Cluster 0", "film", "Cluster 3")
        named = model.rename(["a", "b", "c", "d"])
        assert named.merge([2, 1]).names == ("a", "c + b", "d")


class TestReconstruct:
    def test_is_mean_plus_maps_times_components(self, backend):
        samples = um.samples(backend.asarray(TABLE.reshape(6, 10, 9)), 2)
        model = um.pca(samples, 3)
        made = model.reconstruct([2, 0])
        maps, components, mean = map(Backend.numpy, (model.maps, model.components, model.mean))
        expected = np.tensordot(maps[[2, 0]], components[[2, 0]], (0, 0)) + mean
        assert backend.owns(made.to_array())
        np.testing.assert_allclose(
            Backend.numpy(made.to_array()), expected, atol=tolerance("covariance", "float64")
        )
        assert made.shape == samples.shape

    def test_of_half_planes_is_the_whole_plane(self):
        spectra = um.window_fft(WINDOWS)
        model = um.pca(spectra, spectra.layout.n_features)
        np.testing.assert_allclose(model.reconstruct().to_array(), spectra.to_array(), atol=1e-10)
        # rows as decompositions see them carry the weights of the half plane
        np.testing.assert_allclose(model.reconstruct().table(), spectra.table(), atol=1e-10)

    def test_what_is_left_out_stays_out(self):
        mask = np.ones(WINDOWS.layout.map_shape, bool)
        mask[1, 2:5] = False
        entries = np.ones((6, 8), bool)
        entries[0, 3] = False
        model = um.nmf(WINDOWS.where(mask).features(entries), 2, rng=0)
        made = model.reconstruct()
        assert made.nonnegative
        np.testing.assert_array_equal(np.isnan(made.to_array()), ~np.multiply.outer(mask, entries))

    def test_gives_an_image_by_overlap_add(self):
        scene = um.synthetic.two_phases((96, 128), period=8.0, counts=4.0, rng=2)
        clean = um.synthetic.two_phases((96, 128), period=8.0, counts=None, rng=2).image * 4.0
        windows = um.sliding_windows(scene.image, 16, 4)
        image = um.overlap_add(um.pca(windows, 8).reconstruct())
        assert image.shape == scene.image.shape
        errors = [np.sqrt(np.mean((i - clean) ** 2)) for i in (image.to_array(), scene.image)]
        assert errors[0] < 0.35 * errors[1]

    def test_is_lazy(self, monkeypatch):
        model = um.pca(WINDOWS, 3)
        made = model.reconstruct()
        read = []
        kind = type(made.source)
        plain = kind.read
        monkeypatch.setattr(kind, "read", lambda s, *a: read.append(1) or plain(s, *a))
        made[2:4].bin(grid_x=2) if False else made[2:4]
        assert not read
        made[2:4].to_array()
        assert read

    def test_is_read_by_fits(self):
        model = um.pca(WINDOWS, 3)
        again = um.pca(model.reconstruct(), 3)
        np.testing.assert_allclose(again.explained_variance, model.explained_variance, rtol=1e-9)


class TestRecord:
    def test_replays(self):
        model = (
            um.kmeans(um.window_fft(WINDOWS), 4, rng=0)
            .merge([1, 3], names=["film"])
            .rename({0: "substrate"})
            .reorder([1, 0, 2])
            .drop(["substrate"])
            .recolor([5, 1])
        )
        again = um.Pipeline.from_record(um.Record.from_json(model.record.to_json())).run(IMAGE)
        np.testing.assert_array_equal(again.labels, model.labels)
        np.testing.assert_array_equal(again.components, model.components)
        assert (again.names, again.colors) == (model.names, model.colors)
        assert again.names == ("film", "Cluster 2")
        assert again.colors == (5, 1)

    def test_replays_to_an_image(self):
        image = um.overlap_add(um.pca(WINDOWS, 5).select([0, 1, 2]).reconstruct([1, 0]))
        again = um.Pipeline.from_record(image.record).run(IMAGE)
        np.testing.assert_array_equal(again.to_array(), image.to_array())

    def test_is_saved(self, tmp_path):
        model = um.nfindr(TABLE, 4).rename(["a", "b", "c", "d"]).select([3, 1])
        um.save(tmp_path / "model.npz", model)
        loaded = um.load(tmp_path / "model.npz")
        assert loaded.names == ("d", "b")
        assert loaded.colors == (3, 1)
        assert loaded.volume is None
        np.testing.assert_array_equal(loaded.maps, model.maps)

    def test_a_model_without_names_is_saved_without(self, tmp_path):
        um.save(tmp_path / "model.npz", um.pca(TABLE, 2))
        loaded = um.load(tmp_path / "model.npz")
        assert loaded.names is None
        assert loaded.colors is None


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda m: m["pca"].select([0, 4]), "the numbers 0 to 3"),
        (lambda m: m["pca"].select([0, 0]), "each once"),
        (lambda m: m["pca"].select([True]), "1 or more of"),
        (lambda m: m["pca"].select([]), "1 or more of"),
        (lambda m: m["pca"].select(1.5), "components is 1.5"),
        (lambda m: m["pca"].drop([0, 1, 2, 3]), r"to drop \[0, 1, 2, 3\] leaves no component"),
        (lambda m: m["pca"].select(["film"]), "of the names Component 0, Component 1"),
        (lambda m: m["pca"].reorder([0, 1]), "expected all of"),
        (lambda m: m["kmeans"].merge([1, 2], [2, 0]), "expected some that share no component"),
        (lambda m: m["kmeans"].merge(), "expected some that share no component"),
        (lambda m: m["kmeans"].merge([1, 2], names=["a", "b"]), "expected 1 different names"),
        (lambda m: m["pca"].merge([0, 1]), "do not add up to one of their kind"),
        (lambda m: m["bayesian"].merge([0, 1]), "expected endmembers, factors of NMF or clusters"),
        (lambda m: m["pca"].rename(["a", "b"]), "expected 4 different names"),
        (lambda m: m["pca"].rename({0: "Component 1"}), "expected 4 different names"),
        (lambda m: m["pca"].recolor([0, 1, 1, 2]), "expected 4 different whole numbers from 0"),
    ],
)
def test_messages(models, edit, said):
    with pytest.raises(um.ParameterError, match=said):
        edit(models)
