//! The thread that reads.

use std::io::{ErrorKind, Read};
use std::thread::{self, Thread};

use amqp_proto::Reading;
use amqp_proto::driver::Hub;

/// How much is read at a time.
const BUFFER: usize = 64 << 10;

/// Reads until there is no more, and whatever has become of the connection: what is read after its end is dropped, so
/// that the peer, which may still be writing, is not cut off from what it was sent.
pub(crate) fn run(hub: &Hub<Thread>, mut stream: impl Read) {
    let mut buffer = vec![0; BUFFER];
    let failure = loop {
        match stream.read(&mut buffer) {
            Ok(0) => break None,
            Ok(octets) => take(hub, buffer.get(..octets).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => break Some(error),
        }
    };
    // A peer that has no more to say may still listen, and is told what was decided before that.
    hub.flush();
    hub.drive(|state| state.end_of_input(failure));
}

/// Gives the connection what was read, and waits for as long as it wants no more.
fn take(hub: &Hub<Thread>, octets: &[u8]) {
    let me = thread::current();
    hub.drive(|state| state.receive(octets));
    loop {
        let is_full = hub.drive(|state| match state.reading() {
            Reading::Output => {
                state.sleep_reading(&me);
                true
            }
            _ => false,
        });
        if !is_full {
            return;
        }
        thread::park();
    }
}
