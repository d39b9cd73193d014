"""Errors that say what came, what was expected and what to do.

Each is also a built-in exception, so that ``except ValueError`` keeps working.
"""


class UnmixError(Exception):
    """Base of every error that this library raises on purpose."""


class ShapeError(UnmixError, ValueError):
    """Axes, sizes or geometry do not fit."""


class DTypeError(UnmixError, TypeError):
    """Values of a kind that the operation has no meaning for."""


class DataError(UnmixError, ValueError):
    """Values that no answer can be computed from: NaN, constant data, too low a rank."""


class ParameterError(UnmixError, ValueError):
    """A parameter outside of what it may be."""


class BackendError(UnmixError, TypeError):
    """Arrays of mixed namespaces or devices, or an implementation that cannot run here."""


class FileError(UnmixError, OSError):
    """A file that cannot be read or written."""
