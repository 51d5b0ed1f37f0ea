//! [`Handler`]: what an application does about what happens.

use super::context::Context;
use super::failure::Scope;
use super::key::{ConnectionKey, DeliveryKey, LinkKey, ListenerKey, ReceiverKey, SenderKey, SessionKey};
use super::received::ReceivedMessage;
use crate::config::{ReceiverOptions, SenderOptions, SessionOptions};
use crate::machine::{Reason, SendError};
use crate::message::Message;
use crate::wire::{AmqpError, DeliveryState, Modified};

/// The decision about a session or link that the peer wants.
#[derive(Debug, Clone)]
pub enum Decision<O> {
    /// It is accepted, with these options.
    Accept(O),
    /// It is refused, for this reason; nothing more is told about it.
    Refuse(AmqpError),
    /// It waits. The handler accepts it, or closes it, by its [`Context`] when it has made up its mind.
    Later,
}

/// An application in the handler style: a method for each thing that happens. By default the methods for errors end
/// the container, those for what the peer wants accept it, [`on_message`](Self::on_message) releases the message, and
/// all others do nothing.
///
/// Each is given a [`Context`], by which it acts. What has ended is told once: first by the method for errors, if
/// something was wrong, then by the one for the end. A link's end comes before its session's, that before its
/// connection's.
///
/// ```
/// use amqp_proto::handler::{Context, DeliveryKey, Handler, SenderKey};
///
/// struct Jobs;
///
/// impl Handler for Jobs {
///     fn on_start(&mut self, cx: &mut Context<'_>) {
///         let conn = cx.connect("amqp://example.com");
///         cx.create_sender(conn, "jobs");
///     }
///
///     fn on_sendable(&mut self, cx: &mut Context<'_>, sender: SenderKey) {
///         match cx.send(sender, "job-content") {
///             Ok(delivery) => println!("{delivery} is on its way"),
///             Err(error) => println!("not sent: {error}"),
///         }
///     }
///
///     fn on_accepted(&mut self, _: &mut Context<'_>, delivery: DeliveryKey) {
///         println!("{delivery} is accepted");
///     }
/// }
/// ```
#[allow(unused_variables)]
pub trait Handler {
    /// The container runs: the place to connect and to listen.
    fn on_start(&mut self, cx: &mut Context<'_>) {}

    /// A connection is open at both ends.
    fn on_connection_opened(&mut self, cx: &mut Context<'_>, connection: ConnectionKey) {}

    /// A connection was closed because something was wrong. By default this ends the container, and its `run` returns
    /// the error: see [`Context::unhandled`].
    fn on_connection_error(&mut self, cx: &mut Context<'_>, connection: ConnectionKey, reason: &Reason) {
        cx.unhandled(Scope::Connection(connection), reason);
    }

    /// A connection could not be made, or its transport broke. By default this ends the container, and its `run`
    /// returns the error: see [`Context::unhandled`].
    fn on_transport_error(&mut self, cx: &mut Context<'_>, connection: ConnectionKey, reason: &Reason) {
        cx.unhandled(Scope::Connection(connection), reason);
    }

    /// A connection is over, whatever the reason.
    fn on_connection_closed(&mut self, cx: &mut Context<'_>, connection: ConnectionKey, reason: &Reason) {}

    /// A listener takes connections, at this address.
    fn on_listening(&mut self, cx: &mut Context<'_>, listener: ListenerKey, address: &str) {}

    /// A listener cannot take connections, or not any more; it is gone. By default this ends the container, and its
    /// `run` returns the error: see [`Context::unhandled`].
    fn on_listen_error(&mut self, cx: &mut Context<'_>, listener: ListenerKey, reason: &Reason) {
        cx.unhandled(Scope::Listener(listener), reason);
    }

    /// The peer wants a session. Accepted by default.
    fn on_session_offered(&mut self, cx: &mut Context<'_>, session: SessionKey) -> Decision<SessionOptions> {
        Decision::Accept(SessionOptions::new())
    }

    /// A session is begun at both ends.
    fn on_session_opened(&mut self, cx: &mut Context<'_>, session: SessionKey) {}

    /// A session was ended because something was wrong, with it or with its connection. By default this ends the
    /// container, and its `run` returns the error: see [`Context::unhandled`].
    fn on_session_error(&mut self, cx: &mut Context<'_>, session: SessionKey, reason: &Reason) {
        cx.unhandled(Scope::Session(session), reason);
    }

    /// A session is over, whatever the reason.
    fn on_session_closed(&mut self, cx: &mut Context<'_>, session: SessionKey, reason: &Reason) {}

    /// The peer wants to receive over a link. Accepted by default, with the termini that it asks for.
    fn on_sender_offered(&mut self, cx: &mut Context<'_>, sender: SenderKey) -> Decision<SenderOptions> {
        Decision::Accept(SenderOptions::new())
    }

    /// The peer wants to send over a link. Accepted by default, with the termini that it asks for.
    fn on_receiver_offered(
        &mut self,
        cx: &mut Context<'_>,
        receiver: ReceiverKey,
    ) -> Decision<ReceiverOptions> {
        Decision::Accept(ReceiverOptions::new())
    }

    /// A link is attached at both ends.
    fn on_link_opened(&mut self, cx: &mut Context<'_>, link: LinkKey) {}

    /// A link was not attached, or is detached, because something was wrong, with it or with its session or
    /// connection. Also told where the peer refuses a link and gives no error. By default this ends the container, and
    /// its `run` returns the error: see [`Context::unhandled`].
    fn on_link_error(&mut self, cx: &mut Context<'_>, link: LinkKey, reason: &Reason) {
        cx.unhandled(Scope::Link(link), reason);
    }

    /// A link is detached and can be attached again, by the same name; unless it is, nothing more is told about it.
    fn on_link_detached(&mut self, cx: &mut Context<'_>, link: LinkKey, reason: &Reason) {}

    /// A link is gone, whatever the reason.
    fn on_link_closed(&mut self, cx: &mut Context<'_>, link: LinkKey, reason: &Reason) {}

    /// A sender may send at once: there is credit and room, and nothing waits in its queue. Told once, and again after
    /// credit or room was used up, or a message was queued or refused for want of them.
    fn on_sendable(&mut self, cx: &mut Context<'_>, sender: SenderKey) {}

    /// The receiver has accepted a message that was sent.
    fn on_accepted(&mut self, cx: &mut Context<'_>, delivery: DeliveryKey) {}

    /// The receiver has rejected a message that was sent, perhaps saying why.
    fn on_rejected(&mut self, cx: &mut Context<'_>, delivery: DeliveryKey, error: Option<&AmqpError>) {}

    /// The receiver has given a message that was sent back, unchanged.
    fn on_released(&mut self, cx: &mut Context<'_>, delivery: DeliveryKey) {}

    /// The receiver has given a message that was sent back, changed.
    fn on_modified(&mut self, cx: &mut Context<'_>, delivery: DeliveryKey, modified: &Modified) {}

    /// The peer has told another state of a delivery: how much it has received, its part in a transaction, an outcome
    /// of some extension; or, of a delivery that was received, any state.
    fn on_updated(&mut self, cx: &mut Context<'_>, delivery: DeliveryKey, state: &DeliveryState) {}

    /// A delivery is settled at both ends, and so forgotten. Its outcome, if it has one, was told before. Not told of
    /// what this end settles first.
    fn on_settled(&mut self, cx: &mut Context<'_>, delivery: DeliveryKey) {}

    /// An unsettled delivery is gone with its link: the peer may have processed it, or not. With its last known state
    /// at the peer.
    fn on_delivery_lost(
        &mut self,
        cx: &mut Context<'_>,
        delivery: DeliveryKey,
        state: Option<&DeliveryState>,
    ) {
    }

    /// A message that was queued is not sent, and will not be: its link has ended before, or it can never be sent over
    /// the link, as the error says. By default this is told as [`on_delivery_lost`](Self::on_delivery_lost).
    fn on_unsent(
        &mut self,
        cx: &mut Context<'_>,
        delivery: DeliveryKey,
        message: Message,
        error: &SendError,
    ) {
        self.on_delivery_lost(cx, delivery, None);
    }

    /// A message has come. If it is neither settled nor updated when this returns, it is accepted, unless
    /// [`with_auto_accept`](ReceiverOptions::with_auto_accept) is off. If this panics, it is modified as failed instead.
    /// By default it is released.
    fn on_message(&mut self, cx: &mut Context<'_>, message: ReceivedMessage) {
        // One that was sent settled needs no outcome.
        let _ = cx.release(message.key());
    }

    /// More of a message has come, on a streaming link: [`Context::read`] takes it. Once its end has been read, the
    /// message is accepted as in [`on_message`](Self::on_message).
    fn on_data(&mut self, cx: &mut Context<'_>, receiver: ReceiverKey, delivery: DeliveryKey) {}

    /// The sender has given up a message of which [`on_data`](Self::on_data) has told.
    fn on_aborted(&mut self, cx: &mut Context<'_>, receiver: ReceiverKey, delivery: DeliveryKey) {}

    /// All credit of a receiver that was drained is used up or given back.
    fn on_drained(&mut self, cx: &mut Context<'_>, receiver: ReceiverKey) {}

    /// A timer that [`Context::schedule`] has set is due.
    fn on_timer(&mut self, cx: &mut Context<'_>, id: u64) {}
}
