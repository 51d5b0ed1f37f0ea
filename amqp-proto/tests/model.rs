//! Properties of all runs of two engines: during the run, at rest, and at its end.
//!
//! `PROPTEST_CASES=5000 cargo test -p amqp-proto --test model` tries more. A run that fails becomes a test in
//! `runs.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::VecDeque;

use amqp_proto::Event;
use amqp_proto::config::{Options, ReceiverOptions, SenderOptions, SessionOptions};
use amqp_proto::testing::{Alike, Few, First, Pair, Run, Side, Size};
use amqp_proto::types::{DeliveryKey, Limits, LinkKey, ReceiverKey, SenderKey, SequenceNo, TransferNumber};
use amqp_proto::wire::{Outcome, Rejected};
use proptest::prelude::*;

/// This number of cases, unless the environment sets another.
fn cases(cases: u32) -> ProptestConfig {
    let default = ProptestConfig { failure_persistence: None, max_shrink_iters: 5_000, ..Default::default() };
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => default,
        None => ProptestConfig { cases, ..default },
    }
}

proptest! {
    #![proptest_config(cases(150))]

    /// See [`Run::play`] for what holds.
    #[test]
    fn all_runs_keep_the_rules(run in any::<Run>()) {
        run.play();
    }
}

proptest! {
    #![proptest_config(cases(50))]

    /// Portions of octets do not matter: whole, one by one or in any sizes, they lead to the same events and frames.
    /// (Except with a full output, where the first octet taken makes room.)
    #[test]
    fn portions_do_not_matter(mut run in any::<Run>()) {
        run.client.fills = false;
        run.server.fills = false;
        let story = Alike::of(&run.play());
        for portions in [vec![], vec![Size(1)]] {
            prop_assert_eq!(&Alike::of(&Run { portions, ..run.clone() }.play()), &story);
        }
    }
}

/// An application: its messages to send, and its outcomes for received ones.
#[derive(Debug)]
struct Application {
    side: Side,
    sender: Option<SenderKey>,
    receiver: Option<ReceiverKey>,
    to_send: VecDeque<usize>,
    sent: Vec<DeliveryKey>,
    received: Vec<usize>,
}

impl Application {
    fn new(side: Side, sizes: &[Size]) -> Self {
        let to_send = sizes.iter().map(|size| usize::from(size.0)).collect();
        Self { side, sender: None, receiver: None, to_send, sent: Vec::new(), received: Vec::new() }
    }

    /// Handles the events of its end.
    fn act(&mut self, pair: &mut Pair) {
        let end = pair.end(self.side);
        for event in end.events() {
            match event {
                Event::LinkOffered(LinkKey::Sender(key)) | Event::LinkAttached(LinkKey::Sender(key)) => {
                    self.sender = Some(key);
                }
                Event::LinkOffered(LinkKey::Receiver(key)) | Event::LinkAttached(LinkKey::Receiver(key)) => {
                    self.receiver = Some(key);
                }
                Event::Sendable(key) => {
                    assert_eq!(self.sender, Some(key));
                    let mut sender = end.sender(key).unwrap();
                    while let Some(octets) = self.to_send.front()
                        && let Ok(delivery) = sender.send(vec![7; *octets])
                    {
                        self.sent.push(delivery);
                        self.to_send.pop_front();
                    }
                }
                Event::Message { receiver, .. } => {
                    let mut receiver = end.receiver(receiver).unwrap();
                    while let Some(delivery) = receiver.receive() {
                        let outcome = outcome(self.received.len());
                        self.received
                            .push(delivery.message().unwrap().body().unwrap().as_bytes().unwrap().len());
                        receiver.dispose(delivery.key(), &outcome.into()).unwrap();
                    }
                }
                Event::LinkDetached { .. }
                | Event::SessionEnded { .. }
                | Event::Closed(_)
                | Event::Lost { .. } => {
                    panic!("{event:?}");
                }
                _ => {}
            }
        }
    }
}

