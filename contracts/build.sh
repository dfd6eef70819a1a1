#!/bin/bash
# Builds and tests the contracts, with compiler and tools from npm.
#   contracts/build.sh            format, build, write abi/ and snapshots/, test
#   contracts/build.sh --check    change nothing: fail if the format, abi/ or snapshots/ differ from what is committed, or a test fails
# The last line says how many checks passed and failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

say() { echo "contracts/build.sh: $*" >&2; }

check=no
if [ "${1:-}" = --check ]; then check=yes; shift; fi
if [ $# -gt 0 ]; then
  say "knows --check only, not '$1'."
  exit 2
fi
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
  say "needs node and npm (Debian: apt-get install nodejs npm). What Maven needs of the contracts is committed in contracts/abi."
  exit 2
fi

# npm's own note of what is installed has the time of the installation.
case "$(uname -m)" in
  x86_64) processor=amd64 ;;
  aarch64 | arm64) processor=arm64 ;;
  *) processor="$(uname -m)" ;;
esac
platform="forge-$(uname -s | tr '[:upper:]' '[:lower:]')-$processor"
forge="$PWD/node_modules/@foundry-rs/$platform/bin/forge"
if [ ! -x "$forge" ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  say "installing forge, solc and OpenZeppelin's contracts from npm"
  npm ci --ignore-scripts --no-audit --no-fund >&2
  if [ ! -x "$forge" ]; then
    # Forge says that it wants Node 20, for a wrapper that is not used here; under Node 18 npm leaves it out unless it is
    # asked for by name. Then it does not look at the hash in package-lock.json, so we do.
    version="$(node -p 'require("./package.json").devDependencies["@foundry-rs/forge"]')"
    npm install --no-save --ignore-scripts --no-audit --no-fund "@foundry-rs/$platform@$version" >&2 || true
    hash() { node -p "require('./$1').packages['node_modules/@foundry-rs/$platform']?.integrity"; }
    if [ "$(hash package-lock.json)" != "$(hash node_modules/.package-lock.json)" ]; then
      rm -rf node_modules
      say "what npm gave for @foundry-rs/$platform $version is not what package-lock.json names."
      exit 2
    fi
  fi
  if [ ! -x "$forge" ]; then
    say "npm has no forge for this machine ($platform)."
    exit 2
  fi
  touch node_modules/.package-lock.json
fi
export FOUNDRY_DISABLE_NIGHTLY_WARNING=1

passed=0
failed=0
verdict() { # what, whether
  if [ "$2" = yes ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    say "$1"
  fi
}

new="$(mktemp -d)"
trap 'rm -rf "$new"' EXIT

if [ "$check" = yes ]; then
  if "$forge" fmt --check >"$new/fmt" 2>&1; then formatted=yes; else formatted=no; cat "$new/fmt" >&2; fi
  verdict "the format differs; run contracts/build.sh." $formatted
else
  "$forge" fmt
fi

"$forge" build --quiet
mkdir "$new/abi"
node tools/artifacts.cjs "$new/abi"
if [ "$check" = yes ]; then
  if diff -rq abi "$new/abi" >&2; then equal=yes; else equal=no; fi
  verdict "the contracts do not build to what is committed in contracts/abi; run contracts/build.sh and commit it." $equal
else
  mkdir -p abi
  cp "$new"/abi/*.json abi/
fi

# The tests write what each transaction costs. Those of a run that failed are no measure.
cp -R snapshots "$new/committed" 2>/dev/null || mkdir "$new/committed"
rm -rf snapshots
"$forge" test >"$new/tests" 2>&1 || true
cp -R snapshots "$new/measured" 2>/dev/null || mkdir "$new/measured"
counts="$(sed -n 's/.* \([0-9]*\) tests passed, \([0-9]*\) failed, \([0-9]*\) skipped.*/\1 \2 \3/p' "$new/tests" | tail -1)"
read -r tests_passed tests_failed tests_skipped <<<"${counts:-0 1 0}"
if [ "$check" = yes ] || [ "$tests_failed" != 0 ]; then
  rm -rf snapshots
  cp -R "$new/committed" snapshots
fi
passed=$((passed + tests_passed))
failed=$((failed + tests_failed + tests_skipped))
if [ "$tests_failed" != 0 ] || [ "$tests_skipped" != 0 ]; then
  cat "$new/tests" >&2
elif [ "$check" = yes ]; then
  if diff -r "$new/committed" "$new/measured" >&2; then equal=yes; else equal=no; fi
  verdict "the gas differs from contracts/snapshots; if that is meant, run contracts/build.sh and commit it." $equal
fi

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
