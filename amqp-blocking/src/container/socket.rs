//! [`Socket`]: the threads of one connection.
//!
//! One reads into buffers of which there are two: it goes on when it is given one back, so a connection that wants no
//! more input is not read from. Another one writes what it is given: so a peer that takes nothing stops nobody else.
//! While it is given nothing, since the handler works, it writes heartbeats.

use std::fmt;
use std::io::{self, ErrorKind, Read};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use amqp_proto::driver::WriteBuffer;
use amqp_proto::handler::ConnectionKey;
use amqp_proto::types::Moment;
use amqp_proto::{Connection, Reading};
use bytes::Buf;

use super::{Input, spawn};
use crate::transport::Transport;
use crate::writing::{LINGER, LONGEST_WRITE, Way, is_for_now};

/// How much is read at a time.
const BUFFER: usize = 64 << 10;
/// How many buffers go round.
const BUFFERS: usize = 2;

/// How much the threads of a connection can have done and not been asked about: buffers, the end, and a write.
pub(super) const MOST_DONE: usize = BUFFERS + 2;

/// What the threads of a connection have done.
pub(super) enum Done {
    /// So many octets were read into the buffer.
    Read(Vec<u8>, usize),
    /// There is no more to be read.
    End,
    /// All that was to be written is, or nothing more can be.
    Written(io::Result<()>),
}

/// What the thread that writes is to do.
enum Task {
    /// Writes whole frames; a pause after that may be so long.
    Write(WriteBuffer, Option<Duration>),
    /// Fills pauses that are longer than that with heartbeats.
    Pause(Option<Duration>),
    /// Nothing more is to be written.
    End,
}

/// The way to and from the threads of a connection.
pub(super) struct Socket {
    tasks: Sender<Task>,
    buffers: Sender<Vec<u8>>,
    /// Buffers that are not given back yet.
    kept: Vec<Vec<u8>>,
    /// Whether the thread that writes has something to write.
    is_writing: bool,
    /// How long a pause may be, as that thread knows.
    pause: Option<Duration>,
    /// Whether nothing more can be written.
    is_broken: bool,
    /// Whether a peer that takes nothing is not waited for.
    is_gone: Arc<AtomicBool>,
    writer: JoinHandle<()>,
}

impl Socket {
    /// Begins to read.
    pub(super) fn start(
        key: ConnectionKey,
        transport: impl Transport,
        outputs: &Sender<Input>,
    ) -> io::Result<Self> {
        transport.prepare(LONGEST_WRITE)?;
        let (tasks, to_do) = mpsc::channel();
        let (buffers, to_fill) = mpsc::channel();
        let (ends, ended) = mpsc::channel();
        let is_gone = Arc::new(AtomicBool::new(false));
        let writer = Writer {
            key,
            way: Way::new(transport.try_clone()?),
            outputs: outputs.clone(),
            is_gone: Arc::clone(&is_gone),
        };
        let reader = Reader { key, outputs: outputs.clone(), is_gone: Arc::clone(&is_gone) };
        let writer = spawn("amqp-write", move || writer.run(&to_do, &ended))?;
        spawn("amqp-read", move || reader.run(transport, &to_fill, ends))?;
        let kept = (0..BUFFERS).map(|_| vec![0; BUFFER]).collect();
        Ok(Self { tasks, buffers, kept, is_writing: false, pause: None, is_broken: false, is_gone, writer })
    }

    /// The threads of the connection have done something.
    pub(super) fn on_done(&mut self, connection: &mut Connection, now: Moment, done: Done) {
        match done {
            Done::Read(buffer, octets) => {
                connection.receive(now, buffer.get(..octets).unwrap_or_default());
                self.kept.push(buffer);
                // The handler may be about to work on what has come.
                self.set_pause(connection);
            }
            Done::End => connection.end_of_input(),
            Done::Written(result) => {
                self.is_writing = false;
                // What was read before that still counts.
                self.is_broken |= result.is_err();
            }
        }
    }

    /// Has output written, and input read; whether output was taken.
    pub(super) fn serve(&mut self, connection: &mut Connection) -> bool {
        if connection.is_over() {
            // Who has said all there is to say, and takes nothing, is gone.
            self.is_gone.store(true, Ordering::Release);
        }
        if connection.reading() != Reading::Output {
            for buffer in self.kept.drain(..) {
                // If the thread has ended, there is nothing to be read.
                let _ = self.buffers.send(buffer);
            }
        }
        if self.is_broken {
            let octets = connection.output().remaining();
            connection.output().advance(octets);
            return false;
        }
        !self.is_writing && self.write(connection)
    }

