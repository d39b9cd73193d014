"""Samples that are read from a file tile by tile are unmixed as those in memory."""

from __future__ import annotations

import numpy as np
import pytest
from methods import METHODS

import unmix as um
from unmix import config

h5py = pytest.importorskip("h5py")


@pytest.mark.parametrize("name", list(METHODS))
def test_hdf5_gives_the_answers_of_memory(tmp_path, monkeypatch, name):
    values = um.synthetic.simplex_mixtures(72 * 99, 4, rng=1, n_features=20).samples
    values = values.reshape(72, 99, 20)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("scan", data=values, chunks=(7, 10, 20), compression="gzip")
    monkeypatch.setattr(config, "TILE_BYTES", 1 << 16)
    samples = um.open(f"{tmp_path / 'a.h5'}::/scan", axes="y x | bin")
    assert len(samples.plan()) > 4
    with config.memory_budget(1 << 20):  # too little to keep the table: each pass reads it
        got = METHODS[name](samples)
    expected = METHODS[name](um.samples(values, 2))
    np.testing.assert_allclose(got, expected, atol=1e-6 * np.abs(expected).max())
