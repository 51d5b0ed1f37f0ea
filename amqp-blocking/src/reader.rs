//! [`MessageReader`]: reads a message while it arrives.

use std::io::{self, Read};
use std::thread::Thread as Waiter;

use amqp_proto::driver;

use crate::wait::parked;

/// A message that is read while it arrives, in pieces of its encoding. Octets that are not read yet close the
/// session's window.
///
/// A reader that is dropped without an outcome releases the message, and the rest is not read; see
/// [`Delivery`](crate::Delivery). [`OnDrop::Accept`](crate::config::OnDrop) accepts a message only if it was read to
/// its end. The reader also implements [`Read`] of the encoding.
#[derive(Debug)]
#[must_use = "a message that is dropped with nothing decided is released"]
pub struct MessageReader(pub(crate) driver::MessageReader<Waiter>);

driver::skin::message_reader!();

impl Read for MessageReader {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        parked(|me| driver::MessageReader::poll_octets(&mut self.0, me, space))
    }
}
