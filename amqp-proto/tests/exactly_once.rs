//! Two ends and their stores: the connection is cut between any two octets, both ends go on from saved octets, and each
//! message is handed over exactly once [2.6.13].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};

use amqp_proto::config::{Options, ReceiverOptions, SenderOptions, SessionOptions};
use amqp_proto::message::Message;
use amqp_proto::types::{DeliveryKey, DeliveryTag, Limits, LinkKey, Moment, SessionKey};
use amqp_proto::wire::{Outcome, ReceiverSettleMode, Source, Target};
use amqp_proto::{Connection, Event, LinkState};
use bytes::{Buf, Bytes};
use proptest::prelude::*;

/// A connection of one end, with what the application keeps in memory about it.
struct End {
    engine: Connection,
    link: Option<LinkKey>,
    /// The keys of deliveries, by tag and the other way round.
    keys: BTreeMap<DeliveryTag, DeliveryKey>,
    tags: BTreeMap<DeliveryKey, DeliveryTag>,
    is_client: bool,
    is_over: bool,
}

impl End {
    fn new(engine: Connection, is_client: bool) -> Self {
        Self { engine, is_client, link: None, keys: BTreeMap::new(), tags: BTreeMap::new(), is_over: false }
    }

    fn name(&mut self, tag: DeliveryTag, key: DeliveryKey) {
        self.keys.insert(tag, key);
        self.tags.insert(key, tag);
    }

    fn state(&mut self) -> Option<LinkState> {
        match self.link? {
            LinkKey::Sender(key) => Some(self.engine.sender(key).ok()?.link_state()),
            LinkKey::Receiver(key) => Some(self.engine.receiver(key).ok()?.link_state()),
        }
    }
}

/// The application that sends, as its store has it.
#[derive(Default)]
struct Sending {
    messages: u32,
    next: u32,
    numbers: BTreeMap<DeliveryTag, u32>,
    /// The messages that were accepted.
    accepted: Vec<u32>,
    saved: Option<Bytes>,
}

/// The application that receives, as its store has it.
#[derive(Default)]
struct Receiving {
    handled: Vec<u32>,
    undecided: BTreeSet<DeliveryTag>,
    saved: Option<Bytes>,
}

struct World {
    sending: Sending,
    receiving: Receiving,
    /// `true` if the client sends and the server receives.
    client_sends: bool,
    frame_size: u32,
    steps: u64,
}

fn read(saved: Option<&Bytes>) -> Option<LinkState> {
    saved.map(|octets| LinkState::from_bytes(octets.clone(), &Limits::DEFAULT).unwrap())
}

fn sender_options() -> SenderOptions {
    SenderOptions::to("b").with_source(Source::at("a")).with_resumable(true)
}

fn receiver_options() -> ReceiverOptions {
    let options = ReceiverOptions::from("a").with_target(Target::at("b")).with_resumable(true);
    options.with_rcv_settle_mode(ReceiverSettleMode::Second)
}

impl World {
    /// Attaches the link at the client.
    fn attach(&self, end: &mut End, session: SessionKey) {
        let mut session = end.engine.session(session).unwrap();
        let link: LinkKey = if self.client_sends {
            match read(self.sending.saved.as_ref()) {
                Some(state) => session.resume_sender(state, sender_options()).unwrap().into(),
                None => session.attach_sender("x", sender_options()).unwrap().into(),
            }
        } else {
            match read(self.receiving.saved.as_ref()) {
                Some(state) => session.resume_receiver(state, receiver_options()).unwrap().into(),
                None => session.attach_receiver("x", receiver_options()).unwrap().into(),
            }
        };
        end.link = Some(link);
    }

    /// Accepts the link at the server.
    fn accept(&self, end: &mut End, link: LinkKey) {
        match link {
            LinkKey::Sender(key) => {
                let mut sender = end.engine.sender(key).unwrap();
                match read(self.sending.saved.as_ref()) {
                    Some(state) => sender.accept_resumed(sender_options(), state).unwrap(),
                    None => sender.accept_link(sender_options()).unwrap(),
                }
            }
            LinkKey::Receiver(key) => {
                let mut receiver = end.engine.receiver(key).unwrap();
                match read(self.receiving.saved.as_ref()) {
                    Some(state) => receiver.accept_resumed(receiver_options(), state).unwrap(),
                    None => receiver.accept_link(receiver_options()).unwrap(),
                }
            }
        }
        end.link = Some(link);
    }

    /// Handles all events of an end, and saves its state.
    fn act(&mut self, end: &mut End) {
        let mut has_changed = false;
        let before = (self.sending.next, self.receiving.undecided.len());
        while let Some(event) = end.engine.poll_event() {
            self.on_event(end, event);
            has_changed = true;
        }
        if end.is_over {
            return;
        }
        if matches!(end.link, Some(LinkKey::Receiver(_))) {
            self.decide(end);
        } else {
            self.send(end);
        }
        has_changed |= before != (self.sending.next, self.receiving.undecided.len());
        if !has_changed {
            return;
        }
        let state = end.state().map(|state| state.to_bytes().unwrap());
        match end.link {
            Some(LinkKey::Sender(_)) => self.sending.saved = state.or(self.sending.saved.take()),
            Some(LinkKey::Receiver(_)) => self.receiving.saved = state.or(self.receiving.saved.take()),
            None => {}
        }
    }

