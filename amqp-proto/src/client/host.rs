//! [`Host`]: what connections need of the operating system.

use std::ffi::OsString;
use std::fmt;
use std::io;

use crate::types::Moment;

/// Provides what connections need of the operating system. An adapter passes it in, since this crate does no IO.
///
/// ```
/// use amqp_proto::client::Host;
///
/// // Numbers that anybody can guess, no environment, and no standard error.
/// let fill = |octets: &mut [u8]| Ok(octets.fill(7));
/// let host = Host::new(fill, |_variable| None, |_line| {});
/// assert_eq!(host.random::<2>()?, [7, 7]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Host {
    fill: fn(&mut [u8]) -> io::Result<()>,
    variable: fn(&str) -> Option<OsString>,
    print: fn(&str),
    clock: Option<fn() -> Moment>,
}

impl Host {
    /// Returns a host that fills buffers with unpredictable octets by `fill`, reads a variable of the
    /// environment by `variable`, and prints a whole line on standard error by `print`.
    pub const fn new(
        fill: fn(&mut [u8]) -> io::Result<()>,
        variable: fn(&str) -> Option<OsString>,
        print: fn(&str),
    ) -> Self {
        Self { fill, variable, print, clock: None }
    }

    /// Sets a clock that all connections share. A [`TerminusStore`](super::TerminusStore) keeps nothing without one.
    #[must_use]
    pub const fn with_clock(mut self, clock: fn() -> Moment) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Returns the clock that all connections share.
    pub(super) fn clock(&self) -> Option<fn() -> Moment> {
        self.clock
    }

    /// Returns unpredictable octets.
    ///
    /// # Errors
    ///
    /// The system's error, if it has no random numbers.
    pub fn random<const OCTETS: usize>(&self) -> io::Result<[u8; OCTETS]> {
        let mut octets = [0; OCTETS];
        (self.fill)(&mut octets)?;
        Ok(octets)
    }

    /// Returns a unique random name for a container, a link or a node.
    ///
    /// # Errors
    ///
    /// The system's error, if it has no random numbers.
    pub fn random_name(&self) -> io::Result<String> {
        Ok(format!("{:032x}", u128::from_ne_bytes(self.random()?)))
    }

    pub(super) fn variable(&self, name: &str) -> Option<OsString> {
        (self.variable)(name)
    }

    /// Returns the function that prints a line.
    pub(super) fn print(&self) -> fn(&str) {
        self.print
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Host")
    }
}
