"""Area fractions: that their intervals hold the fraction as often as they say."""

from __future__ import annotations

import numpy as np
import pytest

import unmix as um
from unmix.maps.fractions import integral_range, wilson


def regions(labels, mask=None):
    samples = um.samples(np.zeros(labels.shape), labels.ndim)
    return um.regions(samples if mask is None else samples.where(mask), labels)


class TestWilson:
    def test_is_that_of_scipy(self):
        from scipy.stats import binomtest

        for k, n in ((0, 9), (3, 10), (50, 50), (17, 400)):
            for level in (0.68, 0.95):
                expected = binomtest(k, n).proportion_ci(level, method="wilson")
                np.testing.assert_allclose(
                    wilson(np.array(k / n), np.array(n), level), expected, atol=1e-12
                )


class TestIntegralRange:
    def test_of_independent_entries_is_one(self):
        members = np.random.default_rng(0).random((20, 30, 40)) < 0.3
        assert integral_range(members, np.ones(members.shape, bool)) == pytest.approx(1, abs=0.15)

    @pytest.mark.parametrize("side", [2, 4])
    def test_of_blocks_is_their_area(self, side):
        # blocks on a grid that starts anywhere: correlation (1 - |y|/a)(1 - |x|/a), whose sum is a²
        rng = np.random.default_rng(1)
        frames = []
        for _ in range(60):
            blocks = rng.random((13, 13)) < 0.4
            big = np.kron(blocks, np.ones((side, side), bool))
            y, x = rng.integers(0, side, 2)
            frames.append(big[y : y + 12 * side, x : x + 12 * side])
        members = np.stack(frames)
        found = integral_range(members, np.ones(members.shape, bool))
        assert found == pytest.approx(side**2, rel=0.15)

    def test_of_what_never_varies_is_none(self):
        members = np.zeros((2, 8, 8), bool)
        members[1] = True
        assert integral_range(members, np.ones(members.shape, bool)) == 0

    def test_leaves_out_what_is_left_out(self):
        rng = np.random.default_rng(2)
        members = np.kron(rng.random((20, 15, 15)) < 0.5, np.ones((1, 2, 2), bool))
        kept = rng.random(members.shape) < 0.7
        wild = np.where(kept, members, rng.random(members.shape) < 0.5)
        assert integral_range(wild, kept) == integral_range(members & kept, kept)


class TestAreaFractions:
    def test_counts(self):
        labels = np.array([[0, 0, 1, -1], [0, 1, 1, 1]])
        found = um.area_fractions(regions(labels))
        np.testing.assert_allclose(found.fractions, [3 / 8, 4 / 8])
        assert (found.low < found.fractions).all()
        assert (found.fractions < found.high).all()
        assert found.axes == ()

    def test_what_is_left_out_is_no_area(self):
        labels = np.tile([[0, 0, 1, 1]], (3, 4, 1))
        mask = np.ones(labels.shape, bool)
        mask[1, :, 3] = False
        found = um.area_fractions(regions(labels, mask))
        np.testing.assert_allclose(found.fractions, [[0.5, 2 / 3, 0.5], [0.5, 1 / 3, 0.5]])
        assert found.axes[0].name == "frame"

    def test_what_is_unclassified_may_be_any_class(self):
        labels = np.zeros((2, 20, 20), int)
        doubtful = labels.copy()
        doubtful[:, :5] = -1
        sure, unsure = (um.area_fractions(regions(v)) for v in (labels, doubtful))
        assert (unsure.high == 1).all()
        assert (unsure.low < 0.75).all()
        assert (sure.low > 0.98).all()

    def test_a_class_that_is_nowhere_has_an_upper_end(self):
        image = np.random.default_rng(0).random((40, 48))
        windows = um.sliding_windows(image, 16, 8)
        names = ["all", "none"]
        labels = np.zeros(windows.layout.map_shape, int)
        found = um.area_fractions(um.regions(windows, labels, names=names))
        # four windows cover each place, so that 20 are 5
        assert found.n_effective.tolist() == [5.0, 5.0]
        assert found.low[1] == 0
        assert found.high[1] == pytest.approx(1.96**2 / (5 + 1.96**2), rel=1e-3)
        pixels = um.area_fractions(um.regions(windows, labels, names=names).on_pixels())
        assert pixels.high[1] > 0.3

    def test_takes_clusters_with_their_names(self):
        table = np.random.default_rng(0).random((6, 7, 3))
        model = um.kmeans(um.samples(table, 2), 2, rng=0).rename(["a", "b"])
        found = um.area_fractions(model)
        assert found.names == ("a", "b")
        np.testing.assert_allclose(found.fractions, model.maps.mean(axis=(1, 2)))

    def test_wider_levels_hold_narrower_ones(self):
        labels = np.random.default_rng(0).integers(0, 2, (10, 12))
        narrow, wide = (um.area_fractions(regions(labels), level=v) for v in (0.5, 0.99))
        assert (wide.low < narrow.low).all()
        assert (wide.high > narrow.high).all()


