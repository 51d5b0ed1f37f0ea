//! The parts of an adapter that need no IO: addresses, options, TLS and SASL settings, and errors.
//!
//! [`Address`] is a URL in its parts, and [`Addresses`] are those of a cluster. [`ConnectionOptions`] make the engine of a client, [`Acceptor`] that of a
//! server; both decide which SASL mechanisms are allowed over which transport. [`Outgoing`] is a message with
//! its send options. [`Error`] is the error of an adapter's call. [`log_frames`] logs frames. The module does no
//! IO and does not wait: a [`Host`] passes in what it needs of the operating system.

mod acceptor;
mod address;
mod address_error;
mod addresses;
mod close_reason;
#[cfg(feature = "json")]
mod connect_file;
mod dial_plan;
mod error;
mod frame_log;
mod host;
mod kind;
mod link_setters;
mod link_settings;
mod memory_pool;
mod options;
mod outgoing;
mod peer;
mod racing;
#[cfg_attr(not(feature = "driver"), allow(dead_code))] // the driver has the links
mod terminus_store;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "tls")]
mod tls_headers;
#[cfg(feature = "tls")]
mod tls_layer;
#[cfg(feature = "tls")]
mod tls_provider;
mod unreachable;
#[cfg(feature = "websocket")]
mod websocket;
#[cfg(feature = "websocket")]
mod websocket_error;

/// The time that a closing receiver waits for its sender to stop.
#[doc(hidden)]
pub const STOP_BEFORE_CLOSE: core::time::Duration = core::time::Duration::from_millis(500);

pub use acceptor::Acceptor;
pub use address::Address;
pub use address_error::{AddressError, UrlError};
pub use addresses::{Addresses, AddressesError};
pub use close_reason::CloseReason;
#[cfg(feature = "json")]
pub use connect_file::{ConnectFile, ConnectFileError};
pub use dial_plan::{DialPlan, DialStep};
pub use error::{Error, Result};
pub use frame_log::log_frames;
pub use host::Host;
pub use kind::ErrorKind;
#[doc(hidden)]
pub use link_setters::link_setters;
#[doc(hidden)]
pub use link_settings::LinkState;
pub use link_settings::{ReceiverSettings, ReplayLimits, SenderSettings, whole_seconds};
pub use memory_pool::MemoryPool;
pub use options::ConnectionOptions;
pub use outgoing::Outgoing;
pub use peer::Peer;
pub use racing::{STAGGER, take_turns};
#[cfg(feature = "tls")]
pub use rustls;
pub use terminus_store::TerminusStore;
#[cfg(feature = "driver")]
pub(crate) use terminus_store::{Attachment, Claim};
#[cfg(feature = "tls")]
pub use tls::{ClientTls, ClientTlsBuilder, ServerTls, ServerTlsBuilder, SystemRoots, tls_failure};
#[cfg(feature = "tls")]
pub use tls_headers::TlsHeaders;
#[cfg(feature = "tls")]
pub use tls_layer::TlsLayer;
pub use unreachable::unreachable;
#[cfg(feature = "websocket")]
pub use websocket::WebSocketOptions;
#[cfg(feature = "websocket")]
pub use websocket_error::WebSocketError;
