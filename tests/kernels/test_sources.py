"""The CUDA sources as the wheel holds them."""

from __future__ import annotations

import re

import pytest

from unmix import _kernels

pytestmark = pytest.mark.kernels

BOUNDS = r"(?:__launch_bounds__\((?:[^()]|\([^()]*\))*\)\s+)?"
GLOBAL = re.compile(rf"__global__\s+void\s+{BOUNDS}(\w+)\s*\(")


def own_text(file):
    return _kernels.source(file).partition(f'#line 1 "{file}"\n')[2]


def without_comments(text):
    return re.sub(r"//[^\n]*", "", text)


@pytest.mark.parametrize("file", _kernels.ENTRY_POINTS)
class TestSource:
    def test_every_kernel_is_an_entry_point(self, file):
        assert set(GLOBAL.findall(own_text(file))) == set(_kernels.ENTRY_POINTS[file])

    def test_instances_are_of_their_template(self, file):
        names = _kernels.instances(file)
        assert len(set(names)) == len(names) > 0
        for template, instances in _kernels.ENTRY_POINTS[file].items():
            assert {name.partition("<")[0] for name in instances} == {template}

    def test_includes_nothing(self, file):
        assert "#include" not in without_comments(_kernels.source(file))

    def test_opens_with_its_contract(self, file):
        head = own_text(file).partition("\n\n")[0]
        words = own_text(file)[:4000]
        assert head.startswith("//")
        for word in ("Called by", "Reference", "Inputs", "Outputs", "How equal", "Shared"):
            assert re.search(rf"^// {word}\b", words, re.MULTILINE), word

    def test_lines_keep_their_numbers(self, file):
        assert _kernels.source(file).startswith('#line 1 "common.cuh"\n')
        assert own_text(file).startswith("// ")


def test_an_unknown_file_is_named():
    with pytest.raises(KeyError, match=r"no kernel file 'none\.cu'; there are .*simplex\.cu"):
        _kernels.source("none.cu")
