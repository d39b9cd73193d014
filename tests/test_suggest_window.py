"""Windows in units and in periods, and a newcomer's defaults on lattices of all sizes."""

from __future__ import annotations

import numpy as np
import pytest
from backends import Backend

import unmix as um
from unmix._lattice import spots
from unmix.sampling.suggest import good_size

host = Backend.numpy


def crystal(shape, cell, atoms, width):
    """Render Gaussian atoms (a, b, height) in a cell of two (y, x) vectors, by Fourier series."""
    cell = np.asarray(cell)
    n = int(np.ceil(0.9 / width * np.linalg.norm(cell, axis=1).max()))
    orders = np.stack(np.meshgrid(*[np.arange(-n, n + 1)] * 2), axis=-1).reshape(-1, 2)
    k = orders @ np.linalg.inv(cell).T
    orders, k = (a[np.linalg.norm(k, axis=1) < 0.9 / width] for a in (orders, k))
    waves = sum(h * np.exp(-2j * np.pi * orders @ (a, b)) for a, b, h in atoms)
    waves = waves * np.exp(-2 * (np.pi * width) ** 2 * (k**2).sum(axis=1))
    column, row = (
        np.exp(2j * np.pi * np.outer(np.arange(s), q)) for s, q in zip(shape, k.T, strict=True)
    )
    return np.maximum(((column * waves) @ row.T).real, 0)


def lattice(period, angle, between):
    turn = np.deg2rad([angle, angle + between])
    return period * np.stack([np.sin(turn), np.cos(turn)], axis=1)


ONE = [(0, 0, 1)]
PAIRS = {
    "turned": lambda p: [(lattice(p, 7, 60), ONE), (lattice(p, 29, 60), ONE)],
    "hexagonal and square": lambda p: [(lattice(p, 7, 60), ONE), (lattice(p, 20, 90), ONE)],
    "dimers": lambda p: [
        (lattice(p, 7, 60) * [[2], [1]], [(0, 0, 1), (0.5, 0, 1)]),
        (lattice(p, 7, 60) * [[2], [1]], [(0.06, 0, 1), (0.44, 0, 1)]),
    ],
    "ordered": lambda p: [
        (lattice(p, 12, 90), ONE),
        ([[1, 1], [1, -1]] @ lattice(p, 12, 90), [(0, 0, 1.5), (0.5, 0.5, 0.5)]),
    ],
    "another motif": lambda p: [
        (lattice(p, 5, 90), [(0, 0, 1), (0.5, 0.5, 0.5)]),
        (lattice(p, 5, 90), [(0, 0, 1), (0.5, 0.5, 0.15)]),
    ],
    "a second atom": lambda p: [
        (lattice(p, 5, 90), ONE),
        (lattice(p, 5, 90), [(0, 0, 1), (0.5, 0.5, 0.5)]),
    ],
    "dimmed rows": lambda p: [
        (lattice(p, 12, 60), ONE),
        (lattice(p, 12, 60) * [[2], [1]], [(0, 0, 1), (0.5, 0, 0.5)]),
    ],
}


CLOSE = ("a second atom", "dimmed rows")
"""Pairs that a test of their own looks at."""


def two_phases(pair, period, shape, counts):
    """Render two lattices on both sides of a winding boundary, and count unless ``counts`` is 0."""
    images = [crystal(shape, cell, atoms, 0.2 * period) for cell, atoms in PAIRS[pair](period)]
    y, x = np.mgrid[: shape[0], : shape[1]]
    labels = x + 0.15 * shape[1] * np.sin(4.4 * y / shape[0]) > 0.5 * shape[1]
    image = np.where(labels, images[1], images[0])
    if counts:
        image = np.random.default_rng(0).poisson(counts * image / image.mean())
    return image.astype(np.float32), labels


def split(values):
    """Divide values in two by Otsu's threshold."""
    ordered = np.sort(values, axis=None)
    n, total = np.arange(1, ordered.size), np.cumsum(ordered)
    low, high = total[:-1] / n, (total[-1] - total[:-1]) / (ordered.size - n)
    best = np.argmax(n * (ordered.size - n) * (high - low) ** 2)
    return values > (ordered[best] + ordered[best + 1]) / 2


def accuracy(found, model, labels):
    """Compare classes of windows, 0 and 1, with the phase of the pixel at their centre."""
    at = [np.rint(a.values).astype(int) for a in model.layout.map_axes]
    right = np.mean(found == labels[np.ix_(*at)])
    return max(right, 1 - right)


SIZES = {5: 256, 8: 256, 14: 384, 30: 640, 60: 900}


