//! Real traffic between namespaces: servers that stop when dropped, clients that say what became of a try.
//!
//! Every client function keeps two kinds of failure apart. What the network did to the packets is the value
//! ([`Outcome`], a `bool`, a count); an `Err` means the try could not be made, and must fail a test that
//! expects a denial.

mod bulk;
mod connect;
mod conversation;
mod frame;
mod http;
mod ping;
mod serve;
mod tcp;
mod udp;

pub use bulk::{Sent, Tally, UdpFlood, tcp_connections, tcp_stream};
pub use connect::{Outcome, tcp_connect};
pub use conversation::Conversation;
pub use frame::send_frames;
pub(crate) use http::get_over;
pub use http::{HttpResponse, http_get};
pub use ping::ping;
pub use tcp::TcpEcho;
pub use udp::{UdpEcho, udp_exchange};
