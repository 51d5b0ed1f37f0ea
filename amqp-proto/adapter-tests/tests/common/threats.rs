//! Hostile peers over sockets: every stream of `amqp-proto/tests/data/threats.json`, against a server and a client.
//!
//! `AMQP_FLOOD=100000` plays the floods in full.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use peak_alloc::PeakAlloc;

/// The most memory that one hostile peer costs, beside its own, in octets.
const MOST_MEMORY: usize = 16 << 20;
/// The most memory that stays after all of them, in octets: buffers that are kept.
const MOST_LEFT: usize = 2 << 20;
/// The most time of the processor for one hostile peer, and for each of its octets, also in a debug build.
const MOST_TIME: Duration = Duration::from_secs(2);
const MOST_TIME_OF_OCTET: Duration = Duration::from_micros(10);
/// The messages of a well-behaved peer that go through while a hostile peer is there.
const MESSAGES: u64 = 3;
/// The longest wait for anything, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// The octets of an answer that are kept.
const KEPT: usize = 4 << 10;

/// A hostile peer.
struct Threat {
    id: String,
    stream: Vec<u8>,
    /// The octets that follow again and again.
    flood: Vec<u8>,
    /// The conditions of which the answer has one; none for any answer.
    conditions: Vec<String>,
    /// True if it attacks clients.
    is_server: bool,
}

fn threats() -> Vec<Threat> {
    let text = include_str!("../../../tests/data/threats.json");
    let all: Vec<serde_json::Value> = serde_json::from_str(text).unwrap();
    let most = std::env::var("AMQP_FLOOD").map_or(20_000, |most| most.parse().unwrap());
    let threats = all.iter().map(|threat| {
        let octets = |name: &str| hex(threat[name].as_str().unwrap_or_default());
        let (id, expect) = (threat["id"].as_str().unwrap(), threat["expect"].as_str().unwrap());
        // What sessions and links answer depends on the server; the tests of the engine look at that. In B16 a peer that
        // announces a max-frame-size of 1 gets frames of 512 octets, which every peer accepts (F-MAX-04).
        let is_told = id < "C" && id != "B16" && expect.starts_with("amqp:");
        let words = expect.split([' ', ';', ',']).filter(|word| is_told && word.starts_with("amqp:"));
        let times = usize::try_from(threat["times"].as_u64().unwrap_or_default()).unwrap();
        Threat {
            id: id.to_owned(),
            stream: octets("stream_hex"),
            flood: octets("then_repeat_hex").repeat(times.min(most)),
            conditions: words.map(str::to_owned).collect(),
            is_server: ["C01", "C02", "C03", "C04", "C05", "C07", "C10"].contains(&id),
        }
    });
    threats.collect()
}

fn hex(digits: &str) -> Vec<u8> {
    let octet = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(octet).collect()
}

/// Returns the time of the processor that this process has used. Other systems than Linux are not asked.
fn processor_time() -> Duration {
    let Ok(text) = std::fs::read_to_string("/proc/self/stat") else { return Duration::ZERO };
    let fields = text.rsplit(')').next().unwrap().split_ascii_whitespace();
    // The ticks of the process, in it and in the kernel for it.
    let ticks: u64 = fields.skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(10 * ticks)
}

/// A peer that writes a stream and holds the connection.
struct Held {
    socket: TcpStream,
    answer: Option<JoinHandle<Vec<u8>>>,
}

/// Writes the stream of a threat. One peer never reads.
fn play(threat: &Threat, mut socket: TcpStream) -> Held {
    socket.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut reader = socket.try_clone().unwrap();
    let read = move || {
        let (mut answer, mut octets) = (Vec::new(), [0; KEPT]);
        while let Ok(count @ 1..) = reader.read(&mut octets) {
            answer.extend_from_slice(&octets[..count]);
            answer.drain(..answer.len().saturating_sub(KEPT));
        }
        answer
    };
    let answer = (threat.id != "D46").then(|| thread::spawn(read));
    // A server may end the connection, or read no more.
    let _ = socket.write_all(&threat.stream).and_then(|()| socket.write_all(&threat.flood));
    Held { socket, answer }
}