    /// Gives the thread that writes what there is; whether there is anything.
    fn write(&mut self, connection: &mut Connection) -> bool {
        let mut write_buffer = WriteBuffer::default();
        write_buffer.fill(connection);
        self.is_writing = !write_buffer.is_empty();
        if self.is_writing {
            self.pause = pause(connection);
            self.give(Task::Write(write_buffer, self.pause));
        }
        self.is_writing
    }

    /// Tells the thread that writes how long a pause may be.
    fn set_pause(&mut self, connection: &Connection) {
        let pause = pause(connection);
        if std::mem::replace(&mut self.pause, pause) != pause {
            self.give(Task::Pause(pause));
        }
    }

    /// Returns whether the connection wants nothing more of it.
    pub(super) fn is_through(&self, connection: &Connection) -> bool {
        connection.is_over() && !self.is_writing
    }

    /// Has the transport ended.
    pub(super) fn end(self) -> JoinHandle<()> {
        self.give(Task::End);
        self.writer
    }

    fn give(&self, task: Task) {
        // It ends after the last task, which there is one of.
        let _ = self.tasks.send(task);
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("is_writing", &self.is_writing).finish_non_exhaustive()
    }
}

/// Returns how long a pause between writes may be.
fn pause(connection: &Connection) -> Option<Duration> {
    connection.longest_pause().map(|millis| Duration::from_millis(millis.into()))
}

/// The thread that reads.
struct Reader {
    key: ConnectionKey,
    outputs: Sender<Input>,
    is_gone: Arc<AtomicBool>,
}

impl Reader {
    /// Reads until there is no more, or nobody wants it. `ends` is dropped at the end.
    fn run(self, mut stream: impl Read, to_fill: &Receiver<Vec<u8>>, ends: Sender<()>) {
        let mut spare = vec![0; BUFFER];
        loop {
            // Once the connection is gone what comes is dropped, so that the peer is not cut off from what it was
            // sent.
            let buffer = to_fill.recv().ok();
            let is_wanted = buffer.is_some();
            let mut buffer = buffer.unwrap_or_else(|| std::mem::take(&mut spare));
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(octets) if is_wanted => {
                    let _ = self.outputs.send(Input::Socket(self.key, Done::Read(buffer, octets)));
                }
                Ok(_) => spare = buffer,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        drop(ends);
        self.is_gone.store(true, Ordering::Release);
        let _ = self.outputs.send(Input::Socket(self.key, Done::End));
    }
}

/// The thread that writes.
struct Writer {
    key: ConnectionKey,
    way: Way,
    outputs: Sender<Input>,
    is_gone: Arc<AtomicBool>,
}

impl Writer {
    /// Writes what it is given. In the end lets the reading thread come to the end of what the peer writes, if that is
    /// soon, and ends the transport.
    fn run(self, to_do: &Receiver<Task>, ended: &Receiver<()>) {
        let mut pause = None;
        loop {
            let task = match pause {
                Some(pause) => to_do.recv_timeout(pause),
                None => to_do.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match task {
                Ok(Task::Write(write_buffer, longest)) => {
                    let result = self.write(write_buffer);
                    pause = longest.filter(|_| result.is_ok());
                    let _ = self.outputs.send(Input::Socket(self.key, Done::Written(result)));
                }
                Ok(Task::Pause(longest)) => pause = longest,
                Err(RecvTimeoutError::Timeout) => {
                    let mut beat = WriteBuffer::default();
                    beat.beat();
                    let result = self.write(beat);
                    pause = pause.filter(|_| result.is_ok());
                }
                Ok(Task::End) => break,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        self.way.end(Shutdown::Write);
        let _ = ended.recv_timeout(LINGER);
        self.way.end(Shutdown::Both);
    }

    /// Writes whole frames, for as long as the peer is there; where that fails, the transport is ended.
    fn write(&self, mut write_buffer: WriteBuffer) -> io::Result<()> {
        loop {
            match self.way.write(&mut write_buffer) {
                Err(error) if is_for_now(&error) && !self.is_gone.load(Ordering::Acquire) => {}
                Err(error) => {
                    self.way.end(Shutdown::Both);
                    return Err(error);
                }
                Ok(()) => return Ok(()),
            }
        }
    }
}
