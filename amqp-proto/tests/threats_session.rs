//! Hostile streams D01 to D46 at sessions, links and deliveries. Each fault ends what it concerns and no more, with
//! one condition; beside it stands what differs in one thing and is accepted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "common/endpoint.rs"]
mod endpoint;

use amqp_proto::testing::{Literal, attach, attach_receiver, attach_sender, begin, close, detach, disposition, end, flow, transfer};
use amqp_proto::types::Limits;
use amqp_proto::wire::{Condition, Error};
use common::octets;
use endpoint::{Endpoint, accepts, attack, attack_server, closes, refuses, silent, threat};

const NOTHING: [u8; 4] = [0x00, 0x53, 0x77, 0x40];
const ACCEPTED: &str = "00532445";

/// Header and open.
fn up() -> Vec<u8> {
    threat("D03").stream.to_vec()
}

/// A session, too.
fn session() -> Vec<u8> {
    threat("D08").stream.to_vec()
}

/// A link on which the endpoint receives, too.
fn receiving() -> Vec<u8> {
    threat("D13").stream.to_vec()
}

/// A link on which the endpoint sends, too.
fn sending() -> Vec<u8> {
    threat("D25").stream.to_vec()
}

fn with(prefix: Vec<u8>, frames: &[Literal]) -> Vec<u8> {
    frames.iter().fold(prefix, |stream, frame| [stream, frame.to_octets()].concat())
}

/// A message of one transfer.
fn message(id: u32, tag: &[u8]) -> Literal {
    transfer(0, id, tag).payload(NOTHING)
}

/// A transfer with more to come.
fn part(id: u32, tag: &[u8], octets: &[u8]) -> Literal {
    transfer(0, id, tag).null().boolean(true).payload(octets)
}

/// The transfer of one delivery of an endpoint that sends as soon as it may.
fn sent(endpoint: &mut Endpoint) {
    let sender = endpoint.senders[0];
    endpoint.connection.sender(sender).unwrap().send("x").unwrap();
    endpoint.poll();
    endpoint.write();
}

/// D01, S-BEG-02: a begin on a channel in use.
#[test]
fn d01_begin_on_a_channel_in_use() {
    closes(&threat("D01").stream, Condition::IllegalState);
    assert_eq!(accepts(&with(session(), &[begin(None, 0, 1, 1).on(1)])).counts.sessions, 2);
    assert_eq!(accepts(&with(session(), &[end(), begin(None, 0, 1, 1)])).counts.sessions, 2, "it is free again");
}

/// D02, S-BEG-04: a begin that answers none.
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
    assert_eq!(endpoint.said().names(), ["open", "begin", "attach", "end"]);
    assert_eq!(endpoint.counts.links, 1);
    accepts(&with(receiving(), &[attach_sender("m", 1, "q", "q")]));
}

/// D07, L-NAME-03: a name that is attached once more is stolen: the first link ends, the second counts.
#[test]
fn d07_name_attached_once_more() {
    let endpoint = refuses(&threat("D07").stream, "detach", Condition::Stolen);
    assert_eq!(endpoint.said().names(), ["open", "begin", "attach", "detach", "attach", "flow"]);
    assert_eq!(endpoint.counts.links, 2);
    accepts(&with(receiving(), &[attach_sender("another", 1, "q", "q")]));
    let other_way = accepts(&with(receiving(), &[attach_receiver("l", 1, "q", "q")]));
    assert_eq!(other_way.said().count("attach"), 2, "the other direction is another link (L-NAME-01)");
}

/// D09, L-HAND-05: a detach of no link.
#[test]
fn d09_detach_of_no_link() {
    refuses(&threat("D09").stream, "end", Condition::UnattachedHandle);
    refuses(&with(receiving(), &[detach(0, true), detach(0, true)]), "end", Condition::UnattachedHandle);
    accepts(&with(receiving(), &[detach(0, true)]));
}

/// D10, L-HAND-05: a transfer on no link.
#[test]
fn d10_transfer_on_no_link() {
    let endpoint = refuses(&threat("D10").stream, "end", Condition::UnattachedHandle);
    assert_eq!(endpoint.counts.messages, 0);
    assert_eq!(accepts(&with(receiving(), &[message(0, b"t")])).counts.messages, 1);
}

