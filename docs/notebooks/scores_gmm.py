# %% [markdown]
# # Classes of windows: PCA, then Gaussian mixtures on the scores
#
# Layers of a perovskite heterostructure, and the mean spectrum of each class.

# %%
from pathlib import Path

import unmix as um

image = um.open("examples/perovskite_interface_haadf.npy")
windows = um.sliding_windows(image, window=64, step=8)
spectra = um.window_fft(windows, taper="hamming", k_max=0.25).transform("log1p")

# %%
pca = um.pca(spectra, 5)
classes = um.gmm(pca.scores, 3, n_starts=5, rng=0)
means = um.class_means(spectra, um.classify(classes, least=0.8))
print(classes, means, sep="\n")

# %%
pictures = Path("docs/images/notebooks")
um.plot.labels(means, image).savefig(pictures / "scores_gmm.png", dpi=80)
um.plot.tinted(means).savefig(pictures / "scores_gmm_means.png", dpi=80)
