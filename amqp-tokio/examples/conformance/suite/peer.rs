//! [`Peer`]: the connection to the peer under test, and what was said on it.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::case::{Played, Stop, deviates, not_tried};
use super::wire::{Frame, Out, hex};

/// The largest frame that is read.
const LARGEST: usize = 64 << 20;
/// A frame without a body.
const EMPTY: [u8; 8] = [0, 0, 0, 8, 2, 0, 0, 0];

/// The times that the tester waits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// The longest that an answer takes.
    pub(crate) answer: Duration,
    /// The silence after which nothing more is taken to come.
    pub(crate) quiet: Duration,
    /// The longest that a case takes.
    pub(crate) case: Duration,
    /// The longest silence that is kept up to make the peer give up.
    pub(crate) idle: Duration,
}

/// The peer under test.
#[derive(Debug)]
pub(crate) struct Target {
    /// The user and the password, for SASL PLAIN.
    pub(crate) login: Option<(String, String)>,
    /// True if the peer has a SASL layer.
    pub(crate) sasl: bool,
    /// The address of the node for messages.
    pub(crate) node: String,
    pub(crate) times: Times,
}

/// Something that comes from the peer, or does not.
#[derive(Debug, Clone)]
pub(crate) enum Input {
    Header([u8; 8]),
    Frame(Frame),
    /// Octets that are neither a header nor a frame.
    Nonsense(String),
    /// The stream has ended.
    End(String),
    /// Nothing came in time.
    Silence(Duration),
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header([.., id, major, minor, revision]) => {
                write!(f, "header AMQP {id} {major}.{minor}.{revision}")
            }
            Self::Frame(frame) => frame.fmt(f),
            Self::Nonsense(octets) => write!(f, "octets that are no frame: {octets}"),
            Self::End(how) => f.write_str(how),
            Self::Silence(time) => write!(f, "nothing for {:.1} s", time.as_secs_f32()),
        }
    }
}

/// The end that wrote a line of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Tester,
    Peer,
}

/// A line of the log of a case.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) at: Duration,
    pub(crate) side: Side,
    pub(crate) text: String,
    pub(crate) octets: Vec<u8>,
}

/// A connection with the peer under test. The tester plays the other end.
#[derive(Debug)]
pub(crate) struct Peer<'a> {
    pub(crate) target: &'a Target,
    /// A name that no other connection of this run has.
    pub(crate) name: String,
    pub(crate) log: Vec<Line>,
    /// The delivery-id of the next delivery that the tester sends.
    pub(crate) deliveries: u32,
    /// The number of transfers that the tester has sent.
    pub(crate) sent: u32,
    /// The transfer-id of the next transfer of the peer.
    pub(crate) next_incoming: u32,
    socket: TcpStream,
    input: Vec<u8>,
    end: Option<String>,
    start: Instant,
    deadline: Instant,
}

impl<'a> Peer<'a> {
    /// Takes over a connected socket.
    pub(crate) fn new(target: &'a Target, name: String, socket: TcpStream) -> Self {
        // A socket without these works, too.
        let _ = socket.set_nodelay(true);
        let _ = socket.set_write_timeout(Some(target.times.answer));
        let start = Instant::now();
        Self {
            target,
            name,
            log: Vec::new(),
            deliveries: 0,
            sent: 0,
            next_incoming: 0,
            socket,
            input: Vec::new(),
            end: None,
            start,
            deadline: start + target.times.case,
        }
    }

    fn note(&mut self, side: Side, text: String, octets: &[u8]) {
        let kept = &octets[..octets.len().min(1_024)];
        self.log.push(Line { at: self.start.elapsed(), side, text, octets: kept.to_vec() });
    }

    /// Writes octets; a failure shows when the peer's answer is read.
    pub(crate) fn write(&mut self, what: &str, octets: &[u8]) {
        self.note(Side::Tester, what.to_owned(), octets);
        if let Err(error) = self.socket.write_all(octets) {
            self.note(Side::Tester, format!("cannot write: {error}"), &[]);
        }
    }

    /// Writes frames, with one write.
    pub(crate) fn send<const N: usize>(&mut self, frames: [Out; N]) {
        let mut octets = Vec::new();
        for frame in &frames {
            let one = frame.octets();
            self.note(Side::Tester, frame.to_string(), &one);
            self.sent += u32::from(frame.is("transfer"));
            octets.extend(one);
        }
        if let Err(error) = self.socket.write_all(&octets) {
            self.note(Side::Tester, format!("cannot write: {error}"), &[]);
        }
    }

