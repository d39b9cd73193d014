"""Linear unmixing of image data: S(x, R) = sum_i a_i(x) w_i(R) + N.

Sample, describe, unmix, read:

>>> import unmix as um
>>> scene = um.synthetic.two_phases((256, 320), rng=1)
>>> samples = um.window_fft(um.sliding_windows(scene.image, 64, 16), k_max=0.125)
>>> model = um.nfindr(samples, 2, average=8)
>>> model.abundances.shape
(2, 13, 17)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import config, ops, routes
from ._dispatch import explain
from ._door import samples
from ._endmembers import Endmembers, PixelPurity, Posterior
from ._errors import (
    BackendError,
    DataError,
    DTypeError,
    FileError,
    ParameterError,
    ShapeError,
    UnmixError,
)
from ._fold import fold
from ._mixture import Mixture
from ._record import Record, Step
from ._results import Clusters, IndependentComponents, NonnegativeFactors, PrincipalComponents
from ._samples import Samples
from ._tiles import Tile
from ._unmixing import Unmixing
from .combine import concat, join, split
from .decompose import (
    MixtureTable,
    RankRule,
    RankTable,
    abundances,
    agglomerative,
    atgp,
    bayesian_unmixing,
    compare,
    gmm,
    gmm_table,
    ica,
    kmeans,
    match_components,
    nfindr,
    nmf,
    pca,
    ppi,
    rank,
    sweep,
    vca,
)
from .describe import (
    angular_orders,
    correlation,
    detector_mask,
    intensity_histogram,
    intensity_moments,
    polar_transform,
    radial_profile,
    scan_fft,
    symmetry_scores,
    virtual_image,
    window_fft,
)
from .prepare import affine, center_beam, despike, detrend, ellipse, find_beam, flatten
from .sampling import overlap_add, sliding_windows, suggest_window

if TYPE_CHECKING:
    from . import io, plot, synthetic
    from .io import load, open, save
    from .maps import (
        AreaFractions,
        Hierarchy,
        LineProfile,
        Regions,
        Silhouette,
        area_fractions,
        class_means,
        classify,
        hierarchy,
        line_profile,
        match_labels,
        regions,
        residual_map,
        silhouette,
        threshold,
    )
    from .pipeline import Pipeline
    from .reading import representatives

_LATER = {
    "io": "io",
    "plot": "plot",
    "synthetic": "synthetic",
    "load": "io:load",
    "open": "io:open",
    "save": "io:save",
    "Pipeline": "pipeline:Pipeline",
    "representatives": "reading:representatives",
    "AreaFractions": "maps:AreaFractions",
    "Hierarchy": "maps:Hierarchy",
    "LineProfile": "maps:LineProfile",
    "Regions": "maps:Regions",
    "Silhouette": "maps:Silhouette",
    "area_fractions": "maps:area_fractions",
    "class_means": "maps:class_means",
    "classify": "maps:classify",
    "hierarchy": "maps:hierarchy",
    "line_profile": "maps:line_profile",
    "match_labels": "maps:match_labels",
    "regions": "maps:regions",
    "residual_map": "maps:residual_map",
    "silhouette": "maps:silhouette",
    "threshold": "maps:threshold",
}
"""What is imported when it is asked for: name -> module, or module:name."""


def __getattr__(name: str) -> Any:
    """Import what `import unmix` does not."""
    if name == "__version__":
        from importlib.metadata import version

        return version("unmix")
    if name not in _LATER:
        msg = f"module 'unmix' has no attribute {name!r}"
        raise AttributeError(msg)
    module, _, attribute = _LATER[name].partition(":")
    loaded = import_module(f"unmix.{module}")
    return getattr(loaded, attribute) if attribute else loaded


def __dir__() -> list[str]:
    """List all public names."""
    return sorted([*__all__, "__version__"])


__all__ = [
    "AreaFractions",
    "BackendError",
    "Clusters",
    "DTypeError",
    "DataError",
    "Endmembers",
    "FileError",
    "Hierarchy",
    "IndependentComponents",
    "LineProfile",
    "Mixture",
    "MixtureTable",
    "NonnegativeFactors",
    "ParameterError",
    "Pipeline",
    "PixelPurity",
    "Posterior",
    "PrincipalComponents",
    "RankRule",
    "RankTable",
    "Record",
    "Regions",
    "Samples",
    "ShapeError",
    "Silhouette",
    "Step",
    "Tile",
    "UnmixError",
    "Unmixing",
    "abundances",
    "affine",
    "agglomerative",
    "angular_orders",
    "area_fractions",
    "atgp",
    "bayesian_unmixing",
    "center_beam",
    "class_means",
    "classify",
    "compare",
    "concat",
    "config",
    "correlation",
    "despike",
    "detector_mask",
    "detrend",
    "ellipse",
    "explain",
    "find_beam",
    "flatten",
    "fold",
    "gmm",
    "gmm_table",
    "hierarchy",
    "ica",
    "intensity_histogram",
    "intensity_moments",
    "io",
    "join",
    "kmeans",
    "line_profile",
    "load",
    "match_components",
    "match_labels",
    "nfindr",
    "nmf",
    "open",
    "ops",
    "overlap_add",
    "pca",
    "plot",
    "polar_transform",
    "ppi",
    "radial_profile",
    "rank",
    "regions",
    "representatives",
    "residual_map",
    "routes",
    "samples",
    "save",
    "scan_fft",
    "silhouette",
    "sliding_windows",
    "split",
    "suggest_window",
    "sweep",
    "symmetry_scores",
    "synthetic",
    "threshold",
    "vca",
    "virtual_image",
    "window_fft",
]
