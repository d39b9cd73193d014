"""Spectra of windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .peers_common import (
    Contender,
    Host,
    Inputs,
    Workload,
    as_good,
    faster,
    lean,
    ours,
)


def hann(window: int) -> Host:
    """Return the periodic Hann taper of mean square one, (window, window) float32."""
    weights = (1 - np.cos(2 * np.pi * np.arange(window) / window)) / np.sqrt(1.5)
    return np.outer(weights, weights).astype(np.float32)


def strided(image: Host, window: int, step: int) -> Host:
    """Return all windows as a view."""
    return sliding_window_view(image, (window, window))[::step, ::step]


def by_rows(image: Host, window: int, step: int) -> Host:
    """Return half-plane amplitudes by SciPy's rfft2 in two threads, a row of windows at a time."""
    from scipy.fft import rfft2

    taper, cut = hann(window), strided(image, window, step)
    out = np.empty((*cut.shape[:2], window, window // 2 + 1), np.float32)
    for row, windows in zip(out, cut, strict=True):
        tapered = (windows - windows.mean(axis=(-2, -1), keepdims=True)) * taper
        np.abs(rfft2(tapered, norm="ortho", workers=2), out=row)
    return out


def by_torch(image: Host, window: int, step: int) -> Host:
    """Return the same by torch.fft."""
    import torch

    taper = torch.from_numpy(hann(window))
    cut = torch.from_numpy(image).unfold(0, window, step).unfold(1, window, step)
    out = np.empty((*cut.shape[:2], window, window // 2 + 1), np.float32)
    for row, windows in zip(torch.from_numpy(out), cut, strict=True):
        tapered = (windows - windows.mean(dim=(-2, -1), keepdim=True)) * taper
        torch.abs(torch.fft.rfft2(tapered, norm="ortho"), out=row)
    return out


def one_by_one(image: Host, window: int, step: int) -> Host:
    """Return the same by a loop over windows with the full FFT, as scripts have it."""
    taper, cut = hann(window), strided(image, window, step)
    out = np.empty((*cut.shape[:2], window, window), np.float32)
    for at in np.ndindex(cut.shape[:2]):
        tapered = (cut[at] - cut[at].mean()) * taper
        out[at] = np.abs(np.fft.fftshift(np.fft.fft2(tapered, norm="ortho")))
    return out


def by_pycroscopy(image: Host, window: int, step: int) -> Host:
    """Return the untapered spectra of pycroscopy, whose FFT mode ignores its own filter."""
    import sidpy
    from pycroscopy.image import ImageWindowing

    data = sidpy.Dataset.from_array(image)
    data.data_type = "image"
    for axis, name in enumerate("xy"):
        pixels = sidpy.Dimension(np.arange(image.shape[axis]), name=name, dimension_type="spatial")
        data.set_dimension(axis, pixels)
    asked = {"mode": "fft", "fft_mode": "abs", "window_size_x": window, "window_size_y": window}
    asked |= {"window_step_x": step, "window_step_y": step}
    return np.asarray(ImageWindowing(asked).MakeWindows(data))


def described(inputs: Inputs) -> Any:
    """Return spectra of all windows as `unmix` describes them."""
    import unmix as um

    window, step = (int(n) for n in inputs["windows"])
    return um.window_fft(um.sliding_windows(inputs["image"], window, step))


def planes(samples: Any) -> Host:
    """Return the full planes of kept samples at the places that are checked."""
    grid = samples.layout.map_shape
    rows = samples.unweighted().rows(np.ravel_multi_index(checked_places(grid), grid))
    full = np.asarray(samples.layout.unpack(rows, weighted=False))
    return np.fft.ifftshift(full, axes=(-2, -1))


def checked_places(grid: tuple[int, ...]) -> tuple[Host, Host]:
    """Return the places in the grid whose spectra are compared, in the order of their numbers."""
    numbers = np.unique(np.linspace(0, grid[0] * grid[1] - 1, 64).astype(int))
    return np.unravel_index(numbers, grid)


def largest_error(inputs: Inputs, found: Host | None) -> float:
    """Return the largest difference from float64 spectra, relative to the largest amplitude."""
    if found is None:
        return float("nan")
    window, step = (int(n) for n in inputs["windows"])
    cut = strided(inputs["image"], window, step)
    at = checked_places(cut.shape[:2])
    windows = cut[at].astype(np.float64)
    windows = (windows - windows.mean(axis=(-2, -1), keepdims=True)) * hann(window)
    exact = np.abs(np.fft.rfft2(windows, norm="ortho"))
    picked = found[at] if found.ndim == 4 else found
    return float(np.abs(picked[..., : window // 2 + 1] - exact).max() / exact.max())


def write_image(side: int, window: int, step: int) -> Any:
    """Return a `Workload.make` of a noisy micrograph and its windows."""

    def make(folder: Path, scale: float) -> None:
        from .common import image

        pixels = image(max(4 * window, int(side * scale)))
        np.save(folder / "image.npy", pixels)
        np.save(folder / "windows.npy", np.asarray([window, step]))

    return make


def corner(inputs: Inputs, share: float) -> Inputs:
    """Return a square corner of the image, with a side that pycroscopy takes."""
    image, (window, step) = inputs["image"], (int(n) for n in inputs["windows"])
    overlap = window - step
    side = max(2 * overlap, int(len(image) * share**0.5) // overlap * overlap)
    return inputs | {"image": image[:side, :side]}


def n_windows(inputs: Inputs) -> float:
    """Return the number of windows."""
    window, step = inputs["windows"]
    y, x = ((n - window) // step + 1 for n in inputs["image"].shape)
    return float(y * x)


def _with(function: Any) -> Any:
    return lambda inputs: function(inputs["image"], *(int(n) for n in inputs["windows"]))


SPECTRA = ours("unmix", lambda inputs: described(inputs).keep(), planes)
SCIPY = Contender("scipy.fft by rows", _with(by_rows))
TORCH = Contender("torch.fft by rows", _with(by_torch))
LOOP = Contender(
    "numpy loop",
    _with(one_by_one),
    lambda planes: np.fft.ifftshift(planes, axes=(-2, -1)),
    part=0.25,
)
PYCROSCOPY = Contender(
    "pycroscopy",
    _with(by_pycroscopy),
    lambda _: None,
    part=1 / 16,
    most_runs=2,
    environment="pycroscopy",
    remark="no taper: its FFT mode ignores the filter",
)


WORKLOADS = (
    Workload(
        "spectra-64",
        "Amplitudes of 62,001 windows kept: 2048 x 2048 float32, 64 x 64 every 8 pixels",
        write_image(2048, 64, 8),
        corner,
        n_windows,
        largest_error,
        "largest error",
        (*SPECTRA, SCIPY, TORCH, LOOP, PYCROSCOPY),
        (
            faster("unmix", "scipy.fft by rows", 1.75),
            faster("unmix, no numba", "scipy.fft by rows", 1.1),
            faster("unmix", "numpy loop", 15),
            faster("unmix", "pycroscopy", 300),
            lean("unmix", 1.3 * 62_001 * 2112 * 4 / 1e6),
            as_good("unmix", "largest error", 1e-5),
        ),
    ),
    Workload(
        "spectra-32",
        "Amplitudes of 247,009 windows kept: 1024 x 1024 float32, 32 x 32 every 2 pixels",
        write_image(1024, 32, 2),
        corner,
        n_windows,
        largest_error,
        "largest error",
        (*SPECTRA, SCIPY, TORCH),
        (
            faster("unmix", "scipy.fft by rows", 2.2),
            as_good("unmix", "largest error", 1e-5),
        ),
    ),
)
