"""Pictures of classes, curves and sites, and vectors for papers."""

from __future__ import annotations

import re

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

import unmix as um
from unmix.plot import _style
from unmix.plot.trends import branches


@pytest.fixture(scope="module")
def image():
    scene = um.synthetic.superlattice_phases((128, 208), rng=2)
    return um.samples(scene.image, 2, pitch=0.25, units="nm")


@pytest.fixture(scope="module")
def samples(image):
    return um.window_fft(um.sliding_windows(image, 32, 16), k_max=0.8)


@pytest.fixture(scope="module")
def clusters(samples):
    return um.kmeans(samples, 3, rng=0)


@pytest.fixture(scope="module")
def spectra():
    table = np.random.default_rng(0).random((6, 7, 40))
    units = {"pitch": [1, 1, 0.5], "units": ["px", "px", "eV"]}
    scan = um.samples(table, 2, descriptor_names=["energy"], **units)
    return um.nmf(scan, 3, rng=0)


def drawn(figure):
    figure.draw_without_rendering()
    return figure


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


class TestNames:
    def test_show_in_every_picture(self, samples, image, clusters):
        named = clusters.rename(["film", "substrate", "wall"])
        titles = [ax.get_title() for ax in drawn(um.plot.unmixing(named)).axes]
        assert [t.partition(":")[0] for t in titles if ":" in t] == ["film", "substrate", "wall"]
        assert legend(um.plot.abundances(named))[:3] == ["film", "substrate", "wall"]
        reps = um.plot.representatives(um.representatives(named, image, 2))
        assert [ax.get_ylabel() for ax in reps.axes[::3]] == ["film", "substrate", "wall"]
        ends = um.nfindr(samples, 3).rename({1: "beta"})
        assert "beta" in [ax.get_title() for ax in um.plot.unmixing(ends).axes]

    def test_colours_stay_when_components_go(self, clusters):
        left = clusters.drop([1])
        figure = um.plot.unmixing(left)
        colors = _style.class_colors(3)
        frames = [ax.spines["left"].get_edgecolor()[:3] for ax in figure.axes]
        assert tuple(colors[2]) in frames
        assert tuple(colors[1]) not in frames

    def test_what_was_dropped_is_white(self, samples):
        model = um.nfindr(samples, 3)
        shown = um.plot.abundances(model.drop([2])).axes[0].images[-1].get_array()
        missing = model.maps[2] > 0.9
        assert missing.any()
        assert np.asarray(shown)[missing].min() > 0.7


class TestLabels:
    def test_pixels_have_the_colours_of_their_classes(self, clusters, image):
        regions = um.classify(clusters).opened(1)
        figure = drawn(um.plot.labels(regions, image))
        shown = np.asarray(figure.axes[1].images[-1].get_array())
        colors = np.concatenate([_style.class_colors(3), [_style.GREY]])
        np.testing.assert_allclose(shown, colors[regions.labels])
        assert re.match(r"Cluster 0: \d+\.\d %", legend(figure)[0])

    def test_takes_clusters_and_labels_of_others(self, clusters, samples):
        own = um.plot.labels(clusters)
        other = um.plot.labels(um.regions(samples, clusters.labels.ravel()))
        a, b = (np.asarray(f.axes[0].images[-1].get_array()) for f in (own, other))
        np.testing.assert_array_equal(a, b)
        assert legend(other)[0].startswith("Class 0: ")

    def test_pieces_have_the_entry_of_their_class_once(self, clusters):
        pieces = um.classify(clusters).pieces()
        assert len(pieces) > 3
        assert len(legend(um.plot.labels(pieces))) == 4  # and the window

    def test_chooses_a_frame(self):
        labels = np.zeros((3, 8, 9), int)
        labels[1] = 1
        found = um.regions(um.samples(np.zeros(labels.shape), 3), labels)
        assert legend(um.plot.labels(found, frame=1)) == ["Class 1: 100.0 %"]


