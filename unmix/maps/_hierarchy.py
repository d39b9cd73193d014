"""How near classes are to each other, and samples to their own class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from .._arrays import generator, rng_key, to_host
from .._door import as_table
from .._errors import ParameterError
from .._fold import all_numbers
from .._results import Clusters
from .._samples import Samples
from .._typing import RNG, Array, HostArray
from .._unmixing import Unmixing
from ..decompose._common import require_reading, whole_number
from ._regions import Regions, laid_out

Method = Literal["ward", "average", "complete", "single"]
DRAWS = 91
"""Stream of random numbers of the samples that a silhouette is drawn from."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Hierarchy:
    """Which components join first, and how far apart they are.

    Parameters
    ----------
    linkage : numpy.ndarray
        SciPy's linkage matrix, (k - 1, 4), float64.
    names, colors : tuple
        Of the components.
    method : str
        Which distance of groups was taken.
    """

    linkage: HostArray
    names: tuple[str, ...]
    colors: tuple[int, ...]
    method: str

    def __repr__(self) -> str:
        """Return the size and the method."""
        return f"<Hierarchy: {len(self.names)} components, {self.method}>"

    def groups(self, n: int) -> list[list[int]]:
        """Cut the tree into ``n`` groups.

        Parameters
        ----------
        n : int
            From 1 to the number of components.

        Returns
        -------
        list of list of int
            Numbers of the components in each, for `Unmixing.merge`; in the order of their first.
        """
        k = len(self.names)
        n = whole_number(n, 1, k, "n", f"{k} components")
        members = {i: [i] for i in range(k)}
        for step, (a, b) in enumerate(self.linkage[: k - n, :2].astype(int).tolist()):
            members[k + step] = members.pop(a) + members.pop(b)
        return sorted(sorted(group) for group in members.values())


def hierarchy(model: Unmixing, method: Method = "ward") -> Hierarchy:
    """Join the nearest components, then the nearest groups, until one is left.

    Parameters
    ----------
    model : Unmixing
        Clusters, most often: their centres. Distances are those of the descriptor, of spectra those
        of the full plane.
    method : {"ward", "average", "complete", "single"}
        What the distance of two groups is.

    Returns
    -------
    Hierarchy
        See `unmix.plot.dendrogram`.

    Raises
    ------
    ParameterError
        If the method is none of these, or there is one component alone.

    References
    ----------
    Muellner, J. Stat. Softw. 53, 9 (2013): the algorithms. Ward, J. Am. Stat. Assoc. 58, 236
    (1963).

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> table = np.array([[0.0, 0], [0, 1], [0, 2], [3, 0], [3, 1], [9, 9]])
    >>> model = um.kmeans(table, 3, rng=0)
    >>> um.hierarchy(model).groups(2)
    [[0, 1], [2]]
    """
    if method not in ("ward", "average", "complete", "single"):
        raise ParameterError(
            f"method is {method!r}; expected 'ward', 'average', 'complete' or 'single'"
        )
    if len(model) < 2:
        raise ParameterError(f"got {model!r}; expected a model of at least two components")
    from scipy.cluster.hierarchy import linkage

    rows = np.asarray(to_host(model.packed(model.components)), np.float64)
    return Hierarchy(
        linkage=linkage(rows, method),
        names=tuple(model.name(i) for i in range(len(model))),
        colors=model.color_numbers,
        method=method,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Silhouette:
    """How much nearer samples are to their own class than to the next.

    Parameters
    ----------
    values : numpy.ndarray
        From -1 to 1, (m,): near 1 inside of a class, 0 between two, below where another is nearer.
    labels : numpy.ndarray
        Classes of these samples, (m,).
    numbers : numpy.ndarray
        Their numbers in the whole map, (m,).
    names, colors : tuple
        Of the classes.
    """

    values: HostArray
    labels: HostArray
    numbers: HostArray
    names: tuple[str, ...]
    colors: tuple[int, ...]

    def __repr__(self) -> str:
        """Return the score."""
        return f"<Silhouette: {self.score:.3f} over {len(self.values)} samples>"

    @property
    def score(self) -> float:
        """Mean of all values."""
        return float(self.values.mean())

    @property
    def classes(self) -> HostArray:
        """Mean of each class, (n,); NaN for one that no sample was drawn of."""
        n = len(self.names)
        counts = np.bincount(self.labels, minlength=n)
        sums = np.bincount(self.labels, self.values, minlength=n)
        return np.asarray(np.divide(sums, counts, out=np.full(n, np.nan), where=counts > 0))


def silhouette(
    samples: Samples | Array,
    labels: Clusters | Regions | Array,
    *,
    n_samples: int = 4096,
    rng: RNG = 0,
) -> Silhouette:
    """Measure how well classes are apart.

    Parameters
    ----------
    samples : Samples or array
        Described samples, or a table.
    labels : Clusters, Regions or array
        A class for each; negative where there is none.
    n_samples : int
        At most so many are drawn, evenly from all that have a class: the cost is its square.
    rng : int or numpy.random.Generator
        Draws them.

    Returns
    -------
    Silhouette
        On the host, float64.

    Raises
    ------
    BackendError
        If scikit-learn is not installed.
    ShapeError
        If the labels do not fit the map.
    ParameterError
        If fewer than two classes are drawn.

    References
    ----------
    Rousseeuw, J. Comput. Appl. Math. 20, 53 (1987).

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> table = np.random.default_rng(0).normal(size=(60, 3)) + 9 * np.eye(3)[np.arange(60) % 3]
    >>> um.silhouette(table, um.kmeans(table, 3, rng=0))
    <Silhouette: 0.8... over 60 samples>
    """
    require_reading("scikit-learn", "sklearn", "silhouettes")
    samples = as_table(samples)
    names: tuple[str, ...] | None = None
    if isinstance(labels, Clusters):
        names, colors = tuple(labels.name(i) for i in range(len(labels))), labels.color_numbers
    elif isinstance(labels, Regions):
        names, colors = labels.names, labels.colors
    given = getattr(labels, "labels", labels)
    flat = laid_out(given, samples.layout).ravel()
    if names is None:
        names = tuple(f"Class {i}" for i in range(int(flat.max(initial=-1)) + 1))
        colors = tuple(range(len(names)))
    numbers = all_numbers(samples)
    numbers = numbers[flat[numbers] >= 0]
    n_samples = whole_number(n_samples, 2, 1 << 20, "n_samples", "the cost is its square")
    if len(numbers) > n_samples:
        draw = generator(rng_key(rng), DRAWS).choice(len(numbers), n_samples, replace=False)
        numbers = numbers[np.sort(draw)]
    drawn = flat[numbers]
    if not 2 <= len(np.unique(drawn)) < len(drawn):
        raise ParameterError(
            f"the samples are of {len(np.unique(drawn))} classes; expected at least two, and more "
            "samples than classes"
        )
    from sklearn.metrics import silhouette_samples

    rows = np.asarray(to_host(samples.rows(numbers)), np.float64)
    return Silhouette(
        values=np.asarray(silhouette_samples(rows, drawn)),
        labels=drawn,
        numbers=numbers,
        names=names,
        colors=colors,
    )
