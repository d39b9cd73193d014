# %% [markdown]
# # Phases of a lattice image: sliding FFT and NMF
#
# A HAADF image of a perovskite heterostructure. Windows of 128 pixels a quarter apart, Hamming
# taper, the central half of k, log1p, four components.

# %%
from pathlib import Path

import unmix as um

image = um.open("examples/perovskite_interface_haadf.npy")
print(image, um.suggest_window(image), sep="\n")

# %% [markdown]
# A trend over the window would leak into the lowest frequencies, where the mean is already.

# %%
windows = um.detrend(um.sliding_windows(image, window=128, step=32))
spectra = um.window_fft(windows, taper="hamming", k_max=0.25).transform("log1p")

# %%
model = um.nmf(spectra, 4, rng=0)
print(model)

# %%
pictures = Path("docs/images/notebooks")
um.plot.unmixing(model, log=False).savefig(pictures / "lattice_nmf.png", dpi=80)
