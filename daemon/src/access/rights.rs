//! What each call needs. One table: a call that is not in it is refused, and a test fails.

/// What a call needs of its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// To be known: the answer holds nothing of a workload.
    Ask,
    /// To see; an answer holds only what is in the client's namespaces.
    See,
    /// To see all namespaces.
    SeeAll,
    /// To change what is enforced.
    Change,
}

impl Right {
    /// Whom to be, in words.
    pub const fn needs(self) -> &'static str {
        match self {
            Self::Ask | Self::See => "the role observer",
            Self::SeeAll => "the role observer of all namespaces",
            Self::Change => "the role operator",
        }
    }
}

/// One call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// `/package.Service/Method`.
    pub path: &'static str,
    /// What it needs.
    pub right: Right,
    /// Whether it counts as a stream: it may stay open.
    pub streams: bool,
}

impl Call {
    /// Its service and its method.
    pub fn names(&self) -> (&'static str, &'static str) {
        let path = self.path.trim_start_matches('/');
        path.split_once('/').unwrap_or((path, ""))
    }

    /// What Prometheus' families of gRPC call its kind.
    pub fn kind(&self) -> &'static str {
        match self.streams {
            false => "unary",
            true if self.path.ends_with("/ServerReflectionInfo") => "bidi_stream",
            true => "server_stream",
        }
    }
}

const fn call(path: &'static str, right: Right) -> Call {
    Call {
        path,
        right,
        streams: false,
    }
}

const fn stream(path: &'static str, right: Right) -> Call {
    Call {
        path,
        right,
        streams: true,
    }
}

/// Every call there is.
pub const CALLS: &[Call] = &[
    stream("/observer.Observer/GetFlows", Right::See),
    stream("/observer.Observer/GetAgentEvents", Right::See),
    stream("/observer.Observer/GetDebugEvents", Right::SeeAll),
    call("/observer.Observer/GetNodes", Right::Ask),
    call("/observer.Observer/GetNamespaces", Right::See),
    call("/observer.Observer/ServerStatus", Right::Ask),
    stream("/peer.Peer/Notify", Right::Ask),
    call("/flowd.v1.Flowd/Status", Right::See),
    call("/flowd.v1.Flowd/Explain", Right::Ask),
    call("/flowd.v1.Flowd/Why", Right::See),
    call("/flowd.v1.Aggregates/Connections", Right::See),
    call("/flowd.v1.Aggregates/Top", Right::See),
    call("/flowd.v1.Policies/Apply", Right::Change),
    call("/flowd.v1.Policies/Confirm", Right::Change),
    call("/flowd.v1.Policies/Delete", Right::Change),
    call("/flowd.v1.Policies/BreakGlass", Right::Change),
    call("/flowd.v1.Policies/List", Right::See),
    call("/flowd.v1.Modes/SetMode", Right::Change),
    call("/flowd.v1.Modes/ClearMode", Right::Change),
    call("/flowd.v1.Modes/ListModes", Right::SeeAll),
    call("/flowd.v1.Policies/Diff", Right::SeeAll),
    stream("/flowd.v1.Timeline/GetEvents", Right::See),
    call("/grpc.health.v1.Health/Check", Right::Ask),
    stream("/grpc.health.v1.Health/Watch", Right::Ask),
    stream(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        Right::Ask,
    ),
    stream(
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        Right::Ask,
    ),
];

/// The call of a path.
pub fn find(path: &str) -> Option<&'static Call> {
    CALLS.iter().find(|call| call.path == path)
}
