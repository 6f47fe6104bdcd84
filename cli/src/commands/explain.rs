//! `flowctl explain`: the help page of each drop reason.

use flowd_abi::DropReason;
use flowd_proto::reason::{self, DropText};

use super::print;
use crate::failure::Failure;

pub(super) fn run(wanted: Option<&str>) -> Result<(), Failure> {
    let found: Vec<DropText> = match wanted {
        None => DropReason::ALL.map(reason::of).into(),
        Some(wanted) => reason::find(wanted).map(reason::of).into_iter().collect(),
    };
    if found.is_empty() {
        let known = DropReason::ALL.map(|reason| reason::of(reason).name);
        return Err(Failure::Usage(format!(
            "{:?} is no drop reason of flowd's: {}, or Hubble's name or number of one",
            wanted.unwrap_or_default(),
            known.join(", ")
        )));
    }
    let pages: Vec<String> = found.into_iter().map(page).collect();
    print(pages.join("\n").as_bytes())
}

fn page(text: DropText) -> String {
    let DropText {
        name,
        meaning,
        advice,
        ..
    } = text;
    format!(
        "{name}  (Hubble: {}, {})\n  {meaning}\n  {advice}\n",
        text.hubble_name(),
        text.number()
    )
}
