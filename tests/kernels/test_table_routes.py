"""Which arrays the kernels for tables decline, with what words; and how tensors come and go."""

from __future__ import annotations

import sys
from collections import namedtuple
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import unmix as um
from unmix import _declines
from unmix.cuda import _load

pytestmark = pytest.mark.kernels

OPERATIONS = {"largest_forms": "simplex", "nearest": "kmeans", "assign": "kmeans", "race": "kmeans"}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (np.ones((3, 2), np.uint16), "float32 and float64, and the rows are uint16"),
        (np.ones((3, 2), np.float16), "the rows are float16"),
        (np.ones(3), r"reads a table \(sample, feature\), and the array has 1 axes"),
        (np.ones((0, 2)), r"shape \(0, 2\): there is nothing to launch a kernel for"),
        (np.ones((3, 0)), r"shape \(3, 0\): there is nothing"),
        (np.ones((3, 2))[::-1], "the rows lie backwards: copy them first"),
    ],
)
def test_says_why_a_table_is_declined(rows, words):
    import re

    assert re.search(words, _declines.table(rows))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_takes_tables_of_any_forward_steps(dtype):
    table = np.ones((6, 4), dtype)
    for rows in (table, table.T, table[::2, 1:], table[:, :1]):
        assert _declines.table(rows) is None


@pytest.mark.parametrize("op", OPERATIONS)
def test_tensors_on_the_processor_stay_with_the_generic_operation(op):
    said = [
        (route, why)
        for route, why in um.explain(op, torch.ones(4, 3))
        if not route.startswith("unmix.host.")
    ]
    target = f"unmix.cuda.{OPERATIONS[op]}:{op}"
    why = "its kernel needs a CUDA device, and the tensor lies on cpu"
    assert said[-3:] == [  # after those for NumPy
        (target, "it is not for arrays of torch"),
        (f"{target}_torch", why),
        ("generic", "runs"),
    ]


def test_tensors_with_gradients_are_declined(monkeypatch):
    tensor = SimpleNamespace(
        device=SimpleNamespace(type="cuda"), requires_grad=True, dtype=torch.float32
    )
    declines = _declines.on_torch(_declines.table)
    assert "gradients" in declines(tensor)
    tensor.requires_grad = False
    monkeypatch.setattr(_declines, "find_spec", lambda _: None)
    assert "CuPy, which is not installed" in declines(tensor)


def test_a_race_in_other_numbers_is_declined():
    rows, whole = np.ones((3, 2)), np.ones((3, 1), np.int64)
    assert "and the distances or draws are int64" in _declines.raced(rows, squared=whole)
    assert "are int64" in _declines.raced(rows, exponentials=whole, squared=np.ones((3, 1)))
    assert _declines.raced(rows, squared=np.ones((3, 1))) is None
    assert "3 axes" in _declines.raced(np.ones((1, 2, 3)))


@pytest.mark.parametrize("op", OPERATIONS)
def test_targets_exist(op):
    from importlib import import_module

    for name in (op, f"{op}_torch"):
        assert callable(getattr(import_module(f"unmix.cuda.{OPERATIONS[op]}"), name))


def test_tensors_work_on_their_own_stream_and_come_back(monkeypatch):
    seen = []

    def context(name):
        @contextmanager
        def enter(value):
            seen.append((name, value))
            yield
            seen.append((name, "left"))

        return enter

    cuda = SimpleNamespace(Device=context("device"), ExternalStream=context("stream"))
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(cuda=cuda, from_dlpack=np.from_dlpack))
    stream = SimpleNamespace(cuda_stream=4321)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: stream)
    pair = namedtuple("pair", "a b")

    def launch(x, y, number):
        assert isinstance(x, np.ndarray)
        assert isinstance(y, np.ndarray)
        return pair(x + y, (x * number, y.T))

    x, y = torch.ones(2, 3), torch.full((2, 3), 2.0)
    result = _load.on_torch(launch, x, y, 5)
    assert isinstance(result, pair)
    assert torch.equal(result.a, torch.full((2, 3), 3.0))
    assert torch.equal(result.b[0], torch.full((2, 3), 5.0))
    assert result.b[1].shape == (3, 2)
    assert result.b[1].data_ptr() == y.data_ptr()  # no copy
    expected = [("device", None), ("stream", 4321), ("stream", "left"), ("device", "left")]
    assert seen == expected
