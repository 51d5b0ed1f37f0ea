//! [`Script`]: a peer that says what is written down, and knows to the octet what it wants to hear.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use bytes::Buf;

use super::literal::{Literal, octets};
use crate::connection::Connection;
use crate::machine::Event;
use crate::types::Moment;

/// A scripted peer: octets to send and octets to expect.
///
/// Octets are written by hand, as hexadecimal digits or as [`Literal`]s. They do not pass through this crate's codec,
/// so a script finds mistakes that encoder and decoder share. [`run`](Self::run) plays the script against a
/// [`Connection`] and reports the first difference. The application may act between two scripts.
///
/// ```
/// use amqp_proto::config::Options;
/// use amqp_proto::testing::{Script, close, open};
/// use amqp_proto::types::{Limits, Moment};
/// use amqp_proto::{Connection, Event};
///
/// let mut client = Connection::client(Options::new("client"), Moment::START);
/// let events = Script::new()
///     .expect_hex("414d5150 00010000")
///     .expect(open("client").null().uint(65_536).ushort(255))
///     .send_hex("414d5150 00010000")
///     .send(open("server"))
///     .run(&mut client)?;
/// assert_eq!(events, [Event::Opened]);
///
/// client.close();
/// let events = Script::new().expect(close()).send(close()).run(&mut client)?;
/// assert!(matches!(events[..], [Event::Closed(_)]));
/// # Ok::<(), amqp_proto::testing::Difference>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Script {
    steps: Vec<Step>,
}

#[derive(Debug, Clone)]
struct Step {
    name: String,
    octets: Vec<u8>,
    is_expected: bool,
}

impl Script {
    /// Returns an empty script.
    pub const fn new() -> Self {
        Self { steps: Vec::new() }
    }

    /// Adds a step that sends a frame.
    #[must_use]
    pub fn send(self, frame: Literal) -> Self {
        self.step(frame.to_string(), frame.to_octets(), false)
    }

    /// Adds a step that sends octets, given as hexadecimal digits.
    #[must_use]
    pub fn send_hex(self, hex: &str) -> Self {
        self.step("octets".to_string(), octets(hex), false)
    }

    /// Adds a step that expects exactly this frame.
    #[must_use]
    pub fn expect(self, frame: Literal) -> Self {
        self.step(frame.to_string(), frame.to_octets(), true)
    }

    /// Adds a step that expects exactly these octets, given as hexadecimal digits.
    #[must_use]
    pub fn expect_hex(self, hex: &str) -> Self {
        self.step("octets".to_string(), octets(hex), true)
    }

    /// Names the last step.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        if let Some(step) = self.steps.last_mut() {
            step.name = name.to_string();
        }
        self
    }

    fn step(mut self, name: String, octets: Vec<u8>, is_expected: bool) -> Self {
        self.steps.push(Step { name, octets, is_expected });
        self
    }

    /// Plays the script against a connection and returns the events of the connection.
    ///
    /// # Errors
    ///
    /// The first difference between the script and the connection's output. Output beyond the script is one, too.
    pub fn run(&self, connection: &mut Connection) -> Result<Vec<Event>, Difference> {
        let mut events = Vec::new();
        self.run_with(connection, |_, event| events.push(event))?;
        Ok(events)
    }

    /// Plays the script against a connection and calls `application` with each event.
    ///
    /// # Errors
    ///
    /// See [`run`](Self::run).
    pub fn run_with(
        &self,
        connection: &mut Connection,
        mut application: impl FnMut(&mut Connection, Event),
    ) -> Result<(), Difference> {
        let mut poll = |connection: &mut Connection| {
            while let Some(event) = connection.poll_event() {
                application(connection, event);
            }
        };
        poll(connection);
        for (at, step) in self.steps.iter().enumerate() {
            if step.is_expected {
                let written = taken(connection, step.octets.len());
                if written != step.octets {
                    let name = format!("step {}, {}", at + 1, step.name);
                    return Err(Difference { step: name, wanted: step.octets.clone(), written });
                }
            } else {
                connection.receive(Moment::START, &step.octets);
            }
            poll(connection);
        }
        match taken(connection, usize::MAX) {
            written if written.is_empty() => Ok(()),
            written => {
                Err(Difference { step: "silence at the end".to_string(), wanted: Vec::new(), written })
            }
        }
    }
}

/// Takes this number of octets from the output, or fewer if there are fewer.
fn taken(connection: &mut Connection, octets: usize) -> Vec<u8> {
    let mut output = connection.output();
    let octets = octets.min(output.remaining());
    output.copy_to_bytes(octets).into()
}

/// The first step of a script that the connection did not follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    step: String,
    wanted: Vec<u8>,
    written: Vec<u8>,
}

impl Difference {
    /// Returns the name of the step that failed.
    pub fn step(&self) -> &str {
        &self.step
    }

    /// Returns the octets that the script expected.
    pub fn wanted(&self) -> &[u8] {
        &self.wanted
    }

    /// Returns the octets that the connection wrote instead: at most as many as expected, or all if none were
    /// expected.
    pub fn written(&self) -> &[u8] {
        &self.written
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let same = self.wanted.iter().zip(&self.written).take_while(|(a, b)| a == b).count();
        write!(f, "{}: differs from octet {same} on\n  wanted  ", self.step)?;
        self.wanted.iter().try_for_each(|octet| write!(f, "{octet:02x}"))?;
        f.write_str("\n  written ")?;
        self.written.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl core::error::Error for Difference {}
