//! [`HOST`]: what connections need of the operating system.

use std::io::{self, Write};

use amqp_proto::client::Host;

/// The start of the clock that all connections share.
static START: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);

pub(crate) const HOST: Host = Host::new(
    |octets| Ok(getrandom::fill(octets)?),
    |variable| std::env::var_os(variable),
    |line| drop(io::stderr().write_all(line.as_bytes())),
)
.with_clock(|| amqp_proto::types::Moment::START + START.elapsed());

/// Reads the certificates that the system trusts.
#[cfg(feature = "tls")]
pub(crate) fn system_roots() -> amqp_proto::client::SystemRoots {
    let found = rustls_native_certs::load_native_certs();
    amqp_proto::client::SystemRoots::new(found.certs, found.errors)
}
