//! [`Dials`]: the connections that a container makes, each by its plan.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::ToString;

use crate::client::{Address, Addresses, CloseReason, ConnectionOptions, DialPlan, DialStep, Error, Result};
use crate::handler::{ConnectionToken, Dispatcher};
use crate::machine::Reason;
use crate::types::Moment;

/// The connections that a container makes: when each is dialled, at which address, and again when it is lost.
#[derive(Debug, Default)]
pub struct Dials {
    dials: BTreeMap<ConnectionToken, Dial>,
}

#[derive(Debug)]
struct Dial {
    plan: DialPlan,
    stage: Stage,
    /// The number of attempts since the connection was lost.
    attempts: u32,
    /// `true` if the connection was open before.
    was_open: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The plan is asked for the next step.
    Due,
    /// The plan is asked again at this time.
    Waiting(Moment),
    /// An attempt is under way, or the connection is made.
    Busy,
}

/// The next step of a container.
#[derive(Debug)]
pub enum NextDial {
    /// Connect to the server at this address, with these options.
    Dial(ConnectionToken, Box<(Address, ConnectionOptions)>),
    /// Report to the dispatcher that the connection cannot be made, with this error.
    GiveUp(ConnectionToken, Error),
}

impl Dials {
    /// Adds a connection that the handler has requested, at a URL or a list of URLs. With the rules of
    /// [`with_reconnect`](ConnectionOptions::with_reconnect), it is opened again when it is lost.
    ///
    /// # Errors
    ///
    /// The error of the URL.
    pub fn connect(
        &mut self,
        all: &mut Dispatcher,
        key: ConnectionToken,
        url: &str,
        options: &ConnectionOptions,
    ) -> Result<()> {
        self.dials.retain(|key, _| all.has(*key));
        let addresses: Addresses = url.parse()?;
        if options.reconnect().is_some() {
            // If the handler has closed it, nothing is dialled.
            let _ = all.reopen(key);
        }
        let plan = DialPlan::new(addresses, options.clone());
        self.dials.insert(key, Dial { plan, stage: Stage::Due, attempts: 0, was_open: false });
        Ok(())
    }

    /// Reports that a server was not reached.
    pub fn failed(&mut self, now: Moment, key: ConnectionToken, error: Error) {
        if let Some(dial) = self.dials.get_mut(&key) {
            dial.plan.failed(now, error);
            dial.stage = Stage::Due;
        }
    }

    /// Handles the request [`Action::Opened`](crate::handler::Action::Opened).
    pub fn opened(&mut self, all: &mut Dispatcher, now: Moment, key: ConnectionToken) {
        let (Some(dial), Some(connection)) = (self.dials.get_mut(&key), all.connection(key)) else { return };
        dial.plan.set_container_id(connection.container_id().clone());
        if let Some(open) = connection.peer_open() {
            dial.plan.opened(now, &open);
        }
        (dial.was_open, dial.attempts) = (true, 0);
    }

    /// Handles the request [`Action::Reconnect`](crate::handler::Action::Reconnect).
    pub fn lost(&mut self, now: Moment, key: ConnectionToken, reason: Reason) {
        self.failed(now, key, Error::Connection(CloseReason::new(reason, None)));
    }

    /// Returns the next step that is due, if any. `random` returns numbers from the whole range of `u64`.
    pub fn next(&mut self, all: &mut Dispatcher, now: Moment, random: impl Fn() -> u64) -> Option<NextDial> {
        loop {
            let is_due = |dial: &Dial| match dial.stage {
                Stage::Due => true,
                Stage::Waiting(until) => until <= now,
                Stage::Busy => false,
            };
            let (key, dial) = self.dials.iter_mut().find(|(_, dial)| is_due(dial))?;
            let key = *key;
            if !all.is_wanted(key) {
                // The handler has closed it.
                self.dials.remove(&key);
                continue;
            }
            match dial.plan.next(now, random()) {
                DialStep::Dial(step) => {
                    dial.stage = Stage::Busy;
                    if dial.was_open {
                        dial.attempts = dial.attempts.saturating_add(1);
                        all.reconnecting(key, dial.attempts, step.0.to_string());
                    }
                    return Some(NextDial::Dial(key, step));
                }
                DialStep::Wait(until) if dial.was_open => dial.stage = Stage::Waiting(until),
                DialStep::Wait(_) => return self.give_up(key, None),
                DialStep::GiveUp(error) => return self.give_up(key, Some(error)),
            }
        }
    }

    fn give_up(&mut self, key: ConnectionToken, error: Option<Error>) -> Option<NextDial> {
        let dial = self.dials.remove(&key)?;
        Some(NextDial::GiveUp(key, error.unwrap_or_else(|| dial.plan.last_failure())))
    }

    /// Returns the time of the next step.
    pub fn next_deadline(&self) -> Option<Moment> {
        let due = self.dials.values().filter_map(|dial| match dial.stage {
            Stage::Due => Some(Moment::START),
            Stage::Waiting(until) => Some(until),
            Stage::Busy => None,
        });
        due.min()
    }
}
