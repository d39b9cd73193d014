"""Geometry: half planes that count like whole ones, selections, and the windows of a grid."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import plane_shapes, seeds, table

from unmix._axes import Axis, describe_axes, normal_slices
from unmix._errors import ShapeError
from unmix.layout import HalfPlane, Layout, WindowGrid

limits = st.none() | st.floats(0.0, 0.75)
"""k_max: none, inside the plane, and beyond it."""


def whole_planes(images, pitch, k_max):
    """Return the centred FFTs of images, cropped, and which rows and columns are kept."""
    n_y, n_x = images.shape[-2:]
    plane = np.fft.fftshift(np.fft.fft2(images), axes=(-2, -1))
    keep = []
    for n, p in zip((n_y, n_x), pitch, strict=True):
        k = np.fft.fftshift(np.fft.fftfreq(n, p))
        keep.append(np.ones(n, bool) if k_max is None else np.abs(k) <= k_max * (1 + 1e-9))
    return plane[..., keep[0], :][..., keep[1]], keep


def stored(images, plane):
    """Return the features that a half plane keeps of images, (k, n_features)."""
    half = np.fft.rfft2(images)[:, plane.rows, :][:, :, plane.columns]
    return half.reshape(len(images), -1)


def spectra(plane):
    """Return a layout of spectra."""
    return Layout((Axis.regular("sample", 3),), plane.axes, plane.index)


@st.composite
def layouts(draw, *, most=9):
    """Draw the layout of half planes, some entries left out, and full planes (k, y, x).

    The planes are symmetric, as amplitudes of real images are.
    """
    shape = draw(plane_shapes(most=most))
    plane = HalfPlane.of(shape, (1.0, 1.0), "1/px", draw(limits))
    layout = spectra(plane)
    values = np.abs(table(draw(seeds), (4, *shape)))
    full = np.abs(whole_planes(values, (1, 1), None)[0])
    full = full[:, np.isin(np.fft.fftshift(np.fft.fftfreq(shape[0])), plane.axes[0].values), :]
    full = full[:, :, np.isin(np.fft.fftshift(np.fft.fftfreq(shape[1])), plane.axes[1].values)]
    if draw(st.booleans()):
        kept = np.random.default_rng(draw(seeds)).random(layout.descriptor_shape) < 0.6
        assume(kept.any())
        layout, _ = layout.select_entries(kept)
    return layout, full


class TestHalfPlane:
    @given(
        shape=plane_shapes(),
        pitch=st.tuples(st.sampled_from([1.0, 0.25]), st.sampled_from([1.0, 3.0])),
        k_max=limits,
        seed=seeds,
    )
    def test_gives_the_whole_plane_back(self, shape, pitch, k_max, seed):
        images = table(seed, (3, *shape))
        expected, keep = whole_planes(images, pitch, k_max)
        plane = HalfPlane.of(shape, pitch, "1/nm", k_max)
        entries = stored(images, plane)[:, plane.index.ravel()].reshape(expected.shape)
        np.testing.assert_allclose(np.abs(entries), np.abs(expected), atol=1e-12)
        entries = np.where(plane.mirrored, entries.conj(), entries)
        np.testing.assert_allclose(entries, expected, atol=1e-12)
        for axis, name, n, p, kept in zip(
            plane.axes, ("k_y", "k_x"), shape, pitch, keep, strict=True
        ):
            k = np.fft.fftshift(np.fft.fftfreq(n, p))[kept]
            assert (axis.name, axis.units) == (name, "1/nm")
            np.testing.assert_allclose(axis.values, k, rtol=1e-14)
            assert np.all(np.diff(axis.values) > 0)

    @given(shape=plane_shapes(), k_max=limits, seed=seeds)
    def test_counts_each_entry_once(self, shape, k_max, seed):
        plane = HalfPlane.of(shape, (1.0, 1.0), "", k_max)
        layout = spectra(plane)
        counts = np.bincount(plane.index.ravel())
        assert len(counts) == len(plane.rows) * len(plane.columns) == layout.n_features
        assert counts.min() >= 1, "a feature is stored that no entry needs"
        assert counts.sum() == np.prod(layout.descriptor_shape)
        if layout.multiplicity is not None:
            np.testing.assert_array_equal(layout.multiplicity, counts)
        # one at k_x = 0 and at the border of an even width, two elsewhere; nothing along k_y
        columns = plane.columns
        single = (columns == 0) | (2 * columns == shape[1])
        expected = np.tile(np.where(single, 1, 2), len(plane.rows))
        np.testing.assert_array_equal(counts, expected)

    @given(
        shape=plane_shapes(),
        k_max=limits,
        seed=seeds,
        g=st.sampled_from([np.abs, np.log1p, np.sqrt, np.square]),
    )
    def test_distances_and_angles_are_those_of_the_whole_plane(
        self, backend, shape, k_max, seed, g
    ):
        images = table(seed, (4, *shape))
        layout = spectra(plane := HalfPlane.of(shape, (1.0, 1.0), "", k_max))
        rows = g(np.abs(stored(images, plane)))
        weights = layout.weights(backend.asarray(rows))
        packed = rows if weights is None else backend.numpy(backend.asarray(rows) * weights)
        full = g(np.abs(whole_planes(images, (1, 1), k_max)[0])).reshape(4, -1)
        scale = 1e-12 * (full**2).sum()
        np.testing.assert_allclose(packed @ packed.T, full @ full.T, atol=scale)
        np.testing.assert_allclose(
            ((packed[:, None] - packed) ** 2).sum(-1),
            ((full[:, None] - full) ** 2).sum(-1),
            atol=scale,
        )
        # giving a full plane is the same as describing the image
        given_whole = layout.pack(backend.asarray(full.reshape(4, *layout.descriptor_shape)))
        np.testing.assert_allclose(backend.numpy(given_whole), packed, atol=1e-10)

    @given(shape=plane_shapes(), k_max=st.floats(0, 0.6))
    def test_crops_to_what_was_asked_for(self, shape, k_max):
        plane = HalfPlane.of(shape, (0.5, 2.0), "", k_max)
        for axis, n, p in zip(plane.axes, shape, (0.5, 2.0), strict=True):
            assert np.all(np.abs(axis.values) <= k_max * (1 + 1e-8))
            assert 0.0 in axis.values
            every = np.abs(np.fft.fftfreq(n, p))
            assert axis.size == np.sum(every <= k_max * (1 + 1e-9))

    def test_keeps_a_limit_that_is_a_frequency_itself(self):
        # 0.3 is no binary fraction: the entry at the limit must not fall to rounding
        plane = HalfPlane.of((10, 20), (1.0, 1.0), "", 0.3)
        np.testing.assert_allclose(plane.axes[0].values, np.arange(-3, 4) / 10)
        np.testing.assert_allclose(plane.axes[1].values, np.arange(-6, 7) / 20)
        plane = HalfPlane.of((64, 64), (0.0213, 0.0213), "", 7 / 64 / 0.0213)
        assert plane.axes[0].size == 15


class TestPacking:
    @given(drawn=layouts())
    def test_round_trip(self, backend, drawn):
        layout, full = drawn
        packed = layout.pack(backend.asarray(full))
        assert tuple(packed.shape) == (4, layout.n_features)
        back = layout.unpack(packed)
        assert backend.owns(back)
        kept = np.ones(full.shape[1:], bool) if layout.index is None else layout.index >= 0
        expected = np.where(kept, full, np.nan)
        np.testing.assert_allclose(backend.numpy(back), expected, atol=1e-13)
        # and once more: unpacked planes, NaN and all, are what users give back
        again = layout.pack(back)
        np.testing.assert_allclose(backend.numpy(again), backend.numpy(packed), rtol=1e-14)

    @given(drawn=layouts())
    def test_gram_matrix_is_that_of_the_entries_kept(self, backend, drawn):
        layout, full = drawn
        kept = np.ones(full.shape[1:], bool) if layout.index is None else layout.index >= 0
        entries = full[:, kept]
        packed = backend.numpy(layout.pack(backend.asarray(full)))
        np.testing.assert_allclose(packed @ packed.T, entries @ entries.T, rtol=1e-12)

    @given(drawn=layouts())
    def test_unweighted_rows_are_plain_values(self, backend, drawn):
        layout, _ = drawn
        plain = np.arange(1.0, layout.n_features + 1)[None]
        got = backend.numpy(layout.unpack(backend.asarray(plain), weighted=False))[0]
        if layout.index is None:
            expected = plain.reshape(layout.descriptor_shape)
        else:
            expected = np.where(layout.index < 0, np.nan, plain[0][np.maximum(layout.index, 0)])
        np.testing.assert_array_equal(got, expected)

    def test_keeps_the_dtype(self, backend):
        layout = spectra(HalfPlane.of((4, 6), (1.0, 1.0), "", None))
        packed = layout.pack(backend.asarray(np.ones((2, 4, 6)), "float32"))
        assert packed.dtype == backend.xp.float32
        assert layout.unpack(packed).dtype == backend.xp.float32

    def test_half_of_the_mirrored_pairs_counts_once(self):
        layout = spectra(plane := HalfPlane.of((6, 7), (1.0, 1.0), "", None))
        half, features = layout.select_entries(
            np.broadcast_to(plane.axes[1].values >= 0, plane.index.shape)
        )
        np.testing.assert_array_equal(features, np.arange(layout.n_features))
        assert half.multiplicity is None
        assert half.n_features == layout.n_features == 6 * 4
        one = np.zeros((6, 7), bool)
        one[1, 2] = one[0, 3] = one[2, 5] = True
        rest, features = layout.select_entries(one)
        assert rest.n_features == len(features) == 3
        assert rest.multiplicity is None
        # an entry and its mirror image are one feature that counts twice
        pair = np.zeros((6, 7), bool)
        pair[2, 1] = pair[4, 5] = pair[3, 3] = True
        both, features = layout.select_entries(pair)
        assert len(features) == 2
        np.testing.assert_array_equal(np.sort(both.multiplicity), [1, 2])


def planes(layout, values):
    """Spread features (n_features,) over R: NaN where it has no feature."""
    if layout.index is None:
        return values.reshape(layout.descriptor_shape)
    return np.where(layout.index < 0, np.nan, values[np.maximum(layout.index, 0)])


class TestSelection:
    @given(drawn=layouts(), seed=seeds)
    def test_of_entries_takes_the_right_features(self, drawn, seed):
        layout, _ = drawn
        kept = np.random.default_rng(seed).random(layout.descriptor_shape) < 0.5
        values = np.random.default_rng(seed).random(layout.n_features)
        before = planes(layout, values)
        if not np.any(kept & ~np.isnan(before)):
            with pytest.raises(
                ShapeError, match="leaves no entry of the descriptor; keep at least"
            ):
                layout.select_entries(kept)
            return
        smaller, features = layout.select_entries(kept)
        assert smaller.descriptor_shape == layout.descriptor_shape
        assert smaller.n_features == len(features)
        expected = np.where(kept, before, np.nan)
        np.testing.assert_array_equal(planes(smaller, values[features]), expected)

    @given(drawn=layouts(), data=st.data())
    def test_of_a_block_takes_the_right_features(self, drawn, data):
        layout, _ = drawn
        key, drop = [], []
        for axis, n in enumerate(layout.descriptor_shape):
            start = data.draw(st.integers(0, n - 1))
            stop = data.draw(st.integers(start + 1, n))
            key.append(slice(start, stop, data.draw(st.integers(1, 3))))
            if len(range(n)[key[-1]]) == 1 and data.draw(st.booleans()):
                drop.append(axis)
        values = np.random.default_rng(0).random(layout.n_features)
        block = planes(layout, values)[tuple(key)]
        if np.isnan(block).all():
            with pytest.raises(ShapeError, match="leaves no entry"):
                layout.crop_entries(tuple(key), tuple(drop))
            return
        smaller, features = layout.crop_entries(tuple(key), tuple(drop))
        assert smaller.n_features == len(features)
        np.testing.assert_array_equal(
            planes(smaller, values[features]), np.squeeze(block, axis=tuple(drop))
        )
        left = [a for i, a in enumerate(layout.descriptor_axes) if i not in drop]
        slices = [s for i, s in enumerate(key) if i not in drop]
        assert smaller.descriptor_shape == tuple(
            a.values[s].size for a, s in zip(left, slices, strict=True)
        )
        for new, old, s in zip(smaller.descriptor_axes, left, slices, strict=True):
            assert (new.name, new.units) == (old.name, old.units)
            np.testing.assert_array_equal(new.values, old.values[s])

    def test_of_everything_is_plain_again(self):
        layout = Layout((Axis.regular("sample", 2),), (Axis.regular("bin", 5),))
        same, features = layout.select_entries(np.ones(5, bool))
        assert same.index is None
        np.testing.assert_array_equal(features, np.arange(5))

    @given(data=st.data(), seed=seeds)
    def test_of_the_map_keeps_axes_mask_and_windows_together(self, data, seed):
        rng = np.random.default_rng(seed)
        grid = WindowGrid(
            (40, 50), (8, 6), (4, 5), (np.arange(0, 33, 4), np.arange(0, 45, 5)), "valid"
        )
        shape = (3, *(len(c) for c in grid.corners))
        mask = rng.random(shape) < 0.8
        axes = [Axis("frame", np.arange(3.0), "s")]
        axes += [Axis(n, c, "px") for n, c in zip(("grid_y", "grid_x"), grid.centers, strict=True)]
        layout = Layout(tuple(axes), (), mask=mask, windows=grid)
        key, drop = [], []
        for axis, n in enumerate(shape):
            start = data.draw(st.integers(0, n - 1))
            key.append(
                slice(start, data.draw(st.integers(start + 1, n)), data.draw(st.integers(1, 3)))
            )
            if len(range(n)[key[-1]]) == 1 and data.draw(st.booleans()):
                drop.append(axis)
        assume(mask[tuple(key)].any())
        part = layout.select_map(tuple(key), tuple(drop))
        expected = np.squeeze(mask[tuple(key)], axis=tuple(drop))
        np.testing.assert_array_equal(part.mask, expected)
        assert part.map_shape == expected.shape
        assert part.n_samples == expected.sum()
        left = [(a, s) for i, (a, s) in enumerate(zip(axes, key, strict=True)) if i not in drop]
        for new, (old, s) in zip(part.map_axes, left, strict=True):
            np.testing.assert_array_equal(new.values, old.values[s])
        if {1, 2} & set(drop):
            assert part.windows is None
            return
        y, x = (c[s] for c, s in zip(grid.corners, key[1:], strict=True))
        np.testing.assert_array_equal(part.windows.corners[0], y)
        np.testing.assert_array_equal(part.windows.corners[1], x)
        for corners, step in zip((y, x), part.windows.step, strict=True):
            assert np.all(np.diff(corners) == step), "the step is the distance between windows"

    def test_of_a_map_without_samples_is_refused(self):
        mask = np.array([[True, True], [False, False]])
        layout = Layout((Axis.regular("y", 2), Axis.regular("x", 2)), (), mask=mask)
        with pytest.raises(
            ShapeError, match="every sample of the block is left out; keep at least"
        ):
            layout.select_map((slice(1, 2), slice(0, 2)))


class TestNumbers:
    @given(data=st.data(), seed=seeds)
    def test_are_those_of_the_whole_map(self, data, seed):
        shape = tuple(data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=3)))
        where = tuple(
            slice(start := data.draw(st.integers(0, n - 1)), data.draw(st.integers(start + 1, n)))
            for n in shape
        )
        axes = tuple(Axis.regular(f"a{i}", n, start=i, spacing=0.5) for i, n in enumerate(shape))
        every = np.arange(np.prod(shape)).reshape(shape)
        plain = Layout(axes, ())
        np.testing.assert_array_equal(plain.numbers(where), every[where].ravel())
        assert plain.kept(where) is None
        assert plain.n_samples == every.size
        mask = np.random.default_rng(seed).random(shape) < 0.5
        masked = Layout(axes, (), mask=mask)
        np.testing.assert_array_equal(masked.numbers(where), every[where][mask[where]])
        kept = masked.kept(where)
        assert (kept is None) == bool(mask[where].all())
        of_block = every[where].ravel()
        taken = of_block if kept is None else of_block[kept]
        np.testing.assert_array_equal(taken, masked.numbers(where))
        numbers = masked.numbers(where)
        positions = plain.positions(numbers)
        assert positions.shape == (len(numbers), len(shape))
        expected = [
            [a.values[i] for a, i in zip(axes, place, strict=True)]
            for place in np.argwhere(mask & np.isin(every, every[where]))
        ]
        np.testing.assert_array_equal(positions, np.reshape(expected, positions.shape))


class TestSlices:
    @given(data=st.data())
    def test_select_what_numpy_selects(self, data):
        shape = tuple(data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=4)))
        key = []
        for n in shape[: data.draw(st.integers(0, len(shape)))]:
            if data.draw(st.booleans()):
                key.append(data.draw(st.integers(-n, n - 1)))
            else:
                bound = st.none() | st.integers(-n - 2, n + 2)
                key.append(
                    slice(
                        data.draw(bound), data.draw(bound), data.draw(st.none() | st.integers(1, 4))
                    )
                )
        if data.draw(st.booleans()):
            at = data.draw(st.integers(0, len(key)))
            last = len(shape) - (len(key) - at)
            # what stands behind the ellipsis belongs to the last axes
            tail = [
                k if isinstance(k, slice) else k % shape[last + i] for i, k in enumerate(key[at:])
            ]
            key = [*key[:at], Ellipsis, *tail]
        array = np.arange(np.prod(shape)).reshape(shape)
        expected = array[tuple(key)]
        if expected.size == 0:
            with pytest.raises(ShapeError, match="is empty or runs backwards"):
                normal_slices(tuple(key), shape)
            return
        slices, dropped = normal_slices(tuple(key), shape)
        assert len(slices) == len(shape)
        for s, n in zip(slices, shape, strict=True):
            assert 0 <= s.start < s.stop <= n
            assert s.step >= 1
        got = np.squeeze(array[slices], axis=dropped)
        assert got.shape == expected.shape
        np.testing.assert_array_equal(got, expected)

    @pytest.mark.parametrize(
        ("key", "message"),
        [
            ((0, 0, 0), "3 indices came for 2 axes of sizes (4, 5)"),
            ((..., 0, 0, 0), "3 indices came for 2 axes"),
            ((4,), "index 4 is outside of axis 0 of 4 entries"),
            ((0, -6), "index -6 is outside of axis 1 of 5 entries"),
            ((slice(None, None, -1),), "is empty or runs backwards; expected at least one entry"),
            ((slice(3, 3),), "slice(3, 3, None) of axis 0 of 4 entries is empty"),
            ((slice(9, None),), "is empty or runs backwards"),
            (([0, 1],), "the index [0, 1] is a list; expected whole numbers and slices"),
            ((None,), "is a NoneType; expected whole numbers and slices"),
            ((1.0,), "the index 1.0 is a float; expected whole numbers and slices"),
            (
                (True,),
                "the index True is a bool; expected whole numbers and slices (for masks there",
            ),
            ((np.array([True] * 4),), "is a ndarray; expected whole numbers and slices (for masks"),
            ((..., ...), "is a ellipsis; expected whole numbers and slices"),
        ],
    )
    def test_refuse_all_else(self, key, message):
        with pytest.raises(ShapeError, match=re.escape(message)):
            normal_slices(key, (4, 5))


class TestAxes:
    @pytest.mark.parametrize(
        ("axes", "text"),
        [
            ((), "no axes"),
            (
                (Axis.regular("k_y", 32, units="1/nm"), Axis.regular("k_x", 7, units="1/nm")),
                "k_y 32 x k_x 7 (1/nm)",
            ),
            ((Axis.regular("component", 3, units=""),), "component 3"),
            ((Axis.regular("frame", 2), Axis.regular("y", 5)), "frame 2 x y 5 (px)"),
        ],
    )
    def test_are_said_in_words(self, axes, text):
        assert describe_axes(axes) == text

    def test_have_a_spacing(self):
        assert Axis.regular("x", 5, start=3, spacing=0.25).spacing == 0.25
        np.testing.assert_array_equal(Axis.regular("x", 3, start=1, spacing=2).values, [1, 3, 5])
        assert Axis.regular("x", 1, spacing=7).spacing == 1

    @pytest.mark.parametrize("scale", [1.0, 1e-10, 1e9])
    def test_are_compared_at_the_scale_of_their_unit(self, scale):
        here = Axis.regular("x", 64, start=scale, spacing=scale, units="m")
        assert here.same_as(Axis("x", here.values * (1 + 1e-9), "m"))
        others = [
            Axis("x", here.values * 1.01, "m"),
            Axis("x", here.values + scale, "m"),
            Axis("x", here.values, "nm"),
            Axis("y", here.values, "m"),
            Axis("x", here.values[:-1], "m"),
        ]
        assert not any(here.same_as(other) for other in others)
        one = Axis("x", np.array([scale]), "m")
        assert one.same_as(Axis("x", one.values.copy(), "m"))
        assert not one.same_as(Axis("x", 2 * one.values, "m"))
        zero = Axis("x", np.zeros(1), "m")
        assert zero.same_as(zero)


class TestSameDescriptor:
    LAYOUT = spectra(HalfPlane.of((6, 8), (1.0, 1.0), "1/px", None))

    def test_is_accepted(self):
        self.LAYOUT.require_same_descriptor(spectra(HalfPlane.of((6, 8), (1.0, 1.0), "1/px", None)))

    @pytest.mark.parametrize(
        "other",
        [
            spectra(HalfPlane.of((6, 8), (1.0, 1.0), "1/nm", None)),
            spectra(HalfPlane.of((6, 8), (0.5, 0.5), "1/px", None)),
            spectra(HalfPlane.of((6, 8), (1.0, 1.0), "1/px", 0.25)),
            Layout(LAYOUT.map_axes, LAYOUT.descriptor_axes[:1]),
        ],
    )
    def test_of_other_axes_is_refused_with_both(self, other):
        message = f"{describe_axes(other.descriptor_axes)}, but the model by k_y 6 x k_x 8 (1/px)"
        with pytest.raises(ShapeError, match=re.escape(message)):
            self.LAYOUT.require_same_descriptor(other)

    def test_with_other_entries_left_out_is_refused(self):
        mask = np.ones((6, 8), bool)
        mask[0] = False
        other, _ = self.LAYOUT.select_entries(mask)
        for a, b in ((self.LAYOUT, other), (other, self.LAYOUT)):
            with pytest.raises(ShapeError, match="leave out other entries of the descriptor than"):
                a.require_same_descriptor(b)


class TestWindowGrid:
    @given(
        shape=st.tuples(st.integers(1, 20), st.integers(1, 20)),
        window=st.tuples(st.integers(1, 9), st.integers(1, 9)),
        step=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    )
    def test_coverage_is_the_share_of_pixels_inside(self, shape, window, step):
        corners = tuple(
            np.arange(-w + 1 - s, n + s, s) for n, w, s in zip(shape, window, step, strict=True)
        )
        grid = WindowGrid(shape, window, step, corners, "constant")
        inside = np.zeros((shape[0] + 40, shape[1] + 40))
        inside[20 : 20 + shape[0], 20 : 20 + shape[1]] = 1
        expected = [
            [
                inside[20 + y : 20 + y + window[0], 20 + x : 20 + x + window[1]].mean()
                for x in corners[1]
            ]
            for y in corners[0]
        ]
        np.testing.assert_allclose(grid.coverage, expected, atol=1e-14)

    def test_centres_lie_in_the_middle(self):
        grid = WindowGrid(
            (30, 30), (8, 5), (4, 3), (np.array([0, 4]), np.array([2, 5, 8])), "valid"
        )
        np.testing.assert_array_equal(grid.centers[0], [3.5, 7.5])
        np.testing.assert_array_equal(grid.centers[1], [4, 7, 10])
        np.testing.assert_array_equal(grid.coverage, np.ones((2, 3)))
