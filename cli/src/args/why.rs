//! `why` as it is typed.

use clap::{Args, ValueEnum};
use flowd_proto::flow::TrafficDirection;
use flowd_proto::flowd::v1::why_request::Question;
use flowd_proto::flowd::v1::{WhyRequest, WhyTuple};

pub(super) const EXAMPLES: &str = "\
Examples:
  flowctl why shop/web shop/db TCP/5432       the newest such connection, at both ends
  flowctl why shop/web 203.0.113.7 UDP/53     to an address
  flowctl why shop/web shop/db ICMP           a ping (echo request); other types: ICMP/3
  flowctl why 6ffea31f-6d70-8aa4-8000-000000000007
                                              one flow, by the uuid that `observe -o json` prints";

/// What is asked, and how to print it.
#[derive(Args, Debug)]
pub struct WhyArgs {
    /// The uuid of a flow; or source, destination (each namespace/name or an address) and
    /// PROTOCOL/PORT
    #[arg(required = true, num_args = 1..=3, value_name = "UUID | SRC DST PROTOCOL/PORT")]
    pub question: Vec<String>,
    /// Ask about one end only: egress at the source, ingress at the destination
    #[arg(long, value_enum)]
    pub direction: Option<End>,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    pub output: WhyOutput,
}

/// How to print the reasons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum WhyOutput {
    /// For people.
    #[default]
    Compact,
    /// For programs.
    Json,
}

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum End {
    /// The destination's.
    Ingress,
    /// The source's.
    Egress,
}

impl WhyArgs {
    /// The request.
    ///
    /// # Errors
    ///
    /// When the words are no question.
    pub fn request(&self) -> Result<WhyRequest, String> {
        let question = match self.question.as_slice() {
            [uuid] if self.direction.is_none() => Question::Uuid(uuid.clone()),
            [_] => return Err("a flow has a direction: --direction is for SRC DST".to_owned()),
            [source, destination, what] => {
                let (protocol, port) = what_for(what)?;
                Question::Tuple(WhyTuple {
                    source: source.clone(),
                    destination: destination.clone(),
                    protocol,
                    port: u32::from(port),
                    direction: match self.direction {
                        None => TrafficDirection::Unknown,
                        Some(End::Ingress) => TrafficDirection::Ingress,
                        Some(End::Egress) => TrafficDirection::Egress,
                    } as i32,
                })
            }
            _ => {
                return Err(
                    "write one uuid, or three words: SRC DST PROTOCOL/PORT, such as \
                     `flowctl why shop/web shop/db TCP/5432`"
                        .to_owned(),
                );
            }
        };
        Ok(WhyRequest {
            question: Some(question),
        })
    }
}

/// `TCP/8080` or `8080/tcp`; ICMP alone is an echo request.
fn what_for(text: &str) -> Result<(String, u16), String> {
    let wrong = || format!("{text:?} is no PROTOCOL/PORT, such as TCP/8080 or ICMP/8");
    let Some((one, other)) = text.split_once('/') else {
        return match text.to_ascii_uppercase().as_str() {
            "ICMP" | "ICMPV4" => Ok((text.to_owned(), 8)),
            "ICMPV6" | "ICMP6" => Ok((text.to_owned(), 128)),
            _ => Err(wrong()),
        };
    };
    let is_name = |word: &str| word.starts_with(|first: char| first.is_ascii_alphabetic());
    let (protocol, port) = if is_name(other) && !is_name(one) {
        (other, one)
    } else {
        (one, other)
    };
    if protocol.is_empty() {
        return Err(wrong());
    }
    let port = port.parse().map_err(|_| wrong())?;
    Ok((protocol.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocol_and_port_in_either_order() {
        let read = |text| what_for(text).map(|(protocol, port)| format!("{protocol} {port}"));
        assert_eq!(read("TCP/8080").as_deref(), Ok("TCP 8080"));
        assert_eq!(read("53/udp").as_deref(), Ok("udp 53"));
        assert_eq!(read("icmp").as_deref(), Ok("icmp 8"));
        assert_eq!(read("ICMPv6").as_deref(), Ok("ICMPv6 128"));
        assert_eq!(read("47/0").as_deref(), Ok("47 0"));
        for wrong in ["TCP", "TCP/", "/80", "TCP/http", "TCP/65536", ""] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
