"""What all benchmarks share: the inputs, and the peers that a user would pick instead."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

import unmix as um

Host = np.ndarray[Any, Any]


@cache
def image(size: int) -> Host:
    """Return a noisy micrograph of three phases, (size, size) float32."""
    return um.synthetic.superlattice_phases((size, size), counts=2.0).image


@cache
def table(size: int, window: int, step: int) -> Host:
    """Return the packed spectra of all windows, (windows, features) float32."""
    windows = um.sliding_windows(image(size), window, step)
    return np.asarray(um.window_fft(windows).table())


@cache
def mixtures(n: int, p: int, f: int) -> um.synthetic.Mixtures:
    """Return mixtures of ``p`` endmembers at 30 dB."""
    return um.synthetic.simplex_mixtures(n, p, f, snr_db=30)


@cache
def on_faces(n: int, p: int, f: int) -> tuple[Host, Host]:
    """Return noisy mixtures (n, f), half of them without some endmembers, and the endmembers."""
    rng = np.random.default_rng(0)
    endmembers = rng.random((p, f), dtype=np.float32)
    shares = rng.dirichlet(np.ones(p), n).astype(np.float32)
    shares[::2] *= rng.random((len(shares[::2]), p)) > 0.4
    shares[shares.sum(axis=1) == 0, 0] = 1
    table = (shares / shares.sum(axis=1, keepdims=True)) @ endmembers
    for start in range(0, n, 4096):
        part = table[start : start + 4096]
        part += 0.05 * rng.standard_normal(part.shape, dtype=np.float32)
    return table, endmembers


@cache
def scan(scan_size: int, detector_size: int) -> Host:
    """Return counts of a 4D-STEM scan of four patterns, uint16."""
    rng = np.random.default_rng(0)
    n, d = scan_size, detector_size
    y, x = np.mgrid[:d, :d] / d
    spots = rng.uniform(0.15, 0.85, (4, 12, 2))
    away = (y - spots[..., :1, None]) ** 2 + (x - spots[..., 1:, None]) ** 2
    patterns = 0.5 + 20 * np.exp(-away / 2e-3).sum(axis=1)
    s, t = np.mgrid[:n, :n] / n
    corners = np.array([(0.2, 0.2), (0.2, 0.8), (0.8, 0.3), (0.7, 0.8)])
    parts = np.exp(
        -((s[..., None] - corners[:, 0]) ** 2 + (t[..., None] - corners[:, 1]) ** 2) / 0.1
    )
    parts /= parts.sum(axis=-1, keepdims=True)
    out = np.empty((n, n, d, d), np.uint16)
    for row, part in zip(out, parts, strict=True):
        row[...] = rng.poisson(np.tensordot(part, patterns, 1))
    return out


def spectra_by_rows(pixels: Host, window: int, step: int) -> Host:
    """Return the peer of `window_fft`: SciPy's rfft2 over one row of windows at a time."""
    from scipy.fft import rfft2

    weights = um.ops.taper_weights("hann", window)
    taper = np.outer(weights, weights).astype(pixels.dtype)
    cut = sliding_window_view(pixels, (window, window))[::step, ::step]
    out = np.empty((*cut.shape[:2], window, window // 2 + 1), pixels.dtype)
    for row, windows in zip(out, cut, strict=True):
        tapered = (windows - windows.mean(axis=(-2, -1), keepdims=True)) * taper
        row[...] = np.abs(rfft2(tapered, workers=2))
    return out


def spectra_one_by_one(pixels: Host, window: int, step: int) -> Host:
    """Return what a loop over the windows gives: mean off, taper, NumPy's rfft2, modulus."""
    weights = um.ops.taper_weights("hann", window)
    taper = np.outer(weights, weights).astype(pixels.dtype)
    cut = sliding_window_view(pixels, (window, window))[::step, ::step]
    out = np.empty((*cut.shape[:2], window, window // 2 + 1), pixels.dtype)
    for place in np.ndindex(cut.shape[:2]):
        tile = cut[place]
        out[place] = np.abs(np.fft.rfft2((tile - tile.mean()) * taper))
    return out