def test_intervals_hold_the_fraction_as_often_as_they_say():
    """On labels without error: of 95 % intervals about so many, of 68 % ones about so many."""
    level = [0.05, 0.3, 0.5, 0.8]
    movie = um.synthetic.phase_movie(
        np.repeat(level, 30), (96, 112), domain=6.0, counts=None, rng=4
    )
    grains = movie.labels[:, ::2, ::2]
    held = {}
    for wanted in (0.6827, 0.95):
        inside = []
        for fraction in level:
            part = grains[movie.fractions == fraction]
            found = um.area_fractions(regions(part), level=wanted)
            inside.append((found.low[1] <= fraction) & (fraction <= found.high[1]))
        held[wanted] = np.mean(inside)
    assert 0.9 <= held[0.95] <= 0.99
    assert 0.6 <= held[0.6827] <= 0.76


def test_intervals_of_windows_hold_the_fraction_as_often_as_they_say():
    """Of windows that have the class of the most of their area, as large as the domains."""
    levels = [0.1, 0.3, 0.5]
    movie = um.synthetic.phase_movie(
        np.repeat(levels, 40), (128, 128), domain=12.0, counts=None, rng=2
    )
    windows = um.sliding_windows(um.samples(1.0 * movie.labels, 3), 24, 8)
    labels = (windows.to_array().mean(axis=(-2, -1)) > 0.5).astype(int)
    inside = []
    for i, fraction in enumerate(levels):
        frames = slice(40 * i, 40 * i + 40)
        found = um.area_fractions(um.regions(windows[frames], labels[frames], names=["0", "1"]))
        inside.append((found.low[1] <= fraction) & (fraction <= found.high[1]))
    assert 0.9 <= np.mean(inside) <= 0.99


@pytest.fixture(scope="module")
def twin():
    """A cycle of a transition: the fraction of phase 1 rises from zero to one."""
    rise = (1 + np.tanh(np.linspace(-3, 3, 36))) / 2
    return um.synthetic.phase_movie(rise, (128, 144), domain=12.0, rng=1)


class TestTransition:
    def test_fractions_of_a_movie_follow_the_truth_within_their_errors(self, twin):
        windows = um.sliding_windows(um.samples(twin.frames, 3), 24, 8)
        model = um.kmeans(um.window_fft(windows, k_max=0.15).transform("sqrt"), 2, rng=0)
        found = um.area_fractions(um.classify(model).without_small(4))
        first = np.corrcoef(found.fractions[1], twin.fractions)[0, 1] > 0
        i = int(first)
        inside = (found.low[i] <= twin.fractions) & (twin.fractions <= found.high[i])
        assert inside.mean() >= 0.9
        assert np.sqrt(np.mean((found.fractions[i] - twin.fractions) ** 2)) < 0.1
        assert (found.high - found.low).mean() < 0.35  # they say something
