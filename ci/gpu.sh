#!/usr/bin/env bash
# Everything that takes a real GPU, in one command of under 8 minutes and without network:
#
#     bash ci/gpu.sh
#
# compiles and self-tests every kernel, runs the tests on CuPy, the four tools of compute-sanitizer
# where there is one, and the benchmarks, which leave one JSON file per card.
#
# Needs a driver of CUDA 13 and an interpreter with cupy-cuda13x 14, numpy, scipy, pytest, hypothesis.
#   UNMIX_PYTHON    the interpreter (default: python3)
#   UNMIX_WHEELS    folder with wheels of what else is not installed: array-api-compat, threadpoolctl,
#                   click, tqdm
#   UNMIX_RESULTS   where the JSON file goes (default: benchmarks/results/gpu)
#   UNMIX_SECONDS   time for all of it (default: 460)
set -uo pipefail
exec </dev/null

python=${UNMIX_PYTHON:-python3}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
results=${UNMIX_RESULTS:-$root/benchmarks/results/gpu}
total=${UNMIX_SECONDS:-460}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=() notes=()

step() { printf '\n=== %s (%d s) ===\n' "$*" "$SECONDS"; }
left() { echo $((total > SECONDS + 1 ? total - SECONDS : 1)); }

# Run a command for at most so many seconds, and note how it ended.
try() {
    local name=$1 most=$2 code=0
    shift 2
    timeout -k 5 $((most < $(left) ? most : $(left))) "$@" || code=$?
    case $code in
        0) notes+=(--note "$name=passed") ;;
        124 | 137) notes+=(--note "$name=out of time") && failed+=("$name") ;;
        *) notes+=(--note "$name=failed") && failed+=("$name") ;;
    esac
}

# The checkout as it would be installed: no build, no pip, and nothing is written to it.
site=$work/site
mkdir -p "$site/unmix" "$work/run"
ln -s "$root"/unmix/* "$site/unmix/"
ln -s "$root/kernels" "$site/unmix/_kernels"
ln -s "$root/benchmarks" "$site/benchmarks"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/pyproject.toml")
mkdir "$site/unmix-$version.dist-info"
printf 'Metadata-Version: 2.1\nName: unmix\nVersion: %s\n' "$version" \
    >"$site/unmix-$version.dist-info/METADATA"
if [ -n "${UNMIX_WHEELS:-}" ]; then
    for wheel in "$UNMIX_WHEELS"/*.whl; do "$python" -m zipfile -e "$wheel" "$site"; done
fi
# PYTHONSAFEPATH: or the folder that this is started in comes before all of that.
export PYTHONPATH=$site PYTHONSAFEPATH=1 PYTHONDONTWRITEBYTECODE=1
cd "$work/run" || exit 2

step "what there is"
"$python" - <<'PY' || exit 2
import importlib.util
import sys

needed = "cupy numpy scipy pytest hypothesis array_api_compat threadpoolctl click tqdm".split()
absent = [name for name in needed if importlib.util.find_spec(name) is None]
if absent:
    sys.exit(f"not installed, and not in UNMIX_WHEELS: {', '.join(absent)}")
from unmix.cuda.check import missing

sys.exit(missing())
PY

step "self-test"
try self-test 120 "$python" -m unmix.cuda.check

tests() { # NAME SECONDS ARGUMENTS...
    local name=$1 most=$2
    shift 2
    try "$name" "$most" "$python" -m pytest -q -c "$root/pyproject.toml" --rootdir "$root" \
        -p no:cacheprovider "$@"
}

step "tests of the kernels on CuPy"
tests kernels 150 -m kernels -k "gpu" "$root"/tests/kernels/test_*_kernel.py

step "compute-sanitizer"
sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null)
if [ -z "$sanitizer" ]; then
    echo "compute-sanitizer is not installed"
    notes+=(--note "compute-sanitizer=not installed")
else
    # No memory pool: to the tools a pool is one large array. All four at once: they wait, not work.
    cat >"$work/small.py" <<'PY'
import sys

import cupy

cupy.cuda.set_allocator(None)
from unmix.cuda import check

sys.exit(check.main())
PY
    most=$((150 < $(left) ? 150 : $(left)))
    declare -A running
    for tool in memcheck racecheck initcheck synccheck; do
        timeout -k 5 "$most" "$sanitizer" --tool "$tool" --error-exitcode 9 \
            "$python" "$work/small.py" >"$work/$tool.txt" 2>&1 &
        running[$tool]=$!
    done
    for tool in "${!running[@]}"; do
        try "$tool" "$most" tail --pid="${running[$tool]}" -f /dev/null
        wait "${running[$tool]}"
        code=$?
        grep -E "========= (ERROR|RACECHECK) SUMMARY|not ok" "$work/$tool.txt" | sed "s/^/$tool: /"
        if [ "$code" -ne 0 ]; then
            grep -vE " ok$" "$work/$tool.txt" | head -40
            notes+=(--note "$tool=failed with $code") && failed+=("$tool")
        fi
    done
fi

step "benchmarks"
try benchmarks 240 "$python" -m benchmarks.gpu --results "$results" --seconds 150 "${notes[@]}"

# All of the library on CuPy arrays, for as long as there is time: the files whose imports are there.
if [ "$(left)" -gt 40 ]; then
    step "tests of the library on CuPy"
    files=$(
        "$python" - "$root/tests" <<'PY'
import ast
import sys
from importlib.util import find_spec
from pathlib import Path

tests = Path(sys.argv[1])
sys.path.insert(0, str(tests))
for path in sorted([*tests.glob("test_*.py"), *tests.glob("ops/test_*.py")]):
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module.partition(".")[0])
    if "backend" in path.read_text() and all(find_spec(name) for name in names):
        print(path)
PY
    )
    tests library "$(($(left) - 10))" --maxfail 20 -k "cupy and not emulated" $files
fi

step "done"
if [ ${#failed[@]} -gt 0 ]; then
    echo "failed: ${failed[*]}"
    exit 1
fi
echo "all passed"
