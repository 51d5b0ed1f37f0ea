//! [`Socket`]: the threads of one connection.
//!
//! One thread reads into two buffers, which the container returns to it: a connection that wants no input returns
//! none, and so is not read. The other thread writes the output that it is given, so that a peer that does not read
//! delays no other. While it has no output, since the handler is working, it writes heartbeats.

use std::fmt;
use std::io::{self, ErrorKind, Read};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use amqp_proto::driver::WriteBuffer;
use amqp_proto::handler::ConnectionToken;
use amqp_proto::types::Moment;
use amqp_proto::{Connection, Reading};
use bytes::Buf;

use super::{Input, spawn};
use crate::transport::Transport;
use crate::writing::{SHORT_LINGER, Way, is_for_now};

/// The size of a read buffer.
const BUFFER: usize = 64 << 10;
/// The number of read buffers.
const BUFFERS: usize = 2;

/// The most results of a connection's threads: the buffers, the end of input, and a write.
pub(super) const MOST_DONE: usize = BUFFERS + 2;

/// A result of a connection's threads.
pub(super) enum Done {
    /// A buffer, with this number of octets read.
    Read(Vec<u8>, usize),
    /// The input has ended.
    End,
    /// The output is written, or has failed.
    Written(io::Result<()>),
}

/// A task of the writing thread.
enum Task {
    /// Writes whole frames, and allows this pause after them.
    Write(WriteBuffer, Option<Duration>),
    /// Sets the longest pause; heartbeats fill longer ones.
    Pause(Option<Duration>),
    /// Ends the thread.
    End,
}

/// A connection, and the number of a socket of it: a connection that is lost gets another socket.
pub(super) type SocketId = (ConnectionToken, u64);

/// The channels to and from the threads of a connection.
pub(super) struct Socket {
    number: u64,
    tasks: Sender<Task>,
    buffers: Sender<Vec<u8>>,
    /// Buffers that are not yet returned to the reading thread.
    kept: Vec<Vec<u8>>,
    /// True while the writing thread has output.
    is_writing: bool,
    /// The longest pause that the writing thread knows of.
    pause: Option<Duration>,
    /// True once writing has failed.
    is_broken: bool,
    /// True if a peer that does not read is not waited for.
    is_gone: Arc<AtomicBool>,
    writer: JoinHandle<()>,
}

impl Socket {
    /// Starts the threads.
    pub(super) fn start(
        id: SocketId,
        transport: impl Transport,
        outputs: &Sender<Input>,
    ) -> io::Result<Self> {
        let way = Way::to(&transport)?;
        let (tasks, to_do) = mpsc::channel();
        let (buffers, to_fill) = mpsc::channel();
        let (ends, ended) = mpsc::channel();
        let is_gone = Arc::new(AtomicBool::new(false));
        let writer = Writer { id, way, outputs: outputs.clone(), is_gone: Arc::clone(&is_gone) };
        let reader = Reader { id, outputs: outputs.clone(), is_gone: Arc::clone(&is_gone) };
        let writer = spawn("amqp-write", move || writer.run(&to_do, &ended))?;
        spawn("amqp-read", move || reader.run(transport, &to_fill, ends))?;
        let kept = (0..BUFFERS).map(|_| vec![0; BUFFER]).collect();
        let number = id.1;
        let (is_writing, is_broken, pause) = (false, false, None);
        Ok(Self { number, tasks, buffers, kept, is_writing, pause, is_broken, is_gone, writer })
    }

    /// Returns its number.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Handles a result of the connection's threads.
    pub(super) fn on_done(&mut self, connection: &mut Connection, now: Moment, done: Done) {
        match done {
            Done::Read(buffer, octets) => {
                connection.receive(now, buffer.get(..octets).unwrap_or_default());
                self.kept.push(buffer);
                // The handler may work for long on this input.
                self.set_pause(connection);
            }
            Done::End => connection.end_of_input(),
            Done::Written(result) => {
                self.is_writing = false;
                // Input read before the failure still counts.
                self.is_broken |= result.is_err();
            }
        }
    }

    /// Passes output to the writing thread and buffers to the reading thread. Returns whether output was taken.
    pub(super) fn serve(&mut self, connection: &mut Connection) -> bool {
        if connection.is_over() {
            // A peer that has ended its direction and does not read is gone.
            self.is_gone.store(true, Ordering::Release);
        }
        if connection.reading() != Reading::Output {
            for buffer in self.kept.drain(..) {
                // If the thread has ended, there is no more input.
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

    /// Passes output to the writing thread. Returns whether there was any.
    fn write(&mut self, connection: &mut Connection) -> bool {
        let mut write_buffer = WriteBuffer::default();
        write_buffer.fill(connection);
        self.is_writing = !write_buffer.is_empty();
        if self.is_writing {
            self.pause = connection.heartbeat_interval();
            self.give(Task::Write(write_buffer, self.pause));
        }
        self.is_writing
    }

    /// Tells the writing thread the longest pause.
    fn set_pause(&mut self, connection: &Connection) {
        let pause = connection.heartbeat_interval();
        if std::mem::replace(&mut self.pause, pause) != pause {
            self.give(Task::Pause(pause));
        }
    }

    /// Returns whether the connection is over and needs the socket no more.
    pub(super) fn is_through(&self, connection: &Connection) -> bool {
        connection.is_over() && !self.is_writing
    }

    /// Ends the transport.
    pub(super) fn end(self) -> JoinHandle<()> {
        self.give(Task::End);
        self.writer
    }

    fn give(&self, task: Task) {
        // The thread ends after its last task, which exists.
        let _ = self.tasks.send(task);
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("is_writing", &self.is_writing).finish_non_exhaustive()
    }
}

/// The reading thread.
struct Reader {
    id: SocketId,
    outputs: Sender<Input>,
    is_gone: Arc<AtomicBool>,
}

impl Reader {
    /// Reads until the input or the connection has ended. `ends` is dropped at the end.
    fn run(self, mut stream: impl Read, to_fill: &Receiver<Vec<u8>>, ends: Sender<()>) {
        let mut spare = vec![0; BUFFER];
        loop {
            // After the connection's end, input is read and dropped, so that the peer can read what it was sent.
            let buffer = to_fill.recv().ok();
            let is_wanted = buffer.is_some();
            let mut buffer = buffer.unwrap_or_else(|| std::mem::take(&mut spare));
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(octets) if is_wanted => {
                    let _ = self.outputs.send(Input::Socket(self.id, Done::Read(buffer, octets)));
                }
                Ok(_) => spare = buffer,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        drop(ends);
        self.is_gone.store(true, Ordering::Release);
        let _ = self.outputs.send(Input::Socket(self.id, Done::End));
    }
}

/// The writing thread.
struct Writer {
    id: SocketId,
    way: Way,
    outputs: Sender<Input>,
    is_gone: Arc<AtomicBool>,
}

impl Writer {
    /// Runs its tasks. At the end, waits a while for the end of the peer's input, and ends the transport.
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
                    let _ = self.outputs.send(Input::Socket(self.id, Done::Written(result)));
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
        let _ = ended.recv_timeout(SHORT_LINGER);
        self.way.end(Shutdown::Both);
    }

    /// Writes whole frames while the peer is there. After a failure, ends the transport.
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
