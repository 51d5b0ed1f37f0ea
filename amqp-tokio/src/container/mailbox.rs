//! [`Mailbox`]: what the task of a container has to look at next.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use amqp_proto::handler::{self, ConnectionKey, ListenerKey};

use super::Stopped;

/// What may be in a mailbox.
pub(super) enum Mail {
    /// Something may be ready.
    Ready(Source),
    /// Something is to be done as the handler would.
    Work(Work),
    /// The container is to end.
    Stop,
}

pub(super) type Work = Box<dyn FnOnce(&mut handler::Context<'_>) + Send>;

/// What a container waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Socket(ConnectionKey),
    Listener(ListenerKey),
    /// A transport that is being made.
    Arrival(u64),
}

/// Mail for the task of a container, in order. So it looks only at what may be ready, however much there is that is
/// not.
#[derive(Default)]
pub(super) struct Mailbox {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    mails: VecDeque<Mail>,
    task: Option<Waker>,
    is_over: bool,
}

/// How many mails are taken before the handler is told what has come of them, at most.
const ENOUGH: usize = 64;

impl Mailbox {
    /// Puts something in, unless nobody will look any more.
    pub(super) fn put(&self, mail: Mail) -> Result<(), Stopped> {
        let mut state = self.lock();
        if state.is_over {
            return Err(Stopped);
        }
        state.mails.push_back(mail);
        let task = state.task.take();
        drop(state);
        task.into_iter().for_each(Waker::wake);
        Ok(())
    }

    /// Takes what there is, or has the task woken when there is something.
    pub(super) fn poll_take(&self, context: &mut Context<'_>) -> Poll<Vec<Mail>> {
        let mut state = self.lock();
        if state.mails.is_empty() {
            let spent = state.task.replace(context.waker().clone());
            drop(state);
            drop(spent);
            return Poll::Pending;
        }
        let most = state.mails.len().min(ENOUGH);
        Poll::Ready(state.mails.drain(..most).collect())
    }

    /// Nobody will look any more.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.is_over = true;
        let unread = std::mem::take(&mut state.mails);
        drop(state);
        drop(unread);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in there can panic half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mailbox with {} mails", self.lock().mails.len())
    }
}

/// Puts mail from a source when it is woken.
struct Bell {
    source: Source,
    mailbox: Arc<Mailbox>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Where the container has ended, nobody has to know.
        let _ = self.mailbox.put(Mail::Ready(self.source));
    }
}

/// A waker that says what it was that woke the container.
pub(super) fn bell(mailbox: &Arc<Mailbox>, source: Source) -> Waker {
    Arc::new(Bell { source, mailbox: Arc::clone(mailbox) }).into()
}