    /// Ends the outgoing half of the stream.
    pub(crate) fn shut(&mut self) {
        self.note(Side::Tester, "end of the outgoing stream".to_owned(), &[]);
        let _ = self.socket.shutdown(Shutdown::Write);
    }

    /// Tells whether a peer that has ended its half of the stream still reads the other half: one that does not resets
    /// the connection. A peer may end its half after its close (Figure 2.24).
    pub(crate) fn is_read(&mut self) -> bool {
        const WRITES: u32 = 4;
        for _ in 0..WRITES {
            self.note(Side::Tester, "empty frame".to_owned(), &EMPTY);
            if let Err(error) = self.socket.write_all(&EMPTY) {
                self.note(Side::Tester, format!("cannot write: {error}"), &[]);
                return false;
            }
            thread::sleep(self.target.times.quiet / WRITES);
        }
        true
    }

    /// Tells whether the peer has ended the stream.
    pub(crate) fn has_ended(&self) -> bool {
        self.end.is_some()
    }

    /// Takes a header or a frame from the input.
    fn parse(&mut self) -> Option<Input> {
        let head = *self.input.first_chunk::<8>()?;
        if head.starts_with(b"AMQP") {
            self.input.drain(..8);
            return Some(Input::Header(head));
        }
        let [a, b, c, d, doff, ..] = head;
        let size = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        if !(8..=LARGEST).contains(&size) || doff < 2 || usize::from(doff) * 4 > size {
            return Some(Input::Nonsense(hex(&std::mem::take(&mut self.input), 32)));
        }
        let octets: Vec<u8> =
            if self.input.len() < size { return None } else { self.input.drain(..size).collect() };
        let input = match Frame::read(&octets) {
            Some(frame) => {
                if frame.is("transfer") {
                    self.next_incoming = self.next_incoming.wrapping_add(1);
                } else if let (true, Some(id)) = (frame.is("begin"), frame.get("next-outgoing-id").uint()) {
                    self.next_incoming = id;
                }
                Input::Frame(frame)
            }
            None => Input::Nonsense(hex(&octets, 32)),
        };
        let text = input.to_string();
        self.note(Side::Peer, text, &octets);
        Some(input)
    }

    /// Waits for the next input, this long at most.
    pub(crate) fn next(&mut self, time: Duration) -> Input {
        let start = Instant::now();
        let end = (start + time).min(self.deadline);
        loop {
            if let Some(input) = self.parse() {
                if !matches!(input, Input::Frame(_)) {
                    self.note(Side::Peer, input.to_string(), &[]);
                }
                return input;
            }
            if let Some(how) = &self.end {
                return Input::End(how.clone());
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || self.socket.set_read_timeout(Some(left)).is_err() {
                return Input::Silence(start.elapsed());
            }
            self.read();
        }
    }

    fn read(&mut self) {
        let mut chunk = [0; 16_384];
        let end = match self.socket.read(&mut chunk) {
            Ok(0) if self.input.is_empty() => "end of the stream".to_owned(),
            Ok(0) => format!("end of the stream, after {}", hex(&self.input, 32)),
            Ok(count) => return self.input.extend(&chunk[..count]),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => return,
                ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => "the connection was reset".to_owned(),
                _ => format!("the connection failed: {error}"),
            },
        };
        self.note(Side::Peer, end.clone(), &[]);
        self.end = Some(end);
    }

    /// Waits for a header.
    ///
    /// # Errors
    ///
    /// A text that tells what came instead.
    pub(crate) fn header(&mut self) -> Result<[u8; 8], String> {
        match self.next(self.target.times.answer) {
            Input::Header(header) => Ok(header),
            other => Err(other.to_string()),
        }
    }

    /// Waits for a frame that is wanted, and skips others. The end of the connection, of a session or of a link ends the
    /// waiting, too.
    ///
    /// # Errors
    ///
    /// A text that tells what came instead.
    pub(crate) fn until(&mut self, is: impl Fn(&Frame) -> bool) -> Result<Frame, String> {
        self.until_within(self.target.times.answer, is)
    }