/// D11: a transfer to the end that sends.
#[test]
fn d11_transfer_to_the_sending_end() {
    refuses(&threat("D11").stream, "detach", Condition::NotAllowed);
    accepts(&with(receiving(), &[message(0, b"t")]));
}

/// D12, T-CREDIT-09: a transfer for which there is no credit.
#[test]
fn d12_transfer_without_credit() {
    let stream = threat("D12").stream;
    let poor = attack(|| Endpoint::server().with_credit(0), &stream);
    assert_eq!(poor.said().errors(), [("detach", Condition::TransferLimitExceeded)]);
    assert_eq!((poor.counts.messages, poor.connection.is_open()), (0, true));
    let rich = attack(|| Endpoint::server().with_credit(1), &stream);
    assert_eq!((rich.said().errors(), rich.counts.messages), (vec![], 1));
    // What comes after the detach is dropped, and the peer's own detach ends it.
    let later = [&stream[..], &with(vec![], &[message(1, b"u"), detach(0, true)])].concat();
    let poor = attack(|| Endpoint::server().with_credit(0), &later);
    assert_eq!((poor.said().count("detach"), poor.said().count("end")), (1, 0));
}

/// D16, T-XFER-02: a delivery without an id.
#[test]
fn d16_no_delivery_id() {
    refuses(&threat("D16").stream, "detach", Condition::InvalidField);
    accepts(&with(receiving(), &[message(0, b"t")]));
}

/// D17, T-XFER-03: a delivery without a tag.
#[test]
fn d17_no_delivery_tag() {
    refuses(&threat("D17").stream, "detach", Condition::InvalidField);
    accepts(&with(receiving(), &[message(0, b"")]));
}

/// D18: a tag of 33 octets.
#[test]
fn d18_tag_of_33_octets() {
    closes(&threat("D18").stream, Condition::DecodeError);
    closes(&with(receiving(), &[message(0, &[b'T'; 33])]), Condition::DecodeError);
    accepts(&with(receiving(), &[message(0, &[b'T'; 32])]));
}

/// D19, T-XFER-05: a delivery-id that was there before.
#[test]
fn d19_delivery_id_used_again() {
    let endpoint = refuses(&threat("D19").stream, "end", Condition::InvalidField);
    assert_eq!(endpoint.counts.messages, 1);
    refuses(&with(receiving(), &[message(5, b"t"), message(4, b"u")]), "end", Condition::InvalidField);
    accepts(&with(receiving(), &[message(5, b"t"), message(6, b"u")]));
}

/// D20, T-XFER-11: another delivery before the one on the link is complete.
#[test]
fn d20_deliveries_interleaved() {
    refuses(&threat("D20").stream, "detach", Condition::InvalidField);
    let endpoint = accepts(&with(receiving(), &[part(0, b"t", &NOTHING), transfer(0, 0, b"t")]));
    assert_eq!(endpoint.counts.messages, 1);
    let on_two_links = [
        attach_sender("m", 1, "q", "q"),
        part(0, b"t", &NOTHING),
        transfer(1, 1, b"x").payload(NOTHING),
        transfer(0, 0, b"t"),
    ];
    assert_eq!(accepts(&with(receiving(), &on_two_links)).counts.messages, 2, "on another link they may be");
}

/// D21, T-XFER-13, T-CREDIT-11: a delivery that is given up is never told of, and nothing of it is kept.
#[test]
fn d21_delivery_given_up() {
    let mut endpoint = accepts(&threat("D21").stream);
    assert_eq!(endpoint.counts.messages, 0);
    let session = endpoint.sessions[0];
    assert_eq!(endpoint.connection.session(session).unwrap().unsettled_received(), 0);
    assert_eq!(endpoint.connection.receiver(endpoint.receivers[0]).unwrap().credit(), 99);
    // The window is what it was: all of it is there for the next.
    let window = accepts(&receiving()).connection.session(session).unwrap().incoming_window();
    assert_eq!(endpoint.connection.session(session).unwrap().incoming_window(), window - 2);
    for id in 1..=400 {
        endpoint.read(&with(vec![], &[part(id, b"t", &[7; 100]), transfer(0, id, b"t").nulls(5).boolean(true)]));
        endpoint.write();
        if id % 40 == 0 {
            endpoint.connection.receiver(endpoint.receivers[0]).unwrap().set_credit(100).unwrap();
        }
    }
    assert_eq!((endpoint.said().errors(), endpoint.counts.messages), (vec![], 0));
}