impl Held {
    /// Ends this half of the stream. Returns the end of the answer, which the other end must end, too.
    fn end(self, id: &str) -> Vec<u8> {
        let _ = self.socket.shutdown(Shutdown::Write);
        let Some(answer) = self.answer else { return Vec::new() };
        let start = Instant::now();
        while !answer.is_finished() {
            assert!(start.elapsed() < PATIENCE, "{id}: the connection is not ended");
            thread::sleep(Duration::from_millis(1));
        }
        answer.join().unwrap()
    }
}

/// The measures before a hostile peer.
struct Before<'a> {
    threat: &'a Threat,
    memory: usize,
    time: Duration,
}

impl<'a> Before<'a> {
    fn new(threat: &'a Threat, heap: &PeakAlloc) -> Self {
        heap.reset_peak_usage();
        Self { threat, memory: heap.current_usage(), time: processor_time() }
    }

    fn assert_bounded(&self, heap: &PeakAlloc) {
        let Threat { id, stream, flood, .. } = self.threat;
        let memory = heap.peak_usage().saturating_sub(self.memory);
        assert!(memory <= MOST_MEMORY, "{id}: {memory} octets of memory");
        let octets = u32::try_from(stream.len() + flood.len()).unwrap();
        let (time, most) =
            (processor_time().saturating_sub(self.time), MOST_TIME + MOST_TIME_OF_OCTET * octets);
        assert!(time <= most, "{id}: {time:?} of the processor for {octets} octets");
    }
}

/// Waits until the other end has nothing more to do: then it uses no time of the processor.
fn assert_rests() {
    let start = Instant::now();
    loop {
        let before = processor_time();
        thread::sleep(Duration::from_millis(500));
        let time = processor_time().saturating_sub(before);
        if time < Duration::from_millis(250) {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{time:?} of the processor while nothing happens");
    }
}

/// Plays all threats against a server. Meanwhile a well-behaved peer sends to the same server, and counts its messages.
/// All hostile connections are held until the last one.
pub(crate) fn attack_server(server: SocketAddr, messages: &AtomicU64, heap: &PeakAlloc) {
    let all: Vec<Threat> = threats().into_iter().filter(|threat| !threat.is_server).collect();
    assert_eq!(all.len(), 102);
    let memory = heap.current_usage();
    let mut held = Vec::new();
    for threat in &all {
        let (before, sent) = (Before::new(threat, heap), messages.load(Ordering::Relaxed));
        held.push((threat, play(threat, TcpStream::connect(server).unwrap())));
        let start = Instant::now();
        while messages.load(Ordering::Relaxed) < sent + MESSAGES {
            assert!(start.elapsed() < PATIENCE, "{}: others have to wait", threat.id);
            thread::sleep(Duration::from_millis(1));
        }
        before.assert_bounded(heap);
    }
    assert_rests();
    for (threat, held) in held {
        let answer = held.end(&threat.id);
        let has = |word: &String| answer.windows(word.len()).any(|octets| octets == word.as_bytes());
        assert!(
            threat.conditions.is_empty() || threat.conditions.iter().any(has),
            "{}: {}",
            threat.id,
            String::from_utf8_lossy(&answer)
        );
    }
    let start = Instant::now();
    while heap.current_usage() > memory + MOST_LEFT {
        assert!(start.elapsed() < PATIENCE, "{} octets are kept", heap.current_usage() - memory);
        thread::sleep(Duration::from_millis(10));
    }
}

/// Plays the threats of servers against a client, which must fail in time.
pub(crate) fn attack_client(heap: &PeakAlloc, open: impl Fn(&str) -> bool) {
    let all: Vec<Threat> = threats().into_iter().filter(|threat| threat.is_server).collect();
    assert_eq!(all.len(), 7);
    for threat in &all {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("amqp://user:secret@{}", listener.local_addr().unwrap());
        let before = Before::new(threat, heap);
        thread::scope(|scope| {
            let server = scope.spawn(move || play(threat, listener.accept().unwrap().0));
            assert!(!open(&url), "{}: the client takes it for a server", threat.id);
            server.join().unwrap().end(&threat.id);
        });
        before.assert_bounded(heap);
    }
}
