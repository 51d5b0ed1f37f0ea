//! The names of the modules `client` and `driver` that every adapter has at its root.

/// Writes the re-exports of an adapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __face {
    () => {
        pub use $crate::client::{
            Acceptor, Address, AddressError, CloseReason, ConnectionOptions, Error, ErrorKind, MemoryPool,
            Outgoing, Peer, Result, TerminusStore,
        };
        #[cfg(feature = "tls")]
        pub use $crate::client::{ClientTls, ClientTlsBuilder, ServerTls, ServerTlsBuilder, rustls};
        #[cfg(feature = "json")]
        pub use $crate::client::{ConnectFile, ConnectFileError};
        pub use $crate::driver::{Resumed, Status, Stopped};
    };
}

pub use __face as face;
