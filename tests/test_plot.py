"""Pictures: what is drawn where, in which colours and how long."""

from __future__ import annotations

import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from backends import Backend
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import LogNorm, to_rgba

import unmix as um
from unmix.layout import field_of_view
from unmix.plot import _bars, _panels, _style
from unmix.plot.overlay import mixed
from unmix.plot.scatter import _hull

WINDOW, STEP = 32, 16


@pytest.fixture(scope="module")
def image():
    """An image in nanometres, not square."""
    scene = um.synthetic.superlattice_phases((128, 208), rng=2)
    return um.samples(scene.image, 2, pitch=0.25, units="nm")


@pytest.fixture(scope="module")
def samples(image):
    return um.window_fft(um.sliding_windows(image, WINDOW, STEP), k_max=0.8)


@pytest.fixture(scope="module")
def pca(samples):
    return um.pca(samples, 5)


@pytest.fixture(scope="module")
def endmembers(samples, pca):
    return um.nfindr(samples, 3, pca=pca)


@pytest.fixture(scope="module")
def clusters(samples):
    return um.kmeans(samples, 3)


@pytest.fixture(scope="module")
def mixtures():
    return um.synthetic.simplex_mixtures(300, 3, 20, rng=1)


def drawn(figure):
    """Draw a figure as for a file: warnings of the layout are errors here."""
    figure.draw_without_rendering()
    return figure


def panels(figure):
    """Return the axes with a title, without those of colour bars."""
    return [ax for ax in figure.axes if ax.get_title()]


def part(ax, gid):
    """Return the one thing of a panel with this name."""
    (found,) = [child for child in ax.get_children() if child.get_gid() == gid]
    return found


def values(ax):
    """Return what the image of a panel shows; NaN where it is masked."""
    return np.ma.filled(ax.images[-1].get_array(), np.nan)


def painted(ax):
    """Return the colours of the image of a panel, 0 to 255."""
    shown = ax.images[-1]
    return shown.to_rgba(shown.get_array(), bytes=True)[..., :3]


def grey():
    return np.round(255 * np.array(_style.GREY)).astype(int)


def overlaps(figure):
    """Return the pairs of texts and panels that are drawn over one another."""
    drawn(figure)
    boxes = []
    for ax in figure.axes:
        boxes += [(t.get_text(), t.get_window_extent()) for t in (ax.title,) if t.get_text()]
        boxes.append((f"panel {ax.get_title()!r}", ax.get_window_extent()))
        for inset in ax.child_axes:
            boxes.append(("colour bar", inset.get_tightbbox()))
    boxes += [("legend", legend.get_window_extent()) for legend in figure.legends]
    return [
        (a, b)
        for i, (a, box) in enumerate(boxes)
        for b, other in boxes[i + 1 :]
        if box.shrunk(0.98, 0.98).overlaps(other.shrunk(0.98, 0.98))
    ]


def outside(figure):
    """Return what reaches over the border of the figure."""
    drawn(figure)
    box = figure.get_tightbbox().transformed(figure.dpi_scale_trans)
    whole = figure.bbox
    return max(whole.x0 - box.x0, whole.y0 - box.y0, box.x1 - whole.x1, box.y1 - whole.y1)


