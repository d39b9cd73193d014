# %% [markdown]
# # Phases of a spectrum image: N-FINDR and non-negative abundances
#
# EELS of three oxides, simulated, with Poisson noise. Thickness and dose vary, so that spectra are
# scaled to unit sum before vertices are looked for. The file holds the energies beside the cube.

# %%
import os
from pathlib import Path

import unmix as um

data = Path(os.environ["UNMIX_DATA"])
name = "eels_oxide_interface_d1000_truth.npz"
spectra = um.open(f"{data / name}::cube").normalize("unit_sum")
print(spectra)

# %% [markdown]
# The mean of the ten spectra nearest to each vertex is less noisy than the vertex. NNLS then asks
# for maps from zero up, and not for a sum of one.

# %%
endmembers = um.nfindr(spectra, 3, average=10, rng=0)
model = um.abundances(spectra, endmembers, constraint="nonnegative")
print(model)

# %%
pictures = Path("docs/images/notebooks")
um.plot.unmixing(model).savefig(pictures / "eels_nfindr.png", dpi=80)
