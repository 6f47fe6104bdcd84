#!/usr/bin/env bash
# Runs every test: Rust (units, properties, programs, end to end), then the web page's.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$(id -u)" != 0 ]; then
  echo "test: the programs are loaded into this kernel and namespaces are made: run as root" >&2
  exit 1
fi

cargo build -q -p flowd -p flowctl -p flowd-testbed
if cargo nextest --version >/dev/null 2>&1; then
  cargo nextest run --workspace --no-fail-fast
else
  cargo test --workspace --no-fail-fast
fi

if command -v npm >/dev/null 2>&1; then
  (cd web && npm run --silent lint && npm run --silent check && npm test --silent && npm run --silent verify-dist)
fi
