//! [`Lifetime`]: how long a terminus outlives its link [3.5.6], and how it is named.

use core::time::Duration;

use crate::types::Str;
use crate::wire::{ExpiryPolicy, Role, Source, Target};

/// The name of this end of a link, on all connections: the peer, the name of the link, and the role of this end [2.6.1].
///
/// A peer chooses its container-id itself, so a server with users names the user, too: nobody gets the state of
/// another's link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TerminusName {
    user: Option<Str>,
    container: Str,
    link: Str,
    is_sender: bool,
}

impl TerminusName {
    /// Returns the name of this end, which has this role, of a link that a container has attached.
    pub fn new(container: impl Into<Str>, link: impl Into<Str>, role: Role) -> Self {
        let is_sender = role == Role::Sender;
        Self { user: None, container: container.into(), link: link.into(), is_sender }
    }

    /// Sets the user that the peer has shown to be.
    #[must_use]
    pub fn with_user(mut self, user: impl Into<Option<Str>>) -> Self {
        self.user = user.into();
        self
    }

    /// Returns the owner of the terminus.
    pub(super) fn owner(&self) -> Owner {
        match &self.user {
            Some(user) => Owner::User(user.clone()),
            None => Owner::Container(self.container.clone()),
        }
    }
}

/// The peer to which a terminus belongs: a user, whatever its containers are called, or a container without a user.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    User(Str),
    Container(Str),
}

/// The place of a link: numbers that the caller gives to a connection, to a session on it, and to a link on that, each
/// of them once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkPlace {
    /// The number of the connection.
    pub connection: u64,
    /// The number of the session.
    pub session: u64,
    /// The number of the link.
    pub link: u64,
}

/// The time that a terminus outlives its link: up to an event, and a timeout from then on [3.5.6].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// The event.
    pub policy: ExpiryPolicy,
    /// The time; a part of a second is left out on the wire.
    pub timeout: Duration,
}

impl Lifetime {
    /// The end of a terminus with its link.
    pub const LINK: Self = Self { policy: ExpiryPolicy::LinkDetach, timeout: Duration::ZERO };

    /// Returns the lifetime of a source.
    pub fn of_source(source: &Source) -> Self {
        Self::new(source.expiry_policy, source.timeout)
    }

    /// Returns the lifetime of a target.
    pub fn of_target(target: &Target) -> Self {
        Self::new(target.expiry_policy, target.timeout)
    }

    fn new(policy: ExpiryPolicy, seconds: u32) -> Self {
        Self { policy, timeout: Duration::from_secs(seconds.into()) }
    }

    /// Returns the lifetime with a timeout of at most this time.
    #[must_use]
    pub fn at_most(mut self, longest: Duration) -> Self {
        self.timeout = self.timeout.min(longest);
        self
    }

    /// Returns `true` if the terminus outlives its connection, or if the peer asks for more than the standard's default,
    /// which ends with the session.
    pub fn is_asked_for(&self) -> bool {
        let by_policy = matches!(self.policy, ExpiryPolicy::ConnectionClose | ExpiryPolicy::Never);
        by_policy || !self.timeout.is_zero()
    }
}

#[cfg(test)]
mod tests {
    use super::Lifetime;
    use crate::wire::{ExpiryPolicy, Source, Target};
    use core::time::Duration;

    fn lifetime(policy: ExpiryPolicy, seconds: u64) -> Lifetime {
        Lifetime { policy, timeout: Duration::from_secs(seconds) }
    }

    #[test]
    fn lifetimes_are_read_from_termini() {
        let source = Source { expiry_policy: ExpiryPolicy::Never, timeout: 90, ..Source::at("a") };
        let read = Lifetime::of_source(&source).at_most(Duration::from_secs(60));
        assert_eq!(read, lifetime(ExpiryPolicy::Never, 60));
        assert!(!Lifetime::of_target(&Target::default()).is_asked_for());
        assert!(Lifetime::of_target(&Target { timeout: 1, ..Target::default() }).is_asked_for());
        assert!(lifetime(ExpiryPolicy::ConnectionClose, 0).is_asked_for());
        assert!(!Lifetime::LINK.is_asked_for());
    }
}
