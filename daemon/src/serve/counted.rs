//! Calls of gRPC as they pass: messages both ways, how each ended, how long it took.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::body::Body;
use tonic::{Code, Status};

use crate::metrics::calls::UnderWay;

/// Bytes before a message: whether it is compressed, and its length.
const HEAD: usize = 5;

/// Finds where messages begin in the parts that a body comes in.
#[derive(Debug, Default)]
struct Messages {
    head: [u8; HEAD],
    known: usize,
    left: usize,
}

impl Messages {
    /// How many begin in this part.
    fn begin_in(&mut self, mut part: &[u8]) -> u64 {
        let mut begun = 0;
        while !part.is_empty() {
            if self.left > 0 {
                let passed = self.left.min(part.len());
                self.left -= passed;
                part = &part[passed..];
                continue;
            }
            let taken = (HEAD - self.known).min(part.len());
            self.head[self.known..self.known + taken].copy_from_slice(&part[..taken]);
            self.known += taken;
            part = &part[taken..];
            if self.known == HEAD {
                let [_, length @ ..] = self.head;
                self.left = u32::from_be_bytes(length) as usize;
                self.known = 0;
                begun += 1;
            }
        }
        begun
    }
}

/// What a client sends.
struct Asked {
    body: Body,
    messages: Messages,
    call: UnderWay,
}

/// What it is sent. A body that is dropped before its end was cancelled.
struct Answered {
    body: Body,
    messages: Messages,
    call: UnderWay,
    began: Instant,
    /// Its end is not counted yet.
    open: bool,
}

/// Counts the messages of a request.
pub(super) fn request(request: Request<Body>, call: &UnderWay) -> Request<Body> {
    request.map(|body| {
        Body::new(Asked {
            body,
            messages: Messages::default(),
            call: call.clone(),
        })
    })
}

/// Counts the messages of an answer and its end.
pub(super) fn response(response: Response<Body>, call: UnderWay, began: Instant) -> Response<Body> {
    // An answer without a message has its status among the headers.
    let code = Status::from_header_map(response.headers()).map(|status| status.code());
    if let Some(code) = code {
        call.end(code.into(), began.elapsed());
    }
    response.map(|body| {
        Body::new(Answered {
            body,
            messages: Messages::default(),
            call,
            began,
            open: code.is_none(),
        })
    })
}

type Polled = Poll<Option<Result<Frame<Bytes>, Status>>>;

impl HttpBody for Asked {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            let begun = self.messages.begin_in(data);
            self.call.received(begun);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Answered {
    fn end(&mut self, code: Code) {
        if std::mem::take(&mut self.open) {
            self.call.end(code.into(), self.began.elapsed());
        }
    }
}

impl HttpBody for Answered {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    let begun = self.messages.begin_in(data);
                    self.call.sent(begun);
                } else if let Some(trailers) = frame.trailers_ref() {
                    let status = Status::from_header_map(trailers);
                    self.end(status.map_or(Code::Unknown, |status| status.code()));
                }
            }
            Some(Err(status)) => {
                let code = status.code();
                self.end(code);
            }
            None => self.end(Code::Unknown),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_however_their_parts_are_cut() {
        let lengths = [0_u32, 1, 300, 7, 0];
        let mut whole = Vec::new();
        for length in lengths {
            whole.push(0);
            whole.extend(length.to_be_bytes());
            whole.extend(vec![9; length as usize]);
        }
        for size in 1..=whole.len() {
            let mut messages = Messages::default();
            let begun = whole.chunks(size).map(|part| messages.begin_in(part));
            assert_eq!(begun.sum::<u64>(), lengths.len() as u64, "{size}");
            assert_eq!((messages.known, messages.left), (0, 0), "{size}");
        }
    }
}
