"""What only the sanitizers see, and that they see nothing in kernels that are right."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from .errors import KernelError
from .running import fault, line_of, run

pytestmark = pytest.mark.kernels

N = np.int32(64)

RACES = r"""
__device__ float total(float v) {
    for (int d = 16; d; d >>= 1) v += __shfl_down_sync(0xffffffff, v, d);
    return v;
}
__global__ void barrier(const int *x, int *y, int n) {
    __shared__ int tile[64];
    tile[threadIdx.x] = x[threadIdx.x];  // barrier, written
    BARRIER;
    y[threadIdx.x] = tile[63 - threadIdx.x];  // barrier, read
}
__global__ void warp_barrier(const int *x, int *y, int n) {
    extern __shared__ int tile[];
    int lane = threadIdx.x % 32, base = threadIdx.x - lane;
    tile[threadIdx.x] = x[threadIdx.x];
    if (lane < 16) WARP(0x0000ffff);
    else WARP(0xffff0000);
    y[threadIdx.x] = tile[base + (lane ^ 8)];
    if (threadIdx.x == 0) y[0] += NOTHING;
}
__global__ void twice(const int *x, int *y, int n) {
    __shared__ int buffer[64];
    for (int turn = 0; turn < 2; ++turn) {
        buffer[threadIdx.x] = x[threadIdx.x] + turn;
        __syncthreads();
        for (int d = 32; d; d >>= 1) {
            if (threadIdx.x < d) buffer[threadIdx.x] += buffer[threadIdx.x + d];
            __syncthreads();
        }
        if (threadIdx.x == 33) y[turn] = buffer[0];
        TWICE;
    }
}
__global__ void counted(const int *x, int *y, int n) {
    __shared__ int sum;
    if (threadIdx.x == 0) sum = 0;
    __syncthreads();
    COUNT(sum, x[threadIdx.x]);
    __syncthreads();
    if (threadIdx.x == 0) COUNT(y[0], sum);
}
__global__ void cells(const int *x, int *y, int n) {
    if (threadIdx.x < 2) y[CELL] = x[threadIdx.x];
}
__global__ void last(const float *x, float *partial, unsigned *finished, float *result) {
    __shared__ bool is_last;
    float sum = total(x[blockIdx.x * 32 + threadIdx.x]);
    if (threadIdx.x == 0) {
        BEFORE partial[blockIdx.x] = sum;
        FENCE;
        is_last = atomicAdd(finished, 1u) == gridDim.x - 1;
    }
    __syncthreads();
    if (!is_last) return;
    sum = 0;
    for (int i = threadIdx.x; i < gridDim.x; i += 32) sum += partial[i];
    sum = total(sum);
    if (threadIdx.x == 0) *result = sum;
}
"""
RIGHT = {
    "BARRIER": "__syncthreads()",
    "WARP(": "__syncwarp(",
    "NOTHING": "0",
    "TWICE": "__syncthreads()",
    "COUNT(": "atomicAdd(&",
    "CELL": "2 * blockIdx.x + threadIdx.x",
    "BEFORE": "",
    "FENCE": "__threadfence()",
}


def _text(**wrong: str) -> str:
    text = RACES
    for word, right in RIGHT.items():
        text = text.replace(word, wrong.get(word.rstrip("("), right))
    return text


def _launch(text: str, instance: str, mode: str = "tsan", blocks: int = 5) -> Any:
    if instance == "last":
        x, partial = np.arange(32 * blocks, dtype=np.float32), np.zeros(blocks, np.float32)
        result = np.zeros(1, np.float32)
        args = (x, partial, np.zeros(1, np.uint32), result)
        run(text, instance, 32, *args, blocks=blocks, mode=mode)
        assert result[0] == x.sum()
        return
    n, y = np.arange(64, dtype=np.int32), np.zeros(64, np.int32)
    few = blocks if instance in ("counted", "cells") else 1
    run(text, instance, 64, n, y, N, blocks=few, mode=mode, shared=256)
    expected: dict[str, Any] = {
        "barrier": n[::-1],
        "warp_barrier": n ^ 8,
        "twice": np.where(n < 2, 2016 + 64 * n, 0),
        "counted": np.where(n == 0, few * 2016, 0),
        "cells": np.where(n < 2 * few, n % 2, 0),
    }
    assert (y == expected[instance]).all()


CASES = ("barrier", "warp_barrier", "twice", "counted", "cells", "last")


@pytest.mark.parametrize("mode", ["plain", "asan", "tsan"])
@pytest.mark.parametrize("instance", CASES)
def test_right_kernels_raise_no_alarm(instance: str, mode: str) -> None:
    _launch(_text(), instance, mode)


def test_right_kernels_of_many_blocks_raise_no_alarm() -> None:
    _launch(_text(), "last", blocks=100)
    _launch(_text(), "cells", blocks=30)


@pytest.mark.parametrize(
    ("instance", "wrong"),
    [
        ("barrier", {"BARRIER": ""}),
        ("barrier", {"BARRIER": "__syncwarp()"}),
        ("barrier", {"BARRIER": "__shfl_sync(0xffffffff, 1, 1)"}),
        ("barrier", {"BARRIER": "__threadfence()"}),
        ("warp_barrier", {"WARP": "__popc("}),
        ("warp_barrier", {"WARP": "__ballot_sync(1 + -1 + "}),
        ("twice", {"TWICE": ""}),
        ("counted", {"COUNT": "NAIVE("}),
        ("cells", {"CELL": "threadIdx.x"}),
        ("last", {"FENCE": ""}),
        ("last", {"BEFORE": "__threadfence();", "FENCE": ""}),
        ("last", {"FENCE": "__syncwarp(1)"}),
    ],
)
def test_races_are_found(instance: str, wrong: dict[str, str]) -> None:
    text = "#define NAIVE(place, value) place += value\n" + _text(**wrong)
    if "__ballot_sync" in wrong.get("WARP", ""):
        text = text.replace("__ballot_sync(1 + -1 + ", "__ballot_sync(0xffffffff & ")
        text = text.replace("& 0x0000ffff)", "& 0x0000ffff, 1)").replace(
            "& 0xffff0000)", "& 0xffff0000, 1)"
        )
    with pytest.raises(KernelError) as caught:
        _launch(text, instance)
    assert caught.value.kind == "race"
    assert re.search(r"race on (argument|shared array|dynamic shared)", str(caught.value))


def test_a_race_is_told_by_both_sides() -> None:
    text = _text(BARRIER="")
    with pytest.raises(KernelError) as caught:
        _launch(text, "barrier")
    written, read = (line_of(text, f"// barrier, {what}") for what in ("written", "read"))
    found = re.fullmatch(
        r"barrier: race on shared array `tile`: byte \d+ of 256: "
        rf"(?:write by {{0}} at test.cu:{written} and read by {{0}} at test.cu:{read}|"
        rf"read by {{0}} at test.cu:{read} and write by {{0}} at test.cu:{written})".replace(
            "{0}", r"block \(0, 0, 0\) thread \(\d+, 0, 0\)"
        ),
        str(caught.value),
    )
    assert found, str(caught.value)
    assert caught.value.line in (written, read)


ADDRESSES = r"""
__global__ void byte(const unsigned char *x, unsigned char *y, int at) {
    if (threadIdx.x == 2) y[0] = x[at];  // byte
}
__global__ void tile(const unsigned char *x, unsigned char *y, int at) {
    __shared__ unsigned char row[2][4];
    row[1][threadIdx.x] = 1;
    if (threadIdx.x == 2) y[0] = row[0][at];  // tile
}
__global__ void dynamic(const unsigned char *x, unsigned char *y, int at) {
    extern __shared__ unsigned char raw[];
    if (threadIdx.x == 2) raw[at] = 1;  // dynamic
}
__global__ void sum(const unsigned char *x, unsigned char *y, int at) {
    int twice = at;
    if (threadIdx.x == 2) twice += at;  // sum
    y[0] = twice > 7;
}
__global__ void vector(const unsigned char *x, unsigned char *y, int at) {
    auto *vectors = reinterpret_cast<const uchar4 *>(x + at);
    if (threadIdx.x == 2) y[0] = vectors->y;  // vector
}
__global__ void local(const unsigned char *x, unsigned char *y, int at) {
    volatile int kept[4];
    kept[threadIdx.x] = 1;
    if (threadIdx.x == 2) y[0] = kept[at];  // local
}
"""


@pytest.mark.parametrize(
    ("instance", "at", "message"),
    [
        ("byte", 21, "read of 1 bytes, argument 0 (const unsigned char*): byte 21 of 21"),
        ("byte", -1, "read of 1 bytes, argument 0 (const unsigned char*): byte -1 of 21"),
        ("tile", 4, "index 4 out of bounds"),
        ("dynamic", 7, "write of 1 bytes, dynamic shared memory: byte 7 of 7"),
        ("sum", 2**30, "signed integer overflow"),
        ("vector", 3, "misaligned address"),
        ("local", 4, "index 4 out of bounds"),
    ],
)
def test_addresses_and_undefined_behaviour(instance: str, at: int, message: str) -> None:
    x, y = np.zeros(21, np.uint8), np.zeros(1, np.uint8)
    error = fault(ADDRESSES, instance, 4, x, y, np.int32(at), mode="asan", shared=7)
    assert message in str(error)
    assert error.kind in ("access", "sanitizer")
    assert error.line == line_of(ADDRESSES, f"// {instance}")
    assert (error.block, error.thread) == ((0, 0, 0), (2, 0, 0))


WRONG = r"""
__global__ void exited(int *y) {
    if (threadIdx.x >= 40) return;
    __syncthreads();  // exited
}
__global__ void outside(int *y) {
    if (threadIdx.x == 9) y[5000] = 1;  // outside
}
__global__ void endless(int *y) {
    while (*(volatile int *)y == 0) ;
}
"""


@pytest.mark.parametrize("mode", ["asan", "tsan"])
def test_other_faults_come_through(mode: str) -> None:
    y = np.zeros(64, np.int32)
    error = fault(WRONG, "exited", 64, y, mode=mode)
    assert error.kind == "divergence"
    assert error.line == line_of(WRONG, "// exited")
    error = fault(WRONG, "outside", 64, y, mode=mode)
    assert error.kind == "access"
    assert (error.line, error.thread) == (line_of(WRONG, "// outside"), (9, 0, 0))
    assert "argument 0 (int*): byte 20000 of 256" in str(error)
    assert fault(WRONG, "endless", 1, y, mode=mode, seconds=1).kind == "time"
