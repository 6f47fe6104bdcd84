//! The value of `ENDPOINTS`: what a device's programs know of the workload behind it.

/// One guarded workload, keyed by the ifindex of its host-side device.
///
/// Replacing the value in one map update is the atomic policy swap: a packet reads either the old
/// or the new value, never a mix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Endpoint {
    /// Stable number of the endpoint on this node; never 0.
    pub id: u32,
    /// Security identity of its label set.
    pub identity: u32,
    /// Policy that judges its ingress; 0: no policy selects it in this direction.
    pub ingress_policy: u32,
    /// Policy that judges its egress; 0: no policy selects it in this direction.
    pub egress_policy: u32,
    /// Moves whenever anything that can change a verdict of this endpoint has changed (its policy
    /// ids, its mode, the identity of a peer). A connection judged by another generation is judged
    /// again at its next packet.
    pub generation: u32,
    /// Bits of [`EndpointFlags`].
    pub flags: u32,
}

impl Endpoint {
    /// The number of the host itself, on every node.
    pub const HOST_ID: u32 = 1;

    /// The policy id that judges `direction`.
    #[inline(always)]
    pub const fn policy(&self, direction: crate::Direction) -> u32 {
        match direction {
            crate::Direction::Ingress => self.ingress_policy,
            crate::Direction::Egress => self.egress_policy,
        }
    }

    /// Whether a flag is set.
    #[inline(always)]
    pub const fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }
}

/// Bits of [`Endpoint::flags`].
#[derive(Debug)]
pub struct EndpointFlags;

impl EndpointFlags {
    /// A denial becomes an audit verdict: told, counted, not enforced.
    pub const AUDIT: u32 = 1 << 0;
    /// Programs return at once: nothing is judged, counted or told.
    pub const OFF: u32 = 1 << 1;
    /// Egress packets must carry a source address of the workload.
    pub const CHECK_SOURCE: u32 = 1 << 2;
    /// It is the host itself: the device is one of the host's own, met by the host's programs.
    pub const HOST: u32 = 1 << 3;
}
