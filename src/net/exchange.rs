use std::io;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use futures_util::stream;
use reqwest::{Client, Request, Response};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{HttpFault, Step, Timeouts};

/// How many pieces of a body wait between the thread that reads it and the connection.
const WAITING: usize = 2;

/// One request and its answer, with the calling thread as the one that reads the body.
pub(crate) struct Exchange<'a> {
    pub(crate) runtime: &'a Handle,
    pub(crate) client: &'a Client,
    pub(crate) timeouts: Timeouts,
    pub(crate) host: &'a str,
    pub(crate) step: &'a Step,
    /// How long the answer is waited for, if that is less than usual.
    pub(crate) patience: Option<Duration>,
}

type Answer = Result<Response, HttpFault>;

impl Exchange<'_> {
    /// Sends a request whose body is at hand.
    pub(crate) fn send(&self, request: Request) -> Answer {
        let mut task = self.start(request);
        let answer = self.wait(&mut task);
        task.abort();
        answer
    }

    /// Sends a request whose body `produce` pushes piece by piece, on this thread.
    pub(crate) fn send_streamed(&self, mut request: Request, produce: impl FnOnce(&mut Feed<'_>) -> io::Result<()>) -> Answer {
        let (sender, receiver) = mpsc::channel::<io::Result<Bytes>>(WAITING);
        let pieces = stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|piece| (piece, receiver)) });
        *request.body_mut() = Some(reqwest::Body::wrap_stream(pieces));
        let task = self.start(request);
        let mut feed = Feed { exchange: self, sender: Some(sender), task, outcome: None, pushed: 0 };
        let produced = produce(&mut feed);
        let answer = feed.finish(produced);
        feed.task.abort();
        answer
    }

    fn start(&self, request: Request) -> JoinHandle<Answer> {
        let host = self.host.to_owned();
        let answer = self.client.execute(request);
        self.runtime.spawn(async move { answer.await.map_err(|error| HttpFault::of(error, &host)) })
    }

    fn wait(&self, task: &mut JoinHandle<Answer>) -> Answer {
        let usual = self.timeouts.answer + self.timeouts.connect;
        let limit = self.patience.map_or(usual, |patience| patience.min(usual));
        match self.step.wait(self.runtime, limit, (self.host, "has not answered in full"), task) {
            Ok(joined) => joined.unwrap_or_else(|_| Err(self.broken("the request was cancelled"))),
            Err(waited) => Err(self.silent("did not answer in full", waited)),
        }
    }

    fn silent(&self, what: &'static str, waited: Duration) -> HttpFault {
        HttpFault::Silent { host: self.host.to_owned(), what, waited }
    }

    fn broken(&self, detail: &str) -> HttpFault {
        HttpFault::Broken { host: self.host.to_owned(), detail: detail.to_owned() }
    }
}

/// Where the pieces of a body go.
pub(crate) struct Feed<'a> {
    exchange: &'a Exchange<'a>,
    sender: Option<mpsc::Sender<io::Result<Bytes>>>,
    task: JoinHandle<Answer>,
    outcome: Option<Answer>,
    pushed: usize,
}

impl Feed<'_> {
    /// Sends a piece, and waits while the connection takes none.
    ///
    /// # Errors
    /// When there is nobody to send it to any more; the reason is kept for the end.
    pub(crate) fn push(&mut self, piece: Bytes) -> io::Result<()> {
        let over = || io::Error::from(io::ErrorKind::BrokenPipe);
        let sender = self.sender.clone().ok_or_else(over)?;
        let timeouts = self.exchange.timeouts;
        // Before the first piece is taken, the connection is made.
        let limit = if self.pushed > WAITING { timeouts.stall } else { timeouts.stall + timeouts.connect };
        self.pushed += 1;
        let task = &mut self.task;
        let step = async {
            match select(pin!(sender.reserve()), task).await {
                Either::Left((Ok(permit), _)) => {
                    permit.send(Ok(piece));
                    None
                }
                // The body is not wanted any more: the answer follows, or the reason why there is none.
                Either::Left((Err(_), task)) => Some(task.await),
                Either::Right((joined, _)) => Some(joined),
            }
        };
        let server = (self.exchange.host, "has taken no more bytes");
        let step = match self.exchange.step.wait(self.exchange.runtime, limit, server, step) {
            Ok(step) => step,
            Err(waited) => {
                self.outcome = Some(Err(self.exchange.silent("accepted no more data", waited)));
                return Err(over());
            }
        };
        match step {
            None => Ok(()),
            Some(joined) => {
                self.outcome = Some(joined.unwrap_or_else(|_| Err(self.exchange.broken("the request was cancelled"))));
                Err(over())
            }
        }
    }

    fn finish(&mut self, produced: io::Result<()>) -> Answer {
        let sender = self.sender.take();
        if let Some(outcome) = self.outcome.take() {
            return outcome;
        }
        if let Err(error) = produced {
            // Without an error, a body of unknown length would seem complete.
            let cut = async { timeout(Duration::from_secs(1), async { sender?.send(Err(io::Error::other("cut"))).await.ok() }).await };
            // The request is given up anyway.
            let _ = self.exchange.runtime.block_on(cut);
            return Err(HttpFault::Source(error));
        }
        drop(sender);
        self.exchange.wait(&mut self.task)
    }
}

impl io::Write for Feed<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        self.push(Bytes::copy_from_slice(buffer))?;
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
