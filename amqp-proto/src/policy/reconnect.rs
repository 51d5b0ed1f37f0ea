//! [`Reconnect`]: the rules by which a lost connection is replaced.

use core::time::Duration;

use super::backoff::Backoff;

/// The rules by which a connection is opened again after it was lost; a builder.
///
/// All addresses are tried in turn, each once, without a pause. That is a round. The [`Backoff`] has the delays
/// between rounds and the number of rounds. An address that refuses the client for good, such as by a wrong
/// password, is not tried again before another connection has been stable.
///
/// [`Redial`](super::Redial) applies the rules to a connection. [`Retries`](super::Retries) applies them to a session
/// or a link that the peer ends, for a reason that passes, on a connection that stays open.
///
/// ```
/// use core::time::Duration;
///
/// use amqp_proto::policy::{AddressOrder, Backoff, Reconnect};
///
/// let (first, longest) = (Duration::from_millis(50), Duration::from_secs(5));
/// let rules = Reconnect::new()
///     .with_backoff(Backoff::new(first, longest).with_attempts(20))
///     .with_order(AddressOrder::RoundRobin)
///     .with_give_up_after(Duration::from_secs(60));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Reconnect {
    pub(super) backoff: Backoff,
    pub(super) order: AddressOrder,
    pub(super) give_up_after: Option<Duration>,
    pub(super) stable_after: Duration,
    pub(super) referrals: bool,
}

/// The address with which a round begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AddressOrder {
    /// The first: the earlier addresses are preferred.
    #[default]
    PreferredFirst,
    /// The one after the address that was connected last.
    RoundRobin,
}

impl Reconnect {
    /// Returns the default rules: the preferred address first, the default delays, and no end of the attempts.
    pub fn new() -> Self {
        Self {
            backoff: Backoff::default(),
            order: AddressOrder::default(),
            give_up_after: None,
            stable_after: Duration::from_secs(10),
            referrals: true,
        }
    }

    /// Sets the delays between rounds, and the number of rounds.
    pub fn with_backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Sets the address with which a round begins.
    pub fn with_order(mut self, order: AddressOrder) -> Self {
        self.order = order;
        self
    }

    /// Sets the time after the loss of a connection, or after the first attempt, after which no attempt begins.
    /// Default `None`: no limit.
    pub fn with_give_up_after(mut self, span: impl Into<Option<Duration>>) -> Self {
        self.give_up_after = span.into();
        self
    }

    /// Sets the time for which a connection must be open before its loss is a new one. Default 10 seconds.
    ///
    /// The loss of a younger connection counts as a failed attempt: the delays go on growing, so that a broker
    /// that accepts connections and drops them is not dialled without a pause.
    pub fn with_stable_after(mut self, span: Duration) -> Self {
        self.stable_after = span;
        self
    }

    /// Sets whether servers are dialled that a peer names: by a redirect, or in the property
    /// `failover-server-list` of its open. Default `true`.
    ///
    /// A redirect is followed at once, and not more than five in a row. The servers of a list are tried after
    /// the application's own addresses.
    pub fn with_referrals(mut self, follow: bool) -> Self {
        self.referrals = follow;
        self
    }
}

impl Default for Reconnect {
    fn default() -> Self {
        Self::new()
    }
}
