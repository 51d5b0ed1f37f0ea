//! Links that are resumed with their state: unsettled maps both ways, and each delivery after them [2.6.13] [3.4.6].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_proto::config::{ReceiverOptions, SenderOptions};
use amqp_proto::testing::{Literal, attach, detach, disposition, transfer};
use amqp_proto::types::{DeliveryKey, DeliveryTag, Limits, LinkKey, ReceiverKey, SenderKey};
use amqp_proto::wire::{Coordinator, DeliveryState, Outcome, Received, ReceiverSettleMode, SenderSettleMode};
use amqp_proto::{Event, LinkError, LinkState, SendError, SettleError};
use common::hex;
use common::wire::{Wire, credit};

const ACCEPTED: &str = "00532445";
const RELEASED: &str = "00532645";
/// A message of four sections: 4, 6, 4 and 9 octets.
const MESSAGE: &str = "00537045 005372c10100 00537345 005375a00464617461";

fn message() -> Vec<u8> {
    common::octets(MESSAGE).into()
}

/// The state `received`.
fn received(section: u32, offset: u64) -> String {
    hex(&Literal::new(0x23).uint(section).ulong(offset).to_octets()[8..])
}

/// A delivery of a saved state: its tag, its states at this end and at the peer, and its message.
fn saved(tag: u8, local: &str, remote: &str, message: Option<&[u8]>, is_partial: bool) -> Literal {
    let delivery = Literal::new(0xf2).binary(&[tag]).uint(0).raw(local).raw(remote);
    let delivery = match message {
        Some(message) => delivery.binary(message),
        None => delivery.null(),
    };
    delivery.boolean(is_partial)
}

/// A delivery of a receiver whose application has the message.
fn taken(tag: u8, local: &str) -> Literal {
    saved(tag, local, "40", None, false)
}

/// A delivery of a sender with its message.
fn sent(tag: u8, local: &str) -> Literal {
    saved(tag, local, "40", Some(&message()), false)
}

/// The state of the link `x`, from octets written by hand.
fn state(is_receiver: bool, deliveries: &[Literal]) -> LinkState {
    let count = u32::try_from(deliveries.len()).unwrap();
    let link = Literal::new(0xf1).string("x").boolean(is_receiver).uint(100).uint(count);
    let mut body = Vec::new();
    for part in std::iter::once(&link).chain(deliveries) {
        body.extend_from_slice(&part.to_octets()[8..]);
    }
    let mut octets = [&b"AMQL\x01"[..], &(body.len() as u64).to_be_bytes(), &body].concat();
    let check = !octets.iter().fold(!0_u32, |sum, octet| {
        (0..8).fold(sum ^ u32::from(*octet), |sum, _| (sum >> 1) ^ (0xedb8_8320 * (sum & 1)))
    });
    octets.extend_from_slice(&check.to_be_bytes());
    LinkState::from_bytes(octets, &Limits::DEFAULT).unwrap()
}

/// An unsettled map of tags of one octet and states.
fn map(entries: &[(u8, &str)]) -> String {
    let octets: String = entries.iter().map(|(tag, state)| format!("a001{tag:02x}{state}")).collect();
    let octets = octets.replace(' ', "");
    format!("d1{:08x}{:08x}{octets}", octets.len() / 2 + 4, 2 * entries.len())
}

/// The peer's attach of the link `x` with this unsettled map.
fn peer_attach(is_receiver: bool, unsettled: &str) -> Literal {
    peer_attach_with(is_receiver, "40", "40", unsettled, false)
}

fn peer_attach_with(
    is_receiver: bool,
    snd: &str,
    rcv: &str,
    unsettled: &str,
    is_incomplete: bool,
) -> Literal {
    let frame = attach("x", 0, is_receiver).raw(snd).raw(rcv);
    frame.terminus(0x28, "a").terminus(0x29, "b").raw(unsettled).boolean(is_incomplete).uint(0)
}

/// A transfer that resumes a delivery: up to the field resume.
fn resuming(id: u32, tag: u8, settled: Option<bool>, more: bool, state: &str) -> Literal {
    let frame = transfer(0, id, &[tag]);
    let frame = if let Some(settled) = settled { frame.boolean(settled) } else { frame.null() };
    let frame = if more { frame.boolean(true) } else { frame.null() };
    frame.null().raw(state).boolean(true)
}

fn tag(octet: u8) -> DeliveryTag {
    DeliveryTag::new(&[octet]).unwrap()
}

fn resumed(link: impl Into<LinkKey>, of: u8, delivery: DeliveryKey, is_new: bool) -> Event {
    Event::Resumed { link: link.into(), tag: Box::new(tag(of)), delivery, is_new }
}

fn unresumed(link: impl Into<LinkKey>, of: u8, state: Option<Outcome>) -> Event {
    Event::Unresumed { link: link.into(), tag: Box::new(tag(of)), state: state.map(DeliveryState::from) }
}

fn updated(link: impl Into<LinkKey>, delivery: DeliveryKey, state: Outcome, settled: bool) -> Event {
    Event::Updated { link: link.into(), delivery, state: Some(state.into()), settled }
}

/// An engine whose sender `x` was resumed with these deliveries; the peer has attached with this map, and granted
/// credit.
fn resumed_sender(deliveries: &[Literal], options: SenderOptions, theirs: &str) -> (Wire, SenderKey) {
    let mut wire = Wire::begun();
    let link = wire.session().resume_sender(state(false, deliveries), options).unwrap();
    wire.octets();
    wire.peer_sends(peer_attach(true, theirs));
    assert_eq!(wire.engine.poll_event(), Some(Event::LinkAttached(link.into())));
    wire.octets();
    wire.peer_sends(credit(0, 0, 50));
    (wire, link)
}

