//! [`WriteHere`]: the way in which a waiter writes output itself.

use alloc::boxed::Box;
use core::fmt;
use std::io::{self, ErrorKind};

use super::write_buffer::WriteBuffer;

/// A function by which a waiter writes output itself, without waiting. That saves a switch to the driver and back: most
/// of the time that one message takes which is sent alone.
pub struct WriteHere {
    write: Box<Write>,
    is_beside_driver: bool,
}

type Write = dyn Fn(&mut WriteBuffer) -> io::Result<()> + Send + Sync;

impl WriteHere {
    /// Wraps a function with which a waiter writes while the driver sleeps. A driver that is awake collects the output
    /// of several tasks, and writes it once.
    ///
    /// Octets that the function cannot write at once stay in the buffer; an error of the kind `WouldBlock` or `TimedOut`
    /// says so.
    pub fn new(write: impl Fn(&mut WriteBuffer) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self { write: Box::new(write), is_beside_driver: false }
    }

    /// Lets waiters write while the driver is awake, too, as a driver that pauses before it writes.
    pub fn beside_driver(self) -> Self {
        Self { is_beside_driver: true, ..self }
    }

    pub(super) fn writes_beside_driver(&self) -> bool {
        self.is_beside_driver
    }

    /// Writes as much as possible at once.
    pub(super) fn write(&self, write_buffer: &mut WriteBuffer) -> io::Result<()> {
        match (self.write)(write_buffer) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(()),
            written => written,
        }
    }
}

impl fmt::Debug for WriteHere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteHere").field("is_beside_driver", &self.is_beside_driver).finish_non_exhaustive()
    }
}
