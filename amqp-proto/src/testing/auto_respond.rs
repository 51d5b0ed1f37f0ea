//! [`auto_respond`]: an application that agrees to all that its peer wants, for tests of a peer and for fuzzers.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::{Buf, Bytes};

use crate::config::{ReceiverOptions, SenderOptions, SessionOptions};
use crate::connection::Connection;
use crate::machine::Event;
use crate::types::{LinkKey, Moment, ReceiverKey};

/// Responds to an event as the peer wishes: accepts sessions and links, grants credit, receives and accepts messages,
/// and sends a message whenever it can. Refused commands are ignored.
///
/// Use it in tests of a peer, such as a [`Script`](super::Script), and for fuzzing.
///
/// ```
/// use amqp_proto::Connection;
/// use amqp_proto::config::Options;
/// use amqp_proto::testing::{Script, begin, auto_respond, open};
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
/// script.run_with(&mut server, |server, event| auto_respond(server, &event))?;
/// # Ok::<(), amqp_proto::testing::Difference>(())
/// ```
pub fn auto_respond(connection: &mut Connection, event: &Event) {
    match event {
        Event::SessionOffered(session) => {
            let _ = connection.session(*session).map(|mut session| session.accept(SessionOptions::new()));
        }
        Event::LinkOffered(LinkKey::Receiver(link)) => {
            let _ = connection.receiver(*link).map(|mut link| link.accept_link(ReceiverOptions::new()));
        }
        Event::LinkOffered(LinkKey::Sender(link)) => {
            let _ = connection.sender(*link).map(|mut link| link.accept_link(SenderOptions::new()));
        }
        Event::Sendable(sender) => {
            let _ = connection.sender(*sender).map(|mut sender| sender.send("content"));
        }
        Event::Message { receiver, .. } => take(connection, *receiver),
        _ => {}
    }
}

/// Feeds octets to a connection in pieces of one size and responds to each event with [`auto_respond`]. Returns the
/// events as text, and the output. Neither depends on the size of the pieces.
///
/// The text numbers sessions and links in order of appearance, as two connections never have equal keys.
pub fn auto_respond_in_pieces(
    mut connection: Connection,
    octets: &[u8],
    size: usize,
) -> (Vec<String>, Bytes) {
    let (mut told, mut seen) = (Vec::new(), Vec::new());
    for piece in octets.chunks(size.max(1)) {
        connection.receive(Moment::START, piece);
        while let Some(event) = connection.poll_event() {
            auto_respond(&mut connection, &event);
            told.push(renumbered(&format!("{event:?}"), &mut seen));
        }
    }
    let mut output = connection.output();
    let written = output.copy_to_bytes(output.remaining());
    (told, written)
}

/// Replaces the number of each key in an event's text with its index in `seen`.
fn renumbered(text: &str, seen: &mut Vec<String>) -> String {
    let mut out = String::new();
    let mut follows_noun = false;
    for word in text.split_inclusive(' ') {
        let number = word.split_once('.').filter(|_| follows_noun).map(|(place, number)| {
            let digits = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
            (place, number.split_at(digits))
        });
        match number {
            Some((place, (number, rest))) => {
                let at = seen.iter().position(|before| before == number).unwrap_or_else(|| {
                    seen.push(number.into());
                    seen.len() - 1
                });
                out += &format!("{place}.{at}{rest}");
            }
            None => out += word,
        }
        follows_noun = ["session ", "sender ", "receiver "].iter().any(|noun| word.ends_with(noun));
    }
    out
}

/// Receives a message, reads its body and accepts it.
fn take(connection: &mut Connection, receiver: ReceiverKey) {
    let Ok(mut receiver) = connection.receiver(receiver) else { return };
    let Some(delivery) = receiver.receive() else { return };
    let _ = delivery.message().and_then(|message| message.body());
    // A delivery that was sent settled takes no outcome.
    let _ = receiver.accept(delivery.key());
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{auto_respond_in_pieces, renumbered};
    use crate::config::{Options, SenderOptions, SessionOptions};
    use crate::connection::Connection;
    use crate::types::Moment;

    fn client() -> Connection {
        let mut client = Connection::client(Options::new("client"), Moment::START);
        let session = client.begin(SessionOptions::new()).unwrap();
        client.session(session).unwrap().attach_sender("out", SenderOptions::to("q")).unwrap();
        client
    }

    /// [2.2] A connection that ends on another protocol's octets reports the end of its link and its session.
    #[test]
    fn two_connections_have_the_same_events() {
        let octets = b"AMQP\x03\x01\0\0 and more";
        let whole = auto_respond_in_pieces(client(), octets, octets.len());
        assert_eq!(auto_respond_in_pieces(client(), octets, 3), whole);
        assert!(whole.0[0].contains("sender 0.0"), "{whole:?}");
        assert!(whole.0[1].contains("session 0.1"), "{whole:?}");
    }

    #[test]
    fn numbers_are_those_of_keys() {
        let mut seen = Vec::new();
        let text = "delivery 5 sent on session 0.384, Sendable(sender 12.448) of 1.5 session 0.384";
        let renamed = "delivery 5 sent on session 0.0, Sendable(sender 12.1) of 1.5 session 0.0";
        assert_eq!(renumbered(text, &mut seen), renamed);
    }
}