/// An engine whose receiver `x` was resumed with these deliveries; the peer has attached with this map.
fn resumed_receiver(
    deliveries: &[Literal],
    options: ReceiverOptions,
    theirs: &str,
) -> (Wire, ReceiverKey, Vec<Event>) {
    let mut wire = Wire::begun();
    let link = wire.session().resume_receiver(state(true, deliveries), options).unwrap();
    wire.octets();
    wire.peer_sends(peer_attach(false, theirs));
    let mut events = wire.events();
    assert_eq!(events.remove(0), Event::LinkAttached(link.into()));
    wire.octets();
    (wire, link, events)
}

/// Returns the keys in the events of resumed deliveries.
fn keys(events: &[Event]) -> Vec<DeliveryKey> {
    let key = |event: &Event| match event {
        Event::Resumed { delivery, .. } => Some(*delivery),
        _ => None,
    };
    events.iter().filter_map(key).collect()
}

/// L-ATT-11 [2.6.3], T-RES-05, T-RES-06, T-RES-08, T-RES-09, T-RES-12, T-RES-16, T-RES-18, T-RES-19, T-RES-20, T-RES-21
/// [3.4.6]: the 14 deliveries of the standard's example, octet by octet.
#[test]
fn t_res_05_the_fourteen_deliveries_octet_by_octet() {
    let ours = [
        (1, "40".to_owned()),
        (2, "40".into()),
        (3, "40".into()),
        (4, "40".into()),
        (5, received(0, 200)),
        (6, received(1, 150)),
        (7, received(0, 500)),
        (8, received(3, 5)),
        (9, received(2, 0)),
        (10, ACCEPTED.into()),
        (11, ACCEPTED.into()),
        (12, ACCEPTED.into()),
        (13, ACCEPTED.into()),
        (14, ACCEPTED.into()),
    ];
    let deliveries: Vec<_> = ours.iter().map(|(tag, state)| sent(*tag, state)).collect();
    let mut wire = Wire::begun();
    let mut session = wire.session();
    let link = session.resume_sender(state(false, &deliveries), SenderOptions::to("b")).unwrap();
    let listed: Vec<_> = ours.iter().map(|(tag, state)| (*tag, state.as_str())).collect();
    // The engine writes the short form of the map.
    let listed = map(&listed);
    let listed = format!("c1{:02x}{:02x}{}", (listed.len() - 18) / 2 + 1, 28, &listed[18..]);
    let ours = attach("x", 0, false).nulls(2).raw("00532845").terminus(0x29, "b").raw(&listed);
    wire.engine_wrote(ours.null().uint(0));
    let theirs = [
        (2, received(3, 0)),
        (3, ACCEPTED.to_owned()),
        (4, "40".into()),
        (6, received(2, 0)),
        (7, received(0, 100)),
        (8, ACCEPTED.into()),
        (9, "40".into()),
        (11, received(1, 2000)),
        (12, ACCEPTED.into()),
        (13, RELEASED.into()),
        (14, "40".into()),
    ];
    let theirs: Vec<_> = theirs.iter().map(|(tag, state)| (*tag, state.as_str())).collect();
    wire.peer_sends(peer_attach(true, &map(&theirs)));
    assert_eq!(wire.events(), [Event::LinkAttached(link.into())]);
    wire.quiet();
    wire.peer_sends(credit(0, 0, 50));
    let events = wire.events();
    let aborted = |id, tag| resuming(id, tag, Some(true), false, "40").boolean(true);
    let new = |id, tag| transfer(0, id, &[tag]).payload(message());
    wire.engine_wrote([
        new(0, 1),
        resuming(1, 2, None, false, &received(3, 0)).payload(&message()[14..]),
        resuming(2, 3, Some(true), false, ACCEPTED),
        resuming(3, 4, None, false, "40").payload(message()),
        new(4, 5),
        resuming(5, 6, None, false, &received(2, 0)).payload(&message()[10..]),
        aborted(6, 7),
        new(7, 7),
        resuming(8, 8, Some(true), false, ACCEPTED),
        aborted(9, 9),
        new(10, 9),
        aborted(11, 11),
        resuming(12, 12, Some(true), false, ACCEPTED),
        resuming(13, 13, None, false, ACCEPTED),
        aborted(14, 14),
    ]);
    let accepted = Outcome::Accepted;
    let key = keys(&events);
    let expected = [
        resumed(link, 1, key[0], true),
        resumed(link, 2, key[1], false),
        resumed(link, 3, key[2], false),
        updated(link, key[2], accepted.clone(), true),
        resumed(link, 4, key[3], false),
        resumed(link, 5, key[4], true),
        resumed(link, 6, key[5], false),
        resumed(link, 7, key[6], true),
        resumed(link, 8, key[7], false),
        updated(link, key[7], accepted.clone(), true),
        resumed(link, 9, key[8], true),
        unresumed(link, 10, Some(accepted.clone())),
        unresumed(link, 11, Some(accepted.clone())),
        resumed(link, 12, key[9], false),
        updated(link, key[9], accepted.clone(), true),
        resumed(link, 13, key[10], false),
        unresumed(link, 14, Some(accepted.clone())),
        Event::Sendable(link),
    ];
    assert_eq!(events, expected);
    // The receiver echoes the sender's outcome of delivery 13, and settles.
    wire.peer_sends(disposition(true, 13, None).boolean(true).raw(ACCEPTED));
    assert_eq!(wire.events(), [updated(link, key[10], accepted, true)]);
    // The others get their outcomes by their new ids.
    let mut unsettled: Vec<_> = wire.engine.sender(link).unwrap().unsettled().collect();
    unsettled.sort();
    assert_eq!(unsettled, [key[0], key[1], key[3], key[4], key[5], key[6], key[8]]);
    wire.peer_sends(disposition(true, 0, Some(14)).boolean(true).raw(ACCEPTED));
    assert_eq!(wire.events().len(), 7);
    wire.quiet();
}

