//! [`OutgoingStream`]: a message that is sent in pieces.

use std::task::Waker;

use amqp_proto::client::Result;
use amqp_proto::driver;
use bytes::Bytes;

use crate::sent::Sent;
use crate::wait::ready;

/// A message that is sent while it is made. Dropped unfinished, it is aborted: the receiver drops what it has of it.
#[derive(Debug)]
pub struct OutgoingStream(pub(crate) driver::MessageWriter<Waker>);

impl OutgoingStream {
    /// Adds octets to the message, encoded as the standard has it; waits while enough of it is not written.
    ///
    /// Dropped before it is done, this has added nothing.
    pub async fn write(&mut self, octets: impl Into<Bytes>) -> Result<()> {
        ready(self.0.write(octets)?).await
    }

    /// The message is complete: its outcome is to come.
    pub fn finish(self) -> Result<Sent> {
        self.0.finish().map(Sent)
    }

    /// Gives the message up.
    pub fn abort(self) -> Result<()> {
        self.0.abort()
    }
}
