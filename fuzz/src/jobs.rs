//! [`Job`]: what a task of an application waits for, and [`Call`]: what it does without waiting.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Waker;

use amqp_proto::client::{Outgoing, ReceiverSettings, ReplayLimits, SenderSettings};
use amqp_proto::config::{SendOptions, SessionOptions};
use amqp_proto::driver::{
    Connection, Delivery, Ending, Home, MessageWriter, Queued, Receiver, Sender, Sent, Session,
};
use amqp_proto::policy::Recovery;
use amqp_proto::wire::{AmqpError, Condition, DeliveryState};
use arbitrary::Arbitrary;
use bytes::Bytes;

use crate::peer::{Pick, Verdict};
use crate::tasks::Progress;

/// The way in which a link goes on after a loss.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum After {
    Report,
    Replay,
    Resume,
}

impl From<After> for Recovery {
    fn from(after: After) -> Self {
        match after {
            After::Report => Self::Report,
            After::Replay => Self::Replay,
            After::Resume => Self::Resume,
        }
    }
}

/// A task that waits.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum Job {
    Open,
    Status,
    Closed,
    Close,
    CloseWith,
    Begin,
    End(Pick),
    /// Attaches a sender, which keeps at most so many messages.
    Sender(Option<Pick>, After, u8),
    Receiver(Option<Pick>, After, u8),
    Send(Pick, u16, bool),
    Sendable(Pick),
    Written(Pick),
    Outcomes(Pick),
    Write(Pick, u16),
    Receive(Pick, Option<Verdict>),
    Stream(Pick),
    Drain(Pick),
    Stop(Pick),
    Settled(Pick),
    EndSender(Pick, bool),
    EndReceiver(Pick, bool),
    SenderClosed(Pick),
    ReceiverClosed(Pick),
}

/// A call that does not wait.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum Call {
    TrySend(Pick),
    TryReceive(Pick),
    Dispose(Pick, Verdict),
    Credit(Pick, u8),
    AddCredit(Pick, u8),
    Available(Pick, u8),
    Drained(Pick),
    DropConnection,
    DropSession(Pick),
    DropSender(Pick),
    DropReceiver(Pick),
    DropSent(Pick),
}

/// The handles of the application.
#[derive(Default)]
pub struct Handles {
    pub connection: Option<Connection<Waker>>,
    pub sessions: Vec<Session<Waker>>,
    pub senders: Vec<Sender<Waker>>,
    pub receivers: Vec<Receiver<Waker>>,
    pub deliveries: Vec<Delivery<Waker>>,
    pub sent: Vec<Sent<Waker>>,
}

impl Handles {
    /// Returns the place for a link.
    fn home(&self, session: Option<Pick>) -> Option<Home<Waker>> {
        match session {
            Some(pick) => pick.of(&self.sessions).map(|session| Session::home(&session)),
            None => self.connection.as_ref().map(Connection::home),
        }
    }
}

/// The handles, shared by tasks.
pub type Shared = Rc<RefCell<Handles>>;

/// Waits for the end of a job. Returns `None` if there is no handle for it, or it has failed.
pub async fn work(all: &Shared, job: Job, progress: &Progress) -> Option<()> {
    match job {
        Job::Open | Job::Status | Job::Closed | Job::Close | Job::CloseWith | Job::Begin => {
            let connection = all.borrow().connection.clone()?;
            on_connection(all, job, &connection, progress).await
        }
        Job::End(pick) => {
            let session = pick.of(&all.borrow().sessions)?;
            Session::end(&session, None).await.ok()
        }
        Job::Sender(session, after, most) => {
            let home = all.borrow().home(session)?;
            let mut settings = SenderSettings::to("node");
            settings.recovery = after.into();
            settings.replay = ReplayLimits { messages: u32::from(most).max(1), octets: 1 << 16 };
            let sender = Sender::attach(&home, &settings).ok()?;
            drop(home);
            Sender::attached(&sender).await.ok()?;
            all.borrow_mut().senders.push(sender);
            Some(())
        }
        Job::Receiver(session, after, prefetch) => {
            let home = all.borrow().home(session)?;
            let mut settings = ReceiverSettings::from("node");
            settings.recovery = after.into();
            settings.options = settings.options.with_prefetch(prefetch.into());
            let receiver = Receiver::attach(&home, &settings).ok()?;
            drop(home);
            Receiver::attached(&receiver).await.ok()?;
            all.borrow_mut().receivers.push(receiver);
            Some(())
        }
        Job::Send(pick, ..)
        | Job::Sendable(pick)
        | Job::Written(pick)
        | Job::Outcomes(pick)
        | Job::Write(pick, _)
        | Job::EndSender(pick, _)
        | Job::SenderClosed(pick) => {
            let sender = pick.of(&all.borrow().senders)?;
            on_sender(all, job, &sender, progress).await
        }
        Job::Receive(pick, _)
        | Job::Stream(pick)
        | Job::Drain(pick)
        | Job::Stop(pick)
        | Job::EndReceiver(pick, _)
        | Job::ReceiverClosed(pick) => {
            let receiver = pick.of(&all.borrow().receivers)?;
            on_receiver(all, job, &receiver, progress).await
        }
        Job::Settled(pick) => {
            let (receiver, key) = {
                let all = all.borrow();
                let at = usize::from(pick.0).checked_rem(all.deliveries.len())?;
                let delivery = all.deliveries.get(at)?;
                (delivery.receiver(), delivery.key())
            };
            Receiver::settled(&receiver, key).await.ok()
        }
    }
}