/// D22, T-DISP-05: all deliveries there are; in serial order the last comes before the first.
#[test]
fn d22_disposition_of_everything() {
    refuses(&threat("D22").stream, "end", Condition::InvalidField);
    accepts(&with(sending(), &[disposition(true, 0, Some(0x7fff_ffff)).boolean(true)]));
}

/// D23, T-DISP-05: the last before the first.
#[test]
fn d23_disposition_backwards() {
    refuses(&threat("D23").stream, "end", Condition::InvalidField);
    accepts(&with(sending(), &[disposition(true, 5, Some(10)).boolean(true)]));
}

/// D24, T-DISP-04: deliveries that were never sent, and of the wrong direction.
#[test]
fn d24_disposition_of_nothing() {
    let endpoint = accepts(&threat("D24").stream);
    assert_eq!(endpoint.said().names(), ["open", "begin", "attach"]);
    // One delivery that was sent is told of; the others of its range are not.
    let mut endpoint = accepts(&with(sending(), &[flow(Some(0), 9, 0, 9).uint(0).uint(0).uint(1)]));
    sent(&mut endpoint);
    let before = endpoint.events.len();
    endpoint.read(&disposition(false, 0, Some(9)).boolean(true).raw(ACCEPTED).to_octets());
    assert_eq!(endpoint.events.len(), before, "of the other direction");
    endpoint.read(&disposition(true, 0, Some(9)).boolean(true).raw(ACCEPTED).to_octets());
    assert!(endpoint.events[before].starts_with("Updated"), "{:?}", endpoint.events);
    assert_eq!(endpoint.events.len(), before + 1);
}

/// D25: the same range of everything, again and again: the first ends the session, the others are dropped.
#[test]
fn d25_dispositions_of_everything() {
    let threat = threat("D25");
    let stream = [&threat.stream[..], &threat.repeated.repeat(100)].concat();
    let endpoint = refuses(&stream, "end", Condition::InvalidField);
    assert_eq!(endpoint.events.len(), 6, "{:?}", endpoint.events);
    // Half of everything is a range that stands; that it costs nothing is shown by how many there are.
    let ranges = disposition(true, 0, Some(0x7fff_ffff)).boolean(true).to_octets().repeat(threat.times);
    let mut endpoint = Endpoint::server();
    endpoint.read(&[&threat.stream[..], &ranges].concat());
    endpoint.write();
    assert_eq!(endpoint.said().names(), ["open", "begin", "attach"]);
}

/// D26: a state of 400 lists in one another.
#[test]
fn d26_state_nested_400_deep() {
    closes(&threat("D26").stream, Condition::DecodeError);
    accepts(&with(sending(), &[disposition(true, 0, Some(0)).boolean(true).raw(ACCEPTED)]));
}

/// D29, S-FLOW-02: a flow of no link.
#[test]
fn d29_flow_of_no_link() {
    refuses(&threat("D29").stream, "end", Condition::UnattachedHandle);
    accepts(&with(sending(), &[flow(Some(0), 9, 0, 9).uint(0).uint(0).uint(10)]));
}

/// D30, T-CREDIT-03, T-CREDIT-07: credit without bound, counted from what was never sent.
#[test]
fn d30_credit_that_wraps() {
    let mut endpoint = accepts(&threat("D30").stream);
    let credit = endpoint.connection.sender(endpoint.senders[0]).unwrap().credit();
    assert_eq!(credit, 0x7fff_ffff - 16, "from 16 below the count, and never more than half of the numbers");
    let mut endpoint = accepts(&with(sending(), &[flow(Some(0), 9, 0, 9).uint(0).uint(0xffff_fff0).uint(3)]));
    assert_eq!(endpoint.connection.sender(endpoint.senders[0]).unwrap().credit(), 0);
}