    fn on_event(&mut self, end: &mut End, event: Event) {
        match event {
            Event::SessionOffered(key) => {
                end.engine.session(key).unwrap().accept(SessionOptions::new()).unwrap();
            }
            Event::LinkOffered(link) => self.accept(end, link),
            Event::Opened if end.is_client => {
                if let Ok(session) = end.engine.begin(SessionOptions::new()) {
                    self.attach(end, session);
                }
            }
            Event::Resumed { tag, delivery, .. } => end.name(*tag, delivery),
            Event::Unresumed { link: LinkKey::Sender(_), tag, state } => {
                assert_eq!(state, Some(Outcome::Accepted.into()), "{tag:?} is lost");
                let number = self.sending.numbers[&*tag];
                self.sending.accepted.push(number);
            }
            Event::Unresumed { tag, .. } => _ = self.receiving.undecided.remove(&*tag),
            Event::Updated { link: LinkKey::Sender(_), delivery, state, settled } => {
                assert_eq!(state, Some(Outcome::Accepted.into()));
                if settled {
                    let number = self.sending.numbers[&end.tags[&delivery]];
                    self.sending.accepted.push(number);
                }
            }
            Event::Message { receiver, .. } => {
                let delivery = end.engine.receiver(receiver).unwrap().receive().unwrap();
                let text = delivery.message().unwrap();
                let text = text.body().unwrap();
                let number = text.as_str().unwrap().trim_end_matches('.').parse().unwrap();
                self.receiving.handled.push(number);
                if !delivery.is_settled() {
                    self.receiving.undecided.insert(delivery.tag());
                    end.name(delivery.tag(), delivery.key());
                }
            }
            Event::Suspended { link, state } => {
                let state = Some(state.to_bytes().unwrap());
                match link {
                    LinkKey::Sender(_) => self.sending.saved = state,
                    LinkKey::Receiver(_) => self.receiving.saved = state,
                }
            }
            Event::Closed(_) => end.is_over = true,
            Event::LinkDetached { closed, unread, .. } => assert!(!closed && unread.is_empty()),
            Event::Lost { .. } => panic!("{event:?}"),
            _ => {}
        }
    }

    fn send(&mut self, end: &mut End) {
        let Some(LinkKey::Sender(key)) = end.link else { return };
        while self.sending.next < self.sending.messages {
            let number = self.sending.next;
            // Some messages take several frames.
            let filler = ".".repeat(if number.is_multiple_of(7) { 1500 } else { 3 });
            let message = Message::from(format!("{number}{filler}").as_str()).with_durable(true);
            let Ok(mut sender) = end.engine.sender(key) else { return };
            let Ok(delivery) = sender.send_with(&message, &Default::default()) else { return };
            let tag = end.engine.delivery(delivery).unwrap().tag();
            end.name(tag, delivery);
            self.sending.numbers.insert(tag, number);
            self.sending.next += 1;
        }
    }

    /// Accepts the messages now and then, so that many stay undecided for some time.
    fn decide(&mut self, end: &mut End) {
        self.steps += 1;
        let Some(LinkKey::Receiver(key)) = end.link else { return };
        if !self.steps.is_multiple_of(5) {
            return;
        }
        let Ok(mut receiver) = end.engine.receiver(key) else { return };
        let keys = &end.keys;
        self.receiving.undecided.retain(|tag| keys.get(tag).is_none_or(|key| receiver.accept(*key).is_err()));
    }

    /// Connects the ends and moves this number of octets in portions; then the connection is cut. If `is_soft`, both
    /// ends learn of that; otherwise both processes are killed. Returns `true` if nothing moves any more.
    fn run(&mut self, mut octets: usize, portion: usize, is_soft: bool) -> bool {
        let options = |name| Options::new(name).with_limits(Limits::DEFAULT.with_frame_size(self.frame_size));
        let mut client = End::new(Connection::client(options("client"), Moment::START), true);
        let mut server = End::new(Connection::server(options("server"), Moment::START), false);
        let mut idle = 0;
        while octets > 0 && idle < 12 {
            let before = octets;
            for is_client in [true, false] {
                let (from, to) =
                    if is_client { (&mut client, &mut server) } else { (&mut server, &mut client) };
                self.act(from);
                let mut output = from.engine.output();
                let count = output.remaining().min(portion).min(octets);
                let moved = output.copy_to_bytes(count);
                octets -= count;
                to.engine.receive(Moment::START, &moved);
            }
            idle = if octets == before { idle + 1 } else { 0 };
        }
        if is_soft {
            for end in [&mut client, &mut server] {
                end.engine.end_of_input();
                self.act(end);
                assert!(end.is_over);
            }
        }
        idle > 0
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// T-RES-14, T-RES-06, T-RES-07, T-RES-08: in mode second, each message is handed over exactly once and accepted
    /// exactly once, wherever connections are cut, in frames of 512 octets and larger ones.
    #[test]
    fn every_message_is_handed_over_exactly_once(
        messages in 1_u32..130,
        cuts in prop::collection::vec((1_usize..9_000, any::<bool>()), 0..7),
        portion in prop_oneof![Just(1_usize), 2_usize..100, 100_usize..5_000],
        client_sends in any::<bool>(),
        is_framed in any::<bool>(),
    ) {
        let mut world = World {
            sending: Sending { messages, ..Sending::default() },
            receiving: Receiving::default(),
            client_sends,
            frame_size: if is_framed { 512 } else { 65_536 },
            steps: 0,
        };
        for (octets, is_soft) in cuts {
            world.run(octets, portion, is_soft);
        }
        prop_assert!(world.run(usize::MAX, portion.max(100), false));
        let all: Vec<_> = (0..messages).collect();
        world.receiving.handled.sort_unstable();
        world.sending.accepted.sort_unstable();
        prop_assert_eq!(&world.receiving.handled, &all);
        prop_assert_eq!(&world.sending.accepted, &all);
        for saved in [&world.sending.saved, &world.receiving.saved] {
            let state = read(saved.as_ref()).unwrap();
            prop_assert_eq!(state.deliveries(), []);
        }
    }
}
