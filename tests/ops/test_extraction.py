"""VCA, ATGP and pixel purity on bare arrays."""

from __future__ import annotations

import numpy as np
import pytest
from backends import Backend
from hypothesis import given
from strategies import seeds

from unmix import ops
from unmix._errors import DataError

host = Backend.numpy


def search_of(points):
    def search(forms):
        values = np.abs(forms @ points.T)
        at = values.argmax(axis=1)
        return ops.Found(values.max(axis=1), at, points[at])

    return search


@given(seeds)
def test_vca_finds_the_pure_samples_for_any_directions(seed):
    rng = np.random.default_rng(seed)
    p = int(rng.integers(2, 6))
    pure = rng.standard_normal((p, p)) + 3 * np.eye(p)
    points = np.concatenate([rng.dirichlet(np.ones(p), 50) @ pure, pure])
    found = ops.vca(search_of(points), p, rng.standard_normal((p, p)))
    assert sorted(found.number.tolist()) == list(range(50, 50 + p))


def test_farthest_from_span(backend):
    rows, basis = np.random.default_rng(0).standard_normal((30, 6)), np.eye(6)[:2]
    squared, at = ops.farthest_from_span(backend.asarray(rows), basis)
    away = np.sum(rows[:, 2:] ** 2, axis=1)
    assert at == away.argmax()
    assert np.isclose(squared, away.max())
    tied = backend.asarray([[1.0, 0.0], [0.0, 2.0], [2.0, 0.0]])
    assert ops.farthest_from_span(tied, np.empty((0, 2))) == (4.0, 1)


def test_highest_forms_in_blocks(backend, monkeypatch):
    rng = np.random.default_rng(0)
    points, forms = rng.standard_normal((30, 3)), rng.standard_normal((11, 3))
    monkeypatch.setattr("unmix.ops.extraction.BLOCK", 100)
    values, at = ops.highest_forms(backend.asarray(points), forms)
    assert np.array_equal(host(at), (forms @ points.T).argmax(axis=1))
    assert np.allclose(host(values), (forms @ points.T).max(axis=1))


def test_purest_are_often_extreme_and_unlike():
    points = np.asarray([[0.0, 0.0], [0.01, 0.0], [5.0, 0.0], [2.0, 4.0], [2.0, 3.9]])
    assert ops.purest(points, np.asarray([90, 80, 20, 9, 30]), 3).tolist() == [0, 4, 2]
    with pytest.raises(DataError, match=r"only 2 samples in different directions.*raise n_skewers"):
        ops.purest(points[:3], np.asarray([1, 1, 1]), 3)


def test_signal_to_noise_of_known_noise():
    rng = np.random.default_rng(0)
    signal = np.zeros((20_000, 50))
    signal[:, :4] = 3 * rng.standard_normal((20_000, 4))
    noisy = signal + 0.2 * rng.standard_normal(signal.shape)
    total, inside = (np.mean(np.sum(x**2, axis=1)) for x in (noisy, noisy[:, :4]))
    true = 10 * np.log10(np.sum(signal**2) / np.sum((noisy - signal) ** 2))
    assert abs(ops.signal_to_noise(total, inside, 4 / 50) - true) < 0.1
    assert ops.signal_to_noise(1.0, 1.0, 0.1) == np.inf
    assert ops.signal_to_noise(1.0, 0.05, 0.1) == -np.inf
