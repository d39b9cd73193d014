"""How threads run, and how what goes wrong is told: in this process, behind guard pages."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from .running import ORDERS, fault, line_of, run

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


FAULTS = r"""
__global__ void past_end(const float *x, float *y, long long at) {
    if (threadIdx.x == 37) y[0] = x[at];  // read
}
__global__ void before(float *y, long long at) {
    if (threadIdx.x == 3) y[at] = 1;  // write
}
__global__ void constant(const float *x, float *y) {
    const_cast<float *>(x)[y[0] == 0 ? 1 : 0] = 2;  // constant
}
__global__ void shared_end(float *y, int at) {
    __shared__ float tile[4];
    tile[at] = 1;  // shared
    y[0] = tile[at - 1];
}
__device__ int deep(int n) {
    volatile int much[5000];
    much[n] = n;
    return n ? deep(n - 1) + much[n] : 0;
}
__global__ void stack(int *y, int n) { y[0] = deep(n); }
__global__ void divided(int *y) {
    y[0] = 7 / y[1];  // divided
}
__global__ void trapped(int *y) {
    if (y[0] == 0) __trap();  // trapped
}
__global__ void assumed(int *y) {
    __builtin_assume(y[0] > 0);  // assumed
}
__global__ void endless(int *y) {
    while (*(volatile int *)y == 0) ;  // endless
}
__global__ void bare(int *y) {
    int left[2];
    y[0] = left[y[1]];
}
"""


def test_reads_and_writes_out_of_bounds() -> None:
    x, y = np.zeros(300, np.float32), np.zeros(20, np.float32)
    error = fault(FAULTS, "past_end", 64, x, y, 300, blocks=3)
    assert str(error) == (
        "past_end: illegal memory read: argument 0 (const float*): byte 1200 of 1200 at "
        f"test.cu:{line_of(FAULTS, '// read')}, block (0, 0, 0) thread (37, 0, 0)"
    )
    assert (error.kind, error.block, error.thread) == ("access", (0, 0, 0), (37, 0, 0))
    assert error.line == line_of(FAULTS, "// read")
    error = fault(FAULTS, "before", (4, 2), y, -1025)
    assert "illegal memory write: argument 0 (float*): byte -4100 of 80 at" in str(error)
    assert error.thread == (3, 0, 0)
    error = fault(FAULTS, "past_end", 64, x, y, 10**12)
    assert "a wild pointer" in str(error)
    error = fault(FAULTS, "past_end", 64, np.zeros(0, np.float32), y, 0)
    assert "byte 0 of 0" in str(error)


@pytest.mark.parametrize("at", [-1, -20, 5, 6])
def test_writes_beside_an_array(at: int) -> None:
    error = fault(FAULTS, "before", 4, np.zeros(5, np.float32), at)
    assert error.kind == "canary"
    assert "the bytes around argument 0 (float*)" in str(error)


def test_constant_arrays_cannot_be_written() -> None:
    error = fault(FAULTS, "constant", 1, np.zeros(8, np.float32), np.zeros(1, np.float32))
    assert "illegal memory write: argument 0 (const float*): byte 4 of 32" in str(error)
    assert error.line == line_of(FAULTS, "// constant")


@pytest.mark.parametrize(
    ("instance", "args", "kind", "message"),
    [
        ("shared_end", (np.zeros(1, np.float32), np.int32(4)), "access", "`tile`: byte 16 of 16"),
        ("stack", (np.zeros(1, np.int32), np.int32(4000)), "stack", "stack is full"),
        ("divided", (np.zeros(2, np.int32),), "trap", "division by zero"),
        ("trapped", (np.zeros(2, np.int32),), "trap", "__trap was called"),
        ("assumed", (np.zeros(2, np.int32),), "trap", r"does not hold: y\[0\] > 0"),
        ("endless", (np.zeros(2, np.int32),), "time", "an endless loop"),
    ],
)
def test_other_faults(instance: str, args: Any, kind: str, message: str) -> None:
    error = fault(FAULTS, instance, 1, *args, seconds=0.2)
    assert error.kind == kind
    with pytest.raises(type(error), match=message):
        raise error
    mark = f"// {instance.removesuffix('_end')}"
    assert instance == "stack" or error.line == line_of(FAULTS, mark)
    assert error.thread == (0, 0, 0)


def test_a_fault_leaves_no_trace() -> None:
    y = np.array([5, 1], np.int32)
    fault(FAULTS, "trapped", 64, np.zeros(1, np.int32))
    run(FAULTS, "divided", 1, y)
    assert y.tolist() == [7, 1]
    run(FAULTS, "bare", 1, y)  # a local variable without a value is not 0
    assert y[0] not in (0, 7)


DIVERGENT = r"""
__global__ void exited(int *y) {
    if (threadIdx.x >= 40) return;
    __syncthreads();  // exited
}
__global__ void two_places(int *y) {
    if (threadIdx.x < 32) __syncthreads();  // first
    else {
        __syncthreads();  // second
    }
}
__global__ void loop(int *y) {
    for (int i = threadIdx.x; i < 100; i += blockDim.x)
        __syncthreads();  // loop
}
__global__ void half_warp(float *y) {
    float v = threadIdx.x;
    if (threadIdx.x % 32 < 16)
        v += __shfl_down_sync(0xffffffff, v, 8);  // some
    __syncthreads();  // others
    y[threadIdx.x] = v;
}
__global__ void two_shuffles(float *y) {
    float v = threadIdx.x;
    if (threadIdx.x % 2)
        v += __shfl_xor_sync(0xffffffff, v, 1);  // odd
    else
        v += __shfl_xor_sync(0xffffffff, v, 2);  // even
    y[threadIdx.x] = v;
}
__global__ void left_out(float *y) {
    y[threadIdx.x] = __shfl_sync(0x0000fffe, 1.0f, 1);  // left out
}
__global__ void crossed(int *y) {
    if (threadIdx.x == 0) __syncwarp(0x3);  // zero
    if (threadIdx.x == 1) __syncwarp(0x6);
    if (threadIdx.x == 2) __syncwarp(0x5);
}
__global__ void width(float *y) {
    y[threadIdx.x] = __shfl_sync(0xffffffff, 1.0f, 1, 12);  // width
}
"""


@pytest.mark.parametrize("order", ["ascending", "descending", ("random", 1)])
@pytest.mark.parametrize(
    ("instance", "message", "mark"),
    [
        ("exited", "40 of 64 threads wait at __syncthreads (line 4), 24 have exited", "exited"),
        ("two_places", "divergent __syncthreads: other threads wait at line", None),
        ("loop", "36 of 64 threads wait at __syncthreads (line 14), 28 have exited", "loop"),
        ("half_warp", "in a shuffle (line 19, mask ffffffff) for lanes ffff0000", "others"),
        ("two_shuffles", "divergent warp operation: lanes", None),
        ("left_out", "whose mask leaves it out", "left out"),
        ("crossed", "lanes 00000001 of warp 0 wait in __syncwarp (line 35, mask 00000003)", "zero"),
        ("width", "not a power of two", "width"),
    ],
)
def test_divergence_is_an_error(instance: str, message: str, mark: str | None, order: Any) -> None:
    kind = np.float32 if "float *y" in DIVERGENT.split(f"void {instance}(")[1][:10] else np.int32
    error = fault(DIVERGENT, instance, 64, np.zeros(64, kind), order=order)
    assert message in str(error)
    assert error.kind == ("trap" if instance in ("left_out", "width") else "divergence")
    assert error.thread is not None
    assert mark is None or error.line == line_of(DIVERGENT, f"// {mark}")


PERMITTED = r"""
__global__ void permitted(int *y) {
    int lane = threadIdx.x % 32, v = lane;
    if (lane < 20) {  // two groups of one warp, at two shuffles
        v = __shfl_sync(0x000fffff, v, 3);
        if (lane < 10) __syncwarp(0x000fffff);
        else __syncwarp(0x000fffff);
    } else {
        v = __shfl_xor_sync(0xfff00000, v, 1);
    }
    if (lane >= 24) return;
    y[threadIdx.x] = v + __shfl_down_sync(0xffffffff, v, 1) + __popc(__ballot_sync(0xffffffff, 1));
}
"""


@pytest.mark.parametrize("order", ORDERS)
def test_divergence_that_is_none(order: Any) -> None:
    y = np.zeros(56, np.int32)
    run(PERMITTED, "permitted", 56, y, order=order)  # the second warp has 24 lanes
    first = [3] * 20 + [21, 20, 23, 22]
    assert y[:23].tolist() == [a + b + 24 for a, b in itertools.pairwise(first)]
    assert y[24:32].tolist() == [0] * 8
    assert y[32:55].tolist() == y[:23].tolist()


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
def test_time_per_thread(instance: str, record_property: Callable[[str, object], None]) -> None:
    blocks, n = (400, 1) if instance == "start" else (8, 50)
    y = np.zeros(1, np.float32)

    def launch() -> None:
        run(COSTS, instance, 256, y, np.int32(n), blocks=blocks)

    launch()
    each = min(_seconds(launch) for _ in range(3)) / (blocks * 256 * n)
    record_property("nanoseconds", round(each * 1e9, 1))
    assert each < 1e-6  # a few nanoseconds to some tens


@pytest.mark.parametrize("order", ["ascending", ("random", 1)])
def test_the_portable_switch(order: Any) -> None:
    flags = ("-DHOSTCUDA_UCONTEXT",)
    x = np.arange(100, dtype=np.int64)
    y = np.zeros_like(x)
    args = (50, x, y, np.int32(100))
    run(REVERSE, "reverse<long long>", *args, blocks=2, shared=400, order=order, flags=flags)
    assert (y == x.reshape(2, 50)[:, ::-1].ravel() + 27).all()
    assert fault(FAULTS, "trapped", 2, np.zeros(1, np.int32), flags=flags).kind == "trap"
    assert fault(FAULTS, "before", 4, np.zeros(5, np.float32), 5000, flags=flags).kind == "access"