/// D31, S-WIN-06, S-WIN-09: a window without bound, counted from what was never sent.
#[test]
fn d31_window_that_wraps() {
    let mut endpoint = accepts(&threat("D31").stream);
    let window = |endpoint: &mut Endpoint| {
        let session = endpoint.sessions[0];
        endpoint.connection.session(session).unwrap().remote_incoming_window()
    };
    assert_eq!(window(&mut endpoint), u32::MAX - 1);
    sent(&mut endpoint);
    assert_eq!((endpoint.said().errors(), window(&mut endpoint)), (vec![], u32::MAX - 2));
    let mut endpoint = accepts(&with(sending(), &[flow(Some(0xffff_fff0), 3, 0, 9)]));
    assert_eq!(window(&mut endpoint), 0);
}

/// D32, S-WIN-12, C-OPEN-04: a flow that does not say which transfer comes next. Who has begun the session may have
/// sent it before the answer could be there, and this end cannot tell; once a flow has shown that the peer has this
/// end's begin, the next one has to say.
#[test]
fn d32_no_next_incoming_id_from_who_has_begun() {
    accepts(&threat("D32").stream);
    let stream = with(sending(), &[flow(Some(0), 9, 0, 9), flow(None, 9, 0, 9)]);
    refuses(&stream, "end", Condition::InvalidField);
    accepts(&with(sending(), &[flow(Some(0), 9, 0, 9), flow(Some(0), 9, 0, 9)]));
}

/// D32, the other way: the peer has answered this end's begin, so it has it.
#[test]
fn d32_no_next_incoming_id_in_answer() {
    let begun = |frames: &[Literal]| {
        let mut endpoint = Endpoint::server();
        endpoint.read(&up());
        endpoint.connection.begin(&Default::default()).unwrap();
        endpoint.read(&with(vec![], frames));
        endpoint.write();
        endpoint.said()
    };
    let answer = begin(Some(0), 0, 9, 9);
    let said = begun(&[answer.clone(), flow(None, 9, 0, 9)]);
    assert_eq!(said.errors(), [("end", Condition::InvalidField)]);
    assert_eq!(begun(&[answer, flow(Some(0), 9, 0, 9)]).errors(), []);
}

/// D33, S-FLOW-01: credit for no link.
#[test]
fn d33_credit_without_a_handle() {
    refuses(&threat("D33").stream, "end", Condition::InvalidField);
    accepts(&with(session(), &[flow(Some(0), 1, 0, 1)]));
}

/// D35: an attach with what is unsettled is looked at and kept as far as the limits go.
#[test]
fn d35_unsettled_map() {
    let endpoint = accepts(&threat("D35").stream);
    assert_eq!(endpoint.counts.links, 1);
    // As many as a frame holds are more than is kept.
    let entry = |at: u16| [&[0xa0, 2][..], &at.to_be_bytes(), &octets("00532445")].concat();
    let entries: Vec<u8> = (0..7_000).flat_map(entry).collect();
    let size = u32::try_from(entries.len() + 4).unwrap();
    let map = [&[0xd1][..], &size.to_be_bytes(), &14_000_u32.to_be_bytes(), &entries].concat();
    let frame = attach("l", 0, false).nulls(2).terminus(0x28, "q").terminus(0x29, "q").encoded(&map).null().uint(0);
    let endpoint = refuses(&with(session(), &[frame]), "detach", Condition::ResourceLimitExceeded);
    assert_eq!(endpoint.counts.links, 0);
}

/// D36, L-ATT-05: a link without source and target is refused, and what comes over it dropped.
#[test]
fn d36_link_without_termini() {
    let endpoint = refuses(&threat("D36").stream, "detach", Condition::InvalidField);
    assert_eq!(endpoint.said().names(), ["open", "begin", "attach", "detach"]);
    assert_eq!(endpoint.counts.messages, 0);
    assert_eq!(accepts(&with(receiving(), &[message(0, b"t")])).counts.messages, 1);
}

/// D37, L-ATT-02: a sender that does not say where its delivery-count starts.
#[test]
fn d37_no_initial_delivery_count() {
    let endpoint = refuses(&threat("D37").stream, "detach", Condition::InvalidField);
    assert_eq!((endpoint.said().names(), endpoint.counts.links), (vec!["open", "begin", "attach", "detach"], 0));
    accepts(&with(session(), &[attach_sender("x", 0, "q", "q")]));
    accepts(&with(session(), &[attach_receiver("x", 0, "q", "q")]));
}

