//! The end of all streams: clients that follow would otherwise keep a draining server open.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;

/// How long a server may take to drain: a client that does not read cannot hold up the end.
const GRACE: Duration = Duration::from_secs(2);

/// Ends every stream that holds a [`Stop`]; dropping it does too.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

/// Tells that it is over.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

/// A pair.
pub fn stop() -> (Stopper, Stop) {
    let (sender, receiver) = watch::channel(false);
    (Stopper(sender), Stop(receiver))
}

impl Stopper {
    /// Ends the streams.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Waits for the end.
    pub async fn wait(mut self) {
        // An error means that the stopper is gone, which is the same.
        let _ = self.0.wait_for(|stopped| *stopped).await;
    }

    /// Runs a server that drains by itself once it is over, and leaves it when it does not.
    ///
    /// # Errors
    ///
    /// When the server fails.
    pub async fn drain<E>(self, serving: impl Future<Output = Result<(), E>>) -> Result<(), E> {
        let mut serving = pin!(serving);
        tokio::select! {
            ended = &mut serving => return ended,
            () = self.wait() => {}
        }
        tokio::time::timeout(GRACE, serving).await.unwrap_or(Ok(()))
    }

    /// A form that can be polled beside something else.
    pub fn watch(&self) -> Stopped {
        Stopped(WatchStream::new(self.0.clone()))
    }
}

/// See [`Stop::watch`].
#[derive(Debug)]
pub struct Stopped(WatchStream<bool>);

impl Stopped {
    /// Ready once it is over.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            match Pin::new(&mut self.0).poll_next(context) {
                Poll::Ready(Some(false)) => {}
                Poll::Ready(Some(true) | None) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
