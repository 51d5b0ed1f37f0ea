//! [`Outlet`]: output on its way from an engine to a stream.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use amqp_proto::Connection as Engine;
use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;

/// How many pieces of output are given to the operating system at a time.
const PIECES: usize = 64;

/// Output that was taken from an engine and is not written.
#[derive(Debug, Default)]
pub(crate) struct Outlet {
    pieces: VecDeque<Bytes>,
    needs_flush: bool,
}

impl Outlet {
    /// Whether all that was taken is with the operating system.
    pub(crate) fn is_done(&self) -> bool {
        self.pieces.is_empty() && !self.needs_flush
    }

    /// Whether more may be taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Takes the output that there is, which ends with a frame.
    pub(crate) fn fill(&mut self, engine: &mut Engine) {
        let mut output = engine.output();
        // Where that makes room, more may be added meanwhile.
        let mut left = output.remaining();
        while left > 0 {
            let octets = output.chunk().len().min(left);
            self.pieces.push_back(output.copy_to_bytes(octets));
            left -= octets;
        }
    }

    /// Adds an empty frame, behind whole frames only [2.4.5].
    pub(crate) fn beat(&mut self) {
        self.pieces.push_back(Bytes::from_static(&Engine::HEARTBEAT));
    }

    /// Writes what was taken, and flushes. After an error that is dropped, as no more can be written.
    pub(crate) fn poll_write(
        &mut self,
        mut stream: impl AsyncWrite + Unpin,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let written = self.poll_all(Pin::new(&mut stream), context);
        if let Poll::Ready(Err(_)) = written {
            *self = Self::default();
        }
        written
    }

    fn poll_all(
        &mut self,
        mut stream: Pin<&mut impl AsyncWrite>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.pieces.is_empty() {
            let mut slices = [IoSlice::new(&[]); PIECES];
            let pieces = slices.iter_mut().zip(&self.pieces);
            let count = pieces.map(|(slice, piece)| *slice = IoSlice::new(piece)).count();
            let slices = slices.get(..count).unwrap_or_default();
            let written = stream.as_mut().poll_write_vectored(context, slices);
            match ready!(unless_interrupted(written, context))? {
                0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                octets => self.written(octets),
            }
            self.needs_flush = true;
        }
        let flushed = stream.poll_flush(context);
        ready!(unless_interrupted(flushed, context))?;
        self.needs_flush = false;
        Poll::Ready(Ok(()))
    }

    fn written(&mut self, mut octets: usize) {
        while let Some(piece) = self.pieces.front_mut() {
            if octets < piece.len() {
                piece.advance(octets);
                return;
            }
            octets -= piece.len();
            self.pieces.pop_front();
        }
    }
}

/// What was interrupted is to be done again, at the next turn.
pub(crate) fn unless_interrupted<T>(
    result: Poll<io::Result<T>>,
    context: &Context<'_>,
) -> Poll<io::Result<T>> {
    match result {
        Poll::Ready(Err(error)) if error.kind() == ErrorKind::Interrupted => {
            context.waker().wake_by_ref();
            Poll::Pending
        }
        result => result,
    }
}
