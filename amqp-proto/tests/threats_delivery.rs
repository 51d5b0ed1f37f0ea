//! Hostile streams at deliveries: D10 to D26, D40 to D43. Each fault ends only the link, session or connection that
//! it concerns, with one condition; next to it, a stream that differs in one detail is accepted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "common/endpoint.rs"]
mod endpoint;

use amqp_proto::testing::{attach_sender, detach, disposition, end, flow, transfer};
use amqp_proto::types::Limits;
use amqp_proto::wire::Condition;
use endpoint::*;

/// D10, L-HAND-05: a transfer on no link.
#[test]
fn d10_transfer_on_no_link() {
    let endpoint = refuses(&threat("D10").stream, "end", Condition::UnattachedHandle);
    assert_eq!(endpoint.counts.messages, 0);
    assert_eq!(accepts(&with(receiving(), &[message(0, b"t")])).counts.messages, 1);
}

/// D11: a transfer to the sending end of a link.
#[test]
fn d11_transfer_to_the_sending_end() {
    refuses(&threat("D11").stream, "detach", Condition::NotAllowed);
    accepts(&with(receiving(), &[message(0, b"t")]));
}

/// D12, T-CREDIT-09: a transfer without credit.
#[test]
fn d12_transfer_without_credit() {
    let stream = threat("D12").stream;
    let poor = attack(|| Endpoint::server().with_credit(0), &stream);
    assert_eq!(poor.wrote().errors(), [("detach", Condition::TransferLimitExceeded)]);
    assert_eq!((poor.counts.messages, poor.connection.is_open()), (0, true));
    let rich = attack(|| Endpoint::server().with_credit(1), &stream);
    assert_eq!((rich.wrote().errors(), rich.counts.messages), (vec![], 1));
    // Frames after the detach are dropped, until the peer's own detach.
    let later = [&stream[..], &with(vec![], &[message(1, b"u"), detach(0, true)])].concat();
    let poor = attack(|| Endpoint::server().with_credit(0), &later);
    assert_eq!((poor.wrote().count("detach"), poor.wrote().count("end")), (1, 0));
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
    closes(&threat("D18").stream, Condition::InvalidField);
    closes(&with(receiving(), &[message(0, &[b'T'; 33])]), Condition::InvalidField);
    accepts(&with(receiving(), &[message(0, &[b'T'; 32])]));
}

/// D19, T-XFER-05: a delivery-id that was used before.
#[test]
fn d19_delivery_id_used_again() {
    let endpoint = refuses(&threat("D19").stream, "end", Condition::InvalidField);
    assert_eq!(endpoint.counts.messages, 1);
    refuses(&with(receiving(), &[message(5, b"t"), message(4, b"u")]), "end", Condition::InvalidField);
    accepts(&with(receiving(), &[message(5, b"t"), message(6, b"u")]));
}

/// D20, T-XFER-11: a second delivery on a link before the first is complete.
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

/// D21, T-XFER-13, T-CREDIT-11: an aborted delivery is never reported, and its octets are freed.
#[test]
fn d21_delivery_given_up() {
    let mut endpoint = accepts(&threat("D21").stream);
    assert_eq!(endpoint.counts.messages, 0);
    let session = endpoint.sessions[0];
    assert_eq!(endpoint.connection.session(session).unwrap().unsettled_received(), 0);
    assert_eq!(endpoint.connection.receiver(endpoint.receivers[0]).unwrap().credit(), 99);
    let mut fresh = accepts(&receiving());
    let window = fresh.connection.session(fresh.sessions[0]).unwrap().incoming_window();
    assert_eq!(endpoint.connection.session(session).unwrap().incoming_window(), window);
    // No resource runs out, however often that happens.
    for id in 1..=400 {
        endpoint
            .read(&with(vec![], &[part(id, b"t", &[7; 100]), transfer(0, id, b"t").nulls(5).boolean(true)]));
        endpoint.write();
        if id % 40 == 0 {
            endpoint.connection.receiver(endpoint.receivers[0]).unwrap().set_credit(100).unwrap();
        }
    }
    assert_eq!((endpoint.wrote().errors(), endpoint.counts.messages), (vec![], 0));
}

