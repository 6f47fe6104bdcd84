//! The codec of `GetFlows`: a stored record goes straight into tonic's send buffer.

use std::sync::Arc;

use flowd_proto::observer::GetFlowsRequest;
use parking_lot::Mutex;
use prost::Message;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf};

use super::super::stream::Outgoing;
use crate::observe::wire::Encoder;

/// Bytes gathered before a frame is sent; a stream that runs dry sends what it has.
const BUFFER: usize = 128 * 1024;

/// Where a request's handler leaves the encoder that its mask asks for.
pub(super) type Slot = Arc<Mutex<Option<Encoder>>>;

/// One per request.
pub(super) struct FlowsCodec(pub(super) Slot);

impl Codec for FlowsCodec {
    type Encode = Outgoing;
    type Decode = GetFlowsRequest;
    type Encoder = FlowsEncoder;
    type Decoder = RequestDecoder;

    fn encoder(&mut self) -> FlowsEncoder {
        FlowsEncoder(self.0.lock().take())
    }

    fn decoder(&mut self) -> RequestDecoder {
        RequestDecoder
    }
}

pub(super) struct FlowsEncoder(Option<Encoder>);

impl tonic::codec::Encoder for FlowsEncoder {
    type Item = Outgoing;
    type Error = Status;

    fn encode(&mut self, item: Outgoing, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        let Some(encoder) = &mut self.0 else {
            return Err(Status::internal("a flow before its request was understood"));
        };
        match item {
            Outgoing::Flow(flow) => encoder.response(&flow, into),
            Outgoing::Lost(lost) => encoder.lost(lost, into),
        }
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(BUFFER, BUFFER)
    }
}

pub(super) struct RequestDecoder;

impl Decoder for RequestDecoder {
    type Item = GetFlowsRequest;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<GetFlowsRequest>, Status> {
        GetFlowsRequest::decode(from)
            .map(Some)
            .map_err(|error| Status::invalid_argument(format!("invalid request: {error}")))
    }
}
