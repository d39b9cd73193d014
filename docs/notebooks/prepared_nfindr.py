# %% [markdown]
# # Before the method: hot pixels, illumination, and how many components
#
# Two superlattices of one lattice, spoiled as images are: light that rises by 60 % from left to
# right, and hot pixels.

# %%
import os
from pathlib import Path

import numpy as np

import unmix as um

file = Path(os.environ["UNMIX_DATA"]) / "sim" / "two_phase_seed1.npz"
raw = np.load(file)["image"].astype("float32")
raw *= np.linspace(0.7, 1.3, raw.shape[1], dtype="float32")
raw[::37, ::41] += 20

# %% [markdown]
# Hot pixels go first, for they would bend the background. The light multiplies, so that its plane
# is divided out.

# %%
image = um.flatten(um.despike(raw), "plane", how="divide")
spectra = um.window_fft(um.sliding_windows(image, window=64, step=8), k_max=0.125)
print(um.rank(spectra, 8, rng=0))
model = um.nfindr(spectra, 2, average=8, rng=0)

# %%
pictures = Path("docs/images/notebooks")
um.plot.unmixing(model).savefig(pictures / "prepared_nfindr.png", dpi=80)
