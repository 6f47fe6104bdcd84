//! Endpoint files: YAML documents of `kind: Endpoint`.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf};

use flowd_abi::protocol;
use flowd_policy::{Diagnostic, labels};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::spec::{Addresses, Attach, EndpointSpec};
use crate::modes::ModeSource;
use crate::serve::status::Mode;

const API_VERSION: &str = "flowd.io/v1";
const KIND: &str = "Endpoint";
/// A workload has a handful of addresses; more is a mistake.
const MAX_ADDRESSES: usize = 64;
/// Named ports of one workload, at most.
const MAX_PORTS: usize = 256;
/// Text of a message that quotes what was written, at most.
const QUOTED: usize = 80;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    api_version: String,
    kind: String,
    metadata: Metadata,
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    name: String,
    #[serde(default = "default_namespace")]
    namespace: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    addresses: WrittenAddresses,
    attach: WrittenAttach,
    #[serde(default)]
    ports: Vec<WrittenPort>,
    mode: Option<Mode>,
    #[serde(default = "yes")]
    check_source: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenAddresses {
    Word(String),
    List(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenAttach {
    interface: Option<String>,
    netns: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPort {
    name: String,
    port: u16,
    #[serde(default)]
    protocol: WrittenProtocol,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum WrittenProtocol {
    #[default]
    Tcp,
    Udp,
    Sctp,
}

fn default_namespace() -> String {
    "default".to_owned()
}

const fn yes() -> bool {
    true
}

/// Reads the endpoints of one file. `file` is only a name, for findings.
///
/// # Errors
///
/// Everything that is wrong with the file.
pub fn parse(file: &str, text: &str) -> Result<Vec<EndpointSpec>, Vec<Diagnostic>> {
    let documents: Vec<Spanned<Document>> = serde_saphyr::from_multiple_with_options(
        text,
        serde_saphyr::options! { strict_booleans: true, with_snippet: false },
    )
    .map_err(|error| {
        let (line, column) = error
            .location()
            .map_or((0, 0), |at| (at.line() as u32, at.column() as u32));
        let message = error.without_snippet().to_string();
        vec![diagnostic(file, (line, column), "", shorten(&message))]
    })?;
    let (mut specs, mut findings) = (Vec::new(), Vec::new());
    for document in documents {
        let at = (
            document.referenced.line() as u32,
            document.referenced.column() as u32,
        );
        match convert(file, at.0, document.value) {
            Ok(spec) => specs.push(spec),
            Err((path, message)) => findings.push(diagnostic(file, at, path, message)),
        }
    }
    if findings.is_empty() {
        Ok(specs)
    } else {
        Err(findings)
    }
}

fn convert(
    file: &str,
    line: u32,
    document: Document,
) -> Result<EndpointSpec, (&'static str, String)> {
    let Document {
        api_version,
        kind,
        metadata,
        spec,
    } = document;
    if api_version != API_VERSION || kind != KIND {
        return Err((
            "kind",
            format!(
                "{}/{} is not {API_VERSION}/{KIND}",
                shorten(&api_version),
                shorten(&kind)
            ),
        ));
    }
    if metadata.name.is_empty() || metadata.name.len() > 253 {
        return Err(("metadata.name", "must have 1 to 253 characters".to_owned()));
    }
    let user = metadata
        .labels
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()));
    let labels = labels::for_endpoint(&metadata.namespace, user)
        .map_err(|error| ("metadata.labels", error.to_string()))?;
    let attach = match (spec.attach.interface, spec.attach.netns) {
        (Some(interface), None) => Attach::Interface(interface),
        (None, Some(netns)) => Attach::Netns(netns),
        _ => {
            return Err((
                "spec.attach",
                "must have either `interface` or `netns`".to_owned(),
            ));
        }
    };
    if spec.ports.len() > MAX_PORTS {
        return Err(("spec.ports", format!("must have at most {MAX_PORTS} ports")));
    }
    Ok(EndpointSpec {
        ports: spec.ports.iter().map(named_port).collect(),
        addresses: addresses(spec.addresses, &attach)?,
        namespace: metadata.namespace,
        name: metadata.name,
        labels,
        attach,
        mode: spec.mode.unwrap_or_default(),
        mode_source: match spec.mode {
            Some(_) => ModeSource::EndpointFile,
            None => ModeSource::Default,
        },
        check_source: spec.check_source,
        file: file.to_owned(),
        line,
    })
}

fn named_port(port: &WrittenPort) -> (u8, &str, u16) {
    let number = match port.protocol {
        WrittenProtocol::Tcp => protocol::TCP,
        WrittenProtocol::Udp => protocol::UDP,
        WrittenProtocol::Sctp => protocol::SCTP,
    };
    (number, &port.name, port.port)
}

fn addresses(
    written: WrittenAddresses,
    attach: &Attach,
) -> Result<Addresses, (&'static str, String)> {
    const PATH: &str = "spec.addresses";
    let list = match written {
        WrittenAddresses::Word(word) if word == "discover" => {
            return match attach {
                Attach::Netns(_) => Ok(Addresses::Discover),
                Attach::Interface(_) => Err((
                    PATH,
                    "`discover` needs `attach.netns`: the addresses are read inside it".to_owned(),
                )),
            };
        }
        WrittenAddresses::Word(word) => {
            return Err((
                PATH,
                format!("{} is neither `discover` nor a list", shorten(&word)),
            ));
        }
        WrittenAddresses::List(list) => list,
    };
    if list.is_empty() || list.len() > MAX_ADDRESSES {
        return Err((PATH, format!("must have 1 to {MAX_ADDRESSES} addresses")));
    }
    let parsed: Result<Vec<IpAddr>, _> = list
        .iter()
        .map(|text| {
            text.parse()
                .map_err(|_| (PATH, format!("{} is no IP address", shorten(text))))
        })
        .collect();
    Ok(Addresses::Declared(parsed?))
}

fn diagnostic(file: &str, (line, column): (u32, u32), path: &str, message: String) -> Diagnostic {
    Diagnostic {
        file: file.to_owned(),
        line,
        column,
        path: path.to_owned(),
        message,
        help: String::new(),
    }
}

/// The first line of a text, cut to what a message can bear.
fn shorten(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= 3 * QUOTED {
        return line.to_owned();
    }
    let head: String = line.chars().take(QUOTED).collect();
    format!("{head}… ({} bytes)", line.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "apiVersion: flowd.io/v1\nkind: Endpoint\nmetadata: {name: web, namespace: \
                        shop, labels: {app: web}}\nspec:\n  addresses: [10.0.0.1, \"fd00::1\"]\n  \
                        attach: {interface: veth1}\n";

    fn refused(text: &str) -> String {
        let findings = parse("e.yaml", text).expect_err("must be refused");
        findings[0].to_string()
    }

    #[test]
    fn reads_an_endpoint_with_its_defaults() {
        let specs = parse("e.yaml", GOOD).expect("valid");
        assert_eq!(specs[0].key(), "shop/web");
        assert_eq!(specs[0].mode, Mode::Enforce);
        assert!(specs[0].check_source);
        assert_eq!(specs[0].attach, Attach::Interface("veth1".to_owned()));
        assert!(specs[0].labels.to_string().contains("k8s:app=web"));
    }

    #[test]
    fn names_the_place_of_a_mistake() {
        let unknown = refused(&GOOD.replace("attach:", "atach:"));
        assert!(
            unknown.starts_with("e.yaml:6:") && unknown.contains("atach"),
            "{unknown}"
        );
        let address = refused(&GOOD.replace("10.0.0.1", "10.0.0.256"));
        assert!(address.contains("10.0.0.256 is no IP address"), "{address}");
        let both = refused(&GOOD.replace("{interface: veth1}", "{interface: a, netns: b}"));
        assert!(both.contains("either `interface` or `netns`"), "{both}");
        let discover = refused(&GOOD.replace("[10.0.0.1, \"fd00::1\"]", "discover"));
        assert!(discover.contains("needs `attach.netns`"), "{discover}");
    }

    #[test]
    fn a_huge_label_is_one_short_error() {
        let text = GOOD.replace(
            "{app: web}",
            &format!("{{app: {}}}", "x".repeat(10_000_000)),
        );
        let finding = refused(&text);
        assert!(finding.len() < 400, "{} bytes", finding.len());
    }
}
