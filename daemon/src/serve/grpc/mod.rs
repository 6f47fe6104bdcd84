//! The gRPC services: Hubble's observer and peer, health, reflection, and `flowd.v1`.

mod aggregates;
mod codec;
mod diff;
mod events;
mod flowd;
mod flows;
mod host;
mod modes;
mod observer;
mod peer;
mod policies;

#[cfg(test)]
mod tests;

use std::time::Duration;

use flowd_proto::FILE_DESCRIPTOR_SET;
use flowd_proto::flowd::v1::aggregates_server::AggregatesServer;
use flowd_proto::flowd::v1::flowd_server::FlowdServer;
use flowd_proto::flowd::v1::modes_server::ModesServer;
use flowd_proto::flowd::v1::policies_server::PoliciesServer;
use flowd_proto::flowd::v1::timeline_server::TimelineServer;
use flowd_proto::observer::observer_server::ObserverServer;
use flowd_proto::peer::peer_server::PeerServer;
use thiserror::Error;
use tonic::service::{Routes, RoutesBuilder};
use tonic::transport::Server;
use tonic_health::ServingStatus;

use super::gate::GateLayer;
use super::{Door, Sources};
pub use aggregates::AggregateDoor;
use flows::ObserverWithFlows;
pub(crate) use host::answer as host_status;
use observer::ObserverService;
pub use policies::PolicyDoor;

/// Name under which Hubble's clients ask for health.
const HEALTH_SERVICE: &str = "hubble.server.Observer";
/// Bytes of a request that carries policies: as much as a file, and the message around it.
const MAX_POLICY: usize = (4 << 20) + 4096;
/// Streams of one connection, at most.
const MAX_STREAMS: u32 = 128;
/// Flow-control windows: a follower at full speed must not wait for window updates.
const WINDOW: u32 = 1 << 20;

/// What can be chosen.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes of a request that carries no policy, at most.
    pub max_request: usize,
    /// Where relays find this node: `host:port`, or the path of the socket.
    pub address: String,
    /// The name of this node's certificate, when relays are to use TLS.
    pub tls_server_name: Option<String>,
    /// The version to tell Hubble's clients, which warn when theirs is lower.
    pub hubble_server_version: Option<String>,
    /// Where policies are changed; without it they cannot be.
    pub policies: Option<PolicyDoor>,
    /// Where the kernel's tables are read; without it aggregates are made of the flow log alone.
    pub aggregates: Option<AggregateDoor>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_request: 1 << 20,
            address: "/run/flowd/flowd.sock".to_owned(),
            tls_server_name: None,
            hubble_server_version: None,
            policies: None,
            aggregates: None,
        }
    }
}

/// Why the services cannot be served.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The descriptors are damaged, which is a mistake in the build.
    #[error("cannot build the reflection service: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The listener failed.
    #[error("cannot serve gRPC: {0}")]
    Transport(#[from] tonic::transport::Error),
}

/// All services.
///
/// # Errors
///
/// When the reflection service cannot be built.
pub async fn routes(sources: &Sources, options: &Options) -> Result<Routes, ServeError> {
    let observer = ObserverService::new(sources.clone(), options.clone());
    let max_request = options.max_request;
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter
        .set_service_status(HEALTH_SERVICE, ServingStatus::Serving)
        .await;
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let mut routes = RoutesBuilder::default();
    routes
        .add_service(ObserverWithFlows::new(
            ObserverServer::new(observer.clone()).max_decoding_message_size(max_request),
            observer,
        ))
        .add_service(
            PeerServer::new(peer::PeerService::new(sources.clone(), options.clone()))
                .max_decoding_message_size(max_request),
        )
        .add_service(
            FlowdServer::new(flowd::FlowdService::new(sources.clone()))
                .max_decoding_message_size(max_request),
        )
        .add_service(
            TimelineServer::new(events::TimelineService::new(sources.clone()))
                .max_decoding_message_size(max_request),
        )
        .add_service(
            AggregatesServer::new(aggregates::AggregateService::new(
                sources.clone(),
                options.aggregates.clone(),
            ))
            .max_decoding_message_size(max_request),
        )
        .add_service(health)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?);
    if let Some(door) = &options.policies {
        let modes = modes::ModeService::new(sources.clone(), door.clone());
        routes.add_service(ModesServer::new(modes).max_decoding_message_size(max_request));
        let service = policies::PolicyService::new(sources.clone(), door.clone());
        routes.add_service(PoliciesServer::new(service).max_decoding_message_size(MAX_POLICY));
    }
    Ok(routes.routes())
}

fn server() -> Server {
    Server::builder()
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .http2_keepalive_timeout(Some(Duration::from_secs(20)))
}

/// Serves what comes in by a door until [`Sources::stop`]; streams end with it. Every request goes
/// through the gate.
///
/// # Errors
///
/// When the door fails.
pub async fn serve(door: Door, routes: Routes, sources: &Sources) -> Result<(), ServeError> {
    let incoming = door.open(sources.gate.clone());
    let stop = sources.stop.clone();
    let serving = server()
        .layer(GateLayer {
            gate: sources.gate.clone(),
            calls: sources.flows.calls().clone(),
        })
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, stop.clone().wait());
    Ok(stop.drain(serving).await?)
}
