//! flowd's own words on a flow, packed into `Flow.extensions`, and on a request for flows.

use prost::Message;

use crate::Any;
use crate::flow::Policy;
use crate::flow::{Flow, TrafficDirection};
use crate::flowd::v1::{FlowExtension, GetFlowsExtension};

/// Type of the message flowd packs into `Flow.extensions`.
pub const EXTENSION_TYPE_URL: &str = "type.googleapis.com/flowd.v1.FlowExtension";

/// Type of the message flowd reads from `GetFlowsRequest.extensions`.
pub const REQUEST_EXTENSION_TYPE_URL: &str = "type.googleapis.com/flowd.v1.GetFlowsExtension";

impl GetFlowsExtension {
    /// Packs it for `GetFlowsRequest.extensions`.
    pub fn pack(&self) -> Any {
        Any {
            type_url: REQUEST_EXTENSION_TYPE_URL.to_owned(),
            value: self.encode_to_vec().into(),
        }
    }

    /// Unpacks it; `None` if `any` holds another type.
    ///
    /// # Errors
    ///
    /// When the bytes are no such message.
    pub fn unpack(any: &Any) -> Result<Option<Self>, prost::DecodeError> {
        if any.type_url != REQUEST_EXTENSION_TYPE_URL {
            return Ok(None);
        }
        Self::decode(any.value.clone()).map(Some)
    }
}

impl Flow {
    /// flowd's extension, `None` for flows of other servers.
    pub fn extension(&self) -> Option<FlowExtension> {
        self.extensions.as_ref().and_then(FlowExtension::unpack)
    }

    /// Policies that denied it, in its own direction.
    pub fn denied_by(&self) -> &[Policy] {
        match self.traffic_direction() {
            TrafficDirection::Ingress => &self.ingress_denied_by,
            TrafficDirection::Egress => &self.egress_denied_by,
            TrafficDirection::Unknown => &[],
        }
    }

    /// Policies that allowed it, in its own direction.
    pub fn allowed_by(&self) -> &[Policy] {
        match self.traffic_direction() {
            TrafficDirection::Ingress => &self.ingress_allowed_by,
            TrafficDirection::Egress => &self.egress_allowed_by,
            TrafficDirection::Unknown => &[],
        }
    }
}
