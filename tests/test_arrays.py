"""The one door to the namespaces: which one, which type, and the way to the host and back."""

from __future__ import annotations

import numpy as np
import pytest
from backends import Backend
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from strategies import seeds

from unmix import _arrays
from unmix._errors import BackendError, DataError, DTypeError, ParameterError


class TestNamespace:
    def test_of_each_backend(self, backend):
        x = backend.asarray([1.0, 2.0])
        xp = _arrays.namespace_of(x, None, backend.asarray([1]))
        assert xp is _arrays.namespace_of(x)
        assert _arrays.namespace_name(xp) == backend.module
        assert _arrays.is_numpy(xp) == (backend.module == "numpy")
        assert _arrays.is_torch(xp) == (backend.module == "torch")
        assert _arrays.is_cupy(xp) == (backend.module == "cupy")

    @pytest.mark.parametrize("value", [[1.0], (1.0,), 3.0, "image", {"a": 1}])
    def test_refuses_what_is_no_array(self, value):
        with pytest.raises(BackendError, match=f"but got {type(value).__name__}; wrap it"):
            _arrays.namespace_of(np.ones(2), value)

    def test_refuses_two_namespaces_and_names_both(self, backend):
        other = Backend.NUMPY if backend.module != "numpy" else Backend.STRICT
        pair = backend.asarray([1.0]), other.asarray([1.0])
        with pytest.raises(BackendError, match="different namespaces") as error:
            _arrays.namespace_of(*pair)
        for array in pair:
            assert f"{type(array).__module__.split('.')[0]}." in str(error.value)

    def test_refuses_two_devices(self):
        strict = Backend.STRICT.xp
        first = strict.asarray([1.0])
        second = strict.asarray([1.0], device=strict.Device("device1"))
        with pytest.raises(BackendError, match=r"different devices \(.*device1.*\); move them"):
            _arrays.namespace_of(first, second)

    def test_of_nothing_is_numpy(self):
        assert _arrays.is_numpy(_arrays.namespace_of())
        assert _arrays.is_numpy(_arrays.namespace_of(None))


NARROW = ["int8", "uint8", "int16", "uint16", "float32"]
WIDE = ["int32", "uint32", "int64", "uint64", "float64"]


class TestFloatType:
    @pytest.mark.parametrize("name", NARROW + WIDE)
    def test_keeps_every_bit_of_the_values(self, backend, name):
        x = backend.asarray([0, 1, 100], name)
        got = _arrays.float_type(x)
        assert got == (backend.xp.float32 if name in NARROW else backend.xp.float64)
        values = _arrays.as_float(x)
        assert values.dtype == got
        np.testing.assert_array_equal(backend.numpy(values), [0, 1, 100])

    @pytest.mark.parametrize(
        ("name", "real"), [("complex64", "float32"), ("complex128", "float64")]
    )
    def test_of_complex_is_that_of_its_parts(self, backend, name, real):
        assert _arrays.float_type(backend.asarray([1j], name)) == getattr(backend.xp, real)

    @pytest.mark.parametrize(
        ("dtype", "expected"),
        [
            (">u2", np.float32),
            (">i2", np.float32),
            (">f2", np.float32),
            (">f4", np.float32),
            (">i4", np.float64),
            (">f8", np.float64),
            (">c8", np.float32),
            (">c16", np.float64),
            ("f2", np.float32),
            ("g", np.float64),
        ],
    )
    def test_does_not_depend_on_the_byte_order(self, dtype, expected):
        assert _arrays.float_type(np.ones(2, dtype)) == expected

    def test_of_big_endian_values_is_native_and_exact(self):
        values = np.array([1 + 2**-40, 3.0])
        got = _arrays.as_float(values.astype(">f8"))
        assert got.dtype == np.float64
        assert got.dtype.isnative
        np.testing.assert_array_equal(got, values)

    def test_of_half_precision_in_torch(self):
        torch = Backend.TORCH.xp
        for half in (torch.float16, torch.bfloat16):
            assert _arrays.float_type(torch.ones(2, dtype=half)) == torch.float32

    def test_copies_only_where_it_must(self, backend):
        x = backend.asarray([1.0, 2.0])
        assert _arrays.as_float(x) is x or np.shares_memory(
            backend.numpy(_arrays.as_float(x)), backend.numpy(x)
        )


class TestRequireReal:
    def test_passes_numbers_through(self, backend):
        for dtype in ("uint8", "int64", "float32"):
            x = backend.asarray([1], dtype)
            assert _arrays.require_real(x, "the image") is x

    @pytest.mark.parametrize(
        ("dtype", "message"),
        [
            ("bool", "the image is boolean; .*convert it first"),
            ("complex64", "the image is complex"),
        ],
    )
    def test_says_what_to_do(self, backend, dtype, message):
        with pytest.raises(DTypeError, match=message):
            _arrays.require_real(backend.asarray([1], dtype), "the image")

    @pytest.mark.parametrize("values", [["a"], [None], np.array(["2020-01-01"], "M8[D]")])
    def test_refuses_what_is_no_number(self, values):
        with pytest.raises(DTypeError, match=r"the image has dtype .*; expected integers or real"):
            _arrays.require_real(np.asarray(values), "the image")


