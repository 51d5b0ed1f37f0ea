//! [`Requester`]: sends requests, and receives their replies.

use std::thread::Thread as Waiter;
use std::time::{Duration, Instant};

use amqp_proto::client::{Error, Result};
use amqp_proto::driver::{self, Queued};
use amqp_proto::message::Message;

use crate::connection::Connection;
use crate::receiver::{Delivery, Receiver};
use crate::sender::Sender;
use crate::wait::{parked, parked_until, ready, ready_by};

/// Sends requests to a service, and receives the replies at an address of its own. Clones are cheap and share the
/// links, for any thread; each waiting thread passes the replies of others on to them.
///
/// At most 65,536 requests can wait at a time; each takes about 100 octets.
///
/// ```no_run
/// use std::time::Duration;
///
/// use amqp_blocking::Connection;
///
/// let connection = Connection::open("amqp://localhost")?;
/// let requester = connection.requester("service")?;
/// let reply = requester.request_timeout("2 + 2", Duration::from_secs(5))?;
/// println!("{:?}", reply.message()?.body()?);
/// # Ok::<(), amqp_blocking::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Requester(pub(crate) driver::Requester<Waiter>);

driver::skin::requester!();

impl Requester {
    /// Sends a request, and waits for the reply for at most this time.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] if the reply has not arrived in time; it is then dropped when it arrives. Also those of
    /// [`request`](Self::request).
    pub fn request_timeout(&self, message: impl Into<Message>, span: Duration) -> Result<Delivery> {
        let by = Instant::now().checked_add(span);
        if let Some(renewed) = driver::Requester::renewed(self) {
            ready_by(renewed, by)?;
        }
        let (message, mut question) = driver::Requester::ask(self, message)?;
        question.set_sent(match driver::Requester::queue(self, &question, message)? {
            Queued::Sent(sent) => sent,
            Queued::Waiting(queued) => ready_by(queued, by)?,
        });
        parked_until(by, question.answer()).unwrap_or(Err(Error::TimedOut))
    }
}