/// L-ATT-11 [2.6.3], T-RES-04 [2.6.5]: a link that is resumed has an unsettled map in its attach, even if it is empty, in both roles;
/// the map of the end that accepts is there, too.
#[test]
fn t_res_04_an_empty_map_of_a_resumed_link() {
    let mut wire = Wire::begun();
    wire.session().resume_sender(state(false, &[]), SenderOptions::to("b")).unwrap();
    wire.engine_wrote([attach("x", 0, false)
        .nulls(2)
        .raw("00532845")
        .terminus(0x29, "b")
        .raw("c10100")
        .null()
        .uint(0)]);
    wire.session().resume_receiver(state(true, &[]), ReceiverOptions::from("a")).unwrap();
    assert!(wire.lines()[0].contains("unsettled: {}"));
    let (mut wire, link) = offered(false, "c10100");
    let LinkKey::Receiver(link) = link else { panic!() };
    wire.engine.receiver(link).unwrap().accept_resumed(ReceiverOptions::new(), state(true, &[])).unwrap();
    assert!(wire.lines()[0].contains("unsettled: {}"));
}

/// An engine that is offered the link `x` with this map.
fn offered(is_receiver: bool, theirs: &str) -> (Wire, LinkKey) {
    let mut wire = Wire::begun();
    wire.peer_sends(peer_attach(is_receiver, theirs));
    let link = wire.offered();
    (wire, link)
}

/// T-RES-06 [2.6.13]: deliveries that only the sender considers unsettled are sent again as new ones, with the old
/// tag, or reported if the application wants that or the message is not there.
#[test]
fn t_res_06_only_at_the_source() {
    for theirs in ["40".to_owned(), map(&[]), map(&[(9, "40")])] {
        let (mut wire, link) =
            resumed_sender(&[sent(1, "40"), taken(2, "40")], SenderOptions::to("b"), &theirs);
        let mut events = wire.events();
        wire.engine_wrote([transfer(0, 0, &[1]).payload(message())]);
        let is_forgotten = events.first() == Some(&Event::Unremembered(link.into()));
        assert_eq!(is_forgotten, theirs.len() < 20);
        events.retain(|event| *event != Event::Unremembered(link.into()));
        let key = keys(&events)[0];
        assert_eq!(events, [resumed(link, 1, key, true), unresumed(link, 2, None), Event::Sendable(link)]);
        let (mut wire, link) =
            resumed_sender(&[sent(1, "40")], SenderOptions::to("b").with_resend(false), &theirs);
        let events = wire.events();
        assert!(events.ends_with(&[unresumed(link, 1, None), Event::Sendable(link)]), "{events:?}");
        assert_eq!(wire.written(), "");
        // The tag is free again.
        let options = amqp_proto::config::SendOptions::new().with_tag(tag(1));
        wire.engine.sender(link).unwrap().send_with(&"new".into(), &options).unwrap();
    }
    // The receiver accepts no message of this size any more.
    let mut wire = Wire::begun();
    let link = wire.session().resume_sender(state(false, &[sent(1, "40")]), SenderOptions::to("b")).unwrap();
    wire.peer_sends(peer_attach(true, "c10100").ulong(10)).peer_sends(credit(0, 0, 9));
    assert!(wire.events().contains(&unresumed(link, 1, None)));
}

/// T-RES-07 [2.6.13]: the receiver settles what only it considers unsettled, right after the attach exchange. A
/// message that it had not handed over before is handed over.
#[test]
fn t_res_07_only_at_the_target() {
    let whole = saved(3, "40", "40", Some(&message()), false);
    let half = saved(4, "40", "40", Some(&message()[..9]), true);
    let ours = [taken(1, ACCEPTED), taken(2, "40"), whole, half];
    for theirs in ["40".to_owned(), map(&[]), map(&[(9, "40")])] {
        let options = ReceiverOptions::from("a").with_rcv_settle_mode(ReceiverSettleMode::Second);
        let (mut wire, link, mut events) = resumed_receiver(&ours, options, &theirs);
        if theirs.len() < 20 {
            assert_eq!(events.remove(0), Event::Unremembered(link.into()));
        }
        let [first, second, Event::Message { delivery, .. }] = &events[..] else { panic!("{events:?}") };
        let expected = [unresumed(link, 1, Some(Outcome::Accepted)), unresumed(link, 2, None)];
        assert_eq!([first.clone(), second.clone()], expected);
        let mut receiver = wire.engine.receiver(link).unwrap();
        assert_eq!(receiver.unsettled_len(), 0);
        let received = receiver.receive().unwrap();
        assert_eq!((received.key(), received.is_settled(), received.tag()), (*delivery, true, tag(3)));
        assert_eq!(received.payload().to_bytes(), message());
        assert_eq!(receiver.receive(), None);
        assert_eq!(receiver.accept(received.key()), Err(SettleError::Settled));
    }
}

/// T-RES-08, T-RES-09, T-RES-11 [2.6.13]: a delivery that both ends consider unsettled goes on under a new id with its
/// old tag, and the old ids mean nothing.
#[test]
fn t_res_11_new_ids_and_old_tags() {
    let (mut wire, link) = resumed_sender(&[sent(7, "40")], SenderOptions::to("b"), &map(&[(7, "40")]));
    let events = wire.events();
    wire.engine_wrote([resuming(0, 7, None, false, "40").payload(message())]);
    let key = keys(&events)[0];
    assert_eq!(events, [resumed(link, 7, key, false), Event::Sendable(link)]);
    assert_eq!(wire.engine.delivery(key).unwrap().tag(), tag(7));
    wire.peer_sends(disposition(true, 99, None).boolean(true).raw(ACCEPTED)).quiet();
    wire.peer_sends(disposition(true, 0, None).boolean(true).raw(ACCEPTED));
    assert_eq!(wire.events(), [updated(link, key, Outcome::Accepted, true)]);
}

