//! [`Run::play`]: performs the operations of a [`Run`] and checks the events of both ends.

mod links;
mod model;
mod quiescence;
mod receiving;
mod sending;
mod setup;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Debug;

use super::end::Auto;
use super::operation::{Few, Grant, LinkSort, Operation, Pick, Run, Side};
use super::pair::Pair;
use crate::connection::Connection;
use crate::machine::{Event, SendError, StaleKey};
use crate::types::{DeliveryKey, LinkKey, ReceiverKey, SenderKey};
use model::{Fate, Got, Model, Note, link_state};
use setup::{options, receiver_options, sender_options, session_options};

/// The outcome of a run.
#[derive(Debug, PartialEq, Eq)]
pub struct Story {
    /// The client's events.
    pub client: Vec<Event>,
    /// The server's events.
    pub server: Vec<Event>,
    /// The received messages, in order: the receiving end, and the message's index among all messages of the run.
    pub received: Vec<(Side, usize)>,
    /// The frames that both ends sent.
    pub frames: Vec<String>,
}

impl Run {
    /// Plays the run and panics if an engine misbehaves. The run checks all the time that:
    ///
    /// * no engine reports a fault of the other, and no event contradicts an earlier event;
    /// * a command that is refused has changed nothing;
    /// * an engine has output whenever it says so;
    /// * a message arrives whole, once, and in the order of its link;
    /// * an unsettled delivery ends exactly once at each end: settled, lost or aborted; the sender learns the outcome
    ///   that the receiver sent.
    ///
    /// The pair comes to rest in a bounded number of steps. Then both ends agree on credit, delivery-counts, windows
    /// and outcomes, each waiting sender that may send has got its event, and each drained receiver, too. At the end
    /// of the run, all messages of links that stayed attached have arrived, and ended endpoints leave nothing behind.
    pub fn play(&self) -> Story {
        let mut play = Play::new(self);
        for operation in &self.operations {
            play.apply(operation);
            play.observe();
        }
        play.come_to_rest();
        play.finish(self.ending);
        Story {
            client: play.client.events,
            server: play.server.events,
            received: play.received,
            frames: play.pair.trace(),
        }
    }
}

/// A run in progress.
struct Play<'a> {
    run: &'a Run,
    pair: Pair,
    client: Model,
    server: Model,
    notes: Vec<Note>,
    received: Vec<(Side, usize)>,
}

impl<'a> Play<'a> {
    fn new(run: &'a Run) -> Self {
        let (client, server) = (options("client", &run.client), options("server", &run.server));
        let portions: Vec<usize> = run.portions.iter().map(|size| size.0.into()).collect();
        let mut pair = Pair::new(client, server).portioned(&portions).delayed(run.delay.0.into());
        pair = pair.with_most_steps(20_000);
        for side in [Side::Client, Side::Server] {
            let setup = run.setup(side);
            let end = pair.end(side);
            end.session_options = session_options(setup);
            end.sender_options = sender_options(setup);
            end.receiver_options = receiver_options(setup);
            end.pushes = true;
        }
        pair.drive();
        let mut play = Self {
            run,
            pair,
            client: Model::default(),
            server: Model::default(),
            notes: Vec::new(),
            received: Vec::new(),
        };
        // Most runs need a session, links and credit.
        play.apply(&Operation::Begin(Side::Client));
        for sends in [true, false] {
            let sort = LinkSort { name: Few(0), sends, modes: (Few(3), Few(3)) };
            play.apply(&Operation::Attach(Side::Client, Pick(0), sort));
        }
        play.apply(&Operation::Drive);
        for side in [Side::Client, Side::Server] {
            play.apply(&Operation::Grant(side, Pick(0), Grant::Set(Few(3))));
            play.pair.end(side).auto = if run.setup(side).accepts { Auto::Links } else { Auto::Sessions };
        }
        play
    }

