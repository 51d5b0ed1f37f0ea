//! [`Dialer`]: opens a lost connection again, for the adapter's driver.

use alloc::sync::Arc;
use core::task::Poll;

use super::hub::Hub;
use super::state::{LineId, State};
use super::wait::{Try, Wait};
use super::wake::Wake;
use super::write_here::WriteHere;
use crate::client::{ConnectionOptions, DialStep, Error, Host, Peer, Result};

/// Opens a lost connection again: the work of an adapter's driver between two transports that does not wait.
///
/// A connection that is interrupted when its dialer is dropped is over.
#[derive(Debug)]
pub struct Dialer<W: Wake> {
    hub: Arc<Hub<W>>,
}

impl<W: Wake> Dialer<W> {
    /// Returns the dialer of a connection that was opened.
    pub fn new(hub: &Arc<Hub<W>>) -> Self {
        Self { hub: Arc::clone(hub) }
    }

    /// Returns the next step to another connection, after the transport of the last one has ended. Returns `None`
    /// if the connection is over.
    ///
    /// # Errors
    ///
    /// The system's error, if it has no random numbers.
    pub fn next(&self, host: &Host) -> Result<Option<DialStep>> {
        let random = u64::from_ne_bytes(host.random()?);
        Ok(self.hub.drive(|state| state.next_dial(random)))
    }

    /// Waits until no other connection is wanted, since the application has closed it.
    pub fn stopped(&self) -> Wait<'_, W, impl Try<W, ()>> {
        self.hub.wait(LineId::Connection, |state: &mut State<W>, _| {
            if state.is_interrupted() { Poll::Pending } else { Poll::Ready(()) }
        })
    }

    /// Wakes the waits whose deadline is due, which no driver does meanwhile. Returns `true` if no other connection
    /// is wanted.
    pub fn tick(&self) -> bool {
        self.hub.drive(|state| {
            let now = state.now();
            state.ring(now);
            !state.is_interrupted()
        })
    }

    /// Reports that a server was not reached.
    pub fn failed(&self, error: Error) {
        self.hub.drive(|state| state.dial_failed(error));
    }

    /// Opens the connection on a new transport, which the adapter then drives. Returns `false` if it is not wanted.
    pub fn connected(
        &self,
        host: &Host,
        peer: &Peer,
        options: &ConnectionOptions,
        write_here: Option<WriteHere>,
    ) -> bool {
        let engine = options.client(host, peer, self.hub.look(|state| state.now()));
        let old = match engine {
            Ok(engine) => self.hub.drive(|state| {
                let url = options.url().cloned();
                state.is_interrupted().then(|| state.adopt(engine, write_here, url))
            }),
            Err(error) => {
                self.failed(error);
                None
            }
        };
        old.is_some()
    }
}

impl<W: Wake> Drop for Dialer<W> {
    fn drop(&mut self) {
        self.hub.drive(State::abandon);
    }
}
