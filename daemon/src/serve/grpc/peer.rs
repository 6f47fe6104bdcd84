//! `peer.Peer`: this node, so that a relay finds and uses it.

use std::pin::Pin;
use std::task::{Context, Poll};

use flowd_proto::peer::peer_server::Peer;
use flowd_proto::peer::{ChangeNotification, ChangeNotificationType, NotifyRequest, Tls};
use futures_core::Stream;
use tonic::{Request, Response, Status};

use super::Options;
use crate::serve::Sources;
use crate::serve::stop::Stopped;

pub(super) struct PeerService {
    sources: Sources,
    options: Options,
}

impl PeerService {
    pub(super) const fn new(sources: Sources, options: Options) -> Self {
        Self { sources, options }
    }
}

#[tonic::async_trait]
impl Peer for PeerService {
    type NotifyStream = Ourselves;

    async fn notify(&self, _: Request<NotifyRequest>) -> Result<Response<Ourselves>, Status> {
        Ok(Response::new(Ourselves {
            first: Some(ChangeNotification {
                name: self.sources.directory.load().node_name.clone(),
                address: self.options.address.clone(),
                r#type: ChangeNotificationType::PeerAdded as i32,
                tls: self
                    .options
                    .tls_server_name
                    .clone()
                    .map(|server_name| Tls { server_name }),
            }),
            stopped: self.sources.stop.watch(),
        }))
    }
}

/// One notification, then nothing until the server stops: a relay takes an end for a failure.
pub(super) struct Ourselves {
    first: Option<ChangeNotification>,
    stopped: Stopped,
}

impl Stream for Ourselves {
    type Item = Result<ChangeNotification, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(Ok(first))),
            None => self.stopped.poll(context).map(|()| None),
        }
    }
}