    fn model(&mut self, side: Side) -> &mut Model {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    /// Checks the new events of both ends.
    fn observe(&mut self) {
        for side in [Side::Client, Side::Server] {
            let model = match side {
                Side::Client => &mut self.client,
                Side::Server => &mut self.server,
            };
            let end = self.pair.end(side);
            for event in end.events() {
                model.observe(&event, end, &mut self.notes);
            }
        }
    }

    fn apply(&mut self, operation: &Operation) {
        match *operation {
            Operation::Begin(side) => self.begin(side),
            Operation::End(side, pick) => self.end(side, pick),
            Operation::Attach(side, pick, sort) => self.attach(side, pick, sort),
            Operation::Answer(side, pick, accept) => self.answer_one(side, pick, accept),
            Operation::Detach(side, pick, closed) => self.detach(side, pick, closed),
            Operation::Grant(side, pick, grant) => self.grant(side, pick, grant),
            Operation::Available(side, pick, few) => {
                if let Some(key) = self.sender(side, pick) {
                    self.command(side, |end| end.sender(key).map(|mut s| s.set_available(few.0.into())));
                }
            }
            Operation::Send(side, pick, size, settled) => self.send(side, pick, size, settled),
            Operation::Start(side, pick) => self.start(side, pick),
            Operation::Write(side, pick, size) => self.write(side, pick, size),
            Operation::Finish(side, pick, complete) => self.finish_one(side, pick, complete),
            Operation::Receive(side, pick) => {
                if let Some(key) = self.receiver(side, pick) {
                    self.receive(side, key);
                }
            }
            Operation::Dispose(side, pick, verdict) => {
                let open = self.undecided(side);
                if let Some((link, key)) = pick.of(&open) {
                    self.dispose(side, link, key, verdict);
                }
            }
            Operation::Settle(side, pick) => {
                let open = self.unsettled(side);
                if let Some(id) = pick.of(&open) {
                    self.settle(side, id);
                }
            }
            Operation::Move(side, size) => {
                self.pair.step_some(side, size.0.into());
            }
            Operation::Step => {
                self.pair.step();
            }
            Operation::Drive => self.come_to_rest(),
            Operation::Pass(millis) => {
                self.pair.skip(millis.0.into());
                let now = self.pair.now();
                self.pair.client.handle_deadline(now);
                self.pair.server.handle_deadline(now);
            }
            Operation::Hold(side) => self.pair.end(side).polls = false,
        }
    }

    /// Runs a command. Checks that a refused command changes nothing.
    fn command<T, E: Debug + 'static>(
        &mut self,
        side: Side,
        run: impl FnOnce(&mut Connection) -> Result<Result<T, E>, StaleKey>,
    ) -> Option<T> {
        let end = self.pair.end(side);
        let before = format!("{:?}", **end);
        match run(end).ok()? {
            Ok(done) => Some(done),
            Err(error) => {
                // The engine notes these refusals, to report later that the sender may try again.
                let waits = (&error as &dyn core::any::Any).downcast_ref::<SendError>().is_some_and(waits);
                if !waits {
                    assert_eq!(format!("{:?}", **end), before, "refused with {error:?}");
                }
                None
            }
        }
    }

    fn sender(&mut self, side: Side, pick: Pick) -> Option<SenderKey> {
        pick.of(&self.senders(side))
    }

    fn receiver(&mut self, side: Side, pick: Pick) -> Option<ReceiverKey> {
        pick.of(&self.receivers(side))
    }

    fn senders(&mut self, side: Side) -> Vec<SenderKey> {
        let keys = self.model(side).links.keys();
        keys.filter_map(|key| if let LinkKey::Sender(key) = key { Some(*key) } else { None }).collect()
    }

    fn receivers(&mut self, side: Side) -> Vec<ReceiverKey> {
        let keys = self.model(side).links.keys();
        keys.filter_map(|key| if let LinkKey::Receiver(key) = key { Some(*key) } else { None }).collect()
    }

    /// Returns the links that wait to be accepted or refused.
    fn offers(&mut self, side: Side) -> Vec<LinkKey> {
        let links = self.model(side).links.iter();
        links.filter(|(_, link)| link.is_offered).map(|(key, _)| *key).collect()
    }

    /// Returns the senders with a message in progress, and the message's index.
    fn started(&mut self, side: Side) -> Vec<(SenderKey, usize)> {
        let links = self.model(side).links.iter();
        links
            .filter_map(|(key, link)| match key {
                LinkKey::Sender(key) => Some((*key, link.open?)),
                LinkKey::Receiver(_) => None,
            })
            .collect()
    }

    /// Returns the received deliveries without a state, with their links.
    fn undecided(&mut self, side: Side) -> Vec<(LinkKey, DeliveryKey)> {
        let (model, notes) = match side {
            Side::Client => (&self.client, &self.notes),
            Side::Server => (&self.server, &self.notes),
        };
        let is_undecided = |got: &Got| {
            let note = got.id.and_then(|id| notes.get(id));
            got.fate == Fate::Open && note.is_some_and(|note| note.verdict.is_none())
        };
        let got = model.got.iter().filter(|(_, got)| is_undecided(got));
        got.map(|(key, got)| (got.link, *key)).collect()
    }

    /// Returns the sent messages that are not settled.
    fn unsettled(&mut self, side: Side) -> Vec<usize> {
        let notes = self.notes.iter().enumerate();
        notes.filter(|(_, note)| note.from == side && note.fate == Fate::Open).map(|(id, _)| id).collect()
    }

    /// Returns the receiver's end of a link, if the link is attached at both ends.
    fn joined(&mut self, side: Side, sender: SenderKey) -> Option<ReceiverKey> {
        let (name, is_attached) = link_state(self.pair.end(side), sender.into())?;
        let receivers = self.receivers(side.other());
        receivers.into_iter().find(|key| {
            let other = link_state(self.pair.end(side.other()), (*key).into());
            is_attached && other.is_some_and(|(theirs, attached)| attached && theirs == name)
        })
    }
}

/// Returns whether the send was refused for a lack that ends, which the engine reports by an event.
fn waits(error: &SendError) -> bool {
    use SendError::{Full, Incomplete, Kept, NoCredit, Unsettled, WindowClosed};
    matches!(error, NoCredit | WindowClosed | Full | Incomplete | Unsettled(_) | Kept(_))
}
