//! Output that is gathered while answers come, and shown when none does.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::time::timeout;

use crate::failure::Failure;

/// What comes next: at once when it is there; else what was gathered is flushed before the wait.
pub(super) async fn next<T>(
    coming: impl Future<Output = T>,
    flush: impl FnOnce() -> Result<(), Failure>,
) -> Result<T, Failure> {
    let mut coming = pin!(coming);
    match timeout(Duration::ZERO, &mut coming).await {
        Ok(next) => Ok(next),
        Err(_) => {
            flush()?;
            Ok(coming.await)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_gathered_is_shown_before_a_wait_and_only_then() {
        let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
        sender.send(1).await.expect("room");
        let flushed = || -> Result<(), Failure> { panic!("something is there") };
        let first = next(receiver.recv(), flushed).await;
        assert_eq!(first.expect("no flush"), Some(1));
        let second = next(receiver.recv(), || {
            sender.try_send(2).expect("room");
            Ok(())
        });
        assert_eq!(second.await.expect("flushed"), Some(2));
    }
}
