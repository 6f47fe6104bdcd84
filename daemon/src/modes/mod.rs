//! What is done with denials, by endpoint and by namespace: set through the API, kept over restarts,
//! beside what endpoint files and Namespace objects say.

mod effective;
mod store;
#[cfg(test)]
mod tests;

pub use effective::{ModeSource, settle};
pub use store::{ModeStore, Overrides, StoreError, Target, TargetError};
