"""What kernels do wrong, and how it is told: in the process of the tests, behind guard pages."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from .running import ORDERS, fault, line_of, run

pytestmark = pytest.mark.kernels

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
__global__ void asserted(int *y) {
    assert(y[0] > 0);  // asserted
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
        ("asserted", (np.zeros(2, np.int32),), "trap", r"does not hold: y\[0\] > 0"),
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


def test_faults_with_the_portable_switch() -> None:
    flags = ("-DHOSTCUDA_UCONTEXT",)
    assert fault(FAULTS, "trapped", 2, np.zeros(1, np.int32), flags=flags).kind == "trap"
    assert fault(FAULTS, "before", 4, np.zeros(5, np.float32), 5000, flags=flags).kind == "access"
