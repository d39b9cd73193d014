"""`Unmixing`: maps a_i(x) and components w_i(R), frozen, in the namespace of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from . import _edits, ops
from ._arrays import namespace_of
from ._axes import Axis
from ._door import as_table
from ._errors import ParameterError, ShapeError
from ._fold import map_rows
from ._record import Record
from ._samples import Samples
from ._sources import ArraySource
from ._typing import Array
from .layout import Layout


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Unmixing:
    """S(x, R) = sum_i a_i(x) w_i(R) + N: maps and components.

    Parameters
    ----------
    maps : array
        a_i(x), shape (k, *map_shape); NaN at samples that were left out.
    components : array
        w_i(R), shape (k, *descriptor_shape); NaN at entries that were left out. Spectra are full
        centred planes, unweighted.
    mean : array, optional
        Shape (*descriptor_shape): what was taken off before; None where nothing was.
    layout : Layout
        Axes of both.
    record : Record
        How it was made.
    names : tuple of str, optional
        What the components are called, in pictures too.
    colors : tuple of int, optional
        Which of the classes' colours each component has in pictures. Default: that of its number.
    """

    maps: Array
    components: Array
    mean: Array | None = None
    layout: Layout
    record: Record
    names: tuple[str, ...] | None = None
    colors: tuple[int, ...] | None = None

    extras: ClassVar[tuple[str, ...]] = ()
    """Names of a child's own fields, which are saved beside maps and components."""
    per_sample: ClassVar[tuple[str, ...]] = ("maps",)
    """Names of the fields whose last axes are the map."""

    along: ClassVar[Mapping[str, int]] = {}
    """Those of them that have an entry for each component, and on which axis."""

    together: ClassVar[Mapping[str, Any]] = {}
    """Those that hold for just these components together, and what they are without some."""

    merges: ClassVar[bool] = False
    """Whether components add up to one of the same kind."""

    noun: ClassVar[str] = "Component"
    """What a component without a name is called."""

    def __repr__(self) -> str:
        """Return the kind, the number of components and the axes."""
        names = " x ".join(f"{a.name} {a.size}" for a in self.layout.map_axes)
        entries = " x ".join(f"{a.name} {a.size}" for a in self.layout.descriptor_axes)
        return f"<{type(self).__name__}: {len(self)} maps of {names}, components of {entries}>"

    def __len__(self) -> int:
        """Return the number of components."""
        return int(self.components.shape[0])

    def name(self, number: int) -> str:
        """Return what a component is called."""
        return f"{self.noun} {number}" if self.names is None else self.names[number]

    @property
    def color_numbers(self) -> tuple[int, ...]:
        """Which of the classes' colours each component has."""
        return tuple(range(len(self))) if self.colors is None else self.colors

    @property
    def scores(self) -> Samples:
        """The maps as samples again: map axes | component."""
        xp = namespace_of(self.maps)
        table = xp.moveaxis(self.maps, 0, -1)
        n = len(self.layout.map_axes)
        axis = Axis.regular("component", len(self), units="")
        return Samples(
            source=ArraySource(table, tuple(range(n + 1)), n),
            layout=self.layout.with_descriptor(axis),
            record=self.record.then("scores", {}),
        )

    def project(self, samples: Samples | Array) -> Self:
        """Describe new samples by these components.

        Parameters
        ----------
        samples : Samples or array
            Described by the same entries of the same axes as those that the model was fitted to; or
            a table (sample, feature), if that was a table.

        Returns
        -------
        Unmixing
            Of the same kind: maps of the new samples, the old components.

        Raises
        ------
        ShapeError
            If the descriptor is another one, or was made in another way (taper, transform ...).
        BackendError
            If the model is of another namespace or device than the samples.
        """
        samples = as_table(samples, least=1)
        self.require_same_description(samples)
        layout = replace(
            self.layout,
            map_axes=samples.layout.map_axes,
            mask=samples.layout.mask,
            windows=samples.layout.windows,
            images=samples.layout.images,
        )
        record = samples.record.then("project", {"model": self})
        return replace(self, layout=layout, record=record, **self._read(samples))

    def select(self, components: Sequence[int | str]) -> Self:
        """Keep some components, in the order given.

        Parameters
        ----------
        components : sequence of int or str
            Their numbers or names.

        Returns
        -------
        Unmixing
            Of the same kind. Maps stay as they are, and are not solved again: `project` does that.
            Samples of clusters that are gone are left out from then on. Each component keeps its
            colour. What held for all of them together is None or NaN.

        Raises
        ------
        ParameterError
            If there is no such component, or one comes twice.

        Examples
        --------
        >>> import numpy as np
        >>> import unmix as um
        >>> model = um.pca(np.random.default_rng(0).random((50, 6)), 4)
        >>> model.select([0, 2])
        <PrincipalComponents: 2 maps of sample 50, components of feature 6>
        """
        numbers = _edits.numbers_of(self, components)
        return _edits.taken(self, numbers, "select", {"components": numbers})

    def drop(self, components: Sequence[int | str]) -> Self:
        """Leave some components out; see `select`.

        Parameters
        ----------
        components : sequence of int or str
            Their numbers or names.

        Returns
        -------
        Unmixing
            The others, in their order.

        Raises
        ------
        ParameterError
            If there is no such component, or none is left.
        """
        gone = _edits.numbers_of(self, components)
        numbers = [i for i in range(len(self)) if i not in gone]
        if not numbers:
            raise ParameterError(f"to drop {components!r} leaves no component; keep at least one")
        return _edits.taken(self, numbers, "drop", {"components": gone})

    def reorder(self, components: Sequence[int | str]) -> Self:
        """Put the components into another order.

        Parameters
        ----------
        components : sequence of int or str
            Numbers or names of all of them.

        Returns
        -------
        Unmixing
            Labels are those of the new numbers; each component keeps its colour.

        Raises
        ------
        ParameterError
            If these are not all components, each once.
        """
        numbers = _edits.numbers_of(self, components, every=True)
        return _edits.taken(self, numbers, "reorder", {"components": numbers})

    def merge(self, *components: Sequence[int | str], names: Sequence[str] | None = None) -> Self:
        """Make one component of several that are the same to you.

        Parameters
        ----------
        *components : sequence of int or str
            A group of components by their numbers or names; or several groups, none of which shares
            a component with another.
        names : sequence of str, optional
            What to call what each group becomes. Default: the names of its parts, where they have
            any.

        Returns
        -------
        Unmixing
            What a group becomes stands where the first of it stood, in its colour. Its map is the
            sum of the maps, and its component the mean of the components, weighted by how much of
            each there is: so the mean of all reconstructed samples stays. Factors of NMF are merged
            by their signal, which has no scale to choose.

        Raises
        ------
        ParameterError
            If components of this kind do not add up (principal and independent components, draws
            from a posterior), or there is no such component.

        Examples
        --------
        >>> import unmix as um
        >>> scene = um.synthetic.two_phases((128, 160))
        >>> model = um.kmeans(um.window_fft(um.sliding_windows(scene.image, 32, 16)), 3)
        >>> model.merge([0, 2], names=["hexagonal"]).rename({1: "pairs"}).names
        ('hexagonal', 'pairs')
        """
        return _edits.merged(self, components, names)

    def rename(self, names: Mapping[int | str, str] | Sequence[str]) -> Self:
        """Give components names, which pictures show.

        Parameters
        ----------
        names : mapping or sequence of str
            A name for each component, or for some of them by their numbers or names.

        Returns
        -------
        Unmixing
            The same model, renamed.

        Raises
        ------
        ParameterError
            If there is no such component, or two have one name.
        """
        return _edits.renamed(self, names)

    def recolor(self, colors: Sequence[int]) -> Self:
        """Choose the colour of each component in pictures.

        Parameters
        ----------
        colors : sequence of int
            Which of the classes' colours (`unmix.plot.class_colors`), for each component.

        Returns
        -------
        Unmixing
            The same model in these colours.

        Raises
        ------
        ParameterError
            If these are not as many different numbers from 0 as there are components.
        """
        return _edits.recolored(self, colors)

    def reconstruct(self, components: Sequence[int | str] | None = None) -> Samples:
        """Return the samples that the model stands for: mean plus maps times components.

        Parameters
        ----------
        components : sequence of int or str, optional
            Which ones to add up. Default: all.

        Returns
        -------
        Samples
            Lazy, of the map and descriptor of the samples that were fitted, in their computing
            type. Of windows of an image `unmix.overlap_add` makes an image again, denoised. What
            was transformed or normalised before the fit stays so.

        Raises
        ------
        ParameterError
            If there is no such component.

        Examples
        --------
        >>> import unmix as um
        >>> scene = um.synthetic.two_phases((128, 160))
        >>> windows = um.sliding_windows(scene.image, 32, 8)
        >>> um.overlap_add(um.pca(windows, 8).reconstruct())
        <Samples y 128 x x 160 (px), float32, numpy>
        """
        return _edits.reconstructed(self, components)

    def require_same_description(self, samples: Samples) -> None:
        """Raise unless the samples' values mean what those of the model's samples meant."""
        self.layout.require_same_descriptor(samples.layout)
        mine, theirs = self.record.description(), samples.record.description()
        if mine != theirs:
            raise ShapeError(
                f"the samples are described by {theirs}, but the model by {mine}; describe both in "
                "the same way"
            )
        namespace_of(self.components, samples.source.like)

    def _renumbered(self, numbers: Sequence[int]) -> dict[str, Any]:  # noqa: ARG002
        """Return other fields that hold numbers of components, once i became ``numbers[i]``."""
        return {}

    def _read(self, samples: Samples) -> dict[str, Any]:
        """Return the fields that depend on the samples."""
        rows = replace(self, maps=self.maps[:, :0, ...]).rows  # which may be sent to workers
        return {"maps": maps_of(map_rows(samples, rows, len(self), label="projecting"))}

    def rows(self, packed: Array) -> Array:
        """Return the values (n, k) of all components for rows as decompositions see them.

        Plain least squares, unless a child knows better.
        """
        components = namespace_of(packed).astype(self.packed(self.components), packed.dtype)
        mean = None if self.mean is None else self.packed(self.mean[None, ...])
        return ops.ucls(packed if mean is None else packed - mean, components)

    def packed(self, entries: Array) -> Array:
        """Return components (k, *descriptor_shape) as rows like those of tiles."""
        return self.layout.pack(entries)


def maps_of(rows: Array) -> Array:
    """Turn (*map_shape, k) into (k, *map_shape)."""
    return namespace_of(rows).moveaxis(rows, -1, 0)
