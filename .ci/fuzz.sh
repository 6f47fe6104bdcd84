#!/usr/bin/env bash
# Coverage-guided fuzzing of one target, or of all: libFuzzer on the stable compiler.
# Usage: .ci/fuzz.sh TARGET|all [SECONDS]     more for libFuzzer in FUZZ_FLAGS
# What is found on the way grows in target/fuzz/TARGET, what fails is in target/fuzz/failed;
# `.ci/fuzz.sh TARGET merge` puts what covers more than the committed corpus into it.
set -euo pipefail
cd "$(dirname "$0")/.."

name=${1:?a target, or all: $(ls daemon/fuzz/corpus | tr '\n' ' ')}
seconds=${2:-3600}

if ! command -v g++ >/dev/null 2>&1; then
  echo "fuzz: libFuzzer is C++; install g++" >&2
  exit 1
fi

host=$(rustc -vV | sed -n 's/^host: //p')
# The instrumentation libFuzzer reads, as an LLVM pass: what `-Zsanitizer` would switch on in a nightly compiler.
llvm="-Cllvm-args=-sanitizer-coverage"
RUSTFLAGS="-Cpasses=sancov-module $llvm-level=4 $llvm-inline-8bit-counters $llvm-pc-table $llvm-trace-compares --cfg fuzzing" \
  cargo build -q --profile fuzz --target "$host" -p flowd-fuzz --features libfuzzer --bin fuzz
binary=target/$host/fuzz/fuzz

run() {
  local target=$1
  local grown=target/fuzz/$target
  mkdir -p "$grown" target/fuzz/failed
  FLOWD_FUZZ_TARGET=$target nice -n 19 "$binary" "$grown" "daemon/fuzz/corpus/$target" \
    -dict="daemon/fuzz/dictionaries/$target.dict" -artifact_prefix="target/fuzz/failed/$target-" \
    -max_len=4096 -timeout=10 -rss_limit_mb=2048 -max_total_time="$seconds" -print_final_stats=1 ${FUZZ_FLAGS:-}
}

merge() {
  FLOWD_FUZZ_TARGET=$name "$binary" -merge=1 -max_len=4096 "daemon/fuzz/corpus/$name" "target/fuzz/$name"
}

case "$name,$seconds" in
  all,merge) for name in daemon/fuzz/corpus/*; do name=${name##*/} && merge; done ;;
  *,merge) merge ;;
  all,*)
    pids=()
    for target in daemon/fuzz/corpus/*; do
      target=${target##*/}
      mkdir -p target/fuzz
      run "$target" >"target/fuzz/$target.log" 2>&1 &
      pids+=($!)
    done
    failed=0
    for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
    exit "$failed"
    ;;
  *) run "$name" ;;
esac
