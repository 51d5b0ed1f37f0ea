//! Silence, heartbeats and deadlines, in virtual time [2.4.5].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::time::Duration;

use amqp_proto::config::{Options, SessionOptions};
use amqp_proto::testing::{Pair, attach_receiver, begin, close, flow, open};
use amqp_proto::types::{Limits, LinkKey};
use amqp_proto::wire::Condition;
use amqp_proto::{Deadline, Event, Reading};
use common::wire::{Wire, beginning, opening};

/// An empty frame on channel 0.
const EMPTY: &str = "0000000802000000";

/// C-IDLE-02: the engine announces half of its idle time-out, and nothing if it has none.
#[test]
fn c_idle_02_half_of_the_threshold_is_announced() {
    for (threshold, announced) in
        [(Some(20_000), Some(10_000)), (Some(3), Some(1)), (Some(1), Some(1)), (Some(0), None), (None, None)]
    {
        let mut wire =
            Wire::client(Options::new("c").with_idle_timeout(threshold.map(Duration::from_millis)));
        let written = open("c").null().uint(65_536).ushort(255);
        let written = announced.map_or(written.clone(), |millis| written.uint(millis));
        wire.engine_wrote(opening([written]));
    }
}

/// C-IDLE-01, C-IDLE-03: every frame restarts the time-out, also an empty one; octets of an incomplete frame do not.
/// When the time has passed, the engine closes the connection with the reason.
#[test]
fn c_idle_03_silence_closes_the_connection() {
    let mut wire = Wire::opened_by(Options::new("s").with_idle_timeout(Duration::from_secs(20)), open("p"));
    wire.time_passes(19_999);
    wire.peer_sends(EMPTY);
    assert_eq!(
        wire.engine.next_deadline(),
        Some((wire.now + Duration::from_millis(20_000), Deadline::Silence))
    );
    wire.time_passes(10_000);
    wire.peer_sends(beginning(3));
    assert_eq!(wire.events().len(), 1);
    assert_eq!(
        wire.engine.next_deadline(),
        Some((wire.now + Duration::from_millis(20_000), Deadline::Silence))
    );
    wire.time_passes(19_000);
    wire.peer_sends(&EMPTY[..8]);
    wire.time_passes(999);
    assert_eq!(wire.events(), []);
    wire.time_passes(1);
    assert_eq!(wire.engine_closes(), Condition::ResourceLimitExceeded);
}

/// C-IDLE-03: input that arrived in time but is not yet read keeps the connection open.
#[test]
fn c_idle_03_unread_input_counts_as_in_time() {
    let mut wire = Wire::opened_by(Options::new("s").with_idle_timeout(Duration::from_secs(1)), open("p"));
    wire.peer_sends([beginning(0), beginning(1)]);
    wire.time_passes(5_000);
    assert_eq!(wire.events().len(), 2);
    assert!(wire.engine.is_open());
}

/// C-IDLE-03: the time-out also applies before the peer's open.
#[test]
fn c_idle_03_an_open_that_does_not_come() {
    let mut client = Wire::client(Options::new("c").with_open_timeout(Duration::from_secs(7)));
    assert_eq!(
        client.engine.next_deadline(),
        Some((client.now + Duration::from_millis(7_000), Deadline::Open))
    );
    client.time_passes(7_000);
    assert_eq!(client.engine_closes(), Condition::ResourceLimitExceeded);

    let mut server = Wire::server(Options::new("s").with_open_timeout(Duration::from_secs(7)));
    server.peer_sends("414d5150");
    server.time_passes(7_000);
    let [Event::Closed(reason)] = &server.events()[..] else { panic!("not closed") };
    assert_eq!(reason.error.as_ref().unwrap().condition, Condition::ResourceLimitExceeded);
    assert_eq!((server.written(), server.engine.reading()), (String::new(), Reading::Over));

    let mut patient = Wire::server(Options::new("s").with_open_timeout(None));
    assert_eq!(patient.engine.next_deadline(), None);
    patient.time_passes(u64::MAX);
    assert_eq!(patient.events(), []);
}

