"""Shuffles, votes and atomics."""

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
