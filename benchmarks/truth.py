"""Every method against data whose components and maps are known: one table from one command.

    python -m benchmarks.truth --data FOLDER            # or set UNMIX_DATA
    python -m benchmarks.truth --data FOLDER --write    # into docs/methods.md

All methods run with their default parameters, N-FINDR also with the mean of the eight samples
nearest to each vertex. Components and truth are matched by the least sum of spectral angles. ICA
leaves sign, offset and scale of its maps open: they are taken from the line that fits the truth
best, which flatters it. Classes of a movie's windows are compared by the states that they tell.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score

import unmix as um

Host = np.ndarray[Any, Any]

METHODS: dict[str, Callable[[um.Samples, int], um.Unmixing]] = {
    "N-FINDR": um.nfindr,
    "N-FINDR, mean of 8": lambda samples, n: um.nfindr(samples, n, average=8),
    "VCA": um.vca,
    "NMF, simplex": lambda samples, n: um.nmf(samples, n, simplex=True),
    "ICA": um.ica,
    "Bayesian": um.bayesian_unmixing,
}
"""Name -> function of the samples and the number of components."""

CLASSES: dict[str, Callable[[um.Samples], Any]] = {
    "k-means": lambda samples: um.kmeans(samples, 8),
    "GMM, full covariance of 8 scores": lambda samples: um.gmm(um.pca(samples, 8).scores, 8),
    "GMM, low rank": lambda samples: um.gmm(samples, 8, covariance="low_rank"),
}
"""Name -> function of the spectra of a movie's windows."""

DOCUMENT = Path(__file__).parents[1] / "docs" / "methods.md"
BEGIN, END = "<!-- truth: begin -->", "<!-- truth: end -->"


class Truth(NamedTuple):
    """Samples with the components and the maps that they were made of."""

    samples: um.Samples
    components: Host
    """(k, *descriptor_shape)."""
    maps: Host
    """(k, *map_shape)."""


class Score(NamedTuple):
    """How far a model is from the truth, means over the components."""

    angle: float
    """Spectral angle in degrees."""
    rmse: float
    correlation: float


def eels_oxide(folder: Path) -> Truth:
    """Three oxides in counts, as they are."""
    with np.load(folder / "eels_oxide_interface_d1000_truth.npz") as file:
        return Truth(um.samples(file["cube"], 2), file["endmembers"], file["abundances"])


def abtem_4d(folder: Path) -> Truth:
    """Multislice patterns of silicon, gold and carbon, each scaled to a sum of one."""
    return _patterns(folder / "abtem_4d_si_au_carbon.npz")


def stem4d(folder: Path) -> Truth:
    """Patterns with Poisson noise of a wedge, each scaled to a sum of one."""
    return _patterns(folder / "sim" / "stem4d_seed1.npz")


def _patterns(path: Path) -> Truth:
    with np.load(path) as file:
        samples = um.samples(file["data"], 2).normalize("unit_sum")
        patterns = file["true_endmembers"].astype(float)
        patterns /= patterns.sum(axis=(1, 2), keepdims=True)
        return Truth(samples, patterns, np.moveaxis(file["true_abundances"], -1, 0))


def two_phase(folder: Path) -> Truth:
    """Window spectra of an image; the truth is the mean spectrum of the windows of each phase."""
    window, step = 64, 8
    with np.load(folder / "sim" / "two_phase_seed1.npz") as file:
        image, weight = file["image"], file["true_weight_dimer"].astype(float)
    samples = um.window_fft(um.sliding_windows(image, window, step), k_max=1 / 8)
    taper = um.ops.taper_weights("hann", window)
    kernel = np.outer(taper, taper) / taper.sum() ** 2
    cut = sliding_window_view(weight, (window, window))[::step, ::step]
    second = np.einsum("abij,ij->ab", cut, kernel)
    spectra = samples.to_array()
    pure = [spectra[second < 0.001].mean(axis=0), spectra[second > 0.999].mean(axis=0)]
    return Truth(samples, np.stack(pure), np.stack([1 - second, second]))


SETS: dict[str, Callable[[Path], Truth]] = {
    "eels_oxide": eels_oxide,
    "abtem_4d": abtem_4d,
    "stem4d": stem4d,
    "two_phase": two_phase,
}

RADIAN = float(np.degrees(1.0))
TEXTBOOK: dict[tuple[str, str], Score] = {
    ("eels_oxide", "N-FINDR"): Score(26.0, 0.276, np.nan),
    ("abtem_4d", "N-FINDR"): Score(0.012 * RADIAN, 0.032, np.nan),
    ("abtem_4d", "NMF, simplex"): Score(0.191 * RADIAN, 0.228, np.nan),
    ("stem4d", "N-FINDR"): Score(0.068 * RADIAN, 0.072, np.nan),
    ("stem4d", "NMF, simplex"): Score(0.247 * RADIAN, 0.184, np.nan),
    ("two_phase", "N-FINDR"): Score(np.nan, np.nan, 0.979),
    ("two_phase", "NMF, simplex"): Score(np.nan, np.nan, 0.984),
}
"""What plain pipelines reach: N-FINDR on projected samples, clipped at zero, with FCLS; and NMF."""


