//! Every target over its corpus, and over a fixed number of seeded mutations of it.
//!
//! `FLOWD_FUZZ_RUNS=100000 cargo test -p flowd-fuzz` runs longer, `FLOWD_FUZZ_SEED=7` takes another
//! path. An input that fails is written to `target/fuzz/` and belongs into the corpus.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use flowd_fuzz::mutate::{Random, mutated};
use flowd_fuzz::{MAX_INPUT, TARGETS, Target, target};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

/// Targets run one after the other where they share a process: the allocator counts for all.
static ALONE: Mutex<()> = Mutex::new(());

fn number(name: &str) -> Option<usize> {
    std::env::var(name).ok()?.parse().ok()
}

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The inputs of a target, in the order of their names.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let directory = home().join("corpus").join(name);
    let listed = fs::read_dir(&directory).expect("every target has a corpus");
    let mut paths: Vec<PathBuf> = listed.map(|entry| entry.expect("listed").path()).collect();
    paths.sort();
    let read = |path: &PathBuf| fs::read(path).expect("an input can be read");
    paths.iter().map(read).collect()
}

/// The words of a target's dictionary: lines of `"word"`, with `\n` for a new line and `\xHH`.
fn words(name: &str) -> Vec<Vec<u8>> {
    let path = home().join("dictionaries").join(format!("{name}.dict"));
    let text = fs::read_to_string(path).expect("every target has a dictionary");
    let quoted = text
        .lines()
        .filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'));
    quoted.map(unescaped).collect()
}

fn unescaped(word: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), word);
    while let Some(letter) = rest.chars().next() {
        let code = rest.strip_prefix("\\x").and_then(|code| code.get(..2));
        if let Some(code) = code {
            bytes.push(u8::from_str_radix(code, 16).expect("two hexadecimal digits"));
            rest = &rest[4..];
        } else {
            let plain = rest.strip_prefix('\\').unwrap_or(rest);
            let letter = plain.chars().next().unwrap_or(letter);
            bytes.extend(letter.encode_utf8(&mut [0; 4]).bytes());
            rest = &plain[letter.len_utf8()..];
        }
    }
    bytes
}

/// Runs one input; what fails is kept.
fn tried(target: &Target, input: &[u8]) {
    let region = Region::new(ALLOCATOR);
    let ran = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    let change = region.change();
    let grown = usize::try_from(change.bytes_reallocated.max(0)).unwrap_or(0);
    let allocated = change.bytes_allocated + grown;
    if ran.is_ok() && allocated <= target.allocates {
        return;
    }
    let name = target.name;
    let path = home().join(format!("../../target/fuzz/failed-{name}"));
    let kept =
        fs::create_dir_all(home().join("../../target/fuzz")).and_then(|()| fs::write(&path, input));
    println!(
        "{name}: this input fails ({kept:?}; target/fuzz/failed-{name}): {}",
        input.escape_ascii()
    );
    if let Err(panic) = ran {
        resume_unwind(panic);
    }
    let most = target.allocates;
    panic!("{name}: {allocated} bytes allocated for one input, at most {most}");
}

fn replay(name: &str) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let target = target(name).expect("there is a target of this name");
    let (corpus, words) = (corpus(name), words(name));
    assert!(corpus.len() >= 5, "{name}: a corpus of {}", corpus.len());
    // What is made once and for all is nobody's cost.
    (target.run)(&corpus[0]);
    for input in &corpus {
        assert!(input.len() <= MAX_INPUT, "{name}: an input too long");
        tried(target, input);
    }
    let mut random = Random::new(number("FLOWD_FUZZ_SEED").unwrap_or(1) as u64);
    for _ in 0..number("FLOWD_FUZZ_RUNS").unwrap_or(target.mutations) {
        tried(target, &mutated(&corpus, &words, &mut random, MAX_INPUT));
    }
}

#[test]
fn decode() {
    replay("decode");
}

#[test]
fn filter() {
    replay("filter");
}

#[test]
fn cel() {
    replay("cel");
}

#[test]
fn mask() {
    replay("mask");
}

#[test]
fn policy() {
    replay("policy");
}

#[test]
fn config() {
    replay("config");
}

#[test]
fn endpoint() {
    replay("endpoint");
}

#[test]
fn packet() {
    replay("packet");
}

#[test]
fn every_target_and_every_corpus_is_run_here() {
    let source = include_str!("replay.rs");
    let listed = fs::read_dir(home().join("corpus")).expect("there are corpora");
    let mut found: Vec<String> = listed
        .map(|entry| {
            entry
                .expect("listed")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    found.sort();
    let mut names = TARGETS.map(|target| target.name);
    names.sort_unstable();
    assert_eq!(found, names);
    for name in names {
        assert!(source.contains(&format!("replay(\"{name}\")")), "{name}");
    }
}
