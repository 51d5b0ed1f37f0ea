//! Floor 5: commands, as short-lived views of what a key names.

mod delivery;
mod link;
mod receiver;
mod sender;
mod session;

pub use delivery::DeliveryRef;
pub use receiver::ReceiverMut;
pub use sender::SenderMut;
pub use session::SessionMut;