/// D38: a settle mode of 7.
#[test]
fn d38_settle_mode_7() {
    closes(&threat("D38").stream, Condition::DecodeError);
    let settling = |mode: u8| {
        let frame = attach("x", 0, false).ubyte(mode).null().terminus(0x28, "q").terminus(0x29, "q");
        with(session(), &[frame.nulls(2).uint(0)])
    };
    closes(&settling(3), Condition::DecodeError);
    accepts(&settling(2));
    let no_role = Literal::new(0x12).string("x").uint(0).null();
    closes(&with(session(), &[no_role]), Condition::InvalidField);
}

/// D39, L-NAME-04: a long name is taken; what a link keeps of its attach is bounded.
#[test]
fn d39_long_names() {
    accepts(&threat("D39").stream);
    let named = |length| with(session(), &[attach_sender(&"n".repeat(length), 0, "q", "q")]);
    accepts(&named(8_000));
    refuses(&named(9_000), "detach", Condition::ResourceLimitExceeded);
}

/// D40: a map of 120 keys in a message is not looked at until the application does.
#[test]
fn d40_application_properties() {
    let endpoint = accepts(&threat("D40").stream);
    assert_eq!(endpoint.counts.messages, 1);
}

/// D41: a message of 600 sections, and one of more than the limits allow: that is the application's to reject.
#[test]
fn d41_sections() {
    assert_eq!(accepts(&threat("D41").stream).said().names().last(), Some(&"disposition"));
    let section = [0x00, 0x53, 0x75, 0xa0, 0x00];
    let limit = usize::try_from(Limits::DEFAULT.sections()).unwrap();
    let parts = |sections: usize| {
        let octets = section.repeat(sections);
        let (first, last) = octets.split_at(octets.len() / 2);
        with(receiving(), &[part(0, b"t", first), transfer(0, 0, b"t").payload(last)])
    };
    let outcome = |sections| accepts(&parts(sections)).events.pop().unwrap();
    assert!(outcome(limit).starts_with("Ok"));
    assert!(outcome(limit + 1).starts_with("Err"));
}

/// D42: sections out of order: no message, but a delivery like every other; the connection lives.
#[test]
fn d42_sections_out_of_order() {
    let endpoint = accepts(&threat("D42").stream);
    assert!(endpoint.events.last().unwrap().starts_with("Err"), "{:?}", endpoint.events);
    assert_eq!(endpoint.said().names().last(), Some(&"disposition"));
    let again = with(threat("D42").stream.to_vec(), &[message(1, b"u")]);
    assert!(accepts(&again).events.last().unwrap().starts_with("Ok"));
}

/// D43, T-XFER-13: a detach, or an end, in the middle of a delivery.
#[test]
fn d43_detach_in_the_middle() {
    let stream = threat("D43").stream;
    let mut endpoint = accepts(&stream);
    let session = endpoint.sessions[0];
    let state = endpoint.connection.session(session).unwrap();
    assert_eq!((state.unsettled_received(), endpoint.counts.messages), (0, 0));
    endpoint.read(&with(vec![], &[attach_sender("l", 0, "q", "q"), message(1, b"t")]));
    assert_eq!(endpoint.counts.messages, 1, "the next link has all that the first one had");
    let endpoint = accepts(&with(receiving(), &[part(0, b"t", &NOTHING), end()]));
    assert!(endpoint.events.last().unwrap().starts_with("SessionEnded"));
    assert_eq!(endpoint.counts.messages, 0);
}

/// D44, C-CLOSE-02: a peer that never answers: nothing grows while that is waited for, and there is an end to it.
#[test]
fn d44_no_answer() {
    let mut endpoint = accepts(&with(threat("D44").stream.to_vec(), &[begin(None, 0, 9, 9)]));
    endpoint.connection.close_with(Error::new(Condition::ConnectionForced));
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

/// D45: a close is one, whatever it says: the keys of its info should be symbols.
#[test]
fn d45_close_with_much_to_say() {
    let endpoint = attack_server(&threat("D45").stream);
    assert!(endpoint.connection.is_over());
    assert_eq!(endpoint.said().errors(), []);
    assert_eq!(endpoint.said().names(), ["open", "close"]);
    let reason = endpoint.connection.remote_error().unwrap();
    assert_eq!(reason.condition.to_string(), "x:y");
    let said = attack_server(&with(up(), &[close().error("x:y")])).said();
    assert_eq!(said.names(), ["open", "close"]);
}
