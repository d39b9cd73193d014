"""Memory is a budget: a whole analysis of a large image stays inside it and gives the same bits."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ANALYSIS = """
from pathlib import Path
import numpy as np, scipy.fft, tqdm, threadpoolctl
import unmix as um

image = um.synthetic.superlattice_phases((2048, 2048)).image

def megabytes(field):
    status = Path("/proc/self/status").read_text()
    return int(status.split(field + ":")[1].split()[0]) / 1024

def analyse():
    samples = um.window_fft(um.sliding_windows(image, 64, 8))
    assert samples.layout.n_samples == 62001
    pca = um.pca(samples, 16)
    model = um.nfindr(samples, 4, pca=pca)
    return pca, model, um.abundances(samples, model)

Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
before = megabytes("VmRSS")
with um.config.memory_budget(256 << 20):
    budgeted = analyse()
print("extra", megabytes("VmHWM") - before)
free = analyse()
for a, b in zip(budgeted, free):
    np.testing.assert_array_equal(a.maps, b.maps)
    np.testing.assert_array_equal(a.components, b.components)
np.testing.assert_array_equal(budgeted[1].indices, free[1].indices)
"""


@pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="peak memory is read from Linux's /proc"
)
def test_a_2k_image_stays_inside_300_megabytes() -> None:
    # the table would be 500 MB and the windows 1 GB
    done = subprocess.run(
        [sys.executable, "-c", ANALYSIS], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[1]) < 300