class TestRequireFinite:
    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_counts_and_gives_the_first_place(self, backend, bad, dtype):
        values = np.zeros((3, 4, 5), dtype)
        values[2, 3, 4] = values[1, 2, 3] = bad
        with pytest.raises(DataError, match=r"movie holds 2 values .* the first at \(1, 2, 3\)"):
            _arrays.require_finite(backend.asarray(values), "the movie")

    def test_of_a_large_array_looks_everywhere(self, backend, monkeypatch):
        """It is read in blocks: of one row, of some, and of all."""
        for block in (1, 7, 40, 1000):
            monkeypatch.setattr(_arrays, "FINITE_BLOCK", block)
            for i in range(9):
                values = np.zeros((9, 4))
                values[i, 3 - i % 4] = np.nan
                with pytest.raises(DataError, match=rf"first at \({i}, {3 - i % 4}\)"):
                    _arrays.require_finite(backend.asarray(values), "x")
            x = backend.asarray(np.ones((9, 4)))
            assert _arrays.require_finite(x, "x") is x

    def test_of_one_number(self, backend):
        with pytest.raises(DataError, match=r"x holds 1 values .* the first at \(\)"):
            _arrays.require_finite(backend.asarray(np.nan), "x")
        for x in (backend.asarray(1.0), backend.asarray(np.ones((0, 3)))):
            assert _arrays.require_finite(x, "x") is x

    def test_passes_finite_numbers_and_integers(self, backend):
        for x in (backend.asarray([1e300, -1e-300]), backend.asarray([2**31 - 1], "int32")):
            assert _arrays.require_finite(x, "x") is x

    def test_of_half_precision(self):
        with pytest.raises(DataError, match=r"1 values .* first at \(1,\)"):
            _arrays.require_finite(np.array([0, np.inf], np.float16), "x")
        torch = Backend.TORCH.xp
        with pytest.raises(DataError, match=r"1 values .* first at \(1,\)"):
            _arrays.require_finite(torch.asarray([0, np.nan], dtype=torch.bfloat16), "x")


class TestHost:
    @pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 4), (0, 3), (2, 1, 5)])
    @pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float32", "float64", "complex64"])
    def test_round_trip_keeps_shape_dtype_and_values(self, backend, shape, dtype):
        values = (np.arange(np.prod(shape, dtype=int)).reshape(shape) % 3).astype(dtype)
        there = _arrays.from_host(values, backend.asarray([0.0]))
        assert backend.owns(there)
        assert tuple(there.shape) == shape
        back = _arrays.to_host(there)
        assert type(back) is np.ndarray
        assert back.dtype == values.dtype
        np.testing.assert_array_equal(back, values)

    def test_takes_any_layout_in_memory(self, backend):
        like = backend.asarray([0.0])
        base = np.arange(24.0).reshape(4, 6)
        frozen = base.copy()
        frozen.flags.writeable = False
        for values in (
            base.T,
            base[::-1, ::2],
            base.astype(">f8"),
            frozen,
            np.broadcast_to(base[0], (3, 6)),
        ):
            there = _arrays.from_host(values, like)
            np.testing.assert_array_equal(backend.numpy(there), values)
        assert _arrays.from_host([1, 2], like, like.dtype).dtype == like.dtype

    def test_lies_on_the_device_of_the_other(self):
        strict = Backend.STRICT.xp
        device = strict.Device("device1")
        there = _arrays.from_host(np.ones(3), strict.zeros(1, device=device))
        assert _arrays.device_of(there) == device

    def test_takes_a_torch_tensor_with_a_gradient(self):
        tensor = Backend.TORCH.xp.asarray([1.0, 2.0], requires_grad=True)
        np.testing.assert_array_equal(_arrays.to_host(tensor), [1, 2])

    def test_views_numpy(self):
        values = np.ones(3)
        assert _arrays.to_host(values) is values
        assert _arrays.to_host(np.float32(2)).shape == ()


