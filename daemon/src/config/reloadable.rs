//! What of the configuration is read again while the daemon runs.

use std::path::Path;

use super::access::{AccessSection, AuditSection, LimitsSection, TlsSection};
use super::export::{self, ExportSection};
use super::{ConfigError, File, read};

/// The sections that are read again while the daemon runs: when the file changes, and on SIGHUP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloadable {
    /// TLS on the TCP door.
    pub tls: Option<TlsSection>,
    /// Who may do what.
    pub access: AccessSection,
    /// How much a client may ask for.
    pub limits: LimitsSection,
    /// Where requests are put on record; a change takes effect with the next start.
    pub audit: AuditSection,
    /// Flows to files and collectors.
    pub export: Vec<ExportSection>,
}

impl Reloadable {
    /// Reads the sections of a file again.
    ///
    /// # Errors
    ///
    /// When the file is wrong anywhere, as at the start.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let read = Self::of(&read(path)?);
        let problems = read.problems();
        if problems.is_empty() {
            Ok(read)
        } else {
            Err(ConfigError::Invalid(problems))
        }
    }

    pub(super) fn of(file: &File) -> Self {
        Self {
            tls: file.tls.clone(),
            access: file.access.clone(),
            limits: file.limits.clone(),
            audit: file.audit.clone(),
            export: file.export.clone(),
        }
    }

    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if let Some(tls) = &self.tls {
            tls.problems(&mut problems);
        }
        self.access.problems(&mut problems);
        self.limits.problems(&mut problems);
        self.audit.problems(&mut problems);
        export::problems(&self.export, &mut problems);
        problems
    }
}
