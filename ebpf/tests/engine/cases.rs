//! The cases shared with the tests of the loaded programs.

use std::panic::catch_unwind;

use crate::common::{cases, hook::Engine, world::World};

#[test]
fn every_case() {
    let failed: Vec<String> = cases::all()
        .into_iter()
        .filter(|case| {
            catch_unwind(|| cases::play(case, &mut Engine::new(&World::new(1)))).is_err()
        })
        .map(|case| case.name)
        .collect();
    assert_eq!(
        failed, [""; 0],
        "cases that differ; what differs is printed above"
    );
}
