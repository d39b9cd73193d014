"""From the text of a kernel to a library."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from .errors import BuildError
from .kernels import HostKernels
from .running import FILE, fault, run

pytestmark = pytest.mark.kernels

ADD = r"""
__global__ void add(const int *x, int *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] += x[i];
}
"""


def test_a_library_is_built_once(tmp_path: Path) -> None:
    for text in (ADD, ADD, ADD.replace("+=", "-=")):
        K = HostKernels(source={FILE: text}.__getitem__, cache=tmp_path)
        y = np.ones(3, np.int32)
        K.get(FILE, "add")((1,), (3,), (np.ones(3, np.int32), y, np.int32(3)))
    assert y.tolist() == [0, 0, 0]
    assert sorted(path.name.split("-")[0] for path in tmp_path.iterdir()) == [
        "add",
        "add",
        "runtime",
    ]
    assert K.get(FILE, "add") is K.get(FILE, "add")


def test_versions_of_a_kernel_live_side_by_side() -> None:
    text = """
template <class T> __global__ void size(int *x) {
    __shared__ T row[8];
    row[x[0]] = 0;
    x[1] = sizeof(row);
}
"""
    for version, expected in ((text, 32), (text.replace("[8]", "[4]"), None)):
        x = np.array([4, 0], np.int32)
        if expected is None:
            assert fault(version, "size<int>", 1, x).kind == "access"
        else:
            run(version, "size<int>", 1, x)
            assert x[1] == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("__global__ void k(int *x) {\n  __shared__ int a[3], b;\n}", "test.cu:2: a __shared__"),
        ("__global__ void k(int *x) {\n  __shared__ int a[1] = {1};\n}", "test.cu:2: a __shared__"),
        ("extern __shared__ int a[];\n__global__ void k(int *x) {}", "test.cu:1: declare shared"),
        ('\n#line 7 "common.cuh"\n\n__shared__ int a[3];', "common.cuh:8: declare shared"),
        ("__global__ void k(int *x) {\n\n  y = 1;\n}", "test.cu:3:"),
        ("__global__ void other(int *x) {}", "instance:"),
    ],
)
def test_what_does_not_compile_is_located(text: str, message: str) -> None:
    with pytest.raises(BuildError, match=message):
        run(text, "k", 1, np.zeros(1, np.int32))


ODDITIES = r"""
template <class T, int N> struct Table { T values[N]; };
// __shared__ in a comment { is nothing
__global__ void odd(int *x) {
    const char *text = "__shared__ int no[3]; {";
    __shared__ Table<int, 3> pairs
        [2]; __shared__ __align__(128) volatile unsigned char bytes[2 * 3][4];
    static __shared__ int single;
    extern __shared__ __align__(16) unsigned char raw[];
    x[0] = sizeof(pairs) + sizeof bytes;
    x[1] = int(size_t(&bytes[0][0]) % 128 + size_t(raw) % 16);
    x[2] = single & pairs[1].values[2] & int(bytes[5][3]) & raw[3];
    x[3] = text[2] == 's';
    x[4] = __LINE__;
}
"""


def test_declarations_of_shared_memory() -> None:
    x = np.zeros(5, np.int32)
    run(ODDITIES, "odd", 1, x, shared=4)
    assert x.tolist() == [48, 0, 255, 1, 14]
