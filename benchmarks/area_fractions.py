"""Area fractions of a movie of domains whose truth is known: how often the intervals hold it.

``python -m benchmarks.area_fractions FOLDER``, the folder of ``sim/domain_movie_seed1.npz``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import unmix as um


def main(folder: Path) -> None:
    """Print the share of frames and phases inside of their intervals, and the distance."""
    data = np.load(folder / "sim" / "domain_movie_seed1.npz")
    truth, names = data["true_weight"].T, data["phase_names"].tolist()
    windows = um.sliding_windows(um.samples(data["frames"].astype(np.float32), 3), 24, 8)
    model = um.kmeans(um.window_fft(windows).transform("sqrt"), 8, rng=0)
    # what a person sees in the class means: to which phase each belongs
    frames = [np.nonzero(model.labels == i)[0] for i in range(8)]
    phase = [np.argmax(np.bincount(f, minlength=len(truth.T)) @ truth.T) for f in frames]
    groups = [[i for i in range(8) if phase[i] == p] for p in range(len(names))]
    regions = um.classify(model.merge(*groups, names=names).reorder(names)).opened(1)
    for level in (0.68, 0.95):
        found = um.area_fractions(regions, level=level)
        inside = (found.low <= truth) & (truth <= found.high)
        off = np.sqrt(np.mean((found.fractions - truth) ** 2))
        print(f"{level:.0%} intervals hold {inside.mean():.1%}; off by {off:.3f} on the average")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
