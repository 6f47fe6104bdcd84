//! TLS to a collector: whom we trust, who we are, and in words why nothing came of it.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, ServerName, pem::PemObject};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, join, split};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::config::export::OtlpTls;
use crate::serve::tls::{certificates, read};

/// How long a collector may take to begin talking. One that waits for us first is heard later.
const FIRST_WORD: Duration = Duration::from_secs(1);

/// Why no secure connection came about, in one line.
#[derive(Debug)]
pub(super) struct TlsFailure(String);

impl fmt::Display for TlsFailure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl Error for TlsFailure {}

/// The name that must be in the collector's certificate.
pub(super) fn name(section: &OtlpTls, endpoint: &Uri) -> Result<ServerName<'static>, String> {
    let host = endpoint.host().unwrap_or_default().trim_matches(['[', ']']);
    let name = section.server_name.as_deref().unwrap_or(host);
    ServerName::try_from(name.to_owned()).map_err(|_| {
        format!("otlp.tls.server_name: {name:?} is no name that a certificate can have")
    })
}

/// Connects and shakes hands. The files are read anew, so that renewed ones count.
pub(super) async fn connect(
    section: OtlpTls,
    name: ServerName<'static>,
    to: Uri,
) -> Result<TokioIo<impl AsyncRead + AsyncWrite + Send + Unpin>, TlsFailure> {
    let connector = TlsConnector::from(Arc::new(config(&section).map_err(TlsFailure)?));
    let port = to.port_u16().unwrap_or(443);
    let host = to.host().unwrap_or_default().trim_matches(['[', ']']);
    let stream = TcpStream::connect((host, port)).await;
    let stream = stream.map_err(|error| TlsFailure(error.to_string()))?;
    // A batch must not wait for the acknowledgement of the one before; one that does is slower.
    let _ = stream.set_nodelay(true);
    let shaken = connector.connect(name.clone(), stream).await;
    let stream = shaken.map_err(|error| refusal(&error, &name))?;
    // With TLS 1.3 a server looks at our certificate only after we are done, and its refusal would
    // else be told as a broken connection.
    let (mut from, into) = split(stream);
    let mut first = vec![0; 1_024];
    let length = match timeout(FIRST_WORD, from.read(&mut first)).await {
        Ok(Ok(0)) => {
            return Err(TlsFailure(
                "the collector hung up without a word".to_owned(),
            ));
        }
        Ok(Ok(length)) => length,
        Ok(Err(error)) => return Err(refusal(&error, &name)),
        Err(_) => 0,
    };
    first.truncate(length);
    Ok(TokioIo::new(join(io::Cursor::new(first).chain(from), into)))
}

fn config(section: &OtlpTls) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| format!("TLS 1.3 cannot be used: {error}"))?
        .with_root_certificates(roots(&section.ca)?);
    let mut config = match (&section.certificate, &section.key) {
        (Some(certificate), Some(key)) => {
            let parsed = PrivateKeyDer::from_pem_slice(&read(key)?)
                .map_err(|error| format!("{}: no private key (PEM): {error}", key.display()))?;
            let pair = builder.with_client_auth_cert(certificates(certificate)?, parsed);
            pair.map_err(|error| {
                let (certificate, key) = (certificate.display(), key.display());
                format!("{certificate} and {key} do not fit together: {error}")
            })?
        }
        (None, None) | (Some(_), None) | (None, Some(_)) => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

fn roots(files: &[PathBuf]) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    if files.is_empty() {
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if store.is_empty() {
            return Err("this system has no CA certificates; name one in otlp.tls.ca".to_owned());
        }
    }
    for file in files {
        for certificate in certificates(file)? {
            let added = store.add(certificate);
            added.map_err(|error| format!("{}: no CA certificate: {error}", file.display()))?;
        }
    }
    Ok(store)
}

fn refusal(error: &io::Error, name: &ServerName<'_>) -> TlsFailure {
    let cause = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    TlsFailure(match cause {
        Some(rustls::Error::AlertReceived(alert)) => refused_by_collector(*alert),
        Some(rustls::Error::InvalidCertificate(wrong)) => {
            let why = wrong_certificate(wrong, &name.to_str());
            format!("the collector's certificate is not accepted: {why}")
        }
        Some(rustls::Error::InvalidMessage(_)) => {
            "the collector does not speak TLS; write http:// or turn its TLS on".to_owned()
        }
        Some(other) => format!("TLS failed: {other}"),
        None => format!("TLS failed: {error}; is TLS spoken there?"),
    })
}

fn refused_by_collector(alert: AlertDescription) -> String {
    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "the alerts of TLS, of which the others mean nothing here"
    )]
    let why = match alert {
        AlertDescription::CertificateRequired => {
            "it wants a client certificate; name ours in otlp.tls.certificate and otlp.tls.key"
        }
        AlertDescription::UnknownCA => {
            "it does not trust the CA of our certificate; use one that its CA has signed"
        }
        AlertDescription::CertificateExpired => {
            "our certificate has expired or is not valid yet; renew it"
        }
        AlertDescription::CertificateRevoked => "our certificate was revoked",
        AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => {
            "our certificate is not one for its clients"
        }
        AlertDescription::ProtocolVersion => "it does not speak TLS 1.3",
        other => return format!("the collector refused the connection: TLS alert {other:?}"),
    };
    format!("the collector refused the connection: {why}")
}

fn wrong_certificate(wrong: &CertificateError, name: &str) -> String {
    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "rustls says the rest in its own words"
    )]
    match wrong {
        CertificateError::UnknownIssuer => {
            "its CA is unknown; name the CA in otlp.tls.ca".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("it is not for {name}; name the right one in otlp.tls.server_name")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired".to_owned()
        }
        other => other.to_string(),
    }
}
