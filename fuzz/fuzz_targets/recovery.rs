//! Fuzzes the recovery of a sender over connections that are cut at any octet.
//!
//! The outcome of each message is told once. A message that is accepted has arrived. A message arrives once, unless the
//! link sends it again because the server has forgotten it.
#![no_main]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Waker;

use amqp_fuzz::jobs::After;
use amqp_fuzz::peer::{Act, Pick, Verdict, Why};
use amqp_fuzz::world::{Setup, World};
use amqp_proto::client::{ConnectionOptions, SenderSettings};
use amqp_proto::driver::{Connection, Sender};
use amqp_proto::policy::Reconnect;
use amqp_proto::types::DeliveryKey;
use amqp_proto::wire::{Outcome, ReceiverSettleMode};
use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Run {
    setup: Setup,
    after: After,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Step {
    Send,
    Dispose(Pick, Verdict),
    Credit(u8),
    /// The server detaches or closes the link.
    Detach(bool, Why),
    Cut(u16, u16),
    Room(u16, u16),
    Drive,
    Serve,
    Rest,
    Pass(u8),
    PassUntilDue,
}

/// The number of rounds within which every outcome is told, once the server accepts everything.
const ROUNDS: u32 = 400;

/// The application: what it has sent, and the outcomes that it was told; `None` for a message that was lost.
#[derive(Default)]
struct Story {
    sender: Option<Sender<Waker>>,
    sent: BTreeMap<DeliveryKey, u32>,
    told: BTreeMap<DeliveryKey, Option<Outcome>>,
    next: u32,
}

impl Story {
    fn send(&mut self) {
        let number = self.next;
        self.next += 1;
        let Some(sender) = &self.sender else { return };
        if let Ok(sent) = Sender::try_send(sender, format!("{number:08}")) {
            assert!(self.sent.insert(sent.key(), number).is_none(), "a key is used twice");
        }
    }

    /// Returns `true` if the outcome of each message was told.
    fn is_complete(&self) -> bool {
        self.sent.keys().all(|key| self.told.contains_key(key))
    }
}

fuzz_target!(|run: Run| play(&run));

fn play(run: &Run) {
    let mut world = World::new(run.setup, ConnectionOptions::new().with_reconnect(Reconnect::new()));
    let connection = Connection::new(world.hub.clone());
    let story = Rc::new(RefCell::new(Story::default()));
    let mut settings = SenderSettings::to("node");
    settings.recovery = run.after.into();
    if let After::Resume = run.after {
        // A receiver of the other mode forgets what it has accepted.
        settings.options = settings.options.with_rcv_settle_mode(ReceiverSettleMode::Second);
    }
    let Ok(sender) = Sender::attach(&Connection::home(&connection), &settings) else { return };
    tell(&mut world, &story, &sender);
    let attached = Rc::clone(&story);
    world.tasks.spawn("the application", |_| async move {
        if Sender::attached(&sender).await.is_ok() {
            attached.borrow_mut().sender = Some(sender);
        }
    });
    world.rest();
    for step in &run.steps {
        apply(&mut world, &story, *step);
    }
    finish(&mut world, &story);
    check(run, &world, &story.borrow());
}

/// Records each outcome as it arrives.
fn tell(world: &mut World, story: &Rc<RefCell<Story>>, sender: &Sender<Waker>) {
    let (story, mut outcomes) = (Rc::clone(story), Sender::outcomes(sender));
    world.tasks.spawn("the outcomes", |progress| async move {
        while let Some((key, outcome)) = poll_fn(|context| outcomes.poll(context.waker())).await {
            progress.step();
            let before = story.borrow_mut().told.insert(key, outcome.ok());
            assert!(before.is_none(), "an outcome is told twice");
        }
    });
}

fn apply(world: &mut World, story: &RefCell<Story>, step: Step) {
    match step {
        Step::Send => story.borrow_mut().send(),
        Step::Dispose(pick, verdict) => world.peer.act(Act::Dispose(pick, verdict)),
        Step::Credit(credit) => world.peer.act(Act::Credit(Pick(0), credit)),
        Step::Detach(is_closed, why) => world.peer.act(Act::Detach(Pick(0), is_closed, why)),
        Step::Cut(to_client, to_peer) => world.cut(to_client, to_peer),
        Step::Room(to_client, to_peer) => world.set_room(to_client, to_peer),
        Step::Drive => drop(world.drive()),
        Step::Serve => drop(world.serve()),
        Step::Rest => world.rest(),
        Step::Pass(millis) => world.pass(millis.into()),
        Step::PassUntilDue => world.pass_until_due(),
    }
}

/// Lets the servers accept everything until each outcome is told.
fn finish(world: &mut World, story: &RefCell<Story>) {
    for _ in 0..ROUNDS {
        world.be_kind();
        world.check();
        if story.borrow().is_complete() {
            return;
        }
        world.pass_until_due();
    }
    let story = story.borrow();
    panic!("of {:?} only {:?} are told", story.sent, story.told);
}

fn check(run: &Run, world: &World, story: &Story) {
    let is_forgetful = match run.after {
        After::Report => false,
        After::Replay => true,
        // A link that is closed is forgotten, and so is a delivery that is settled.
        After::Resume => {
            let forgets = |step: &Step| matches!(step, Step::Detach(..) | Step::Dispose(_, Verdict::Settle));
            !run.setup.habits.remembers || run.steps.iter().any(forgets)
        }
    };
    for (key, number) in &story.sent {
        let text = format!("{number:08}");
        let count = world.peer.received.iter().filter(|one| one.ends_with(text.as_bytes())).count();
        assert!(count <= 1 || is_forgetful, "message {number} has arrived {count} times");
        let is_accepted = story.told.get(key) == Some(&Some(Outcome::Accepted));
        assert!(count >= 1 || !is_accepted, "message {number} is accepted and has not arrived");
    }
}
