//! The compiler and the reference evaluator must agree on every connection.
//!
//! Random policies, random peers, a fixed seed. `FLOWD_POLICY_CASES=20000 cargo test -p
//! flowd-policy --test agreement` runs longer; `FLOWD_POLICY_SEED=7` takes another path.

mod check;
mod generate;
mod generate_cluster;
mod incremental;
mod named;

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// How many policy sets are tried; each is asked about every connection of the small world.
const CASES: u32 = 60;
/// At least this many questions must have been asked, or the test tested nothing.
const QUESTIONS: usize = 20_000;

fn number(name: &str) -> Option<u32> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn compiled_entries_say_what_the_semantics_say() {
    let config = Config {
        cases: number("FLOWD_POLICY_CASES").unwrap_or(CASES),
        failure_persistence: None,
        ..Config::default()
    };
    let seed = number("FLOWD_POLICY_SEED")
        .unwrap_or(1)
        .to_le_bytes()
        .repeat(8);
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let asked = std::cell::Cell::new(check::Asked::default());
    let result = TestRunner::new_with_rng(config, rng).run(&generate::file(), |text| {
        let found = check::agree(&text).map_err(proptest::test_runner::TestCaseError::fail)?;
        asked.set(asked.get().plus(found));
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
    let asked = asked.get();
    println!("{asked:?}");
    assert!(asked.total() >= QUESTIONS, "{asked:?}");
    let each = [
        asked.allowed,
        asked.denied,
        asked.default_denied,
        asked.allowed_by_default,
        asked.worked_out,
    ];
    assert!(each.into_iter().all(|count| count > 500), "{asked:?}");
}
