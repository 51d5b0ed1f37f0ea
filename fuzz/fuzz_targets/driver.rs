//! Fuzzes the hub: tasks of an application, a driver, octets in any portions, and a peer that does what it likes.
//!
//! No task waits while its condition is true; no driver sleeps while there is work; all tasks end with the connection.
#![no_main]

use std::rc::Rc;

use amqp_fuzz::jobs::{After, Call, Job, Shared, call, work};
use amqp_fuzz::peer::Act;
use amqp_fuzz::world::{Setup, World};
use amqp_proto::client::ConnectionOptions;
use amqp_proto::driver::Connection;
use amqp_proto::policy::Reconnect;
use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Run {
    setup: Setup,
    /// The connection is opened again when it is lost.
    lasts: bool,
    /// The first links, which most runs need; without them, a run begins before the open.
    links: Option<[After; 2]>,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Step {
    Spawn(Job),
    Call(Call),
    Peer(Act),
    Task(u8),
    Tasks,
    Cancel(u8),
    Drive,
    Serve,
    Rest,
    Check,
    Room(u16, u16),
    Cut(u16, u16),
    Pass(u8),
    PassUntilDue,
}

fuzz_target!(|run: Run| play(&run));

fn play(run: &Run) {
    let mut options = ConnectionOptions::new();
    if run.lasts {
        options = options.with_reconnect(Reconnect::new());
    }
    let mut world = World::new(run.setup, options);
    let all = Shared::default();
    all.borrow_mut().connection = Some(Connection::new(world.hub.clone()));
    if let Some([sender, receiver]) = run.links {
        let jobs = [Job::Open, Job::Sender(None, sender, 3), Job::Receiver(None, receiver, 3)];
        jobs.into_iter().for_each(|job| apply(&mut world, &all, Step::Spawn(job)));
        world.rest();
    }
    for step in &run.steps {
        apply(&mut world, &all, *step);
    }
    world.check();
    world.finish();
}

fn apply(world: &mut World, all: &Shared, step: Step) {
    match step {
        Step::Spawn(job) if world.tasks.len() < 40 => {
            let all = Rc::clone(all);
            world.tasks.spawn(format!("{job:?}"), |progress| async move {
                // The end of a link is no news here.
                let _ = work(&all, job, &progress).await;
            });
        }
        Step::Spawn(_) => {}
        Step::Call(one) => drop(call(all, one)),
        Step::Peer(act) => world.peer.act(act),
        Step::Task(pick) => world.tasks.run_one(pick),
        Step::Tasks => drop(world.tasks.run()),
        Step::Cancel(pick) => world.tasks.cancel(pick),
        Step::Drive => drop(world.drive()),
        Step::Serve => drop(world.serve()),
        Step::Rest => world.rest(),
        Step::Check => world.check(),
        Step::Room(to_client, to_peer) => world.set_room(to_client, to_peer),
        Step::Cut(to_client, to_peer) => world.cut(to_client, to_peer),
        Step::Pass(millis) => world.pass(millis.into()),
        Step::PassUntilDue => world.pass_until_due(),
    }
}
