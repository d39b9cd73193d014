"""Which implementation runs for which array: the only module that decides."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from inspect import signature
from typing import Any, NamedTuple

from ._arrays import namespace_name, namespace_of
from ._errors import BackendError, ParameterError
from ._typing import Array, Namespace


class Route(NamedTuple):
    """A faster twin of one operation, and when it may run."""

    target: str
    """``"unmix.host.spectra:window_fft"``: where the twin lives; this goes into the record."""
    takes: Callable[[Namespace], bool]
    """Whether the twin is written for arrays of a namespace."""
    declines: Callable[..., str | None]
    """The reason why it cannot run for these arguments, or None."""

    def load(self) -> Callable[..., Any]:
        """Import the twin: only here may a GPU library come in."""
        module, _, name = self.target.partition(":")
        twin: Callable[..., Any] = getattr(import_module(module), name)
        return twin


ROUTES: dict[str, list[Route]] = {}
"""Operation -> its routes, fastest first. The generic function always comes last."""

OPERATIONS: dict[str, Callable[..., Any]] = {}
"""Operation -> the dispatching function."""


def explain(op: str, *arrays: Array, **options: Any) -> list[tuple[str, str]]:
    """Say which implementation of an operation runs for some arrays, and why not the others.

    Parameters
    ----------
    op : str
        Name of an operation of ``unmix.ops``, such as ``"window_fft"``.
    *arrays : array
        The arrays that the operation would be called with.
    **options
        Its other arguments, where they matter to the choice.

    Returns
    -------
    list of (str, str)
        Each implementation in turn with the reason it is passed over, down to the one that
        ``"runs"``.

    Raises
    ------
    ParameterError
        If there is no such operation.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> um.explain("sliding_windows", np.ones((64, 64)))[-1]
    ('unmix.host.windows:sliding_windows', 'runs')
    """
    if op not in OPERATIONS:
        raise ParameterError(
            f"there is no operation {op!r}; there are {', '.join(sorted(OPERATIONS))}"
        )
    xp = namespace_of(*arrays)
    said = []
    for route in ROUTES.get(op, ()):
        if route.takes(xp):
            why = route.declines(*arrays, **options)
        else:
            why = f"it is not for arrays of {namespace_name(xp)}"
        said.append((route.target, why or "runs"))
        if why is None:
            return said
    return [*said, ("generic", "runs")]


def dispatched(generic: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate the generic, Array-API-only function of an operation that has faster twins."""
    op = generic.__name__
    names = list(signature(generic).parameters)[1:]

    @wraps(generic)
    def call(array: Array, *args: Any, impl: str | None = None, **options: Any) -> Any:
        asked = dict(zip(names, args, strict=False)) | options  # reasons are given by name
        said = explain(op, array, **asked)
        if impl is None:
            impl = said[-1][0]
        if impl == "generic":
            return generic(array, *args, **options)
        routes = {route.target: route for route in ROUTES.get(op, ())}
        if impl not in routes:
            raise ParameterError(
                f"{op} has no implementation {impl!r}; it has {', '.join([*routes, 'generic'])}"
            )
        route = routes[impl]
        xp = namespace_of(array)
        why = f"it is not for arrays of {namespace_name(xp)}" if not route.takes(xp) else None
        why = why or route.declines(array, **asked)
        if why is not None:
            raise BackendError(f"{op} cannot run as {impl!r} here: {why}")
        return route.load()(array, *args, **options)

    OPERATIONS[op] = call
    return call
