//! [`unreachable`]: the error of a host that cannot be reached.

use std::io::{self, ErrorKind};

use super::address::Address;

/// Returns the error of a host that cannot be reached, with the URL, the system's reason, and advice.
///
/// ```
/// use amqp_proto::client::{Address, unreachable};
/// use std::io::{self, ErrorKind};
///
/// let address: Address = "amqp://me:secret@localhost".parse()?;
/// let refused = io::Error::from(ErrorKind::ConnectionRefused);
/// assert_eq!(
///     unreachable(&address, &refused).to_string(),
///     "cannot connect to amqp://localhost:5672: connection refused; \
///      is the broker running, and is this its port?"
/// );
/// # Ok::<(), amqp_proto::client::AddressError>(())
/// ```
pub fn unreachable(address: &Address, error: &io::Error) -> io::Error {
    let kind = error.kind();
    let hint = match kind {
        ErrorKind::ConnectionRefused => "; is the broker running, and is this its port?",
        ErrorKind::TimedOut => "; is the host up, and does a firewall let the port through?",
        // std has no kind for names that are not found.
        _ if error.raw_os_error().is_none() && kind != ErrorKind::NotFound => "; is the host's name right?",
        _ => "",
    };
    io::Error::new(kind, format!("cannot connect to {address}: {error}{hint}"))
}
