//! The mode of each endpoint, from all who have a say.

use std::collections::BTreeMap;
use std::sync::Arc;

use flowd_policy::{Contents, NamespaceMode};

use super::store::Overrides;
use crate::endpoints::EndpointSpec;
use crate::serve::status::Mode;

/// Who said which mode an endpoint has. An endpoint's own setting beats its namespace's, and what was
/// set through the API beats what is written in a file of the same reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ModeSource {
    /// Nobody.
    #[default]
    Default,
    /// Its own file.
    EndpointFile,
    /// The API, for this endpoint.
    Endpoint,
    /// Its Namespace object.
    NamespaceFile,
    /// The API, for its namespace.
    Namespace,
}

impl ModeSource {
    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::EndpointFile => "endpoint file",
            Self::Endpoint => "set for the endpoint",
            Self::NamespaceFile => "Namespace object",
            Self::Namespace => "set for the namespace",
        }
    }
}

/// Gives each endpoint the mode it has in the end.
pub fn settle<'a>(
    specs: &mut [Arc<EndpointSpec>],
    overrides: &Overrides,
    contents: impl Iterator<Item = &'a Contents>,
) {
    let written: BTreeMap<&str, NamespaceMode> = contents
        .flat_map(|file| &file.namespaces)
        .filter_map(|namespace| Some((namespace.name.as_str(), namespace.mode?)))
        .collect();
    for spec in specs {
        let own = overrides.endpoints.get(&spec.key()).copied();
        let own = own.map(|mode| (mode, ModeSource::Endpoint));
        let file = match spec.mode_source {
            ModeSource::EndpointFile => Some((spec.mode, ModeSource::EndpointFile)),
            ModeSource::Default
            | ModeSource::Endpoint
            | ModeSource::NamespaceFile
            | ModeSource::Namespace => None,
        };
        let set = overrides.namespaces.get(&spec.namespace).copied();
        let set = set.map(|mode| (mode, ModeSource::Namespace));
        let namespace = written.get(spec.namespace.as_str());
        let namespace = namespace.map(|mode| (of(*mode), ModeSource::NamespaceFile));
        let decided = own.or(file).or(set).or(namespace);
        let decided = decided.unwrap_or_default();
        // One that stays as it is stays shared.
        if decided != (spec.mode, spec.mode_source) {
            let spec = Arc::make_mut(spec);
            (spec.mode, spec.mode_source) = decided;
        }
    }
}

const fn of(mode: NamespaceMode) -> Mode {
    match mode {
        NamespaceMode::Enforce => Mode::Enforce,
        NamespaceMode::Audit => Mode::Audit,
        NamespaceMode::Off => Mode::Off,
    }
}
