"""What every rule says about the number of components, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._record import Record
from .._typing import HostArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RankRule:
    """One rule's answer, and the curve that it was read from.

    Parameters
    ----------
    answer : int, optional
        Number of signal components of the centred samples; None if the rule cannot answer.
    note : str
        Why it cannot; or what it looked at, where that was not the whole table.
    components : numpy.ndarray
        Numbers of components that the entries of the curve belong to, (c,) int64.
    curve : numpy.ndarray
        What the rule looks at, (c,) float64.
    threshold : numpy.ndarray, optional
        What an entry must exceed for its component to count, (c,) float64.
    """

    answer: int | None = None
    note: str = ""
    components: HostArray
    curve: HostArray
    threshold: HostArray | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class RankTable:
    """How many components there are, by every rule: see `unmix.rank`.

    Parameters
    ----------
    rules : mapping of str to RankRule
        In the order of the table.
    most : int
        Largest number that was looked at.
    n_samples, n_features : int
        Size of the table.
    autocorrelation : numpy.ndarray, optional
        Moran's I of the map of each principal component, (most + 1,); None if samples lie on no
        map of two axes.
    note : str
        Which samples and features were looked at, where windows overlap.
    record : Record
        How it was made.
    """

    rules: Mapping[str, RankRule]
    most: int
    n_samples: int
    n_features: int
    autocorrelation: HostArray | None
    note: str = ""
    record: Record

    @property
    def answers(self) -> dict[str, int | None]:
        """Rule -> number of signal components of the centred samples, or None."""
        return {name: rule.answer for name, rule in self.rules.items()}

    @property
    def endmembers(self) -> dict[str, int | None]:
        """Rule -> number of endmembers, or phases, if they sum to one; or None."""
        return {name: None if n is None else n + 1 for name, n in self.answers.items()}

    def __repr__(self) -> str:
        """Return all answers in one line."""
        said = ", ".join(f"{k} {'-' if v is None else v}" for k, v in self.answers.items())
        return f"<RankTable of {self.n_samples} samples with {self.n_features} features: {said}>"

    def __str__(self) -> str:
        """Return the table as text."""
        width = max(map(len, self.rules))
        lines = [
            f"Signal components of {self.n_samples} samples with {self.n_features} features,",
            "centred: mixtures that sum to one have one endmember more",
            *([self.note] if self.note else []),
            "",
        ]
        for name, rule in self.rules.items():
            answer = "-" if rule.answer is None else rule.answer
            lines.append(f"{name:{width}}  {answer:>3}  {self._said(rule)}".rstrip())
        if self.autocorrelation is not None:
            values = " ".join(f"{v:.2f}" for v in self.autocorrelation)
            lines += ["", f"Autocorrelation of the maps (1: structure, 0: noise): {values}"]
        return "\n".join(lines)

    def _said(self, rule: RankRule) -> str:
        at_most = "no more were looked at: raise most" if rule.answer == self.most else ""
        return "; ".join(filter(None, (at_most, rule.note)))

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the record in JSON types; NaN becomes None."""
        rules = {
            name: {
                "answer": rule.answer,
                "note": rule.note,
                "components": rule.components.tolist(),
                "curve": _plain(rule.curve),
                "threshold": _plain(rule.threshold),
            }
            for name, rule in self.rules.items()
        }
        return {
            "n_samples": self.n_samples,
            "n_features": self.n_features,
            "most": self.most,
            "note": self.note,
            "rules": rules,
            "autocorrelation": _plain(self.autocorrelation),
        }


def _plain(values: HostArray | None) -> list[float | None] | None:
    if values is None:
        return None
    return [float(v) if np.isfinite(v) else None for v in values]
