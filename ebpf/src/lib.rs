//! The engine: parse, track, judge, notice.
//!
//! Pure `no_std` functions over two traits, [`Packet`] (read bytes at an offset) and [`Tables`]
//! (look things up, count, tell). The same code runs in the kernel, under the traits' eBPF
//! implementations in `src/bin/programs`, and in a plain process under `cargo test`. Time is an
//! argument. Nothing here knows a return code of the kernel.
#![no_std]
#![forbid(unsafe_code)]

pub mod deny;
pub mod engine;
pub mod host;
pub mod judge;
pub mod kernel_drop;
pub mod notice;
pub mod open;
pub mod packet;
pub mod parse;
pub mod read;
pub mod sweep;
pub mod tables;
pub mod track;

pub use engine::{Meeting, Outcome, run};
pub use packet::{Aligned, Look, Packet, Scratch};
pub use tables::{Ring, Tables, Timeouts};
