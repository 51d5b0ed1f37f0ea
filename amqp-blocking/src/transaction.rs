//! [`Transaction`]: work that is done as a whole or not at all.

use std::thread::Thread as Waiter;

use amqp_proto::driver;

use crate::sender::Sender;
use crate::sent::Sent;
use crate::session::Session;
use crate::wait::ready;

/// A transaction: messages that are sent in it become available at its commit, and outcomes that are given in it apply
/// then. Dropping it rolls it back, without waiting.
///
/// ```no_run
/// use amqp_blocking::Connection;
///
/// let connection = Connection::open("amqp://localhost")?;
/// let session = connection.session()?;
/// let orders = session.receiver("orders").attach()?;
/// let invoices = session.sender("invoices").attach()?;
///
/// let transaction = session.transaction()?;
/// let order = orders.recv()?.expect("the link is open");
/// transaction.send(&invoices, "invoice for order 1")?;
/// transaction.accept(order)?;
/// transaction.commit()?;
/// # Ok::<(), amqp_blocking::Error>(())
/// ```
#[derive(Debug)]
pub struct Transaction(pub(crate) driver::Transaction<Waiter>);

driver::skin::transaction!();
