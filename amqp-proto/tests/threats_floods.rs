//! Endless hostile streams: anything that a peer can repeat costs bounded memory, and bounded output.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "common/endpoint.rs"]
mod endpoint;

use amqp_proto::config::Options;
use amqp_proto::testing::{attach_sender, begin, detach, end};
use amqp_proto::types::{Limits, Moment};
use amqp_proto::wire::Condition;
use amqp_proto::{Connection, Reading};
use endpoint::*;

const LIMITS: Limits = Limits::DEFAULT;

/// The memory of an idle endpoint beside its kept state.
const IDLE: usize = 32 * 1024;

/// Feeds an attack to an endpoint, with a peer that reads the answers or does not.
fn flooded(id: &str, listens: bool) -> (Endpoint, Flood) {
    let mut endpoint = Endpoint::server().counting();
    let cost = flood(&mut endpoint, &threat(id), listens);
    (endpoint, cost)
}

/// Checks that the endpoint read the whole attack.
#[track_caller]
fn read_all(id: &str, cost: &Flood) {
    let threat = threat(id);
    assert!(cost.read >= threat.stream.len() + threat.times * threat.repeated.len(), "{cost:?}");
}

/// Checks that an attack by a peer that reads the answers costs no memory.
#[track_caller]
fn listened_to(id: &str) -> Endpoint {
    let (endpoint, cost) = flooded(id, true);
    read_all(id, &cost);
    assert!(cost.live < IDLE && endpoint.connection.is_open(), "{cost:?}");
    endpoint
}

/// Checks that the endpoint stops reading from a peer that does not read the answers.
#[track_caller]
fn stopped(id: &str) -> Endpoint {
    const HARD: usize = 64 * 1024;
    let limits = LIMITS.with_output_octets(HARD / 2).with_output_octets_hard(HARD);
    let options = Options::new("endpoint").with_limits(limits);
    let mut endpoint = Endpoint::new(Connection::server(options, Moment::START)).counting();
    let cost = flood(&mut endpoint, &threat(id), false);
    assert_eq!(endpoint.connection.reading(), Reading::Output, "{cost:?}");
    // The answers to one block may exceed the limit, and the output buffer doubles.
    assert!(cost.live < 4 * HARD + IDLE, "{cost:?}");
    endpoint
}

/// D03: sessions that begin and end again and again leave nothing behind.
#[test]
fn d03_sessions_come_and_go() {
    let mut endpoint = listened_to("D03");
    assert!(endpoint.counts.sessions >= 100_000);
    endpoint.read(&with(vec![], &[begin(None, 0, 9, 9)]));
    assert!(endpoint.connection.is_open());
    stopped("D03");
    let some = [&up()[..], &threat("D03").repeated.repeat(3)].concat();
    assert_eq!(accepts(&some).wrote().count("end"), 3);
}

/// D04, C-CHAN-01: a session on every channel costs the documented memory; one more closes the connection.
#[test]
fn d04_a_session_on_every_channel() {
    let begins = |channels: u16| (0..channels).map(|on| begin(None, 0, 9, 9).on(on).to_octets());
    let mut endpoint = Endpoint::server().counting();
    let cost = flood_with(&mut endpoint, &up(), begins(256), true);
    assert_eq!((endpoint.counts.sessions, endpoint.connection.is_open()), (256, true));
    assert!(cost.live < 256 * 2 * 1024 + IDLE, "{cost:?}");
    closes(&begins(257).fold(up(), |stream, frame| [stream, frame].concat()), Condition::FramingError);
}

