"""The kernels of window spectra against the generic operations."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from conftest import on_host
from hypothesis import given
from hypothesis import strategies as st
from tolerances import tolerance

import unmix as um
from unmix import _declines, _fft_shape
from unmix.cuda import spectra
from unmix.cuda.spectra import Spectra
from unmix.layout import HalfPlane

pytestmark = pytest.mark.kernels

DTYPES = (np.uint8, np.uint16, np.int16, np.float16, np.float32)
OUTPUTS = ("amplitude", "power")
SIDES = st.sampled_from(_fft_shape.SIDES)
SEEDS = st.integers(0, 2**32 - 1)
TAPERS = st.sampled_from(sorted(um.ops.COSINE_SUMS))


def drawn(shape, dtype, seed, offset=None):
    """Pixels all over the range of an integer type, or normal numbers."""
    draw = np.random.default_rng(seed)
    kind = np.dtype(dtype)
    if kind.kind in "iu":
        low, high = np.iinfo(kind).min, np.iinfo(kind).max
        values = draw.integers(low, high, shape, endpoint=True)
    else:
        values = draw.standard_normal(shape) * 10
    return (values if offset is None else draw.poisson(30, shape) + offset).astype(kind)


def described(kernels, image, window, step, **options):
    if isinstance(image, np.ndarray):
        image = kernels.xp.asarray(image)
    out = spectra.describe(kernels, Spectra.of(image, window, step, **options))
    assert out.dtype == np.float32
    return on_host(out)


def described_by_cufft(kernels, image, window, step, **options):
    task = Spectra.of(kernels.xp.asarray(image), window, step, **options)
    return on_host(spectra.describe_any(kernels, task))


def projected(kernels, image, window, step, vectors, *, limit=_declines.MOST_SHARED, **options):
    xp = kernels.xp
    offset = options.pop("offset", None)
    offset = None if offset is None else xp.asarray(offset)
    task = Spectra.of(xp.asarray(image), window, step, **options)
    out = spectra.project(kernels, task, xp.asarray(vectors), offset, limit)
    assert out.dtype == np.float32
    return on_host(out)


def reference(image, window, step, **options):
    """Spectra of the generic operation in float64."""
    return um.ops.window_fft(image.astype(np.float64), window, step, impl="generic", **options)


def agree(ours, theirs, image, output="amplitude", whole=None):
    """Every window to rounding, relative to the largest entry of its whole spectrum."""
    assert ours.shape == theirs.shape
    own = np.max(theirs if whole is None else whole, axis=(-2, -1), keepdims=True, initial=0)
    # a constant far from zero is off by rounding of rounding
    least = 1e-11 * float(np.max(np.abs(image.astype(float)), initial=0))
    factor = 1 if output == "amplitude" else 2
    near = factor * tolerance("window_fft", np.float32) * own + least**factor
    assert np.all(np.abs(ours - theirs) <= near), np.max(np.abs(ours - theirs) / near)


def plane(window, k_max):
    half = HalfPlane.of(window, (1.0, 1.0), "", k_max)
    return {"rows": half.rows, "columns": half.columns}


@given(
    window=st.tuples(SIDES, SIDES),
    more=st.tuples(st.integers(0, 60), st.integers(0, 60)),
    step=st.tuples(st.integers(1, 41), st.integers(1, 41)),
    lead=st.sampled_from([(), (), (1,), (3,), (2, 2)]),
    dtype=st.sampled_from(DTYPES),
    taper=TAPERS,
    output=st.sampled_from(OUTPUTS),
    seed=SEEDS,
)
def test_agrees_on_any_window_step_and_stack(
    kernels, window, more, step, lead, dtype, taper, output, seed
):
    # few windows of many pixels, many of few
    n_y, n_x = window
    most = max(1, 150_000 // (n_y * n_x * int(np.prod(lead))))
    while (more[0] // step[0] + 1) * (more[1] // step[1] + 1) > most:
        step = (step[0] + 1, step[1] + 1)
    image = drawn((*lead, n_y + more[0], n_x + more[1]), dtype, seed)
    options = {"taper": taper, "output": output}
    ours = described(kernels, image, (n_y, n_x), step, **options)
    agree(ours, reference(image, (n_y, n_x), step, **options), image, output)


@pytest.mark.parametrize("n_y", _fft_shape.SIDES)
@pytest.mark.parametrize("n_x", _fft_shape.SIDES)
def test_agrees_on_each_pair_of_sides(kernels, n_y, n_x):
    image = drawn((n_y + 9, n_x + 14), np.uint16, n_y * 1000 + n_x)
    ours = described(kernels, image, (n_y, n_x), (9, 7))
    agree(ours, reference(image, (n_y, n_x), (9, 7)), image)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", [1, 2, 3, 63, 64, 65, 129])
def test_any_number_of_windows(kernels, dtype, count):
    image = drawn((8, 8 + 3 * (count - 1)), dtype, count)
    agree(described(kernels, image, 8, 3), reference(image, 8, 3), image)


@given(
    window=st.tuples(SIDES, SIDES),
    k_max=st.floats(0.01, 0.5),
    shuffle=st.booleans(),
    seed=SEEDS,
)
def test_crops_to_the_rows_and_columns_that_are_asked_for(kernels, window, k_max, shuffle, seed):
    image = drawn((window[0] + 5, window[1] + 11), np.uint16, seed)
    kept = plane(window, k_max)
    if shuffle:  # in any order
        draw = np.random.default_rng(seed)
        kept = {name: draw.permutation(numbers) for name, numbers in kept.items()}
    ours = described(kernels, image, window, (5, 3), **kept)
    whole = reference(image, window, (5, 3))
    agree(ours, whole[..., kept["rows"], :][..., kept["columns"]], image, whole=whole)


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float16, np.float32])
@pytest.mark.parametrize("window", [(8, 8), (64, 64), (128, 32)])
def test_an_offset_costs_no_digits(kernels, dtype, window):
    image = drawn((140, 150), dtype, 5, offset=30_000 if dtype != np.float16 else 500)
    ours = described(kernels, image, window, (11, 13), taper="boxcar")
    theirs = reference(image, window, (11, 13), taper="boxcar")
    agree(ours, theirs, image)
    # the mean is off: what is left at zero frequency is rounding of the contrast, not of the offset
    assert np.max(ours[..., 0, 0]) < 1e-5 * np.max(theirs)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_constant_image_has_no_spectrum(kernels, dtype):
    image = np.full((70, 70), 201, dtype=dtype)
    assert np.max(described(kernels, image, 32, 19)) < 1e-9


def test_every_half_precision_number_is_read(kernels):
    bits = np.arange(2**16, dtype=np.uint16).view(np.float16)
    finite = bits[np.isfinite(bits)]
    image = np.zeros((8, 8 * len(finite)), np.float16)
    image[0, ::8] = finite
    ours = described(kernels, image, 8, 8, taper="boxcar")
    # one pixel is not zero: |F| is |value| / 8 everywhere but at zero frequency
    np.testing.assert_allclose(ours[0, :, 3, 2], np.abs(finite.astype(float)) / 8, rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_bad_pixel_spoils_its_own_windows_alone(kernels, dtype, bad):
    image = drawn((64, 64), dtype, 1)
    clean = described(kernels, image, 8, 8)
    image[20, 30] = bad
    spoiled = described(kernels, image, 8, 8)
    assert np.all(np.isnan(spoiled[2, 3]))
    spoiled[2, 3] = clean[2, 3]
    np.testing.assert_array_equal(spoiled, clean)


@pytest.mark.parametrize("window", [(8, 8), (16, 8), (32, 32), (64, 64), (8, 128)])
def test_a_window_does_not_depend_on_what_lies_beside_it(kernels, window):
    image = drawn((3, window[0] + 20, window[1] + 33), np.float32, 3)
    whole = described(kernels, image, window, (10, 11))
    for i, y, x in [(0, 0, 0), (1, 1, 2), (2, 2, 3)]:
        one = image[i, 10 * y : 10 * y + window[0], 11 * x : 11 * x + window[1]]
        np.testing.assert_array_equal(described(kernels, one, window, 1)[0, 0], whole[i, y, x])


@pytest.mark.parametrize("form", ["crop", "crop of a stack", "transposed", "backwards", "steps"])
def test_reads_views_where_they_lie(kernels, form):
    image = kernels.xp.asarray(drawn((5, 90, 120), np.uint16, 7))
    view = {
        "crop": image[2, 3:80, 5:111],
        "crop of a stack": image[1::2, 3:80, 5:111],
        "transposed": image[0].T,
        "backwards": image[0, ::-1],
        "steps": image[:, :, ::2],
    }[form]
    agree(
        described(kernels, view, (16, 32), (7, 9)),
        reference(on_host(view), (16, 32), (7, 9)),
        on_host(view),
    )


def test_each_block_takes_many_windows_of_a_large_grid(kernels, monkeypatch):
    monkeypatch.setattr(spectra, "LEAST_BLOCKS", 2)
    image = drawn((64, 300), np.uint8, 2)
    agree(described(kernels, image, 8, 3), reference(image, 8, 3), image)


def test_no_image_gives_no_spectra(kernels):
    assert described(kernels, np.zeros((0, 20, 20), np.uint8), 8, 4).shape == (0, 4, 4, 8, 5)
    none = described(kernels, np.zeros((20, 20), np.uint8), 8, 4, rows=np.zeros(0, int))
    assert none.shape == (4, 4, 0, 5)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
@pytest.mark.parametrize("window", [(8, 8), (16, 64), (64, 64), (128, 64), (32, 128), (128, 128)])
def test_any_order_of_threads_gives_the_same_bits(orders, window, dtype):
    image = drawn((140, 139), dtype, 11)
    kept = plane(window, 0.4)
    first, *rest = (described(k, image, window, (7, 9), **kept) for k in orders)
    for other in rest:
        assert other.tobytes() == first.tobytes()


class TestProjection:
    @given(
        window=st.tuples(SIDES, SIDES),
        width=st.integers(1, 32),
        k_max=st.one_of(st.none(), st.floats(0.05, 0.5)),
        dtype=st.sampled_from(DTYPES),
        output=st.sampled_from(OUTPUTS),
        limit=st.sampled_from([48, 64, 99, 227]),
        extras=st.booleans(),
        seed=SEEDS,
    )
    def test_agrees(self, kernels, window, width, k_max, dtype, output, limit, extras, seed):
        image = drawn((2, window[0] + 13, window[1] + 17), dtype, seed)
        kept = plane(window, k_max)
        features = len(kept["rows"]) * len(kept["columns"])
        draw = np.random.default_rng(seed)
        options = {"output": output, "taper": "hamming", **kept}
        vectors = draw.standard_normal((features, width)).astype(np.float32)
        if extras:
            options["offset"] = draw.standard_normal(width).astype(np.float32)
        ours = projected(kernels, image, window, (6, 8), vectors, limit=limit * 1024, **options)
        theirs = um.ops.window_project(
            image.astype(float), window, (6, 8), vectors, impl="generic", **options
        )
        assert ours.shape == theirs.shape
        most = um.ops.window_project(
            image.astype(float), window, (6, 8), np.abs(vectors), **(options | {"offset": None})
        )
        factor = 1 if output == "amplitude" else 2
        near = factor * tolerance("window_project", np.float32) * (most + 1)
        assert np.all(np.abs(ours - theirs) <= near), np.max(np.abs(ours - theirs) / near)

    @pytest.mark.parametrize("count", [1, 3, 7, 8, 9, 65])
    def test_any_number_of_windows(self, kernels, count):
        image = drawn((32, 32 + 5 * (count - 1)), np.uint8, count)
        vectors = np.eye(32 * 17, 5, -40, dtype=np.float32)
        ours = projected(kernels, image, 32, 5, vectors)
        np.testing.assert_array_equal(
            ours, described(kernels, image, 32, 5).reshape(1, count, -1)[..., 40:45]
        )

    def test_the_device_has_no_say_in_the_bits(self, kernels):
        image = drawn((90, 99), np.uint16, 4)
        vectors = np.random.default_rng(0).standard_normal((64 * 33, 11)).astype(np.float32)
        first, *rest = (
            projected(kernels, image, 64, 3, vectors, limit=limit * 1024)
            for limit in (48, 64, 99, 163, 227)
        )
        for other in rest:
            assert other.tobytes() == first.tobytes()

    @pytest.mark.parametrize("window", [(8, 8), (64, 32), (128, 128)])
    def test_any_order_of_threads_gives_the_same_bits(self, orders, window):
        image = drawn((140, 139), np.float16, 11)
        vectors = np.random.default_rng(0).standard_normal((window[0] * (window[1] // 2 + 1), 7))
        first, *rest = (projected(k, image, window, (9, 8), vectors) for k in orders)
        for other in rest:
            assert other.tobytes() == first.tobytes()

    def test_refuses_vectors_of_another_length(self, kernels):
        with pytest.raises(um.ShapeError, match=r"expected \(40, l\)"):
            projected(kernels, np.zeros((9, 9), np.uint8), 8, 1, np.zeros((41, 2), np.float32))


class TestAnyWindow:
    @given(
        window=st.tuples(st.integers(2, 40), st.integers(2, 40)),
        pad=st.tuples(st.integers(0, 9), st.integers(0, 9)),
        step=st.tuples(st.integers(1, 9), st.integers(1, 9)),
        dtype=st.sampled_from([*DTYPES, np.float64, np.int32, np.int8]),
        output=st.sampled_from([*OUTPUTS, "complex"]),
        crop=st.booleans(),
        portion=st.sampled_from([1, 30_000, 2**28]),
        seed=SEEDS,
    )
    def test_agrees(self, kernels, window, pad, step, dtype, output, crop, portion, seed):
        image = drawn((2, window[0] + 15, window[1] + 8), dtype, seed)
        image //= 2 ** (image.dtype.itemsize * 8 - 16) if dtype == np.int32 else 1
        shape = (window[0] + pad[0], window[1] + pad[1])
        options = {"taper": "nuttall", "output": output, "fft_shape": shape}
        options |= plane(shape, 0.3) if crop else {}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(spectra, "PORTION", portion)
            ours = described_by_cufft(kernels, image, window, step, **options)
        theirs = reference(image, window, step, **options)
        assert ours.shape == theirs.shape
        kind = um.ops.window_fft(image[:, :40, :40], window, step, **options).dtype
        assert ours.dtype == kind
        near = 2 * tolerance("window_fft", np.empty(0, kind).real.dtype)
        whole = reference(image, window, step, **(options | {"rows": None, "columns": None}))
        own = np.max(np.abs(whole), axis=(-2, -1), keepdims=True)
        assert np.all(np.abs(ours - theirs) <= near * own)

    @pytest.mark.parametrize("dtype", [np.uint8, np.float64])
    def test_any_order_of_threads_gives_the_same_bits(self, orders, dtype):
        image = drawn((90, 80), dtype, 3)
        first, *rest = (described_by_cufft(k, image, (48, 21), (5, 7)) for k in orders)
        for other in rest:
            assert other.tobytes() == first.tobytes()


class TestRoutes:
    """Reasons are given from shapes and types alone."""

    @pytest.mark.parametrize(
        ("dtype", "options", "reason"),
        [
            (np.float64, {}, "the image is float64"),
            (np.int32, {}, "the image is int32"),
            (np.uint8, {"output": "complex"}, "the output is 'complex'"),
            (np.uint8, {"window": 48}, "these are 48 x 48"),
            (np.uint8, {"window": (64, 256)}, "these are 64 x 256"),
            (np.uint8, {"window": (4, 8)}, "these are 4 x 8"),
            (np.uint8, {"window": 64, "fft_shape": (128, 64)}, "are to become 128 x 64"),
            (np.uint8, {"rows": np.asarray([1, 2, 1])}, "asked for twice"),
        ],
    )
    def test_say_what_the_kernel_is_not_written_for(self, dtype, options, reason):
        assert reason in _declines.spectra(np.zeros((300, 300), dtype), **options)
        assert reason in _declines.projected(np.zeros((300, 300), dtype), **options)

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_take_what_it_is_written_for(self, dtype):
        image = np.zeros((300, 300), dtype)
        assert _declines.spectra(image) is None
        assert _declines.spectra(image, window=(8, 128), fft_shape=(8, 128)) is None
        vectors = np.zeros((64 * 33, 32))
        assert _declines.projected(image, window=64, vectors=vectors) is None

    def test_projection_takes_up_to_32_vectors(self):
        vectors = np.zeros((40, 33))
        reason = _declines.projected(np.zeros((9, 9), np.uint8), window=8, vectors=vectors)
        assert "and there are 33" in reason

    @pytest.mark.parametrize(("kib", "fits", "projects"), [(64, 0, 0), (99, 1, 0), (163, 1, 1)])
    def test_shared_memory_of_the_device_counts(self, kib, fits, projects):
        device = SimpleNamespace(attributes={"MaxSharedMemoryPerBlockOptin": kib * 1024})
        image = SimpleNamespace(dtype=np.dtype("uint8"), device=device)
        assert (_declines.spectra(image, window=128) is None) == fits
        assert (_declines.projected(image, window=128) is None) == projects
        assert _declines.spectra(image, window=64) is None

    def test_a_window_is_known_however_it_is_given(self, monkeypatch):
        """The dispatching function hands positional arguments over by name."""
        seen = []

        def declines(image, **options):
            seen.append(options)
            return "not now"

        route = um._dispatch.Route("unmix.nowhere:at_all", lambda _: True, declines)
        monkeypatch.setitem(um._dispatch.ROUTES, "window_fft", [route])
        um.ops.window_fft(np.ones((9, 9)), 8, step=1)
        assert seen == [{"window": 8, "step": 1}]


class TestShape:
    def test_only_the_largest_window_asks_for_more_than_48_kib(self):
        over = [
            (n_y, n_x)
            for n_y in _fft_shape.SIDES
            for n_x in _fft_shape.SIDES
            if _fft_shape.fft_shared((n_y, n_x), n_x // 2 + 1) > 48 * 1024
        ]
        assert over == [(128, 128)]

    @pytest.mark.parametrize(
        ("window", "limit", "threads", "number"),
        [
            ((8, 8), 48, 128, 64),
            ((32, 32), 48, 128, 8),
            ((64, 64), 48, 128, 2),
            ((64, 64), 64, 128, 4),
            ((64, 64), 99, 128, 8),
            ((64, 64), 227, 256, 8),
            ((128, 128), 163, 512, 2),
            ((128, 128), 227, 512, 4),
        ],
    )
    def test_as_many_windows_share_the_vectors_as_fit(self, window, limit, threads, number):
        kept = (window[0], window[1] // 2 + 1)
        block = _fft_shape.project_block(window, *kept, limit * 1024)
        assert block[:2] == (threads, number)
        assert block.shared <= limit * 1024
