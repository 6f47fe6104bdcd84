//! Whatever a file holds, reading it ends with policies or with findings, never with a panic, and
//! never with a finding that points outside the file.

use std::fs;

use flowd_policy::{
    cases::{Case, WrittenWorld},
    read,
};
use proptest::{
    collection::vec,
    prelude::{Strategy, any, prop_oneof},
    sample::select,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

const CASES: u32 = 1_500;

/// Pieces that mean something to the reader.
const PIECES: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    ": ",
    "- ",
    "\n",
    "  ",
    "'",
    "\"",
    "&a ",
    "*a",
    "!x ",
    "<<: ",
    "null",
    "spec",
    "ingress",
    "0",
    "-1",
    "1e999",
    "0x50",
    "\t",
    "\u{feff}",
    "\u{1f980}",
];

fn examples() -> Vec<String> {
    let directory = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../deploy/examples/policies"
    );
    let mut paths: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect()
}

/// An example in which some stretches are replaced.
fn damaged() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => select(&PIECES[..]).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    (
        select(examples()),
        vec((any::<u16>(), 0..12_usize, piece), 1..6),
    )
        .prop_map(|(text, damages)| {
            let mut characters: Vec<char> = text.chars().collect();
            for (at, length, piece) in damages {
                let start = usize::from(at) % characters.len().max(1);
                let end = (start + length).min(characters.len());
                characters.splice(start..end, piece.chars());
            }
            characters.into_iter().collect()
        })
}

#[test]
fn damaged_examples_are_read_or_refused() {
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[3; 32]);
    let refused = std::cell::Cell::new(0);
    let result = TestRunner::new_with_rng(config, rng).run(&damaged(), |text| {
        let lines = text.lines().count() + 1;
        for findings in [
            read("x.yaml", &text).err(),
            Case::read("x.yaml", &text).err(),
            WrittenWorld::read("x.yaml", &text).err(),
        ] {
            let findings = findings.unwrap_or_default();
            refused.set(refused.get() + usize::from(!findings.is_empty()));
            for finding in findings {
                let line = usize::try_from(finding.line).unwrap();
                assert!(line <= lines, "{finding} of {lines} lines");
                assert!(finding.to_string().len() < 1_000, "{finding}");
            }
        }
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
    assert!(
        refused.get() > usize::try_from(CASES).unwrap(),
        "{}",
        refused.get()
    );
}