/// D08, D39: links that attach and detach again and again: only a limited number of detached links is kept.
#[test]
fn d08_links_come_and_go() {
    listened_to("D08");
    stopped("D08");
    // Each link has its own name, and is detached; then the same, closed.
    for closed in [false, true] {
        let churn = (0..2_000).map(|at| {
            let name = format!("{at:01000}");
            with(vec![], &[attach_sender(&name, 0, "q", "q"), detach(0, closed)])
        });
        let mut endpoint = Endpoint::server().counting();
        let cost = flood_with(&mut endpoint, &session(), churn, true);
        assert_eq!((endpoint.counts.links, endpoint.connection.is_open()), (2_000, true));
        let kept = if closed { 1 } else { LIMITS.suspended_links() as usize };
        assert!(cost.live < kept * (1024 + 4 * 1024) + IDLE, "{cost:?}");
    }
}

/// D39: the largest number of links, with the longest names.
#[test]
fn d39_links_with_long_names() {
    let attaches = (0..1_000).map(|at| attach_sender(&format!("{at:03000}"), at, "q", "q").to_octets());
    let mut endpoint = Endpoint::server().counting();
    let begun = with(up(), &[begin(None, 0, 9, 9)]);
    let cost = flood_with(&mut endpoint, &begun, attaches, true);
    assert_eq!(endpoint.counts.links, 1_000);
    assert!(cost.live < 1_000 * (1024 + 2 * 3_100) + 4 * IDLE, "{cost:?}");
}

/// D13, S-WIN-10: transfers beyond the window end the session of a peer that does not read, as it cannot have seen
/// the window open. For a peer that reads, the window opens; all transfers are one delivery of bounded octets and
/// frames.
#[test]
fn d13_transfers_beyond_the_window() {
    let threat = threat("D13");
    let stream = [&threat.stream[..], &threat.repeated.repeat(513)].concat();
    let mut endpoint = Endpoint::server();
    endpoint.read(&stream);
    endpoint.write();
    assert_eq!(endpoint.wrote().errors(), [("end", Condition::WindowViolation)]);
    assert_eq!(endpoint.counts.messages, 0);
    // Frames after that are dropped until the peer ends the session.
    endpoint.read(&[&threat.repeated[..], &end().to_octets()].concat());
    assert_eq!(endpoint.wrote().errors().len(), 1);
    let mut endpoint = Endpoint::server();
    endpoint.read(&stream[..stream.len() - threat.repeated.len()]);
    endpoint.write();
    assert_eq!(endpoint.wrote().errors(), [], "one transfer less");
    let (endpoint, cost) = flooded("D13", true);
    read_all("D13", &cost);
    assert!(endpoint.connection.is_open() && cost.live < 5_000 * (26 + 2 * 40) + 4 * IDLE, "{cost:?}");
    // In pieces of any size, as long as the peer does not read.
    for size in [1, 7, 100] {
        let mut endpoint = Endpoint::server();
        stream.chunks(size).for_each(|piece| endpoint.read(piece));
        endpoint.write();
        assert_eq!(endpoint.wrote().errors(), [("end", Condition::WindowViolation)]);
    }
}

/// Checks that an endless delivery ends at the limit on its transfers.
#[track_caller]
fn too_many_transfers(id: &str) -> Flood {
    let threat = threat(id);
    let mut endpoint = Endpoint::server();
    let most = usize::try_from(LIMITS.transfers_per_delivery()).unwrap();
    let cost = flood(&mut endpoint, &Threat { times: most, ..threat }, true);
    assert_eq!(endpoint.wrote().errors(), [("detach", Condition::MessageSizeExceeded)], "{cost:?}");
    assert_eq!((endpoint.counts.messages, endpoint.connection.is_open()), (0, true));
    let session = endpoint.sessions[0];
    assert_eq!(endpoint.connection.session(session).unwrap().unsettled_received(), 0);
    cost
}