def score(model: um.Unmixing, truth: Truth) -> Score:
    """Match a model to the truth and measure how far it is away."""
    k = len(truth.components)
    found, true = (np.asarray(c).reshape(k, -1) for c in (model.components, truth.components))
    cosines = found @ true.T / np.outer(*(np.linalg.norm(c, axis=1) for c in (found, true)))
    is_signed = isinstance(model, um.IndependentComponents)
    cosines = np.abs(cosines) if is_signed else cosines
    angles = np.degrees(np.arccos(np.clip(cosines, -1, 1)))
    rows, order = linear_sum_assignment(angles)
    maps, fractions = np.asarray(model.maps).reshape(k, -1), truth.maps.reshape(k, -1)[order]
    if is_signed:
        lines = [np.polyfit(m, f, 1) for m, f in zip(maps, fractions, strict=True)]
        maps = np.stack([np.polyval(line, m) for line, m in zip(lines, maps, strict=True)])
    correlations = [np.corrcoef(m, f)[0, 1] for m, f in zip(maps, fractions, strict=True)]
    rmse = np.sqrt(np.mean((maps - fractions) ** 2))
    return Score(float(angles[rows, order].mean()), float(rmse), float(np.mean(correlations)))


def lines(folder: Path) -> Iterator[str]:
    """Run everything: a row for each set and method, and then who is the best."""
    yield "| set | method | angle / degrees | RMSE | correlation | seconds | textbook |"
    yield "|---|---|---|---|---|---|---|"
    best = []
    for name, load in SETS.items():
        truth = load(folder)
        truth = truth._replace(samples=truth.samples.keep())
        scores = {}
        for method, function in METHODS.items():
            start = time.perf_counter()
            model = function(truth.samples, len(truth.components))
            seconds = time.perf_counter() - start
            scores[method] = got = score(model, truth)
            known = TEXTBOOK.get((name, method))
            figures = f"{got.angle:.2f} | {got.rmse:.3f} | {got.correlation:.3f} | {seconds:.1f}"
            yield f"| {name} | {method} | {figures} | {_textbook(got, known)} |"
        best.append(
            f"* `{name}`: least angle {min(scores, key=lambda m: scores[m].angle)}; "
            f"least RMSE {min(scores, key=lambda m: scores[m].rmse)}; "
            f"highest correlation {max(scores, key=lambda m: scores[m].correlation)}."
        )
    yield from ["", "The best:", "", *best, "", *_states_of_a_movie(folder)]


def _states_of_a_movie(folder: Path) -> Iterator[str]:
    """Tell the states of ``domain_movie`` by how many windows of each frame lie in each class."""
    with np.load(folder / "sim" / "domain_movie_seed1.npz") as file:
        frames, turns = file["frames"].astype(np.float32), file["true_transition_frames"]
    n_states = len(turns)  # the last is the first again
    states = np.searchsorted(turns, np.arange(len(frames)), side="right") % n_states
    samples = um.window_fft(um.sliding_windows(frames, 24, 8)).keep()
    yield "| `domain_movie`, 8 classes | adjusted Rand index of the states | seconds |"
    yield "|---|---|---|"
    for name, fit in CLASSES.items():
        start = time.perf_counter()
        labels = fit(samples).labels
        seconds = time.perf_counter() - start
        counts = np.stack([np.bincount(of_frame.ravel(), minlength=8) for of_frame in labels])
        found = um.kmeans(counts.astype(float), n_states).labels
        yield f"| {name} | {adjusted_rand_score(states, found):.3f} | {seconds:.1f} |"


def _textbook(got: Score, known: Score | None) -> str:
    """Write the textbook's figures, and whether they are met to their last digit: of radians."""
    if known is None:
        return ""
    pairs = [("angle", 1, 2, RADIAN), ("rmse", 1, 3, 1), ("correlation", -1, 3, 1)]
    words, met = [], []
    for field, sign, digits, unit in pairs:
        theirs, ours = getattr(known, field), getattr(got, field)
        if np.isfinite(theirs):
            words.append(f"{theirs:.{digits}f}")
            met.append(sign * round(ours / unit, 3) <= sign * round(theirs / unit, 3))
    return f"{' / '.join(words)} {'met' if all(met) else 'missed'}"


def write(table: list[str]) -> None:
    """Replace what stands between the marks of the document."""
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    text = "\n".join([before + BEGIN, "", *table, "", END + after])
    DOCUMENT.write_text(text, encoding="utf-8")


def main() -> None:
    """Print the table, and write it where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    folder = os.environ.get("UNMIX_DATA")
    parser.add_argument("--data", type=Path, default=folder, required=folder is None)
    parser.add_argument("--write", action="store_true", help=f"write it into {DOCUMENT.name}")
    given = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)  # chains that have not met say so
    table = []
    for line in lines(Path(given.data)):
        print(line, flush=True)
        table.append(line)
    if given.write:
        write(table)


if __name__ == "__main__":
    main()
