//! Writing, and the thread that writes when no other thread does, keeps deadlines, and ends the transport.

use std::io::{self, ErrorKind, Write};
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use amqp_proto::driver::{Hub, WORTH_WRITING, WriteBuffer, WriteHere};
use amqp_proto::types::Moment;

use crate::reading;
use crate::transport::Transport;

/// The timeout of one write, after which deadlines are checked.
const LONGEST_WRITE: Duration = Duration::from_secs(1);
/// The time for the peer to answer the close, and to end its direction [2.4.3]. Ending the transport earlier could discard
/// octets that the peer has not read.
const LINGER: Duration = Duration::from_secs(10);
/// That time where something waits for it: a connection that is opened again, or a container.
pub(crate) const SHORT_LINGER: Duration = Duration::from_secs(1);
/// The time that output waits for more output, or for the thread that made it to write it.
const REST: Duration = Duration::from_micros(300);

/// The writing end of a transport. It belongs to the thread that has taken the hub's write buffer.
#[derive(Clone)]
pub(crate) struct Way(Arc<Mutex<Box<dyn Stream>>>);

/// A transport of any type.
trait Stream: Write + Send {
    fn end(&self, how: Shutdown) -> io::Result<()>;
}

impl<T: Transport> Stream for T {
    fn end(&self, how: Shutdown) -> io::Result<()> {
        self.shutdown(how)
    }
}

impl Way {
    /// Prepares a transport, and returns its writing end.
    pub(crate) fn to(transport: &impl Transport) -> io::Result<Self> {
        transport.prepare(LONGEST_WRITE)?;
        Ok(Self(Arc::new(Mutex::new(Box::new(transport.try_clone()?)))))
    }

    fn lock(&self) -> MutexGuard<'_, Box<dyn Stream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the function with which a waiting thread writes. Octets that it cannot write stay in the write buffer.
    pub(crate) fn write_here(&self) -> WriteHere {
        let way = self.clone();
        WriteHere::new(move |write_buffer| way.write(write_buffer)).beside_driver()
    }

    /// Writes all octets of a write buffer, and flushes.
    pub(crate) fn write(&self, write_buffer: &mut WriteBuffer) -> io::Result<()> {
        let mut stream = self.lock();
        write_buffer.write_with(|slices| stream.write_vectored(slices))?;
        loop {
            match stream.flush() {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                flushed => return flushed.map(|()| write_buffer.flushed()),
            }
        }
    }

    /// Shuts down one direction or both. The peer may have ended the transport already.
    pub(crate) fn end(&self, how: Shutdown) {
        let _ = self.lock().end(how);
    }
}

/// Returns whether a failed write may succeed later.
pub(crate) fn is_for_now(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Returns the time of a moment of the engine's clock; `None` if it never comes.
pub(crate) fn instant(start: Instant, moment: Moment) -> Option<Instant> {
    start.checked_add(Duration::from_millis(moment.as_millis()))
}

/// Moves octets until the connection is over, and ends the transport: this thread writes, another one reads. Waits for
/// the other if the connection is opened again.
pub(crate) fn carry(hub: &Arc<Hub<Thread>>, start: Instant, transport: impl Transport, way: Way) {
    let (is_read, writer) = (Arc::new(AtomicBool::new(false)), thread::current());
    let (read_hub, done) = (Arc::clone(hub), Arc::clone(&is_read));
    #[cfg(feature = "tracing")]
    let span = tracing::Span::current();
    let reading = thread::Builder::new().name("amqp-read".into()).spawn(move || {
        #[cfg(feature = "tracing")]
        let _span = span.enter();
        reading::run(&read_hub, transport);
        done.store(true, Ordering::Release);
        writer.unpark();
    });
    if let Err(error) = &reading {
        is_read.store(true, Ordering::Release);
        hub.drive(|state| {
            state.end_of_input(Some(io::Error::new(error.kind(), error.to_string())));
            state.give_up();
        });
    }
    Writer { hub, way, start, is_read }.run();
    if let Some(reading) = reading.ok().filter(|_| hub.drive(|state| state.is_interrupted())) {
        // A panic of the reading thread was shown.
        drop(reading.join());
    }
}

/// The writing thread.
struct Writer<'a> {
    hub: &'a Hub<Thread>,
    way: Way,
    /// The start of the engine's clock.
    start: Instant,
    /// True once the reading thread has found the end of the input.
    is_read: Arc<AtomicBool>,
}

impl Writer<'_> {
    /// Writes until the connection is over and its output is written or has failed. Then ends the transport.
    ///
    /// The thread that made output usually adds more, and writes it when it waits. So this thread pauses before it
    /// writes, and while output keeps coming, no thread has to wake it.
    pub(crate) fn run(self) {
        let hub = self.hub;
        loop {
            let (output, is_over) = hub.drive(|state| {
                state.run();
                (state.has_output().then(|| state.output_len()), state.is_over())
            });
            let Some(octets) = output else {
                if hub.drive(|state| state.is_through()) {
                    break;
                }
                self.sleep();
                continue;
            };
            if !is_over && octets < WORTH_WRITING {
                thread::sleep(REST);
            }
            hub.write_out();
            // A peer that has ended its direction and does not read is gone.
            let is_last = is_over || self.is_read.load(Ordering::Acquire);
            if is_last && hub.drive(|state| state.is_stuck()) {
                hub.drive(|state| state.give_up());
            }
            if hub.drive(|state| state.is_through()) {
                break;
            }
        }
        self.end();
    }

    /// Waits for work.
    fn sleep(&self) {
        let me = thread::current();
        let alarm = self.hub.drive(|state| {
            let alarm = state.next_deadline();
            state.sleep(&me, alarm);
            alarm
        });
        match alarm {
            Some(at) => thread::park_timeout(self.until(at)),
            None => thread::park(),
        }
    }

    fn until(&self, moment: Moment) -> Duration {
        let at = instant(self.start, moment);
        at.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()))
    }

    /// Shuts down the writing direction, waits a while for the end of the peer's input, and ends the transport.
    fn end(&self) {
        self.way.end(Shutdown::Write);
        let linger = self.hub.drive(|state| {
            state.set_done();
            if state.is_interrupted() { SHORT_LINGER } else { LINGER }
        });
        let by = Instant::now() + linger;
        while !self.is_read.load(Ordering::Acquire) {
            let left = by.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            thread::park_timeout(left);
        }
        self.hub.drive(|state| {
            state.end_of_input(None);
            state.discard_output();
        });
        self.way.end(Shutdown::Both);
    }
}
