//! [`log_frames`]: the log of frames.

use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;

use super::host::Host;
use crate::connection::Connection;
#[cfg(feature = "tracing")]
use crate::machine::TracedFrame;

/// The environment variable that users of Qpid Proton know.
const VARIABLE: &str = "PN_TRACE_FRM";
/// The tracing target of frames.
#[cfg(feature = "tracing")]
const TARGET: &str = "amqp::frame";

/// Makes a new connection log its frames, if the log is enabled:
///
/// * on standard error, if the environment has `PN_TRACE_FRM=1`, as for Qpid Proton (or `true`, `yes` or
///   `on`, in any case; any other value is off). Each frame is a line that begins with a name of the
///   connection, unique in the process, such as `[0x5d1a07c3f2be]:`;
/// * with the feature `tracing`, to subscribers that enable the target `amqp::frame` at the level trace. The
///   connection's [`span`](Connection::span) gets the same name, and the remote address.
///
/// A sent frame is logged when it is queued, so a program that ends without a close may have logged frames
/// that were not written. Both settings are read once, by this call. The log shows no credentials, see
/// [`TracedFrame`](crate::TracedFrame), and no message content, but it does show addresses and other fields.
pub fn log_frames(connection: &mut Connection, host: &Host, remote: Option<SocketAddr>) {
    let print = Some(host.print()).filter(|_| is_on(host.variable(VARIABLE)));
    let id = Id::new(host);
    #[cfg(feature = "tracing")]
    if show(connection, remote, id, print) {
        return;
    }
    let _ = remote;
    if let Some(print) = print {
        connection.set_trace(move |frame| print(&line(id, frame)));
    }
}

/// Names the connection's span. Returns `true` if a subscriber gets the frames; they are also printed if
/// there is a `print`.
#[cfg(feature = "tracing")]
fn show(connection: &mut Connection, remote: Option<SocketAddr>, id: Id, print: Option<fn(&str)>) -> bool {
    let span = connection.span().clone();
    span.record("id", tracing::field::display(id));
    if let Some(remote) = remote {
        span.record("remote", tracing::field::display(remote));
    }
    if !tracing::enabled!(target: TARGET, tracing::Level::TRACE) {
        return false;
    }
    connection.set_trace(move |frame: &TracedFrame<'_>| {
        tracing::trace!(target: TARGET, parent: &span, "{frame}");
        if let Some(print) = print {
            print(&line(id, frame));
        }
    });
    true
}

/// Returns `true` if the variable's value enables the log.
fn is_on(value: Option<OsString>) -> bool {
    let yes = |value: &str| ["1", "true", "yes", "on"].iter().any(|yes| value.eq_ignore_ascii_case(yes));
    value.is_some_and(|value| value.to_str().is_some_and(yes))
}

/// Returns the line of a frame in one piece, since other threads may print, too.
fn line(id: Id, frame: impl fmt::Display) -> String {
    format!("[{id}]: {frame}\n")
}

/// The name of a connection in a trace.
#[derive(Debug, Clone, Copy)]
struct Id(u64);

impl Id {
    /// The number of bits in the addresses that Proton prints.
    const BITS: u32 = 48;

    /// Returns a random name. Without random numbers, connections have the same name.
    fn new(host: &Host) -> Self {
        Self(host.random().map_or(0, u64::from_ne_bytes) >> (u64::BITS - Self::BITS))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#014x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::{Host, Id, is_on};

    #[test]
    fn the_words_for_yes_are_protons() {
        for yes in ["1", "true", "yes", "on", "TRUE", "Yes"] {
            assert!(is_on(Some(yes.into())), "{yes}");
        }
        for no in ["", "0", "false", "2", "no", " 1", "onn"] {
            assert!(!is_on(Some(no.into())), "{no}");
        }
        assert!(!is_on(None));
    }

    #[test]
    fn names_are_random_and_as_long_as_addresses() {
        let name = |fill| Id::new(&Host::new(fill, |_| None, |_| {})).to_string();
        assert_eq!(
            name(|octets| {
                octets.fill(0xab);
                Ok(())
            }),
            "0xabababababab"
        );
        assert_eq!(
            name(|octets| {
                octets.fill(0);
                Ok(())
            }),
            "0x000000000000"
        );
        assert_eq!(name(|_| Err(ErrorKind::Unsupported.into())), "0x000000000000");
    }
}
