//! Hostile streams at sessions and links: D01 to D09, D29 to D39, D44, D45. Each fault ends only the link, session or
//! connection that it concerns, with one condition; next to it, a stream that differs in one detail is accepted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "common/endpoint.rs"]
mod endpoint;

use amqp_proto::config::Options;
use amqp_proto::testing::{
    HEADER, Literal, attach, attach_receiver, attach_sender, begin, close, detach, end, flow, open,
};
use amqp_proto::types::{Limits, Moment};
use amqp_proto::wire::{AmqpError, Condition};
use amqp_proto::{Connection, Event};
use common::octets;
use endpoint::*;

/// D01, S-BEG-02: a begin on a channel in use.
#[test]
fn d01_begin_on_a_channel_in_use() {
    closes(&threat("D01").stream, Condition::IllegalState);
    assert_eq!(accepts(&with(session(), &[begin(None, 0, 1, 1).on(1)])).counts.sessions, 2);
    assert_eq!(
        accepts(&with(session(), &[end(), begin(None, 0, 1, 1)])).counts.sessions,
        2,
        "it is free again"
    );
}

/// D02, S-BEG-04: a begin that answers no begin.
#[test]
fn d02_begin_that_answers_none() {
    closes(&threat("D02").stream, Condition::NotAllowed);
    accepts(&with(up(), &[begin(None, 0, 2048, 2048)]));
}

/// D05, S-BEG-08: a handle above handle-max closes the connection.
#[test]
fn d05_handle_above_the_highest() {
    closes(&threat("D05").stream, Condition::FramingError);
    let highest = Limits::DEFAULT.handle_max();
    closes(&with(session(), &[attach_sender("l", highest + 1, "q", "q")]), Condition::FramingError);
    accepts(&with(session(), &[attach_sender("l", highest, "q", "q")]));
}

/// D06, L-HAND-02: an attach on the handle of another link.
#[test]
fn d06_handle_in_use() {
    let endpoint = refuses(&threat("D06").stream, "end", Condition::HandleInUse);
    assert_eq!(endpoint.wrote().names(), ["open", "begin", "attach", "end"]);
    assert_eq!(endpoint.counts.links, 1);
    accepts(&with(receiving(), &[attach_sender("m", 1, "q", "q")]));
}

/// D07, L-NAME-03: a second attach of a name steals the link: the first ends, the second counts.
#[test]
fn d07_name_attached_once_more() {
    let endpoint = refuses(&threat("D07").stream, "detach", Condition::Stolen);
    assert_eq!(endpoint.wrote().names(), ["open", "begin", "attach", "detach", "attach", "flow"]);
    assert_eq!(endpoint.counts.links, 2);
    accepts(&with(receiving(), &[attach_sender("another", 1, "q", "q")]));
    let other_way = accepts(&with(receiving(), &[attach_receiver("l", 1, "q", "q")]));
    assert_eq!(other_way.wrote().count("attach"), 2, "the other direction is another link (L-NAME-01)");
}

/// D09, L-HAND-05: a detach without a link.
#[test]
fn d09_detach_of_no_link() {
    refuses(&threat("D09").stream, "end", Condition::UnattachedHandle);
    refuses(&with(receiving(), &[detach(0, true), detach(0, true)]), "end", Condition::UnattachedHandle);
    accepts(&with(receiving(), &[detach(0, true)]));
}

/// D29, S-FLOW-02: a flow for a handle without a link.
#[test]
fn d29_flow_of_no_link() {
    refuses(&threat("D29").stream, "end", Condition::UnattachedHandle);
    accepts(&with(sending(), &[flow(Some(0), 9, 0, 9).uint(0).uint(0).uint(10)]));
}

/// D30, T-CREDIT-03, T-CREDIT-07: huge credit, from a delivery-count that was never reached.
#[test]
fn d30_credit_that_wraps() {
    let mut endpoint = accepts(&threat("D30").stream);
    let credit = endpoint.connection.sender(endpoint.senders[0]).unwrap().credit();
    assert_eq!(credit, 0x7fff_ffff - 16, "from 16 below the count, and never more than half of the numbers");
    let mut endpoint = accepts(&with(sending(), &[flow(Some(0), 9, 0, 9).uint(0).uint(0xffff_fff0).uint(3)]));
    assert_eq!(endpoint.connection.sender(endpoint.senders[0]).unwrap().credit(), 0);
}