/// T-RES-09, T-RES-17 [2.6.13] [3.4.6]: a resumed delivery of several frames is marked on the first one. The receiver
/// drops the octets that it has, wherever the sender begins.
#[test]
fn t_res_17_octets_that_were_there_are_dropped() {
    let whole = message();
    for (start, state) in
        [(0, "40".to_owned()), (0, received(0, 0)), (4, received(1, 0)), (9, received(1, 5))]
    {
        for piece in [1, 3, 100] {
            for streaming in [false, true] {
                let ours = [saved(4, "40", "40", Some(&whole[..9]), true)];
                let options = ReceiverOptions::from("a").with_streaming(streaming);
                let (mut wire, link, events) = resumed_receiver(&ours, options, &map(&[(4, &state)]));
                assert_eq!(events, []);
                let mut pieces: Vec<_> = whole[start..].chunks(piece).collect();
                let last = pieces.pop().unwrap();
                let mut is_first = true;
                for octets in pieces {
                    let frame = Literal::new(0x14).uint(0).nulls(4).boolean(true);
                    let frame = if is_first { resuming(0, 4, None, true, &state) } else { frame };
                    wire.peer_sends(frame.payload(octets));
                    is_first = false;
                }
                let frame = Literal::new(0x14).uint(0);
                let frame = if is_first { resuming(0, 4, None, false, &state) } else { frame };
                wire.peer_sends(frame.payload(last));
                let events = wire.events();
                let Some(Event::Message { delivery, .. }) = events.first() else { panic!("{events:?}") };
                let mut receiver = wire.engine.receiver(link).unwrap();
                if streaming {
                    assert_eq!(receiver.read(*delivery).unwrap().payload.to_bytes(), whole);
                } else {
                    assert_eq!(events.len(), 1);
                    assert_eq!(receiver.receive().unwrap().payload().to_bytes(), whole);
                }
                receiver.accept(*delivery).unwrap();
            }
        }
    }
}

/// T-RES-17 [3.4.6]: a sender that leaves out octets which the receiver lacks makes a fault.
#[test]
fn t_res_17_a_gap_is_a_fault() {
    for (section, offset) in [(1, 6), (2, 0), (9, 0), (0, 5)] {
        let ours = [saved(4, "40", "40", Some(&message()[..9]), true)];
        let (mut wire, _, _) = resumed_receiver(&ours, ReceiverOptions::from("a"), &map(&[(4, "40")]));
        let state = received(section, offset);
        wire.peer_sends(resuming(0, 4, None, false, &state).payload("rest"));
        let lines = wire.lines();
        assert!(lines[0].contains("amqp:invalid-field"), "{lines:?}");
        assert!(matches!(wire.detached(), (_, true, _)));
    }
}

/// T-RES-10, T-RES-12 [2.7.5]: the receiver ignores a delivery that is resumed and unknown, and the octets of one whose
/// message the application has; only the first is not reported.
#[test]
fn t_res_12_octets_are_not_needed() {
    for octets in ["", "some octets"] {
        let ours = [taken(1, "40")];
        let options = ReceiverOptions::from("a");
        let (mut wire, link, _) = resumed_receiver(&ours, options, &map(&[(1, "40"), (2, "40")]));
        wire.peer_sends(resuming(0, 2, None, false, "40").payload(octets)).quiet();
        wire.peer_sends(resuming(1, 1, None, true, "40").payload(octets));
        let events = wire.events();
        let key = keys(&events)[0];
        assert_eq!(events, [resumed(link, 1, key, false)]);
        wire.peer_sends(Literal::new(0x14).uint(0).payload(octets)).quiet();
        let mut receiver = wire.engine.receiver(link).unwrap();
        assert_eq!((receiver.receive(), receiver.unsettled_len()), (None, 1));
        receiver.accept(key).unwrap();
        wire.engine_wrote([disposition(true, 1, None).boolean(true).raw(ACCEPTED)]);
    }
}

/// T-RES-10 [2.7.5]: the receiver of a link without a state ignores resumed deliveries; so does one that has resumed
/// the same delivery already.
#[test]
fn t_res_10_resumed_twice() {
    let (mut wire, link, _) =
        resumed_receiver(&[taken(1, "40")], ReceiverOptions::from("a"), &map(&[(1, "40")]));
    wire.peer_sends(resuming(0, 1, None, false, "40"));
    assert_eq!(wire.events().len(), 1);
    wire.peer_sends(resuming(1, 1, None, false, "40").payload(message())).quiet();
    assert_eq!(wire.engine.receiver(link).unwrap().unsettled_len(), 1);
    // A tag of an unsettled delivery cannot be that of a new one.
    wire.peer_sends(transfer(0, 2, &[1]));
    assert!(wire.lines()[0].contains("amqp:not-allowed"));
}

/// T-RES-19 [3.4.6]: the sender restates another outcome than the receiver's, unsettled: it counts, and the receiver
/// echoes it and settles.
#[test]
fn t_res_19_the_outcome_of_the_sender_counts() {
    let options = ReceiverOptions::from("a").with_rcv_settle_mode(ReceiverSettleMode::Second);
    let (mut wire, link, _) = resumed_receiver(&[taken(1, RELEASED)], options, &map(&[(1, ACCEPTED)]));
    wire.peer_sends(resuming(0, 1, None, false, ACCEPTED));
    let events = wire.events();
    let key = keys(&events)[0];
    assert_eq!(events, [resumed(link, 1, key, false), updated(link, key, Outcome::Accepted, true)]);
    wire.engine_wrote([disposition(true, 0, None).boolean(true).raw(ACCEPTED)]);
    assert_eq!(wire.engine.receiver(link).unwrap().unsettled_len(), 0);
}

