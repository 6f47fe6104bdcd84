//! Cases on the wire: the world they need, the attempts, and what flows tell of them.

pub(crate) mod told;
pub(crate) mod wire;
pub(crate) mod world;
