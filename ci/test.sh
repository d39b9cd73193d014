#!/usr/bin/env bash
# Every check of the project, in a fresh virtual environment that is removed at the end:
#
#     bash ci/test.sh
#
# UNMIX_PYTHON names the interpreter (default: python3). The first failure ends the run.
set -euo pipefail
exec </dev/null

python=${UNMIX_PYTHON:-python3}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset PYTHONPATH PYTHONHOME
export PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1 COVERAGE_FILE="$work/coverage"

step() { printf '\n=== %s ===\n' "$*"; }

step "fresh environment: $("$python" --version)"
"$python" -m venv "$work/venv"
export PATH="$work/venv/bin:$PATH"
python -m pip install --quiet -c ci/constraints.txt -e ".[dev,test,test-torch,test-cuda]"
python -m pip list

step "ruff check"
ruff check

step "ruff format"
ruff format --check

step "mypy"
mypy

step "pytest"
pytest --cov --junitxml="$work/junit.xml"

step "no test skipped"
python ci/check_no_test_skipped.py "$work/junit.xml"

step "import time"
python ci/check_import.py

step "wheel and sdist"
python ci/check_wheel.py

step "run-time dependencies alone"
UNMIX_PYTHON="$python" bash ci/check_run_deps.sh

step "all checks passed"
