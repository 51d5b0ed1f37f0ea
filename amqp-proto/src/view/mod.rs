//! Commands, as methods of short-lived views of sessions, links and deliveries.

mod delivery;
mod link;
mod receiver;
mod sender;
mod session;

pub use delivery::DeliveryRef;
pub use receiver::ReceiverMut;
pub use sender::SenderMut;
pub use session::SessionMut;
