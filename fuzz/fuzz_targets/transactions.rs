//! Fuzzes transactions: a controller and a coordinator whose transport is cut at any octet.
//!
//! Each end tells the end of each transaction once. Both agree on it, unless the controller says that it is in doubt.
#![no_main]

use std::collections::BTreeMap;

use amqp_fuzz::peer::Pick;
use amqp_proto::config::{Options, SendOptions, SenderOptions};
use amqp_proto::testing::{Auto, End, Pair, Side};
use amqp_proto::types::{LinkKey, ReceiverKey, SenderKey, TransactionId, TransactionKey};
use amqp_proto::wire::{AmqpError, Condition, Coordinator};
use amqp_proto::{Event, TransactionError};
use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Run {
    /// The octets of a portion.
    portion: u8,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Step {
    Declare,
    Post(Pick, bool),
    Commit(Pick),
    Rollback(Pick),
    /// The coordinator rolls a transaction back of itself.
    Abandon(Pick),
    /// The coordinator answers the discharges that wait: it commits, or refuses.
    Answer(bool),
    /// The server accepts what was posted.
    Accept,
    Move(bool, u8),
    Drive,
    /// An end ends the control link, for good or not.
    Detach(bool, bool),
    Cut(u8, u8),
}

/// The end of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Committed,
    RolledBack,
    InDoubt,
}

/// The transactions of one end.
#[derive(Default)]
struct Book {
    ids: BTreeMap<TransactionKey, TransactionId>,
    fates: BTreeMap<TransactionKey, Fate>,
    live: Vec<TransactionKey>,
    discharged: Vec<TransactionKey>,
}

impl Book {
    fn end(&mut self, key: TransactionKey, fate: Fate) {
        let before = self.fates.insert(key, fate);
        assert!(before.is_none(), "the end of a transaction is told twice: {before:?}, {fate:?}");
        self.live.retain(|live| *live != key);
        self.discharged.retain(|asked| *asked != key);
    }

    /// Returns the ends of transactions that have ended before their declaration was observed, so that their id is not known.
    fn unnamed_fates(&self) -> Vec<Fate> {
        self.fates.iter().filter(|(key, _)| !self.ids.contains_key(key)).map(|(_, fate)| *fate).collect()
    }

    /// Records the events of an end.
    fn observe(&mut self, end: &mut End) {
        for event in end.events() {
            match event {
                Event::Declared(key) => {
                    self.live.push(key);
                    let id = end.transaction(key).ok().and_then(|one| one.id());
                    self.ids.extend(id.map(|id| (key, id)));
                }
                Event::Discharge(key) => self.discharged.push(key),
                Event::Committed(key) => self.end(key, Fate::Committed),
                Event::RolledBack { transaction, .. } => self.end(transaction, Fate::RolledBack),
                Event::InDoubt { transaction, .. } => self.end(transaction, Fate::InDoubt),
                _ => {}
            }
        }
    }
}

struct World {
    pair: Pair,
    control: (SenderKey, ReceiverKey),
    out: SenderKey,
    controller: Book,
    coordinator: Book,
}

fuzz_target!(|run: Run| play(&run));

fn play(run: &Run) {
    let mut world = World::new(run);
    for step in &run.steps {
        world.apply(*step);
        world.observe();
    }
    world.finish();
}

impl World {
    fn new(run: &Run) -> Self {
        let mut pair = Pair::new(Options::new("controller"), Options::new("resource")).untraced();
        pair = pair.with_auto(Auto::Sessions).chunked(usize::from(run.portion).max(1));
        let options = SenderOptions::to_coordinator(Coordinator::default());
        let control = pair.client.attach_sender_with("control", options);
        pair.drive();
        let LinkKey::Receiver(there) = pair.server.expect_attach().key() else { panic!("it receives") };
        pair.server
            .receiver(there)
            .expect("it is offered")
            .accept_coordinator()
            .expect("it is a coordinator's");
        pair = pair.with_auto(Auto::Links);
        pair.server.collects = true;
        pair.server.receiver_options = pair.server.receiver_options.clone().with_prefetch(20);
        let out = pair.client.attach_sender("out");
        pair.drive();
        let (controller, coordinator) = (Book::default(), Book::default());
        Self { pair, control: (control, there), out, controller, coordinator }
    }

    fn observe(&mut self) {
        self.controller.observe(&mut self.pair.client);
        self.coordinator.observe(&mut self.pair.server);
    }

