"""Each of CUDA's words about single numbers means here what it means there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from .errors import BuildError
from .running import run

pytestmark = pytest.mark.kernels
Array = np.ndarray[Any, Any]

FULL = 0xFFFFFFFF

BITS = r"""
__global__ void bits(const unsigned *x, const unsigned *y, unsigned *r, unsigned long long *w) {
    unsigned i = threadIdx.x, a = x[i], b = y[i];
    unsigned long long wide = (unsigned long long)b << 32 | a;
    unsigned long long other = (unsigned long long)a << 32 | b;
    unsigned *out = r + 12 * i;
    out[0] = __popc(a);
    out[1] = __clz(int(a));
    out[2] = __ffs(int(a));
    out[3] = __brev(a);
    out[4] = __byte_perm(a, b, 0x2470);
    out[5] = __funnelshift_l(a, b, b);
    out[6] = __funnelshift_r(a, b, b);
    out[7] = unsigned(__mulhi(int(a), int(b)));
    out[8] = __umulhi(a, b);
    out[9] = __float_as_uint(__uint_as_float(a & 0x7f7fffffu));
    out[10] = __popcll(wide) | __clzll((long long)wide) << 8 | __ffsll((long long)wide) << 16;
    out[11] = __usad(a, b, 1);
    w[3 * i] = __umul64hi(wide, other);
    w[3 * i + 1] = (unsigned long long)__mul64hi((long long)wide, (long long)other);
    w[3 * i + 2] = __brevll(wide);
}
"""


def _signed(x: int, bits: int) -> int:
    return x - (1 << bits) if x >> (bits - 1) else x


def _reversed(x: int, bits: int) -> int:
    return int(f"{x:0{bits}b}"[::-1], 2)


def test_bits() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.integers(0, 2**32, (2, 64), dtype=np.uint32)
    x[:4], y[:4] = (0, 1, FULL, 0x80000000), (0, FULL, 1, 5)
    r, w = np.zeros((64, 12), np.uint32), np.zeros((64, 3), np.uint64)
    run(BITS, "bits", 64, x, y, r, w)
    for a, b, out, wide in zip(x.tolist(), y.tolist(), r.tolist(), w.tolist(), strict=True):
        ab, ba = b << 32 | a, a << 32 | b
        low = (ab & -ab).bit_length() | (64 - ab.bit_length()) << 8
        expected = [
            *(a.bit_count(), 32 - a.bit_length(), (a & -a).bit_length(), _reversed(a, 32)),
            sum((ab >> 8 * s & 0xFF) << 8 * i for i, s in enumerate((0, 7, 4, 2))),
            *(ab << (b & 31) >> 32 & FULL, ab >> (b & 31) & FULL),
            *(_signed(a, 32) * _signed(b, 32) >> 32 & FULL, a * b >> 32, a & 0x7F7FFFFF),
            ab.bit_count() | low >> 8 << 8 | (low & 0xFF) << 16,
            abs(a - b) + 1 & FULL,
        ]
        assert out == expected
        high = _signed(ab, 64) * _signed(ba, 64) >> 64 & (2**64 - 1)
        assert wide == [ab * ba >> 64, high, _reversed(ab, 64)]


NUMBERS = r"""
__global__ void numbers(const double *x, long long *whole, double *r) {
    double v = x[threadIdx.x];
    float f = float(v);
    whole += 9 * threadIdx.x;
    whole[0] = __float2int_rn(f);
    whole[1] = __float2int_rz(f);
    whole[2] = __float2uint_rd(f);
    whole[3] = __double2ll_ru(v);
    whole[4] = __double2int_rn(v);
    whole[5] = __double_as_longlong(v);
    whole[6] = isnan(f) | isinf(v) << 1 | isfinite(f) << 2 | (signbit(v) ? 8 : 0);
    whole[7] = (long long)__double2ull_rz(v);
    whole[8] = __float_as_int(f);
    r += 16 * threadIdx.x;
    r[0] = fmaf(f, f, 1.0f);
    r[1] = rsqrtf(fabsf(f));
    r[2] = min(f, 2.0f);
    r[3] = max(v, 2.0f);
    float s, c;
    sincospif(f, &s, &c);
    r[4] = s;
    r[5] = c;
    r[6] = sqrt(abs(f)) - sqrtf(fabsf(f));
    r[7] = __fmaf_rn(f, 2.0f, 1.0f) + __fadd_rn(f, 1.0f) + __fmul_rn(f, 0.5f) + __fdividef(f, 4.0f);
    r[8] = __saturatef(f);
    r[9] = exp(-abs(v));
    r[10] = rint(f) + floor(v) + trunc(f) + ceilf(f);
    r[11] = copysignf(3.0f, f);
    r[12] = hypot(v, 1.0);
    r[13] = __longlong_as_double(__double_as_longlong(v));
    r[14] = cospi(v);
    r[15] = __expf(-__logf(1.0f + fabsf(f))) * __powf(2.0f, 1.0f);
}
"""


def _clipped(x: Array, kind: Any) -> Array:
    limits = np.iinfo(kind)
    whole = [0 if np.isnan(v) else min(max(int(v), limits.min), limits.max) for v in _finite(x)]
    return np.array(whole, dtype=object)


def _finite(x: Array) -> Array:
    return np.where(np.isinf(x), np.copysign(1e30, x), x)


def test_numbers() -> None:
    x = np.array([0, 0.5, 1.5, -2.5, 3.25, 7, -0.0, 1e12, -1e12, 3e9, np.inf, -np.inf, np.nan])
    whole, r = np.zeros((len(x), 9), np.int64), np.zeros((len(x), 16))
    run(NUMBERS, "numbers", len(x), x, whole, r)
    f = x.astype(np.float32)
    wide = f.astype(np.float64)
    np.testing.assert_array_equal(whole[:, 0], _clipped(np.rint(wide), np.int32))
    np.testing.assert_array_equal(whole[:, 1], _clipped(np.trunc(wide), np.int32))
    np.testing.assert_array_equal(whole[:, 2], _clipped(np.floor(wide), np.uint32))
    np.testing.assert_array_equal(whole[:, 3], _clipped(np.ceil(x), np.int64))
    np.testing.assert_array_equal(whole[:, 4], _clipped(np.rint(x), np.int32))
    np.testing.assert_array_equal(whole[:, 5], x.view(np.int64))
    classes = np.isnan(f) + 2 * np.isinf(x) + 4 * np.isfinite(f) + 8 * np.signbit(x)
    np.testing.assert_array_equal(whole[:, 6], classes)
    np.testing.assert_array_equal(whole[:, 7].view(np.uint64), _clipped(np.trunc(x), np.uint64))
    np.testing.assert_array_equal(whole[:, 8], f.view(np.int32))

    with np.errstate(all="ignore"):
        even = np.where(np.isfinite(x) & (np.abs(x) < 1e9), x, np.nan)
        expected = [
            *(f * f + 1, 1 / np.sqrt(np.abs(wide)), np.fmin(f, 2), np.fmax(x, 2)),
            *(np.sin(np.pi * even), np.cos(np.pi * even), f - f),
            *(3.75 * wide + 2, np.clip(np.nan_to_num(f, nan=0), 0, 1), np.exp(-np.abs(x))),
            np.rint(f) + np.floor(x) + np.trunc(f) + np.ceil(f),
            *(np.copysign(3, f), np.hypot(x, 1), x, np.cos(np.pi * even)),
            2 / (1 + np.abs(wide)),
        ]
    for i, column in enumerate(expected):
        keep = np.isfinite(even) if i in (4, 5, 14) else slice(None)
        np.testing.assert_allclose(r[keep, i], column[keep], rtol=3e-7, atol=1e-15, err_msg=str(i))
    assert r[1, 4] == 1  # sin(pi / 2), exactly
    assert r[1, 5] == 0


VECTORS = r"""
template <class T> __device__ T sum(T x, T y) { return T{x.x + y.x, x.y + y.y}; }
__global__ void vectors(float *f, int *n) {
    float4 a = make_float4(1, 2, 3, 4);
    reinterpret_cast<float4 *>(f)[0] = a;
    reinterpret_cast<float2 *>(f)[2] = sum(make_float2(1, 2), make_float2(3, 4));
    double2 d = sum(make_double2(1, 2), make_double2(3, 4));
    uchar4 u = make_uchar4(1, 2, 255, 4);
    ushort4 h = make_ushort4(1, 2, 65535, 4);
    int4 i = make_int4(1, 2, 3, -4);
    int sizes[] = {alignof(float4),    alignof(float3),    alignof(double2), alignof(uchar4),
                   alignof(ushort4),   sizeof(uint3),      alignof(longlong2),
                   int(d.x + d.y),     u.z + h.z,          i.w, warpSize, int(sizeof(size_t)),
                   int(dim3(2).y),     int(sizeof(long long))};
    for (int k = 0; k < 14; ++k) n[k] = sizes[k];
}
"""


def test_vectors() -> None:
    f, n = np.zeros(8, np.float32), np.zeros(14, np.int32)
    run(VECTORS, "vectors", 1, f, n)
    assert f.tolist() == [1, 2, 3, 4, 4, 6, 0, 0]
    assert n.tolist() == [16, 4, 16, 4, 8, 12, 16, 10, 65790, -4, 32, 8, 1, 8]


LACKING = [
    *("uint32_t x = 0;", "std::size_t x = 0;", "float x = INFINITY;", "float x = NAN;"),
    *("__half x;", "int x = INT_MAX;", "float x = FLT_MAX;", "double x = M_PI;"),
    *("y[0] = std::sqrt(2.0f);", "max(1, 2.0f);", "uint x;", 'asm("mov.u32 %r1, 1;");'),
]


@pytest.mark.parametrize("word", LACKING)
def test_what_nvrtc_lacks_is_lacking(word: str) -> None:
    text = "__global__ void bad(float *y) {\n    " + word + "\n}\n"
    with pytest.raises(BuildError, match=r"test\.cu: bad"):
        run(text, "bad", 1, np.zeros(1, np.float32))
