//! TLS to a server: whom we trust, who we are, and a refusal in words.

use std::error::Error;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore,
    SignatureScheme,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, join, split};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::args::TlsArgs;
use crate::failure::Failure;

/// How long a server may take to begin talking. One that waits for us first is heard later.
const FIRST_WORD: Duration = Duration::from_secs(1);

/// TLS to one server.
#[derive(Clone)]
pub struct Secure {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl fmt::Debug for Secure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Secure")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Why no secure connection came about, in one line.
#[derive(Debug)]
pub struct TlsFailure(pub String);

impl fmt::Display for TlsFailure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl Error for TlsFailure {}

impl Secure {
    /// What the flags ask for, towards this host (`host:port`).
    pub fn new(args: &TlsArgs, host: &str) -> Result<Self, Failure> {
        let name = match &args.tls_server_name {
            Some(name) => name.as_str(),
            None => host
                .rsplit_once(':')
                .map_or(host, |(name, _)| name.trim_matches(['[', ']'])),
        };
        let name = ServerName::try_from(name.to_owned()).map_err(|_| {
            Failure::Usage(format!(
                "{name:?} is no name a certificate can have; give one with --tls-server-name"
            ))
        })?;
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| Failure::Runtime(format!("cannot use TLS 1.3: {error}")))?;
        let builder = if args.tls_allow_insecure {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        } else {
            builder.with_root_certificates(roots(&args.tls_ca_cert_files)?)
        };
        let mut config = match (&args.tls_client_cert_file, &args.tls_client_key_file) {
            (Some(certificate), Some(key)) => builder
                .with_client_auth_cert(certificates(certificate)?, private_key(key)?)
                .map_err(|error| {
                    Failure::Usage(format!(
                        "{} and {} are no pair: {error}",
                        certificate.display(),
                        key.display()
                    ))
                })?,
            (None, None) => builder.with_no_client_auth(),
            (Some(_), None) | (None, Some(_)) => {
                return Err(Failure::Usage(
                    "--tls-client-cert-file and --tls-client-key-file are given together"
                        .to_owned(),
                ));
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
            name,
        })
    }

    /// Shakes hands. Waits for the server's first words: with TLS 1.3 it looks at our certificate
    /// only after we are done, and its refusal would else be told as a broken connection.
    pub async fn connect(
        &self,
        stream: TcpStream,
    ) -> Result<impl AsyncRead + AsyncWrite + Send + Unpin + use<>, TlsFailure> {
        let shaken = self.connector.connect(self.name.clone(), stream).await;
        let stream = shaken.map_err(|error| TlsFailure(self.refusal(&error)))?;
        let (mut read, write) = split(stream);
        let mut first = vec![0; 1_024];
        let length = match timeout(FIRST_WORD, read.read(&mut first)).await {
            Ok(Ok(0)) => return Err(TlsFailure("the server hung up without a word".to_owned())),
            Ok(Ok(length)) => length,
            Ok(Err(error)) => return Err(TlsFailure(self.refusal(&error))),
            Err(_) => 0,
        };
        first.truncate(length);
        Ok(join(io::Cursor::new(first).chain(read), write))
    }

    fn refusal(&self, error: &io::Error) -> String {
        let cause = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let name = self.name.to_str();
        match cause {
            Some(rustls::Error::AlertReceived(alert)) => refused_by_server(*alert),
            Some(rustls::Error::InvalidCertificate(wrong)) => {
                format!(
                    "the server's certificate is not accepted: {}",
                    wrong_certificate(wrong, &name)
                )
            }
            Some(rustls::Error::InvalidMessage(_)) => {
                "the server does not speak TLS; leave out --tls".to_owned()
            }
            Some(other) => format!("TLS failed: {other}"),
            None => format!("TLS failed: {error}; is TLS spoken there?"),
        }
    }
}

fn refused_by_server(alert: AlertDescription) -> String {
    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "the alerts of TLS, of which the others mean nothing here"
    )]
    let why = match alert {
        AlertDescription::CertificateRequired => {
            "it wants a client certificate: give --tls-client-cert-file and --tls-client-key-file"
        }
        AlertDescription::UnknownCA => {
            "it does not trust the CA of our certificate (unknown CA); use one its `tls.client_ca` has signed"
        }
        AlertDescription::CertificateExpired => {
            "our certificate has expired or is not valid yet; renew it"
        }
        AlertDescription::CertificateRevoked => "our certificate was revoked",
        AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => {
            "our certificate is not one for clients of this server"
        }
        AlertDescription::ProtocolVersion => "it does not speak TLS 1.3",
        AlertDescription::InternalError => "it has no certificate to show; see its log",
        other => return format!("the server refused the connection: TLS alert {other:?}"),
    };
    format!("the server refused the connection: {why}")
}

fn wrong_certificate(wrong: &CertificateError, name: &str) -> String {
    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "rustls says the rest in its own words"
    )]
    match wrong {
        CertificateError::UnknownIssuer => {
            "its CA is unknown; name the CA with --tls-ca-cert-files".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("it is not for {name}; name the right one with --tls-server-name")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired".to_owned()
        }
        other => other.to_string(),
    }
}

fn roots(files: &[std::path::PathBuf]) -> Result<RootCertStore, Failure> {
    let mut store = RootCertStore::empty();
    if files.is_empty() {
        let system = rustls_native_certs::load_native_certs();
        store.add_parsable_certificates(system.certs);
        if store.is_empty() {
            return Err(Failure::Usage(
                "this system has no CA certificates; name one with --tls-ca-cert-files".to_owned(),
            ));
        }
    }
    for file in files {
        for certificate in certificates(file)? {
            store.add(certificate).map_err(|error| {
                Failure::Usage(format!("{}: no CA certificate: {error}", file.display()))
            })?;
        }
    }
    Ok(store)
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(file).map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let read = read(file)?;
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read).collect();
    match parsed {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(Failure::Usage(format!(
            "{}: no certificate in it (PEM)",
            file.display()
        ))),
        Err(error) => Err(Failure::Usage(format!("{}: {error}", file.display()))),
    }
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, Failure> {
    PrivateKeyDer::from_pem_slice(&read(file)?).map_err(|error| {
        Failure::Usage(format!(
            "{}: no private key in it (PEM): {error}",
            file.display()
        ))
    })
}

/// Trusts every server, for `--tls-allow-insecure`.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
