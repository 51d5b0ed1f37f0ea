//! Methods of the engine that drivers use beside octets and events.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{self, ErrorKind, IoSlice, Write};

use amqp_proto::config::{Options, SenderOptions, SessionOptions};
use amqp_proto::testing::{Auto, Pair};
use amqp_proto::types::{LinkKey, Moment};
use amqp_proto::{Connection, Delivery, Event};
use bytes::Buf;

/// A message on a link that is then closed can be received before the close is polled; the event of the close hands
/// over the rest.
#[test]
fn the_end_of_a_link_hands_over_unread_messages() {
    let mut pair = Pair::opened();
    let (sender, receiver) = pair.link("jobs");
    pair.server.polls = false;
    for job in ["first", "second", "third"] {
        pair.client.sender(sender).unwrap().send(job).unwrap();
    }
    pair.client.sender(sender).unwrap().close().unwrap();
    pair.drive();
    for _ in 0..3 {
        assert!(matches!(pair.server.poll_event(), Some(Event::Message { .. })));
    }
    for _ in 0..3 {
        assert!(matches!(pair.server.poll_event(), Some(Event::Lost { .. })));
    }
    let text = |delivery: &Delivery| delivery.message().unwrap().body().unwrap().as_str().map(str::to_owned);
    let first = pair.server.receiver(receiver).unwrap().receive().unwrap();
    assert_eq!(text(&first).as_deref(), Some("first"));
    let Some(Event::LinkDetached { closed: true, unread, .. }) = pair.server.poll_event() else { panic!() };
    assert_eq!(unread.iter().filter_map(text).collect::<Vec<_>>(), ["second", "third"]);
    assert!(pair.server.receiver(receiver).is_err());
    assert!(pair.server.poll_event().is_none());
}

/// A suspended link keeps its unread messages.
#[test]
fn a_suspended_link_keeps_unread_messages() {
    let mut pair = Pair::opened();
    let (sender, receiver) = pair.link("jobs");
    pair.client.sender(sender).unwrap().send("job").unwrap();
    pair.client.sender(sender).unwrap().detach().unwrap();
    pair.drive();
    let events = pair.server.events();
    let Some(Event::LinkDetached { closed: false, unread, .. }) = events.last() else { panic!("{events:?}") };
    assert_eq!(*unread, []);
    assert!(pair.server.receiver(receiver).unwrap().receive().is_some());
}

/// T-DRAIN-01: a sender that drains by hand gets another event when the receiver drains, although it was sendable
/// before.
#[test]
fn t_drain_01_a_sender_without_auto_drain_gets_an_event() {
    let mut pair = Pair::opened();
    let sender = pair.client.attach_sender_with("jobs", SenderOptions::to("jobs").with_auto_drain(false));
    pair.drive();
    let LinkKey::Receiver(receiver) = pair.server.expect_attach().key() else { panic!("of the other end") };
    pair.server.receiver(receiver).unwrap().set_credit(5).unwrap();
    pair.drive();
    assert_eq!(pair.client.expect_sendable(), sender);
    pair.server.receiver(receiver).unwrap().drain().unwrap();
    pair.drive();
    assert_eq!(pair.client.expect_sendable(), sender);
    let mut draining = pair.client.sender(sender).unwrap();
    assert!(draining.is_draining() && draining.credit() == 5 && !draining.is_sending());
    draining.drained().unwrap();
    pair.drive();
    assert_eq!(pair.server.expect_drained(), receiver);
}

/// S-BEG-01, S-END-01: a session ended right after its begin: the peer's answer is not taken for a session of the
/// peer.
#[test]
fn s_beg_01_a_session_that_is_given_up_at_once() {
    let mut pair = Pair::opened();
    pair.server.auto = Auto::Off;
    for _ in 0..3 {
        let session = pair.client.begin(SessionOptions::new()).unwrap();
        pair.client.session(session).unwrap().end().unwrap();
        pair.drive();
        assert_eq!(pair.client.expect_session_ended().0, session);
        assert!(pair.client.is_open() && pair.server.is_open());
        assert!(pair.client.events().is_empty());
        pair.server.events();
    }
}

/// A writer that takes a few octets at a time, and fails after some calls.
struct Narrow {
    taken: Vec<u8>,
    answers: Vec<Result<usize, ErrorKind>>,
}

impl Write for Narrow {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(octets)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let before = self.taken.len();
        let most = if self.answers.is_empty() { usize::MAX } else { self.answers.remove(0)? };
        self.taken.extend(slices.iter().flat_map(|slice| slice.iter().copied()).take(most));
        Ok(self.taken.len() - before)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn output_is_written_as_far_as_the_writer_takes_it() {
    use ErrorKind::{BrokenPipe, Interrupted, WouldBlock};
    let client = || Connection::client(Options::new("client"), Moment::START);
    let expected = client().output().chunk().to_vec();

    let mut amqp = client();
    let mut writer =
        Narrow { taken: Vec::new(), answers: vec![Ok(3), Err(Interrupted), Ok(7), Err(WouldBlock)] };
    assert!(!amqp.write_to(&mut writer).unwrap());
    assert!(amqp.has_output());
    assert_eq!(writer.taken, expected[..10]);
    assert!(amqp.write_to(&mut writer).unwrap(), "the writer takes all");
    assert!(!amqp.has_output());
    assert_eq!(writer.taken, expected);
    assert!(amqp.write_to(&mut writer).unwrap(), "nothing is left");

    for (answer, kind) in [(Ok(0), ErrorKind::WriteZero), (Err(BrokenPipe), BrokenPipe)] {
        let (mut amqp, mut writer) = (client(), Narrow { taken: Vec::new(), answers: vec![answer] });
        assert_eq!(amqp.write_to(&mut writer).unwrap_err().kind(), kind);
        assert_eq!(amqp.output_len(), expected.len(), "nothing was lost");
    }
}
