"""The backend fixture, and what all tests share."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from backends import Backend
from hypothesis import HealthCheck, settings

# The backend fixture is the same for every example, which is what is wanted.
settings.register_profile(
    "unmix",
    deadline=None,
    derandomize=True,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("unmix")

DATA = Path(__file__).parent / "data"


def _usable(backend: Backend) -> str | None:
    """Return why a backend cannot be used here, or None."""
    if backend is Backend.CUPY:
        if find_spec("cupy") is None:
            return "CuPy is not installed"
        import cupy

        try:
            cupy.cuda.runtime.getDeviceCount()
        except cupy.cuda.runtime.CUDARuntimeError:
            return "needs a CUDA GPU"
    return None


def pytest_configure() -> None:
    """Let torch compute in one thread: on small arrays two wait for each other."""
    if find_spec("torch") is not None:
        import torch

        torch.set_num_threads(1)


@pytest.fixture(params=list(Backend), ids=lambda b: b.value)
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """Run a test once for every backend."""
    chosen: Backend = request.param
    if reason := _usable(chosen):
        pytest.skip(reason)
    with chosen.flags():
        yield chosen


@pytest.fixture
def data() -> Path:
    """Return the folder of the simulated data that ships with the tests."""
    return DATA
