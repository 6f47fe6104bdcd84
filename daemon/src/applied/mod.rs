//! Policies that came through the API: files of their own in the state directory, so that they
//! survive restarts, and changes that undo themselves unless they are confirmed.

mod document;
mod files;
mod pending;
mod store;
#[cfg(test)]
mod tests;

pub use document::read;
pub use pending::Pending;
pub use store::{Applied, Change, Elsewhere, StoreError, Wish};
