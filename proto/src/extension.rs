//! flowd's own words on a flow, packed into `Flow.extensions`.

use crate::flow::Policy;
use crate::flow::{Flow, TrafficDirection};
use crate::flowd::v1::FlowExtension;

/// Type of the message flowd packs into `Flow.extensions`.
pub const EXTENSION_TYPE_URL: &str = "type.googleapis.com/flowd.v1.FlowExtension";

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
