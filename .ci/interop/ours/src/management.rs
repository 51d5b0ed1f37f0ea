//! Manages queues through the management node of RabbitMQ 4, which creates none on first use.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use amqp_proto::policy::{Management, ManagementAnswer, ManagementError, ManagementRequest, QueueOptions};
use amqp_proto::wire::SenderSettleMode;

use crate::client::{Client, Connection, Opening, Receiver, Receiving, Sender, Sending};
use crate::failure::{Done, Failure};
use crate::on_blocking::Blocking;

/// A pair of links to and from the management node.
pub(crate) struct Manager<C: Connection> {
    requests: C::Sender,
    answers: C::Receiver,
    pending: Management<()>,
}

impl<C: Connection> Manager<C> {
    const NODE: &str = Management::<()>::ADDRESS;

    pub(crate) async fn attach(connection: &C) -> Done<Self> {
        let settled = Some(SenderSettleMode::Settled);
        let answers = Receiving { is_paired: true, snd_settle_mode: settled, ..Receiving::from(Self::NODE) };
        let answers = connection.receiver(answers).await?;
        let requests = Sending { is_paired: true, snd_settle_mode: settled, ..Sending::to(Self::NODE) };
        let requests = connection.sender(requests).await?;
        Ok(Self { requests, answers, pending: Management::new(1) })
    }

    /// Sends a request, and returns the answer or the refusal.
    pub(crate) async fn request(
        &mut self,
        request: ManagementRequest,
    ) -> Done<Result<ManagementAnswer, ManagementError>> {
        let words = format!("{request:?}");
        let message = self.pending.request(request, None, ());
        let message = message.map_err(|error| Failure::wrong(format!("{words}: {error}")))?;
        let _ = self.requests.send(message).await?;
        let delivery = self.answers.recv().await?;
        let delivery = delivery.ok_or_else(|| Failure::wrong(format!("{words}: the link is closed")))?;
        let message = crate::client::Delivery::message(&delivery)?.to_message()?;
        let answer = self.pending.answer(&message);
        let (_, answer) = answer.ok_or_else(|| Failure::wrong(format!("{words}: another answer")))?;
        Ok(answer)
    }

    /// Sends a request that succeeds.
    pub(crate) async fn perform(&mut self, request: ManagementRequest) -> Done<ManagementAnswer> {
        let words = format!("{request:?}");
        let answer = self.request(request).await?;
        answer.map_err(|error| Failure::wrong(format!("{words}: {error}")))
    }
}

/// Declares a durable classic queue with these arguments. An existing queue stays as it is.
pub(crate) fn declare_queue(opening: Opening, name: &str, arguments: &[(&'static str, u64)]) -> Done {
    let options = arguments
        .iter()
        .fold(QueueOptions::new(), |options, &(key, value)| options.with_argument(key, value));
    let declare = async {
        let connection = Blocking::open(opening).await?;
        Manager::attach(&connection).await?.perform(ManagementRequest::declare_queue(name, options)).await?;
        Connection::close(&connection).await
    };
    // The futures of the blocking client are ready at once.
    match pin!(declare).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => Err(Failure::wrong("the blocking client waits")),
    }
}
