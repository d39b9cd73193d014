# %% [markdown]
# # A movie: classes of the windows of all frames, and their areas
#
# Domain walls through a heating and cooling cycle. The file holds the temperature of each frame.

# %%
import os
from pathlib import Path

import unmix as um

file = Path(os.environ["UNMIX_DATA"]) / "sim" / "domain_movie_seed1.npz"
movie = um.open(f"{file}::frames")

# %%
windows = um.detrend(um.sliding_windows(movie, window=24, step=4))
spectra = um.window_fft(windows, taper="hamming", k_max=0.25).transform("sqrt")
pca = um.pca(spectra, 5)
classes = um.kmeans(pca.scores, 4, rng=0)

# %% [markdown]
# Windows overlap and domains are large, so that a frame holds few independent windows: the bands,
# of one standard deviation, know that.

# %%
areas = um.area_fractions(classes, level=0.68)
print(areas)

# %%
figure = um.plot.area_fractions(areas, label="Temperature (°C)")
figure.savefig(Path("docs/images/notebooks") / "movie_areas.png", dpi=80)
