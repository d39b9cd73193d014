"""Check that ``import unmix`` is light: what it loads, and its time beyond NumPy's own import.

Each run is a fresh interpreter that times both imports, one after the other, so that the machine's
moods meet both alike.
"""

import json
import statistics
import subprocess
import sys

LAZY = ("cupy", "torch", "matplotlib", "numba", "dask", "scipy.signal")
MOST_SECONDS = 0.25
RUNS = 9

TIMED = """
import json, sys, time
start = time.perf_counter()
import numpy
middle = time.perf_counter()
import unmix
end = time.perf_counter()
print(json.dumps([middle - start, end - middle, sorted(sys.modules)]))
"""


def measure() -> tuple[float, float, list[str]]:
    """Return NumPy's seconds, unmix's seconds beyond them, and the modules that are loaded then."""
    run = subprocess.run([sys.executable, "-c", TIMED], check=True, stdout=subprocess.PIPE)
    numpy_s, unmix_s, modules = json.loads(run.stdout)
    return numpy_s, unmix_s, modules


def main() -> int:
    """Print the medians; return 1 if the import is too slow or loads what it must not."""
    _, _, modules = measure()  # also compiles the modules and warms the file cache
    loaded = [name for name in LAZY if name in modules]
    numpy_s, unmix_s, _ = zip(*(measure() for _ in range(RUNS)), strict=True)
    beyond = statistics.median(unmix_s)
    print(
        f"import numpy {statistics.median(numpy_s):.3f} s; "
        f"import unmix {beyond:.3f} s beyond it (median of {RUNS}, at most {MOST_SECONDS} s)"
    )
    if loaded:
        print("import unmix loads", ", ".join(loaded))
    return 1 if loaded or beyond > MOST_SECONDS else 0


if __name__ == "__main__":
    sys.exit(main())
