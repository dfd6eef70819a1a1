#!/bin/bash
# Builds every C task under examples/ to the .wasm beside it, to the same bytes on every machine with the same compiler.
#   examples/build.sh                rebuild and write
#   examples/build.sh --check        rebuild in a temporary folder and compare with the committed bytes
#   examples/build.sh [--check] FILE.c...   only these
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
root="$(dirname "$here")"
want=19

say() { echo "examples/build.sh: $*" >&2; }

clang="${CLANG:-}"
for candidate in "clang-$want" clang; do
  [ -n "$clang" ] && break
  if command -v "$candidate" >/dev/null; then clang="$candidate"; fi
done
linker="${WASM_LD:-}"
for candidate in "wasm-ld-$want" wasm-ld; do
  [ -n "$linker" ] && break
  if command -v "$candidate" >/dev/null; then linker="$(command -v "$candidate")"; fi
done
if [ -z "$clang" ] || [ -z "$linker" ]; then
  say "needs clang-$want and lld-$want (Debian: apt-get install clang-$want lld-$want). The built modules are committed, so nothing else needs them."
  exit 2
fi
version="$("$clang" -dumpversion)"
if [ "${version%%.*}" != "$want" ]; then
  say "this is clang $version; the committed modules were built with clang $want, other versions may give other bytes."
fi

check=no
if [ "${1:-}" = --check ]; then check=yes; shift; fi
if [ $# -gt 0 ]; then
  sources=()
  for f in "$@"; do sources+=("$(cd "$(dirname "$f")" && pwd)/$(basename "$f")"); done
else
  mapfile -t sources < <(find "$here" -name '*.c' | LC_ALL=C sort)
fi

# Profile 1: the 1.0 instructions plus sign extension, saturating conversions and bulk memory; nothing later. The stack
# comes first, so that an overflow runs out of memory's lower end and traps instead of eating data.
flags=(--target=wasm32 -std=c17 -O2 -mcpu=mvp -msign-ext -mbulk-memory -mnontrapping-fptoint -mmutable-globals
  -ffreestanding -fno-ident -ffp-contract=off -fvisibility=hidden -nostdlib -Wall -Wextra -Werror
  "-ffile-prefix-map=$root=." "-I$root/sdk" "-fuse-ld=$linker"
  -Wl,--no-entry -Wl,--strip-all -Wl,--stack-first -Wl,-z,stack-size=65536)

out="$(mktemp -d)"
trap 'rm -rf "$out"' EXIT
different=0
for source in "${sources[@]}"; do
  built="$out/$(basename "$source" .c).wasm"
  target="${source%.c}.wasm"
  "$clang" "${flags[@]}" -o "$built" "$source"
  if [ "$check" = no ]; then
    cp "$built" "$target"
    chmod 644 "$target"
    echo "${target#"$root"/}: $(stat -c %s "$target") bytes"
  elif cmp -s "$built" "$target"; then
    echo "${target#"$root"/}: same bytes"
  else
    echo "${target#"$root"/}: DIFFERS from what ${source#"$root"/} builds to with clang $version"
    different=1
  fi
done
exit "$different"
