"""Run all notebooks of this folder and say how long each took.

    UNMIX_DATA=folder/of/the/data python docs/notebooks/run.py

From the root of the repository: pictures go to docs/images/notebooks.
"""

from __future__ import annotations

import runpy
import time
from pathlib import Path

for script in sorted(Path(__file__).parent.glob("*_*.py")):
    start = time.perf_counter()
    runpy.run_path(str(script))
    print(f"{script.name}: {time.perf_counter() - start:.1f} s\n")
