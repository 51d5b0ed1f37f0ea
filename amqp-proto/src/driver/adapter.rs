//! [`Adapter`]: the handles that an adapter gives its users.

use core::fmt;

use super::receiver::Receiver;
use super::sender::Sender;
use super::session::Session;
use super::wake::Wake;

/// Names the waiters and the handles of an adapter, for nouns here that lead to others.
///
/// An adapter's handles wait in the way of their runtime, and are made of the handles here: [`handles`](super::handles)
/// writes what that takes.
pub trait Adapter: fmt::Debug + 'static {
    /// The task or thread that waits.
    type Waiter: Wake;
    /// The handle of a session.
    type Session: From<Session<Self::Waiter>> + fmt::Debug;
    /// The handle of a link on which this end sends.
    type Sender: From<Sender<Self::Waiter>> + fmt::Debug;
    /// The handle of a link on which this end receives.
    type Receiver: From<Receiver<Self::Waiter>> + fmt::Debug;
}

/// Has an adapter's handles, tuples of a handle here, made of it and dereferenced to it. So what does not wait is
/// written and documented once; what waits is an associated function here, and so no method of the adapter's handle.
#[doc(hidden)]
#[macro_export]
macro_rules! __handles {
    ($waiter:ty: $($handle:ident)*) => {$(
        impl ::core::convert::From<$crate::driver::$handle<$waiter>> for $handle {
            fn from(handle: $crate::driver::$handle<$waiter>) -> Self {
                Self(handle)
            }
        }

        impl ::core::ops::Deref for $handle {
            type Target = $crate::driver::$handle<$waiter>;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }
    )*};
}

/// Writes the methods of an adapter's `Connection` or `Session` that make builders of links.
#[doc(hidden)]
#[macro_export]
macro_rules! __link_builders {
    ($handle:ident) => {
        /// Returns the builder of a link to send to this address.
        pub fn sender(&self, address: impl Into<$crate::types::Str>) -> SenderBuilder {
            let settings = $crate::client::SenderSettings::to(address);
            SenderBuilder { home: $crate::driver::$handle::home(self), settings }
        }

        /// Returns the builder of a link that sends each message to where it is addressed `to`, by a peer that can do
        /// that (the anonymous relay).
        pub fn anonymous_sender(&self) -> SenderBuilder {
            let settings = $crate::client::SenderSettings::to_anybody();
            SenderBuilder { home: $crate::driver::$handle::home(self), settings }
        }

        /// Returns the builder of a link to receive from this address.
        pub fn receiver(&self, address: impl Into<$crate::types::Str>) -> ReceiverBuilder {
            let settings = $crate::client::ReceiverSettings::from(address);
            ReceiverBuilder { home: $crate::driver::$handle::home(self), settings }
        }

        /// Returns the builder of a link to receive from a node that the peer makes for it.
        pub fn dynamic_receiver(&self) -> ReceiverBuilder {
            let settings = $crate::client::ReceiverSettings::from_dynamic();
            ReceiverBuilder { home: $crate::driver::$handle::home(self), settings }
        }
    };
}

pub use {__handles as handles, __link_builders as link_builders};
