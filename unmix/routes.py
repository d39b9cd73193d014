"""Operation -> faster twins, and when each declines: one screen of data."""

from __future__ import annotations

from typing import Any

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
    "window_fft": [Route("unmix.host.spectra:window_fft", is_numpy, never)],
}
