"""The proof is proven: bugs in the kernels are seen, and kernels as they are raise no alarm."""

from __future__ import annotations

import pytest
from hostcuda import HostKernels
from hostcuda.cases import CASES
from hostcuda.mutants import MODES, MUTANTS, Mutant

pytestmark = pytest.mark.kernels


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("mode", MODES)
def test_kernels_raise_no_alarm(mode: str, name: str) -> None:
    CASES[name](HostKernels(*MODES[mode]))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_bugs_are_seen(mutant: Mutant) -> None:
    assert mutant.seen(mutant.mode), f"{mutant.mode} does not see it"


def test_there_are_bugs_of_every_kind() -> None:
    assert len(MUTANTS) >= 16
    assert {mutant.file for mutant in MUTANTS} == {
        "kmeans.cu",
        "simplex.cu",
        "sketch.cu",
        "window_fft.cu",
    }
