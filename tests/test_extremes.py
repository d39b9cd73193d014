"""VCA, ATGP and pixel purity as users call them."""

from __future__ import annotations

import numpy as np
import pytest
from backends import Backend

import unmix as um

host = Backend.numpy
METHODS = {
    "vca": um.vca,
    "atgp": um.atgp,
    "ppi": lambda s, p, **options: um.ppi(s, p, n_skewers=800, **options),
}


@pytest.fixture(params=list(METHODS))
def method(request):
    return METHODS[request.param]


def cube(p=4, snr_db=None, seed=0):
    mixtures = um.synthetic.simplex_mixtures(240, p, 30, snr_db=snr_db, rng=seed)
    return mixtures, mixtures.samples.reshape(12, 20, 30)


@pytest.mark.parametrize("p", [2, 3, 6])
def test_finds_pure_samples(method, p):
    truth, values = cube(p)
    model = method(um.samples(values, 2), p)
    assert sorted(model.indices.tolist()) == sorted(truth.pure_indices.tolist())
    order = [truth.pure_indices.tolist().index(i) for i in model.indices]
    assert np.allclose(model.components, truth.endmembers[order], atol=1e-6)
    assert np.allclose(model.abundances.reshape(p, -1), truth.abundances.T[order], atol=1e-6)
    assert np.array_equal(
        model.positions, np.column_stack(np.unravel_index(model.indices, (12, 20)))
    )


def test_same_on_every_backend(method, backend):
    _, values = cube(3, snr_db=20)
    expected = method(um.samples(values, 2), 3, average=3)
    found = method(um.samples(backend.asarray(values), 2), 3, average=3)
    assert np.array_equal(found.indices, expected.indices)
    assert backend.owns(found.maps)
    assert np.allclose(host(found.maps), expected.maps, atol=1e-8)
    assert np.allclose(host(found.components), expected.components, atol=1e-8)


def test_same_for_any_tiles(method):
    _, values = cube(3, snr_db=30)
    samples = um.samples(np.tile(values, (20, 10, 1)), 2)  # every sample many times: ties
    whole = method(samples, 3)
    with um.config.memory_budget(1 << 20):
        assert len(samples.plan()) > 1
        cut = method(samples, 3)
    assert np.array_equal(cut.indices, whole.indices)


def test_left_out_samples_are_not_found(method):
    truth, values = cube(3)
    mask = np.ones(240, bool)
    mask[truth.pure_indices[0]] = False
    model = method(um.samples(values, 2).where(mask.reshape(12, 20)), 3)
    assert truth.pure_indices[0] not in model.indices
    assert np.all(np.isnan(model.maps[:, ~mask.reshape(12, 20)]))


def test_runs_again_from_the_record_and_is_saved(method, tmp_path):
    _, values = cube(3, snr_db=20)
    model = method(um.samples(values, 2), 3, average=2)
    um.save(tmp_path / "a.npz", model)
    for other in (um.Pipeline.from_record(model.record).run(values), um.load(tmp_path / "a.npz")):
        assert type(other) is type(model)
        assert np.array_equal(other.maps, model.maps)
        assert np.array_equal(other.indices, model.indices)


@pytest.mark.parametrize("name", ["vca", "ppi"])
def test_takes_a_fitted_pca_and_raw_samples(name):
    _, values = cube(3, snr_db=40)
    samples, method = um.samples(values, 2), METHODS[name]
    model = method(samples, 3, raw=True, pca=um.pca(samples, 5))
    assert np.array_equal(model.indices, method(samples, 3).indices)
    assert np.allclose(model.components, values.reshape(-1, 30)[model.indices])


class TestVCA:
    def test_brightness_does_not_hide_pure_samples_at_low_noise(self):
        """Above the threshold in SNR samples are divided by their brightness."""
        truth, values = cube(3)
        shades = np.random.default_rng(1).uniform(0.4, 1.6, (12, 20, 1))
        model = um.vca(um.samples(values * shades, 2), 3)
        assert sorted(model.indices.tolist()) == sorted(truth.pure_indices.tolist())

    def test_noise_decides_the_projection(self, monkeypatch):
        seen = []
        ratio = um.ops.signal_to_noise
        monkeypatch.setattr(
            um.ops, "signal_to_noise", lambda *a: seen.append(ratio(*a)) or seen[-1]
        )
        for snr_db, above in ((10, False), (40, True)):
            _, values = cube(3, snr_db=snr_db)
            um.vca(um.samples(values, 2), 3)
            assert abs(seen[-1] - snr_db) < 1
            assert bool(seen[-1] > 15 + 10 * np.log10(3)) is above

    def test_other_directions_for_another_key(self):
        table = np.random.default_rng(0).standard_normal((300, 5))  # without corners
        found = {tuple(um.vca(table, 4, rng=k).indices) for k in range(5)}
        assert len(found) > 1


class TestPPI:
    def test_counts(self):
        truth, values = cube(3)
        mask = np.ones((12, 20), bool)
        mask[0, :3] = False
        mask.ravel()[truth.pure_indices] = True
        model = um.ppi(um.samples(values, 2).where(mask), 3, n_skewers=300)
        assert model.counts.shape == (12, 20)
        assert np.sum(model.counts[mask]) == 600
        assert np.all(model.counts[~mask] == -1)
        assert sorted(np.argsort(model.counts.ravel())[-3:]) == sorted(truth.pure_indices)
        assert model.project(um.samples(values, 2)).counts is None

    def test_noisy_copies_of_a_corner_count_once(self):
        truth, values = cube(3)
        table = np.concatenate(
            [values.reshape(-1, 30), np.repeat(truth.endmembers[:1], 60, axis=0)]
        )
        table = table + 0.002 * np.random.default_rng(0).standard_normal(table.shape)
        model = um.ppi(table, 3)
        angles = model.components @ truth.endmembers.T
        assert sorted(np.argmax(angles / np.linalg.norm(truth.endmembers, axis=1), axis=1)) == [
            0,
            1,
            2,
        ]
