"""Mixtures of Gaussian classes, and how many classes there are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .._arrays import rng_key
from .._door import as_table
from .._errors import ParameterError
from .._mixture import Covariance, Mixture
from .._record import Clock
from .._samples import Samples
from .._typing import RNG, Array, HostArray
from .._unmixing import Unmixing
from ._mixtures import Problem, number_of_classes

Criterion = Literal["bic", "icl"]


def gmm(
    samples: Samples | Array,
    n_clusters: int,
    *,
    covariance: Covariance = "full",
    rank: int | None = None,
    init: Literal["kmeans"] | Unmixing | Array = "kmeans",
    n_starts: int = 1,
    max_iter: int = 100,
    tol: float = 1e-3,
    regularization: float = 1e-6,
    rng: RNG = 0,
) -> Mixture:
    """Sort samples softly into classes of Gaussian distribution.

    Parameters
    ----------
    samples : Samples or array
        Described samples, or a table (sample, feature).
    n_clusters : int
        Number of classes.
    covariance : {"full", "tied", "diag", "spherical", "low_rank"}
        Each class has its own; all share one; features are independent; and have one variance; or
        each class varies along a few directions and alike in all others (a mixture of probabilistic
        PCA), for samples of many features.
    rank : int, optional
        Number of directions of each class, with ``"low_rank"`` only. Default: 5, or one less than
        there are features.
    init : "kmeans", Unmixing or array
        Random starts by k-means, or one given start: a `Mixture` gives its posteriors, another
        model or an array (n_clusters, *descriptor_shape) the centre that is nearest to a sample.
    n_starts : int
        Random starts; the one of the largest likelihood is kept.
    max_iter : int
        Passes of each start at the most.
    tol : float
        A start rests when the mean log-likelihood of a sample changes by less.
    regularization : float
        Added to every variance, as a fraction of the mean variance of a feature.
    rng : int or numpy.random.Generator
        Random starts.

    Returns
    -------
    Mixture
        ``maps`` are the posteriors and ``components`` the means, the largest class first; labels,
        weights, covariances, log-likelihood, BIC and ICL: in the namespace and on the device of the
        data.

    Raises
    ------
    ParameterError
        If an option or a number is out of range, or the covariances do not fit the memory budget.
    DataError
        If all samples are the same, or there are fewer different ones than classes.

    Notes
    -----
    Expectation-maximisation: Dempster, Laird and Rubin, J. R. Stat. Soc. B 39, 1 (1977). Low rank:
    Tipping and Bishop, Neural Comput. 11, 443 (1999). Densities are those of the features as
    decompositions see them (half planes with weights): another way to store the same samples adds a
    constant to the log-likelihood.

    A class that loses all its samples keeps its place with weight zero.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> rng = np.random.default_rng(0)
    >>> table = np.concatenate([rng.normal(0, 1, (300, 2)), rng.normal(6, 1, (100, 2))])
    >>> model = um.gmm(table, 2)
    >>> model.weights.round(2), model.components.round(0) + 0
    (array([0.75, 0.25]), array([[0., 0.],
           [6., 6.]]))
    """
    clock, key = Clock(), rng_key(rng)
    samples = as_table(samples)
    n_clusters = number_of_classes(n_clusters, samples, covariance)
    problem = Problem.checked(
        samples, covariance, rank, n_starts, max_iter, tol, regularization, key
    )
    if isinstance(init, str):
        if init != "kmeans":
            raise ParameterError(f"init is {init!r}; expected 'kmeans', a model or an array")
        found = problem.best(n_clusters)
    else:
        found = problem.solve(*problem.given(init, n_clusters))
    return problem.model(found, samples, init, clock)


@dataclass(frozen=True, slots=True, repr=False)
class MixtureTable:
    """Mixtures of several numbers of classes side by side; printed, it is a table.

    Parameters
    ----------
    models : tuple of Mixture
        In the order that was asked for.
    """

    models: tuple[Mixture, ...]

    @property
    def n_clusters(self) -> HostArray:
        """Number of classes of each model."""
        return np.asarray([len(m) for m in self.models])

    @property
    def log_likelihood(self) -> HostArray:
        """Log-likelihood of each model."""
        return np.asarray([m.log_likelihood for m in self.models])

    @property
    def bic(self) -> HostArray:
        """Bayesian information criterion of each model: the smallest is the best."""
        return np.asarray([m.bic for m in self.models])

    @property
    def icl(self) -> HostArray:
        """Integrated completed likelihood of each model: the smallest is the best."""
        return np.asarray([m.icl for m in self.models])

    def best(self, criterion: Criterion = "bic") -> Mixture:
        """Return the model of the smallest BIC, or ICL."""
        if criterion not in ("bic", "icl"):
            raise ParameterError(f"criterion is {criterion!r}; expected 'bic' or 'icl'")
        return self.models[int(np.argmin(getattr(self, criterion)))]

    def __repr__(self) -> str:
        """Return the table; stars mark the smallest."""
        lines = ["classes  parameters  log-likelihood           BIC           ICL"]
        best = {name: self.best(name) for name in ("bic", "icl")}
        for m in self.models:
            marks = ["*" if m is best[name] else " " for name in ("bic", "icl")]
            lines.append(
                f"{len(m):7}  {m.n_parameters:10}  {m.log_likelihood:14.6g}"
                f"  {m.bic:11.6g}{marks[0]}  {m.icl:11.6g}{marks[1]}"
            )
        return "\n".join(line.rstrip() for line in lines)


def gmm_table(
    samples: Samples | Array,
    n_clusters: Iterable[int],
    *,
    covariance: Covariance = "full",
    rank: int | None = None,
    n_starts: int = 1,
    max_iter: int = 100,
    tol: float = 1e-3,
    regularization: float = 1e-6,
    rng: RNG = 0,
) -> MixtureTable:
    """Fit mixtures of several numbers of classes, and tell which number explains the samples best.

    Parameters
    ----------
    samples : Samples or array
        Described samples, or a table (sample, feature).
    n_clusters : iterable of int
        Numbers of classes, such as ``range(1, 9)``.
    covariance, rank, n_starts, max_iter, tol, regularization, rng
        As for `gmm`; each model is what that gives.

    Returns
    -------
    MixtureTable
        Log-likelihood, BIC and ICL of each number, and the models.

    Raises
    ------
    ParameterError
        If there is no number, or an option is out of range.
    DataError
        As for `gmm`.

    Notes
    -----
    BIC finds how many Gaussians make up the density; ICL, which counts doubtful samples too, how
    many separate classes there are: fewer where a class is not Gaussian.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> rng = np.random.default_rng(0)
    >>> table = np.concatenate([rng.normal(0, 1, (300, 2)), rng.normal(6, 1, (100, 2))])
    >>> um.gmm_table(table, range(1, 4))
    classes  parameters  log-likelihood           BIC           ICL
          1           5        -1667.07      3364.09       3364.09
          2          11           -1359       2783.9*       2783.9*
          3          17        -1359.83      2821.52       3105.41
    """
    key = rng_key(rng)
    samples = as_table(samples)
    numbers = [number_of_classes(n, samples, covariance) for n in n_clusters]
    if not numbers:
        raise ParameterError("n_clusters is empty; expected numbers of classes: range(1, 9)")
    problem = Problem.checked(
        samples, covariance, rank, n_starts, max_iter, tol, regularization, key
    )
    models = []
    for n in numbers:
        clock = Clock()
        models.append(problem.model(problem.best(n), samples, "kmeans", clock))
    return MixtureTable(tuple(models))
