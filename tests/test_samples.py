"""`Samples`: what is chosen, changed, kept and read, against plain NumPy on the whole array."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from backends import Backend
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

import unmix as um

KINDS = um.ops.KINDS

host = Backend.numpy
WINDOW, STEP = (6, 7), (4, 5)


@pytest.fixture
def small_tiles(monkeypatch):
    """Cut even small tables into many tiles."""
    monkeypatch.setattr(um.config, "TILE_BYTES", 1 << 13)


def movie(dtype=np.float64, shape=(3, 15, 23)):
    return np.random.default_rng(5).random(shape).astype(dtype)


def full_planes(images, window=WINDOW, step=STEP):
    """Amplitudes of all windows by the book: full centred planes, unitary, Hann."""
    cut = sliding_window_view(images.astype(float), window, axis=(-2, -1))
    cut = cut[..., :: step[0], :: step[1], :, :]
    tapers = [0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n) for n in window]
    tapers = [t / np.sqrt(np.mean(t**2)) for t in tapers]
    cut = (cut - cut.mean(axis=(-2, -1), keepdims=True)) * np.outer(*tapers)
    planes = np.fft.fftshift(np.abs(np.fft.fft2(cut)), axes=(-2, -1))
    return planes / np.sqrt(np.prod(window))


def spectra(backend, dtype=np.float64, **options):
    images = backend.asarray(movie(dtype))
    return um.window_fft(um.sliding_windows(images, WINDOW, STEP), **options)


def gram(table):
    return table @ table.T


def assert_close(got, expected, dtype=np.float64, units=64):
    """Compare with NaN in the same places, within units in the last place of the largest."""
    got = host(got)
    assert got.shape == expected.shape
    size = np.nanmax(np.abs(expected))
    np.testing.assert_allclose(got, expected, rtol=0, atol=units * np.finfo(dtype).eps * size)


# -- reading -----------------------------------------------------------------------------------


class TestReading:
    @pytest.mark.parametrize("window", [(6, 7), (6, 8), (5, 7), (7, 6)])
    def test_spectra_are_full_centred_planes(self, backend, window):
        images = movie()
        samples = um.window_fft(um.sliding_windows(backend.asarray(images), window, STEP))
        got = samples.to_array()
        assert backend.owns(got)
        expected = full_planes(images, window)
        assert_close(got, expected)
        for axis, n in zip(samples.axes[-2:], window, strict=True):
            np.testing.assert_allclose(axis.values, np.fft.fftshift(np.fft.fftfreq(n)), atol=1e-15)

    def test_half_planes_have_the_full_planes_gram_matrix(self, backend):
        samples = spectra(backend)
        table = host(samples.table())
        assert table.shape[1] < WINDOW[0] * WINDOW[1]
        full = full_planes(movie()).reshape(len(table), -1)
        assert_close(gram(table), gram(full))

    def test_images_movies_and_tables(self, backend):
        images = movie()
        for samples, axes in [
            (um.samples(backend.asarray(images[0]), 2), ["y", "x"]),
            (um.samples(backend.asarray(images), 3), ["frame", "y", "x"]),
            (um.samples(backend.asarray(images), 1), ["site", "det_y", "det_x"]),
            (um.samples(backend.asarray(images[0]), 1), ["site", "bin"]),
        ]:
            assert [a.name for a in samples.axes] == axes
            expected = images if len(axes) == 3 else images[0]
            np.testing.assert_array_equal(host(samples.to_array()), expected)

    @pytest.mark.parametrize("map_axes", [(2, 3), (-2, -1), (3, 1), (1,), 2])
    def test_map_axes_anywhere(self, backend, map_axes):
        values = np.random.default_rng(0).random((3, 4, 5, 6))
        names = [f"m{i}" for i in range(len(map_axes) if isinstance(map_axes, tuple) else 2)]
        samples = um.samples(
            backend.asarray(values),
            map_axes,
            map_names=names,
            descriptor_names=[f"d{i}" for i in range(4 - len(names))],
            pitch=(1, 2, 3, 4),
            units=("a", "b", "c", "d"),
        )
        first = (0, 1) if map_axes == 2 else tuple(a % 4 for a in map_axes)
        order = (*first, *(i for i in range(4) if i not in first))
        np.testing.assert_array_equal(host(samples.to_array()), values.transpose(order))
        assert [a.units for a in samples.axes] == ["abcd"[i] for i in order]
        assert [a.values[1] for a in samples.axes] == [i + 1 for i in order]
        table = host(samples.table())
        assert table.shape == (np.prod([values.shape[i] for i in first]), samples.layout.n_features)
        np.testing.assert_array_equal(table.ravel(), values.transpose(order).ravel())
        mask = np.zeros(samples.layout.map_shape, bool)
        mask.ravel()[1::3] = True
        np.testing.assert_array_equal(host(samples.where(mask).table()), table[1::3])

    def test_computes_in_float32_for_narrow_types(self, backend):
        for dtype, expected in [
            (np.uint8, "float32"),
            (np.uint16, "float32"),
            (np.float32, "float32"),
            (np.int32, "float64"),
            (np.float64, "float64"),
        ]:
            samples = um.samples(backend.asarray(np.arange(12).reshape(4, 3), dtype), 1)
            assert str(samples.dtype).endswith(expected)
            assert str(samples.to_array().dtype).endswith(expected)
            assert str(next(samples.tiles()).rows.dtype).endswith(expected)

    def test_tiles_tell_their_samples(self, backend, small_tiles):
        mask = np.random.default_rng(1).random((3, 3, 4)) < 0.5
        samples = spectra(backend).where(mask)
        numbers = np.flatnonzero(mask)
        tiles = list(samples.tiles())
        assert len(tiles) > 1
        told = np.concatenate([t.numbers for t in tiles])
        np.testing.assert_array_equal(np.sort(told), numbers)  # tiles are blocks of the map
        planes = full_planes(movie())
        for tile in tiles:
            assert tile.layout is samples.layout
            assert tile.rows.shape == (len(tile.numbers), samples.layout.n_features)
            np.testing.assert_array_equal(tile.kept, np.flatnonzero(mask[tile.where]))
            mine = planes[tile.where].reshape(-1, 42)[tile.kept]
            assert_close(gram(host(tile.rows)), gram(mine))

    def test_a_plan_leaves_out_blocks_without_samples(self, small_tiles):
        mask = np.zeros((3, 3, 4), bool)
        mask[1, 1, 2] = True
        samples = spectra(Backend.NUMPY)
        assert len(samples.plan()) > 1
        assert len(samples.where(mask).plan()) == 1

    def test_rows_by_number(self, backend, small_tiles):
        samples = spectra(backend)
        table = host(samples.table())
        got = samples.rows(np.asarray([35, 0, 17]))
        assert backend.owns(got)
        assert_close(got, table[[35, 0, 17]])

    def test_complex_planes(self, backend):
        got = host(spectra(backend, taper="boxcar", output="complex").to_array())
        cut = sliding_window_view(movie(), WINDOW, axis=(-2, -1))[..., ::4, ::5, :, :]
        cut = cut - cut.mean(axis=(-2, -1), keepdims=True)
        expected = np.fft.fftshift(np.fft.fft2(cut), axes=(-2, -1)) / np.sqrt(42)
        np.testing.assert_allclose(got, expected, atol=1e-14)

    @pytest.mark.parametrize(
        ("make", "expected"),
        [
            (
                lambda x: um.samples(x, 2, pitch=0.5, units="nm"),
                "<Samples y 20 x x 30 (nm), float32, {}>",
            ),
            (
                lambda x: um.sliding_windows(x, (4, 6), 2),
                "<Samples grid_y 9 x grid_x 13 (px) | win_y 4 x win_x 6 (px), float32, {}>",
            ),
            (
                lambda x: um.window_fft(um.sliding_windows(x, (4, 6), 2))[2],
                "<Samples grid_x 13 (px) | k_y 4 x k_x 6 (1/px), float32, {}>",
            ),
            (
                lambda x: um.window_fft(um.sliding_windows(x, 4, 2), output="complex")[0, 0],
                "<Samples no axes | k_y 4 x k_x 4 (1/px), complex64, {}>",
            ),
        ],
    )
    def test_repr(self, backend, make, expected):
        image = backend.asarray(movie(np.float32, (20, 30)))
        assert repr(make(image)) == expected.format(backend.module)


# -- choosing and changing, step by step, by hypothesis --------------------------------------------


@dataclass
class Expected:
    """The whole array in NumPy, NaN where something is left out, and what is known of its axes."""

    values: np.ndarray
    coordinates: list[np.ndarray]
    names: list[str]
    signed: bool = False

    @property
    def n_map(self):
        return len([n for n in self.names if not n.startswith("k_")])

    def statistics_axes(self, over):
        n, d = self.n_map, self.values.ndim
        if over == "sample":
            return tuple(range(n, d))
        if over == "feature":
            return tuple(range(n))
        if over == "all":
            return tuple(range(d))
        frame = self.names.index("frame")
        return tuple(i for i in range(d) if i != frame)

    def normalized(self, kind, over):
        axes, v = self.statistics_axes(over), self.values
        valid = ~np.isnan(v)
        shift, size = 0.0, 1.0
        if kind == "minmax":
            shift = np.min(v, axis=axes, keepdims=True, where=valid, initial=np.inf)
            size = np.max(v, axis=axes, keepdims=True, where=valid, initial=-np.inf) - shift
        elif kind == "unit_sum":
            size = np.nansum(v, axis=axes, keepdims=True)
        elif kind == "unit_norm":
            size = np.sqrt(np.nansum(v**2, axis=axes, keepdims=True))
        elif kind == "robust":
            quartiles = [
                np.nanquantile(v, q, axis=axes, keepdims=True, method="inverted_cdf")
                for q in (0.25, 0.5, 0.75)
            ]
            shift, size = quartiles[1], quartiles[2] - quartiles[0]
        else:
            count = np.maximum(valid.sum(axis=axes, keepdims=True), 1)
            shift = np.nansum(v, axis=axes, keepdims=True) / count
            spread = np.nansum(np.where(valid, v - shift, 0) ** 2, axis=axes, keepdims=True)
            size = np.sqrt(spread / count)
            size = np.where(size > 1e-7 * np.abs(shift), size, 0)
        return (v - shift) / np.where(size == 0, 1, size)


def masks(draw, shape, share):
    mask = np.random.default_rng(draw(st.integers(0, 10**6))).random(shape) < share
    mask.ravel()[draw(st.integers(0, mask.size - 1))] = True
    return mask


def axis_key(draw, n, drop):
    """Draw a whole number (where the axis may go) or a forward slice, as users write them."""
    if drop and draw(st.booleans()):
        return draw(st.integers(-n, n - 1))
    start = draw(st.integers(0, n - 1))
    stop = draw(st.integers(start + 1, n))
    step = draw(st.sampled_from([1, 1, 2, 3]))
    forms = [slice(start, stop, step), slice(start - n, stop, step), slice(None, None, step)]
    return draw(st.sampled_from(forms))


def step_where(draw, samples, expected):
    v, n = expected.values, expected.n_map
    mask = masks(draw, v.shape[:n], 0.7)
    mask |= not np.any(mask & (~np.isnan(v)).any(axis=tuple(range(n, v.ndim))))
    expected.values = np.where(mask.reshape(mask.shape + (1,) * (v.ndim - n)), v, np.nan)
    return samples.where(mask)


def step_features(draw, samples, expected):
    v, n = expected.values, expected.n_map
    mask = masks(draw, v.shape[n:], 0.7)
    mask |= not np.any(mask & (~np.isnan(v)).any(axis=tuple(range(n))))
    expected.values = np.where(mask, v, np.nan)
    return samples.features(mask)


def step_slice(draw, samples, expected):
    v = expected.values
    drop = sum(m > 1 for m in v.shape[: expected.n_map]) > 1
    key = tuple(axis_key(draw, m, drop and i == 0) for i, m in enumerate(v.shape))
    if np.isnan(v[key]).all():  # refused, which has its own test
        return samples
    left = [i for i, k in enumerate(key) if not isinstance(k, int)]
    expected.values = v[key]
    expected.coordinates = [expected.coordinates[i][key[i]] for i in left]
    expected.names = [expected.names[i] for i in left]
    if key[-1] == slice(None, None, 1) and draw(st.booleans()):
        key = (*key[:-1], ...)
    return samples[key]


def step_normalize(draw, samples, expected):
    overs = ["sample", "feature", "all"] + ["frame"] * ("frame" in expected.names)
    kinds = ["minmax", "unit_norm", "standard"]
    kinds += [] if expected.signed else ["unit_sum"]  # sums near zero blow rounding up
    kind, over = draw(st.sampled_from(kinds)), draw(st.sampled_from(overs))
    expected.values = expected.normalized(kind, over)
    expected.signed = kind != "minmax" and (expected.signed or kind == "standard")
    return samples.normalize(kind, over=over)


def step_transform(draw, samples, expected):
    v = expected.values
    if expected.signed or draw(st.booleans()):
        low, high = np.nanquantile(v, [0.1, 0.9])
        expected.values = np.clip(v, low, high)
        return samples.transform("clip", low=float(low), high=float(high))
    expected.values = np.log1p(np.maximum(v, 0) / 0.3)
    return samples.transform("log1p", scale=0.3)  # a root would blow up the rounding of zeros


STEPS = {
    "where": step_where,
    "features": step_features,
    "slice": step_slice,
    "normalize": step_normalize,
    "transform": step_transform,
    "keep": lambda draw, samples, expected: samples.keep(),
}


def draw_chain(draw, samples, most):
    """Take steps on both sides; return the samples and what they should be."""
    coordinates, names = [a.values for a in samples.axes], [a.name for a in samples.axes]
    # mirror images are equal here to the last bit, and so is a spread between them zero
    expected = Expected(spectra(Backend.NUMPY).to_array(), coordinates, names)
    for name in draw(st.lists(st.sampled_from(list(STEPS)), min_size=1, max_size=most)):
        samples = STEPS[name](draw, samples, expected)
    return samples, expected


class TestStepByStep:
    @settings(max_examples=10)
    @given(data=st.data())
    def test_any_chain_equals_numpy_on_the_full_planes(self, backend, small_tiles, data):
        samples, expected = draw_chain(data.draw, spectra(backend), 5)
        assert_close(samples.to_array(), expected.values, units=1 << 14)
        assert [a.name for a in samples.axes] == expected.names
        for axis, values in zip(samples.axes, expected.coordinates, strict=True):
            np.testing.assert_array_equal(axis.values, values)
        rows = expected.values.reshape(*expected.values.shape[: expected.n_map], -1)
        valid = ~np.isnan(rows)
        rows = rows[valid.any(axis=-1)][:, valid.any(axis=tuple(range(rows.ndim - 1)))]
        table = host(samples.table())
        assert samples.layout.n_samples == len(table) == len(rows)
        assert_close(gram(table), gram(rows), units=1 << 14)
        if samples.nonnegative:
            assert table.min() >= 0

    @settings(max_examples=6)
    @given(data=st.data())
    def test_kept_tables_are_the_same_and_stay_so(self, backend, small_tiles, data):
        samples, expected = draw_chain(data.draw, spectra(backend), 2)
        kept = samples.keep()
        assert kept.plan() == samples.plan()
        np.testing.assert_array_equal(host(kept.table()), host(samples.table()))
        assert_close(kept.to_array(), host(samples.to_array()), units=1)
        if expected.values.shape[0] > 1 and not np.isnan(expected.values[1:]).all():
            later, direct = kept[1:].normalize("unit_norm"), samples[1:].normalize("unit_norm")
            assert later.plan() == direct.plan()
            assert_close(later.to_array(), host(direct.to_array()), units=4)


# -- choosing --------------------------------------------------------------------------------------


class TestWhere:
    def test_masks_add_up_and_values_outside_are_nan(self, backend):
        samples = spectra(backend)
        a, b = (np.random.default_rng(i).random((3, 3, 4)) < 0.6 for i in range(2))
        both = samples.where(backend.asarray(a)).where(b)
        np.testing.assert_array_equal(both.layout.mask, a & b)
        assert both.layout.n_samples == (a & b).sum()
        got = host(both.to_array())
        assert np.isnan(got[~(a & b)]).all()
        assert_close(got[a & b], full_planes(movie())[a & b])
        assert both.shape == samples.shape

    @pytest.mark.parametrize(
        "mask", [np.ones((3, 3), bool), np.ones((3, 3, 4)), np.ones((3, 3, 4), np.uint8), True]
    )
    def test_refuses_other_shapes_and_types(self, mask):
        with pytest.raises(um.ShapeError, match=r"mask of samples .* expected shape \(3, 3, 4\)"):
            spectra(Backend.NUMPY).where(mask)

    def test_refuses_masks_that_leave_nothing(self):
        samples = spectra(Backend.NUMPY)
        half = np.arange(36).reshape(3, 3, 4) % 2 == 0
        with pytest.raises(um.ShapeError, match="leaves no sample"):
            samples.where(half).where(~half)
        only = np.zeros((3, 3, 4), bool)
        only[0, 0, 0] = True
        with pytest.raises(um.ShapeError, match="every sample of the block is left out"):
            samples.where(only)[1:]


class TestFeatures:
    def test_masks_add_up_and_entries_outside_are_nan(self, backend):
        samples = spectra(backend)
        a, b = (np.random.default_rng(i).random(WINDOW) < 0.6 for i in range(2))
        both = samples.features(backend.asarray(a)).features(b)
        got = host(both.to_array())
        expected = np.where(a & b, full_planes(movie()), np.nan)
        assert_close(got, expected)
        rows = expected[..., a & b].reshape(36, -1)
        assert_close(gram(host(both.table())), gram(rows))

    def test_half_of_a_mirror_pair_counts_once(self, backend):
        k = np.fft.fftfreq(7)
        right = np.broadcast_to(np.fft.fftshift(k) > 0, WINDOW)
        table = host(spectra(backend).features(right).table())
        expected = full_planes(movie())[..., right].reshape(36, -1)
        np.testing.assert_allclose(np.sort(table), np.sort(expected), atol=1e-13)

    def test_refuses_other_shapes_and_an_empty_rest(self):
        samples = spectra(Backend.NUMPY)
        with pytest.raises(um.ShapeError, match=r"descriptor entries .* expected shape \(6, 7\)"):
            samples.features(np.ones((6, 4), bool))
        with pytest.raises(um.ShapeError, match="leaves no entry"):
            samples.features(np.zeros((6, 7), bool))


class TestSlicing:
    @pytest.mark.parametrize(
        ("key", "names"),
        [
            (0, ["grid_y", "grid_x", "k_y", "k_x"]),
            ((-1, 1), ["grid_x", "k_y", "k_x"]),
            ((slice(None), 2, 3), ["frame", "k_y", "k_x"]),
            ((Ellipsis, 3), ["frame", "grid_y", "grid_x", "k_y"]),
            ((Ellipsis, -3, slice(1, -1)), ["frame", "grid_y", "grid_x", "k_x"]),
            ((0, Ellipsis, 3, 2), ["grid_y", "grid_x"]),
            ((slice(None, None, 2), Ellipsis), ["frame", "grid_y", "grid_x", "k_y", "k_x"]),
            ((slice(-2, 99), slice(1, None, 2), slice(0, 4, 3)), None),
            ((0, 1, 2), ["k_y", "k_x"]),
            ((np.int64(1), np.int64(-2), 1, 5), ["k_x"]),
        ],
    )
    def test_is_numpys(self, backend, key, names):
        for samples in (spectra(backend), spectra(backend).keep()):
            part = samples[key]
            assert_close(part.to_array(), full_planes(movie())[key])
            if names is not None:
                assert [a.name for a in part.axes] == names

    def test_coordinates_and_window_grid_follow(self, backend):
        images = movie()
        windows = um.sliding_windows(
            um.samples(backend.asarray(images), 3, pitch=(1, 0.5, 0.25), units=("s", "nm", "nm")),
            WINDOW,
            STEP,
        )
        part = windows[1:, 1:, ::2]
        np.testing.assert_array_equal(part.axes[0].values, [1, 2])
        np.testing.assert_allclose(part.axes[1].values, (np.array([4, 8]) + 2.5) * 0.5)
        np.testing.assert_allclose(part.axes[2].values, (np.array([0, 10]) + 3) * 0.25)
        grid = part.layout.windows
        rows, columns = grid.corners
        values = host(part.to_array())
        for i, y in enumerate(rows):
            for j, x in enumerate(columns):
                np.testing.assert_array_equal(
                    values[:, i, j], images[1:, y : y + WINDOW[0], x : x + WINDOW[1]]
                )
        assert grid.step == (4, 10)
        assert windows[0].layout.windows is not None
        assert windows[:, 0].layout.windows is None

    def test_of_slices(self, backend):
        samples = spectra(backend)
        expected = full_planes(movie())[1:, ::2][:, 1:, 1:][..., 2:, ::3][1]
        assert_close(samples[1:, ::2][:, 1:, 1:][..., 2:, ::3][1].to_array(), expected)

    @pytest.mark.parametrize(
        ("key", "message"),
        [
            (3, "index 3 is outside of axis 0 of 3 entries"),
            ((0, -4), "index -4 is outside of axis 1 of 3 entries"),
            (slice(None, None, -1), "backwards"),
            (slice(2, 2), "is empty"),
            ((0,) * 6, "6 indices came for 5 axes"),
            ([0, 1], "is a list; expected whole numbers and slices"),
            (np.ones(3, bool), "is a ndarray"),
            (None, "is a NoneType"),
            (True, "is a bool"),
            ("frame", "is a str"),
        ],
    )
    def test_refuses(self, key, message):
        with pytest.raises(um.ShapeError, match=message):
            spectra(Backend.NUMPY)[key]


class TestCrop:
    def test_by_coordinates_of_any_axis(self, backend):
        image = um.samples(
            backend.asarray(movie()), 3, pitch=(1, 0.5, 0.5), units=["s", "nm", "nm"]
        )
        samples = um.window_fft(um.sliding_windows(image, WINDOW, STEP))
        part = samples.crop(k_y=(-0.34, 0.34), grid_x=(2, 99), frame=(1, 1))
        k_y = samples.axes[3].values
        inside = np.flatnonzero(np.abs(k_y) <= 0.34)
        np.testing.assert_array_equal(part.axes[3].values, k_y[inside])
        assert part.shape == (1, 3, 3, len(inside), 7)
        assert_close(part.to_array(), full_planes(movie())[1:2, :, 1:, inside[0] : inside[-1] + 1])
        # both ends are inside
        edge = samples.crop(grid_y=(samples.axes[1].values[1], samples.axes[1].values[2]))
        assert edge.shape[1] == 2

    def test_refuses_unknown_axes_empty_ranges_and_no_ranges(self):
        samples = spectra(Backend.NUMPY)
        with pytest.raises(um.ParameterError, match="no axis 'q'; there are frame, grid_y"):
            samples.crop(q=(0, 1))
        with pytest.raises(um.ShapeError, match=r"no coordinate of k_x lies in 2\.0 to 3.0; they"):
            samples.crop(k_x=(2, 3))
        with pytest.raises(
            um.ParameterError, match=r"k_x is 0\.1; expected the lowest and the high"
        ):
            samples.crop(k_x=0.1)

    def test_coordinates_that_go_up_and_down(self):
        cycle = {"frame": [20, 50, 80, 60, 20]}
        movie = um.samples(np.arange(30.0).reshape(5, 2, 3), 3, coordinates=cycle)
        assert movie.crop(frame=(45, 90)).axes[0].values.tolist() == [50, 80, 60]
        with pytest.raises(um.ShapeError, match=r"of frame that lie in 0\.0 to 30\.0 are no one b"):
            movie.crop(frame=(0, 30))


class TestCoordinates:
    def test_go_with_what_is_sliced_and_binned(self, backend):
        energy = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]
        cube = um.samples(
            backend.asarray(np.random.default_rng(0).random((4, 5, 6))),
            2,
            descriptor_names=["energy"],
            pitch=0.5,
            units=("nm", "nm", "eV"),
            coordinates={"energy": backend.asarray(energy)},
        )
        assert [a.units for a in cube.axes] == ["nm", "nm", "eV"]
        assert cube[1:, ..., ::2].axes[-1].values.tolist() == energy[::2]
        assert cube.bin(energy=2).axes[-1].values.tolist() == [1.5, 6, 24]
        again = um.Pipeline.from_record(cube.record).run(np.zeros((4, 5, 6)))
        assert [a.values.tolist() for a in again.axes] == [a.values.tolist() for a in cube.axes]

    def test_have_no_unit_that_nobody_gave(self):
        cube = um.samples(
            np.ones((2, 3, 4)), 2, descriptor_names=["E"], coordinates={"E": range(4)}, units="nm"
        )
        assert [a.units for a in cube.axes] == ["nm", "nm", ""]

    def test_one_pitch_is_not_that_of_frames(self):
        movie = um.samples(np.ones((2, 3, 4)), 3, pitch=0.5, units="nm")
        assert [(a.spacing, a.units) for a in movie.axes] == [(1, ""), (0.5, "nm"), (0.5, "nm")]
        heated = um.samples(
            np.ones((2, 3, 4)),
            3,
            map_names=("temperature", "y", "x"),
            units="nm",
            coordinates={"temperature": [20, 90]},
        )
        assert [a.units for a in heated.axes] == ["", "nm", "nm"]
        line = um.samples(np.ones((3, 4)), 1, pitch=0.5, units="nm")
        assert [(a.spacing, a.units) for a in line.axes] == [(0.5, "nm"), (1, "")]


# -- changing values -------------------------------------------------------------------------------


class TestNormalize:
    @pytest.mark.parametrize("over", ["sample", "feature", "frame", "all"])
    @pytest.mark.parametrize("kind", KINDS)
    def test_statistics_are_those_of_the_full_planes(self, backend, small_tiles, kind, over):
        samples = spectra(backend, np.float32)
        full = host(samples.to_array()).astype(np.float64)
        expected = Expected(full, [], [a.name for a in samples.axes]).normalized(kind, over)
        got = samples.normalize(kind, over=over).to_array()
        assert got.dtype == samples.dtype
        assert_close(got, expected, np.float32)

    @pytest.mark.parametrize("kind", KINDS)
    def test_by_frame_with_a_frame_left_out(self, backend, small_tiles, kind):
        mask = np.random.default_rng(0).random((3, 3, 4)) < 0.7
        mask[1] = False
        samples = spectra(backend).where(mask)
        full = np.where(mask[..., None, None], full_planes(movie()), np.nan)
        names = [a.name for a in samples.axes]
        for frame in (0, 2):
            expected = Expected(full[frame : frame + 1], [], names).normalized(kind, "frame")[0]
            got = host(samples.normalize(kind, over="frame").to_array())
            assert_close(got[frame], expected, units=256)
        assert np.isnan(got[1]).all()

    def test_by_frame_after_the_frame_axis_moved(self, backend):
        values = np.random.default_rng(0).random((4, 5, 3, 6))
        names = ["y", "frame"]
        samples = um.samples(backend.asarray(values), (3, 2), map_names=names)
        got = samples.normalize("unit_sum", over="frame")[2:, 1:].to_array()
        expected = values / values.sum(axis=(0, 1, 3), keepdims=True)
        assert_close(got, expected.transpose(3, 2, 0, 1)[2:, 1:])

    def test_constant_values(self, backend):
        values = np.asarray([[2.0, 2.0], [1.0, 3.0], [0.0, 0.0]])
        samples = um.samples(backend.asarray(values), 1)
        for kind, expected in [
            ("minmax", [[0, 0], [0, 1], [0, 0]]),
            ("standard", [[0, 0], [-1, 1], [0, 0]]),
            ("robust", [[0, 0], [0, 1], [0, 0]]),
            ("unit_sum", [[0.5, 0.5], [0.25, 0.75], [0, 0]]),
            ("unit_norm", [[0.5**0.5] * 2, [0.1**0.5, 0.9**0.5], [0, 0]]),
        ]:
            got = samples.normalize(kind).to_array()
            np.testing.assert_allclose(host(got), expected, atol=1e-15)

    def test_statistics_are_found_once(self, backend, monkeypatch):
        calls = []
        true = um.ops.column_statistics
        monkeypatch.setattr(um.ops, "column_statistics", lambda r: calls.append(1) or true(r))
        samples = um.samples(backend.asarray(movie()[0]), 1).normalize("standard", over="feature")
        for _ in range(3):
            samples.to_array()
        samples[2:].features(np.arange(23) < 9).to_array()
        assert len(calls) == 1

    def test_one_statistic_is_that_of_the_samples_that_take_part(self, backend):
        values = np.asarray([[1.0], [3.0], [100.0]])
        mask = np.asarray([True, True, False])
        samples = um.samples(backend.asarray(values), 1)
        before = samples.where(mask).normalize("minmax", over="all").to_array()
        np.testing.assert_allclose(host(before), [[0], [1], [np.nan]])
        after = samples.normalize("minmax", over="all").where(mask).to_array()
        np.testing.assert_allclose(host(after), [[0], [2 / 99], [np.nan]])

    @pytest.mark.parametrize("over", ["feature", "all"])
    def test_robust_takes_no_notice_of_an_outlier(self, backend, over):
        values = np.random.default_rng(0).normal(3, 0.1, (201, 3))
        clean = um.samples(backend.asarray(values), 1).normalize("robust", over=over).to_array()
        values[5] = 1e6
        hot = um.samples(backend.asarray(values), 1).normalize("robust", over=over).to_array()
        rest = np.arange(201) != 5
        np.testing.assert_allclose(host(hot)[rest], host(clean)[rest], atol=0.15)
        assert abs(np.median(host(hot)[rest])) < 0.02

    def test_refuses_complex_samples_and_unknown_words(self):
        samples = spectra(Backend.NUMPY)
        with pytest.raises(um.DTypeError, match="complex samples have no normalize"):
            spectra(Backend.NUMPY, output="complex").normalize("minmax")
        with pytest.raises(um.ParameterError, match="kind is 'max'; expected one of minmax"):
            samples.normalize("max")
        with pytest.raises(um.ParameterError, match="over is 'row'; expected 'sample', 'feature'"):
            samples.normalize("minmax", over="row")
        with pytest.raises(um.ParameterError, match=r"over is 'frame'; .* map axes grid_y, grid_x"):
            samples[0].normalize("minmax", over="frame")

    def test_over_any_axis_of_the_map(self, backend):
        values = np.random.default_rng(0).random((3, 4, 5))
        samples = um.samples(backend.asarray(values), 2, map_names=("image", "site"))
        got = samples.normalize("unit_sum", over="image").to_array()
        assert_close(got, values / values.sum(axis=(1, 2), keepdims=True))


class TestTransform:
    def test_acts_on_amplitudes_and_not_on_their_packing(self, backend):
        full = full_planes(movie())
        for name, options, expected in [
            ("log1p", {"scale": 1}, np.log1p(full)),
            ("log1p", {"scale": 0.1}, np.log1p(full / 0.1)),
            ("sqrt", {}, np.sqrt(full)),
            ("clip", {"low": 0.1, "high": 0.5}, full.clip(0.1, 0.5)),
            ("clip", {"high": 0.5}, full.clip(None, 0.5)),
            ("clip", {"low": None, "high": 0.5}, full.clip(None, 0.5)),
        ]:
            samples = spectra(backend).transform(name, **options)
            assert_close(samples.to_array(), expected)
            assert_close(gram(host(samples.table())), gram(expected.reshape(36, -1)))

    def test_a_logarithm_is_in_units_of_all_values(self, backend, small_tiles):
        full = full_planes(movie())
        size = np.sqrt(np.mean(full**2))
        samples = spectra(backend).transform("log1p")
        assert_close(samples.to_array(), np.log1p(full / size), units=256)
        assert_close(samples[1, 1:].to_array(), np.log1p(full / size)[1, 1:], units=256)
        zeros = um.samples(backend.asarray(np.zeros((3, 4))), 1).transform("log1p")
        np.testing.assert_array_equal(host(zeros.to_array()), np.zeros((3, 4)))

    def test_the_default_logarithm_does_not_know_the_unit(self, backend):
        counts = np.random.default_rng(0).poisson(40.0, (64, 64)).astype(float)
        for factor in (1e-3, 1e6):
            a, b = (
                um.window_fft(um.sliding_windows(backend.asarray(v), 16, 8)).transform("log1p")
                for v in (counts, counts * factor)
            )
            assert_close(a.to_array(), host(b.to_array()), units=512)

    def test_refuses_values_without_an_answer_when_they_are_read(self, backend):
        samples = um.samples(backend.asarray([[1.0, -2.0]]), 1)
        rooted = samples.transform("sqrt")
        with pytest.raises(um.DataError, match="sqrt of -2 is not a number; clip"):
            rooted.to_array()
        with pytest.raises(um.DataError, match="log1p of -2 is not a number"):
            samples.transform("log1p", scale=2.0).to_array()
        allowed = samples.transform("log1p", scale=4.0).to_array()
        np.testing.assert_allclose(host(allowed), np.log1p([[0.25, -0.5]]))

    def test_does_not_look_at_samples_that_are_left_out(self, backend):
        samples = um.samples(backend.asarray([[4.0], [-2.0]]), 1).where(np.array([True, False]))
        np.testing.assert_array_equal(host(samples.transform("sqrt").to_array()), [[2], [np.nan]])

    @pytest.mark.parametrize(
        ("name", "options", "message"),
        [
            ("log", {}, "transform is 'log'; expected one of log1p, sqrt, clip"),
            ("sqrt", {"scale": 2}, "sqrt has the options none, but got"),
            ("log1p", {"low": 2}, r"log1p has the options \['scale'\], but got \['low'\]"),
            ("log1p", {"scale": 0}, "scale is 0; expected a positive number"),
            ("log1p", {"scale": "1 nm"}, "scale is 1 nm; expected a positive number"),
            ("clip", {}, "clip got low=None and high=None; expected at least one"),
            (
                "clip",
                {"low": 2, "high": 1},
                "clip got low=2 and high=1; expected at least one, low",
            ),
        ],
    )
    def test_refuses_unknown_words(self, name, options, message):
        with pytest.raises(um.ParameterError, match=message):
            spectra(Backend.NUMPY).transform(name, **options)


class TestNonnegative:
    def test_follows_the_values(self):
        counts = um.samples(np.ones((4, 3), np.uint16), 1)
        floats = um.samples(np.ones((4, 3)), 1)
        assert counts.nonnegative
        assert counts[1:].features(np.array([True, False, True])).keep().nonnegative
        assert floats.nonnegative is None
        assert spectra(Backend.NUMPY).nonnegative
        assert spectra(Backend.NUMPY, output="complex").nonnegative is None
        for samples in (counts, floats):
            assert samples.normalize("minmax", over="all").nonnegative
            assert samples.transform("sqrt").nonnegative
            assert samples.transform("clip", low=0).nonnegative
            assert samples.normalize("standard").nonnegative is False
            assert samples.normalize("robust").nonnegative is False
            assert samples.normalize("robust").normalize("minmax").nonnegative
            assert not samples.transform("clip", high=-1).nonnegative
        for kept in (
            counts.transform("log1p"),
            counts.normalize("unit_sum"),
            counts.transform("clip", high=2),
            um.sliding_windows(um.samples(np.ones((9, 9), np.uint8), 2), 3, 2),
        ):
            assert kept.nonnegative
        assert floats.transform("clip", low=-1).nonnegative is None


# -- keeping ---------------------------------------------------------------------------------------


class TestKeep:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_decompositions_have_the_same_bits(self, backend, small_tiles, dtype):
        mask = np.random.default_rng(2).random((3, 3, 4)) < 0.8
        samples = spectra(backend, dtype).where(mask).transform("log1p")
        assert len(samples.plan()) > 1
        models = []
        for s in (samples, samples.keep()):
            pca = um.pca(s, 3)
            nfindr = um.nfindr(s, 3, raw=True)
            models.append(
                [pca, nfindr, um.abundances(s, nfindr), um.kmeans(s, 3), um.nfindr(s, 3, pca=pca)]
            )
        for direct, kept in zip(*models, strict=True):
            np.testing.assert_array_equal(host(direct.maps), host(kept.maps))
            np.testing.assert_array_equal(host(direct.components), host(kept.components))

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_values_are_the_same_to_the_last_place(self, backend, dtype):
        samples = spectra(backend, dtype)
        got, expected = host(samples.keep().to_array()), host(samples.to_array())
        np.testing.assert_array_max_ulp(got, expected, 1)

    def test_reads_the_source_once(self, monkeypatch):
        calls = []
        true = um.ops.window_fft
        monkeypatch.setattr(um.ops, "window_fft", lambda *a, **k: calls.append(1) or true(*a, **k))
        kept = spectra(Backend.NUMPY).keep()
        assert len(calls) == 1
        um.pca(kept, 2)
        kept.normalize("minmax", over="all").to_array()
        assert len(calls) == 1

    def test_a_file_holds_the_same_bits(self, backend, tmp_path, small_tiles):
        mask = np.random.default_rng(1).random((3, 3, 4)) < 0.7
        for i, samples in enumerate((spectra(backend), spectra(backend, np.float32).where(mask))):
            kept = samples.keep(tmp_path / f"{i}.npy")
            assert not kept.source.in_memory
            assert kept.plan() == samples.plan()
            np.testing.assert_array_equal(kept.to_array(), host(samples.keep().to_array()))
            if backend is Backend.NUMPY:
                one, two = um.pca(kept, 3), um.pca(samples, 3)
                np.testing.assert_array_equal(one.maps, two.maps)
                np.testing.assert_array_equal(one.components, two.components)

    def test_a_file_is_there_whole_or_not_at_all(self, tmp_path):
        values = movie()
        np.save(tmp_path / "in.npy", np.where(values == values.max(), np.nan, values))
        samples = um.samples(np.load(tmp_path / "in.npy", mmap_mode="r"), 1)
        with pytest.raises(um.DataError, match="NaN or infinite"):
            samples.keep(tmp_path / "out.npy")
        assert [p.name for p in tmp_path.iterdir()] == ["in.npy"]
        with pytest.raises(um.FileError, match="is there already"):
            samples.keep(tmp_path / "in.npy")

    def test_says_so_in_the_record_and_changes_nothing_else(self, backend):
        samples = spectra(backend)
        kept = samples.keep()
        assert [s.operation for s in kept.record.steps[-2:]] == ["window_fft", "keep"]
        assert kept.layout is samples.layout
        assert repr(kept) == repr(samples)

    def test_kept_windows_can_be_described_and_laid_back(self, backend):
        images = movie()
        mask = np.ones((3, 3, 4), bool)
        mask[0, 1, 1] = False
        windows = um.sliding_windows(backend.asarray(images), WINDOW, STEP)
        kept = windows.where(mask).keep()
        expected = np.where(mask[..., None, None], full_planes(images), np.nan)
        assert_close(um.window_fft(kept).to_array(), expected)
        back = host(um.overlap_add(windows.keep()).to_array())
        np.testing.assert_allclose(back[:, :14, :22], images[:, :14, :22])


# -- data that is read block by block --------------------------------------------------------------


class Chunked:
    """An array that is stored in chunks, and says which blocks were read."""

    def __init__(self, values, chunks):
        self.values, self.chunks, self.read = values, chunks, []
        self.shape, self.dtype = values.shape, values.dtype

    def __getitem__(self, key):
        self.read.append(key)
        return self.values[key]


class TestLazily:
    @pytest.fixture
    def on_disk(self, tmp_path):
        def save(values):
            np.save(tmp_path / "data.npy", values)
            return np.load(tmp_path / "data.npy", mmap_mode="r")

        return save

    @pytest.mark.parametrize("dtype", [np.uint8, np.float16, ">u2", ">f4", np.float64])
    def test_memory_maps_give_what_arrays_give(self, on_disk, small_tiles, dtype):
        values = (movie(shape=(5, 6, 7, 8)) * 200).astype(dtype)
        lazy = um.samples(on_disk(values), (2, 0))
        loaded = um.samples(values, (2, 0))
        assert len(lazy.plan()) > 1
        assert type(next(lazy.tiles()).rows) is np.ndarray
        np.testing.assert_array_equal(lazy.to_array(), loaded.to_array())
        for fit in (um.pca, um.kmeans):
            np.testing.assert_array_equal(fit(lazy, 2).maps, fit(loaded, 2).maps)

    def test_windows_of_a_memory_map(self, on_disk):
        samples = um.window_fft(um.sliding_windows(um.samples(on_disk(movie()), 3), WINDOW, STEP))
        assert_close(samples.to_array(), full_planes(movie()))
        bare = um.window_fft(um.sliding_windows(on_disk(movie()), WINDOW, STEP))
        assert_close(bare.to_array(), full_planes(movie()))

    def test_the_first_pass_refuses_nan_and_says_where(self, on_disk, small_tiles):
        values = movie(shape=(40, 5, 6))
        values[33, 4, 2] = np.nan
        for map_axes in (1, (2,), (1, 0)):
            samples = um.samples(on_disk(values), map_axes)  # nothing is read yet
            with pytest.raises(
                um.DataError, match=r"1 values .* the first at \(33, 4, 2\); expect"
            ):
                um.pca(samples, 2)
        samples = um.samples(on_disk(values), 1)[31::2]
        with pytest.raises(um.DataError, match=r"the first at \(33, 4, 2\)"):
            samples.to_array()
        values[33, 4, 2] = np.inf
        with pytest.raises(um.DataError, match="NaN or infinite"):
            um.samples(on_disk(values), 2).normalize("minmax", over="all").to_array()

    def test_nan_in_samples_that_are_left_out_is_no_matter(self, on_disk, small_tiles):
        values = movie(shape=(40, 5, 6))
        values[33] = np.nan
        samples = um.samples(on_disk(values), 1).where(np.arange(40) != 33)
        np.testing.assert_array_equal(samples.to_array(), values)
        assert np.isfinite(um.pca(samples, 2).components).all()

    def test_refuses_what_are_no_numbers(self, on_disk):
        for dtype in (bool, complex, "S3", "M8[s]"):
            with pytest.raises(um.DTypeError, match="expected integers or real floats"):
                um.samples(on_disk(np.zeros((4, 3), dtype)), 1)

    @pytest.mark.parametrize("chunks", [(4, 3, 6), (3, 3, 6), (12, 10, 6), (1, 5, 6), (5, 20, 2)])
    @pytest.mark.parametrize("tile", [1 << 13, 1 << 14, 1 << 20])
    def test_blocks_follow_the_chunks(self, monkeypatch, chunks, tile):
        monkeypatch.setattr(um.config, "TILE_BYTES", tile)
        values = movie(shape=(12, 20, 6))
        data = Chunked(values, chunks)
        samples = um.samples(data, 2)
        data.read.clear()
        np.testing.assert_array_equal(samples.to_array(), values)
        size = tile // (6 * 16)  # samples in a tile
        counts = np.zeros([-(-n // c) for n, c in zip((12, 20, 6), chunks, strict=True)], int)
        for key in data.read:
            along = zip(key, chunks, (12, 20, 6), strict=True)
            counts[
                tuple(slice(s.indices(n)[0] // c, -(-s.indices(n)[1] // c)) for s, c, n in along)
            ] += 1
        np.testing.assert_array_equal(counts, 1)  # each is decompressed once
        whole = chunks[0] * chunks[1] <= 2 * size
        for where in samples.plan():
            for s, c, n in zip(where, chunks[:2], (12, 20), strict=True):
                if whole:
                    assert s.start % c == 0
                    assert s.stop % c == 0 or s.stop == n
            assert np.prod([s.stop - s.start for s in where]) <= (2 * size if whole else size)

    def test_chunks_along_map_axes_that_do_not_lead(self):
        values = movie(shape=(6, 12, 20))
        data = Chunked(values, (6, 4, 5))
        samples = um.samples(data, (2, 1))
        assert samples.source.chunks == (5, 4)
        np.testing.assert_array_equal(samples.to_array(), values.transpose(2, 1, 0))


class TestDtypes:
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, ">u2", np.float16, ">f4", ">f8"])
    def test_images_of_any_type_have_the_same_spectra(self, dtype):
        values = (movie() * 200).astype(dtype)
        for images in (values, np.asfortranarray(values), np.repeat(values, 2, axis=2)[..., ::2]):
            got = um.window_fft(um.sliding_windows(images, WINDOW, STEP)).to_array()
            assert_close(got, full_planes(values), np.float32 if dtype != ">f8" else np.float64)
            assert got.dtype.isnative