class TestUnmixing:
    def test_each_map_beside_its_component(self, endmembers):
        figure = drawn(um.plot.unmixing(endmembers))
        axes = panels(figure)
        assert len(figure.axes) == len(axes) == 6
        for i, (left, right) in enumerate(zip(axes[::2], axes[1::2], strict=True)):
            np.testing.assert_array_equal(values(left), endmembers.maps[i])
            floor = right.images[0].norm.vmin
            np.testing.assert_allclose(
                values(right), np.clip(endmembers.components[i], floor, None)
            )
            assert left.get_window_extent().x1 < right.get_window_extent().x0
            assert left.get_window_extent().y0 == pytest.approx(right.get_window_extent().y0, abs=1)
            assert [len(ax.child_axes) for ax in (left, right)] == [1, 1]

    def test_extents_are_those_of_the_coordinates(self, endmembers):
        left, right, *_ = panels(um.plot.unmixing(endmembers))
        grid_y, grid_x = endmembers.layout.map_axes
        assert left.images[0].get_extent() == pytest.approx(
            [
                grid_x.values[0] - 2,
                grid_x.values[-1] + 2,
                grid_y.values[-1] + 2,
                grid_y.values[0] - 2,
            ]
        )
        k_y, k_x = (a.values for a in endmembers.layout.descriptor_axes)
        half = 1 / (WINDOW * 0.25) / 2
        assert right.images[0].get_extent() == pytest.approx(
            [k_x[0] - half, k_x[-1] + half, k_y[-1] + half, k_y[0] - half]
        )
        assert left.get_aspect() == right.get_aspect() == 1
        assert left.get_ylim()[0] > left.get_ylim()[1], "y runs down"

    def test_scale_bars_are_round_and_in_units_of_the_axes(self, endmembers):
        left, right, *_ = panels(um.plot.unmixing(endmembers))
        assert part(left, "scale bar").get_width() == 10
        assert part(right, "scale bar").get_width() == 0.5
        assert [t.get_text() for t in (*left.texts, *right.texts)] == ["10 nm", "0.5 nm⁻¹"]
        assert not len(left.get_xticks())
        assert not len(right.get_yticks())

    def test_abundances_are_fractions(self, endmembers):
        norms = [ax.images[0].norm for ax in panels(um.plot.unmixing(endmembers))[::2]]
        assert {(n.vmin, n.vmax) for n in norms} == {(0, 1)}
        assert not any(isinstance(n, LogNorm) for n in norms)

    def test_spectra_share_one_logarithmic_scale(self, endmembers):
        norms = [ax.images[0].norm for ax in panels(um.plot.unmixing(endmembers))[1::2]]
        assert all(isinstance(n, LogNorm) for n in norms)
        assert {n.vmax for n in norms} == {endmembers.components.max()}
        linear = [ax.images[0].norm for ax in panels(um.plot.unmixing(endmembers, log=False))[1::2]]
        assert not any(isinstance(n, LogNorm) for n in linear)

    def test_principal_components_are_white_at_zero(self, pca):
        for i, ax in enumerate(panels(um.plot.unmixing(pca))):
            shown = ax.images[0]
            source = (pca.maps, pca.components)[i % 2][i // 2]
            assert shown.norm.vmax == -shown.norm.vmin == pytest.approx(abs(source).max())
            assert min(shown.cmap(shown.norm(0.0))[:3]) > 0.95
            assert shown.cmap.name.startswith("RdBu")

    def test_titles(self, pca, endmembers):
        titles = [ax.get_title() for ax in panels(um.plot.unmixing(pca, n=2))]
        ratio = pca.explained_variance_ratio
        assert titles == [
            "Component 0",
            f"{100 * ratio[0]:.1f} % of variance",
            "Component 1",
            f"{100 * ratio[1]:.1f} % of variance",
        ]
        titles = [ax.get_title() for ax in panels(um.plot.unmixing(endmembers))]
        y, x = endmembers.positions[2]
        assert titles[4:] == ["Endmember 2", f"taken at y {y:.5g}, x {x:.5g} nm"]

    def test_titles_of_frames_are_no_wider_than_their_panels(self):
        cube = np.random.default_rng(0).random((3, 5, 6, 4, 4))
        names = ("temperature", "y", "x")
        model = um.nfindr(um.samples(cube, 3, map_names=names), 2, rng=0)
        figure = um.plot.unmixing(model)
        figure.canvas.draw()
        right = [ax.title.get_window_extent().x1 for ax in figure.axes]
        assert max(right) <= figure.bbox.width
        assert figure.axes[1].get_title().count("\n") == 1

    def test_a_circle_marks_where_an_endmember_was_taken(self, endmembers):
        axes = panels(um.plot.unmixing(endmembers))
        for ax, place in zip(axes[::2], endmembers.positions, strict=True):
            assert [line.get_xydata().tolist() for line in ax.lines] == [[[place[1], place[0]]]] * 2
        assert not any(ax.lines for ax in axes[1::2])

    def test_the_scale_bar_gives_way_to_the_circle(self):
        table = np.zeros((12, 12, 3))
        table[10, 1], table[1, 10] = 1, -1
        model = um.nfindr(um.samples(table, 2), 2)
        places = {
            (tuple(p.tolist()), part(ax, "scale bar").get_x() > 5)
            for p, ax in zip(model.positions, panels(um.plot.unmixing(model))[::2], strict=True)
        }
        assert ((10.0, 1.0), True) in places

    def test_what_was_left_out_is_grey(self, samples):
        mask = np.ones(samples.layout.map_shape, bool)
        mask[1:3, 2:5] = False
        hole = np.ones(samples.layout.descriptor_shape, bool)
        hole[5:8, 5:8] = False
        masked = samples.where(mask).features(hole)
        for model in (um.pca(masked, 2), um.nfindr(masked, 2)):
            left, right, *_ = panels(um.plot.unmixing(model))
            assert (painted(left)[~mask] == grey()).all()
            assert not (painted(left)[mask] == grey()).all(axis=-1).any()
            assert (painted(right)[~hole] == grey()).all()
            assert not (painted(right)[hole] == grey()).all(axis=-1).any()
        left, *_ = panels(um.plot.unmixing(um.kmeans(masked, 2)))
        assert (painted(left)[~mask] == grey()).all()

    def test_frames(self, image):
        frame = image.to_array()
        movie = um.samples(np.stack([frame, frame[::-1], frame[:, ::-1]]), 3)
        model = um.nfindr(um.window_fft(um.sliding_windows(movie, WINDOW, STEP)), 2)
        for frame in (0, 2):
            axes = panels(drawn(um.plot.unmixing(model, frame=frame)))
            np.testing.assert_array_equal(values(axes[0]), model.maps[0, frame])
            marked = [bool(ax.lines) for ax in axes[::2]]
            assert marked == [p[0] == frame for p in model.positions]
        assert "frame" in axes[1].get_title()
        labels = um.kmeans(um.window_fft(um.sliding_windows(movie, WINDOW, STEP)), 2)
        np.testing.assert_array_equal(
            values(panels(um.plot.unmixing(labels, frame=1))[0]), labels.labels[1]
        )

    @pytest.mark.parametrize("frame", [-1, 1, 0.5, None])
    def test_no_such_frame(self, endmembers, clusters, frame):
        for model in (endmembers, clusters):
            with pytest.raises(um.ParameterError, match=r"frame is .*expected a whole number"):
                um.plot.unmixing(model, frame=frame)

    @pytest.mark.parametrize("n", [0, 4, 1.5])
    def test_n_out_of_range(self, endmembers, n):
        with pytest.raises(um.ParameterError, match=r"n is .* from 1 to 3"):
            um.plot.unmixing(endmembers, n=n)

    def test_tables_become_curves(self, mixtures):
        model = um.nfindr(mixtures.samples, 3)
        axes = panels(drawn(um.plot.unmixing(model)))
        assert len(axes) == 6
        for i in range(3):
            (line,) = axes[2 * i].lines
            np.testing.assert_array_equal(line.get_ydata(), model.maps[i])
            (line,) = axes[2 * i + 1].lines
            np.testing.assert_array_equal(line.get_ydata(), model.components[i])
        assert [axes[0].get_xlabel(), axes[1].get_xlabel()] == ["sample", "feature"]

    def test_spectrum_images(self):
        counts = np.random.default_rng(0).random((6, 9, 50))
        cube = um.samples(
            counts,
            2,
            descriptor_names=["energy"],
            pitch=[2, 2, 0.1],
            units=["nm", "nm", "eV"],
        )
        left, right, *_ = panels(drawn(um.plot.unmixing(um.nfindr(cube, 2))))
        assert left.images[0].get_extent() == [-1, 17, 11, -1]
        assert right.get_xlabel() == "energy (eV)"
        assert right.get_xlim()[1] > 4.9

    def test_axes_that_are_no_lengths_have_ticks(self):
        stack = um.samples(
            np.random.default_rng(0).random((6, 9, 4, 5)),
            2,
            map_names=["bias", "time"],
            pitch=[1, 1, 1, 1],
            units=["V", "s", "", ""],
        )
        left, right, *_ = panels(drawn(um.plot.unmixing(um.nfindr(stack, 2))))
        assert (left.get_xlabel(), left.get_ylabel()) == ("time (s)", "bias (V)")
        assert (right.get_xlabel(), right.get_ylabel()) == ("det_x", "det_y")
        assert len(left.get_xticks())
        assert left.get_aspect() == "auto"

    def test_descriptors_of_three_axes_are_laid_out_as_one(self):
        samples = um.samples(
            np.random.default_rng(0).random((9, 2, 3, 4)), 1, descriptor_names=["a", "b", "c"]
        )
        axes = panels(drawn(um.plot.unmixing(um.pca(samples, 2))))
        assert len(axes[1].lines[0].get_ydata()) == 24

    def test_one_row_of_windows(self):
        image = np.random.default_rng(0).random((32, 96))
        model = um.pca(um.window_fft(um.sliding_windows(image, 32, 8)), 2)
        left, *_ = panels(drawn(um.plot.unmixing(model)))
        x0, x1, y1, y0 = left.images[0].get_extent()
        assert (x1 - x0, y1 - y0) == (72, 8), "a window is as high as it is wide"

    def test_other_kinds_of_models(self, endmembers):
        plain = um.Unmixing(
            maps=endmembers.maps - 0.5,
            components=endmembers.components,
            layout=endmembers.layout,
            record=endmembers.record,
        )
        left, right, *_ = drawn(um.plot.unmixing(plain)).axes
        assert left.get_title() == "Component 0"
        assert left.images[0].norm.vmin == -left.images[0].norm.vmax
        assert isinstance(right.images[0].norm, LogNorm)

    def test_amounts_have_their_own_scale(self, samples, endmembers):
        amounts = um.abundances(samples, 0.5 * endmembers.components, constraint="nonnegative")
        left, right, *_ = um.plot.unmixing(amounts).axes
        assert left.images[0].norm.vmax == amounts.maps[0].max() > 1
        assert not left.lines
        assert right.get_title() == ""

    def test_components_of_both_signs(self, endmembers):
        standard = np.random.default_rng(0).normal(size=(5, 6, 4, 4))
        model = um.kmeans(um.samples(standard, 2), 2)
        for ax in panels(um.plot.unmixing(model))[1:]:
            norm = ax.images[0].norm
            assert norm.vmax == -norm.vmin == abs(model.centers).max()

    def test_constant_and_empty_maps(self, image):
        model = um.nfindr(um.samples(np.eye(12).reshape(3, 4, 12), 2), 2)
        layout = model.layout
        for maps in (np.zeros((2, 3, 4)), np.full((2, 3, 4), np.nan), np.full((2, 3, 4), -2.0)):
            plain = um.Unmixing(
                maps=maps, components=np.zeros((2, 12)), layout=layout, record=model.record
            )
            drawn(um.plot.unmixing(plain))

    def test_on_every_backend(self, image, backend: Backend):
        array = backend.asarray(image.to_array())
        samples = um.window_fft(um.sliding_windows(array, WINDOW, STEP))
        pca = um.pca(samples, 3)
        model = um.nfindr(samples, 3, pca=pca)
        clusters = um.kmeans(samples, 2)
        left, *_ = panels(um.plot.unmixing(model))
        np.testing.assert_array_equal(values(left), backend.numpy(model.maps)[0])
        reps = um.representatives(clusters, array, 2)
        for figure in (
            um.plot.unmixing(clusters),
            um.plot.unmixing(pca),
            um.plot.abundances(model, array),
            um.plot.simplex(model, pca),
            um.plot.scree(pca),
            um.plot.representatives(reps),
        ):
            assert figure.axes


class TestClusters:
    def test_labels_and_centres(self, clusters):
        figure = drawn(um.plot.unmixing(clusters))
        labels, *centers = panels(figure)
        assert len(figure.axes) == 4
        np.testing.assert_array_equal(values(labels), clusters.labels)
        colors = np.round(255 * _style.class_colors(3)).astype(int)
        np.testing.assert_allclose(painted(labels), colors[clusters.labels], atol=1)
        assert [len(ax.child_axes) for ax in figure.axes] == [1] * 4
        for i, ax in enumerate(centers):
            share = np.mean(clusters.labels == i)
            assert ax.get_title() == f"Cluster {i}: {100 * share:.1f} %"
            assert {s.get_edgecolor() for s in ax.spines.values()} == {
                to_rgba(_style.class_colors(3)[i])
            }

    def test_numbers_on_the_bar(self, clusters):
        labels, *_ = drawn(um.plot.unmixing(clusters)).axes
        (bar,) = labels.child_axes
        assert [t.get_text() for t in bar.get_yticklabels()] == ["0", "1", "2"]

    def test_some_of_them(self, clusters):
        labels, *centers = panels(um.plot.unmixing(clusters, n=1))
        assert len(centers) == 1
        np.testing.assert_array_equal(values(labels), clusters.labels)

    def test_of_a_table(self, mixtures):
        model = um.kmeans(mixtures.samples, 3)
        labels, *centers = panels(drawn(um.plot.unmixing(model)))
        (points,) = labels.collections
        np.testing.assert_array_equal(points.get_offsets()[:, 1], model.labels)
        np.testing.assert_array_equal(
            points.get_facecolors()[:, :3], _style.class_colors(3)[model.labels]
        )
        assert all(len(ax.lines) == 1 for ax in centers)
        assert len({ax.get_ylim() for ax in centers}) == 1


class TestScree:
    def test_ratios_and_their_sum(self, pca):
        figure = drawn(um.plot.scree(pca))
        first, second = figure.axes
        (line,) = first.lines
        np.testing.assert_array_equal(line.get_ydata(), pca.explained_variance_ratio)
        assert first.get_yscale() == "log"
        (line,) = second.lines
        np.testing.assert_allclose(line.get_ydata(), 100 * np.cumsum(pca.explained_variance_ratio))
        assert second.get_ylim()[0] == 0
        assert len(drawn(um.plot.scree(pca, n=2)).axes[0].lines[0].get_ydata()) == 2

    def test_nothing_to_explain(self):
        first, _ = drawn(um.plot.scree(um.pca(np.ones((9, 3)), 2))).axes
        assert first.get_yscale() == "linear"

    def test_one_component_and_rank_below(self):
        drawn(um.plot.scree(um.pca(np.outer(np.arange(9.0), [3, 4, 5]), 1)))
        drawn(um.plot.scree(um.pca(np.outer(np.arange(9.0), [3, 4, 5]), 3)))

    def test_only_of_principal_components(self, endmembers):
        with pytest.raises(um.ParameterError, match=r"expected what unmix\.pca returns"):
            um.plot.scree(endmembers)


class TestAbundances:
    def test_pure_pixels_have_the_colour_of_their_class(self):
        colors = _style.class_colors(3)
        np.testing.assert_allclose(mixed(np.eye(3)[:, None, :], colors)[0], colors)

    @given(st.integers(1, 8), st.integers(0, 2**32))
    def test_colours_mix_by_shares(self, n, seed):
        shares = np.random.default_rng(seed).dirichlet(np.ones(n), (4, 5)).transpose(2, 0, 1)
        colors = _style.class_colors(n)
        expected = np.einsum("kyx,kc->yxc", shares, colors)
        np.testing.assert_allclose(mixed(shares, colors), expected, atol=1e-12)
        np.testing.assert_allclose(mixed(7 * shares, colors), expected, atol=1e-12)

    def test_others_are_white_and_masked_pixels_grey(self):
        maps = np.array([[0.0, np.nan, 0, 0.5], [1, np.nan, 0, 0.5]])[:, None]
        one, masked, none, half = mixed(maps, _style.class_colors(1))[0]
        np.testing.assert_allclose(one, 1)
        np.testing.assert_allclose(masked, _style.GREY)
        np.testing.assert_allclose(none, 1)
        np.testing.assert_allclose(half, (1 + _style.class_colors(1)[0]) / 2)

    def test_overlay_lies_where_the_windows_do(self, endmembers, image):
        figure = drawn(um.plot.abundances(endmembers, image))
        left, right = figure.axes
        whole = [-0.125, 51.875, 31.875, -0.125]
        np.testing.assert_array_equal(left.images[0].get_array(), image.to_array())
        for ax in figure.axes:
            assert ax.images[0].get_extent() == pytest.approx(whole)
            assert [*ax.get_xlim(), *ax.get_ylim()] == pytest.approx(whole)
            assert ax.get_aspect() == 1
            assert part(ax, "scale bar").get_width() == 10
        overlay = part(right, "abundances")
        np.testing.assert_allclose(
            overlay.get_array(), mixed(endmembers.maps, _style.class_colors(3), 1.0)
        )
        grid_y, grid_x = (a.values for a in endmembers.layout.map_axes)
        assert overlay.get_extent() == pytest.approx(
            [grid_x[0] - 2, grid_x[-1] + 2, grid_y[-1] + 2, grid_y[0] - 2]
        )

    def test_window_is_drawn_to_scale(self, endmembers, image):
        for ax in um.plot.abundances(endmembers, image).axes:
            square = part(ax, "window")
            assert (square.get_width(), square.get_height()) == (8, 8)
            assert square.get_xy() == pytest.approx((-0.125, -0.125))

    def test_window_of_another_shape(self):
        image = np.random.default_rng(0).random((64, 80))
        spectra = um.window_fft(um.sliding_windows(image, (16, 24), (8, 4)))
        (ax,) = drawn(um.plot.abundances(um.nfindr(spectra, 2))).axes
        square = part(ax, "window")
        assert (square.get_height(), square.get_width()) == (16, 24)
        assert ax.get_xlim() == (-0.5, 79.5)
        assert ax.get_ylim() == (63.5, -0.5)

    def test_legend(self, endmembers, clusters, image):
        def entries(figure):
            (legend,) = figure.legends
            return [t.get_text() for t in legend.get_texts()]

        names = ["Endmember 0", "Endmember 1", "Endmember 2", "Window"]
        assert entries(um.plot.abundances(endmembers)) == names
        (legend,) = um.plot.abundances(endmembers).legends
        np.testing.assert_allclose(
            [p.get_facecolor()[:3] for p in legend.get_patches()[:3]], _style.class_colors(3)
        )
        assert entries(um.plot.abundances(endmembers, n=2))[1:] == [
            "Endmember 1",
            "Others",
            "Window",
        ]
        assert entries(um.plot.abundances(clusters))[0] == "Cluster 0"

    def test_maps_without_windows(self):
        draws = np.random.default_rng(0)
        model = um.nfindr(um.samples(draws.random((6, 9, 20)), 2), 2)
        figure = drawn(um.plot.abundances(model, draws.random((6, 9))))
        assert field_of_view(model.layout) == model.layout.map_axes
        assert not any(c.get_gid() == "window" for ax in figure.axes for c in ax.get_children())
        assert [t.get_text() for t in figure.legends[0].get_texts()] == [
            "Endmember 0",
            "Endmember 1",
        ]

    def test_one_window_on_an_axis(self):
        image = np.random.default_rng(0).random((32, 96))
        spectra = um.window_fft(um.sliding_windows(um.samples(image, 2, pitch=0.5), 32, 8))
        y, x = field_of_view(um.nfindr(spectra, 2).layout)
        assert (y.values[0], y.spacing, y.size) == (0, 0.5, 32)
        assert (x.values[0], x.spacing, x.size) == (0, 0.5, 96)
        y, x = field_of_view(um.sliding_windows(image[:, :32], 32, 8).layout)
        assert (y.spacing, x.spacing) == (1, 1)

    def test_frames(self, image):
        frame = image.to_array()
        movie = np.stack([frame, frame[::-1]])
        model = um.nfindr(um.window_fft(um.sliding_windows(movie, WINDOW, STEP)), 2)
        left, right = um.plot.abundances(model, movie, frame=1).axes
        np.testing.assert_array_equal(left.images[0].get_array(), movie[1])
        np.testing.assert_allclose(
            part(right, "abundances").get_array(),
            mixed(model.maps[:, 1], _style.class_colors(2)),
        )
        left, _ = um.plot.abundances(model, movie[1], frame=1).axes
        np.testing.assert_array_equal(left.images[0].get_array(), movie[1])

    @pytest.mark.parametrize("shape", [(128, 200), (208, 128)])
    def test_image_of_another_shape(self, endmembers, shape):
        with pytest.raises(um.ShapeError, match=r"expected \(\.\.\., 128, 208\)"):
            um.plot.abundances(endmembers, np.zeros(shape))

    def test_stack_without_the_frame(self, image):
        movie = np.stack([image.to_array()] * 2)
        movie[1] = movie[1, ::-1]
        model = um.nfindr(um.window_fft(um.sliding_windows(movie, WINDOW, STEP)), 2)
        with pytest.raises(um.ShapeError, match="with a frame 1"):
            um.plot.abundances(model, movie[:1], frame=1)

    def test_refusals(self, pca, mixtures):
        with pytest.raises(um.ParameterError, match="has no abundances; expected endmembers"):
            um.plot.abundances(pca)
        with pytest.raises(um.ShapeError, match=r"map has the shape \(300,\)"):
            um.plot.abundances(um.nfindr(mixtures.samples, 3))


class TestSimplex:
    def test_samples_and_vertices(self, endmembers, pca):
        figure = drawn(um.plot.simplex(endmembers, pca))
        (ax,) = figure.axes
        points, vertices = part(ax, "samples"), part(ax, "vertices")
        np.testing.assert_allclose(points.get_offsets(), pca.maps[:2].reshape(2, -1).T)
        centred = endmembers.components - pca.mean
        expected = np.einsum("kij,cij->kc", centred, pca.components[:2])
        np.testing.assert_allclose(vertices.get_offsets(), expected, rtol=1e-3, atol=1e-3)
        colors = _style.class_colors(3)
        np.testing.assert_allclose(
            points.get_facecolors()[:, :3], colors[endmembers.maps.argmax(axis=0).ravel()]
        )
        np.testing.assert_allclose(vertices.get_facecolors()[:, :3], colors)
        assert {t.get_text() for t in ax.texts} == {"0", "1", "2"}
        assert ax.get_ylabel().startswith("Component 1 (")

    def test_vertices_are_joined(self, mixtures):
        model = um.nfindr(mixtures.samples, 3)
        (ax,) = um.plot.simplex(model, um.pca(mixtures.samples, 2)).axes
        assert len(ax.lines) == 3
        assert {line.get_gid() for line in ax.lines} == {"hull"}

    def test_inner_edges(self):
        table = um.synthetic.simplex_mixtures(400, 6, rng=0).samples
        (ax,) = drawn(um.plot.simplex(um.nfindr(table, 6), um.pca(table, 3))).axes
        gids = [line.get_gid() for line in ax.lines]
        assert len(gids) == 15
        assert 3 <= gids.count("hull") <= 6

    def test_two_endmembers(self, samples, pca):
        (ax,) = drawn(um.plot.simplex(um.nfindr(samples, 2), pca)).axes
        assert len(ax.lines) == 1

    def test_leaves_masked_samples_out(self, samples):
        mask = np.ones(samples.layout.map_shape, bool)
        mask[2:] = False
        masked = samples.where(mask)
        (ax,) = um.plot.simplex(um.nfindr(masked, 2), um.pca(masked, 2)).axes
        assert len(part(ax, "samples").get_offsets()) == mask.sum()

    def test_draws_few_of_many(self):
        table = np.random.default_rng(0).random((50_001, 3))
        pca = um.pca(table, 2)
        (ax,) = um.plot.simplex(um.nfindr(table, 3), pca).axes
        np.testing.assert_allclose(part(ax, "samples").get_offsets(), pca.maps.T[::3])

    def test_clusters_of_scores(self, pca):
        clusters = um.kmeans(pca.scores, 3)
        (ax,) = um.plot.simplex(clusters, pca).axes
        np.testing.assert_array_equal(part(ax, "vertices").get_offsets(), clusters.centers[:, :2])

    def test_stretched_scores_keep_their_own_scales(self):
        table = np.random.default_rng(0).normal(size=(90, 2)) * [100, 1]
        (ax,) = drawn(um.plot.simplex(um.kmeans(table, 2), um.pca(table, 2))).axes
        assert ax.get_aspect() == "auto"
        (ax,) = um.plot.simplex(um.kmeans(table / [100, 1], 2), um.pca(table / [100, 1], 2)).axes
        assert ax.get_aspect() == 1

    def test_refusals(self, endmembers, pca, samples):
        with pytest.raises(um.ParameterError, match="at least 2 components"):
            um.plot.simplex(endmembers, um.pca(samples, 1))
        with pytest.raises(um.ParameterError, match="at least 2 components"):
            um.plot.simplex(endmembers, endmembers)
        with pytest.raises(um.ParameterError, match="has no vertices"):
            um.plot.simplex(pca, pca)
        with pytest.raises(um.ShapeError, match="two results of the same samples"):
            um.plot.simplex(endmembers, um.pca(samples[1:], 2))
        with pytest.raises(um.ShapeError, match="describe both in the same way"):
            um.plot.simplex(endmembers, um.pca(samples[..., 1:], 2))

    @given(st.integers(2, 9), st.integers(0, 2**32))
    def test_hull_has_every_point_on_one_side(self, n, seed):
        points = np.random.default_rng(seed).random((n, 2))
        edges = _hull(points)
        assert all(len(edge) == 2 for edge in edges)
        for i, j in edges:
            along = points[j] - points[i]
            side = along[0] * (points[:, 1] - points[i, 1]) - along[1] * (
                points[:, 0] - points[i, 0]
            )
            assert (side >= -1e-12).all() or (side <= 1e-12).all()

    def test_hull_of_points_on_a_line(self):
        assert {frozenset(e) for e in _hull(np.array([[0.0, 0], [2, 2], [1, 1]]))} == {
            frozenset((0, 1))
        }


class TestRepresentatives:
    @pytest.fixture
    def reps(self, endmembers, image):
        return um.representatives(endmembers, image, 4)

    def test_a_row_for_each_endmember(self, reps):
        figure = drawn(um.plot.representatives(reps))
        grid = np.reshape(figure.axes, (3, 5))
        for i, (average, *windows) in enumerate(grid):
            np.testing.assert_array_equal(values(average), reps.average[i])
            assert average.get_ylabel() == f"Endmember {i}"
            assert average.spines["left"].get_edgecolor() == to_rgba(_style.class_colors(3)[i])
            for ax, window in zip(windows, reps.windows[i], strict=True):
                np.testing.assert_array_equal(values(ax), window)
        scales = {ax.images[0].norm.vmax for ax in grid[:, 1:].ravel()}
        assert len(scales) == 1, "windows can be compared"

    def test_extent_and_scale_bar(self, reps):
        first, *_ = um.plot.representatives(reps).axes
        assert first.images[0].get_extent() == pytest.approx([-4, 4, 4, -4])
        assert part(first, "scale bar").get_width() == 2
        assert first.texts[0].get_text() == "2 nm"

    def test_clusters_and_one_window(self, clusters, image):
        figure = drawn(um.plot.representatives(um.representatives(clusters, image, 1)))
        assert figure.axes[0].get_ylabel() == "Cluster 0"
        assert [ax.get_title() for ax in figure.axes[:2]] == ["Average", "Nearest"]


class TestLayout:
    """Nothing lies over another thing or outside of the picture, whatever the number of panels."""

    @pytest.mark.parametrize("k", [2, 3, 5, 8])
    def test_of_all_pictures(self, samples, image, k):
        pca = um.pca(samples, k)
        model, clusters = um.nfindr(samples, k, pca=pca), um.kmeans(samples, k)
        for figure in (
            um.plot.unmixing(model),
            um.plot.unmixing(pca),
            um.plot.unmixing(clusters),
            um.plot.unmixing(um.kmeans(pca.scores, k)),
            um.plot.abundances(model, image),
            um.plot.abundances(model),
            um.plot.representatives(um.representatives(model, image, 3)),
        ):
            assert overlaps(figure) == []
            assert outside(figure) < 1
            width, height = figure.get_size_inches()
            assert max(width, height) < 16
        for figure in (um.plot.scree(pca), um.plot.simplex(model, pca)):
            assert outside(figure) < 1

    @pytest.mark.parametrize("shape", [(64, 512), (512, 64)])
    def test_of_long_images(self, shape):
        image = np.random.default_rng(0).random(shape)
        model = um.nfindr(um.window_fft(um.sliding_windows(image, 32, 16)), 3)
        for figure in (um.plot.unmixing(model), um.plot.abundances(model, image)):
            assert overlaps(figure) == []
            assert outside(figure) < 1


def cielab(rgb):
    """Lightness and the two opponent colours (n, 3) of sRGB from 0 to 1, for daylight (D65)."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
    x, y, z = (linear @ np.transpose(to_xyz) / (0.95047, 1, 1.08883)).T
    x, y, z = (np.where(v > (6 / 29) ** 3, np.cbrt(v), v * 841 / 108 + 4 / 29) for v in (x, y, z))
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


class TestStyle:
    def test_32_classes_can_be_told_apart(self):
        # a difference of 2.3 in CIELAB is just seen side by side; of 20 and more it is named
        colors = _style.class_colors(32)
        lab = cielab(np.concatenate([colors, [_style.GREY, (1, 1, 1)]]))
        away = np.linalg.norm(lab[:, None] - lab, axis=2)
        assert away[~np.eye(34, dtype=bool)].min() > 25
        assert colors.min() >= 0
        assert colors.max() <= 1
        assert _style.class_colors(100).shape == (100, 3)

    @given(st.floats(1e-12, 1e12))
    def test_scale_bars_are_a_sixth_to_a_third_of_the_width(self, width):
        length = _bars.bar_length(width)
        assert width / 8 < length <= width / 3
        assert f"{length:.3e}"[:5] in ("1.000", "2.000", "5.000")

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (0, "0"),
            (0.1 + 0.2, "0.3"),
            (2000, "2000"),
            (-1250000, "-1.25e6"),
            (1e-4, "1e-4"),
            (0.02, "0.02"),
        ],
    )
    def test_numbers_are_short(self, value, text):
        assert _style.short(value) == text

    def test_units_as_in_print(self):
        assert _style.unit_text("1/nm") == "nm⁻¹"
        assert _style.with_unit("k_x", "1/Å") == "k_x (Å⁻¹)"
        assert _style.with_unit("component", "") == "component"
        assert _style.percent(0.3841) == "38.4 %"
        assert _style.percent(0.00023) == "0.023 %"

    def test_log_norm_only_where_it_fits(self):
        assert _style.log_norm(np.array([-1.0, 2.0])) is None
        assert _style.log_norm(np.array([2.0, 2.0])) is None
        assert _style.log_norm(np.zeros(3) - 1) is None
        norm = _style.log_norm(np.array([-1e-3, 0, np.nan, *[1e-9] * 50, 1.0, 10.0]))
        assert (norm.vmin, norm.vmax) == (10 / _style.LOG_SPAN, 10)

    def test_extent_of_one_pixel(self):
        y, x = um.layout.Axis.regular("y", 1, units="s"), um.layout.Axis.regular("x", 1, units="m")
        assert _panels.extent(y, x) == (-0.5, 0.5, 0.5, -0.5)


class TestManners:
    def test_leaves_the_settings_of_others_alone(self, endmembers, pca, image):
        before = dict(mpl.rcParams)
        drawn(um.plot.unmixing(endmembers))
        drawn(um.plot.abundances(endmembers, image))
        drawn(um.plot.simplex(endmembers, pca))
        assert dict(mpl.rcParams) == before

    def test_needs_neither_pyplot_nor_a_screen(self):
        code = (
            "import sys, numpy as np, unmix as um\n"
            "assert 'matplotlib' not in sys.modules\n"
            "um.plot\n"
            "assert 'matplotlib' not in sys.modules\n"
            "model = um.kmeans(um.samples(np.random.default_rng(0).random((4, 5, 3)), 2), 2)\n"
            "um.plot.unmixing(model).draw_without_rendering()\n"
            "assert 'matplotlib.pyplot' not in sys.modules\n"
        )
        subprocess.run([sys.executable, "-c", code], check=True, env={"PATH": "", "DISPLAY": ""})

    def test_says_how_to_install_matplotlib(self, endmembers, pca, image, monkeypatch):
        reps = um.representatives(endmembers, image, 1)
        monkeypatch.setattr(_style, "find_spec", lambda name: None)
        for draw in (
            lambda: um.plot.unmixing(endmembers),
            lambda: um.plot.scree(pca),
            lambda: um.plot.abundances(endmembers, image),
            lambda: um.plot.simplex(endmembers, pca),
            lambda: um.plot.representatives(reps),
        ):
            with pytest.raises(um.BackendError, match=r'pip install "unmix\[plot\]"'):
                draw()

    def test_does_not_change_its_input(self, endmembers):
        before = endmembers.components.copy(), endmembers.maps.copy()
        drawn(um.plot.unmixing(endmembers))
        np.testing.assert_array_equal(endmembers.components, before[0])
        np.testing.assert_array_equal(endmembers.maps, before[1])

    def test_saves_as_any_kind_of_file(self, endmembers, tmp_path):
        figure = um.plot.unmixing(endmembers)
        for kind in ("png", "pdf", "svg"):
            figure.savefig(tmp_path / f"maps.{kind}")
            assert (tmp_path / f"maps.{kind}").stat().st_size > 1000
