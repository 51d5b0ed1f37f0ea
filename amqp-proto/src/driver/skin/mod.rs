//! The methods of an adapter's handles that wait, written and documented once.
//!
//! Each macro writes the methods of one noun. With `async` they are asynchronous, and waits are awaited; without it
//! they wait by the adapter's own `ready` and `parked`. These, and the type `Waiter` of a task or a thread, are in scope
//! where the macro is used.

mod builders;
mod connection;
mod container;
mod face;
mod listener;
mod pieces;
mod receiver;
mod receiver_set;
mod requests;
mod sender;
#[cfg(feature = "tls")]
mod tls;
mod transaction;

pub use builders::builder;
pub use connection::{adapter, connection, session};
pub use container::container;
pub use face::face;
pub use listener::listener;
pub use pieces::{message_reader, message_writer};
pub use receiver::receiver;
pub use receiver_set::receiver_set;
pub use requests::{requester, responder};
pub use sender::{sender, sent};
#[cfg(feature = "tls")]
pub use tls::tls_headers;
pub use transaction::{coordinator, transaction};

/// Waits for what a handle of the driver returns.
#[doc(hidden)]
#[macro_export]
macro_rules! __wait {
    (async $wait:expr) => {
        $wait.await
    };
    ($wait:expr) => {
        ready($wait)
    };
}

/// Calls a method of the adapter's own.
#[doc(hidden)]
#[macro_export]
macro_rules! __call {
    (async $call:expr) => {
        $call.await
    };
    ($call:expr) => {
        $call
    };
}

/// Polls with the waiter until it is ready.
#[doc(hidden)]
#[macro_export]
macro_rules! __poll {
    (async |$waiter:ident| $poll:expr) => {
        ::core::future::poll_fn(|context| {
            let $waiter = context.waker();
            $poll
        })
        .await
    };
    (|$waiter:ident| $poll:expr) => {
        parked(|$waiter| $poll)
    };
}

/// Documents what a future does that is dropped early.
#[doc(hidden)]
#[macro_export]
macro_rules! __cancel {
    (async $text:literal) => {
        ::core::concat!("\n# Cancel safety\n\n", $text)
    };
    ($text:literal) => {
        ""
    };
}

pub use {__call as call, __cancel as cancel, __poll as poll, __wait as wait};
