//! libFuzzer on one target, which `FLOWD_FUZZ_TARGET` names. Built and started by `.ci/fuzz.sh`.
#![no_main]

use std::sync::LazyLock;

use flowd_fuzz::{TARGETS, Target, target};
use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("FLOWD_FUZZ_TARGET").unwrap_or_default();
    target(&name).unwrap_or_else(|| {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        panic!(
            "FLOWD_FUZZ_TARGET={name:?}: set it to one of {}",
            names.join(", ")
        )
    })
});

fuzz_target!(|data: &[u8]| (TARGET.run)(data));
