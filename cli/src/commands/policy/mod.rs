//! `flowctl policy`: policy files checked and asked, without a daemon.

mod files;
mod finding;
mod test;
mod validate;

use crate::args::PolicyCommand;
use crate::failure::Failure;

pub(super) fn run(command: &PolicyCommand) -> Result<(), Failure> {
    match command {
        PolicyCommand::Validate(args) => validate::run(args),
        PolicyCommand::Test(args) => test::run(args),
    }
}
