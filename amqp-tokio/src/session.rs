//! [`Session`]: the handle of one, and sessions and links that the peer begins.

use std::task::Waker;

use amqp_proto::client::{ReceiverSettings, Result, SenderSettings};
use amqp_proto::config::SessionOptions;
use amqp_proto::driver;
use amqp_proto::types::Str;
use amqp_proto::wire::Begin;

use crate::offered::OfferedLink;
use crate::receiver_builder::ReceiverBuilder;
use crate::sender_builder::SenderBuilder;
use crate::wait::ready;

/// A session of a connection. Cheap to clone.
///
/// It ends by [`end`](Self::end), or when the last handle of it and of its links is dropped.
#[derive(Debug, Clone)]
pub struct Session(pub(crate) driver::Session<Waker>);

impl Session {
    /// Returns a link to send to this address. A builder, to be awaited.
    pub fn sender(&self, address: impl Into<Str>) -> SenderBuilder {
        SenderBuilder::new(self.0.home(), SenderSettings::to(address))
    }

    /// Makes the builder of a link that sends each message to where it is addressed `to`, by a peer that can do that
    /// (the anonymous relay).
    pub fn anonymous_sender(&self) -> SenderBuilder {
        SenderBuilder::new(self.0.home(), SenderSettings::to_anybody())
    }

    /// Returns a link to receive from this address. A builder, to be awaited.
    pub fn receiver(&self, address: impl Into<Str>) -> ReceiverBuilder {
        ReceiverBuilder::new(self.0.home(), ReceiverSettings::from(address))
    }

    /// Makes the builder of a link that receives from a node that the peer makes for it.
    pub fn dynamic_receiver(&self) -> ReceiverBuilder {
        ReceiverBuilder::new(self.0.home(), ReceiverSettings::from_dynamic())
    }

    /// Returns the next link that the peer attaches; `None` when the session is over without an error.
    pub async fn next_link(&self) -> Result<Option<OfferedLink>> {
        Ok(ready(self.0.next_link()).await?.map(OfferedLink::from))
    }

    /// Ends the session, and waits until the peer has answered.
    pub async fn end(&self) -> Result<()> {
        ready(self.0.end(None)).await
    }

    /// Ends the session, and says why.
    pub async fn end_with(&self, error: impl Into<amqp_proto::wire::AmqpError>) -> Result<()> {
        ready(self.0.end(Some(error.into()))).await
    }

    /// Returns the peer's begin; `None` before it is in, and after the end.
    pub fn peer_begin(&self) -> Option<Begin> {
        self.0.peer_begin()
    }
}

/// A session that the peer has begun, to be accepted or refused. Dropping it refuses it.
#[derive(Debug)]
pub struct OfferedSession(pub(crate) driver::OfferedSession<Waker>);

impl OfferedSession {
    /// Returns the peer's begin.
    pub fn peer_begin(&self) -> Option<Begin> {
        self.0.peer_begin()
    }

    /// Accepts it, with the default options.
    pub fn accept(self) -> Result<Session> {
        self.accept_with(&SessionOptions::new())
    }

    /// Accepts it.
    pub fn accept_with(self, options: &SessionOptions) -> Result<Session> {
        self.0.accept(options.clone()).map(Session)
    }

    /// Refuses it, saying why.
    pub fn refuse(self, error: impl Into<amqp_proto::wire::AmqpError>) -> Result<()> {
        self.0.refuse(error)
    }
}
