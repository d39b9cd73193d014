"""Pictures of families and of several methods: what stands where."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import LogNorm, to_rgba
from test_plot import drawn, outside, overlaps, panels, values

import unmix as um
from unmix.plot import _style


@pytest.fixture(scope="module")
def samples():
    scene = um.synthetic.superlattice_phases((128, 208), rng=2)
    image = um.samples(scene.image, 2, pitch=0.25, units="nm")
    return um.window_fft(um.sliding_windows(image, 32, 16), k_max=0.8)


@pytest.fixture(scope="module")
def comparison(samples):
    return um.compare(
        samples,
        {
            "N-FINDR": lambda s: um.nfindr(s, 3),
            "ICA": lambda s: um.ica(s, 2),
            "k-means": lambda s: um.kmeans(s, 3),
        },
    )


@pytest.fixture(scope="module")
def matched():
    rng = np.random.default_rng(0)
    motifs = rng.random((2, 9, 9))
    turns = [np.rot90(m, -q) for m in motifs for q in (0, 1, 3)]
    return um.match_components(np.stack([*turns, motifs[0][::-1]]), "C4v", center=(4, 4))


class TestComparison:
    def test_like_components_stand_below_each_other(self, comparison):
        axes = panels(drawn(um.plot.compare(comparison)))
        assert len(axes) == 2 * (3 + 2 + 3)
        left = {}
        for model, columns in zip(comparison.models.values(), comparison.columns, strict=True):
            for place, number in enumerate(columns):
                if number < 0:
                    continue
                beside, own = axes.pop(0), axes.pop(0)
                np.testing.assert_array_equal(values(beside), model.maps[number])
                floor = own.images[0].norm.vmin
                expected = model.components[number]
                if isinstance(own.images[0].norm, LogNorm):
                    expected = np.clip(expected, floor, None)
                np.testing.assert_allclose(values(own), expected)
                assert beside.get_title() == f"Map {number}"
                x = beside.get_window_extent().x0
                assert left.setdefault(place, x) == pytest.approx(x, abs=1)

    def test_figures_stand_above_each_row(self, comparison):
        figure = um.plot.compare(comparison, n=1)
        words = [ax.texts[0].get_text() for ax in figure.axes if not ax.axison]
        assert [w.partition(":")[0] for w in words] == list(comparison.models)
        assert _style.percent(comparison.error[1]) in words[1]
        assert f"smoothness {comparison.smoothness[1]:.2f}" in words[1]

    def test_both_signs_are_white_at_zero(self, comparison):
        norms = [ax.images[0].norm for ax in panels(um.plot.compare(comparison))[6:10]]
        assert all(norm.vmin == -norm.vmax for norm in norms)

    def test_curves_of_a_table(self):
        table = um.synthetic.simplex_mixtures(60, 3, 20, rng=1).samples
        found = um.compare(table, {"N-FINDR": lambda s: um.nfindr(s, 3)})
        figure = drawn(um.plot.compare(found, n=2))
        assert len(panels(figure)) == 4
        assert "smoothness" not in figure.axes[0].texts[0].get_text()

    def test_refuses_more_than_there_are(self, comparison):
        with pytest.raises(um.ParameterError, match="n is 4; expected a whole number from 1 to 3"):
            um.plot.compare(comparison, n=4)


class TestFamilies:
    def test_a_row_for_each_family(self, matched):
        figure = drawn(um.plot.families(matched))
        titles = [ax.get_title() for ax in figure.axes]
        assert titles == [
            "Mean",
            "0",
            "1: 90°",
            "2: 270°",
            "6: m, 0°",
            "",
            "3",
            "4: 90°",
            "5: 270°",
        ]
        inside = np.isfinite(matched.means[1])
        np.testing.assert_array_equal(
            values(figure.axes[5])[inside], np.maximum(matched.means[1][inside], _floor(figure))
        )
        assert figure.axes[5].get_ylabel() == "Family 1"
        assert figure.axes[5].spines["left"].get_edgecolor() == to_rgba(_style.class_colors(2)[1])
        clipped = np.maximum(matched.components[4], _floor(figure))
        np.testing.assert_array_equal(values(figure.axes[7]), clipped)

    def test_large_families_go_on_below(self):
        motif = np.random.default_rng(0).random((9, 9))
        copies = np.stack([np.rot90(motif, q) for q in range(10)])
        figure = drawn(um.plot.families(um.match_components(copies, "C4")))
        rows = {round(ax.get_window_extent().y0) for ax in figure.axes}
        assert len(rows) == 2

    def test_linear_colours(self, matched):
        figure = um.plot.families(matched, log=False)
        assert not any(isinstance(ax.images[0].norm, LogNorm) for ax in figure.axes)


def _floor(figure):
    return figure.axes[0].images[0].norm.vmin


class TestLayout:
    def test_nothing_lies_over_another_thing(self, comparison, matched):
        for figure in (um.plot.compare(comparison), um.plot.families(matched)):
            assert overlaps(figure) == []
            assert outside(figure) < 1

    def test_many_columns_fit_on_a_screen(self, samples):
        found = um.compare(samples, {"PCA": lambda s: um.pca(s, 9)})
        figure = drawn(um.plot.compare(found))
        assert figure.get_size_inches().max() < 16

    def test_says_how_to_install_matplotlib(self, comparison, matched, monkeypatch):
        monkeypatch.setattr(_style, "find_spec", lambda name: None)
        for draw in (
            lambda: um.plot.compare(comparison),
            lambda: um.plot.families(matched),
        ):
            with pytest.raises(um.BackendError, match=r'pip install "unmix\[plot\]"'):
                draw()
