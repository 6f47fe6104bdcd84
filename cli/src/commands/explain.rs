//! `flowctl explain`: the help page of each drop reason.

use super::print;
use crate::failure::Failure;
use crate::reasons::{self, Explanation};

pub(super) fn run(reason: Option<&str>) -> Result<(), Failure> {
    let found: Vec<Explanation> = match reason {
        None => reasons::all().collect(),
        Some(reason) => reasons::find(reason),
    };
    if found.is_empty() {
        let known: Vec<&str> = reasons::all().map(|reason| reason.name).collect();
        return Err(Failure::Usage(format!(
            "{:?} is no drop reason of flowd's: {}, or Hubble's name or number of one",
            reason.unwrap_or_default(),
            known.join(", ")
        )));
    }
    let pages: Vec<String> = found.iter().map(page).collect();
    print(pages.join("\n").as_bytes())
}

fn page(reason: &Explanation) -> String {
    let hubble = reason.hubble.as_str_name();
    let number = i32::from(reason.hubble);
    let Explanation {
        name,
        meaning,
        advice,
        ..
    } = reason;
    format!("{name}  (Hubble: {hubble}, {number})\n  {meaning}\n  {advice}\n")
}
