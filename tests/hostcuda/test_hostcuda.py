"""How threads run, and what they share."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from .running import ORDERS, run

pytestmark = pytest.mark.kernels

WHO = r"""
__global__ void who(int *threads, int *blocks, unsigned *next) {
    int k = atomicAdd(next, 1u);
    threads[k] = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
    blocks[k] = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
}
"""


def _who(order: Any) -> tuple[list[int], list[int]]:
    threads, blocks = np.zeros((2, 24, 30), np.int32)
    run(
        WHO,
        "who",
        (2, 3, 5),
        threads,
        blocks,
        np.zeros(1, np.uint32),
        blocks=(4, 3, 2),
        order=order,
    )
    assert (blocks == blocks[:, :1]).all()  # one after the other
    return threads[0].tolist(), blocks[:, 0].tolist()


def test_orders() -> None:
    assert _who("ascending") == (list(range(30)), list(range(24)))
    assert _who("descending") == (list(range(29, -1, -1)), list(range(23, -1, -1)))
    threads, blocks = _who(("random", 1))
    assert sorted(threads) == list(range(30)) != threads
    assert sorted(blocks) == list(range(24)) != blocks
    assert _who(("random", 1)) == (threads, blocks)
    assert _who(("random", 2))[0] != threads


AHEAD = r"""
__global__ void ahead(int *seen, unsigned *next) {
    for (int step = 0; step < 3; ++step) {
        seen[atomicAdd(next, 1u)] = 100 * step + threadIdx.x;
        __syncwarp();
    }
    __syncthreads();
    seen[atomicAdd(next, 1u)] = 1000 + threadIdx.x;
}
"""


def test_a_warp_runs_ahead_until_a_barrier() -> None:
    def seen(order: Any) -> list[int]:
        result = np.zeros(4 * 64, np.int32)
        run(AHEAD, "ahead", 64, result, np.zeros(1, np.uint32), order=order)
        return result.tolist()

    first = [100 * step + i for step in range(3) for i in range(32)]
    second = [100 * step + i for step in range(3) for i in range(32, 64)]
    assert seen("ascending") == first + second + [1000 + i for i in range(64)]
    assert seen("descending")[:96] == [x + 31 - 2 * (x % 100 - 32) + 0 for x in second]
    shuffled = seen(("random", 0))
    assert sorted(shuffled) == sorted(seen("ascending"))
    assert [x % 1000 for x in shuffled[:64]] != [x % 1000 for x in shuffled[192:]]


REVERSE = r"""
template <class T> __global__ void reverse(const T *x, T *y, int n) {
    extern __shared__ unsigned char raw[];
    T *tile = reinterpret_cast<T *>(raw);
    __shared__ int votes[3];
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    tile[threadIdx.x] = i < n ? x[i] : T(0);
    int even = __syncthreads_count(threadIdx.x % 2 == 0);
    if (threadIdx.x == 0) {
        votes[0] = even;
    }
    int any = __syncthreads_or(threadIdx.x == 5), all = __syncthreads_and(threadIdx.x < 1000);
    T value = tile[blockDim.x - 1 - threadIdx.x];
    if (i < n) y[i] = value + T(votes[0]) + T(any) + T(all);
}
"""


@pytest.mark.parametrize("order", ORDERS)
def test_barriers_and_shared_memory(order: Any) -> None:
    x = np.arange(200, dtype=np.int64)
    y = np.zeros_like(x)
    run(REVERSE, "reverse<long long>", 50, x, y, np.int32(200), blocks=4, order=order, shared=400)
    assert (y == x.reshape(4, 50)[:, ::-1].ravel() + 27).all()


POISON = r"""
struct Pair { float x; int n; };
__global__ void poison(float *x, int *n, double *d, int write) {
    __shared__ Pair pairs[2][3];
    __shared__ double wide;
    extern __shared__ float dynamic[];
    x[2 * blockIdx.x] = pairs[1][2].x;
    x[2 * blockIdx.x + 1] = dynamic[4];
    n[blockIdx.x] = pairs[0][0].n;
    d[blockIdx.x] = wide;
    if (write) pairs[1][2] = pairs[0][0] = {1, 1}, dynamic[4] = 1, wide = 1;
}
"""


@pytest.mark.parametrize("mode", ["plain", "asan", "tsan"])
def test_shared_memory_starts_as_nan_in_every_block(mode: str) -> None:
    x, n, d = np.zeros(6, np.float32), np.zeros(3, np.int32), np.zeros(3)
    for _ in range(2 if mode == "plain" else 1):
        run(POISON, "poison", 1, x, n, d, np.int32(1), blocks=3, shared=20, mode=mode)
        assert np.isnan(x).all()
        assert (n == -1).all()
        assert np.isnan(d).all()


MISSING = r"""
__global__ void missing(const float *x, float *y) {
    __shared__ float tile[64];
    for (int turn = 0; turn < 2; ++turn) {
        tile[threadIdx.x] = x[64 * turn + threadIdx.x];
        AFTER_LOAD;
        y[64 * turn + threadIdx.x] = tile[63 - threadIdx.x];
        AFTER_USE;
    }
}
"""


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("without", ["AFTER_LOAD", "AFTER_USE", None])
def test_a_missing_barrier_shows(without: str | None, order: Any) -> None:
    text = MISSING
    for word in ("AFTER_LOAD", "AFTER_USE"):
        text = text.replace(word, "" if word == without else "__syncthreads()")
    x = np.arange(128, dtype=np.float32)
    y = np.zeros_like(x)
    run(text, "missing", 64, x, y, order=order)
    assert (y == x.reshape(2, 64)[:, ::-1].ravel()).all() == (without is None)


COSTS = r"""
__global__ void start(float *y, int n) { if (n < 0) *y = n; }
__global__ void barriers(float *y, int n) { for (int i = 0; i < n; ++i) __syncthreads(); }
__global__ void shuffles(float *y, int n) {
    float v = threadIdx.x;
    for (int i = 0; i < n; ++i) v = __shfl_xor_sync(0xffffffff, v, 1);
    if (v < 0) *y = v;
}
"""


def _seconds(call: Callable[[], None]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


@pytest.mark.parametrize("instance", ["start", "barriers", "shuffles"])
def test_time_per_thread(instance: str) -> None:
    blocks, n = (400, 1) if instance == "start" else (8, 50)
    y = np.zeros(1, np.float32)

    def launch() -> None:
        run(COSTS, instance, 256, y, np.int32(n), blocks=blocks)

    launch()
    each = min(_seconds(launch) for _ in range(3)) / (blocks * 256 * n)
    assert each < 1e-6  # a few nanoseconds to some tens


@pytest.mark.parametrize("order", ["ascending", ("random", 1)])
def test_the_portable_switch(order: Any) -> None:
    flags = ("-DHOSTCUDA_UCONTEXT",)
    x = np.arange(100, dtype=np.int64)
    y = np.zeros_like(x)
    args = (50, x, y, np.int32(100))
    run(REVERSE, "reverse<long long>", *args, blocks=2, shared=400, order=order, flags=flags)
    assert (y == x.reshape(2, 50)[:, ::-1].ravel() + 27).all()