/// T-RES-20 [3.4.6]: both ends have the same outcome: the sender resumes and settles, which the receiver is told.
#[test]
fn t_res_20_the_sender_settles_what_both_have_decided() {
    for state in ["40", ACCEPTED] {
        let options = ReceiverOptions::from("a").with_rcv_settle_mode(ReceiverSettleMode::Second);
        let (mut wire, link, _) = resumed_receiver(&[taken(1, ACCEPTED)], options, &map(&[(1, state)]));
        wire.peer_sends(resuming(0, 1, Some(true), false, state));
        let events = wire.events();
        let key = keys(&events)[0];
        assert_eq!(events, [resumed(link, 1, key, false), updated(link, key, Outcome::Accepted, true)]);
        assert_eq!(wire.engine.receiver(link).unwrap().unsettled_len(), 0);
        wire.quiet();
    }
}

/// T-RES-20, T-XFER-09 [3.4.6] [2.7.5]: on a link of mode unsettled, no transfer is settled: the disposition follows.
/// An application that settles itself is told the receiver's outcome, and settles later.
#[test]
fn t_res_20_settled_by_a_disposition() {
    let options = || SenderOptions::to("b").with_snd_settle_mode(SenderSettleMode::Unsettled);
    let theirs = map(&[(1, ACCEPTED)]);
    let (mut wire, link) = resumed_sender(&[sent(1, "40")], options(), &theirs);
    let events = wire.events();
    assert_eq!(events[1], updated(link, keys(&events)[0], Outcome::Accepted, true));
    wire.engine_wrote([resuming(0, 1, None, false, ACCEPTED), disposition(false, 0, None).boolean(true)]);
    let (mut wire, link) = resumed_sender(&[sent(1, "40")], options().with_auto_settle(false), &theirs);
    let events = wire.events();
    let key = keys(&events)[0];
    assert_eq!(events[1], updated(link, key, Outcome::Accepted, false));
    wire.engine_wrote([resuming(0, 1, None, false, "40")]);
    wire.engine.sender(link).unwrap().settle(key).unwrap();
    wire.engine_wrote([disposition(false, 0, None).boolean(true)]);
}

/// T-RES-18 [3.4.6]: an outcome that the peer has sent stands in the map, since the receiver needs no octets any more;
/// a delivery without a message says that it cannot be sent again.
#[test]
fn t_res_18_what_the_map_says() {
    let mut wire = Wire::begun();
    let decided = saved(1, "40", ACCEPTED, Some(&message()), false);
    let begun = saved(3, "40", "40", Some(b"00"), true);
    let deliveries = [decided, sent(2, "40"), begun, taken(4, "40")];
    wire.session().resume_sender(state(false, &deliveries), SenderOptions::to("b")).unwrap();
    let line = wire.lines().remove(0);
    for part in
        ["0x01 = @ulong 36 []", "0x02 = null", "0x03 = @ulong 35 [uint 4294967295", "0x04 = @ulong 35"]
    {
        assert!(line.contains(part), "{part}: {line}");
    }
    // The receiver knows the beginning of both: they are aborted, and lost.
    let theirs = map(&[(1, ACCEPTED), (2, ACCEPTED), (3, "40"), (4, &received(1, 0))]);
    wire.peer_sends(peer_attach(true, &theirs)).peer_sends(credit(0, 0, 9));
    let events = wire.events();
    let lost = |event: &Event| matches!(event, Event::Unresumed { state: None, .. });
    assert_eq!(events.iter().filter(|event| lost(event)).count(), 2, "{events:?}");
    let lines = wire.lines();
    assert_eq!(lines.iter().filter(|line| line.contains("aborted: true")).count(), 2, "{lines:?}");
}

/// T-RES-21 [3.4.6]: a delivery that is aborted when it is resumed is lost, if the application had its message, and
/// else forgotten. Positions that the message does not have are answered by an abort.
#[test]
fn t_res_21_what_cannot_be_resumed_is_aborted() {
    let half = saved(2, "40", "40", Some(&message()[..9]), true);
    let ours = [taken(1, "40"), half];
    let (mut wire, link, _) =
        resumed_receiver(&ours, ReceiverOptions::from("a"), &map(&[(1, "40"), (2, "40")]));
    wire.peer_sends(resuming(0, 1, None, false, "40").boolean(true));
    let events = wire.events();
    let key = keys(&events)[0];
    let lost = Event::Lost { link: link.into(), delivery: key, state: None };
    assert_eq!(events, [resumed(link, 1, key, false), lost]);
    wire.peer_sends(resuming(1, 2, None, false, "40").boolean(true)).quiet();
    wire.peer_sends(transfer(0, 2, &[2]).payload(message()));
    assert!(matches!(wire.event(), Event::Message { .. }));
    for (section, offset) in [(4, 1), (5, 0), (0, 5), (u32::MAX, u64::MAX)] {
        let theirs = map(&[(1, &received(section, offset))]);
        let (mut wire, link) = resumed_sender(&[sent(1, "40")], SenderOptions::to("b"), &theirs);
        wire.engine_wrote([
            resuming(0, 1, Some(true), false, "40").boolean(true),
            transfer(0, 1, &[1]).payload(message()),
        ]);
        let events = wire.events();
        assert_eq!(events[0], resumed(link, 1, keys(&events)[0], true));
    }
}

/// T-RES-16 [3.4.1]: the sender's application cannot send the state `received`.
#[test]
fn t_res_16_only_a_resumed_delivery_has_the_state_received() {
    let state = DeliveryState::Received(Received::new(0, 1));
    let mut wire = Wire::begun();
    let link = wire.sender(SenderOptions::new(), 9);
    let mut sender = wire.engine.sender(link).unwrap();
    let options = amqp_proto::config::SendOptions::new().with_state(state.clone());
    assert_eq!(sender.send_with(&"x".into(), &options), Err(SendError::Received));
    let sent = sender.send("x").unwrap();
    assert_eq!(sender.update(sent, &state), Err(SettleError::Received));
    assert_eq!(wire.lines().len(), 1);
}

