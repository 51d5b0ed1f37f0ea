//! [`Coordinator`]: the end of transactions that peers declare.

use std::task::Waker as Waiter;

use amqp_proto::driver;

/// A control link of a peer, by which it declares and discharges transactions at this end. Dropping it closes the link,
/// and rolls its transactions back.
///
/// [`OfferedReceiver::accept_coordinator`](crate::OfferedReceiver::accept_coordinator) returns it, for a link whose target
/// is a coordinator.
#[derive(Debug)]
pub struct Coordinator(pub(crate) driver::Coordinator<Waiter>);

driver::skin::coordinator!(async);
