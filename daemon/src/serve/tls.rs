//! TLS 1.3 on the TCP door: our certificate, whose clients we trust, and why one was turned away.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{CertificateError, RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::access::{Reason, Refusal};
use crate::config::access::{Demand, TlsSection};

/// Names read from a certificate, at most.
const MAX_NAMES: usize = 64;

/// What handshakes are made with; open connections keep what they began with.
#[derive(Clone, Debug)]
pub struct Tls(Arc<ArcSwap<ServerConfig>>);

impl Tls {
    /// Reads the files of a section.
    ///
    /// # Errors
    ///
    /// When a file cannot be read or the files do not fit together.
    pub fn load(section: &TlsSection) -> Result<Self, String> {
        Ok(Self(Arc::new(ArcSwap::from_pointee(load(section)?))))
    }

    /// Reads them again, for connections to come.
    ///
    /// # Errors
    ///
    /// As [`Self::load`]; what was there before stays.
    pub fn reload(&self, section: &TlsSection) -> Result<(), String> {
        self.0.store(Arc::new(load(section)?));
        Ok(())
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.0.load_full())
    }
}

fn load(section: &TlsSection) -> Result<ServerConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| format!("tls: {error}"))?;
    let builder = if section.client_ca.is_empty() {
        builder.with_no_client_auth()
    } else {
        let mut roots = RootCertStore::empty();
        for path in &section.client_ca {
            for certificate in certificates(path)? {
                roots
                    .add(certificate)
                    .map_err(|error| format!("{}: {error}", path.display()))?;
            }
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let verifier = match section.client_certificate {
            Demand::Required => verifier,
            Demand::Optional => verifier.allow_unauthenticated(),
        };
        let verifier = verifier
            .build()
            .map_err(|error| format!("tls.client_ca: {error}"))?;
        builder.with_client_cert_verifier(verifier)
    };
    let key = PrivateKeyDer::from_pem_slice(&read(&section.key)?)
        .map_err(|error| format!("{}: no private key (PEM): {error}", section.key.display()))?;
    let mut config = builder
        .with_single_cert(certificates(&section.certificate)?, key)
        .map_err(|error| {
            format!(
                "{} and {} do not fit together: {error}",
                section.certificate.display(),
                section.key.display()
            )
        })?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    // A resumed session would outlive its certificate and the CA that vouched for it.
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// A whole file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// The certificates in a file, at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    let found = found.map_err(|error| format!("{}: {error}", path.display()))?;
    if found.is_empty() {
        return Err(format!("{}: no certificate in it (PEM)", path.display()));
    }
    Ok(found)
}

/// What a client's certificate calls it: the common name, then the alternative names.
pub(super) fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        return Vec::new();
    };
    let common = parsed.subject().iter_common_name();
    let common = common.filter_map(|name| name.as_str().ok());
    let alternative = parsed.subject_alternative_name().ok().flatten();
    let alternative = alternative
        .iter()
        .flat_map(|names| &names.value.general_names);
    let alternative = alternative.filter_map(|name| match name {
        GeneralName::DNSName(name) | GeneralName::URI(name) | GeneralName::RFC822Name(name) => {
            Some(*name)
        }
        GeneralName::OtherName(..)
        | GeneralName::X400Address(_)
        | GeneralName::DirectoryName(_)
        | GeneralName::EDIPartyName(_)
        | GeneralName::IPAddress(_)
        | GeneralName::RegisteredID(_)
        | GeneralName::Invalid(..) => None,
    });
    let all = common.chain(alternative).take(MAX_NAMES);
    all.map(str::to_owned).collect()
}

/// Why a handshake failed.
pub(super) fn refusal(error: &io::Error) -> Refusal {
    let cause = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let (reason, text) = match cause {
        Some(rustls::Error::InvalidCertificate(wrong)) => certificate_refusal(wrong),
        Some(rustls::Error::NoCertificatesPresented) => (
            Reason::NoCertificate,
            "no client certificate was shown; it takes one signed by a CA of tls.client_ca"
                .to_owned(),
        ),
        Some(other) => (
            Reason::HandshakeFailed,
            format!("the TLS handshake failed: {other}"),
        ),
        None => (
            Reason::HandshakeFailed,
            format!("the TLS handshake failed: {error}"),
        ),
    };
    Refusal { reason, text }
}

fn certificate_refusal(wrong: &CertificateError) -> (Reason, String) {
    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "rustls says the rest in its own words"
    )]
    match wrong {
        CertificateError::UnknownIssuer => (
            Reason::UnknownCa,
            "the client's certificate is signed by no CA of tls.client_ca".to_owned(),
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
            Reason::CertificateExpired,
            format!("the client's certificate has expired: {wrong}"),
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
            Reason::CertificateNotYetValid,
            format!("the client's certificate is not valid yet: {wrong}"),
        ),
        other => (
            Reason::BadCertificate,
            format!("the client's certificate is no good: {other}"),
        ),
    }
}