/// T-RES-22 [4.2]: a link to a coordinator is not resumed by this end, and has no state.
#[test]
fn t_res_22_no_state_of_a_coordinator() {
    let mut wire = Wire::begun();
    let options = SenderOptions::to_coordinator(Coordinator::default()).with_resumable(true);
    let mut session = wire.session();
    let link = session.attach_sender("x", options.clone()).unwrap();
    let state = wire.engine.sender(link).unwrap().link_state();
    assert_eq!(state.deliveries(), []);
    wire.octets();
    let mut other = Wire::begun();
    for options in [options, SenderOptions::to("b")] {
        assert_eq!(other.session().resume_sender(state.clone(), options), Err(LinkError::Coordinator));
    }
    other.quiet();
}

/// A state of another link is refused, and nothing is sent.
#[test]
fn the_state_of_another_link_is_refused() {
    let mut wire = Wire::begun();
    let mut session = wire.session();
    assert_eq!(session.resume_receiver(state(false, &[]), ReceiverOptions::new()), Err(LinkError::OtherLink));
    let mut first = Wire::begun();
    let options = SenderOptions::to("b").with_resumable(true);
    let link = first.session().attach_sender("x", options).unwrap();
    let state_of_b = first.engine.sender(link).unwrap().link_state();
    assert_eq!(state_of_b.target().and_then(|target| target.address()), Some(&"b".into()));
    assert_eq!(
        wire.session().resume_sender(state_of_b.clone(), SenderOptions::to("c")),
        Err(LinkError::OtherLink)
    );
    wire.quiet();
    let offer = attach("y", 0, true).nulls(2).terminus(0x28, "a").terminus(0x29, "b").raw("c10100");
    let LinkKey::Sender(link) = wire.peer_attaches(offer) else { panic!() };
    let mut sender = wire.engine.sender(link).unwrap();
    assert_eq!(sender.accept_resumed(SenderOptions::new(), state_of_b), Err(LinkError::OtherLink));
    wire.quiet();
    let limited = Limits::DEFAULT.with_unsettled(1);
    let mut wire = Wire::begun_with(limited, amqp_proto::config::SessionOptions::new(), 9);
    let state = state(false, &[sent(1, "40"), sent(2, "40")]);
    assert_eq!(wire.session().resume_sender(state, SenderOptions::to("b")), Err(LinkError::Limit));
    wire.quiet();
}

/// A resumable link hands over its state in all ways of ending but a close; the state is that of `link_state`, and
/// is resumed on the same engine, too.
#[test]
fn a_resumable_link_hands_over_its_state() {
    for ending in ["detach", "own detach", "end", "cut", "close", "own close"] {
        let mut wire = Wire::begun();
        let link = wire.sender(SenderOptions::new().with_resumable(true), 9);
        let mut sender = wire.engine.sender(link).unwrap();
        sender.send("one").unwrap();
        sender.send("two").unwrap();
        let before = sender.link_state();
        let messages: Vec<_> = before.deliveries().iter().map(|d| d.message().unwrap().len()).collect();
        assert_eq!(messages, [8, 8]);
        match ending {
            "detach" => _ = wire.peer_sends(detach(0, false)),
            "own detach" => {
                sender.detach().unwrap();
                wire.peer_sends(detach(0, false));
            }
            "end" => _ = wire.peer_sends(amqp_proto::testing::end()),
            "cut" => wire.engine.end_of_input(),
            "close" => _ = wire.peer_sends(detach(0, true)),
            _ => {
                sender.close().unwrap();
                wire.peer_sends(detach(0, true));
            }
        }
        let events = wire.events();
        let states: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                Event::Suspended { state, .. } => Some((**state).clone()),
                _ => None,
            })
            .collect();
        let lost = events.iter().filter(|event| matches!(event, Event::Lost { .. })).count();
        if ending.ends_with("close") {
            assert_eq!((states.len(), lost), (0, 2), "{ending}");
            continue;
        }
        assert_eq!((states, lost), (vec![before.clone()], 0), "{ending}");
        if ending.ends_with("detach") {
            wire.octets();
            let again =
                wire.session().resume_sender(before, SenderOptions::to("b").with_resumable(true)).unwrap();
            assert_eq!(again, link);
            assert!(wire.lines()[0].contains("0x00000001 = null"));
            let theirs =
                attach("out", 0, true).nulls(2).terminus(0x28, "a").terminus(0x29, "b").raw("c10100");
            wire.peer_sends(theirs).peer_sends(credit(0, 0, 9));
            assert_eq!(keys(&wire.events()).len(), 2);
            assert_eq!(wire.engine.sender(link).unwrap().link_state().deliveries().len(), 2);
        }
    }
}

/// Limits::kept_octets: a resumable link keeps no more octets; settled deliveries make room.
#[test]
fn kept_octets_are_bounded() {
    let limits = Limits::DEFAULT.with_kept_octets(20);
    let mut wire = Wire::begun_with(limits, amqp_proto::config::SessionOptions::new(), 99);
    let link = wire.sender(SenderOptions::new().with_resumable(true), 9);
    let mut sender = wire.engine.sender(link).unwrap();
    sender.send("one").unwrap();
    sender.send("two").unwrap();
    assert_eq!(sender.send("three"), Err(SendError::Kept(20)));
    sender.begin_delivery(&Default::default()).unwrap();
    sender.write("1234").unwrap();
    assert_eq!(sender.write("5"), Err(SendError::Kept(20)));
    sender.abort().unwrap();
    wire.peer_sends(disposition(true, 0, None).boolean(true).raw(ACCEPTED));
    wire.events();
    wire.engine.sender(link).unwrap().send("three").unwrap();
}