async fn on_connection(
    all: &Shared,
    job: Job,
    connection: &Connection<Waker>,
    progress: &Progress,
) -> Option<()> {
    match job {
        Job::Open => Connection::opened(connection).await.ok(),
        Job::Status => {
            let mut changes = Connection::changes(connection);
            while poll_fn(|context| changes.poll(context.waker())).await.is_some() {
                progress.step();
            }
            Some(())
        }
        Job::Closed => {
            drop(Connection::closed(connection).await);
            Some(())
        }
        Job::Close => Connection::close(connection).await.ok(),
        Job::CloseWith => {
            Connection::close_with(connection, AmqpError::new(Condition::InternalError)).await.ok()
        }
        _ => {
            let session = Connection::begin(connection, SessionOptions::new()).ok()?;
            Session::begun(&session).await.ok()?;
            all.borrow_mut().sessions.push(session);
            Some(())
        }
    }
}

async fn on_sender(all: &Shared, job: Job, sender: &Sender<Waker>, progress: &Progress) -> Option<()> {
    match job {
        Job::Send(_, octets, is_settled) => {
            let message = Outgoing::from(vec![0; octets.into()]).with_settled(is_settled);
            let sent = match Sender::queue_and_wait(sender, message).ok()? {
                Queued::Sent(sent) => sent,
                Queued::Waiting(turn) => turn.await.ok()?,
            };
            progress.step();
            poll_fn(|context| Sent::poll_outcome(&sent, context.waker())).await.ok().map(drop)
        }
        Job::Sendable(_) => Sender::sendable(sender).await.ok(),
        Job::Written(_) => Sender::written(sender).await.ok(),
        Job::Outcomes(_) => {
            let mut outcomes = Sender::outcomes(sender);
            while poll_fn(|context| outcomes.poll(context.waker())).await.is_some() {
                progress.step();
            }
            Some(())
        }
        Job::Write(_, octets) => {
            let mut writer = Sender::begin(sender, SendOptions::new()).await.ok()?;
            progress.step();
            let octets = Bytes::from(vec![0; octets.into()]);
            for _ in 0..2 {
                poll_fn(|context| MessageWriter::poll_data(&mut writer, context.waker(), &octets))
                    .await
                    .ok()?;
                progress.step();
            }
            let sent = MessageWriter::finish(writer).ok()?;
            all.borrow_mut().sent.push(sent);
            Some(())
        }
        Job::EndSender(_, is_closed) => Sender::end(sender, ending(is_closed)).await.ok(),
        _ => {
            drop(Sender::closed(sender).await);
            Some(())
        }
    }
}

async fn on_receiver(all: &Shared, job: Job, receiver: &Receiver<Waker>, progress: &Progress) -> Option<()> {
    match job {
        Job::Receive(_, verdict) => {
            let delivery = Receiver::recv(receiver).await.ok()??;
            keep(all, delivery, verdict);
            Some(())
        }
        Job::Stream(_) => {
            let mut next = Receiver::next(receiver);
            while let Some(Ok(delivery)) = poll_fn(|context| next.poll(context.waker())).await {
                progress.step();
                keep(all, delivery, None);
            }
            Some(())
        }
        Job::Drain(_) => Receiver::drain(receiver).ok()?.await.ok(),
        Job::Stop(_) => Receiver::stop_before_close(receiver).ok()?.await.ok(),
        Job::EndReceiver(_, is_closed) => Receiver::end(receiver, ending(is_closed)).await.ok(),
        _ => {
            drop(Receiver::closed(receiver).await);
            Some(())
        }
    }
}

/// Tells the outcome of a delivery, or keeps it.
fn keep(all: &Shared, delivery: Delivery<Waker>, verdict: Option<Verdict>) {
    match verdict {
        Some(verdict) => dispose(delivery, verdict),
        None => all.borrow_mut().deliveries.push(delivery),
    }
}

fn dispose(delivery: Delivery<Waker>, verdict: Verdict) {
    // A delivery whose link has ended has no outcome any more.
    let _ = match verdict.outcome() {
        Some(outcome) => delivery.dispose(&DeliveryState::from(outcome)),
        None => delivery.settle(),
    };
}

fn ending(is_closed: bool) -> Ending {
    if is_closed { Ending::Close(None) } else { Ending::Detach }
}

/// Makes a call. Returns `None` if there is no handle for it, or it is refused.
pub fn call(all: &Shared, call: Call) -> Option<()> {
    // A handle that is dropped wakes tasks, which use the handles later.
    let mut all = all.borrow_mut();
    match call {
        Call::TrySend(pick) => {
            let sent = pick.of(&all.senders)?;
            let sent = Sender::try_send(&sent, "try").ok()?;
            all.sent.push(sent);
            Some(())
        }
        Call::TryReceive(pick) => {
            let delivery = pick.of(&all.receivers)?.try_recv().ok()??;
            all.deliveries.push(delivery);
            Some(())
        }
        Call::Dispose(pick, verdict) => {
            dispose(pick.take(&mut all.deliveries)?, verdict);
            Some(())
        }
        Call::Credit(pick, messages) => pick.of(&all.receivers)?.set_credit(messages.into()).ok(),
        Call::AddCredit(pick, messages) => pick.of(&all.receivers)?.add_credit(messages.into()).ok(),
        Call::Available(pick, messages) => pick.of(&all.senders)?.set_available(messages.into()).ok(),
        Call::Drained(pick) => pick.of(&all.senders)?.drained().ok(),
        Call::DropConnection => all.connection.take().map(drop),
        Call::DropSession(pick) => pick.take(&mut all.sessions).map(drop),
        Call::DropSender(pick) => pick.take(&mut all.senders).map(drop),
        Call::DropReceiver(pick) => pick.take(&mut all.receivers).map(drop),
        Call::DropSent(pick) => pick.take(&mut all.sent).map(drop),
    }
}
