"""Endmembers with their abundances: found among the samples, counted, or drawn from a posterior."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

from . import ops
from ._arrays import namespace_of
from ._errors import ParameterError
from ._results import SOLVERS
from ._samples import Samples
from ._typing import Array, HostArray
from ._unmixing import Unmixing


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Endmembers(Unmixing):
    """Endmembers and the abundances of each sample.

    Parameters
    ----------
    maps, components, mean, layout, record
        See `Unmixing`; also called ``abundances`` and ``endmembers``. There is no mean.
    constraint : {"sum_to_one", "nonnegative", "none"}
        What the abundances obey.
    indices : numpy.ndarray, optional
        Number of the sample that each endmember was taken at, in the whole map, (k,).
    positions : numpy.ndarray, optional
        Its coordinates on the map axes, (k, n_map_axes).
    volume : float, optional
        Volume of the simplex in the subspace of the first k - 1 principal components.
    volume_history : numpy.ndarray, optional
        Volume at the start and after each sweep; never falls.
    """

    constraint: ops.Constraint = "sum_to_one"
    indices: HostArray | None = None
    positions: HostArray | None = None
    volume: float | None = None
    volume_history: HostArray | None = None

    extras: ClassVar[tuple[str, ...]] = (
        "constraint",
        "indices",
        "positions",
        "volume",
        "volume_history",
    )
    along: ClassVar[Mapping[str, int]] = {"indices": 0, "positions": 0}
    together: ClassVar[Mapping[str, Any]] = {"volume": None, "volume_history": None}
    merges: ClassVar[bool] = True
    noun: ClassVar[str] = "Endmember"

    @property
    def endmembers(self) -> Array:
        """The components."""
        return self.components

    @property
    def abundances(self) -> Array:
        """The maps."""
        return self.maps

    def rows(self, packed: Array) -> Array:
        endmembers = namespace_of(packed).astype(self.packed(self.components), packed.dtype)
        return SOLVERS[self.constraint](packed, endmembers)

    def _read(self, samples: Samples) -> dict[str, Any]:
        # these samples are not the ones that the endmembers were found among
        found = dict.fromkeys(("indices", "positions", "volume", "volume_history"))
        return {**Unmixing._read(self, samples), **found}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class PixelPurity(Endmembers):
    """Endmembers, and how often each sample was extreme.

    Parameters
    ----------
    maps, components, mean, layout, record, constraint, indices, positions
        See `Endmembers`; there is no volume.
    counts : array, optional
        Shape of the map, int32: at how many ends of random directions a sample lies; -1 at samples
        that were left out.
    """

    counts: Array | None = None

    extras: ClassVar[tuple[str, ...]] = (*Endmembers.extras, "counts")
    per_sample: ClassVar[tuple[str, ...]] = ("maps", "counts")

    def _read(self, samples: Samples) -> dict[str, Any]:
        return {**Endmembers._read(self, samples), "counts": None}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Posterior(Endmembers):
    """Endmembers and abundances as means of their posterior distribution.

    Parameters
    ----------
    maps, components, mean, layout, record, constraint
        See `Endmembers`; nothing was taken at one sample.
    components_std : array
        Standard deviation of each entry of the endmembers, (k, *descriptor_shape).
    components_draws : array
        Draws of the endmembers, (n_draws, k, *descriptor_shape), float32.
    noise : float
        Posterior mean of the standard deviation of the noise, as root mean square over features.
    concentration : numpy.ndarray
        Posterior mean of the abundances' concentrations, (k,): ones fill the simplex evenly, and
        the nearer they are to zero the more samples are nearly pure.
    r_hat, ess : numpy.ndarray
        Split R-hat and effective sample size of the endmembers' coordinates in the subspace,
        k (k - 1) of them, and of the logarithms of the k concentrations and of the noise variance.
    n_iter : int
        Sweeps of each chain, burn-in included.
    abundances_std : array, optional
        Standard deviation of each abundance, (k, *map_shape).
    abundances_draws : array, optional
        Draws of the abundances, (n_draws, k, *map_shape), float32.
    """

    components_std: Array
    components_draws: Array
    noise: float
    concentration: HostArray
    r_hat: HostArray
    ess: HostArray
    n_iter: int
    abundances_std: Array | None = None
    abundances_draws: Array | None = None

    extras: ClassVar[tuple[str, ...]] = (
        *Endmembers.extras,
        "components_std",
        "components_draws",
        "noise",
        "concentration",
        "r_hat",
        "ess",
        "n_iter",
        "abundances_std",
        "abundances_draws",
    )
    per_sample: ClassVar[tuple[str, ...]] = ("maps", "abundances_std", "abundances_draws")
    along: ClassVar[Mapping[str, int]] = {
        **Endmembers.along,
        "concentration": 0,
        "components_std": 0,
        "components_draws": 1,
        "abundances_std": 0,
        "abundances_draws": 1,
    }
    merges: ClassVar[bool] = False

    def interval(self, level: float = 0.9) -> tuple[Array, Array]:
        """Return intervals that hold each abundance with a given probability.

        Parameters
        ----------
        level : float
            The probability, above 0 and below 1.

        Returns
        -------
        low, high : array
            Shape (k, *map_shape), float32. The shortest of three: equal tails, or all of the tail
            at one end, where 0 or 1 is inside. So a pure sample may be one.

        Raises
        ------
        ParameterError
            If the level is not a probability, or the model has no draws of these samples because it
            was projected.
        """
        if self.abundances_draws is None:
            raise ParameterError(
                "this posterior was projected and has no draws of these abundances; run "
                "bayesian_unmixing on these samples"
            )
        tail, draws = _tail(level), self.abundances_draws
        xp = namespace_of(draws)
        low, high = ops.quantiles(draws, [tail / 2, 1 - tail / 2])
        most, least = ops.quantiles(draws, [1 - tail, tail])
        width = high - low
        pure = (1 - least < width) & (1 - least < most)
        absent = (most < width) & ~pure
        low = xp.where(absent, xp.zeros_like(low), xp.where(pure, least, low))
        return low, xp.where(pure, xp.ones_like(high), xp.where(absent, most, high))

    def endmember_interval(self, level: float = 0.9) -> tuple[Array, Array]:
        """Return intervals that hold each entry of the endmembers with a given probability.

        Parameters
        ----------
        level : float
            The probability, above 0 and below 1.

        Returns
        -------
        low, high : array
            Shape (k, *descriptor_shape), float32, with equal tails.

        Raises
        ------
        ParameterError
            If the level is not a probability.
        """
        tail = _tail(level)
        low, high = ops.quantiles(self.components_draws, [tail / 2, 1 - tail / 2])
        return low, high

    def _read(self, samples: Samples) -> dict[str, Any]:
        drawn = dict.fromkeys(("abundances_std", "abundances_draws"))
        return {**Endmembers._read(self, samples), **drawn}


def _tail(level: float) -> float:
    """Return the probability outside of an interval."""
    if not isinstance(level, Real) or not 0 < level < 1:
        raise ParameterError(f"level is {level!r}; expected a probability above 0 and below 1")
    return 1 - float(level)
