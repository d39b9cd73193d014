"""The twins for CUDA tensors of PyTorch: shared memory, the producer's stream, tensors back."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace

import fakecupy
import numpy as np
import pytest
import torch

import unmix as um
from unmix.cuda import check

pytestmark = pytest.mark.kernels

STREAM = 0x7700


@pytest.fixture
def cupy(monkeypatch):
    """Give a stand-in that takes tensors in main memory for CUDA tensors."""
    to_tensor = torch.from_dlpack
    with fakecupy.installed() as module:
        monkeypatch.setattr(module, "from_dlpack", lambda t: fakecupy.shared(np.from_dlpack(t)))
        monkeypatch.setattr(torch, "from_dlpack", lambda array: to_tensor(array._memory))
        stream = SimpleNamespace(cuda_stream=STREAM)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda _: stream)
        yield module


CASES = {
    (case.op, case.target): case
    for case in check.cases()
    if not isinstance(case.args[0], np.ndarray) or case.args[0].dtype != np.uint16
}


def tensors(case):
    """Return the arguments, arrays as tensors; forms stay on the host."""
    return [
        torch.from_numpy(a)
        if isinstance(a, np.ndarray) and (case.op != "largest_forms" or not i)
        else a
        for i, a in enumerate(case.args)
    ]


@pytest.mark.parametrize("case", CASES.values(), ids=lambda case: f"{case.target}:{case.op}")
def test_equals_the_twin_for_cupy_on_the_stream_of_the_tensor(cupy, case):
    module, _, name = case.target.partition(":")
    module = import_module(f"unmix.cuda.{module}")
    name = name or case.op
    given = tensors(case)
    with fakecupy.watched() as watch:
        ours = getattr(module, f"{name}_torch")(*given, **case.options)
    assert watch.waits == []
    assert {launch.stream for launch in watch.launches} == {STREAM}
    arrays = [cupy.from_dlpack(a) if isinstance(a, torch.Tensor) else a for a in given]
    theirs = getattr(module, name)(*arrays, **case.options)
    if not isinstance(theirs, tuple):
        ours, theirs = (ours,), (theirs,)
    assert type(ours) is type(theirs)
    for tensor, array in zip(ours, theirs, strict=True):
        if isinstance(array, int):
            assert tensor == array
            continue
        assert isinstance(tensor, torch.Tensor)
        np.testing.assert_array_equal(tensor.numpy(), array.get())


def test_an_offset_and_a_scale_come_along(cupy):
    image, vectors = torch.ones(20, 20), torch.ones(8 * 5, 3)
    spectra = import_module("unmix.cuda.spectra")
    offset = torch.full((3,), 2.0)
    ours = spectra.window_project_torch(image, 8, 4, vectors, offset=offset)
    plain = spectra.window_project_torch(image, 8, 4, vectors)
    assert torch.equal(ours, plain - 2)
    rows, q, center = torch.ones(9, 4), torch.ones(4, 2).double(), torch.zeros(4).double()
    ours = um.cuda.svd.sketch_torch(rows, q, center, torch.full((4,), 3.0))
    assert torch.equal(ours.total, torch.full((4,), 27.0).double())
