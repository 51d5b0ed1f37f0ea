//! The reading thread.

use std::io::{ErrorKind, Read};
use std::thread::{self, Thread};

use amqp_proto::Reading;
use amqp_proto::driver::Hub;

/// The size of a read.
const BUFFER: usize = 64 << 10;

/// Reads until the end of the input, also after the end of the connection: later input is dropped, so that a peer
/// that is still writing can read what it was sent.
pub(crate) fn run(hub: &Hub<Thread>, mut stream: impl Read) {
    let mut buffer = vec![0; BUFFER];
    let failure = loop {
        match stream.read(&mut buffer) {
            Ok(0) => break None,
            Ok(octets) => give(hub, buffer.get(..octets).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => break Some(error),
        }
    };
    // A peer that has ended its direction may still read the last dispositions.
    hub.flush();
    hub.drive(|state| state.end_of_input(failure));
}

/// Waits until the connection wants input, and feeds octets to it.
///
/// The wait comes after the read, not before: the end of the input is found although the connection wants no input.
fn give(hub: &Hub<Thread>, octets: &[u8]) {
    let me = thread::current();
    loop {
        let is_taken = hub.drive(|state| {
            if state.reading() == Reading::Output {
                state.sleep_reading(&me);
                return false;
            }
            state.receive(octets);
            true
        });
        if is_taken {
            return;
        }
        thread::park();
    }
}
