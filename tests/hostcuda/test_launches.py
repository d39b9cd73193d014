"""What a launch refuses, and how arguments reach the kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from .arguments import MOST_SHARED
from .errors import LaunchError
from .kernels import HostKernels
from .running import FILE, fault, loader, run

pytestmark = pytest.mark.kernels

TYPES = r"""
struct half_bits { unsigned short bits; };
struct Pair { int first, second; };
template <class T> __global__ void array(T *x, int n) {}
template <class T> __global__ void number(T x) {}
__global__ void __launch_bounds__(64, 2) bounded(int *x) {}
template <int N> __global__ void __launch_bounds__(N < 3 ? 32 : (N * 32)) scaled(int *x) {}
__global__ void nothing() {}
"""


@pytest.mark.parametrize(
    ("kind", "given", "fits"),
    [
        ("float", np.zeros(4, np.float32), True),
        ("float", np.zeros(4), False),
        ("float", np.zeros(4, np.int32), False),
        ("const float", np.zeros((2, 2), np.float32), True),
        ("const float", np.zeros((2, 3), np.float32).T, False),
        ("const float", np.zeros((4, 4), np.float32)[:, :2], False),
        ("const float", np.zeros(4, ">f4"), False),
        ("int", np.zeros(4, np.uint32), False),
        ("unsigned int", np.zeros(4, np.uint32), True),
        ("long long", np.zeros(4, np.int64), True),
        ("unsigned char", np.zeros(4, np.uint8), True),
        ("unsigned char", np.zeros(4, bool), False),
        ("bool", np.zeros(4, bool), True),
        ("unsigned short", np.zeros(4, np.float16), True),
        ("short", np.zeros(4, np.float16), False),
        ("half_bits", np.zeros(4, np.float16), True),
        ("half_bits", np.zeros(4, np.float32), False),
        ("Pair", np.zeros(4, np.int64), True),
        ("float2", np.zeros(4, np.complex64), True),
        ("float2", np.zeros(4, np.float32), True),
        ("float2", np.zeros(3, np.float32), False),
        ("float2", np.zeros(4, np.complex128), False),
        ("double2", np.zeros(4, np.complex128), True),
        ("uchar4", np.zeros((3, 4), np.uint8), True),
        ("const int4", np.zeros(4, np.float32), False),
        ("void", np.zeros(4, np.int16), True),
        ("float", np.float32(1), False),
        ("float", None, False),
        ("float", [1.0], False),
    ],
)
def test_arrays(kind: str, given: Any, fits: bool) -> None:
    kernel = loader(TYPES, "plain", "ascending").get(FILE, f"array<{kind}>")
    if fits:
        kernel((1,), (1,), (given, np.int32(0)))
    else:
        with pytest.raises(LaunchError, match=r"argument 0 \("):
            kernel((1,), (1,), (given, np.int32(0)))


@pytest.mark.parametrize(
    ("kind", "given", "fits"),
    [
        ("int", np.int32(1), True),
        ("int", 1, False),
        ("int", np.int64(1), False),
        ("int", np.uint32(1), False),
        ("long long", 1, True),
        ("long long", np.int64(1), True),
        ("long", 1, True),
        ("unsigned long long", np.uint64(1), True),
        ("unsigned long long", 1, False),
        ("double", 1.0, True),
        ("double", 1, False),
        ("float", 1.0, False),
        ("float", np.float32(1), True),
        ("const float", np.float32(1), True),
        ("float", np.float64(1), False),
        ("bool", True, True),
        ("bool", np.bool_(True), True),
        ("bool", 1, False),
        ("short", np.int16(1), True),
        ("float", np.zeros(1, np.float32), False),
        ("float", np.zeros((), np.float32), False),
        ("Pair", np.int64(1), False),
        ("float", "1", False),
    ],
)
def test_numbers(kind: str, given: Any, fits: bool) -> None:
    kernel = loader(TYPES, "plain", "ascending").get(FILE, f"number<{kind}>")
    if fits:
        kernel((1,), (1,), (given,))
    else:
        with pytest.raises(LaunchError, match=r"argument 0 \("):
            kernel((1,), (1,), (given,))


def test_the_message_says_what_came() -> None:
    with pytest.raises(
        LaunchError, match=r"argument 0 \(float\): float .which CuPy passes as float64"
    ):
        run(TYPES, "number<float>", 1, 1.0)
    with pytest.raises(LaunchError, match=r"argument 0 \(float\*\): an array of float64 came"):
        run(TYPES, "array<float>", 1, np.zeros(3), np.int32(0))
    with pytest.raises(LaunchError, match="takes 2 arguments, and 1 came"):
        run(TYPES, "array<float>", 1, np.zeros(3, np.float32))
    with pytest.raises(LaunchError, match="a tuple, not list"):
        loader(TYPES, "plain", "ascending").get(FILE, "nothing")((1,), (1,), [])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("grid", "block", "message"),
    [
        ((0,), (1,), "empty"),
        ((1, 0), (1,), "empty"),
        ((1,), (0,), "empty"),
        ((1,), (1025,), "over 1024 threads"),
        ((1,), (32, 33), "over 1024 threads"),
        ((1,), (1, 1, 65), "over 1024 threads"),
        ((1, 65536), (1,), "over"),
        ((2**31,), (1,), "over"),
        ((1, 1, 1, 1), (1,), "one to three integers"),
        ((1.0,), (1,), "one to three integers"),
        (1, (1,), "one to three integers"),
        ([1], (1,), "one to three integers"),
        ((True,), (1,), "one to three integers"),
    ],
)
def test_geometry(grid: Any, block: Any, message: str) -> None:
    kernel = loader(TYPES, "plain", "ascending").get(FILE, "nothing")
    with pytest.raises(LaunchError, match=message):
        kernel(grid, block, ())


def test_launch_bounds() -> None:
    x = np.zeros(1, np.int32)
    for instance, most in (("bounded", 64), ("scaled<2>", 32), ("scaled<4>", 128)):
        run(TYPES, instance, most, x)
        with pytest.raises(LaunchError, match=f"over the kernel's {most}"):
            run(TYPES, instance, (most, 2), x)


SHARED = r"""
template <int N> __global__ void both(int *n) {
    __shared__ int fixed[N];
    extern __shared__ int dynamic[];
    fixed[threadIdx.x] = dynamic[0];
    *n = fixed[threadIdx.x];
}
"""


def test_shared_memory_is_limited() -> None:
    n = np.zeros(1, np.int32)
    run(SHARED, "both<64>", 1, n, shared=48 * 1024 - 256)
    with pytest.raises(LaunchError, match="max_dynamic_shared_size_bytes"):
        run(SHARED, "both<64>", 1, n, shared=48 * 1024 + 4)
    assert fault(SHARED, "both<64>", 1, n, shared=48 * 1024).kind == "shared"
    assert fault(SHARED, "both<13000>", 1, n, shared=4).kind == "shared"

    kernel = HostKernels(source=lambda _: SHARED).get(FILE, "both<64>")
    kernel.max_dynamic_shared_size_bytes = 100_000
    kernel((1,), (1,), (n,), shared_mem=100_000)
    with pytest.raises(LaunchError, match="100000 is the most"):
        kernel((1,), (1,), (n,), shared_mem=100_004)
    with pytest.raises(LaunchError, match="over"):
        kernel.max_dynamic_shared_size_bytes = MOST_SHARED + 1


ADD = r"""
__global__ void add(const int *x, int *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] += x[i];
}
"""


@pytest.mark.parametrize("mode", ["plain", "asan", "tsan"])
def test_overlapping_arrays_stay_so(mode: str) -> None:
    whole = np.arange(10, dtype=np.int32)
    run(ADD, "add", 5, whole[:5], whole[5:], np.int32(5), mode=mode)
    assert whole.tolist() == [0, 1, 2, 3, 4, 5, 7, 9, 11, 13]
    run(ADD, "add", 5, whole[1:6], whole[1:6], np.int32(5), mode=mode)
    assert whole.tolist() == [0, 2, 4, 6, 8, 10, 7, 9, 11, 13]
    first, empty = whole.copy(), np.zeros(0, np.int32)
    run(ADD, "add", 4, empty, whole, np.int32(0), mode=mode)
    assert (whole == first).all()


def test_read_only_arrays() -> None:
    x, y = np.ones(3, np.int32), np.ones(3, np.int32)
    x.flags.writeable = False
    run(ADD, "add", 3, x, y, np.int32(3))
    assert y.tolist() == [2, 2, 2]
    with pytest.raises(LaunchError, match="read-only"):
        run(ADD, "add", 3, y, x, np.int32(3))