class TestDefaults:
    @pytest.mark.parametrize(
        ("pair", "period"),
        [
            pytest.param(
                pair,
                period,
                marks=[pytest.mark.slow]
                if period > 14 and pair not in ("turned", "dimers")
                else [],
            )
            for pair in PAIRS
            for period in SIZES
            if pair not in CLOSE
        ],
    )
    def test_find_the_boundary(self, pair, period):
        shape = (SIZES[period], SIZES[period])
        image, labels = two_phases(pair, period, shape, counts=3)
        model = um.nmf(um.window_fft(um.sliding_windows(image)), 2)
        share = model.maps[0] / model.maps.sum(axis=0)
        assert accuracy(split(share), model, labels) >= 0.95
        assert accuracy(model.maps.argmax(axis=0), model, labels) >= 0.93

    @pytest.mark.parametrize(
        ("pair", "period", "counts"),
        [
            ("ordered", 5, 0),
            ("ordered", 8, 0),
            ("ordered", 8, 20),
            ("ordered", 14, 1),
            ("dimmed rows", 5, 0),
            ("dimmed rows", 8, 10),
            ("another motif", 5, 0),
            ("another motif", 8, 10),
            ("another motif", 14, 1),
            ("a second atom", 5, 0),
            ("a second atom", 14, 10),
        ],
    )
    def test_find_phases_that_share_most_of_their_spectra(self, pair, period, counts):
        """One spectrum may hold the other: their difference is no phase."""
        side = 384 if period < 14 else 640
        image, labels = two_phases(pair, period, (side, side), counts)
        model = um.nmf(um.window_fft(um.sliding_windows(image)), 2)
        assert accuracy(um.classify(model).labels, model, labels) >= 0.93

    def test_are_in_the_record_and_run_again(self):
        image, _ = two_phases("turned", 8, (200, 220), counts=3)
        windows = um.sliding_windows(image)
        step, (window, apart, period) = windows.record.steps[-1], um.suggest_window(image)
        assert step.parameters["window"] == [window, window]
        assert step.parameters["step"] == [apart, apart]
        assert step.run["period"] == period
        assert step.run["asked"] == {"window": None, "step": None}
        record = um.Record.from_json(windows.record.to_json())
        again = um.Pipeline.from_record(record).run(np.zeros((200, 220)))
        assert again.shape == windows.shape

    def test_step_is_an_eighth_of_a_window(self):
        windows = um.sliding_windows(np.zeros((60, 80)), (16, 24))
        assert windows.layout.windows.step == (2, 3)
        assert windows.record.steps[-1].run == {}


class TestSuggestion:
    @pytest.mark.parametrize("period", [5.0, 8.5, 14.0, 31.0, 60.0])
    def test_period(self, backend, period):
        side = 512 if period < 50 else 820
        image = crystal((side, side + 30), lattice(period, 10, 90), ONE, 0.2 * period)
        image = image / image.mean() + 0.5 * np.random.default_rng(0).normal(size=image.shape)
        found = um.suggest_window(backend.asarray(image, np.float32))
        assert found.period == pytest.approx(period, rel=0.05)
        assert 4.5 * period <= found.window <= 9 * period
        assert found.step == found.window // 8

    def test_fundamental_and_not_its_harmonics(self):
        x = np.arange(300)
        image = np.tile(0.2 * np.sin(x / 20 * 2 * np.pi) + np.sin(x / 10 * 2 * np.pi), (200, 1))
        assert um.suggest_window(image).period == pytest.approx(20, rel=0.05)

    def test_frames_and_units_and_files(self):
        image, _ = two_phases("turned", 8, (150, 180), counts=3)
        noise = np.random.default_rng(0).random(image.shape)
        movie = um.samples(np.stack([noise, image, noise]), 3, pitch=(1, 0.1, 0.1), units="nm")
        assert um.suggest_window(movie) == um.suggest_window(image)

    @pytest.mark.parametrize("seed", range(5))
    def test_noise_has_none(self, seed):
        draws = np.random.default_rng(seed)
        lines = draws.normal(size=(200, 1)) + 0.3 * draws.normal(size=(200, 180))
        for image in (
            draws.normal(size=(256, 256)),
            draws.poisson(0.05, (150, 350)),
            np.cumsum(draws.normal(size=(128, 128)), axis=0),
            lines,
        ):
            with pytest.raises(um.ParameterError, match="no lattice of 2 to"):
                um.suggest_window(np.asarray(image, float))

    def test_edges_and_slopes_are_no_lattice(self):
        image = np.zeros((200, 240))
        image[:, 90:] = 1
        image[130:] += 0.5
        image += 0.01 * np.arange(240) + 0.01 * np.random.default_rng(0).normal(size=image.shape)
        assert not len(spots(image)[0])

    def test_sizes(self):
        assert [good_size(p, 4000) for p in (1, 5, 8, 14, 28)] == [8, 24, 40, 64, 128]
        assert [good_size(p, 4000) for p in (30, 53, 60)] == [144, 240, 280]
        assert good_size(60, 300) == 100
        assert good_size(60, 20) == 8


class TestUnits:
    IMAGE = um.samples(np.random.default_rng(0).random((90, 120)), 2, pitch=0.25, units="nm")

    @pytest.mark.parametrize("window", ["4 nm", "40 Å", "4000pm", "16 px", ("4 nm", 16)])
    def test_lengths(self, window):
        windows = um.sliding_windows(self.IMAGE, window, "1 nm")
        assert windows.layout.windows.window == (16, 16)
        assert windows.layout.windows.step == (4, 4)
        step = windows.record.steps[-1]
        assert step.parameters["window"] == [16, 16]
        assert step.run["asked"]["step"] == "1 nm"

    def test_periods(self):
        image, _ = two_phases("turned", 8, (256, 256), counts=5)
        period = um.suggest_window(image).period
        windows = um.sliding_windows(image, "6 periods", "0.5 periods")
        assert windows.layout.windows.window == (round(6 * period),) * 2
        assert windows.layout.windows.step == (round(period / 2),) * 2
        assert windows.record.steps[-1].run["period"] == period
        flat = um.flatten(image, "gaussian", sigma="2 periods")
        np.testing.assert_array_equal(flat, um.flatten(image, "gaussian", sigma=2 * period))