/// C-IDLE-04, C-IDLE-08: a peer that announced a time-out gets an empty frame on channel 0 after each half of that
/// time, and never less often.
#[test]
fn c_idle_04_the_peer_is_sent_a_frame_in_time() {
    for idle in [100, 101, 5_000, 60_000, u32::MAX] {
        let mut wire = Wire::opened_by(Options::new("s"), open("p").nulls(3).uint(idle));
        let mut last = wire.now;
        for _ in 0..50 {
            let (at, why) = wire.engine.next_deadline().unwrap();
            assert!(why == Deadline::Heartbeat && at > wire.now);
            wire.time_passes(at.as_millis() - wire.now.as_millis());
            let said = wire.written();
            if !said.is_empty() {
                assert_eq!(said, EMPTY);
                assert!(wire.now - last <= Duration::from_millis(u64::from(idle / 2)), "{idle} ms");
                last = wire.now;
            }
        }
        assert!(wire.now - last <= Duration::from_millis(u64::from(idle / 2)));
    }
}

/// C-IDLE-04, C-IDLE-10: other frames replace the empty ones.
#[test]
fn c_idle_04_other_frames_take_the_place_of_empty_ones() {
    let mut wire = Wire::opened_by(Options::new("s"), open("p").nulls(3).uint(1_000));
    wire.peer_begins(beginning(0), SessionOptions::new());
    wire.octets();
    for _ in 0..20 {
        wire.peer_sends(flow(Some(0), 1, 0, 1).nulls(5).boolean(true));
        let answer = wire.written();
        assert!(answer.len() > EMPTY.len());
        wire.time_passes(250);
        wire.engine_wrote("");
    }
}

/// C-IDLE-04: empty frames do not pile up for a peer that does not read.
#[test]
fn c_idle_04_empty_frames_do_not_pile_up() {
    let mut wire = Wire::opened_by(Options::new("s"), open("p").nulls(3).uint(1_000));
    for _ in 0..100 {
        wire.time_passes(250);
    }
    wire.engine_wrote(EMPTY);
}

/// C-IDLE-05: an idle-time-out of 0 means none.
#[test]
fn c_idle_05_no_time_is_no_wish() {
    let mut wire = Wire::opened_by(Options::new("s"), open("p").nulls(3).uint(0));
    assert_eq!(wire.engine.next_deadline(), None);
    wire.time_passes(u64::from(u32::MAX));
    wire.engine_wrote("");
}

/// C-IDLE-06: an idle-time-out that is too short is refused.
#[test]
fn c_idle_06_too_short_a_time_is_refused() {
    let options =
        Options::new("s").with_limits(Limits::DEFAULT.with_shortest_idle_timeout(Duration::from_millis(500)));
    for (idle, is_right) in [(1, false), (499, false), (500, true)] {
        let mut wire = Wire::server(options.clone());
        wire.peer_sends(opening([open("p").nulls(3).uint(idle)]));
        if is_right {
            assert_eq!(wire.events(), [Event::Opened]);
        } else {
            assert_eq!(wire.engine_closes(), Condition::NotAllowed);
        }
    }
}

/// C-IDLE-07: an empty frame is accepted on every channel up to channel-max, with or without a session.
#[test]
fn c_idle_07_empty_frames_are_accepted_on_any_channel() {
    let mut wire = Wire::opened();
    wire.peer_begins(beginning(3), SessionOptions::new());
    wire.octets();
    wire.peer_sends("00000008 02000000 00000008 02000003 00000008 020000ff");
    wire.quiet();
    wire.peer_sends("00000008 02000100");
    assert_eq!(wire.engine_closes(), Condition::FramingError);
}

/// C-IDLE-09: the engine sends no empty frame before its open or after its close.
#[test]
fn c_idle_09_no_empty_frame_outside_the_connection() {
    let mut early = Wire::server(Options::new("s").with_open_timeout(None).with_idle_timeout(None));
    early.peer_sends(opening([]));
    early.octets();
    early.time_passes(1_000_000);
    early.engine_wrote("");

    let mut late = Wire::opened_by(Options::new("s"), open("p").nulls(3).uint(1_000));
    late.engine.close();
    late.engine_wrote([close()]);
    late.time_passes(9_999);
    late.engine_wrote("");
    late.peer_sends(close());
    late.time_passes(1_000_000);
    late.engine_wrote("");
}

