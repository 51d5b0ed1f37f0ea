//! [`oblige`]: an application that goes along with whatever its peer wants, for tests of a peer and for fuzzers.

use alloc::vec::Vec;

use bytes::{Buf, Bytes};

use crate::config::{ReceiverOptions, SenderOptions, SessionOptions};
use crate::connection::Connection;
use crate::machine::Event;
use crate::types::{LinkKey, Moment, ReceiverKey};

/// Does about an event what pleases the peer: accepts sessions and links, grants credit, takes messages, looks at them
/// and accepts them, sends one whenever it may. What cannot be done is left undone.
///
/// It suits tests of a peer, such as a [`Script`](super::Script), and fuzzing.
///
/// ```
/// use amqp_proto::Connection;
/// use amqp_proto::config::Options;
/// use amqp_proto::testing::{Script, begin, oblige, open};
/// use amqp_proto::types::Moment;
///
/// let mut server = Connection::server(Options::new("server"), Moment::START);
/// let script = Script::new()
///     .send_hex("414d5150 00010000")
///     .expect_hex("414d5150 00010000")
///     .send(open("client"))
///     .expect(open("server").null().uint(65_536).ushort(255))
///     .send(begin(None, 0, 100, 100))
///     .expect(begin(Some(0), 0, 512, 0x7fff_ffff).uint(65_535));
/// script.run_with(&mut server, |server, event| oblige(server, &event))?;
/// # Ok::<(), amqp_proto::testing::Difference>(())
/// ```
pub fn oblige(connection: &mut Connection, event: &Event) {
    match event {
        Event::SessionOffered(session) => {
            let _ = connection.session(*session).map(|mut session| session.accept(&SessionOptions::new()));
        }
        Event::LinkOffered(LinkKey::Receiver(link)) => {
            let _ = connection.receiver(*link).map(|mut link| link.accept_link(&ReceiverOptions::new()));
        }
        Event::LinkOffered(LinkKey::Sender(link)) => {
            let _ = connection.sender(*link).map(|mut link| link.accept_link(&SenderOptions::new()));
        }
        Event::Sendable(sender) => {
            let _ = connection.sender(*sender).map(|mut sender| sender.send("content"));
        }
        Event::Message { receiver, .. } => take(connection, *receiver),
        _ => {}
    }
}

/// Has a connection with such an application read octets in pieces of a size; gives what it is told and what it writes
/// about that, which does not depend on the size.
pub fn oblige_in_pieces(mut connection: Connection, octets: &[u8], size: usize) -> (Vec<Event>, Bytes) {
    let mut events = Vec::new();
    for piece in octets.chunks(size.max(1)) {
        connection.receive(Moment::START, piece);
        while let Some(event) = connection.poll_event() {
            oblige(&mut connection, &event);
            events.push(event);
        }
    }
    let mut output = connection.output();
    let written = output.copy_to_bytes(output.remaining());
    (events, written)
}

/// Takes a message, looks at it and accepts it.
fn take(connection: &mut Connection, receiver: ReceiverKey) {
    let Ok(mut receiver) = connection.receiver(receiver) else { return };
    let Some(delivery) = receiver.receive() else { return };
    let _ = delivery.message().and_then(|message| message.body());
    // One that was sent settled needs no answer.
    let _ = receiver.accept(delivery.key());
}
