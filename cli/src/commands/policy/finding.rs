//! A finding about a file, as it is printed.

use flowd_policy::Diagnostic;
use serde::Serialize;

use crate::print::clean;

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    /// The file is refused.
    Error,
    /// The policy is in force, and its author should know something.
    Note,
}

/// A finding for programs.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    file: String,
    /// From 1; 0 when the finding is about the whole file.
    line: u32,
    column: u32,
    path: String,
    message: String,
    help: String,
}

impl Finding {
    pub(super) fn new(severity: Severity, found: Diagnostic) -> Self {
        let Diagnostic {
            file,
            line,
            column,
            path,
            message,
            help,
        } = found;
        Self {
            severity,
            file,
            line,
            column,
            path,
            message,
            help,
        }
    }

    /// Reads like a compiler's message: `file:line:column: error: path: message (help)`.
    pub(super) fn text(&self) -> String {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Note => "note",
        };
        let mut text = self.file.clone();
        if self.line > 0 {
            text += &format!(":{}:{}", self.line, self.column);
        }
        text += &format!(": {severity}: ");
        if !self.path.is_empty() {
            text += &format!("{}: ", self.path);
        }
        text += &self.message;
        if !self.help.is_empty() {
            text += &format!(" ({})", self.help);
        }
        clean(&text).into_owned()
    }
}

/// A finding about a whole file.
pub(super) fn whole(file: &str, message: impl Into<String>, help: &str) -> Diagnostic {
    Diagnostic {
        file: file.to_owned(),
        line: 0,
        column: 0,
        path: String::new(),
        message: message.into(),
        help: help.to_owned(),
    }
}
