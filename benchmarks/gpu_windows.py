"""Spectra of windows beside strided windows and cuFFT."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import unmix as um

from .gpu_common import Bench, Operation, Parts


def spectra(bench: Bench) -> Operation:
    """Amplitudes of sliding windows, half plane."""
    cp, w, step = bench.cp, 64, 4
    side = min(4096, int(np.sqrt(bench.fitted(4096**2, 3 * w * (w // 2 + 1) * 4 / step**2, 96**2))))
    image = bench.numbers((side, side), np.float32)
    grid = (side - w) // step + 1

    def stock() -> Parts:
        for rows, tapered in _tapered_windows(bench, image, w, step, image.dtype):
            yield rows, cp.abs(cp.fft.rfft2(tapered, norm="ortho"))

    def torch_rfft2() -> Parts:
        import torch

        with torch.no_grad():
            taper = torch.from_dlpack(_taper(bench, w, image.dtype))
            cut = torch.from_dlpack(image).unfold(0, w, step).unfold(1, w, step)
            for rows in _rows(bench, grid, w):
                part = cut[rows]
                part = (part - part.mean(dim=(-2, -1), keepdim=True)) * taper
                yield rows, cp.from_dlpack(torch.fft.rfft2(part, norm="ortho").abs())

    n, half = grid * grid, w * (w // 2 + 1)
    return Operation(
        "window_fft",
        f"{side} x {side} float32, {w} x {w} windows every {step} pixels: {n} windows",
        4 * (n * half + side**2),
        n * 2.5 * w * w * np.log2(w * w),
        lambda: um.ops.window_fft(image, w, step),
        {"cupy": stock, "torch": torch_rfft2},
        2e-5,
    )


def projections(bench: Bench) -> Operation:
    """Spectra projected at once: they never reach memory."""
    cp, w, step, k = bench.cp, 64, 4, 26
    side = min(4096, int(np.sqrt(bench.fitted(4096**2, 64, 96**2))))
    image = bench.numbers((side, side), np.float32)
    half = w * (w // 2 + 1)
    vectors = bench.numbers((half, k), np.float32) / 256
    grid = (side - w) // step + 1

    def stock() -> Parts:
        for rows, tapered in _tapered_windows(bench, image, w, step, image.dtype):
            described = cp.abs(cp.fft.rfft2(tapered, norm="ortho"))
            yield rows, cp.matmul(described.reshape(-1, half), vectors).reshape(-1, grid, k)

    n = grid * grid
    return Operation(
        "window_project",
        f"{side} x {side} float32, {n} windows of {w} x {w}, on {k} vectors",
        4 * (n * k + side**2),
        n * (2.5 * w * w * np.log2(w * w) + 2 * half * k),
        lambda: um.ops.window_project(image, w, step, vectors),
        {"cupy": stock},
        2e-5,
    )


def any_windows(bench: Bench) -> Operation:
    """Windows of a size that the FFT kernel is not for: gather, cuFFT, modulus."""
    cp, w, step = bench.cp, 48, 8
    side = min(4096, int(np.sqrt(bench.fitted(4096**2, 3 * w * (w // 2 + 1) * 4 / step**2, 96**2))))
    image = bench.numbers((side, side), np.uint16)
    grid = (side - w) // step + 1

    def stock() -> Parts:
        for rows, tapered in _tapered_windows(bench, image, w, step, np.float32):
            yield rows, cp.abs(cp.fft.rfft2(tapered, norm="ortho"))

    n, half = grid * grid, w * (w // 2 + 1)
    return Operation(
        "window_fft_any",
        f"{side} x {side} uint16, {w} x {w} windows every {step} pixels: {n} windows",
        4 * n * half + 2 * side**2,
        n * 2.5 * w * w * np.log2(w * w),
        lambda: um.ops.window_fft(image, w, step),
        {"cupy": stock},
        2e-5,
    )


def _taper(bench: Bench, w: int, dtype: Any) -> Any:
    weights = um.ops.taper_weights("hann", w)
    return bench.cp.asarray(np.outer(weights, weights).astype(dtype))


def _rows(bench: Bench, grid: int, w: int) -> Iterator[slice]:
    at_once = bench.portion(grid * w * w * 4 * 6)
    return (slice(i, min(i + at_once, grid)) for i in range(0, grid, at_once))


def _tapered_windows(bench: Bench, image: Any, w: int, step: int, dtype: Any) -> Parts:
    """Rows of the grid of windows, cut as strided views, mean off, tapered."""
    view = bench.cp.lib.stride_tricks.sliding_window_view
    cut, taper = view(image, (w, w))[::step, ::step], _taper(bench, w, dtype)
    for rows in _rows(bench, cut.shape[0], w):
        part = cut[rows].astype(dtype)
        yield rows, (part - part.mean(axis=(-2, -1), keepdims=True)) * taper