/// D14, L-MSG-02: endless octets in one delivery.
#[test]
fn d14_a_delivery_without_end() {
    let cost = too_many_transfers("D14");
    // A frame is kept while any of its payload is; the message has an entry for each.
    assert!(cost.live < cost.read + 65_536 * 2 * 40 + 8 * IDLE, "{cost:?}");
    let (endpoint, _) = flooded("D14", true);
    assert!(endpoint.connection.is_open());
    // A lower limit on octets ends the delivery first.
    let threat = threat("D14");
    let attack = [&threat.stream[..], &threat.repeated.repeat(11)].concat();
    let sized = |most: u64| {
        let mut endpoint = Endpoint::server();
        endpoint.options = endpoint.options.with_max_message_size(most);
        endpoint
    };
    let endpoint = endpoint::attack(|| sized(1_000), &attack);
    assert_eq!(endpoint.wrote().errors(), [("detach", Condition::MessageSizeExceeded)]);
    assert_eq!(endpoint::attack(|| sized(1_100), &attack).wrote().errors(), []);
}

/// D15: endless transfers without octets.
#[test]
fn d15_a_delivery_of_nothing_without_end() {
    let cost = too_many_transfers("D15");
    assert!(cost.live < 8 * IDLE, "{cost:?}");
    // The peer does not read, so it has not seen the window open.
    let (mut endpoint, cost) = flooded("D15", false);
    assert!(cost.live < IDLE, "{cost:?}");
    endpoint.write();
    assert!(endpoint.connection.is_open());
}

/// D25: endless dispositions of ranges without deliveries.
#[test]
fn d25_dispositions_without_end() {
    listened_to("D25");
}

/// D27, S-FLOW-04: endless echo requests of a link get one answer each time that output is taken.
#[test]
fn d27_echoes_without_end() {
    let (mut endpoint, cost) = flooded("D27", false);
    read_all("D27", &cost);
    assert!(cost.live < IDLE, "{cost:?}");
    endpoint.write();
    assert!(endpoint.counts.octets_written < 300, "one answer");
    let endpoint = listened_to("D27");
    assert!(endpoint.counts.octets_written < 100_000);
}

/// D28, S-FLOW-05: the answer to an echo request does not ask for an echo.
#[test]
fn d28_echoes_of_the_session() {
    let threat = threat("D28");
    let wrote = accepts(&[&threat.stream[..], &threat.repeated.repeat(5)].concat()).wrote();
    let flows: Vec<String> =
        wrote.frames.iter().map(ToString::to_string).filter(|frame| frame.contains("flow")).collect();
    assert!(flows.len() == 1 && !flows[0].contains("echo"), "{flows:?}");
    listened_to("D28");
}

/// D34, T-DRAIN-01: credit of half of all numbers is drained in one step, each time that it is granted.
#[test]
fn d34_drained_again_and_again() {
    let threat = threat("D34");
    let mut endpoint = accepts(&[&threat.stream[..], &threat.repeated].concat());
    let sender = endpoint.connection.sender(endpoint.senders[0]).unwrap();
    assert_eq!((sender.credit(), sender.delivery_count().get()), (0, 0x7fff_ffff));
    // The same flow again grants nothing, since its delivery-count is old (T-CREDIT-16).
    endpoint.read(&threat.repeated);
    endpoint.write();
    let sender = endpoint.connection.sender(endpoint.senders[0]).unwrap();
    assert_eq!((sender.credit(), sender.delivery_count().get()), (0, 0x7fff_ffff));
    listened_to("D34");
    let (endpoint, cost) = flooded("D34", false);
    read_all("D34", &cost);
    assert!(cost.live < IDLE && endpoint.connection.is_open(), "{cost:?}");
}

/// D46, threat E2: output that the peer does not read stops the input, and stays bounded.
#[test]
fn d46_output_that_the_peer_does_not_read() {
    let (endpoint, cost) = flooded("D46", false);
    read_all("D46", &cost);
    assert!(cost.live < IDLE && endpoint.connection.is_open(), "{cost:?}");
    // Sessions are answered one by one.
    let mut endpoint = stopped("D03");
    endpoint.write();
    assert_eq!(endpoint.connection.reading(), Reading::Events, "and goes on when it is taken");
}