/// C-IDLE-01, C-IDLE-04: two ends with short time-outs keep each other alive, and both notice when the other is gone.
#[test]
fn c_idle_01_two_ends_keep_each_other_alive() {
    for (ours, theirs) in [(Some(400), Some(60_000)), (Some(1_000), Some(1_000)), (None, Some(200))] {
        let options =
            |name, idle: Option<u64>| Options::new(name).with_idle_timeout(idle.map(Duration::from_millis));
        let mut pair = Pair::new(options("c", ours), options("s", theirs)).delayed(1);
        pair.advance(200_000);
        assert!(pair.client.is_open() && pair.server.is_open());
        pair.to_server.stall();
        pair.to_client.stall();
        pair.advance(60_001);
        assert_eq!((pair.client.is_over(), pair.server.is_over()), (ours.is_some(), theirs.is_some()));
    }
}

/// C-IDLE-04: late, repeated and early calls of the deadline do no harm.
#[test]
fn c_idle_04_deadlines_may_be_late_early_and_repeated() {
    let mut wire = Wire::opened_by(Options::new("s"), open("p").nulls(3).uint(1_000));
    for millis in [0, 0, 1, 100_000, 0, 0] {
        wire.time_passes(millis);
    }
    wire.engine_wrote(EMPTY);
    let (at, _) = wire.engine.next_deadline().unwrap();
    wire.engine.handle_deadline(amqp_proto::types::Moment::START);
    assert_eq!(wire.engine.next_deadline().unwrap().0, at);
    assert!(wire.engine.is_open());
}

/// C-CLOSE-02: the deadline for the peer's close reports that the peer did not answer.
#[test]
fn c_close_02_the_answer_to_a_close_may_be_late() {
    let mut pair = Pair::opened().delayed(20_000);
    pair.client.close();
    pair.advance(9_999);
    assert!(!pair.client.is_over());
    pair.advance(1);
    assert!(pair.client.is_over());
    pair.client.expect_closed();
    pair.advance(60_000);
    pair.server.expect_closed();
    pair.client.expect_quiet();
}

/// C-IDLE-04: a quiet connection costs only its empty frames.
#[test]
fn c_idle_04_nothing_but_empty_frames() {
    let mut wire = Wire::opened_by(Options::new("s"), open("p").nulls(3).uint(1_000));
    wire.peer_sends(begin(None, 0, 100, 100));
    let [Event::SessionOffered(session)] = wire.events()[..] else { panic!("no session") };
    wire.engine.session(session).unwrap().accept(SessionOptions::new()).unwrap();
    let LinkKey::Sender(link) = wire.peer_attaches(attach_receiver("jobs", 0, "jobs", "here")) else {
        panic!("the peer receives")
    };
    wire.engine.sender(link).unwrap().accept_link(Default::default()).unwrap();
    wire.octets();
    let mut said = String::new();
    for _ in 0..8 {
        wire.time_passes(250);
        said += &wire.written();
    }
    assert_eq!(said.replace(EMPTY, ""), "");
    assert!((4..=8).contains(&(said.len() / EMPTY.len())));
}

/// C-IDLE-04: another thread's empty frames come later than the engine's own, and in time for the peer: five eighths of its
/// time-out after the last octets. Without a time-out, and after the close, there are none.
#[test]
fn c_idle_04_a_thread_beside_the_engine_knows_when_to_write() {
    for (timeout, expected) in [(None, None), (Some(1_000), Some(625)), (Some(60_000), Some(37_500))] {
        let opened = open("p").nulls(3);
        let mut wire =
            Wire::opened_by(Options::new("s"), timeout.map_or(opened.clone(), |millis| opened.uint(millis)));
        assert_eq!(wire.engine.heartbeat_interval(), expected.map(Duration::from_millis));
        if let Some((at, why)) = wire.engine.next_deadline() {
            assert_eq!(why, Deadline::Heartbeat);
            assert!(at - wire.now < wire.engine.heartbeat_interval().unwrap());
        }
        wire.engine.close();
        assert_eq!(wire.engine.heartbeat_interval(), None);
    }
}
