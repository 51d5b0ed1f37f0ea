//! [`Session`]: a sequence of frames of its own.

use std::thread::Thread;

use amqp_proto::client::{ReceiverSettings, Result, SenderSettings};
use amqp_proto::driver;
use amqp_proto::types::Str;
use amqp_proto::wire::{self, Begin};

use crate::offered::OfferedLink;
use crate::receiver_builder::ReceiverBuilder;
use crate::sender_builder::SenderBuilder;
use crate::wait::ready;

/// A session of a connection: its links share windows, and an error in one of them may end it. Clones are handles to
/// the same one, for any thread.
///
/// One that this end has begun is ended by [`end`](Self::end), or when the last handle to it, or to a link on it, is
/// dropped.
#[derive(Debug, Clone)]
pub struct Session(pub(crate) driver::Session<Thread>);

impl Session {
    /// Returns a link to the node with this address; to be attached.
    pub fn sender(&self, address: impl Into<Str>) -> SenderBuilder {
        SenderBuilder::new(self.0.home(), SenderSettings::to(address))
    }

    /// Makes the builder of a link that sends each message to where it is addressed `to`, by a peer that can do that
    /// (the anonymous relay).
    pub fn anonymous_sender(&self) -> SenderBuilder {
        SenderBuilder::new(self.0.home(), SenderSettings::to_anybody())
    }

    /// Returns a link from the node with this address; to be attached.
    pub fn receiver(&self, address: impl Into<Str>) -> ReceiverBuilder {
        ReceiverBuilder::new(self.0.home(), ReceiverSettings::from(address))
    }

    /// Makes the builder of a link that receives from a node that the peer makes for it.
    pub fn dynamic_receiver(&self) -> ReceiverBuilder {
        ReceiverBuilder::new(self.0.home(), ReceiverSettings::from_dynamic())
    }

    /// Waits for the peer to attach a link; `None` when the session is over without an error.
    pub fn next_link(&self) -> Result<Option<OfferedLink>> {
        Ok(ready(self.0.next_link())?.map(OfferedLink::from))
    }

    /// Returns the peer's begin; `None` once the session is over.
    pub fn peer_begin(&self) -> Option<Begin> {
        self.0.peer_begin()
    }

    /// Ends the session, and waits until the peer has answered. Ok if it was over before without an error.
    pub fn end(&self) -> Result<()> {
        ready(self.0.end(None))
    }

    /// Ends the session, and says why.
    pub fn end_with(&self, error: impl Into<wire::AmqpError>) -> Result<()> {
        ready(self.0.end(Some(error.into())))
    }
}
