# The commands of the project. What they do lives in .ci/ and in Cargo.
.DEFAULT_GOAL := help
.PHONY: help setup build demo test lint bench fuzz

help: ## what there is to run
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/'

setup: ## install what a fresh Debian machine with Rust lacks; says what it installs
	@./.ci/setup.sh

build: setup ## build flowd and flowctl (release)
	cargo build --release -p flowd -p flowctl

demo: setup ## a small shop under policy, with live verdicts (DEMO_SECONDS=20: run that long, then a summary)
	@cargo build --release -q -p flowd -p flowctl -p flowd-testbed
	@./target/release/demo

test: setup lint ## everything that must hold
	@./.ci/test.sh

lint: setup ## format, clippy, and the web page's own checks
	cargo fmt --check
	cargo clippy --workspace --all-targets -- -D warnings

bench: setup ## measure; writes target/bench/summary.json
	cargo build --release -q -p flowd -p flowctl
	cargo bench -p flowd --bench flowd

fuzz: setup ## coverage-guided fuzzing of every target: FUZZ_SECONDS=3600 long, logs in target/fuzz
	@./.ci/fuzz.sh $(or $(FUZZ_TARGET),all) $(or $(FUZZ_SECONDS),3600)
