"""Area fractions where the truth is known: how often the intervals hold it.

``python -m benchmarks.area_fractions [FOLDER]``: on independent frames of random domains, whose
area fraction in the material is known, as windows with the class of the most of their area see
them; and on the movie of ``sim/domain_movie_seed1.npz`` in FOLDER.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import unmix as um

WINDOW, STEP, FRAMES, MOVIES = 24, 8, 40, 10


def domains() -> None:
    """Print the share of frames whose intervals hold the fraction, for domains of several sizes."""
    for domain in (4.0, 6.0, 12.0, 20.0):
        for fraction in (0.1, 0.3, 0.5):
            held, wide = {0.68: [], 0.95: []}, []
            for rng in range(MOVIES):
                movie = um.synthetic.phase_movie(
                    [fraction] * FRAMES, (128, 128), domain=domain, counts=None, rng=rng
                )
                windows = um.sliding_windows(um.samples(1.0 * movie.labels, 3), WINDOW, STEP)
                labels = windows.to_array().mean(axis=(-2, -1)) > 0.5
                regions = um.regions(windows, labels.astype(int), names=["0", "1"])
                for level, inside in held.items():
                    found = um.area_fractions(regions, level=level)
                    inside.append((found.low[1] <= fraction) & (fraction <= found.high[1]))
                wide.append((found.high[1] - found.low[1]) / 2)
            shares = [f"{level:.0%} hold {np.mean(v):.1%}" for level, v in held.items()]
            print(
                f"domains of {domain:g} px, {fraction:.0%}: {', '.join(shares)}; "
                f"+- {np.mean(wide):.3f} at 95%"
            )


def transition(folder: Path) -> None:
    """Print the share of frames and phases inside of their intervals, and the distance."""
    data = np.load(folder / "sim" / "domain_movie_seed1.npz")
    truth, names = data["true_weight"].T, data["phase_names"].tolist()
    mixed = (truth > 0) & (truth < 1)
    windows = um.sliding_windows(um.samples(data["frames"].astype(np.float32), 3), WINDOW, STEP)
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
        print(
            f"{level:.0%} intervals hold {inside.mean():.1%}, {inside[mixed].mean():.1%} of the "
            f"{mixed.sum()} that are neither 0 nor 1; off by {off:.3f} on the average"
        )


if __name__ == "__main__":
    domains()
    if len(sys.argv) > 1:
        transition(Path(sys.argv[1]))
