//! [`unreachable`]: the error of a host that was not reached.

use std::io::{self, ErrorKind};

use super::address::Address;

/// Makes the error of a host that was not reached: it names the URL, the system's reason, and the first thing to look at.
///
/// ```
/// use amqp_proto::client::{Address, unreachable};
/// use std::io::{self, ErrorKind};
///
/// let address: Address = "amqp://me:secret@localhost".parse()?;
/// let error = unreachable(&address, &io::Error::from(ErrorKind::ConnectionRefused));
/// assert_eq!(
///     error.to_string(),
///     "cannot connect to amqp://localhost:5672: connection refused; is the broker running, and is this its port?"
/// );
/// # Ok::<(), amqp_proto::client::AddressError>(())
/// ```
pub fn unreachable(address: &Address, error: &io::Error) -> io::Error {
    let kind = error.kind();
    let hint = match kind {
        ErrorKind::ConnectionRefused => "; is the broker running, and is this its port?",
        ErrorKind::TimedOut => "; is the host up, and does a firewall let the port through?",
        // Names that are not found have no kind of their own in std.
        _ if error.raw_os_error().is_none() && kind != ErrorKind::NotFound => "; is the host's name right?",
        _ => "",
    };
    io::Error::new(kind, format!("cannot connect to {address}: {error}{hint}"))
}