class TestCurves:
    def test_spectra_have_units_names_and_colours(self, spectra):
        figure = drawn(um.plot.components(spectra.rename(["a", "b", "c"]), label="Counts"))
        ax = figure.axes[0]
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("energy (eV)", "Counts")
        assert legend(figure) == ["a", "b", "c"]
        for line, component, color in zip(
            ax.lines, spectra.components, _style.class_colors(3), strict=True
        ):
            np.testing.assert_array_equal(line.get_ydata(), component)
            np.testing.assert_allclose(to_rgb(line.get_color()), color)

    def test_offsets_lift_curves(self, spectra):
        lines = um.plot.components(spectra, offset=1).axes[0].lines
        span = np.ptp(spectra.components)
        np.testing.assert_allclose(
            lines[2].get_ydata() - spectra.components[2], 2 * span, rtol=1e-6
        )

    def test_map_and_curve_have_one_colour(self, spectra):
        figure = drawn(um.plot.tinted(spectra.select([2, 0])))
        panels = figure.axes[:4]
        for i, number in enumerate((2, 0)):
            color = _style.class_colors(3)[number]
            full = panels[2 * i].images[0].cmap(1.0)
            np.testing.assert_allclose(full[:3], color, atol=0.01)
            np.testing.assert_allclose(to_rgb(panels[2 * i + 1].lines[0].get_color()), color)

    def test_tinted_images_of_components(self, clusters):
        assert len(drawn(um.plot.tinted(clusters)).axes[0].images) == 1


class TestProfile:
    def test_reads_along_a_slanted_line(self):
        y, x = np.mgrid[:20, :30]
        image = um.samples((2.0 * y + x), 2, pitch=0.5, units="nm")
        found = um.line_profile(image, (1, 2), (7, 10), width=2)
        t = found.distance / 10
        np.testing.assert_allclose(found.distance[-1], 10)
        np.testing.assert_allclose(found.values[0], 2 * (2 + 12 * t) + 4 + 16 * t, atol=1e-9)
        across = 2 * np.linspace(-1, 1, 5) * (2 * 0.8 - 0.6)  # in steps of half a nanometre
        np.testing.assert_allclose(found.spread[0], np.std(across), rtol=1e-6)

    def test_outside_of_the_map_is_nan(self):
        found = um.line_profile(np.ones((5, 6)), (2, 3), (2, 9))
        assert np.isnan(found.values[0, -1])
        assert found.values[0, 0] == 1

    def test_of_a_model(self, clusters):
        found = um.line_profile(clusters, (10, 5), (10, 40))
        figure = drawn(um.plot.profile(found, label="Abundance"))
        assert figure.axes[0].get_xlabel() == "Distance (nm)"
        assert len(figure.axes[0].lines) == 3
        np.testing.assert_allclose(np.sum(found.values, axis=0), 1)


class TestTrends:
    def test_up_and_down_are_parts(self):
        values = np.array([0, 1, 2, 2, 1, 0, 1.0])
        assert branches(values) == [
            (slice(0, 4), False),
            (slice(3, 6), True),
            (slice(5, 7), False),
        ]
        assert branches(np.zeros(3)) == [(slice(0, 3), False)]
        assert branches(np.array([2.0])) == [(slice(0, 1), False)]

    def test_area_fractions_follow_a_cycle(self):
        rng = np.random.default_rng(0)
        labels = rng.integers(0, 2, (9, 12, 14))
        regions = um.regions(um.samples(np.zeros(labels.shape), 3), labels)
        found = um.area_fractions(regions)
        cycle = np.array([20, 30, 40, 50, 60, 50, 40, 30, 20])
        figure = drawn(um.plot.area_fractions(found, cycle, label="Temperature (K)"))
        lines = figure.axes[0].lines
        assert [line.get_linestyle() for line in lines] == ["-", "--"] * 2
        np.testing.assert_allclose(lines[1].get_ydata(), found.fractions[0, 4:])
        assert len(figure.axes[0].collections) == 4
        assert legend(figure) == ["Class 0", "Class 1"]
        assert drawn(um.plot.area_fractions(found)).axes[0].get_xlabel() == "frame"

    def test_of_one_image_are_bars(self):
        labels = np.random.default_rng(0).integers(0, 3, (12, 14))
        found = um.area_fractions(um.regions(um.samples(np.zeros((12, 14)), 2), labels))
        ax = drawn(um.plot.area_fractions(found)).axes[0]
        np.testing.assert_allclose([bar.get_height() for bar in ax.patches], found.fractions)

    def test_dendrogram_has_a_fork_for_each_joint(self, samples):
        tree = um.hierarchy(um.kmeans(samples, 5, rng=0))
        ax = drawn(um.plot.dendrogram(tree)).axes[0]
        assert len(ax.lines) == 4
        heights = sorted(max(line.get_xdata()) for line in ax.lines)
        np.testing.assert_allclose(heights, tree.linkage[:, 2])
        assert sorted(t.get_text() for t in ax.get_yticklabels()) == list(tree.names)

    def test_silhouettes_fill_each_class(self, samples, clusters):
        pytest.importorskip("sklearn")
        found = um.silhouette(samples, clusters)
        ax = drawn(um.plot.silhouette(found)).axes[0]
        assert len(ax.collections) == 3
        assert ax.get_xlabel() == f"Silhouette (mean {found.score:.2f})"


