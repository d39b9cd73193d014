"""Figures of several methods on the same samples, each against its definition."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import unmix as um


@pytest.fixture(scope="module")
def spectra():
    scene = um.synthetic.superlattice_phases((128, 160), rng=2)
    return um.window_fft(um.sliding_windows(scene.image, 32, 16), k_max=0.2)


@pytest.fixture(scope="module")
def found(spectra):
    return um.compare(
        spectra,
        {
            "N-FINDR": lambda s: um.nfindr(s, 3),
            "PCA": lambda s: um.pca(s, 5),
            "ICA": lambda s: um.ica(s, 3),
            "k-means": lambda s: um.kmeans(s, 3),
        },
    )


class TestFigures:
    def test_errors_are_those_of_the_whole_plane(self, spectra, found):
        table = spectra.to_array()
        for name, error in zip(found.models, found.error, strict=True):
            model = found.models[name]
            rebuilt = np.einsum("kyx,kij->yxij", model.maps, model.components)
            left = table - rebuilt - (0 if model.mean is None else model.mean)
            expected = np.linalg.norm(left) / np.linalg.norm(table)
            assert error == pytest.approx(expected, rel=1e-4), name

    def test_more_components_leave_less(self, found):
        error = dict(zip(found.models, found.error, strict=True))
        assert error["PCA"] < error["ICA"] < error["N-FINDR"] < error["k-means"]

    def test_negative_values(self, found):
        for i, model in enumerate(found.models.values()):
            assert found.negative_maps[i] == np.mean(model.maps < 0)
            assert found.negative_components[i] == np.mean(model.components < 0)
        assert found.negative_maps[0] == 0 < found.negative_maps[2]

    def test_counts_and_seconds(self, found):
        assert found.n_components.tolist() == [3, 5, 3, 3]
        assert np.all(found.seconds > 0)

    def test_smooth_maps(self):
        rng = np.random.default_rng(0)
        y, x = np.mgrid[:40, :50] / 20
        maps = np.stack([np.sin(y) * np.cos(x), rng.random((40, 50))])
        for kind, values in (("smooth", maps[:1]), ("noise", maps[1:]), ("both", maps)):
            cube = np.moveaxis(values, 0, -1) @ rng.random((len(values), 6))
            model = um.pca(um.samples(cube, 2), 1)
            model = replace(model, maps=values, components=model.components[:1].repeat(2, 0))
            model = replace(model, components=model.components[: len(values)])
            (got,) = um.compare(um.samples(cube, 2), {kind: model}).smoothness
            assert got == pytest.approx({"smooth": 1, "noise": 0, "both": 0.5}[kind], abs=0.05)

    def test_maps_without_neighbours_have_no_smoothness(self):
        table = np.random.default_rng(0).random((30, 4))
        found = um.compare(table, {"PCA": lambda s: um.pca(s, 2)})
        assert np.isnan(found.smoothness[0])
        constant = um.compare(um.samples(table[:, None], 2), {"one": lambda s: um.kmeans(s, 1)})
        assert np.isnan(constant.smoothness[0])

    def test_exact_mixtures_leave_nothing(self, backend):
        truth = um.synthetic.simplex_mixtures(60, 3, 12, rng=1)
        cube = backend.asarray(truth.samples.reshape(6, 10, 12))
        found = um.compare(
            um.samples(cube, 2),
            {"N-FINDR": lambda s: um.nfindr(s, 3), "PCA": lambda s: um.pca(s, 1)},
        )
        assert found.error[0] < 1e-6
        assert found.error[1] > 0.01
        assert backend.owns(found.models["N-FINDR"].maps)

    def test_tiles_and_masks(self):
        truth = um.synthetic.simplex_mixtures(4000, 3, 60, snr_db=20, rng=1)
        mask = np.ones((40, 100), bool)
        mask[5:9, 20:60] = False
        samples = um.samples(truth.samples.reshape(40, 100, 60), 2).where(mask)
        model = um.nfindr(samples, 3)
        (whole,) = um.compare(samples, {"N-FINDR": model}).error
        with um.config.memory_budget(1 << 20):
            (tiled,) = um.compare(samples, {"N-FINDR": model}).error
        left = truth.samples[mask.ravel()] - model.maps[:, mask].T @ model.components
        expected = np.linalg.norm(left) / np.linalg.norm(truth.samples[mask.ravel()])
        assert whole == pytest.approx(tiled, rel=1e-12)
        assert whole == pytest.approx(expected, rel=1e-9)

    def test_samples_of_nothing(self):
        table = np.zeros((8, 3))
        model = replace(um.pca(table + np.eye(8, 3), 1), maps=np.zeros((1, 8)), mean=None)
        assert um.compare(table, {"nothing": model}).error.tolist() == [0]


class TestColumns:
    def test_like_components_stand_in_one_column(self, spectra):
        model = um.nfindr(spectra, 3)
        order = [2, 0, 1]
        turned = replace(model, maps=1 - model.maps[order], components=-model.components[order])
        few = replace(model, maps=model.maps[1:2], components=model.components[1:2])
        found = um.compare(spectra, {"one": few, "all": model, "turned": turned})
        assert found.columns.tolist() == [[-1, 0, -1], [0, 1, 2], [1, 2, 0]]

    def test_two_endmembers_whose_maps_are_complements(self):
        table = um.synthetic.simplex_mixtures(300, 2, 20, rng=3).samples
        models = {"a": um.nfindr(table, 2), "b": um.nmf(table, 2, simplex=True)}
        found = um.compare(table, models)
        for a, b in zip(*found.columns, strict=True):
            assert np.corrcoef(models["a"].maps[a], models["b"].maps[b])[0, 1] > 0.9

    def test_each_component_has_one_column(self, found):
        for row, n in zip(found.columns, found.n_components, strict=True):
            assert sorted(row[row >= 0]) == list(range(n))
            assert np.sum(row < 0) == 5 - n


class TestMethods:
    def test_a_fitted_model_has_the_seconds_of_its_record(self, spectra):
        model = um.pca(spectra, 2)
        found = um.compare(spectra, {"PCA": model})
        assert found.models["PCA"] is model
        assert found.seconds[0] == model.record.steps[-1].run["seconds"]
        projected = um.compare(spectra, {"PCA": model.project(spectra)})
        assert np.isnan(projected.seconds[0])

    def test_prints_a_table(self, found):
        head, *rows = repr(found).splitlines()
        assert head.split()[:3] == ["method", "n", "error"]
        assert [row.split()[0] for row in rows] == ["N-FINDR", "PCA", "ICA", "k-means"]
        assert rows[1].split()[1:4] == ["5", f"{100 * found.error[1]:.2f}", "%"]
        assert len({len(row) for row in (head, *rows)}) == 1

    def test_samples_are_described_once(self, spectra, monkeypatch):
        reads = []
        source = type(spectra.source)
        read = source.read
        monkeypatch.setattr(source, "read", lambda *a: reads.append(1) or read(*a))
        um.compare(spectra, {"a": lambda s: um.pca(s, 2), "b": lambda s: um.nfindr(s, 2)})
        assert len(reads) == len(spectra.plan())
