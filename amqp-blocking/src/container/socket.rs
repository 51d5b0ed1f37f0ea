//! [`Socket`]: the threads of one connection.
//!
//! One reads into buffers of which there are two: it goes on when it is given one back, so a connection that wants no
//! more input is not read from. Another one writes what it is given, and gives the outlet back: so a peer that takes
//! nothing stops nobody else.

use std::fmt;
use std::io::{self, ErrorKind, Read};
use std::net::Shutdown;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;

use amqp_proto::Connection;
use amqp_proto::handler::ConnectionKey;
use amqp_proto::machine::Reading;
use amqp_proto::types::Moment;

use super::{Input, spawn};
use crate::transport::Transport;
use crate::writing::{LINGER, LONGEST_WRITE, Outlet, is_for_now};

/// How much is read at a time.
const BUFFER: usize = 64 << 10;
/// How many buffers go round.
const BUFFERS: usize = 2;

/// What the threads of a connection have done.
pub(super) enum Done {
    /// So many octets were read into the buffer.
    Read(Vec<u8>, usize),
    /// There is no more to be read.
    End,
    Written(Outlet, io::Result<()>),
}

/// What the thread that writes is to do.
enum Task {
    Write(Outlet),
    /// Nothing more is to be written.
    End(Outlet),
}

/// The way to and from the threads of a connection.
pub(super) struct Socket {
    /// `None` while it is with the thread that writes.
    outlet: Option<Outlet>,
    tasks: Sender<Task>,
    buffers: Sender<Vec<u8>>,
    /// Buffers that are not given back yet.
    kept: Vec<Vec<u8>>,
    /// Whether nothing more can be written.
    is_broken: bool,
    /// Whether nothing more will be read.
    is_read: bool,
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
        let outlet = Outlet::new(transport.try_clone()?);
        let (tasks, to_do) = mpsc::channel();
        let (buffers, to_fill) = mpsc::channel();
        let (ends, ended) = mpsc::channel();
        let (reads, writes) = (outputs.clone(), outputs.clone());
        let writer = spawn("amqp-write", move || write(key, &to_do, &writes, &ended))?;
        spawn("amqp-read", move || read(key, transport, &to_fill, &reads, ends))?;
        let kept = (0..BUFFERS).map(|_| vec![0; BUFFER]).collect();
        Ok(Self { outlet: Some(outlet), tasks, buffers, kept, is_broken: false, is_read: false, writer })
    }

    /// The threads of the connection have done something.
    pub(super) fn on_done(&mut self, connection: &mut Connection, now: Moment, done: Done) {
        match done {
            Done::Read(buffer, octets) => {
                connection.receive(now, buffer.get(..octets).unwrap_or_default());
                self.kept.push(buffer);
            }
            Done::End => {
                self.is_read = true;
                connection.end_of_input();
            }
            Done::Written(outlet, Ok(())) => self.outlet = Some(outlet),
            // Who has said all there is to say, and takes nothing, is gone.
            Done::Written(outlet, Err(error))
                if is_for_now(&error) && !connection.is_over() && !self.is_read =>
            {
                self.give(Task::Write(outlet));
            }
            Done::Written(outlet, Err(_)) => {
                // What was read before that still counts.
                outlet.end(Shutdown::Both);
                self.is_broken = true;
                self.outlet = Some(outlet);
            }
        }
    }

    /// Has output written, and input read; whether output was taken.
    pub(super) fn serve(&mut self, connection: &mut Connection) -> bool {
        if let Some(outlet) = self.outlet.as_mut().filter(|_| self.is_broken) {
            outlet.discard(connection);
        }
        if connection.reading() != Reading::Output {
            for buffer in self.kept.drain(..) {
                // If the thread has ended, there is nothing to be read.
                let _ = self.buffers.send(buffer);
            }
        }
        let Some(mut outlet) = self.outlet.take_if(|_| !self.is_broken) else { return false };
        if outlet.fill(connection) {
            self.give(Task::Write(outlet));
            return true;
        }
        self.outlet = Some(outlet);
        false
    }

    /// Whether the connection wants nothing more of it.
    pub(super) fn is_through(&self, connection: &Connection) -> bool {
        let is_written = self.outlet.as_ref().is_some_and(Outlet::is_empty);
        connection.is_over() && is_written
    }

    /// Has the transport ended.
    pub(super) fn end(mut self) -> JoinHandle<()> {
        if let Some(outlet) = self.outlet.take() {
            self.give(Task::End(outlet));
        }
        self.writer
    }

    fn give(&mut self, task: Task) {
        // It ends after the last task, which there is one of.
        let _ = self.tasks.send(task);
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("outlet", &self.outlet).finish_non_exhaustive()
    }
}

/// Reads until there is no more, or nobody wants it. `ends` is dropped at the end.
fn read(
    key: ConnectionKey,
    mut stream: impl Read,
    to_fill: &Receiver<Vec<u8>>,
    outputs: &Sender<Input>,
    ends: Sender<()>,
) {
    let mut spare = vec![0; BUFFER];
    loop {
        // Once the connection is gone what comes is dropped, so that the peer is not cut off from what it was sent.
        let buffer = to_fill.recv().ok();
        let is_wanted = buffer.is_some();
        let mut buffer = buffer.unwrap_or_else(|| std::mem::take(&mut spare));
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(octets) if is_wanted => {
                let _ = outputs.send(Input::Socket(key, Done::Read(buffer, octets)));
            }
            Ok(_) => spare = buffer,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    drop(ends);
    let _ = outputs.send(Input::Socket(key, Done::End));
}

/// Writes what it is given. In the end lets the reading thread come to the end of what the peer writes, if that is
/// soon, and ends the transport.
fn write(key: ConnectionKey, to_do: &Receiver<Task>, outputs: &Sender<Input>, ended: &Receiver<()>) {
    while let Ok(task) = to_do.recv() {
        match task {
            Task::Write(mut outlet) => {
                let result = outlet.write();
                let _ = outputs.send(Input::Socket(key, Done::Written(outlet, result)));
            }
            Task::End(outlet) => {
                outlet.end(Shutdown::Write);
                let _ = ended.recv_timeout(LINGER);
                outlet.end(Shutdown::Both);
                return;
            }
        }
    }
}
