"""How many threads BLAS may take."""

from __future__ import annotations

import threading
from functools import cache
from typing import Any


class _OneBlasThread:
    """Limits BLAS for as long as somebody is inside: passes of several threads may overlap."""

    def __init__(self) -> None:
        self._lock, self._inside = threading.Lock(), 0
        self._limit: Any = None

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._limit = _controller().limit(limits=1, user_api="blas")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._limit.restore_original_limits()


@cache
def one_blas_thread() -> _OneBlasThread:
    """Return what keeps BLAS to one thread: two wait for each other where there is more to do."""
    return _OneBlasThread()


@cache
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController  # scans all loaded libraries: some milliseconds

    return ThreadpoolController()
