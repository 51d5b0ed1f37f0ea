//! [`DialPlan`]: the servers of a connection, and the rules by which it is opened again.

use alloc::boxed::Box;

use super::address::Address;
use super::error::{Error, Result};
use super::options::ConnectionOptions;
use crate::policy::{Backoff, Reconnect, Redial, RedialStep};
use crate::types::{Moment, Str};
use crate::wire::Open;

/// The servers of a connection, the options for them, and the rules by which a lost connection is opened again.
#[derive(Debug, Clone)]
pub struct DialPlan {
    redial: Redial<Address>,
    /// The options without those that an address adds.
    options: Box<ConnectionOptions>,
    failure: Option<Error>,
}

/// The next step of a [`DialPlan`].
#[derive(Debug)]
#[non_exhaustive]
pub enum DialStep {
    /// Connect to the server at this address, with these options.
    Dial(Box<(Address, ConnectionOptions)>),
    /// Ask again at this moment.
    Wait(Moment),
    /// Make no more attempts: this was the last failure.
    GiveUp(Error),
}

impl DialPlan {
    /// Returns the plan for servers. Without rules in the options, each is dialled once.
    pub fn new(addresses: impl IntoIterator<Item = Address>, options: ConnectionOptions) -> Self {
        let once = || Reconnect::new().with_backoff(Backoff::default().with_attempts(1));
        let rules = options.reconnect().cloned().unwrap_or_else(once);
        Self { redial: Redial::new(rules, addresses), options: Box::new(options), failure: None }
    }

    /// Returns the next server for the first connection: each is dialled once, without a pause.
    ///
    /// # Errors
    ///
    /// The last failure, once all servers were dialled.
    pub fn first(&mut self) -> Result<(Address, ConnectionOptions)> {
        match self.next(Moment::START, 0) {
            DialStep::Dial(dial) => {
                let (address, mut options) = *dial;
                if self.options.reconnect().is_some() {
                    options.set_plan(self.clone());
                }
                Ok((address, options))
            }
            DialStep::GiveUp(failure) => Err(failure),
            DialStep::Wait(_) => Err(self.last_failure()),
        }
    }

    /// Returns the next step. `random` is a number from the whole range of `u64`.
    pub fn next(&mut self, now: Moment, random: u64) -> DialStep {
        loop {
            match self.redial.next(now, random) {
                RedialStep::Dial(address) => match (*self.options).clone().for_address(&address) {
                    Ok(options) => return DialStep::Dial(Box::new((address, options))),
                    Err(error) => self.failed(now, error),
                },
                RedialStep::Wait(until) => return DialStep::Wait(until),
                RedialStep::GiveUp(_) => return DialStep::GiveUp(self.last_failure()),
            }
        }
    }

    /// Reports that the connection is open, with the peer's open.
    pub fn opened(&mut self, now: Moment, open: &Open) {
        self.redial.opened(now, open);
    }

    /// Reports that the server was not reached, or the connection is over.
    pub fn failed(&mut self, now: Moment, error: Error) {
        let told = error.ended().and_then(|ended| ended.error());
        self.redial.failed(now, error.prospect(), told);
        self.failure = Some(error);
    }

    /// Returns the rules by which a lost connection is opened again, and a link attached again.
    #[cfg_attr(not(feature = "driver"), allow(dead_code))]
    pub(crate) fn rules(&self) -> Reconnect {
        self.options.reconnect().cloned().unwrap_or_default()
    }

    /// Sets the container id, which stays the same from one connection to the next.
    pub fn set_container_id(&mut self, name: Str) {
        *self.options = (*self.options).clone().with_container_id(name);
    }

    pub(crate) fn last_failure(&self) -> Error {
        self.failure.clone().unwrap_or(Error::Gone)
    }
}