/// D31, S-WIN-06, S-WIN-09: a huge window, from a transfer-id that was never sent.
#[test]
fn d31_window_that_wraps() {
    let mut endpoint = accepts(&threat("D31").stream);
    let window = |endpoint: &mut Endpoint| {
        let session = endpoint.sessions[0];
        endpoint.connection.session(session).unwrap().remote_incoming_window()
    };
    assert_eq!(window(&mut endpoint), u32::MAX - 1);
    sent(&mut endpoint);
    assert_eq!((endpoint.wrote().errors(), window(&mut endpoint)), (vec![], u32::MAX - 2));
    let mut endpoint = accepts(&with(sending(), &[flow(Some(0xffff_fff0), 3, 0, 9)]));
    assert_eq!(window(&mut endpoint), 0);
}

/// D32, S-WIN-12, C-OPEN-04: a flow without next-incoming-id. A peer that began the session may have sent it before
/// this end's begin arrived. Once a flow has shown that the peer has the begin, later flows need the field.
#[test]
fn d32_no_next_incoming_id_from_the_peer_that_began() {
    accepts(&threat("D32").stream);
    let stream = with(sending(), &[flow(Some(0), 9, 0, 9), flow(None, 9, 0, 9)]);
    refuses(&stream, "end", Condition::InvalidField);
    accepts(&with(sending(), &[flow(Some(0), 9, 0, 9), flow(Some(0), 9, 0, 9)]));
}

/// D32: a peer that answers this end's begin has it, so its flows need next-incoming-id.
#[test]
fn d32_no_next_incoming_id_in_answer() {
    let begun = |frames: &[Literal]| {
        let mut endpoint = Endpoint::server();
        endpoint.read(&up());
        endpoint.connection.begin(Default::default()).unwrap();
        endpoint.read(&with(vec![], frames));
        endpoint.write();
        endpoint.wrote()
    };
    let answer = begin(Some(0), 0, 9, 9);
    let wrote = begun(&[answer.clone(), flow(None, 9, 0, 9)]);
    assert_eq!(wrote.errors(), [("end", Condition::InvalidField)]);
    assert_eq!(begun(&[answer, flow(Some(0), 9, 0, 9)]).errors(), []);
}

/// D33, S-FLOW-01: credit without a handle.
#[test]
fn d33_credit_without_a_handle() {
    refuses(&threat("D33").stream, "end", Condition::InvalidField);
    accepts(&with(session(), &[flow(Some(0), 1, 0, 1)]));
}

/// D35: the unsettled map of an attach is read and kept within the limits.
#[test]
fn d35_unsettled_map() {
    let endpoint = accepts(&threat("D35").stream);
    assert_eq!(endpoint.counts.links, 1);
    // A frame holds more entries than the limits allow.
    let entry = |at: u16| [&[0xa0, 2][..], &at.to_be_bytes(), &octets("00532445")].concat();
    let entries: Vec<u8> = (0..7_000).flat_map(entry).collect();
    let size = u32::try_from(entries.len() + 4).unwrap();
    let map = [&[0xd1][..], &size.to_be_bytes(), &14_000_u32.to_be_bytes(), &entries].concat();
    let frame =
        attach("l", 0, false).nulls(2).terminus(0x28, "q").terminus(0x29, "q").encoded(&map).null().uint(0);
    let endpoint = refuses(&with(session(), &[frame]), "detach", Condition::ResourceLimitExceeded);
    assert_eq!(endpoint.counts.links, 0);
}

/// D36, L-ATT-05: a link without source and target is refused, and its frames are dropped.
#[test]
fn d36_link_without_termini() {
    let endpoint = refuses(&threat("D36").stream, "detach", Condition::InvalidField);
    assert_eq!(endpoint.wrote().names(), ["open", "begin", "attach", "detach"]);
    assert_eq!(endpoint.counts.messages, 0);
    assert_eq!(accepts(&with(receiving(), &[message(0, b"t")])).counts.messages, 1);
}

/// D37, L-ATT-02: a sender's attach without initial-delivery-count.
#[test]
fn d37_no_initial_delivery_count() {
    let endpoint = refuses(&threat("D37").stream, "detach", Condition::InvalidField);
    assert_eq!(
        (endpoint.wrote().names(), endpoint.counts.links),
        (vec!["open", "begin", "attach", "detach"], 0)
    );
    accepts(&with(session(), &[attach_sender("x", 0, "q", "q")]));
    accepts(&with(session(), &[attach_receiver("x", 0, "q", "q")]));
}

