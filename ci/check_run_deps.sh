#!/usr/bin/env bash
# Install the project with its run-time dependencies alone, in a fresh virtual environment, and take
# a small image from windows to endmembers. UNMIX_PYTHON names the interpreter (default: python3).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# From a copy: setuptools builds in place, and what an older build left there would hide a missing file.
mkdir "$work/source"
cp -R "$root"/{pyproject.toml,README.md,LICENSE,unmix,kernels} "$work/source"
"${UNMIX_PYTHON:-python3}" -m venv "$work/venv"
cd "$work"
export PATH="$work/venv/bin:$PATH"
python -m pip install --quiet ./source
python -m pip list
rm -r source

python -c "import unmix"
python -c "from unmix import _kernels; [_kernels.source(file) for file in _kernels.ENTRY_POINTS]"
python -W error - <<'PY'
import importlib.util

import numpy as np

import unmix as um

for name in ("matplotlib", "tifffile", "h5py", "dask", "numba", "torch"):
    assert importlib.util.find_spec(name) is None, f"{name} is no run-time dependency"

y, x = np.mgrid[:64, :96]
image = np.where(x < 48, np.cos(np.pi * x / 4), np.cos(np.pi * y / 3))
image += 0.01 * np.random.default_rng(0).standard_normal(image.shape)
spectra = um.window_fft(um.sliding_windows(image, window=16, step=8))
model = um.nfindr(spectra, n_endmembers=2)

maps = np.asarray(model.maps)
assert maps.shape == (2, 7, 11), maps.shape
left, right = maps[:, :, 0].mean(axis=1), maps[:, :, -1].mean(axis=1)
assert abs(left - right).min() > 0.9, (left, right)  # each half is one endmember
print("windows -> FFT -> N-FINDR:", maps.shape)
PY
unmix --help
