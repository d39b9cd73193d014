# %% [markdown]
# # Phases of a lattice image: sliding FFT and NMF
#
# A HAADF image of a perovskite heterostructure: windows of 128 pixels, a quarter of that apart,
# Hamming taper, the central half of k, log1p, three components.

# %%
from pathlib import Path

import unmix as um

image = um.open("examples/perovskite_interface_haadf.npy")
print(image, um.suggest_window(image), sep="\n")

# %%
windows = um.sliding_windows(image, window=128, step=32)
spectra = um.window_fft(windows, taper="hamming", k_max=0.25)

# %% [markdown]
# The image is in counts of some millions, and the noise of its spectra some 1e4. The scale of
# log1p, the root mean square of all values, is above that; one of 1 would show the noise.

# %%
model = um.nmf(spectra.transform("log1p"), 3, rng=0)
print(model)

# %%
pictures = Path("docs/images/notebooks")
um.plot.unmixing(model, log=False).savefig(pictures / "lattice_nmf.png", dpi=80)
