//! `flowctl explain`: the help page of each drop reason, and of the kernel's own.

use flowd_abi::DropReason;
use flowd_proto::kernel_reason::{self, KernelText};
use flowd_proto::reason::{self, DropText};

use super::print;
use crate::failure::Failure;

pub(super) fn run(wanted: Option<&str>) -> Result<(), Failure> {
    let found: Vec<DropText> = match wanted {
        None => DropReason::ALL.map(reason::of).into(),
        Some(wanted) => reason::find(wanted).map(reason::of).into_iter().collect(),
    };
    let of_kernel = wanted.and_then(kernel_reason::find);
    if let (Some(text), true) = (of_kernel, found.is_empty()) {
        return print(kernel_page(text).as_bytes());
    }
    if found.is_empty() {
        let known = DropReason::ALL.map(|reason| reason::of(reason).name);
        return Err(Failure::Usage(format!(
            "{:?} is no drop reason of flowd's: {}, or Hubble's name or number of one; nor one of the \
             kernel's that is met often: {}",
            wanted.unwrap_or_default(),
            known.join(", "),
            kernel_reason::COMMON.map(|text| text.name).join(", ")
        )));
    }
    let mut pages: Vec<String> = found.into_iter().map(page).collect();
    if wanted.is_none() {
        pages.push(OF_KERNEL.to_owned());
        pages.extend(kernel_reason::COMMON.map(kernel_page));
    }
    print(pages.join("\n").as_bytes())
}

const OF_KERNEL: &str = "Reasons of the kernel: what it drops by itself has one of its own, which `flowctl \
observe` prints\nas [kernel: REASON]; those that are met often:\n";

/// One of the kernel's own reasons.
fn kernel_page(text: KernelText) -> String {
    let KernelText {
        name,
        meaning,
        advice,
    } = text;
    let class = kernel_reason::class(name).map(reason::of);
    let class = class.map_or("", |class| class.name);
    format!("{name}  (the kernel's; flowd: {class})\n  {meaning}\n  {advice}\n")
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
