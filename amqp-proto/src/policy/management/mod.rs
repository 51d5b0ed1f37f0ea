//! [`Management`]: requests to the management node of RabbitMQ 4, and their answers.

mod answer;
mod request;

pub use answer::{ManagementAnswer, ManagementError, QueueInfo};
pub use request::{Binding, ExchangeOptions, ManagementRequest, QueueOptions};

use super::correlator::{Correlator, RequestError};
use crate::config::{ReceiverOptions, SenderOptions};
use crate::message::Message;
use crate::types::{Fields, Moment};
use crate::wire::{SenderSettleMode, Source, Target};

/// The requests to the management node of RabbitMQ 4 that wait for answers, each with a value of the application.
///
/// Requests and answers need a pair of links of the same name: attach a receiver with
/// [`receiver_options`](Self::receiver_options), then a sender with [`sender_options`](Self::sender_options), both
/// with the same name and on the same session. The builders of amqp-tokio and amqp-blocking take the same settings: the
/// [address](Self::ADDRESS), a name, the settle mode `settled`, and the [properties](Self::link_properties).
///
/// ```
/// use amqp_proto::message::Message;
/// use amqp_proto::policy::{Management, ManagementRequest, QueueOptions};
/// use amqp_proto::types::{Map, Moment};
///
/// let mut management = Management::new(10);
/// let quorum = QueueOptions::new().with_type("quorum");
/// let declare = ManagementRequest::declare_queue("jobs", quorum);
/// let until = Some(Moment::from_millis(5_000));
/// let request = management.request(declare, until, "jobs").unwrap();
/// assert_eq!(request.to().unwrap(), "/queues/jobs");
///
/// // The broker answers:
/// let mut body = Map::from([("name", "jobs"), ("type", "quorum")]);
/// body.insert("message_count", 0_u64);
/// body.insert("consumer_count", 0);
/// let answer = Message::from(body)
///     .with_subject("201")
///     .with_correlation_id(request.message_id().unwrap().clone());
/// let (queue, answer) = management.answer(&answer).unwrap();
/// let declared = answer.unwrap().queue().unwrap();
/// assert_eq!((queue, declared.message_count), ("jobs", 0));
/// ```
#[derive(Debug, Clone)]
pub struct Management<T> {
    correlator: Correlator<T>,
}

impl<T> Management<T> {
    /// The address of the node.
    pub const ADDRESS: &'static str = "/management";

    /// Returns a client of the node with at most `most` requests at a time.
    pub fn new(most: usize) -> Self {
        Self { correlator: Correlator::new(most) }
    }

    /// Returns the properties of both links, which make them a pair.
    pub fn link_properties() -> Fields {
        Fields::from([("paired", true)])
    }

    /// Returns the options of the link for requests.
    pub fn sender_options() -> SenderOptions {
        SenderOptions::to(Self::ADDRESS)
            .with_source(Source::at(Self::ADDRESS))
            .with_snd_settle_mode(SenderSettleMode::Settled)
            .with_properties(Self::link_properties())
    }

    /// Returns the options of the link for answers.
    pub fn receiver_options() -> ReceiverOptions {
        ReceiverOptions::from(Self::ADDRESS)
            .with_target(Target::at(Self::ADDRESS))
            .with_snd_settle_mode(SenderSettleMode::Settled)
            .with_properties(Self::link_properties())
    }

    /// Registers a request, and returns the message to send.
    ///
    /// `about` is returned with the answer, if the answer arrives before `until`.
    ///
    /// # Errors
    ///
    /// [`RequestError::Full`] if too many requests wait.
    pub fn request(
        &mut self,
        request: ManagementRequest,
        until: Option<Moment>,
        about: T,
    ) -> Result<Message, RequestError> {
        self.correlator.request(request, until, about)
    }

    /// Reads an answer, and returns the value of its request. `None` if no request waits for it.
    pub fn answer(&mut self, message: &Message) -> Option<(T, Result<ManagementAnswer, ManagementError>)> {
        let about = self.correlator.answer(message.correlation_id())?;
        Some((about, ManagementAnswer::read(message)))
    }

    /// Removes the most overdue request, and returns its value; `None` if no request is overdue.
    pub fn expire(&mut self, now: Moment) -> Option<T> {
        self.correlator.expire(now)
    }

    /// Removes all requests, such as when the links are gone, and returns their values, oldest first.
    pub fn clear(&mut self) -> impl Iterator<Item = T> + use<T> {
        self.correlator.clear()
    }

    /// Returns the time at which [`expire`](Self::expire) is due.
    pub fn next_deadline(&self) -> Option<Moment> {
        self.correlator.next_deadline()
    }
}
