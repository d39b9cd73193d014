"""`noise="poisson"` of NMF and ICA: the scaling by hand, and what the noise of counts hides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import unmix as um
from unmix._arrays import to_host as host


def counts(n=300, f=24, seed=0):
    """Poisson counts of three components, with a sample and a feature without a count."""
    rng = np.random.default_rng(seed)
    maps = rng.gamma(1, 1, (n, 3)) * (rng.random((n, 3)) > 0.4)
    parts = rng.gamma(0.5, 1, (3, f)) * np.asarray([[60.0], [20.0], [8.0]])
    table = rng.poisson(maps @ parts).astype(float)
    table[7], table[:, 11] = 0, 0
    return table


def edx(shape=(30, 40), f=120, seed=0, on_top=False):
    """Counts of two bright phases and their mixtures, and of dim grains with lines of their own.

    Grains lie in holes of the phases, or on top of them.

    The noise of the bright lines is larger than the dim ones.
    """
    rng = np.random.default_rng(seed)
    energy, n = np.arange(f), int(np.prod(shape))

    def line(at, height):
        return height * np.exp(-((energy - at) ** 2) / 8)

    dim = 0.05 + line(80, 2.0) + line(100, 1.0)
    parts = [0.05 + line(20, 300) + line(45, 150), 0.05 + line(30, 250), dim]
    grains, mixed = rng.random(n) < 0.2, rng.beta(0.4, 0.4, n)
    phases = np.ones(n) if on_top else ~grains
    maps = np.stack([mixed * phases, (1 - mixed) * phases, grains], axis=1)
    return rng.poisson(maps @ parts).astype(np.uint16).reshape(*shape, f), dim, grains


def scaling(table):
    """r and s of Keenan and Kotula as they are defined, with NumPy alone."""
    table = table.astype(float)
    image, spectrum = table.mean(axis=1), table.mean(axis=0)
    with np.errstate(divide="ignore"):
        r = np.where(image > 0, np.sqrt(table.mean() / image), 0)
        s = np.where(spectrum > 0, 1 / np.sqrt(spectrum), 0)
    return r[:, None], s


def started(samples, maps, components):
    """A model to start from, of given maps (n, k)."""
    model = um.nmf(samples, components.shape[0], max_iter=1)
    return replace(model, maps=maps.T, components=components)


def likeness(model, dim, grains, scale=1):
    """Of the component most like the dim one: its correlation, and that of its map."""
    shapes = [np.corrcoef(c * scale, dim * scale)[0, 1] for c in model.components]
    best = int(np.argmax(np.abs(shapes)))
    return abs(shapes[best]), abs(np.corrcoef(model.maps[best].ravel(), grains)[0, 1])


class TestNMF:
    def by_hand(self, table, maps, components, max_iter):
        """Fit the scaled table from the scaled start, and scale back; only samples with counts."""
        r, s = scaling(table)
        kept, used = r[:, 0] > 0, s > 0
        scaled = (table * r * s)[kept][:, used]
        start = started(scaled, (maps * r)[kept], (components * s)[:, used])
        model = um.nmf(scaled, 3, init=start, tol=0, max_iter=max_iter)
        return model, (model.maps.T / r[kept]) @ (model.components / s[used]), kept, used

    @pytest.mark.parametrize("max_iter", [1, 2, 30])
    def test_is_the_fit_of_the_scaled_table(self, backend, max_iter):
        table = counts()
        rng = np.random.default_rng(3)
        maps, components = rng.random((300, 3)), rng.random((3, 24))
        samples = backend.asarray(table)
        start = started(samples, backend.asarray(maps), backend.asarray(components))
        model = um.nmf(samples, 3, noise="poisson", init=start, tol=0, max_iter=max_iter)
        assert backend.owns(model.maps)
        assert backend.owns(model.components)
        expected, product, kept, used = self.by_hand(table, maps, components, max_iter)
        found = host(model.maps).T @ host(model.components)
        np.testing.assert_allclose(found[kept][:, used], product, atol=1e-7 * product.max())
        np.testing.assert_allclose(model.divergence, expected.divergence, rtol=1e-9)
        assert not found[~kept].any()
        assert not host(model.components)[:, ~used].any()
        np.testing.assert_allclose(host(model.scale), scaling(table)[1], rtol=1e-12)
        np.testing.assert_allclose(np.linalg.norm(host(model.components), axis=1), 1)

    def test_stops_where_the_fit_of_the_scaled_table_stops(self):
        table = counts()
        r, s = scaling(table)
        rng = np.random.default_rng(3)
        maps, components = rng.random((300, 3)), rng.random((3, 24))
        ours = um.nmf(table, 3, noise="poisson", init=started(table, maps, components))
        scaled = table * r * s
        theirs = um.nmf(scaled, 3, init=started(scaled, maps * r, components * s))
        assert 3 < ours.n_iter == theirs.n_iter

    @pytest.mark.parametrize("init", ["nndsvda", "random", "nfindr"])
    @pytest.mark.parametrize("simplex", [False, True])
    def test_masks_and_tiles(self, monkeypatch, init, simplex):
        table = counts(960, 24).reshape(24, 40, 24)
        mask = np.random.default_rng(0).random((24, 40)) < 0.8
        features = np.arange(24) % 5 > 0
        samples = um.samples(table, 2).where(mask).features(features)
        options = {"noise": "poisson", "init": init, "simplex": simplex, "max_iter": 60}
        whole = um.nmf(samples, 3, **options)
        monkeypatch.setattr(um.config, "TILE_BYTES", 1 << 14)
        assert len(samples.plan()) > 5
        tiled = um.nmf(samples, 3, **options)
        alone = um.nmf(table[mask][:, features], 3, **options)
        near = 1e-4 * np.nanmax(whole.maps)
        np.testing.assert_array_equal(np.isnan(whole.maps[0]), ~mask)
        np.testing.assert_allclose(tiled.maps, whole.maps, atol=near)
        np.testing.assert_allclose(tiled.components, whole.components, atol=1e-5, equal_nan=True)
        if init != "random":  # which is drawn by a sample's number in the whole map
            np.testing.assert_allclose(alone.maps, whole.maps[:, mask], atol=near)
            np.testing.assert_allclose(alone.divergence, whole.divergence, rtol=1e-6)

    def test_half_planes_count_as_whole_ones(self):
        image = np.random.default_rng(2).random((40, 41))
        spectra = um.window_fft(um.sliding_windows(image, 8, 4), output="power")
        plane = um.samples(spectra.to_array(), 2)
        options = {"noise": "poisson", "tol": 1e-9, "max_iter": 2000}
        packed, whole = (um.nmf(s, 2, **options) for s in (spectra, plane))
        np.testing.assert_allclose(packed.divergence, whole.divergence, rtol=1e-6)
        near = 1e-3 * whole.components.max()
        np.testing.assert_allclose(packed.components, whole.components, atol=near)
        np.testing.assert_allclose(packed.scale, whole.scale, rtol=1e-6)

    def test_finds_what_bright_noise_hides(self):
        table, dim, grains = edx()
        plain, scaled = (um.nmf(um.samples(table, 2), 3, noise=n) for n in (None, "poisson"))
        assert max(likeness(plain, dim, grains)) < 0.6
        assert min(likeness(scaled, dim, grains)) > 0.9

    def test_error_of_noise_is_one_for_each_value(self):
        rng = np.random.default_rng(1)
        table = rng.poisson(np.outer(rng.uniform(20, 200, 500), rng.uniform(0.2, 5, 40)))
        model = um.nmf(table, 1, noise="poisson")
        assert model.divergence == pytest.approx(table.size, rel=0.1)

    def test_abundances_sum_to_one_in_counts(self, backend):
        rng = np.random.default_rng(3)
        true, parts = rng.dirichlet([0.3] * 3, 100), rng.gamma(0.7, 1, (3, 20)) * 200 + 1
        true[:3] = np.eye(3)
        table = rng.poisson(true @ parts).astype(float)
        model = um.nmf(backend.asarray(table), 3, noise="poisson", simplex=True)
        maps, components = host(model.maps), host(model.components)
        np.testing.assert_allclose(maps.sum(axis=0), 1, atol=1e-6)
        assert maps.min() >= 0
        order = ((components[None] - parts[:, None]) ** 2).sum(axis=2).argmin(axis=1)
        np.testing.assert_allclose(components[order], parts, atol=0.1 * parts.max())
        assert np.sqrt(np.mean((maps[order].T - true) ** 2)) < 0.05

    @pytest.mark.parametrize("simplex", [False, True])
    def test_reads_other_samples_in_the_same_way(self, backend, simplex, tmp_path):
        table = counts()
        model = um.nmf(
            backend.asarray(table), 3, noise="poisson", simplex=simplex, tol=1e-5, max_iter=100
        )
        um.save(tmp_path / "model.npz", model)
        loaded = um.load(tmp_path / "model.npz")
        near = 5e-3 * host(model.maps).max()
        for again in (model.project(backend.asarray(table[50:90])), loaded.project(table[50:90])):
            np.testing.assert_allclose(host(again.maps), host(model.maps)[:, 50:90], atol=near)


class TestICA:
    @pytest.mark.parametrize("n_runs", [1, 2])
    def test_turns_the_components_of_the_scaled_counts(self, backend, n_runs):
        table = counts()
        samples = backend.asarray(table)
        model = um.ica(samples, 3, noise="poisson", n_runs=n_runs)
        pca = um.pca(samples, 3, noise="poisson")
        maps, components = host(model.maps), host(model.components)
        np.testing.assert_allclose(maps.mean(axis=1), 0, atol=1e-9)
        np.testing.assert_allclose(np.cov(maps, bias=True), np.eye(3), atol=1e-9)
        np.testing.assert_allclose(
            maps.T @ components, host(pca.maps).T @ host(pca.components), atol=1e-8 * table.max()
        )
        np.testing.assert_allclose(host(model.mean), table.mean(axis=0), rtol=1e-12)
        np.testing.assert_array_equal(host(model.scale), host(pca.scale))
        assert not components[:, 11].any()

    def test_finds_what_bright_noise_hides(self):
        table, dim, grains = edx(on_top=True)
        samples = um.samples(table, 2)
        plain, scaled = (um.ica(samples, 2, noise=n) for n in (None, "poisson"))
        assert max(likeness(plain, dim, grains, scaled.scale)) < 0.5
        assert min(likeness(scaled, dim, grains, scaled.scale)) > 0.9

    def test_a_fitted_pca_saves_its_passes(self):
        table = counts()
        pca = um.pca(table, 3, noise="poisson")
        np.testing.assert_array_equal(
            um.ica(table, 3, pca=pca).maps, um.ica(table, 3, noise="poisson").maps
        )

    def test_masks_and_tiles(self, monkeypatch):
        table = counts(960, 24).reshape(24, 40, 24)
        mask = np.random.default_rng(0).random((24, 40)) < 0.8
        samples = um.samples(table, 2).where(mask)
        whole = um.ica(samples, 3, noise="poisson", tol=1e-10)
        monkeypatch.setattr(um.config, "TILE_BYTES", 1 << 14)
        tiled = um.ica(samples, 3, noise="poisson", tol=1e-10)
        alone = um.ica(table[mask], 3, noise="poisson", tol=1e-10)
        np.testing.assert_array_equal(np.isnan(whole.maps[0]), ~mask)
        np.testing.assert_allclose(tiled.maps, whole.maps, atol=1e-6)
        np.testing.assert_allclose(alone.maps, whole.maps[:, mask], atol=1e-6)

    def test_reads_other_samples_in_the_same_way(self, backend, tmp_path):
        table = counts()
        model = um.ica(backend.asarray(table), 3, noise="poisson")
        um.save(tmp_path / "model.npz", model)
        loaded = um.load(tmp_path / "model.npz")
        for again in (model.project(backend.asarray(table[50:90])), loaded.project(table[50:90])):
            np.testing.assert_allclose(host(again.maps), host(model.maps)[:, 50:90], atol=1e-8)


@pytest.mark.parametrize("method", [um.nmf, um.ica])
def test_is_recorded_and_replayed(method):
    table = counts()
    model = method(table, 2, noise="poisson")
    assert model.record.steps[-1].parameters["noise"] == "poisson"
    again = um.Pipeline.from_record(model.record).run(table)
    np.testing.assert_array_equal(again.maps, model.maps)
