//! [`Pump`]: moves octets between a hub and a non-blocking stream.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use super::hub::Hub;
use super::layer::Layer;
use super::state::State;
use super::wake::Wake;
use super::write_buffer::WriteBuffer;
#[cfg(feature = "tls")]
use crate::client::TlsLayer;
use crate::machine::Reading;
use crate::types::Moment;

/// The size of a read.
const BUFFER: usize = 16 << 10;
/// The number of reads after which other work has its turn.
const ROUNDS: u32 = 16;
/// The time for the stream to take the last output after its connection has ended.
const LINGER: Duration = Duration::from_secs(10);

/// The loop of a driver for a non-blocking stream, without the waiting. Any runtime that tells when a stream can be
/// read or written drives a [`Hub`] with it.
///
/// [`turn`](Self::turn) writes and reads as much as is possible and useful now, and returns what to wait for. A
/// driver repeats that until the connection is over. Dropping the pump earlier ends the connection, so that no handle
/// waits for ever.
///
/// One pump serves a hub as long as its connection lives. If a [`Dialer`](super::Dialer) opens a lost connection again,
/// the driver goes on with the same pump and the new stream.
///
/// # Examples
///
/// ```no_run
/// use std::io;
/// use std::net::TcpStream;
/// use std::sync::Arc;
/// use std::thread::{self, Thread};
/// use std::time::Duration;
///
/// use amqp_proto::driver::{Hub, Pump};
///
/// // A driver that looks at its socket a thousand times a second.
/// fn drive(hub: Arc<Hub<Thread>>, mut socket: TcpStream) -> io::Result<()> {
///     socket.set_nonblocking(true)?;
///     let mut pump = Pump::new(hub);
///     while pump.turn(&mut socket, &thread::current()).is_some() {
///         thread::park_timeout(Duration::from_millis(1));
///     }
///     Ok(())
/// }
/// ```
pub struct Pump<W: Wake> {
    hub: Arc<Hub<W>>,
    layer: Layer,
    /// Output that the stream did not take, or that a handshake holds back.
    output: Option<WriteBuffer>,
    /// `true` if the stream has to be writable first.
    is_blocked: bool,
    /// The end of the time for the last output, once the stream has not taken it.
    linger: Option<Moment>,
    space: Vec<u8>,
}

/// The events that a driver waits for, besides being woken by its hub. Any of them is a reason for another
/// [`turn`](Pump::turn), and a turn without a reason is harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Interest {
    /// The stream can be read.
    pub readable: bool,
    /// The stream can be written.
    pub writable: bool,
    /// This time has come.
    pub deadline: Option<Moment>,
}

impl<W: Wake> Pump<W> {
    /// Returns the pump of a hub. A hub has one.
    pub fn new(hub: Arc<Hub<W>>) -> Self {
        let space = vec![0; BUFFER];
        Self { hub, layer: Layer::Clear, output: None, is_blocked: false, linger: None, space }
    }

    /// Puts TLS between the hub and the stream. The handshake may be over or not. Another stream needs TLS of its own.
    ///
    /// The engine should know that the stream is encrypted, so that passwords may be sent: see
    /// [`ConnectionOptions::client`](crate::client::ConnectionOptions::client).
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_tls(mut self, tls: impl Into<TlsLayer>) -> Self {
        self.layer = Layer::tls(tls.into());
        self
    }

    /// Writes and reads until the stream would block, and returns what to wait for. Returns `None` if the connection
    /// is over and its output is written or cannot be written: the driver then closes the stream.
    ///
    /// The hub wakes `driver` when a handle makes output. An error of the stream ends the connection; the errors of the
    /// handles have it.
    pub fn turn(&mut self, stream: &mut (impl Read + Write), driver: &W) -> Option<Interest> {
        for _ in 0..ROUNDS {
            let (reading, is_through) = self.hub.drive(|state| {
                state.run();
                (self.layer.reading(state), state.is_through())
            });
            if is_through {
                self.finish(stream);
                return None;
            }
            let has_read = reading == Reading::Wanted && self.read(stream);
            self.write(stream);
            if !has_read && let Some(interest) = self.sleep(driver) {
                return Some(interest);
            }
        }
        let now = self.hub.drive(|state| state.now());
        Some(Interest { readable: false, writable: false, deadline: Some(now) })
    }

    /// Reads what the peer has said before it stopped reading, and ends the connection.
    fn finish(&mut self, stream: &mut (impl Read + Write)) {
        self.linger = None;
        #[cfg(feature = "tls")]
        self.layer.close(stream);
        for _ in 0..ROUNDS {
            if self.hub.drive(|state| state.reading()) != Reading::Wanted || !self.read(stream) {
                break;
            }
        }
        self.hub.drive(|state| {
            state.end_of_input(None);
            state.set_done();
        });
    }

    /// Reads once. Returns `false` if there is nothing to read.
    fn read(&mut self, stream: &mut impl Read) -> bool {
        match stream.read(&mut self.space) {
            Ok(0) => self.layer.end(&self.hub),
            Ok(octets) => self.layer.receive(self.space.get(..octets).unwrap_or_default(), &self.hub),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => self.hub.drive(|state| state.end_of_input(Some(error))),
        }
        true
    }

    /// Writes output until the stream would block. After the connection has ended, the rest is lost in the end.
    fn write(&mut self, stream: &mut impl Write) {
        let mut output = self.output.take().or_else(|| self.hub.drive(State::take_outlet));
        let written = self.layer.write(output.as_mut(), stream);
        self.is_blocked = written.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
        let Some(mut output) = output else {
            if !self.is_blocked
                && let Err(error) = written
            {
                self.hub.drive(|state| state.end_of_input(Some(error)));
            }
            return;
        };
        let is_held_back = written.is_ok() && !output.is_empty();
        self.hub.drive(|state| {
            let has_time = match state.is_over() {
                false => true,
                // A handshake has its time before the connection ends, a full stream behind it.
                true => {
                    self.is_blocked && {
                        let now = state.now();
                        now < *self.linger.get_or_insert(now + LINGER)
                    }
                }
            };
            if has_time && (self.is_blocked || is_held_back) {
                self.output = Some(output);
                return;
            }
            output.flushed();
            let failure = if is_held_back { Some(ErrorKind::NotConnected.into()) } else { written.err() };
            state.put_back(output, failure);
        });
    }

    /// Returns what to wait for, unless there is something to do.
    fn sleep(&mut self, driver: &W) -> Option<Interest> {
        self.hub.drive(|state| {
            if state.has_work() || state.is_through() {
                return None;
            }
            let deadline = state.next_deadline().into_iter().chain(self.linger).min();
            state.sleep(driver, deadline);
            let readable = self.layer.reading(state) == Reading::Wanted;
            Some(Interest { readable, writable: self.is_blocked, deadline })
        })
    }
}

impl<W: Wake> Drop for Pump<W> {
    fn drop(&mut self) {
        let output = self.output.take();
        self.hub.drive(|state| {
            if let Some(output) = output {
                state.put_back(output, None);
            }
            state.end_of_input(None);
            state.discard_output();
            state.set_done();
            // A lost connection is not opened again.
            state.abandon();
        });
    }
}

impl<W: Wake> fmt::Debug for Pump<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pump").field("is_blocked", &self.is_blocked).finish_non_exhaustive()
    }
}