/// Returns the outcome of the message of this number.
fn outcome(number: usize) -> Outcome {
    match number % 3 {
        0 => Outcome::Accepted,
        1 => Outcome::Released,
        _ => Outcome::Rejected(Rejected::default()),
    }
}

fn sizes() -> impl Strategy<Value = Vec<Size>> {
    prop::collection::vec(any::<u16>().prop_map(|octets| Size(octets % 4_000)), 0..12)
}

/// A schedule of steps: the octets that one side moves, or all of both sides; the sides that poll their events; and
/// the milliseconds that pass.
fn schedule() -> impl Strategy<Value = Vec<(Side, u16, bool, bool, u8)>> {
    let side = prop_oneof![Just(Side::Client), Just(Side::Server)];
    prop::collection::vec((side, 0_u16..2_000, any::<bool>(), any::<bool>(), 0_u8..3), 0..80)
}

fn ends(windows: (Few, Few), prefetch: (Few, Few), firsts: (First, First), delay: Few) -> Pair {
    let options = |name: &'static str| {
        Options::new(name).with_limits(Limits::default().with_frame_size(512).with_output_octets(2_000))
    };
    let mut pair = Pair::new(options("client"), options("server")).delayed(delay.0.into());
    for (side, window, prefetch) in
        [(Side::Client, windows.0, prefetch.0), (Side::Server, windows.1, prefetch.1)]
    {
        let end = pair.end(side);
        end.session_options = SessionOptions::new()
            .with_incoming_frames(u32::from(window.0) + 1)
            .with_next_outgoing_id(TransferNumber::new(firsts.0.0));
        end.receiver_options = ReceiverOptions::new().with_prefetch(u32::from(prefetch.0) + 1);
        end.sender_options = SenderOptions::new().with_initial_delivery_count(SequenceNo::new(firsts.1.0));
    }
    pair
}

fn few() -> impl Strategy<Value = Few> {
    (0_u8..4).prop_map(Few)
}

fn first() -> impl Strategy<Value = First> {
    prop_oneof![Just(First(u32::MAX - 2)), Just(First(u32::MAX >> 1)), any::<u32>().prop_map(First)]
}

proptest! {
    #![proptest_config(cases(150))]

    /// The schedule does not change which messages arrive, in which order, and with which outcome: across windows of
    /// one frame, credit of one message, and the wrap of all numbers.
    #[test]
    fn timing_does_not_matter(
        sizes in (sizes(), sizes()),
        windows in (few(), few()),
        prefetch in (few(), few()),
        firsts in (first(), first()),
        delay in few(),
        schedule in schedule(),
    ) {
        let mut pair = ends(windows, prefetch, firsts, delay);
        let mut client = Application::new(Side::Client, &sizes.0);
        let mut server = Application::new(Side::Server, &sizes.1);
        let (sends, receives) = (pair.client.sender_options.clone(), pair.client.receiver_options.clone());
        pair.client.attach_sender_with("out", sends);
        pair.client.attach_receiver_with("in", receives);
        for (side, octets, clients, servers, millis) in schedule {
            pair.step_some(side, octets.into());
            pair.skip(millis.into());
            if clients {
                client.act(&mut pair);
            }
            if servers {
                server.act(&mut pair);
            }
        }
        let mut rounds = 0;
        loop {
            pair.drive();
            let before = (client.received.len(), client.sent.len(), server.received.len(), server.sent.len());
            client.act(&mut pair);
            server.act(&mut pair);
            pair.drive();
            if (client.received.len(), client.sent.len(), server.received.len(), server.sent.len()) == before {
                break;
            }
            rounds += 1;
            prop_assert!(rounds < 1_000);
        }
        for (from, to, sizes) in [(&client, &server, &sizes.0), (&server, &client, &sizes.1)] {
            let sizes: Vec<usize> = sizes.iter().map(|size| size.0.into()).collect();
            prop_assert_eq!(&to.received, &sizes);
            for (number, delivery) in from.sent.iter().enumerate() {
                let end = pair.end(from.side);
                prop_assert_eq!(end.outcome(*delivery), Some(outcome(number)));
                prop_assert!(end.delivery(*delivery).is_err());
            }
        }
    }
}