/// D22, T-DISP-05: a disposition of all delivery-ids; in serial order its last comes before its first.
#[test]
fn d22_disposition_of_everything() {
    refuses(&threat("D22").stream, "end", Condition::InvalidField);
    accepts(&with(sending(), &[disposition(true, 0, Some(0x7fff_ffff)).boolean(true)]));
}

/// D23, T-DISP-05: a disposition whose last comes before its first.
#[test]
fn d23_disposition_backwards() {
    refuses(&threat("D23").stream, "end", Condition::InvalidField);
    accepts(&with(sending(), &[disposition(true, 5, Some(10)).boolean(true)]));
}

/// D24, T-DISP-04: dispositions of deliveries that were never sent, and of the wrong direction.
#[test]
fn d24_disposition_of_nothing() {
    let endpoint = accepts(&threat("D24").stream);
    assert_eq!(endpoint.wrote().names(), ["open", "begin", "attach"]);
    // A range with one sent delivery reports that one only.
    let mut endpoint = accepts(&with(sending(), &[flow(Some(0), 9, 0, 9).uint(0).uint(0).uint(1)]));
    sent(&mut endpoint);
    let before = endpoint.events.len();
    endpoint.read(&disposition(false, 0, Some(9)).boolean(true).raw(ACCEPTED).to_octets());
    assert_eq!(endpoint.events.len(), before, "of the other direction");
    endpoint.read(&disposition(true, 0, Some(9)).boolean(true).raw(ACCEPTED).to_octets());
    assert!(endpoint.events[before].starts_with("Updated"), "{:?}", endpoint.events);
    assert_eq!(endpoint.events.len(), before + 1);
}

/// D25: endless dispositions of all delivery-ids: the first ends the session, the others are dropped.
#[test]
fn d25_dispositions_of_everything() {
    let threat = threat("D25");
    let stream = [&threat.stream[..], &threat.repeated.repeat(100)].concat();
    let endpoint = refuses(&stream, "end", Condition::InvalidField);
    assert_eq!(endpoint.events.len(), 5, "{:?}", endpoint.events);
    // A range of half of all ids is legal; it costs only the deliveries in it, or the test would not end.
    let ranges = disposition(true, 0, Some(0x7fff_ffff)).boolean(true).to_octets().repeat(threat.times);
    let mut endpoint = Endpoint::server();
    endpoint.read(&[&threat.stream[..], &ranges].concat());
    endpoint.write();
    assert_eq!(endpoint.wrote().names(), ["open", "begin", "attach"]);
}

/// D26: a state of 400 nested lists.
#[test]
fn d26_state_nested_400_deep() {
    closes(&threat("D26").stream, Condition::DecodeError);
    accepts(&with(sending(), &[disposition(true, 0, Some(0)).boolean(true).raw(ACCEPTED)]));
}

/// D40: a map of 120 keys in a message costs nothing until the application reads it.
#[test]
fn d40_application_properties() {
    let endpoint = accepts(&threat("D40").stream);
    assert_eq!(endpoint.counts.messages, 1);
}

/// D41: a message of 600 sections is readable; one with more than the limits allow is for the application to reject.
#[test]
fn d41_sections() {
    assert_eq!(accepts(&threat("D41").stream).wrote().count("disposition"), 1);
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

/// D42: a message with sections out of order arrives like every delivery, and the connection stays open.
#[test]
fn d42_sections_out_of_order() {
    let endpoint = accepts(&threat("D42").stream);
    assert!(endpoint.events.last().unwrap().starts_with("Err"), "{:?}", endpoint.events);
    assert_eq!(endpoint.wrote().count("disposition"), 1);
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