/// A peer that refuses to resume a link leaves its state to the application.
#[test]
fn a_refused_resumption_gives_the_state_back() {
    let mut wire = Wire::begun();
    let ours = state(false, &[sent(1, "40")]);
    wire.session().resume_sender(ours.clone(), SenderOptions::to("b")).unwrap();
    wire.peer_sends(attach("x", 0, true).nulls(2).terminus(0x28, "a").null()).peer_sends(detach(0, true));
    let events = wire.events();
    let Event::Suspended { state, .. } = &events[0] else { panic!("{events:?}") };
    assert_eq!(state.deliveries(), ours.deliveries());
    assert!(matches!(events[1], Event::LinkDetached { closed: true, .. }));
}

/// T-RES-13 [2.7.3]: after an incomplete map of the receiver, the sender sends nothing new, whatever the map omits. It
/// detaches when the deliveries of the round are settled, and attaches again.
#[test]
fn t_res_13_nothing_new_after_an_incomplete_map() {
    let mut wire = Wire::begun();
    let ours = state(false, &[sent(1, "40"), sent(2, "40")]);
    let link = wire.session().resume_sender(ours, SenderOptions::to("b")).unwrap();
    wire.octets();
    wire.peer_sends(peer_attach_with(true, "40", "40", &map(&[(2, "40")]), true)).peer_sends(credit(0, 0, 9));
    let events = wire.events();
    let key = keys(&events)[0];
    assert_eq!(events, [Event::LinkAttached(link.into()), resumed(link, 2, key, false)]);
    wire.engine_wrote([resuming(0, 2, None, false, "40").payload(message())]);
    let mut sender = wire.engine.sender(link).unwrap();
    assert!(!sender.is_sendable());
    assert_eq!(sender.send("new"), Err(SendError::NoCredit));
    wire.quiet();
    wire.peer_sends(disposition(true, 0, None).boolean(true).raw(ACCEPTED));
    assert_eq!(wire.events(), [updated(link, key, Outcome::Accepted, true)]);
    assert!(wire.engine.has_output());
    wire.engine_wrote([detach(0, false)]);
    wire.peer_sends(detach(0, false));
    assert_eq!(wire.events(), []);
    let again = attach("x", 0, false).nulls(2).raw("00532845").terminus(0x29, "b").raw("c10502 a00101 40");
    wire.engine_wrote([again.null().uint(0)]);
    wire.peer_sends(peer_attach(true, &map(&[]))).peer_sends(credit(0, 0, 9));
    let events = wire.events();
    let key = keys(&events)[0];
    assert_eq!(events, [resumed(link, 1, key, true), Event::Sendable(link)]);
    wire.engine_wrote([transfer(0, 1, &[1]).payload(message())]);
    wire.engine.sender(link).unwrap().send("new").unwrap();
}

/// T-RES-13 [2.7.3]: a receiver whose map was incomplete detaches with an error at a delivery that is not resumed,
/// settled or not.
#[test]
fn t_res_13_a_new_delivery_after_an_incomplete_map() {
    for settled in [false, true] {
        let mut wire = Wire::framed(512, 2048);
        let ours: Vec<_> = (0..200).map(|tag| taken(tag, ACCEPTED)).collect();
        let options = ReceiverOptions::from("a").with_rcv_settle_mode(ReceiverSettleMode::Second);
        let link = wire.session().resume_receiver(state(true, &ours), options).unwrap();
        assert!(wire.lines()[0].contains("incomplete_unsettled: true"));
        wire.peer_sends(peer_attach(false, &map(&[(0, "40")])));
        wire.events();
        wire.octets();
        wire.peer_sends(resuming(0, 0, None, false, "40"));
        assert_eq!(keys(&wire.events()).len(), 1);
        wire.peer_sends(transfer(0, 1, b"new").boolean(settled).payload(message()));
        let lines = wire.lines();
        assert!(lines.iter().any(|line| line.contains("amqp:not-allowed")), "{lines:?}");
        let events = wire.events();
        assert!(
            events.iter().any(|event| matches!(event, Event::LinkDetached { closed: true, .. })),
            "{events:?}"
        );
        assert!(!events.iter().any(|event| matches!(event, Event::Message { .. })), "{link:?}");
    }
}

/// T-RES-14, T-RES-15 [2.6.13]: maps larger than a frame: the link is resumed in rounds, in frames of 512 octets, until
/// all deliveries are settled, whichever end has attached it and whichever end has the more.
#[test]
fn t_res_14_rounds_of_resumption() {
    use amqp_proto::config::Options;
    use amqp_proto::testing::{Auto, Pair};
    let limits = Limits::DEFAULT.with_frame_size(512);
    for (first, last, theirs, client_sends) in
        [(0, 200, 0..200, true), (0, 200, 100..255, false), (0, 20, 10..255, true), (30, 255, 0..50, false)]
    {
        let options = |name| Options::new(name).with_limits(limits.clone());
        let mut pair = Pair::new(options("client"), options("server"));
        pair.server.auto = Auto::Sessions;
        pair.server.collects = true;
        pair.client.collects = true;
        let source: Vec<_> = (first..last).map(|tag| sent(tag, "40")).collect();
        let target: Vec<_> = theirs.clone().map(|tag| taken(tag, ACCEPTED)).collect();
        let sending = SenderOptions::to("b").with_source(amqp_proto::wire::Source::at("a"));
        let receiving = ReceiverOptions::from("a")
            .with_target(amqp_proto::wire::Target::at("b"))
            .with_rcv_settle_mode(ReceiverSettleMode::Second);
        pair.drive();
        let session = pair.client.default_session();
        let mut session = pair.client.session(session).unwrap();
        if client_sends {
            session.resume_sender(state(false, &source), sending.clone()).unwrap();
        } else {
            session.resume_receiver(state(true, &target), receiving.clone()).unwrap();
        }
        pair.drive();
        match pair.server.expect_attach().key() {
            LinkKey::Receiver(link) => {
                let mut link = pair.server.receiver(link).unwrap();
                link.accept_resumed(receiving, state(true, &target)).unwrap();
            }
            LinkKey::Sender(link) => {
                let mut link = pair.server.sender(link).unwrap();
                link.accept_resumed(sending, state(false, &source)).unwrap();
            }
        }
        pair.drive();
        let attaches = pair.trace().iter().filter(|line| line.contains("attach {")).count();
        assert!(attaches >= 4, "{attaches} attaches");
        let (sender, receiver) = match client_sends {
            true => (&mut pair.client, &mut pair.server),
            false => (&mut pair.server, &mut pair.client),
        };
        let arrived: Vec<_> = receiver.messages().iter().map(|(_, delivery)| delivery.tag()[0]).collect();
        let mut expected: Vec<_> = (first..last).filter(|tag| !theirs.contains(tag)).collect();
        expected.sort();
        assert_eq!(arrived, expected);
        let settled = |event: &Event| matches!(event, Event::Updated { settled: true, .. });
        let accepted = sender.events().iter().filter(|event| settled(event)).count();
        assert_eq!(accepted, usize::from(last - first) - expected.len());
        let ended = |event: &Event| settled(event) || matches!(event, Event::Unresumed { .. });
        assert_eq!(receiver.events().iter().filter(|event| ended(event)).count(), theirs.len());
    }
}

