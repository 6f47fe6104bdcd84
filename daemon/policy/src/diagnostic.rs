//! What is wrong with a file, where, and what would be right.

use std::fmt;

/// One finding about a place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file, as it was named to the parser.
    pub file: String,
    /// Line, from 1; 0 when the finding is about the whole file.
    pub line: u32,
    /// Column, from 1; 0 when the finding is about the whole file.
    pub column: u32,
    /// Path of the field, such as `spec.ingress[0].toPorts`; empty for the whole document.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What would be right; empty when the message says it.
    pub help: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        write!(f, ": {}", self.message)?;
        if !self.help.is_empty() {
            write!(f, " ({})", self.help)?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostic {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_like_a_compiler_message() {
        let finding = Diagnostic {
            file: "a.yaml".into(),
            line: 3,
            column: 5,
            path: "spec".into(),
            message: "is empty".into(),
            help: "say something".into(),
        };
        assert_eq!(
            finding.to_string(),
            "a.yaml:3:5: spec: is empty (say something)"
        );
    }
}
