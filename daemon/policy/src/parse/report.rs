//! Collects findings about one file.

use std::cell::{Cell, RefCell};

use crate::{diagnostic::Diagnostic, yaml::Place};

/// A file with more findings than this is told only the first ones.
const MAX_FINDINGS: usize = 64;

/// The findings about one file, errors and warnings apart.
pub(crate) struct Report {
    file: String,
    errors: RefCell<Vec<Diagnostic>>,
    warnings: RefCell<Vec<Diagnostic>>,
    unenforced: Cell<bool>,
}

impl Report {
    pub(crate) fn new(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            errors: RefCell::default(),
            warnings: RefCell::default(),
            unenforced: Cell::new(false),
        }
    }

    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// Something that makes the policy invalid.
    pub(crate) fn error(&self, place: Place, path: &str, message: String, help: String) {
        let mut errors = self.errors.borrow_mut();
        if errors.len() < MAX_FINDINGS {
            errors.push(self.finding(place, path, message, help));
        }
    }

    /// Something the author should know although the policy is valid.
    pub(crate) fn warning(&self, place: Place, path: &str, message: String, help: String) {
        let mut warnings = self.warnings.borrow_mut();
        if warnings.len() < MAX_FINDINGS {
            warnings.push(self.finding(place, path, message, help));
        }
    }

    /// Something valid that is not enforced as written; the rule is stricter than its text.
    pub(crate) fn unenforced(&self, place: Place, path: &str, message: String, help: String) {
        self.unenforced.set(true);
        self.warning(place, path, message, help);
    }

    /// Whether everything was enforced as written since the last call.
    pub(crate) fn take_complete(&self) -> bool {
        !self.unenforced.take()
    }

    /// The warnings since the last call.
    pub(crate) fn take_warnings(&self) -> Vec<Diagnostic> {
        self.warnings.take()
    }

    /// Whether anything is wrong so far.
    pub(crate) fn has_errors(&self) -> bool {
        !self.errors.borrow().is_empty()
    }

    /// All errors, in the order of the text.
    pub(crate) fn into_errors(self) -> Vec<Diagnostic> {
        let mut errors = self.errors.into_inner();
        errors.sort_by_key(|error| (error.line, error.column));
        errors
    }

    fn finding(&self, place: Place, path: &str, message: String, help: String) -> Diagnostic {
        Diagnostic {
            file: self.file.clone(),
            line: place.line,
            column: place.column,
            path: path.to_owned(),
            message,
            help,
        }
    }
}
