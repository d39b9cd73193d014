# %% [markdown]
# # Phases of a 4D-STEM scan: centre, mask the beam, square root, NMF
#
# Silicon in two orientations, gold and amorphous carbon, simulated by multislice.

# %%
import os
from pathlib import Path

import unmix as um

data = Path(os.environ["UNMIX_DATA"])
scan = um.open(f"{data / 'abtem_4d_si_au_carbon.npz'}::data")

# %% [markdown]
# Where the direct beam is, looked for near the middle only; a plane through what is found is the
# descan. Then the beam is left out, for its few pixels hold most of the electrons.

# %%
beam = um.find_beam(scan, mask=um.detector_mask(scan, outer=6), smooth="plane")
centred = um.center_beam(scan, beam)
patterns = centred.features(um.detector_mask(centred, inner=4)).transform("sqrt")

# %%
model = um.nmf(patterns, 4, rng=0)
print(model)

# %%
pictures = Path("docs/images/notebooks")
um.plot.unmixing(model).savefig(pictures / "patterns_nmf.png", dpi=80)
