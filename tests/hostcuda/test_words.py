"""Each of CUDA's words means here what it means there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from .errors import BuildError
from .running import run

pytestmark = pytest.mark.kernels
Array = np.ndarray[Any, Any]

C_TYPES = {
    "int": np.int32,
    "unsigned int": np.uint32,
    "long long": np.int64,
    "unsigned long long": np.uint64,
    "float": np.float32,
    "double": np.float64,
}
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


@pytest.mark.parametrize(
    "word",
    [
        *("uint32_t x = 0;", "std::size_t x = 0;", "float x = INFINITY;", "float x = NAN;"),
        *("__half x;", "int x = INT_MAX;", "float x = FLT_MAX;", "void *x = malloc(8);"),
        *("memset(y, 0, 4);", "max(1, 2.0f);", 'asm("mov.u32 %r1, 1;");', "M_PI;"),
    ],
)
def test_what_nvrtc_lacks_is_lacking(word: str) -> None:
    text = "__global__ void bad(float *y) {\n    " + word + "\n}\n"
    with pytest.raises(BuildError, match=r"test\.cu: bad"):
        run(text, "bad", 1, np.zeros(1, np.float32))


SHUFFLES = r"""
template <class T> __global__ void shuffles(const T *x, T *y, unsigned mask) {
    int lane = threadIdx.x;
    if (!(mask >> lane & 1)) return;
    T v = x[lane];
    y[lane] = __shfl_sync(mask, v, lane * 3 + 1);
    y[32 + lane] = __shfl_sync(mask, v, 5, 8);
    y[64 + lane] = __shfl_up_sync(mask, v, 3);
    y[96 + lane] = __shfl_up_sync(mask, v, 3, 16);
    y[128 + lane] = __shfl_down_sync(mask, v, 4);
    y[160 + lane] = __shfl_down_sync(mask, v, 4, 8);
    y[192 + lane] = __shfl_xor_sync(mask, v, 9);
    y[224 + lane] = __shfl_xor_sync(mask, v, 9, 8);
}
"""


def _sources() -> Array:
    lane = np.arange(32)
    sources = [
        *((lane * 3 + 1) % 32, lane // 8 * 8 + 5),
        *np.where(lane >= 3, lane - 3, lane),
        *np.where(lane % 16 >= 3, lane - 3, lane),
        *np.where(lane + 4 < 32, lane + 4, lane),
        *np.where(lane % 8 + 4 < 8, lane + 4, lane),
        *(lane ^ 9),
        *np.where((lane ^ 9) < (lane | 7) + 1, lane ^ 9, lane),
    ]
    return np.concatenate([np.atleast_1d(s) for s in sources]).reshape(8, 32)


@pytest.mark.parametrize("mask", [FULL, 0x0000FFFF, 0x80F0A5C3])
@pytest.mark.parametrize("name", C_TYPES)
def test_shuffles(name: str, mask: int) -> None:
    kind = C_TYPES[name]
    x = (np.arange(32) * 0x0101010101 % 65537 - 1000).astype(kind)
    y = np.zeros((8, 32), kind)
    run(SHUFFLES, f"shuffles<{name}>", 32, x, y, np.uint32(mask), order=("random", 3))
    taking = (mask >> np.arange(32) & 1).astype(bool)
    sources = _sources()
    nothing = np.frombuffer(b"\xff" * 8, kind)[0]  # from a lane that takes no part
    expected = np.where(taking[sources], x[sources], nothing)
    np.testing.assert_array_equal(y[:, taking], expected[:, taking])
    assert not y[:, ~taking].any()


VOTES = r"""
__global__ void votes(const int *x, unsigned *y) {
    int lane = threadIdx.x % 32, v = x[threadIdx.x], same;
    unsigned mask = lane < 16 ? 0x0000ffff : 0xffff0000;
    y += 8 * threadIdx.x;
    y[0] = __ballot_sync(0xffffffff, v & 1);
    if (lane < 16) y[1] = __ballot_sync(mask, v > 3);
    else y[1] = __ballot_sync(mask, v > 5);
    y[2] = __any_sync(mask, v == 7);
    y[3] = __all_sync(mask, v >= 0);
    y[4] = __match_any_sync(mask, v);
    y[5] = __match_all_sync(mask, v / 100, &same);
    y[6] = same;
    y[7] = __activemask();
}
"""


@pytest.mark.parametrize("order", ["ascending", "descending", ("random", 5)])
def test_votes(order: Any) -> None:
    x = np.random.default_rng(2).integers(0, 9, 64).astype(np.int32)
    x[20] = -100
    y = np.zeros((64, 8), np.uint32)
    run(VOTES, "votes", 64, x, y, order=order)

    def bits(yes: Array, lanes: Array) -> int:
        return sum(1 << int(lane) % 32 for lane in lanes[yes[lanes]])

    for thread in range(64):
        warp = thread // 32 * 32 + np.arange(32)
        half = thread // 16 * 16 + np.arange(16)
        limit = 3 if thread % 32 < 16 else 5
        same = len(set(np.trunc(x[half] / 100).tolist())) == 1
        assert y[thread].tolist() == [
            *(bits(x % 2 != 0, warp), bits(x > limit, half)),
            *((x[half] == 7).any(), (x[half] >= 0).all(), bits(x == x[thread], half)),
            *(bits(x < 9, half) if same else 0, same, 1 << thread % 32),
        ]


ATOMICS = r"""
template <class T> __global__ void sums(T *x) { atomicAdd(x, T(threadIdx.x)); }
template <class T> __global__ void limits(T *x) {
    atomicMax(&x[0], T(threadIdx.x * 7 % 64));
    atomicMin(&x[1], T(threadIdx.x * 7 % 64 + 1));
    atomicOr(&x[2], T(1) << threadIdx.x % 31);
    atomicAnd(&x[3], ~(T(1) << threadIdx.x % 31));
}
__global__ void others(unsigned *x, unsigned long long *y, double *z) {
    atomicInc(&x[0], 9);
    atomicDec(&x[1], 9);
    atomicSub(&x[2], 2u);
    atomicXor(&x[3], threadIdx.x);
    atomicExch(&x[4], 5u);
    unsigned long long seen = y[0], expected;
    do expected = seen, seen = atomicCAS(&y[0], expected, expected * 3 + 1);
    while (seen != expected);
    atomicAdd(z, 0.5);
}
"""


@pytest.mark.parametrize("name", C_TYPES)
def test_atomic_sums(name: str) -> None:
    if name == "long long":  # CUDA has none
        with pytest.raises(BuildError, match="atomicAdd"):
            run(ATOMICS, f"sums<{name}>", 64, np.zeros(2, np.int64))
        return
    x = np.zeros(1, C_TYPES[name])
    run(ATOMICS, f"sums<{name}>", 64, x, blocks=3)
    assert x.tolist() == [3 * 2016]


@pytest.mark.parametrize("name", [name for name in C_TYPES if name not in ("float", "double")])
def test_atomic_limits(name: str) -> None:
    x = np.array([0, 100, 0, -1 & 0x7FFFFFFF], C_TYPES[name])
    run(ATOMICS, f"limits<{name}>", 64, x)
    assert x.tolist() == [63, 1, 2**31 - 1, 0]


def test_other_atomics() -> None:
    x, y, z = np.array([3, 3, 200, 0, 0], np.uint32), np.ones(1, np.uint64), np.zeros(1)
    run(ATOMICS, "others", 64, x, y, z)
    expected = 1
    for _ in range(64):
        expected = (expected * 3 + 1) % 2**64
    assert x.tolist() == [(3 + 64) % 10, (3 - 64) % 10, 72, 0, 5]
    assert y.tolist() == [expected]
    assert z.tolist() == [32]