class TestExtensions:
    def test_come_from_the_host_where_there_are_none(self, backend):
        like = backend.asarray([0.0])
        for extension in (_arrays.linalg(like), _arrays.fft(like)):
            stands_in = isinstance(extension, _arrays._HostExtension)
            assert stands_in == (backend is Backend.STRICTEST)

    def test_transform_in_the_namespace_and_type_of_the_data(self, backend):
        values = np.random.default_rng(0).random((3, 8)).astype(np.float32)
        got = _arrays.fft(backend.asarray(values)).rfft(backend.asarray(values), n=8, axis=-1)
        assert backend.owns(got)
        assert got.dtype == backend.xp.complex64
        np.testing.assert_allclose(backend.numpy(got), np.fft.rfft(values), rtol=2e-6, atol=1e-6)

    def test_decompose_into_as_many_arrays(self, backend):
        matrix = np.random.default_rng(0).random((5, 3))
        q, r = _arrays.linalg(backend.asarray(matrix)).qr(backend.asarray(matrix))
        assert backend.owns(q)
        np.testing.assert_allclose(backend.numpy(q) @ backend.numpy(r), matrix, atol=1e-14)
        values, vectors = _arrays.linalg(q).eigh(backend.asarray(matrix.T @ matrix))
        v = backend.numpy(vectors)
        np.testing.assert_allclose(v * backend.numpy(values) @ v.T, matrix.T @ matrix, atol=1e-13)

    def test_give_scalars_without_an_axis(self, backend):
        matrix = np.diag([2.0, 3.0, 4.0])
        got = _arrays.linalg(backend.asarray(matrix)).det(backend.asarray(matrix))
        assert tuple(got.shape) == ()
        assert float(got) == pytest.approx(24)


class TestKey:
    @pytest.mark.parametrize("key", [0, 7, 2**63 - 1, np.int64(5), np.uint8(200)])
    def test_of_a_whole_number_is_itself(self, key):
        assert _arrays.rng_key(key) == int(key)
        assert type(_arrays.rng_key(key)) is int

    def test_of_a_generator_is_its_next_one(self):
        a, b = np.random.default_rng(3), np.random.default_rng(3)
        first, second = _arrays.rng_key(a), _arrays.rng_key(a)
        assert [first, second] == [_arrays.rng_key(b), _arrays.rng_key(b)]
        assert first != second
        assert 0 <= first < 2**63

    @pytest.mark.parametrize(
        "rng", [-1, 2**63, True, np.True_, 1.0, None, "1", [1], np.array([1, 2])]
    )
    def test_refuses_all_else(self, rng):
        with pytest.raises(ParameterError, match="expected a whole number from 0 to"):
            _arrays.rng_key(rng)


class TestDraws:
    @given(
        key=st.integers(0, 2**63 - 1),
        stream=st.integers(0, 99),
        share=st.sampled_from([0.1, 0.5, 0.9, 1.0]),
        choice=seeds,
        width=st.integers(0, 9),
        cut=st.integers(0, 40),
    )
    def test_do_not_depend_on_the_tiling(self, key, stream, share, choice, width, cut):
        whole = _arrays.uniform_per_sample(key, stream, np.arange(301), width)
        assert whole.shape == (301, width)
        # with gaps of every length, as masks leave them
        numbers = np.flatnonzero(np.random.default_rng(choice).random(301) < share)
        parts = [
            _arrays.uniform_per_sample(key, stream, part, width)
            for part in (numbers[:cut], numbers[cut:])
        ]
        np.testing.assert_array_equal(np.concatenate(parts), whole[numbers])

    def test_do_not_depend_on_it_far_out_in_the_map(self):
        far = 2**40 + np.arange(50)
        whole = _arrays.uniform_per_sample(1, 2, far, 3)
        np.testing.assert_array_equal(_arrays.uniform_per_sample(1, 2, far[20:], 3), whole[20:])

    @pytest.mark.parametrize("width", [1, 3, 4, 5, 8])
    def test_are_uniform_and_independent(self, width):
        draws = _arrays.uniform_per_sample(12, 3, np.arange(6000), width)
        assert draws.min() >= 0
        assert draws.max() < 1
        assert stats.kstest(draws.ravel(), "uniform").pvalue > 1e-3
        for column in draws.T:
            assert stats.kstest(column, "uniform").pvalue > 1e-4
        for a, b in ((draws[:-1], draws[1:]), (draws, np.roll(draws, 1, axis=1))):
            if a is draws and width == 1:
                continue
            rho = np.corrcoef(a.ravel(), b.ravel())[0, 1]
            assert abs(rho) < 5 / np.sqrt(a.size)
        assert len(np.unique(draws)) == draws.size, "a number came twice"

    @given(key=st.integers(0, 2**62), stream=st.integers(0, 50))
    def test_of_other_keys_and_streams_are_others(self, key, stream):
        numbers = np.arange(20)
        here = _arrays.uniform_per_sample(key, stream, numbers, 2)
        for other in ((key + 1, stream), (key, stream + 1)):
            assert not np.isin(_arrays.uniform_per_sample(*other, numbers, 2), here).any()

    @given(key=seeds, stream=st.integers(0, 9))
    def test_generators_are_streams_of_the_key(self, key, stream):
        a = _arrays.generator(key, stream).random(8)
        np.testing.assert_array_equal(a, _arrays.generator(key, stream).random(8))
        assert not np.isin(_arrays.generator(key, stream + 1).random(8), a).any()
