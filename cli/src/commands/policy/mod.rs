//! `flowctl policy`: policy files checked and asked without a daemon, policies applied to one.

mod diff;
mod files;
mod finding;
mod live;
mod test;
mod test_live;
mod validate;

use super::asynchronously;
use crate::args::{PolicyCommand, ServerArgs};
use crate::failure::Failure;

pub(super) fn run(server: &ServerArgs, command: &PolicyCommand) -> Result<(), Failure> {
    match command {
        PolicyCommand::Validate(args) => validate::run(args),
        PolicyCommand::Test(args) => test::run(args),
        PolicyCommand::Apply(args) => asynchronously(live::apply(server, args)),
        PolicyCommand::Diff(args) => asynchronously(diff::run(server, args)),
        PolicyCommand::Confirm { confirmation } => {
            asynchronously(live::confirm(server, confirmation.as_deref()))
        }
        PolicyCommand::Delete { policies, shadow } => {
            asynchronously(live::delete(server, policies, *shadow))
        }
        PolicyCommand::List { output } => asynchronously(live::list(server, *output)),
        PolicyCommand::Get { policy, shadow } => asynchronously(live::get(server, policy, *shadow)),
    }
}
