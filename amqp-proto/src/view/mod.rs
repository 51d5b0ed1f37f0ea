//! Commands, as methods of short-lived views of sessions, links, deliveries and transactions.

mod delivery;
mod link;
mod receiver;
mod sender;
mod session;
mod transaction;

pub use delivery::DeliveryRef;
pub use receiver::ReceiverMut;
pub use sender::SenderMut;
pub use session::SessionMut;
pub use transaction::TransactionMut;