    pub(crate) fn until_within(
        &mut self,
        time: Duration,
        is: impl Fn(&Frame) -> bool,
    ) -> Result<Frame, String> {
        let end = Instant::now() + time;
        let mut came: Vec<String> = Vec::new();
        loop {
            let input = self.next(end.saturating_duration_since(Instant::now()));
            let goes_on = match &input {
                Input::Frame(frame) if is(frame) => return Ok(frame.clone()),
                Input::Frame(frame) if frame.is_empty() => continue,
                Input::Frame(frame) => !["close", "end", "detach"].iter().any(|name| frame.is(name)),
                Input::Silence(_) if !came.is_empty() => {
                    came.push("then nothing".to_owned());
                    return Err(came.join(", "));
                }
                _ => false,
            };
            came.push(input.to_string());
            if !goes_on {
                return Err(came.join(", "));
            }
            // A flood is cut short.
            if came.len() > 20 {
                came.drain(1..came.len() - 10);
            }
        }
    }

    /// Waits for a frame that the rule asks for.
    pub(crate) fn expects(&mut self, expected: &str, is: impl Fn(&Frame) -> bool) -> Result<Frame, Stop> {
        self.until(is).or_else(|came| deviates(expected, came))
    }

    /// Waits for a frame without which the rule cannot be tried.
    pub(crate) fn needs(&mut self, what: &str, is: impl Fn(&Frame) -> bool) -> Result<Frame, Stop> {
        self.until(is).or_else(|came| not_tried(format!("no {what}: {came}")))
    }

    /// Reads all frames until nothing comes for the quiet time. Returns them, and the end of the stream if it came.
    pub(crate) fn rest(&mut self) -> (Vec<Frame>, Option<String>) {
        self.rest_within(self.target.times.quiet)
    }

    pub(crate) fn rest_within(&mut self, quiet: Duration) -> (Vec<Frame>, Option<String>) {
        let mut frames = Vec::new();
        loop {
            match self.next(quiet) {
                Input::Frame(frame) if frame.is_empty() => {}
                Input::Frame(frame) => frames.push(frame),
                Input::Silence(_) => return (frames, None),
                other => return (frames, Some(other.to_string())),
            }
        }
    }

    /// Waits for the end of the stream; headers and frames before it are skipped.
    pub(crate) fn expects_end(&mut self, expected: &str) -> Played {
        let end = Instant::now() + self.target.times.answer;
        let mut came = Vec::new();
        loop {
            match self.next(end.saturating_duration_since(Instant::now())) {
                Input::End(_) => return Ok(()),
                silence @ Input::Silence(_) => {
                    came.push(silence.to_string());
                    return deviates(expected, came.join(", then "));
                }
                other if came.len() < 20 => came.push(other.to_string()),
                _ => return deviates(expected, "frames without end"),
            }
        }
    }

    /// Waits for a close with one of these conditions; with any error if there are none.
    pub(crate) fn expects_close(&mut self, conditions: &[&str]) -> Played {
        self.expects_error("close", conditions)
    }

    /// Waits for an end with one of these conditions; with any error if there are none.
    pub(crate) fn expects_session_end(&mut self, conditions: &[&str]) -> Played {
        self.expects_error("end", conditions)
    }

    fn expects_error(&mut self, name: &str, conditions: &[&str]) -> Played {
        let expected = match conditions {
            [] => format!("{name} with an error"),
            some => format!("{name} with {}", some.join(" or ")),
        };
        let frame = self.expects(&expected, |frame| frame.is(name))?;
        match frame.condition() {
            Some(condition) if conditions.is_empty() || conditions.contains(&condition) => Ok(()),
            _ => deviates(expected, frame.to_string()),
        }
    }

    /// Waits for an error of any scope: a close, an end or a detach.
    pub(crate) fn expects_refusal(&mut self) -> Played {
        let expected = "close, end or detach with an error";
        let frame =
            self.expects(expected, |frame| ["close", "end", "detach"].iter().any(|name| frame.is(name)))?;
        super::case::holds(frame.condition().is_some(), expected, || frame.to_string())
    }

    /// Closes the connection; the peer must answer without an error. So it took all that came before.
    pub(crate) fn expects_clean_close(&mut self) -> Played {
        self.send([Out::new("close")]);
        let expected = "close without an error, in answer to a close";
        let frame = self.expects(expected, |frame| frame.is("close"))?;
        super::case::holds(frame.condition().is_none(), expected, || frame.to_string())
    }

    /// Says good-bye, so that the peer can clean up.
    pub(crate) fn leave(mut self) -> Vec<Line> {
        if self.end.is_none() {
            let log = std::mem::take(&mut self.log);
            self.write("close", &Out::new("close").octets());
            let end = Instant::now() + self.target.times.quiet;
            while Instant::now() < end {
                match self.next(end.saturating_duration_since(Instant::now())) {
                    Input::Frame(frame) if !frame.is("close") => {}
                    _ => break,
                }
            }
            self.log = log;
        }
        self.log
    }
}
