//! [`run`]: plays cases, each with a connection of its own.

use std::io;
use std::net::TcpStream;
use std::process::Child;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::case::{Case, Played, Section, Stop};
use super::peer::{Input, Line, Peer, Target};
use super::wire::{AMQP, SASL};

/// A connection with the peer, and the program at the other end if the tester has started it.
#[derive(Debug)]
pub(crate) struct Contact {
    pub(crate) socket: TcpStream,
    pub(crate) program: Option<Program>,
}

/// A program that is ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Program(pub(crate) Child);

impl Drop for Program {
    fn drop(&mut self) {
        // A program that has ended by itself is no error.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The result of a case.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) section: &'static str,
    pub(crate) case: Case,
    pub(crate) played: Played,
    pub(crate) time: Duration,
    pub(crate) log: Vec<Line>,
}

/// Connects to the peer.
pub(crate) type Connect<'a> = dyn Fn() -> io::Result<Contact> + Sync + 'a;

/// Plays the cases that are wanted; those that use the node one after the other, the others on this number of threads.
pub(crate) fn run(
    target: &Target,
    connect: &Connect<'_>,
    sections: &[Section],
    wanted: &dyn Fn(&Section, &Case) -> bool,
    jobs: usize,
) -> Vec<Done> {
    let all: Vec<(usize, Section, Case)> = sections
        .iter()
        .flat_map(|section| section.cases.iter().map(|case| (*section, *case)))
        .filter(|(section, case)| wanted(section, case))
        .enumerate()
        .map(|(number, (section, case))| (number, section, case))
        .collect();
    let (on_node, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, section, _)| section.on_node);
    let done = Mutex::new(Vec::new());
    let keep = |number: usize, one: Done| {
        if let Ok(mut done) = done.lock() {
            done.push((number, one));
        }
    };
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            for (number, section, case) in &on_node {
                if let Ok(contact) = connect() {
                    let mut peer = Peer::new(target, name(), contact.socket);
                    // What is left in the node shows in the case.
                    let _ = peer.empties();
                    peer.leave();
                }
                keep(*number, play(target, connect, section, case));
            }
        });
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some((number, section, case)) = others.get(next.fetch_add(1, Ordering::Relaxed)) {
                    keep(*number, play(target, connect, section, case));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_default();
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, one)| one).collect()
}

/// Returns a name that no other connection of this program has.
fn name() -> String {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    format!("conformance-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

fn play(target: &Target, connect: &Connect<'_>, section: &Section, case: &Case) -> Done {
    let start = Instant::now();
    let done = |played, log| Done { section: section.title, case: *case, played, time: start.elapsed(), log };
    let Contact { socket, program } = match connect() {
        Ok(contact) => contact,
        Err(error) => return done(Err(Stop::NotTried(format!("no connection: {error}"))), Vec::new()),
    };
    let mut peer = Peer::new(target, name(), socket);
    let played = (case.play)(&mut peer);
    let played = match played {
        Err(Stop::Deviates { came, .. }) if start.elapsed() >= target.times.case => {
            Err(Stop::NotTried(format!("the limit of {} s was over: {came}", target.times.case.as_secs())))
        }
        other => other,
    };
    let done = done(played, Vec::new());
    let log = peer.leave();
    drop(program);
    Done { log, ..done }
}

/// Tells whether a peer that accepts connections has a SASL layer.
///
/// # Errors
///
/// A text that tells why the peer cannot be tested.
pub(crate) fn has_sasl(target: &Target, connect: &Connect<'_>) -> Result<bool, String> {
    let contact = connect().map_err(|error| format!("no connection: {error}"))?;
    let mut peer = Peer::new(target, name(), contact.socket);
    peer.write("SASL header", &SASL);
    match peer.header()? {
        SASL => Ok(true),
        AMQP => Ok(false),
        other => Err(format!("the peer answers with another protocol: {}", Input::Header(other))),
    }
}
