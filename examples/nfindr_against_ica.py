"""N-FINDR against ICA on three superlattices of one lattice, whose phases are known.

    python examples/nfindr_against_ica.py [picture]

Writes the picture of docs/methods.md and prints the figures that are told there.
"""

from __future__ import annotations

import sys

import numpy as np

import unmix as um

METHODS = {
    "N-FINDR": lambda samples: um.nfindr(samples, 3),
    "ICA, two components": lambda samples: um.ica(samples, 2, n_runs=10),
    "ICA, three components": lambda samples: um.ica(samples, 3, n_runs=10),
}


def signs(model: um.Unmixing, pure: np.ndarray) -> str:
    """Say whether each map is high (+), low (-) or neither (0) inside phases 0, 1 and 2."""
    words = []
    for values in model.maps:
        means = np.asarray([values[pure == phase].mean() for phase in range(3)])
        means = (means - values.mean()) / values.std()
        if np.abs(means).max() < 0.75:
            words.append("noise")
        else:
            small = 0.4 * np.abs(means).max()
            words.append("".join("0" if abs(m) < small else "+" if m > 0 else "-" for m in means))
    return ", ".join(words)


def main(picture: str = "docs/images/nfindr_against_ica.png") -> None:
    """Compare the methods on some scenes, and draw one."""
    for rng in range(6):
        scene = um.synthetic.superlattice_phases((512, 512), rng=rng)
        samples = um.window_fft(um.sliding_windows(scene.image, 64, 8), k_max=0.2)
        found = um.compare(samples, METHODS)
        print(f"\nscene {rng}\n{found}")
        for name, model in found.models.items():
            print(f"{name}: {signs(model, scene.pure_windows(64, 8))}")
            if isinstance(model, um.IndependentComponents):
                print(f"    stability {model.stability.round(2)}")
        if rng == 1:
            um.plot.compare(found).savefig(picture)


if __name__ == "__main__":
    main(*sys.argv[1:])