/// D37, S-BEG-11: before the application has accepted the session, such an attach ends the session.
#[test]
fn d37_no_initial_delivery_count_on_a_session_not_accepted() {
    let mut server = Connection::server(Options::new("endpoint"), Moment::START);
    server.receive(Moment::START, &threat("D37").stream);
    let events: Vec<Event> = std::iter::from_fn(|| server.poll_event()).collect();
    assert!(matches!(events[..2], [Event::Opened, Event::SessionOffered(_)]), "{events:?}");
    assert!(matches!(events.last(), Some(Event::SessionEnded { .. })), "{events:?}");
    let mut endpoint = Endpoint::new(server);
    endpoint.write();
    assert_eq!(endpoint.wrote().names(), ["open", "begin", "end"]);
    assert_eq!(endpoint.wrote().errors(), [("end", Condition::InvalidField)]);
}

/// D38: a settle mode of 7.
#[test]
fn d38_settle_mode_7() {
    closes(&threat("D38").stream, Condition::InvalidField);
    let settling = |mode: u8| {
        let frame = attach("x", 0, false).ubyte(mode).null().terminus(0x28, "q").terminus(0x29, "q");
        with(session(), &[frame.nulls(2).uint(0)])
    };
    closes(&settling(3), Condition::InvalidField);
    accepts(&settling(2));
    let no_role = Literal::new(0x12).string("x").uint(0).null();
    closes(&with(session(), &[no_role]), Condition::InvalidField);
}

/// D39, L-NAME-04: a long name is accepted; the kept part of an attach is bounded.
#[test]
fn d39_long_names() {
    accepts(&threat("D39").stream);
    // The peer's max-frame-size is 64 KiB.
    let begun = [&HEADER[..], &open("e").to_octets(), &begin(None, 0, 9, 9).to_octets()].concat();
    let named = |length| with(begun.clone(), &[attach_sender(&"n".repeat(length), 0, "q", "q")]);
    accepts(&named(8_000));
    refuses(&named(9_000), "detach", Condition::ResourceLimitExceeded);
}

/// D39, F-MAX-07: a refusal repeats the name; if that does not fit the peer's frames, the session ends.
#[test]
fn d39_long_name_that_does_not_fit_the_answer() {
    let begun =
        [&HEADER[..], &open("e").null().uint(512).to_octets(), &begin(None, 0, 9, 9).to_octets()].concat();
    let unnumbered = |length: usize| {
        let frame = attach(&"n".repeat(length), 0, false).nulls(2).terminus(0x28, "q").terminus(0x29, "q");
        with(begun.clone(), &[frame])
    };
    refuses(&unnumbered(400), "detach", Condition::InvalidField);
    refuses(&unnumbered(600), "end", Condition::InvalidField);
}

/// D44, C-CLOSE-02: a peer that never answers costs no memory, and the wait for it ends.
#[test]
fn d44_no_answer() {
    let mut endpoint = accepts(&with(threat("D44").stream.to_vec(), &[begin(None, 0, 9, 9)]));
    endpoint.connection.close_with(AmqpError::new(Condition::ConnectionForced));
    endpoint.write();
    let written = endpoint.written.len();
    let cost = allocation_counter::measure(|| {
        for id in 0..10_000 {
            endpoint.read(&with(vec![], &[message(id, b"t")]));
            endpoint.write();
        }
    });
    assert!(cost.bytes_current < 4_096, "{cost:?}");
    assert_eq!(endpoint.written.len(), written);
    let (deadline, _) = endpoint.connection.next_deadline().unwrap();
    endpoint.connection.handle_deadline(deadline);
    endpoint.poll();
    assert!(endpoint.events.last().unwrap().starts_with("Closed"), "{:?}", endpoint.events);
    silent(&mut endpoint);
}

/// D45: a close with an info whose keys are no symbols closes the connection all the same.
#[test]
fn d45_close_with_a_large_info() {
    let endpoint = attack_server(&threat("D45").stream);
    assert!(endpoint.connection.is_over());
    assert_eq!(endpoint.wrote().errors(), []);
    assert_eq!(endpoint.wrote().names(), ["open", "close"]);
    let reason = endpoint.connection.remote_error().unwrap();
    assert_eq!(reason.condition.to_string(), "x:y");
    let wrote = attack_server(&with(up(), &[close().error("x:y")])).wrote();
    assert_eq!(wrote.names(), ["open", "close"]);
}
