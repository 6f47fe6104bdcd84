//! A collector of OTLP logs over gRPC: the connection, who we are to it, and what became of a batch.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use flowd_proto::observer::ExportEvent;
use http::{Uri, uri::PathAndQuery};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use rustls::pki_types::ServerName;
use tonic::client::Grpc;
use tonic::metadata::{Ascii, MetadataKey, MetadataMap, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};
use tonic_prost::ProstCodec;
use tower::service_fn;

use super::otlp;
use super::secure::{self, TlsFailure};
use crate::config::export::{OtlpTarget, OtlpTls};

/// How long a collector may take for a batch.
const PATIENCE: Duration = Duration::from_secs(10);

const EXPORT: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

/// A collector; the connection is made when there is something to send, and again when it broke.
#[derive(Debug)]
pub(super) struct Collector {
    endpoint: Endpoint,
    secure: Option<(OtlpTls, ServerName<'static>)>,
    headers: MetadataMap,
    token_file: Option<PathBuf>,
    channel: Option<Channel>,
}

/// What became of a batch.
pub(super) enum Sent {
    All,
    /// So many were not wanted, and will not be: trying again is of no use.
    Rejected(u64, String),
    /// To be tried again.
    Later(String),
}

impl Collector {
    pub(super) fn new(target: &OtlpTarget) -> Result<Self, String> {
        let address = &target.endpoint;
        let uri: Uri = address
            .parse()
            .map_err(|error| format!("otlp.endpoint: {address}: {error}"))?;
        let secure = match uri.scheme_str() {
            Some("https") => {
                let section = target.tls.clone().unwrap_or_default();
                if section.certificate.is_some() != section.key.is_some() {
                    return Err("otlp.tls: certificate and key are given together".to_owned());
                }
                let name = secure::name(&section, &uri)?;
                Some((section, name))
            }
            Some("http") if target.tls.is_some() => {
                return Err(format!("otlp.tls: {address} is plaintext; write https://"));
            }
            Some("http") if target.token_file.is_some() && !is_here(&uri) => {
                return Err(format!(
                    "otlp.token_file: {address} is plaintext, where anybody on the way reads the \
                     token; write https://, or send to a collector on this host"
                ));
            }
            Some("http") => None,
            Some(_) | None => {
                return Err(format!(
                    "otlp.endpoint: {address:?} is neither http://HOST:PORT nor https://HOST:PORT"
                ));
            }
        };
        let endpoint = Endpoint::from(uri);
        Ok(Self {
            endpoint: endpoint.timeout(PATIENCE).connect_timeout(PATIENCE),
            secure,
            headers: headers(target)?,
            token_file: target.token_file.clone(),
            channel: None,
        })
    }

    pub(super) async fn send(&mut self, batch: &[ExportEvent]) -> Sent {
        let request = match self.request(batch) {
            Ok(request) => request,
            Err(problem) => return Sent::Later(problem),
        };
        let mut client = Grpc::new(self.channel());
        let uri = self.endpoint.uri();
        if let Err(error) = client.ready().await {
            return Sent::Later(format!("{uri}: {}", causes(&error)));
        }
        let codec: ProstCodec<ExportLogsServiceRequest, ExportLogsServiceResponse> =
            ProstCodec::default();
        let path = PathAndQuery::from_static(EXPORT);
        match client.unary(request, path, codec).await {
            Ok(answer) => match answer.into_inner().partial_success {
                Some(part) if part.rejected_log_records > 0 => {
                    let count = u64::try_from(part.rejected_log_records).unwrap_or(0);
                    Sent::Rejected(count, part.error_message)
                }
                Some(_) | None => Sent::All,
            },
            Err(status) if is_lasting(status.code()) => {
                let why = format!("{uri}: {:?}: {}", status.code(), status.message());
                Sent::Rejected(batch.len() as u64, why)
            }
            Err(status) => Sent::Later(format!("{uri}: {}", causes(&status))),
        }
    }

    fn channel(&mut self) -> Channel {
        let (endpoint, secure) = (&self.endpoint, &self.secure);
        let connect = || match secure {
            None => endpoint.connect_lazy(),
            Some((section, name)) => {
                let (section, name) = (section.clone(), name.clone());
                let connector = move |to| secure::connect(section.clone(), name.clone(), to);
                endpoint.connect_with_connector_lazy(service_fn(connector))
            }
        };
        self.channel.get_or_insert_with(connect).clone()
    }

    fn request(&self, batch: &[ExportEvent]) -> Result<Request<ExportLogsServiceRequest>, String> {
        let mut request = Request::new(otlp::request(batch));
        *request.metadata_mut() = self.headers.clone();
        if let Some(file) = &self.token_file {
            let wrong = |error: String| format!("otlp.token_file: {}: {error}", file.display());
            let token = fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
            let value = format!("Bearer {}", token.trim()).parse();
            let mut value: MetadataValue<Ascii> =
                value.map_err(|_| wrong("there is more in it than a token".to_owned()))?;
            value.set_sensitive(true);
            request.metadata_mut().insert("authorization", value);
        }
        Ok(request)
    }
}

fn is_here(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn headers(target: &OtlpTarget) -> Result<MetadataMap, String> {
    let mut headers = MetadataMap::new();
    for (name, value) in &target.headers {
        let lower = name.to_ascii_lowercase();
        if lower.starts_with("grpc-") || lower == "authorization" && target.token_file.is_some() {
            return Err(format!(
                "otlp.headers: {name} is set by flowd itself; leave it out"
            ));
        }
        let key = lower
            .parse::<MetadataKey<Ascii>>()
            .map_err(|_| format!("otlp.headers: {name:?} is no name of a header"))?;
        let mut value = value.parse::<MetadataValue<Ascii>>().map_err(|_| {
            format!("otlp.headers: the value of {name} is more than one line of text")
        })?;
        value.set_sensitive(true);
        headers.insert(key, value);
    }
    Ok(headers)
}

/// What the specification of OTLP says is of no use to be tried again.
fn is_lasting(code: Code) -> bool {
    match code {
        Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::Unauthenticated
        | Code::FailedPrecondition
        | Code::Unimplemented
        | Code::Internal => true,
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::ResourceExhausted
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => false,
    }
}

/// What went wrong, down to its cause. What we know in our own words needs no others.
fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(this) = cause {
        if let Some(known) = this.downcast_ref::<TlsFailure>() {
            return known.to_string();
        }
        text = format!("{text}: {this}");
        cause = this.source();
    }
    text
}
