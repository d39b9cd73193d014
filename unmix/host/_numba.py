"""The one door to numba: loops are compiled when they are first called, and then cached on disk."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any


@cache
def compiled(loop: Callable[..., Any], fastmath: frozenset[str] = frozenset()) -> Any:
    """Compile a loop, which then holds no lock of the interpreter.

    ``fastmath`` names what may be done to sums: ``contract`` alone fuses products into them, with
    ``reassoc`` terms are added in another order (the same one in each call).
    """
    from numba import njit

    return njit(nogil=True, cache=True, fastmath=set(fastmath))(loop)
