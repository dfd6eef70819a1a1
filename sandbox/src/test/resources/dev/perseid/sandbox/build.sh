#!/bin/bash
# Rebuilds the test modules from their text with wabt (Debian: apt-get install wabt). Some are wrong on purpose, hence --no-check.
set -euo pipefail
cd "$(dirname "$0")"
for text in *.wat; do
  wat2wasm --enable-threads --enable-tail-call --enable-memory64 --no-check "$text" -o "${text%.wat}.wasm"
done
