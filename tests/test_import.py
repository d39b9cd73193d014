"""`import unmix` loads NumPy and itself; everything else comes when it is called."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "cupy",
    "dask",
    "h5py",
    "hyperspy",
    "matplotlib",
    "numba",
    "PIL",
    "rsciio",
    "scipy",
    "sklearn",
    "threadpoolctl",
    "tifffile",
    "torch",
    "tqdm",
    "xarray",
    "zarr",
)


def loaded_after(code: str) -> set[str]:
    """Return the modules that a fresh interpreter has loaded after running ``code``."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return set(done.stdout.split())


def heavy(modules: set[str]) -> set[str]:
    return {name for name in modules if name.partition(".")[0] in HEAVY}


def test_import_loads_nothing_heavy():
    modules = loaded_after("import unmix")
    assert "numpy" in modules
    assert not heavy(modules)
    # parts of unmix that nobody asked for yet
    assert not {"unmix.io", "unmix.plot", "unmix.cli", "unmix.synthetic", "unmix.cuda"} & modules
    assert not {m for m in modules if m.startswith(("unmix.cuda", "unmix.plot", "unmix.io"))}


def test_samples_and_records_load_nothing_heavy():
    modules = loaded_after(
        "import numpy as np, unmix as um\n"
        "samples = um.window_fft(um.sliding_windows(np.ones((40, 40)), 16, 8), k_max=0.2)\n"
        "samples = samples[1:].where(np.ones((3, 4), bool)).transform('log1p')\n"
        "repr(samples), samples.record.to_json()"
    )
    assert not heavy(modules)


def test_numpy_arrays_never_load_a_gpu_library_or_another_namespace():
    modules = loaded_after(
        "import numpy as np, unmix as um\n"
        "image = np.random.default_rng(0).random((40, 40))\n"
        "samples = um.window_fft(um.sliding_windows(image, 16, 8))\n"
        "um.kmeans(um.pca(samples, 2).scores, 2), um.nfindr(samples, 2)"
    )
    assert not {
        m for m in heavy(modules) if m.split(".")[0] in ("cupy", "torch", "matplotlib", "dask")
    }
    # the FFT is SciPy's; its signal package, which takes a second, is not needed for tapers
    assert "scipy.fft" in modules
    assert "scipy.signal" not in modules


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("synthetic", "unmix.synthetic"),
        ("Pipeline", "unmix.pipeline"),
        ("open", "unmix.io"),
        ("plot", "unmix.plot"),
    ],
)
def test_names_are_imported_when_they_are_asked_for(name, module):
    modules = loaded_after(f"import unmix\nunmix.{name}")
    assert module in modules
    assert not {m for m in heavy(modules) if m.split(".")[0] in ("cupy", "torch", "dask", "numba")}


def test_every_public_name_is_there():
    loaded_after(
        "import unmix\n"
        "assert set(unmix.__all__) <= set(dir(unmix))\n"
        "for name in unmix.__all__: getattr(unmix, name)\n"
        "assert unmix.__version__"
    )
