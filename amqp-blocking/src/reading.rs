//! The thread that reads.

use std::io::{ErrorKind, Read};
use std::sync::{Arc, PoisonError};

use amqp_proto::machine::Reading;

use crate::shared::Shared;
use crate::writing;

/// How much is read at a time.
const BUFFER: usize = 64 << 10;

/// Reads until there is no more, and whatever has become of the connection: what is read after its end is dropped, so
/// that the peer, which may still be writing, is not cut off from what it was sent.
pub(crate) fn run(shared: &Shared, mut stream: impl Read, mut buffer: Vec<u8>) {
    buffer.resize(BUFFER, 0);
    let failure = loop {
        match stream.read(&mut buffer) {
            Ok(0) => break None,
            Ok(octets) => take(shared, buffer.get(..octets).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => break Some(error),
        }
    };
    // Who has no more to say may still listen, and is told what was decided before that.
    writing::write_here(shared, shared.lock());
    shared.act(|state| {
        state.is_read = true;
        state.io = failure.map(Arc::new).or(state.io.take());
        state.connection.end_of_input();
    });
    shared.writer.notify_one();
}

/// Gives the connection what was read, and waits for as long as it wants no more.
fn take(shared: &Shared, octets: &[u8]) {
    let mut state = shared.lock();
    state.connection.receive(shared.now(), octets);
    if !state.dispatch() {
        shared.unlock(state);
        state = shared.lock();
    }
    while state.connection.reading() == Reading::Output {
        state.is_reader_waiting = true;
        shared.unlock(state);
        state = shared.lock();
        if state.is_reader_waiting {
            state = shared.reader.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
    shared.unlock(state);
}
