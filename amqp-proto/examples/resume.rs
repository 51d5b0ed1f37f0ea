//! Sends each message exactly once, although the sending process is killed: its link is resumed from a file [2.6.13].
//!
//! ```text
//! cargo run -p amqp-proto --example resume
//! ```
//!
//! The program receives messages from a child process. It kills the child three times in mid-stream, and starts it again.
//! Each child goes on from the file of the one before.

use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};
use std::time::{Duration, Instant};
use std::{env, fs, io, process, thread};

use amqp_proto::config::{Options, ReceiverOptions, SenderOptions, SessionOptions};
use amqp_proto::types::{Limits, LinkKey, Moment, SenderKey};
use amqp_proto::wire::ReceiverSettleMode;
use amqp_proto::{Connection, Event, LinkState, Reading};
use bytes::{Buf, Bytes};

/// The number of messages.
const MESSAGES: u32 = 1_000;
/// The numbers of received messages after which the sender is killed.
const KILLS: [usize; 3] = [200, 450, 700];
/// The most messages without an outcome.
const UNSETTLED: u32 = 50;

type Failure = Box<dyn Error>;

/// Drives a connection over a socket until it is over. `step` handles the events and saves what must not be forgotten.
fn drive(
    amqp: &mut Connection,
    socket: &mut TcpStream,
    step: &mut dyn FnMut(&mut Connection) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (start, mut octets) = (Instant::now(), vec![0; 1 << 16]);
    loop {
        // The order matters: the state is saved before the peer can see it.
        step(amqp)?;
        let written = write(amqp, socket);
        match amqp.reading() {
            Reading::Over => return Ok(()),
            Reading::Wanted => {}
            _ => continue, // the output that was taken has made room
        }
        match written.and_then(|()| socket.read(&mut octets)) {
            Ok(read @ 1..) => {
                let read = octets.get(..read).unwrap_or_default();
                amqp.receive(Moment::START + start.elapsed(), read);
            }
            // The peer is gone, in order or not.
            Ok(0) | Err(_) => amqp.end_of_input(),
        }
    }
}

fn write(amqp: &mut Connection, socket: &mut TcpStream) -> io::Result<()> {
    let mut output = amqp.output();
    while output.has_remaining() {
        let written = socket.write(output.chunk())?;
        output.advance(written);
    }
    Ok(())
}

/// The sending application. The file has the number of its next message, and the state of its link.
struct Sending {
    file: PathBuf,
    next: u32,
    /// The state to go on from.
    state: Option<LinkState>,
    link: Option<SenderKey>,
    saved: Vec<u8>,
}

impl Sending {
    /// Goes on from a file, or begins if there is none.
    fn load(file: &Path) -> Result<Self, Failure> {
        let (next, state) = match fs::read(file) {
            Err(error) if error.kind() == ErrorKind::NotFound => (0, None),
            octets => {
                let (next, state) = parse(octets?)?;
                (next, Some(state))
            }
        };
        Ok(Self { file: file.into(), next, state, link: None, saved: Vec::new() })
    }

    fn step(&mut self, amqp: &mut Connection) -> Result<(), Failure> {
        while let Some(event) = amqp.poll_event() {
            match event {
                Event::Opened => {
                    let session = amqp.begin(SessionOptions::new())?;
                    let (mut session, options) = (amqp.session(session)?, SenderOptions::to("jobs"));
                    let options = options.with_resumable(true);
                    self.link = Some(match self.state.take() {
                        Some(state) => session.resume_sender(state, options)?,
                        None => session.attach_sender("jobs", options)?,
                    });
                }
                Event::LinkDetached { reason, .. } | Event::Closed(reason) if reason.error.is_some() => {
                    return Err(reason);
                }
                Event::Closed(_) => self.link = None,
                _ => {}
            }
        }
        let Some(link) = self.link else { return Ok(()) };
        let mut sender = amqp.sender(link)?;
        // None is sendable before the deliveries of the saved state have gone on.
        while self.next < MESSAGES && sender.is_sendable() && sender.unsettled_len() < UNSETTLED {
            sender.send(self.next.to_string())?;
            self.next += 1;
        }
        let state = sender.link_state();
        self.save(&state)?;
        if self.next == MESSAGES && state.deliveries().is_empty() {
            self.link = None;
            amqp.close();
        }
        Ok(())
    }

    /// Replaces the file in one step, so that a process that is killed here leaves the old one. To live through the loss
    /// of the machine's power, too, call `File::sync_all` before the rename, and on the folder after it.
    fn save(&mut self, state: &LinkState) -> Result<(), Failure> {
        let mut octets = self.next.to_be_bytes().to_vec();
        octets.extend_from_slice(&state.to_bytes()?);
        if octets != self.saved {
            let new = self.file.with_extension("new");
            fs::write(&new, &octets)?;
            fs::rename(&new, &self.file)?;
            self.saved = octets;
        }
        Ok(())
    }
}

