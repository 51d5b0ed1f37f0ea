//! [`Adapter`]: the handles that an adapter gives its users.

use core::fmt;

use super::coordinator::Coordinator;
use super::receiver::Receiver;
use super::sender::Sender;
use super::session::Session;
use super::wake::Wake;

/// The waiters and the handles of an adapter.
///
/// An adapter's handles wait as its runtime does, and wrap the handles of this module; [`handles`](super::handles)
/// implements the wrapping.
pub trait Adapter: fmt::Debug + 'static {
    /// The task or thread that waits.
    type Waiter: Wake;
    /// The handle of a session.
    type Session: From<Session<Self::Waiter>> + fmt::Debug;
    /// The handle of a link on which this end sends.
    type Sender: From<Sender<Self::Waiter>> + fmt::Debug;
    /// The handle of a link on which this end receives.
    type Receiver: From<Receiver<Self::Waiter>> + fmt::Debug;
    /// The handle of a control link to this end's coordinator of transactions.
    type Coordinator: From<Coordinator<Self::Waiter>> + fmt::Debug;
}

/// Implements the wrapping for an adapter's handles, which are tuple structs of a handle of this module: conversions
/// and dereferencing. So methods that do not wait stand once, with their docs; those that wait are associated
/// functions here, and so no methods of the adapter's handle.
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

/// Defines the methods of an adapter's `Connection` or `Session` that return builders of links.
#[doc(hidden)]
#[macro_export]
macro_rules! __link_builders {
    ($handle:ident) => {
        /// Returns a builder of a link that sends to this address.
        pub fn sender(&self, address: impl Into<$crate::types::Str>) -> SenderBuilder {
            let settings = $crate::client::SenderSettings::to(address);
            SenderBuilder { home: $crate::driver::$handle::home(self), settings }
        }

        /// Returns a builder of a link to the anonymous relay, which sends each message to its `to` address, if the
        /// peer supports that.
        pub fn anonymous_sender(&self) -> SenderBuilder {
            let settings = $crate::client::SenderSettings::to_anybody();
            SenderBuilder { home: $crate::driver::$handle::home(self), settings }
        }

        /// Returns a builder of a link that receives from this address.
        pub fn receiver(&self, address: impl Into<$crate::types::Str>) -> ReceiverBuilder {
            let settings = $crate::client::ReceiverSettings::from(address);
            ReceiverBuilder { home: $crate::driver::$handle::home(self), settings }
        }

        /// Returns a builder of a link that receives from a node which the peer creates for the link.
        pub fn dynamic_receiver(&self) -> ReceiverBuilder {
            let settings = $crate::client::ReceiverSettings::from_dynamic();
            ReceiverBuilder { home: $crate::driver::$handle::home(self), settings }
        }
    };
}

pub use {__handles as handles, __link_builders as link_builders};
