"""The words here are NVRTC's: what the tests say to g++, it understands too, without a header."""

from __future__ import annotations

import sys
from ctypes import byref, c_char_p, c_size_t, c_void_p, create_string_buffer
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from . import (
    test_build,
    test_faults,
    test_hostcuda,
    test_launches,
    test_sanitizers,
    test_warps,
    test_words,
)
from .test_words import LACKING

pytestmark = pytest.mark.kernels

OPTIONS = (b"-std=c++17", b"-arch=sm_75", b"-ftz=true", b"--device-as-default-execution-space")
MODULES = (test_build, test_faults, test_hostcuda, test_launches, test_warps, test_words)
TEXTS = {
    f"{module.__name__.rpartition('.')[2]}.{name}": text
    for module in MODULES
    for name, text in vars(module).items()
    if isinstance(text, str) and "__global__" in text and name not in ("__doc__", "MISSING")
} | {"right kernels": test_sanitizers._text(), "addresses": test_sanitizers.ADDRESSES}


@cache
def compiler() -> Any:
    """Return NVRTC as ``ci/compile_kernels.py`` finds it."""
    path = Path(__file__).resolve().parents[2] / "ci" / "compile_kernels.py"
    spec = spec_from_file_location("compile_kernels", path)
    assert spec is not None
    assert spec.loader is not None
    script = sys.modules["compile_kernels"] = module_from_spec(spec)
    spec.loader.exec_module(script)
    return script.nvrtc()


def complaint(text: str) -> str:
    """Return what NVRTC has to say against a text, or nothing."""
    nvrtc, program, size = compiler(), c_void_p(), c_size_t()
    nvrtc.nvrtcCreateProgram(byref(program), text.encode(), b"test.cu", 0, None, None)
    given = (c_char_p * len(OPTIONS))(*OPTIONS)
    failed = nvrtc.nvrtcCompileProgram(program, len(OPTIONS), given)
    nvrtc.nvrtcGetProgramLogSize(program, byref(size))
    log = create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    nvrtc.nvrtcDestroyProgram(byref(program))
    return log.value.decode() or "no reason" if failed else ""


@pytest.mark.parametrize("name", TEXTS)
def test_nvrtc_understands_what_is_tested_here(name: str) -> None:
    assert not complaint(TEXTS[name])


@pytest.mark.parametrize("word", LACKING)
def test_nvrtc_lacks_what_is_lacking_here(word: str) -> None:
    assert complaint("__global__ void bad(float *y) {\n    " + word + "\n}\n")
