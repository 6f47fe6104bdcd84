//! Names of peers: DNS names and their patterns, services.

use super::{field::Field, selector};
use crate::{
    object::{PeerSelector, ServiceSelector, Services},
    syntax,
};

/// The longest DNS name.
const MAX_NAME: usize = 255;

/// Checks `{matchName}` or `{matchPattern}`; `None` when something was reported about it.
pub(super) fn selector(item: &Field<'_>) -> Option<()> {
    let object = item.object(&["matchName", "matchPattern"], &[])?;
    match (object.get("matchName"), object.get("matchPattern")) {
        (Some(name), None) => dns_name(name, ""),
        (None, Some(pattern)) => dns_name(pattern, "*"),
        (None, None) | (Some(_), Some(_)) => {
            item.error(
                "must name one thing",
                "write one of matchName and matchPattern",
            );
            None
        }
    }
}

fn dns_name(field: &Field<'_>, more: &str) -> Option<()> {
    let text = field.text()?;
    let allowed = |character: char| {
        character.is_ascii_alphanumeric() || "-_.".contains(character) || more.contains(character)
    };
    if !text.is_empty() && text.len() <= MAX_NAME && text.chars().all(allowed) {
        return Some(());
    }
    field.error(
        format!("{:?} is not a DNS name", syntax::shorten(text)),
        format!("use at most {MAX_NAME} letters, digits and -_.{more}"),
    );
    None
}

/// Checks a domain name, which may start with `*.`; `None` when something was reported about it.
pub(super) fn domain(field: &Field<'_>) -> Option<()> {
    let text = field.text()?;
    let name = text.strip_prefix("*.").unwrap_or(text);
    if name.contains('*') || !name.trim_end_matches('.').contains('.') {
        field.error(
            format!("{:?} is not a domain name", syntax::shorten(text)),
            "write a name with a dot, such as example.com or *.example.com",
        );
        return None;
    }
    dns_name(field, "*")
}

/// Checks a TLS server name.
pub(super) fn server_name(field: &Field<'_>) -> Option<()> {
    dns_name(field, "*")
}

/// Reads `{k8sService}` or `{k8sServiceSelector}`; `None` when something was reported about it.
pub(super) fn service(item: &Field<'_>) -> Option<PeerSelector> {
    let object = item.object(&["k8sService", "k8sServiceSelector"], &[])?;
    let (services, namespace) = match (object.get("k8sService"), object.get("k8sServiceSelector")) {
        (Some(service), None) => {
            let service = service.object(&["serviceName", "namespace"], &[])?;
            let name = service.require("serviceName", "name the service")?.text()?;
            let services = ServiceSelector::Name(name.to_owned());
            (
                services,
                service.get("namespace").map_or(Some(""), Field::text)?,
            )
        }
        (None, Some(services)) => {
            let services = services.object(&["selector", "namespace"], &[])?;
            let field = services.require("selector", "select the services by label")?;
            let selector = ServiceSelector::Labels(selector::read(field)?);
            (
                selector,
                services.get("namespace").map_or(Some(""), Field::text)?,
            )
        }
        (None, None) | (Some(_), Some(_)) => {
            item.error(
                "must name one thing",
                "write one of k8sService and k8sServiceSelector",
            );
            return None;
        }
    };
    Some(PeerSelector::Services(Services {
        services,
        namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
    }))
}
