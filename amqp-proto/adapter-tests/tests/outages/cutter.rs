//! A proxy whose connections fail.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Carries octets between clients and a server. Each connection ends after a random number of octets, until so many have
/// ended. All runs with the same seed fail after the same octets.
pub(crate) struct Cutter {
    address: SocketAddr,
    state: Arc<State>,
    accepting: Option<JoinHandle<()>>,
}

/// The numbers of failures so far.
#[derive(Debug, Default)]
struct State {
    /// The failures that are yet to come.
    left: AtomicUsize,
    is_armed: AtomicBool,
    is_over: AtomicBool,
    cuts: AtomicUsize,
    stalls: AtomicUsize,
    half_open: AtomicUsize,
}

/// The failure of one connection.
#[derive(Debug, Clone, Copy)]
struct Plan {
    /// The number of octets in a direction after which it fails.
    octets: usize,
    /// The number of octets after which it stands still for a time.
    stalls_after: usize,
    stalls_for: Duration,
    /// Both ends learn that it is over. Otherwise the octets of one direction are swallowed from then on.
    is_cut: bool,
}

impl Cutter {
    /// Starts a proxy to a server, whose connections do not fail before it is armed.
    pub(crate) fn to(server: SocketAddr, failures: usize, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State { left: AtomicUsize::new(failures), ..State::default() });
        let accepting = thread::spawn({
            let (state, mut random) = (Arc::clone(&state), Random(seed));
            move || {
                let mut pumps: Vec<JoinHandle<()>> = Vec::new();
                loop {
                    let near = listener.accept().unwrap().0;
                    if state.is_over.load(Ordering::SeqCst) {
                        break;
                    }
                    pumps.retain(|pump| !pump.is_finished());
                    pumps.extend(connect(near, server, &mut random, &state));
                }
                pumps.into_iter().for_each(|pump| pump.join().unwrap());
            }
        });
        Self { address, state, accepting: Some(accepting) }
    }

    pub(crate) fn url(&self) -> String {
        format!("amqp://{}", self.address)
    }

    /// Lets the connections fail from now on.
    pub(crate) fn arm(&self) {
        self.state.is_armed.store(true, Ordering::SeqCst);
    }

    /// Lets no more connections fail.
    pub(crate) fn spare(&self) {
        self.state.left.store(0, Ordering::SeqCst);
    }

    /// Returns `true` once no more connections fail.
    pub(crate) fn is_done(&self) -> bool {
        self.state.left.load(Ordering::SeqCst) == 0
    }

    /// Returns the number of connections that have failed.
    pub(crate) fn failures(&self) -> usize {
        self.state.cuts.load(Ordering::SeqCst) + self.state.half_open.load(Ordering::SeqCst)
    }

    /// Tells what has happened.
    pub(crate) fn report(&self) -> String {
        let read = |number: &AtomicUsize| number.load(Ordering::SeqCst);
        let state = &self.state;
        let (cuts, half_open, stalls) = (read(&state.cuts), read(&state.half_open), read(&state.stalls));
        format!("{cuts} cuts, {half_open} half-open, {stalls} stalls")
    }
}

/// Ends when all connections have ended.
impl Drop for Cutter {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        let ended = self.accepting.take().map(JoinHandle::join);
        assert!(thread::panicking() || ended.is_some_and(|ended| ended.is_ok()), "the proxy has panicked");
    }
}

/// Carries a connection, both ways.
fn connect(
    near: TcpStream,
    server: SocketAddr,
    random: &mut Random,
    state: &Arc<State>,
) -> [JoinHandle<()>; 2] {
    let far = TcpStream::connect(server).unwrap();
    // Otherwise the two ends would wait for each other's acknowledgments.
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let plan = Plan::draw(random);
    let is_first = random.below(2) == 0;
    let (back, forth) = ((far.try_clone().unwrap(), near.try_clone().unwrap()), (near, far));
    [(forth, is_first), (back, !is_first)].map(|((from, to), fails)| {
        let state = Arc::clone(state);
        thread::spawn(move || {
            carry((&from, &to), fails.then_some(plan), &state);
            let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
        })
    })
}

/// Copies one stream to the other, as planned, until either ends.
fn carry((mut from, mut to): (&TcpStream, &TcpStream), plan: Option<Plan>, state: &State) {
    let (mut space, mut carried, mut is_swallowing, mut has_stalled) = ([0; 4096], 0, false, false);
    loop {
        let octets = match from.read(&mut space) {
            Ok(octets @ 1..) => octets,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Ok(0) | Err(_) => return,
        };
        if is_swallowing {
            continue;
        }
        let mut rest = &space[..octets];
        if let Some(plan) = plan.filter(|_| state.is_armed.load(Ordering::SeqCst)) {
            if !has_stalled && carried + octets > plan.stalls_after && state.left.load(Ordering::SeqCst) > 0 {
                has_stalled = true;
                state.stalls.fetch_add(1, Ordering::SeqCst);
                thread::sleep(plan.stalls_for);
            }
            if carried + octets > plan.octets && state.claim() {
                let _ = to.write_all(&rest[..plan.octets.saturating_sub(carried)]);
                if plan.is_cut {
                    state.cuts.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                state.half_open.fetch_add(1, Ordering::SeqCst);
                is_swallowing = true;
                rest = &[];
            }
            carried += octets;
        }
        if to.write_all(rest).is_err() {
            return;
        }
    }
}

impl State {
    /// Takes one of the failures that are left.
    fn claim(&self) -> bool {
        self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }
}

impl Plan {
    fn draw(random: &mut Random) -> Self {
        // Some fail within the handshake, and the others soon enough.
        let octets = if random.below(4) == 0 { random.below(600) } else { random.below(20_000) };
        let stalls_after = if random.below(4) == 0 { random.below(octets + 1) } else { usize::MAX / 2 };
        // Some stand still for longer than the ends wait for a heartbeat.
        let longest = if random.below(8) == 0 { 1_500 } else { 60 };
        let stalls_for = Duration::from_millis(random.below(longest) as u64);
        Self { octets, stalls_after, stalls_for, is_cut: random.below(8) > 0 }
    }
}

/// Random numbers (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }
}
