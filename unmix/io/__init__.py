"""Files: data in, models out and in again. Nothing that is read is ever executed."""

from ._model import load, save
from ._open import open

__all__ = ["load", "open", "save"]
