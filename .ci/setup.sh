#!/usr/bin/env bash
# Installs what a fresh Debian machine with Rust lacks for building and testing flowd: Debian
# packages, bpf-linker, npm packages. Does only what is missing and says what it does.
set -euo pipefail
cd "$(dirname "$0")/.."

# rustc-web and its bpf core build the eBPF object; llvm-22 is what bpf-linker links with. The rest
# is what the tests, the demo and the benchmarks run.
packages=(
  rustc-web cargo-web libstd-rust-web-dev-bpf llvm-22-dev libpolly-22-dev
  iproute2 iputils-ping bpftool iperf3 ncat curl libcap2-bin util-linux gcc g++ python3 python3-venv systemd nftables perl-base
)

# Prometheus and promtool, for the tests of what we ship for them. Installed apart: its service must not run here.
if ! command -v promtool >/dev/null 2>&1; then
  echo "setup: installing Debian package: prometheus, its service left off"
  sudo=()
  [ "$(id -u)" = 0 ] || sudo=(sudo)
  "${sudo[@]}" apt-get update -qq
  policy=/usr/sbin/policy-rc.d
  ours=
  if [ ! -e "$policy" ]; then
    ours=yes
    printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" tee "$policy" >/dev/null
    "${sudo[@]}" chmod 755 "$policy"
  fi
  DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends prometheus >/dev/null ||
    { [ -z "$ours" ] || "${sudo[@]}" rm -f "$policy"; exit 1; }
  [ -z "$ours" ] || "${sudo[@]}" rm -f "$policy"
  if command -v systemctl >/dev/null 2>&1; then
    "${sudo[@]}" systemctl disable prometheus.service >/dev/null 2>&1 || true
  fi
fi

missing=()
for package in "${packages[@]}"; do
  dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
done
if ((${#missing[@]})); then
  echo "setup: installing Debian packages: ${missing[*]}"
  sudo=()
  [ "$(id -u)" = 0 ] || sudo=(sudo)
  "${sudo[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq "${missing[@]}" >/dev/null
fi

# Google's own protobuf and gRPC, for the tests in which they are an independent client.
python=target/python/bin/python grpcio_version=1.85.1
if [ "$("$python" -c 'import grpc, grpc_tools; print(grpc.__version__)' 2>/dev/null)" != "$grpcio_version" ]; then
  echo "setup: installing grpcio $grpcio_version for Python into target/python"
  python3 -m venv target/python
  "$python" -m pip install -q --disable-pip-version-check \
    "grpcio==$grpcio_version" "grpcio-tools==$grpcio_version"
fi

linker_version=0.13.0
export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
if ! bpf-linker --version 2>/dev/null | grep -qF "$linker_version"; then
  echo "setup: building bpf-linker $linker_version against LLVM 22 (a few minutes, once)"
  LLVM_PREFIX=/usr/lib/llvm-22 PATH="/usr/lib/llvm-22/bin:$PATH" \
    cargo install -q --locked bpf-linker --version "$linker_version" \
    --no-default-features --features llvm-22 ||
    LLVM_PREFIX=/usr/lib/llvm-22 PATH="/usr/lib/llvm-22/bin:$PATH" \
      cargo install -q bpf-linker --version "$linker_version" \
      --no-default-features --features llvm-22
fi

# The built page is committed: without Node the daemon still serves it, only the page's own checks
# are left out.
if command -v npm >/dev/null 2>&1; then
  if [ ! -d web/node_modules ] || [ web/package-lock.json -nt web/node_modules/.package-lock.json ]; then
    echo "setup: installing npm packages of web/"
    (cd web && npm ci --no-audit --no-fund --loglevel=error >/dev/null)
  fi
else
  echo "setup: no npm here; the page's own checks are left out"
fi
