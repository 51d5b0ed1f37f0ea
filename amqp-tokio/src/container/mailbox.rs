//! [`Mailbox`]: what the task of a container has to look at next.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use amqp_proto::driver::Stopped;
use amqp_proto::handler::{self, ConnectionToken, ListenerToken};

/// The mail of a container.
pub(super) enum Mail {
    /// A source may be ready.
    Ready(Source),
    /// Work to do like a handler.
    Work(Work),
    /// The container must end.
    Stop,
}

pub(super) type Work = Box<dyn FnOnce(&mut handler::Context<'_>) + Send>;

/// A source of events that a container waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Socket(ConnectionToken),
    Listener(ListenerToken),
    /// A transport that is being connected or secured.
    Arrival(u64),
}

/// The mail of a container's task, in order. It names the sources that may be ready, so that the task does not look
/// at the others.
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

/// The largest number of mails that are taken before the handler gets its events.
const ENOUGH: usize = 64;

impl Mailbox {
    /// Adds mail, unless the container has ended.
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

    /// Takes all mail, or registers the task to be woken.
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

    /// Refuses mail from now on.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.is_over = true;
        let unread = std::mem::take(&mut state.mails);
        drop(state);
        drop(unread);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code under the lock can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mailbox with {} mails", self.lock().mails.len())
    }
}

/// Adds mail for a source when it is woken.
struct Bell {
    source: Source,
    mailbox: Arc<Mailbox>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // After the container has ended, the mail is not needed.
        let _ = self.mailbox.put(Mail::Ready(self.source));
    }
}

/// Returns a waker that names the source which woke the container.
pub(super) fn bell(mailbox: &Arc<Mailbox>, source: Source) -> Waker {
    Arc::new(Bell { source, mailbox: Arc::clone(mailbox) }).into()
}