    /// Makes a step. A command that an engine refuses has no effect.
    fn apply(&mut self, step: Step) {
        match step {
            Step::Declare => {
                if let Ok(mut control) = self.pair.client.sender(self.control.0) {
                    let _ = control.declare();
                }
            }
            Step::Post(pick, is_settled) => self.post(pick, is_settled),
            Step::Commit(pick) => {
                if let Some(Ok(mut one)) =
                    pick.of(&self.controller.live).map(|key| self.pair.client.transaction(key))
                {
                    let _ = one.commit();
                }
            }
            Step::Rollback(pick) => {
                if let Some(Ok(mut one)) =
                    pick.of(&self.controller.live).map(|key| self.pair.client.transaction(key))
                {
                    let _ = one.rollback(None);
                }
            }
            Step::Abandon(pick) => {
                if let Some(key) = pick.of(&self.coordinator.live) {
                    self.decide(key, false);
                }
            }
            Step::Answer(commits) => {
                for key in self.coordinator.discharged.clone() {
                    self.decide(key, commits);
                }
            }
            Step::Accept => {
                for (receiver, delivery) in self.pair.server.messages() {
                    let _ = self.pair.server.receiver(receiver).map(|mut link| link.accept(delivery.key()));
                }
            }
            Step::Move(is_client, octets) => {
                let side = if is_client { Side::Client } else { Side::Server };
                self.pair.step_some(side, octets.into());
            }
            Step::Drive => self.pair.drive(),
            Step::Detach(is_client, is_closed) => self.detach(is_client, is_closed),
            Step::Cut(to_server, to_client) => {
                self.pair.to_server.cut_after(to_server.into());
                self.pair.to_client.cut_after(to_client.into());
            }
        }
    }

    fn post(&mut self, pick: Pick, is_settled: bool) {
        let id = pick.of(&self.controller.live).and_then(|key| self.controller.ids.get(&key).cloned());
        if let (Some(id), Ok(mut out)) = (id, self.pair.client.sender(self.out)) {
            let options = SendOptions::new().with_transaction(id).with_settled(is_settled);
            let _ = out.send_with(&"x".into(), &options);
        }
    }

    /// Ends a transaction at the coordinator. An event tells a rollback that answers nothing.
    fn decide(&mut self, key: TransactionKey, commits: bool) {
        let Ok(mut one) = self.pair.server.transaction(key) else { return };
        let is_asked = self.coordinator.discharged.contains(&key);
        let decided = match commits {
            true => one.commit(),
            false => one.rollback(AmqpError::new(Condition::TransactionRollback)),
        };
        match decided {
            Ok(()) if commits => self.coordinator.end(key, Fate::Committed),
            // A part of a transaction that is committed has failed.
            Ok(()) | Err(TransactionError::RollbackOnly) if is_asked => {
                self.coordinator.end(key, Fate::RolledBack)
            }
            _ => {}
        }
    }

    fn detach(&mut self, is_client: bool, is_closed: bool) {
        if is_client {
            let _ = self.pair.client.sender(self.control.0).map(|mut link| match is_closed {
                true => link.close(),
                false => link.detach(),
            });
        } else {
            let _ = self.pair.server.receiver(self.control.1).map(|mut link| match is_closed {
                true => link.close(),
                false => link.detach(),
            });
        }
    }

    /// Ends the transport, and compares what both ends know.
    fn finish(mut self) {
        self.pair.cut();
        self.pair.drive();
        self.observe();
        for (name, book) in [("controller", &self.controller), ("coordinator", &self.coordinator)] {
            assert!(book.live.is_empty(), "the {name} has transactions without an end: {:?}", book.live);
        }
        let mut unnamed = self.coordinator.unnamed_fates();
        for (key, id) in &self.controller.ids {
            let fate = self.controller.fates.get(key).copied();
            let there = self.coordinator.ids.iter().find(|(_, there)| *there == id).map(|(key, _)| *key);
            let fate_there = match there {
                Some(key) => self.coordinator.fates.get(&key).copied(),
                None => unnamed.pop(),
            };
            let agree = match fate {
                Some(Fate::InDoubt) => fate_there.is_some(),
                fate => fate == fate_there,
            };
            assert!(agree, "{fate:?} at the controller, {fate_there:?} at the coordinator");
        }
    }
}