class TestSites:
    def test_discs_have_places_and_colours(self, image):
        rng = np.random.default_rng(0)
        places, labels = rng.random((50, 2)) * [30, 50], rng.integers(-1, 3, 50)
        figure = drawn(um.plot.sites(places, labels, image, names=["A", "B", "C"], size=2.0))
        discs = figure.axes[0].collections[0]
        np.testing.assert_allclose(discs.get_offsets(), places[:, ::-1])
        colors = np.concatenate([_style.class_colors(3), [_style.GREY]])
        np.testing.assert_allclose(discs.get_facecolors()[:, :3], colors[labels])
        assert [t.partition(":")[0] for t in legend(figure)] == ["A", "B", "C", "None"]
        # a disc is as wide as was asked for, in the unit of the axes
        wide = np.ptp(discs.get_transform().transform([[-1, 0], [1, 0]])[:, 0])
        unit = np.ptp(figure.axes[0].transData.transform([[0, 0], [1, 0]])[:, 0])
        assert wide / unit == pytest.approx(2.0)

    def test_without_an_image_all_sites_are_inside(self):
        places = np.random.default_rng(0).random((30, 2)) * [3, 8] + 100
        ax = drawn(um.plot.sites(places, np.zeros(30, int))).axes[0]
        (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
        assert left < places[:, 1].min() < places[:, 1].max() < right < 109
        assert top < places[:, 0].min() < places[:, 0].max() < bottom < 104

    def test_takes_clusters_of_sites(self):
        table = np.random.default_rng(0).random((40, 3))
        model = um.kmeans(um.samples(table, 1), 2, rng=0).rename(["a", "b"])
        places = np.random.default_rng(1).random((40, 2))
        assert legend(um.plot.sites(places, model))[0].startswith("a: ")


class TestParts:
    def test_are_of_all_that_takes_part(self):
        mask = np.ones((5, 8), bool)
        mask[:, 7] = False
        found = np.repeat([[0, 0, 0, 0, 0, 1, -1, 1]], 5, axis=0)
        regions = um.regions(um.samples(np.zeros((5, 8)), 2).where(mask), found)
        shares = [f"{100 * f:.1f} %" for f in um.area_fractions(regions).fractions]
        assert shares == ["71.4 %", "14.3 %"]
        assert legend(um.plot.labels(regions)) == [
            f"Class 0: {shares[0]}",
            f"Class 1: {shares[1]}",
            "Unclassified: 14.3 %",
        ]


class TestImage:
    def test_pixels_that_are_missing(self):
        holed = np.random.default_rng(0).random((30, 40))
        holed[:, :3] = np.nan
        shown = um.plot.image(um.flatten(holed)).axes[0].images[0]
        assert np.ma.getmaskarray(shown.get_array())[:, :3].all()
        samples = um.samples(holed, 2, nan="skip")
        model = um.kmeans(um.window_fft(um.sliding_windows(samples, 8, 4)), 2, rng=0)
        assert um.plot.labels(model, holed).axes
        assert um.plot.sites(np.ones((3, 2)), np.zeros(3, int), holed).axes

    def test_percentiles_are_the_limits(self):
        values = np.arange(1000.0).reshape(20, 50)
        norm = um.plot.image(values, percentiles=(10, 80)).axes[0].images[0].norm
        np.testing.assert_allclose([norm.vmin, norm.vmax], np.percentile(values, (10, 80)))

    def test_of_maps(self, samples):
        model = um.nfindr(samples, 2)
        norm = um.plot.unmixing(model, percentiles=(5, 95)).axes[0].images[0].norm
        np.testing.assert_allclose([norm.vmin, norm.vmax], np.percentile(model.maps[0], (5, 95)))


class TestSave:
    @pytest.mark.parametrize(("width", "mm"), [("single", 86), ("double", 178), (120, 120)])
    def test_files_are_as_wide_as_a_column(self, clusters, tmp_path, width, mm):
        figure = um.plot.unmixing(clusters)
        before = figure.get_size_inches().copy()
        um.plot.save(figure, tmp_path / "a.svg", width=width)
        text = (tmp_path / "a.svg").read_text()
        points = float(re.search(r'width="([\d.]+)pt"', text).group(1))
        assert points / 72 * 25.4 == pytest.approx(mm, rel=1e-4)
        assert "<text" in text  # letters stay letters
        np.testing.assert_array_equal(figure.get_size_inches(), before)

    def test_letters_keep_their_size(self, clusters, tmp_path):
        um.plot.save(um.plot.unmixing(clusters), tmp_path / "a.svg", width="double")
        text = (tmp_path / "a.svg").read_text()
        sizes = re.findall(r"font: ?([\d.]+)px|font-size: ?([\d.]+)px", text)
        found = {float(a or b) for a, b in sizes}
        assert found <= {7.0, 8.0, 9.0}

    def test_pixels_at_so_many_per_inch(self, clusters, tmp_path):
        figure = um.plot.unmixing(clusters)
        um.plot.save(figure, tmp_path / "a.PNG", width=100, dpi=254)
        with Image.open(tmp_path / "a.PNG") as picture:
            assert picture.width == 1000
            assert picture.info["dpi"] == pytest.approx((254, 254), abs=0.1)

    def test_same_picture_same_file(self, clusters, tmp_path):
        for kind in ("pdf", "svg", "png"):
            files = [tmp_path / f"{name}.{kind}" for name in "ab"]
            for file in files:
                um.plot.save(um.plot.labels(clusters), file)
            a, b = (file.read_bytes() for file in files)
            assert a == b

    def test_global_settings_stay(self, clusters, tmp_path):
        before = mpl.rcParams["pdf.fonttype"]
        um.plot.save(um.plot.labels(clusters), tmp_path / "a.pdf")
        assert mpl.rcParams["pdf.fonttype"] == before


@pytest.mark.parametrize(
    ("draw", "error", "said"),
    [
        (lambda s, c, f: um.plot.labels(np.zeros((3, 4), int)), um.ParameterError, "unmix.regions"),
        (lambda s, c, f: um.plot.components(c), um.ShapeError, "unmix.plot.unmixing draws images"),
        (
            lambda s, c, f: um.plot.tinted(um.pca(np.random.default_rng(0).random((9, 4)), 2)),
            um.ShapeError,
            "unmix.plot.components draws curves",
        ),
        (lambda s, c, f: um.plot.image(np.ones((3, 4)), percentiles=(9, 1)), um.ParameterError,
         "expected two, the lower first, from 0 to 100"),
        (lambda s, c, f: um.plot.image(np.ones((3, 4)), percentiles=5), um.ParameterError,
         "percentiles are 5"),
        (lambda s, c, f: um.plot.save(f, "a.jpg"), um.FileError, "for vectors, or in .png"),
        (lambda s, c, f: um.plot.save(f, "a.png", dpi=0), um.ParameterError, "pixels per inch"),
        (lambda s, c, f: um.plot.save(f, "a.png", dpi="300"), um.ParameterError, "dpi is '300'"),
        (lambda s, c, f: um.plot.save(f, "a.pdf", "page"), um.ParameterError, "'single', 'double'"),
        (lambda s, c, f: um.plot.sites(np.ones((3, 2)), np.zeros(4, int)), um.ShapeError,
         "positions have shape"),
        (lambda s, c, f: um.plot.sites(np.ones((3, 2)), np.zeros(3)), um.ParameterError,
         "expected whole numbers at known places"),
        (
            lambda s, c, f: um.plot.sites(np.ones((3, 2)), np.array([0, 1, 2]), names=["a"]),
            um.ParameterError,
            "expected one for each of 3 classes",
        ),
        (
            lambda s, c, f: um.plot.sites(np.ones((3, 2)), np.zeros(3, int), np.ones((2, 3, 4))),
            um.ShapeError,
            "choose a frame",
        ),
        (lambda s, c, f: um.plot.area_fractions(f, np.arange(3)), um.ShapeError,
         "one coordinate for each of 5"),
        (lambda s, c, f: um.plot.area_fractions(fractions((2, 3, 8, 8))), um.ShapeError,
         "expected one axis of frames"),
    ],
)  # fmt: skip
def test_messages(samples, clusters, draw, error, said):
    with pytest.raises(error, match=said):
        draw(samples, clusters, fractions((5, 8, 8)))


def fractions(shape):
    labels = np.zeros(shape, int)
    samples = um.samples(np.zeros(shape), len(shape), map_names=["a", "b", "y", "x"][-len(shape) :])
    return um.area_fractions(um.regions(samples, labels))
