"""How many phases there are, from windows that overlap."""

from __future__ import annotations

import numpy as np
import pytest
from test_suggest_window import ONE, crystal, lattice, two_phases

import unmix as um


def counted(image):
    image = np.asarray(image, np.float32)
    return um.rank(um.window_fft(um.sliding_windows(image)))


def phases(table):
    """Return the answer that windows are to be read by."""
    said = table.endmembers
    return min(said["parallel_analysis"], said["mdl"])


def one_phase(period, between, noise):
    side = 256 if period < 14 else 512
    image = crystal((side, side), lattice(period, 7, between), ONE, 0.2 * period)
    draws = np.random.default_rng(0)
    if noise == "counts":
        return draws.poisson(3 * image / image.mean())
    return image + noise * image.std() * draws.normal(size=image.shape)


@pytest.mark.parametrize("noise", [0, 0.1, 0.5, "counts"])
@pytest.mark.parametrize(("period", "between"), [(8, 60), (8, 90), (14, 90)])
def test_one_phase(period, between, noise):
    table = counted(one_phase(period, between, noise))
    assert phases(table) == 1
    rules = ("gavish_donoho", "parallel_analysis", "mdl", "cross_validation", "autocorrelation")
    assert [table.endmembers[rule] for rule in rules].count(1) >= 3
    assert "do not overlap" in table.note
    assert table.note in str(table)


@pytest.mark.parametrize("counts", [0, 3])
@pytest.mark.parametrize("pair", ["hexagonal and square", "dimers"])
def test_two_phases(pair, counts):
    image, _ = two_phases(pair, 8, (384, 384), counts)
    assert phases(counted(image)) == 2


def test_three_phases():
    shape, period = (512, 512), 8
    parts = [(7, 60), (20, 90), (30, 60)]
    images = [crystal(shape, lattice(period, *p), ONE, 0.2 * period) for p in parts]
    third = np.arange(512) * 3 // 512
    image = np.choose(np.broadcast_to(third, shape), images)
    table = counted(np.random.default_rng(0).poisson(3 * image / image.mean()))
    assert phases(table) == 3


class TestWhatIsLookedAt:
    IMAGE = np.random.default_rng(0).random((120, 150))

    def test_windows_side_by_side_and_every_third_frequency(self):
        spectra = um.window_fft(um.sliding_windows(self.IMAGE, 24, (6, 8)))
        table = um.rank(spectra, 5)
        assert table.n_samples == 5 * 6
        assert table.n_features < spectra.layout.n_features / 6
        assert table.note == "windows that do not overlap: every 4 x 3, every 3rd frequency"
        assert table.to_dict()["note"] == table.note
        assert table.record.steps[-1].run["looked_at"] == table.note

    def test_faint_components_count_once_spectra_were_transformed(self):
        """Phases whose difference has less power than the tails of spots in one lattice."""
        image, other = (
            crystal((256, 256), lattice(8, 7, 60), [(0, 0, 1), (1 / 3, 1 / 3, h)], 1.6)
            for h in (0, 0.01)
        )
        image[:, 128:] = other[:, 128:]
        spectra = um.window_fft(um.sliding_windows(np.asarray(image, np.float32)))
        assert set(um.rank(spectra).answers.values()) <= {0, None}
        assert um.rank(spectra.normalize("unit_norm")).answers["gavish_donoho"] > 0

    def test_of_other_descriptors_all_features(self):
        table = um.rank(um.sliding_windows(self.IMAGE, 12, 4), 5)
        assert (table.n_samples, table.n_features) == (10 * 12, 144)

    def test_left_out_windows_and_frames(self):
        movie = np.stack([self.IMAGE, self.IMAGE[::-1]])
        spectra = um.window_fft(um.sliding_windows(movie, 24, 6))
        mask = np.ones(spectra.layout.map_shape, dtype=bool)
        mask[0, :4] = False
        table = um.rank(spectra.where(mask), 5)
        assert table.n_samples == int(mask[:, ::4, ::4].sum())

    def test_everything_where_nothing_overlaps_or_a_model_is_given(self):
        spectra = um.window_fft(um.sliding_windows(self.IMAGE, 12, 12))
        assert um.rank(spectra, 5).note == ""
        spectra = um.window_fft(um.sliding_windows(self.IMAGE, 24, 6))
        table = um.rank(spectra, 5, pca=um.pca(spectra, 6))
        assert table.note == ""
        assert table.n_samples == spectra.layout.n_samples

    def test_too_few_side_by_side(self):
        with pytest.warns(UserWarning, match="only 4 of the windows do not overlap"):
            um.rank(um.window_fft(um.sliding_windows(self.IMAGE[:64, :64], 32, 8)), 5)
