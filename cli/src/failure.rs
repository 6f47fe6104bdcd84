//! How a command can fail: the one line it prints and the code it exits with.

use std::io;
use std::process::ExitCode;

use tonic::Code;

use crate::print::clean;

/// Why a command did not succeed.
#[derive(Debug)]
pub enum Failure {
    /// The arguments make no sense together.
    Usage(String),
    /// Something outside failed.
    Runtime(String),
    /// The answer was printed, and it is bad news.
    Unhealthy,
    /// The answer was printed, and flows are missing in it.
    Lost(u64),
    /// Whoever read the output has gone, as `head` does.
    ClosedPipe,
}

impl Failure {
    /// What to tell, `None` if nothing is left to be said.
    pub fn line(&self) -> Option<String> {
        match self {
            Self::Usage(line) => Some(format!("{} (see --help)", clean(line))),
            Self::Runtime(line) => Some(clean(line).into_owned()),
            Self::Lost(count) => Some(format!(
                "{count} flows were lost inside this answer (EVENTS LOST)"
            )),
            Self::Unhealthy | Self::ClosedPipe => None,
        }
    }

    /// 0 for a closed pipe, 2 for wrong arguments, 3 for flows that were lost, else 1.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::ClosedPipe => ExitCode::SUCCESS,
            Self::Runtime(_) | Self::Unhealthy => ExitCode::from(1),
            Self::Usage(_) => ExitCode::from(2),
            Self::Lost(_) => ExitCode::from(3),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::ClosedPipe;
        }
        Self::Runtime(format!("cannot write the output: {error}"))
    }
}

impl From<tonic::Status> for Failure {
    fn from(status: tonic::Status) -> Self {
        let (code, message) = (status.code(), status.message());
        let line = if code == Code::Unavailable {
            format!("the server has gone: {message}")
        } else if code == Code::Unimplemented {
            format!("the server does not offer this: {message}")
        } else if matches!(code, Code::DeadlineExceeded | Code::Cancelled) {
            "the server did not answer in time; a longer time is given with --request-timeout"
                .to_owned()
        } else {
            format!("the server refused: {message} ({code:?})")
        };
        Self::Runtime(line)
    }
}