/// A peer whose maps have no end, or that shows new tags in each round, is answered with an error after some rounds;
/// the application gets its state back.
#[test]
fn maps_without_end_are_given_up() {
    for is_receiver in [false, true] {
        let mut wire = Wire::begun();
        let ours = [sent(1, "40"), sent(2, "40")];
        let mut session = wire.session();
        if is_receiver {
            session
                .resume_receiver(state(true, &[taken(1, "40"), taken(2, "40")]), ReceiverOptions::from("a"))
                .unwrap();
        } else {
            session.resume_sender(state(false, &ours), SenderOptions::to("b")).unwrap();
        }
        let mut rounds = 0_u8;
        loop {
            rounds += 1;
            assert!(rounds < 10, "no end");
            wire.octets();
            let theirs = map(&[(10 + rounds, "40")]);
            wire.peer_sends(peer_attach_with(!is_receiver, "40", "40", &theirs, true));
            let events = wire.events();
            if let Some(Event::Suspended { state, .. }) =
                events.iter().find(|e| matches!(e, Event::Suspended { .. }))
            {
                assert_eq!(state.deliveries().len(), 2);
                break;
            }
            let wrote = wire.lines();
            if !is_receiver {
                assert!(wrote.iter().any(|line| line.contains("detach")), "{wrote:?}");
            }
            wire.peer_sends(detach(0, false));
            assert_eq!(wire.events(), []);
        }
        let lines = wire.lines();
        assert!(lines.iter().any(|line| line.contains("amqp:resource-limit-exceeded")), "{lines:?}");
    }
}

/// T-RES-14 [2.6.5] [2.6.13]: the detach between two rounds has no error; one with an error ends the link.
#[test]
fn t_res_14_an_error_ends_the_rounds() {
    for error in [None, Some("amqp:internal-error")] {
        let mut wire = Wire::begun();
        let ours = state(true, &[taken(1, "40"), taken(2, "40")]);
        wire.session().resume_receiver(ours, ReceiverOptions::from("a")).unwrap();
        wire.octets();
        wire.peer_sends(peer_attach_with(false, "40", "40", &map(&[(11, "40")]), true));
        wire.events();
        wire.octets();
        wire.peer_sends(match error {
            Some(condition) => detach(0, false).null().error(condition),
            None => detach(0, false),
        });
        let lines = wire.lines();
        assert_eq!(lines.iter().any(|line| line.contains("attach {")), error.is_none(), "{lines:?}");
        let events = wire.events();
        let is_over = events.iter().any(|event| matches!(event, Event::LinkDetached { .. }));
        assert_eq!(is_over, error.is_some(), "{events:?}");
    }
}

/// [2.6.13]: an application that keeps its messages itself puts them into the state of a sender; that of a receiver has none.
#[test]
fn messages_are_put_into_the_state_of_a_sender() {
    let tag = |octet: u8| DeliveryTag::new(&[octet]).unwrap();
    let payload = || amqp_proto::message::Payload::from(bytes::Bytes::from(message()));
    let mut sender = state(false, &[saved(1, "40", "40", None, false)]);
    assert_eq!((sender.octets(), sender.footprint()), (0, 256));
    assert!(sender.set_message(&tag(1), payload()) && !sender.set_message(&tag(2), payload()));
    assert!(sender.add_message(tag(2), payload()) && !sender.add_message(tag(2), payload()));
    let octets = 2 * message().len() as u64;
    assert_eq!((sender.octets(), sender.footprint()), (octets, octets + 512));
    let shown: Vec<_> = sender.deliveries().iter().map(|one| (one.tag(), one.message_format())).collect();
    assert_eq!(shown, [(tag(1), 0), (tag(2), 0)]);
    assert!(sender.deliveries().iter().all(|one| one.message() == Some(&payload())));
    assert!(
        sender.deliveries().iter().all(|one| one.local_state().is_none() && one.remote_state().is_none())
    );
    assert!(sender.forget(&tag(1)) && !sender.forget(&tag(1)));
    sender.drop_messages();
    assert_eq!((sender.octets(), sender.footprint()), (0, 256));

    let mut receiver = state(true, &[taken(1, "40")]);
    assert!(!receiver.set_message(&tag(1), payload()) && !receiver.add_message(tag(2), payload()));
    assert!(
        receiver.set_outcome(&tag(1), Outcome::Accepted) && !receiver.set_outcome(&tag(1), Outcome::Released)
    );
    assert!(!receiver.set_outcome(&tag(2), Outcome::Accepted));
    assert_eq!(receiver.deliveries()[0].local_state(), Some(&Outcome::Accepted.into()));
}
