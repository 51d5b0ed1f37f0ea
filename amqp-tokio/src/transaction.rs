//! [`Transaction`]: work that is done as a whole or not at all.

use std::task::Waker as Waiter;

use amqp_proto::driver;

use crate::sender::Sender;
use crate::sent::Sent;
use crate::session::Session;

/// A transaction: messages that are sent in it become available at its commit, and outcomes that are given in it apply
/// then. Dropping it rolls it back, without waiting.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> amqp_tokio::Result<()> {
/// # let connection = amqp_tokio::broker::Broker::new()?.connect().await?;
/// # connection.sender("orders").await?.send("order 1").await?;
/// let session = connection.session().await?;
/// let orders = session.receiver("orders").await?;
/// let invoices = session.sender("invoices").await?;
///
/// let transaction = session.transaction().await?;
/// let order = orders.recv().await?.expect("the link is open");
/// transaction.send(&invoices, "invoice for order 1").await?;
/// transaction.accept(order)?;
/// transaction.commit().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Transaction(pub(crate) driver::Transaction<Waiter>);

driver::skin::transaction!(async);
