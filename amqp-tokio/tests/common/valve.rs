//! [`Valve`]: a stream in memory that stalls, breaks and crumbles as a test says, and counts how often it is polled.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

/// The behaviour of one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Way {
    #[default]
    Open,
    /// Moves at most this number of octets for each call.
    Crumbs(usize),
    /// Moves at most this number of octets, and interrupts every other call.
    Interrupted(usize),
    /// Moves this number of octets in all; then ends, or fails.
    Left(usize, Option<ErrorKind>),
    /// Moves nothing.
    Stalled,
    /// The end of the input; a write of no octets.
    Ended,
    Broken(ErrorKind),
}

#[derive(Debug, Default)]
struct State {
    read: Way,
    write: Way,
    flush: Way,
    shutdown: Way,
    reads: usize,
    writes: usize,
    flushes: usize,
    octets_written: usize,
    /// The number of calls after which the driver counts as spinning.
    most: usize,
    /// The task that waits to read, and the task that waits for the rest.
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// The test's handle of a valve.
#[derive(Debug, Clone)]
pub(crate) struct Hold(Arc<Mutex<State>>);

#[derive(Debug)]
pub(crate) struct Valve {
    inner: DuplexStream,
    hold: Hold,
}

impl Valve {
    pub(crate) fn new(inner: DuplexStream) -> (Self, Hold) {
        let state = State { most: 100_000, ..State::default() };
        let hold = Hold(Arc::new(Mutex::new(state)));
        (Self { inner, hold: hold.clone() }, hold)
    }
}

impl Hold {
    pub(crate) fn read(&self, way: Way) {
        let mut state = self.0.lock().unwrap();
        state.read = way;
        state.reader.take().into_iter().for_each(Waker::wake);
    }

    pub(crate) fn write(&self, way: Way) {
        self.change(|state| state.write = way);
    }

    pub(crate) fn flush(&self, way: Way) {
        self.change(|state| state.flush = way);
    }

    pub(crate) fn shutdown(&self, way: Way) {
        self.change(|state| state.shutdown = way);
    }

    /// Returns the number of calls so far.
    pub(crate) fn calls(&self) -> usize {
        let state = self.0.lock().unwrap();
        state.reads + state.writes + state.flushes
    }

    pub(crate) fn octets_written(&self) -> usize {
        self.0.lock().unwrap().octets_written
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.0.lock().unwrap();
        change(&mut state);
        state.writer.take().into_iter().for_each(Waker::wake);
    }

    fn wait_to_read<T>(&self, context: &Context<'_>) -> Poll<T> {
        self.0.lock().unwrap().reader = Some(context.waker().clone());
        Poll::Pending
    }

    fn wait_to_write<T>(&self, context: &Context<'_>) -> Poll<T> {
        self.0.lock().unwrap().writer = Some(context.waker().clone());
        Poll::Pending
    }

    /// Returns the number of octets that a call may move.
    fn pass(&self, which: impl Fn(&mut State) -> (Way, &mut usize)) -> Pass {
        let mut state = self.0.lock().unwrap();
        let (way, count) = which(&mut state);
        *count += 1;
        let is_other = *count % 2 == 1;
        let calls = state.reads + state.writes + state.flushes;
        assert!(calls <= state.most, "the driver spins");
        match way {
            Way::Open => Pass::Octets(usize::MAX),
            Way::Interrupted(_) if is_other => Pass::Error(ErrorKind::Interrupted),
            Way::Crumbs(most) | Way::Interrupted(most) => Pass::Octets(most),
            Way::Left(0, None) | Way::Ended => Pass::Octets(0),
            Way::Left(0, Some(kind)) | Way::Broken(kind) => Pass::Error(kind),
            Way::Left(most, _) => Pass::Octets(most),
            Way::Stalled => Pass::Stalled,
        }
    }
}

enum Pass {
    Octets(usize),
    Stalled,
    Error(ErrorKind),
}

fn used(way: &mut Way, octets: usize) {
    if let Way::Left(left, _) = way {
        *left -= octets;
    }
}

impl AsyncRead for Valve {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let most = match this.hold.pass(|state| (state.read, &mut state.reads)) {
            Pass::Octets(0) => return Poll::Ready(Ok(())),
            Pass::Octets(most) => most.min(buffer.remaining()),
            Pass::Stalled => return this.hold.wait_to_read(context),
            Pass::Error(kind) => return Poll::Ready(Err(kind.into())),
        };
        let mut space = vec![0; most];
        let mut part = ReadBuf::new(&mut space);
        let read = Pin::new(&mut this.inner).poll_read(context, &mut part);
        match &read {
            Poll::Ready(_) => buffer.put_slice(part.filled()),
            // The test may end the stall.
            Poll::Pending => return this.hold.wait_to_read(context),
        }
        used(&mut this.hold.0.lock().unwrap().read, part.filled().len());
        read
    }
}

impl AsyncWrite for Valve {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(octets)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let most = match this.hold.pass(|state| (state.write, &mut state.writes)) {
            Pass::Octets(0) => return Poll::Ready(Ok(0)),
            Pass::Octets(most) => most,
            Pass::Stalled => return this.hold.wait_to_write(context),
            Pass::Error(kind) => return Poll::Ready(Err(kind.into())),
        };
        let octets: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).take(most).collect();
        let written = Pin::new(&mut this.inner).poll_write(context, &octets);
        if let Poll::Ready(Ok(octets)) = &written {
            let mut state = this.hold.0.lock().unwrap();
            state.octets_written += octets;
            used(&mut state.write, *octets);
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match this.hold.pass(|state| (state.flush, &mut state.flushes)) {
            Pass::Octets(_) => Pin::new(&mut this.inner).poll_flush(context),
            Pass::Stalled => this.hold.wait_to_write(context),
            Pass::Error(kind) => Poll::Ready(Err(kind.into())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match this.hold.pass(|state| (state.shutdown, &mut state.flushes)) {
            Pass::Octets(_) => Pin::new(&mut this.inner).poll_shutdown(context),
            Pass::Stalled => this.hold.wait_to_write(context),
            Pass::Error(kind) => Poll::Ready(Err(kind.into())),
        }
    }
}
