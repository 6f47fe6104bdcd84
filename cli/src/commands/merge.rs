//! The answers of several servers as one, in the order of their times.

use std::sync::Arc;
use std::time::Duration;

use flowd_proto::observer::observer_client::ObserverClient;
use flowd_proto::observer::{GetFlowsRequest, GetFlowsResponse};
use tokio::sync::Notify;
use tokio::sync::mpsc::{self, error::TryRecvError};
use tokio::time::{Instant, timeout_at};

use super::channel;
use crate::args::ServerArgs;
use crate::client::MAX_ANSWER;
use crate::failure::Failure;

/// Answers of one server that wait for those of the others.
const QUEUE: usize = 256;
/// How long an answer is held back for servers that are silent, which they are when nothing
/// happens there.
const PATIENCE: Duration = Duration::from_millis(500);

/// What comes next.
pub(super) enum Next {
    /// An answer.
    Answer(Box<GetFlowsResponse>),
    /// A server that will say no more, and why.
    Gone(String, Failure),
    /// All servers have said everything.
    End,
}

/// An answer and when it came.
type Heard = (Instant, Result<GetFlowsResponse, Failure>);

/// Several answers, merged.
pub(super) struct Merge {
    sources: Vec<Source>,
    follow: bool,
    heard: Arc<Notify>,
}

struct Source {
    server: String,
    answers: mpsc::Receiver<Heard>,
    head: Option<(Instant, GetFlowsResponse)>,
    open: bool,
}

impl Source {
    /// Looks at what the server said last; a failure ends it.
    fn look(&mut self) -> Option<Failure> {
        if self.head.is_some() || !self.open {
            return None;
        }
        match self.answers.try_recv() {
            Ok((at, Ok(answer))) => self.head = Some((at, answer)),
            Ok((_, Err(failure))) => {
                self.open = false;
                return Some(failure);
            }
            Err(TryRecvError::Disconnected) => self.open = false,
            Err(TryRecvError::Empty) => {}
        }
        None
    }

    fn time(&self) -> Option<(i64, i32)> {
        let (_, answer) = self.head.as_ref()?;
        answer.time.map(|time| (time.seconds, time.nanos))
    }
}

impl Merge {
    /// Asks every server at once.
    pub(super) fn ask(servers: Vec<ServerArgs>, request: &GetFlowsRequest) -> Self {
        let heard = Arc::new(Notify::new());
        let sources = servers.into_iter().map(|server| {
            let (sender, answers) = mpsc::channel(QUEUE);
            let (name, request) = (server.address(), request.clone());
            let notify = Arc::clone(&heard);
            tokio::spawn(async move {
                if let Err(failure) = read(&server, request, &sender, &notify).await {
                    // Nobody listens any more when the command has ended.
                    let _ = sender.send((Instant::now(), Err(failure))).await;
                }
                drop(sender);
                notify.notify_one();
            });
            Source {
                server: name,
                answers,
                head: None,
                open: true,
            }
        });
        Self {
            sources: sources.collect(),
            follow: request.follow,
            heard,
        }
    }

    /// The earliest of what the servers have said, once all have said something. Where flows are
    /// followed, a silent server is waited for only for a moment. Can be given up and called again.
    pub(super) async fn next(&mut self) -> Next {
        loop {
            for source in &mut self.sources {
                if let Some(failure) = source.look() {
                    return Next::Gone(source.server.clone(), failure);
                }
            }
            let silent = self.sources.iter().any(|s| s.open && s.head.is_none());
            let heads = self.sources.iter_mut().filter(|s| s.head.is_some());
            let first = heads.min_by_key(|source| source.time());
            let Some(first) = first else {
                if !silent {
                    return Next::End;
                }
                self.heard.notified().await;
                continue;
            };
            let until = first.head.as_ref().map(|(at, _)| *at + PATIENCE);
            let patient = until.filter(|until| silent && (!self.follow || Instant::now() < *until));
            match patient {
                Some(until) if self.follow => {
                    // Either way, there is something to look at.
                    let _ = timeout_at(until, self.heard.notified()).await;
                }
                Some(_) => self.heard.notified().await,
                None => {
                    if let Some((_, answer)) = first.head.take() {
                        return Next::Answer(Box::new(answer));
                    }
                }
            }
        }
    }
}

async fn read(
    server: &ServerArgs,
    request: GetFlowsRequest,
    sender: &mpsc::Sender<Heard>,
    notify: &Notify,
) -> Result<(), Failure> {
    let mut client =
        ObserverClient::new(channel(server).await?).max_decoding_message_size(MAX_ANSWER);
    let mut flows = client.get_flows(request).await?.into_inner();
    while let Some(answer) = flows.message().await? {
        if sender.send((Instant::now(), Ok(answer))).await.is_err() {
            break;
        }
        notify.notify_one();
    }
    Ok(())
}
