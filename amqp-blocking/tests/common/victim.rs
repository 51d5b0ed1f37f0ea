//! A peer in another process, which is killed while messages are on the way. For `amqp-blocking` and `amqp-tokio`.
//!
//! The peer is the test itself, started again, unless `AMQP_KILLED_PEER` has another command, in which `{port}` is
//! the port to listen on. The peer prints `listening amqp://...` when clients can connect, and `got N` before it
//! accepts message N. Output in the pipe outlives the peer. `AMQP_KILLED_ROUNDS` and `AMQP_KILLED_SEED` set other
//! rounds.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// No operation here takes this long.
pub const FOREVER: Duration = Duration::from_secs(60);

/// The default number of rounds.
const ROUNDS: u64 = 10;
const IS_VICTIM: &str = "AMQP_KILLED_IS_PEER";

/// Returns whether this process is the peer.
pub fn is_victim() -> bool {
    std::env::var_os(IS_VICTIM).is_some()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Plays all rounds, and checks that they leave no open file and no thread behind.
pub fn rounds(play: impl Fn(Victim) -> Reports) {
    let rounds = number("AMQP_KILLED_ROUNDS").unwrap_or(ROUNDS);
    let seed = number("AMQP_KILLED_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("AMQP_KILLED_SEED={seed}");
    let mut random = Random(seed);
    let (mut accepted, mut failed, before) = (0, 0, held());
    for round in 0..rounds {
        let moment = Moment::pick(round, &mut random);
        let victim = Victim::start(moment);
        let journal = Arc::clone(&victim.journal);
        let reports = play(victim);
        let received = journal.lock().unwrap().take().unwrap().join().unwrap();
        println!("round {round}: {moment:?}, {} received, {reports:?}", received.len());
        reports.check(&received);
        accepted += reports.accepted.len();
        failed += reports.failed.len();
        settle(before);
    }
    println!("{rounds} rounds: {accepted} messages accepted, {failed} lost");
    assert!(accepted > 0 && failed > 0);
}

/// Returns the numbers of open files and threads, where the system has them.
fn held() -> Option<(usize, usize)> {
    let count = |path| Some(std::fs::read_dir(path).ok()?.count());
    Some((count("/proc/self/fd")?, count("/proc/self/task")?))
}

/// Waits until files and threads are as before, since threads end a little later than their work.
fn settle(before: Option<(usize, usize)>) {
    let (Some((files, threads)), start) = (before, Instant::now()) else { return };
    while held().is_some_and(|now| now.0 > files || now.1 > threads) {
        assert!(start.elapsed() < FOREVER, "{:?} of {before:?} files and threads", held());
        thread::sleep(Duration::from_millis(5));
    }
}

/// A pseudo-random generator with a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % most
    }
}

/// The time at which the peer is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// This long after clients can connect: while the connection opens, while links are attached, or later.
    After(Duration),
    /// After this number of received messages.
    Messages(u64),
}

impl Moment {
    fn pick(round: u64, random: &mut Random) -> Self {
        match round % 3 {
            0 => Self::After(Duration::from_micros(random.below(30_000))),
            1 => Self::Messages(1 + random.below(50)),
            _ => Self::Messages(1_000 + random.below(4_000)),
        }
    }
}

/// The peer. Dropping this kills it.
pub struct Victim {
    pub url: String,
    child: Arc<Mutex<Child>>,
    /// The messages that it has received, by its output; complete after its end.
    journal: Arc<Mutex<Option<JoinHandle<Vec<u64>>>>>,
}

impl Victim {
    /// Starts the peer, which is killed at its moment.
    fn start(moment: Moment) -> Self {
        let mut child = command().stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let child = Arc::new(Mutex::new(child));
        let (urls, url) = mpsc::channel();
        let last = Arc::new(AtomicU64::new(u64::MAX));
        if let Moment::Messages(last_of_all) = moment {
            last.store(last_of_all, Ordering::Relaxed);
        }
        let killed = Arc::clone(&child);
        let journal = thread::spawn(move || {
            let mut received = Vec::new();
            for line in lines {
                if let Some((_, url)) = line.split_once("listening ") {
                    let _ = urls.send(url.trim().to_owned());
                } else if let Some(number) = line.strip_prefix("got ") {
                    received.push(number.parse().unwrap());
                }
                if received.len() as u64 == last.load(Ordering::Relaxed) {
                    killed.lock().unwrap().kill().unwrap();
                }
            }
            received
        });
        let url = url.recv_timeout(FOREVER).expect("the peer listens");
        if let Moment::After(span) = moment {
            let child = Arc::clone(&child);
            thread::spawn(move || {
                thread::sleep(span);
                child.lock().unwrap().kill().unwrap();
            });
        }
        Self { url, child, journal: Arc::new(Mutex::new(Some(journal))) }
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap();
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn command() -> Command {
    match std::env::var("AMQP_KILLED_PEER") {
        Ok(words) => {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut command = Command::new("sh");
            command.arg("-c").arg(format!("exec {}", words.replace("{port}", &port.to_string())));
            command
        }
        Err(_) => {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["--exact", "the_peer", "--nocapture", "--test-threads=1"]).env(IS_VICTIM, "yes");
            command
        }
    }
}

/// The reports about this end's messages, by number.
#[derive(Default)]
pub struct Reports {
    pub accepted: Vec<u64>,
    pub failed: Vec<u64>,
}

impl Reports {
    pub fn add(&mut self, more: Self) {
        self.accepted.extend(more.accepted);
        self.failed.extend(more.failed);
    }

    /// Checks that accepted messages were received, that each message has one end, and that each was received at most
    /// once.
    fn check(&self, received: &[u64]) {
        let has = |numbers: &[u64]| numbers.iter().copied().collect::<HashSet<_>>();
        let (accepted, failed, there) = (has(&self.accepted), has(&self.failed), has(received));
        assert_eq!((accepted.len(), failed.len()), (self.accepted.len(), self.failed.len()), "told twice");
        assert!(accepted.is_disjoint(&failed), "told both: {:?}", accepted.intersection(&failed));
        assert_eq!(there.len(), received.len(), "received twice");
        let missing: Vec<_> = accepted.difference(&there).collect();
        assert!(missing.is_empty(), "accepted and not received: {missing:?}");
        let unknown: Vec<_> = there.iter().filter(|n| !accepted.contains(n) && !failed.contains(n)).collect();
        assert!(unknown.is_empty(), "nothing was told of {unknown:?}");
    }
}

impl std::fmt::Debug for Reports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} accepted, {} lost", self.accepted.len(), self.failed.len())
    }
}
