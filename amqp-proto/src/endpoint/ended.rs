//! [`Ended`]: how a connection, a session or a link ended.

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::machine::{Origin, Reason};
use crate::types::{Fields, Str};
use crate::wire;

/// How a connection, a session or a link ended. Cheap to clone.
#[derive(Clone)]
pub struct Ended(Arc<Story>);

struct Story {
    reason: Reason,
    io: Option<Arc<io::Error>>,
}

impl Ended {
    /// For the reason that the engine gives. Where that is the transport, with what the transport said when it broke.
    pub fn new(reason: Reason, io: Option<Arc<io::Error>>) -> Self {
        let io = io.filter(|_| reason.origin == Origin::Transport);
        Self(Arc::new(Story { reason, io }))
    }

    /// Closed by this end, before all was written that was to be written.
    pub fn unwritten() -> Self {
        Self::new(Reason::unwritten(), None)
    }

    /// Who ended it.
    pub fn origin(&self) -> Origin {
        self.0.reason.origin
    }

    /// What was wrong, if anything was.
    pub fn error(&self) -> Option<&wire::Error> {
        self.0.reason.error.as_ref()
    }

    /// What was wrong: the condition.
    pub fn condition(&self) -> Option<&wire::Condition> {
        Some(&self.error()?.condition)
    }

    /// What was wrong: words for a person.
    pub fn description(&self) -> Option<&Str> {
        self.error()?.description.as_ref()
    }

    /// What was wrong: what a program may want to know, such as where a redirect leads.
    pub fn info(&self) -> Option<&Fields> {
        Some(&self.error()?.info)
    }

    /// What the operating system or TLS said, where the transport broke.
    pub fn io(&self) -> Option<&io::Error> {
        self.0.io.as_deref()
    }
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.reason)?;
        self.io().map_or(Ok(()), |error| write!(f, " ({error})"))
    }
}