fn parse(octets: Vec<u8>) -> Result<(u32, LinkState), Failure> {
    let mut octets = Bytes::from(octets);
    let next = octets.try_get_u32()?;
    Ok((next, LinkState::from_bytes(octets, &Limits::DEFAULT)?))
}

fn send(port: &str, file: &str) -> Result<(), Failure> {
    let mut sending = Sending::load(Path::new(file))?;
    let mut socket = TcpStream::connect(("127.0.0.1", port.parse()?))?;
    let mut amqp = Connection::client(Options::new("sender"), Moment::START);
    drive(&mut amqp, &mut socket, &mut |amqp| sending.step(amqp))
}

/// The receiving application, which keeps its state in memory.
struct Receiving {
    sender: Child,
    state: Option<LinkState>,
    /// The numbers of the messages, as they came.
    came: Vec<u32>,
    kills: usize,
    resumed: u32,
}

impl Receiving {
    fn step(&mut self, amqp: &mut Connection) -> Result<(), Failure> {
        while let Some(event) = amqp.poll_event() {
            match event {
                Event::SessionOffered(session) => amqp.session(session)?.accept(SessionOptions::new())?,
                Event::LinkOffered(LinkKey::Receiver(link)) => {
                    // The receiver keeps its outcome until it knows that the sender has it.
                    let options = ReceiverOptions::new().with_resumable(true);
                    let options = options.with_rcv_settle_mode(ReceiverSettleMode::Second);
                    match self.state.take() {
                        Some(state) => amqp.receiver(link)?.accept_resumed(options, state)?,
                        None => amqp.receiver(link)?.accept_link(options)?,
                    }
                }
                Event::Message { receiver, .. } => {
                    let mut receiver = amqp.receiver(receiver)?;
                    if let Some(delivery) = receiver.receive() {
                        let message = delivery.message()?;
                        self.came.push(message.body()?.as_str().ok_or("not a text")?.parse()?);
                        receiver.accept(delivery.key())?;
                    }
                }
                Event::Resumed { .. } | Event::Unresumed { .. } => self.resumed += 1,
                Event::Suspended { state, .. } => self.state = Some(*state),
                _ => {}
            }
        }
        if KILLS.get(self.kills).is_some_and(|kill| self.came.len() >= *kill) {
            self.kills += 1;
            self.sender.kill()?;
        }
        Ok(())
    }
}

/// Starts a sender, and waits until it connects.
fn start(listener: &TcpListener, file: &Path) -> Result<(Child, TcpStream), Failure> {
    let port = listener.local_addr()?.port().to_string();
    let mut child = Command::new(env::current_exe()?).arg(port).arg(file).spawn()?;
    loop {
        match listener.accept() {
            Ok((socket, _)) => {
                socket.set_nonblocking(false)?;
                return Ok((child, socket));
            }
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error.into()),
            Err(_) => {}
        }
        if let Some(status) = child.try_wait()? {
            return Err(format!("the sender did not connect: {status}").into());
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn receive(file: &Path) -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let (sender, mut socket) = start(&listener, file)?;
    let mut receiving = Receiving { sender, state: None, came: Vec::new(), kills: 0, resumed: 0 };
    loop {
        let before = receiving.kills;
        let mut amqp = Connection::server(Options::new("receiver"), Moment::START);
        drive(&mut amqp, &mut socket, &mut |amqp| receiving.step(amqp))?;
        let status = receiving.sender.wait()?;
        if status.success() {
            break;
        } else if receiving.kills == before {
            return Err(format!("the sender has failed: {status}").into());
        }
        (receiving.sender, socket) = start(&listener, file)?;
    }
    let Receiving { mut came, kills, resumed, .. } = receiving;
    came.sort_unstable();
    println!("the sender was killed {kills} times; {resumed} deliveries went on where they were");
    if !came.iter().copied().eq(0..MESSAGES) {
        return Err(format!("{} messages came, and not each once", came.len()).into());
    }
    println!("each of {MESSAGES} messages came once");
    // A file that is not whole is refused, before anything is sent.
    let mut octets = fs::read(file)?;
    octets.pop();
    match parse(octets) {
        Ok(_) => Err("a file that is cut short was taken".into()),
        Err(error) => {
            println!("a file that is cut short is refused: {error}");
            Ok(())
        }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let done = match &arguments[..] {
        [port, file] => send(port, file),
        _ => {
            let file = env::temp_dir().join(format!("amqp-resume-{}", process::id()));
            let done = receive(&file);
            let _ = fs::remove_file(&file);
            done
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
