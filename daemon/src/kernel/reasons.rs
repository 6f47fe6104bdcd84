//! The running kernel's drop reasons by their numbers. The kernel does not change while flowd runs:
//! they are read once, when somebody first asks.

use std::{collections::HashMap, sync::OnceLock};

use flowd_abi::{KernelReason, kernel::NO_LOSS};
use flowd_proto::kernel_reason;

use super::btf::{Btf, BtfError};

/// The names of this kernel.
static NAMES: OnceLock<HashMap<u16, Box<str>>> = OnceLock::new();

/// None where the kernel has no type information.
fn names() -> &'static HashMap<u16, Box<str>> {
    NAMES.get_or_init(|| {
        let read = || names_in(&Btf::of_kernel()?);
        read().unwrap_or_default()
    })
}

/// Name of a reason, without what all begin with; its number where the kernel has no name for it.
pub fn name(reason: KernelReason) -> String {
    match (names().get(&reason.0), reason.number()) {
        (Some(name), _) => name.to_string(),
        (None, Some(number)) if number < 1 << 16 => format!("REASON_{number}"),
        (None, Some(number)) => format!("SUBSYSTEM_{}_REASON_{}", number >> 16, number & 0xffff),
        (None, None) => "OTHER".to_owned(),
    }
}

/// The reason of this name, in any spelling.
pub fn find(wanted: &str) -> Option<KernelReason> {
    let wanted = wanted.trim().to_uppercase().replace('-', "_");
    let wanted = kernel_reason::short(&wanted);
    let mut names = names().iter();
    let found = names.find(|(_, name)| name.as_ref() == wanted);
    found.map(|(number, _)| KernelReason(*number))
}

/// The reasons of a kernel.
///
/// # Errors
///
/// When its type information has no such enumeration: kernels before 5.17 give no reasons.
pub fn names_in(btf: &Btf) -> Result<HashMap<u16, Box<str>>, BtfError> {
    let all = btf.enumerators("skb_drop_reason")?;
    let named = all.into_iter().filter(|(_, number)| *number < 0x1000);
    Ok(named
        .map(|(name, number)| {
            (
                KernelReason::of(number).0,
                kernel_reason::short(&name).into(),
            )
        })
        .collect())
}

/// The class of each reason, as the programs look it up.
pub fn classes(names: &HashMap<u16, Box<str>>) -> [u8; KernelReason::COUNTED as usize] {
    let other = flowd_abi::DropReason::KernelOther as u8;
    let mut classes = [other; KernelReason::COUNTED as usize];
    for (number, name) in names {
        let slot = KernelReason(*number).slot();
        if slot + 1 < KernelReason::COUNTED {
            classes[slot as usize] = kernel_reason::class(name).map_or(NO_LOSS, |one| one as u8);
        }
    }
    classes
}

#[cfg(test)]
mod tests {
    use flowd_abi::DropReason;

    use super::*;

    #[test]
    fn numbers_of_this_kernel_have_names_and_the_rest_stay_numbers() {
        let no_socket = find("no-socket").expect("every kernel has it");
        assert_eq!(name(no_socket), "NO_SOCKET");
        assert_eq!(find("SKB_DROP_REASON_NO_SOCKET"), Some(no_socket));
        assert_eq!(find("tired"), None);
        assert_eq!(name(KernelReason::of(4_000)), "REASON_4000");
        assert_eq!(name(KernelReason::of(3 << 16 | 7)), "SUBSYSTEM_3_REASON_7");
        assert_eq!(name(KernelReason::of(u32::MAX)), "OTHER");
    }

    #[test]
    fn classes_follow_names_not_numbers() {
        let names = [(9, "NO_SOCKET"), (2, "TCP_OLD_DATA"), (4_000, "NO_SOCKET")];
        let names = names.map(|(number, name)| (number, name.into()));
        let classes = classes(&HashMap::from(names));
        assert_eq!(classes[9], DropReason::KernelNoSocket as u8);
        assert_eq!(classes[2], NO_LOSS);
        assert_eq!(classes[3], DropReason::KernelOther as u8);
        assert_eq!(classes[255], DropReason::KernelOther as u8);
    }
}
