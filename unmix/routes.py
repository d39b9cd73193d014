"""Operation -> faster twins, and when each declines: one screen of data."""

from __future__ import annotations

from typing import Any

from . import _declines
from ._arrays import is_cupy, is_numpy, is_torch
from ._dispatch import ROUTES, Route
from ._typing import Array


def never(*_: Array, **__: Any) -> str | None:
    """Decline nothing."""
    return None


ROUTES |= {
    "sliding_windows": [
        Route("unmix.host.windows:sliding_windows", is_numpy, never),
        Route("unmix.host.windows:sliding_windows_torch", is_torch, never),
        Route("unmix.cuda.windows:sliding_windows", is_cupy, never),
    ],
    "window_fft": [
        Route("unmix.host.spectra:window_fft_compiled", is_numpy, _declines.compiled_spectra),
        Route("unmix.host.spectra:window_fft", is_numpy, never),
        Route("unmix.cuda.spectra:window_fft", is_cupy, _declines.spectra),
        Route("unmix.cuda.spectra:window_fft_any", is_cupy, never),
        Route(
            "unmix.cuda.spectra:window_fft_torch", is_torch, _declines.on_torch(_declines.spectra)
        ),
        Route("unmix.cuda.spectra:window_fft_any_torch", is_torch, _declines.on_torch(never)),
    ],
    "window_project": [
        Route("unmix.cuda.spectra:window_project", is_cupy, _declines.projected),
        Route(
            "unmix.cuda.spectra:window_project_torch",
            is_torch,
            _declines.on_torch(_declines.projected),
        ),
    ],
    "sketch": [
        Route("unmix.cuda.svd:sketch", is_cupy, _declines.counted),
        Route("unmix.cuda.svd:sketch_torch", is_torch, _declines.on_torch(_declines.counted)),
    ],
    "orthonormal": [Route("unmix.cuda.svd:orthonormal", is_cupy, never)],
    "active_set": [Route("unmix.host.abundances:active_set", is_numpy, _declines.supports)],
    "largest_forms": [
        Route("unmix.host.simplex:largest_forms", is_numpy, never),
        Route("unmix.cuda.simplex:largest_forms", is_cupy, _declines.table),
        Route(
            "unmix.cuda.simplex:largest_forms_torch", is_torch, _declines.on_torch(_declines.table)
        ),
    ],
    "nearest": [
        Route("unmix.host.kmeans_compiled:nearest", is_numpy, _declines.compiled),
        Route("unmix.host.kmeans:nearest", is_numpy, _declines.table),
        Route("unmix.cuda.kmeans:nearest", is_cupy, _declines.table),
        Route("unmix.cuda.kmeans:nearest_torch", is_torch, _declines.on_torch(_declines.table)),
    ],
    "assign": [
        Route("unmix.cuda.kmeans:assign", is_cupy, _declines.table),
        Route("unmix.cuda.kmeans:assign_torch", is_torch, _declines.on_torch(_declines.table)),
    ],
    "reassign": [
        Route("unmix.host.kmeans_compiled:reassign", is_numpy, _declines.compiled),
        Route("unmix.host.kmeans:reassign", is_numpy, _declines.table),
    ],
    "race": [
        Route("unmix.cuda.kmeans:race", is_cupy, _declines.raced),
        Route("unmix.cuda.kmeans:race_torch", is_torch, _declines.on_torch(_declines.raced)),
    ],
}
