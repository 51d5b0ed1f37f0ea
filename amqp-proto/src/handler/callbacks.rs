//! [`Handler`]: the callbacks of an application.

use super::context::Context;
use super::failure::FailureScope;
use super::received::ReceivedMessage;
use super::token::{
    ConnectionToken, DeliveryToken, LinkToken, ListenerToken, ReceiverToken, SenderToken, SessionToken,
    TransactionToken,
};
use crate::config::{ReceiverOptions, SenderOptions, SessionOptions};
use crate::machine::{Reason, SendError};
use crate::message::Message;
use crate::wire::{AmqpError, DeliveryState, Modified};

/// The decision about a session or link that the peer has begun or attached.
#[derive(Debug, Clone)]
pub enum Decision<O> {
    /// Accept it with these options.
    Accept(O),
    /// Refuse it with this error. No further callback concerns it.
    Refuse(AmqpError),
    /// Decide later: the handler accepts or closes it by its [`Context`].
    Later,
}

/// An application in the handler style: a callback for each kind of event.
///
/// The defaults: a callback for an error ends the container, a callback for a session or link of the peer
/// accepts it, [`on_message`](Self::on_message) releases the message, and all others do nothing.
///
/// Each callback gets a [`Context`] to act with. An end causes up to two callbacks: first the one for the
/// error, if something was wrong, then the one for the end. The end of a link comes before that of its
/// session, and the end of a session before that of its connection.
///
/// ```
/// use amqp_proto::handler::{Context, DeliveryToken, Handler, SenderToken};
///
/// struct Jobs;
///
/// impl Handler for Jobs {
///     fn on_start(&mut self, cx: &mut Context<'_>) {
///         let conn = cx.connect("amqp://example.com");
///         cx.create_sender(conn, "jobs");
///     }
///
///     fn on_sendable(&mut self, cx: &mut Context<'_>, sender: SenderToken) {
///         match cx.send(sender, "job-content") {
///             Ok(delivery) => println!("{delivery} is on its way"),
///             Err(error) => println!("not sent: {error}"),
///         }
///     }
///
///     fn on_accepted(&mut self, _: &mut Context<'_>, delivery: DeliveryToken) {
///         println!("{delivery} is accepted");
///     }
/// }
/// ```
#[allow(unused_variables)]
pub trait Handler {
    /// Called when the container starts: the place to connect and to listen.
    fn on_start(&mut self, cx: &mut Context<'_>) {}

    /// Called when a connection is open at both ends.
    fn on_connection_opened(&mut self, cx: &mut Context<'_>, connection: ConnectionToken) {}

    /// Called when a connection was closed with an error.
    ///
    /// By default ends the container, and its `run` returns the error: see [`Context::unhandled`].
    fn on_connection_error(&mut self, cx: &mut Context<'_>, connection: ConnectionToken, reason: &Reason) {
        cx.unhandled(FailureScope::Connection(connection), reason);
    }

    /// Called when a connection cannot be made, or its transport has failed.
    ///
    /// By default ends the container, and its `run` returns the error: see [`Context::unhandled`].
    fn on_transport_error(&mut self, cx: &mut Context<'_>, connection: ConnectionToken, reason: &Reason) {
        cx.unhandled(FailureScope::Connection(connection), reason);
    }

    /// Called when a connection is over, for any reason.
    fn on_connection_closed(&mut self, cx: &mut Context<'_>, connection: ConnectionToken, reason: &Reason) {}

    /// Called when an open connection is lost, for any reason, and the container has rules to open it again: the
    /// options of its connections have `with_reconnect`. The deliveries on it were reported as lost before.
    ///
    /// The connection keeps its token, and so do the links that this handler has created on it without a session of its
    /// own: they are attached again, and messages in their queues go out then. No other callback tells their end. Tokens
    /// of sessions, of deliveries and of links that the peer has attached are stale. The handler may close the connection
    /// here, and then it stays closed.
    fn on_connection_lost(&mut self, cx: &mut Context<'_>, connection: ConnectionToken, reason: &Reason) {}

    /// Called before an attempt to open a lost connection again, with the number of the attempt and the address. If all
    /// attempts fail, [`on_transport_error`](Self::on_transport_error) tells the last error.
    fn on_reconnecting(
        &mut self,
        cx: &mut Context<'_>,
        connection: ConnectionToken,
        attempt: u32,
        address: &str,
    ) {
    }

    /// Called when a lost connection is open again. Its links are being attached:
    /// [`on_link_opened`](Self::on_link_opened) follows for each.
    fn on_reconnected(&mut self, cx: &mut Context<'_>, connection: ConnectionToken) {}

    /// Called when a listener is ready to accept connections at this address.
    fn on_listening(&mut self, cx: &mut Context<'_>, listener: ListenerToken, address: &str) {}

    /// Called when a listener cannot accept connections; the listener is gone then.
    ///
    /// By default ends the container, and its `run` returns the error: see [`Context::unhandled`].
    fn on_listen_error(&mut self, cx: &mut Context<'_>, listener: ListenerToken, reason: &Reason) {
        cx.unhandled(FailureScope::Listener(listener), reason);
    }

    /// Called when the peer has begun a session. Accepts the session by default.
    fn on_session_offered(
        &mut self,
        cx: &mut Context<'_>,
        session: SessionToken,
    ) -> Decision<SessionOptions> {
        Decision::Accept(SessionOptions::new())
    }

    /// Called when a session is begun at both ends.
    fn on_session_opened(&mut self, cx: &mut Context<'_>, session: SessionToken) {}

    /// Called when a session was ended with an error, its own or that of its connection.
    ///
    /// By default ends the container, and its `run` returns the error: see [`Context::unhandled`].
    fn on_session_error(&mut self, cx: &mut Context<'_>, session: SessionToken, reason: &Reason) {
        cx.unhandled(FailureScope::Session(session), reason);
    }

    /// Called when a session is over, for any reason.
    fn on_session_closed(&mut self, cx: &mut Context<'_>, session: SessionToken, reason: &Reason) {}

    /// Called when the peer has attached a link on which it receives. Accepts the link by default, with the
    /// peer's termini.
    fn on_sender_offered(&mut self, cx: &mut Context<'_>, sender: SenderToken) -> Decision<SenderOptions> {
        Decision::Accept(SenderOptions::new())
    }

    /// Called when the peer has attached a link on which it sends. Accepts the link by default, with the
    /// peer's termini.
    fn on_receiver_offered(
        &mut self,
        cx: &mut Context<'_>,
        receiver: ReceiverToken,
    ) -> Decision<ReceiverOptions> {
        Decision::Accept(ReceiverOptions::new())
    }

    /// Called when a link is attached at both ends.
    fn on_link_opened(&mut self, cx: &mut Context<'_>, link: LinkToken) {}

    /// Called when a link was refused, or detached with an error, its own or that of its session or
    /// connection.
    ///
    /// Also called when the peer refuses a link without an error. By default ends the container, and its
    /// `run` returns the error: see [`Context::unhandled`].
    fn on_link_error(&mut self, cx: &mut Context<'_>, link: LinkToken, reason: &Reason) {
        cx.unhandled(FailureScope::Link(link), reason);
    }

    /// Called when a link is detached and can be attached again by its name. No further callback concerns it
    /// until then.
    fn on_link_detached(&mut self, cx: &mut Context<'_>, link: LinkToken, reason: &Reason) {}

    /// Called when a link is closed, for any reason.
    fn on_link_closed(&mut self, cx: &mut Context<'_>, link: LinkToken, reason: &Reason) {}

    /// Called when a sender can send at once: it has credit and room, and an empty queue.
    ///
    /// Called once, and again after credit or room was used up, or a message was queued or refused for lack
    /// of them.
    fn on_sendable(&mut self, cx: &mut Context<'_>, sender: SenderToken) {}

    /// Called when the receiver has accepted a sent message.
    fn on_accepted(&mut self, cx: &mut Context<'_>, delivery: DeliveryToken) {}

    /// Called when the receiver has rejected a sent message, with or without an error.
    fn on_rejected(&mut self, cx: &mut Context<'_>, delivery: DeliveryToken, error: Option<&AmqpError>) {}

    /// Called when the receiver has released a sent message.
    fn on_released(&mut self, cx: &mut Context<'_>, delivery: DeliveryToken) {}

    /// Called when the receiver has modified a sent message.
    fn on_modified(&mut self, cx: &mut Context<'_>, delivery: DeliveryToken, modified: &Modified) {}

    /// Called when the peer has announced another state of a delivery.
    ///
    /// For a sent message: the part received, the state in a transaction, or an outcome of an extension. For
    /// a received message: any state.
    fn on_updated(&mut self, cx: &mut Context<'_>, delivery: DeliveryToken, state: &DeliveryState) {}

    /// Called when a delivery is settled at both ends. Its outcome, if any, was reported before.
    ///
    /// Not called for a delivery that this end settles first.
    fn on_settled(&mut self, cx: &mut Context<'_>, delivery: DeliveryToken) {}

    /// Called when an unsettled delivery is lost with its link: the peer may have processed it or not.
    /// `state` is its last known state at the peer.
    fn on_delivery_lost(
        &mut self,
        cx: &mut Context<'_>,
        delivery: DeliveryToken,
        state: Option<&DeliveryState>,
    ) {
    }

    /// Called when a queued message will not be sent: its link has ended, or cannot send it, as `error` says.
    ///
    /// By default calls [`on_delivery_lost`](Self::on_delivery_lost).
    fn on_unsent(
        &mut self,
        cx: &mut Context<'_>,
        delivery: DeliveryToken,
        message: Message,
        error: &SendError,
    ) {
        self.on_delivery_lost(cx, delivery, None);
    }

    /// Called when a message has arrived. By default releases it.
    ///
    /// A message that is neither settled nor updated when the callback returns is accepted, unless
    /// [`with_auto_accept`](ReceiverOptions::with_auto_accept) is off. If the callback panics, the message is
    /// modified as failed instead.
    fn on_message(&mut self, cx: &mut Context<'_>, message: ReceivedMessage) {
        // A message that was sent settled needs no outcome.
        let _ = cx.release(message.token());
    }

    /// Called when more of a message has arrived on a streaming link: [`Context::read`] returns it.
    ///
    /// When the message was read to its end, it is accepted as in [`on_message`](Self::on_message).
    fn on_data(&mut self, cx: &mut Context<'_>, receiver: ReceiverToken, delivery: DeliveryToken) {}

    /// Called when the sender has aborted a message that was reported by [`on_data`](Self::on_data).
    fn on_aborted(&mut self, cx: &mut Context<'_>, receiver: ReceiverToken, delivery: DeliveryToken) {}

    /// Called when all credit of a draining receiver is used or returned.
    fn on_drained(&mut self, cx: &mut Context<'_>, receiver: ReceiverToken) {}

    /// Called when the peer has sent properties of a link's state, which `flow_properties` of the link's
    /// [view](Context::sender) returns [2.7.4].
    fn on_flow_properties(&mut self, cx: &mut Context<'_>, link: LinkToken) {}

    /// Called when a transaction is declared: messages can be [posted](Context::post) and deliveries
    /// [retired](Context::retire) in it.
    fn on_declared(&mut self, cx: &mut Context<'_>, transaction: TransactionToken) {}

    /// Called when a transaction cannot be declared or committed, or has ended with its control link before the commit.
    /// [`on_rolled_back`](Self::on_rolled_back) follows.
    ///
    /// By default ends the container, and its `run` returns the error: see [`Context::unhandled`].
    fn on_transaction_error(&mut self, cx: &mut Context<'_>, transaction: TransactionToken, reason: &Reason) {
        cx.unhandled(FailureScope::Transaction(transaction), reason);
    }

    /// Called when a transaction is committed.
    fn on_committed(&mut self, cx: &mut Context<'_>, transaction: TransactionToken) {}

    /// Called when a transaction is rolled back, or was never declared: its messages do not exist, and deliveries that were
    /// retired in it need another outcome.
    fn on_rolled_back(&mut self, cx: &mut Context<'_>, transaction: TransactionToken) {}

    /// Called when the control link has ended after the commit was asked for and before its answer: the transaction may
    /// be committed or rolled back.
    ///
    /// By default ends the container, and its `run` returns the error: see [`Context::unhandled`].
    fn on_in_doubt(&mut self, cx: &mut Context<'_>, transaction: TransactionToken, reason: &Reason) {
        cx.unhandled(FailureScope::InDoubt(transaction), reason);
    }

    /// Called when a timer that [`Context::schedule`] has set is due.
    fn on_timer(&mut self, cx: &mut Context<'_>, id: u64) {}
}
