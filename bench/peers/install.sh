#!/bin/bash
# Installs the peers that `perseid bench throughput` compares with, each into a folder of its own here. Optional: neither
# the build nor any test needs them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
python3 -m venv .dask && .dask/bin/pip install -q 'distributed==2026.8.0'
python3 -m venv .ray && .ray/bin/pip install -q 'ray==2.60.0'
