//! [`Metrics`]: numbers about a connection.

use super::Machine;

/// The numbers of a connection at one time.
///
/// Totals grow only. A program that wants rates takes a snapshot now and then, and compares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// The octets that have arrived, in total.
    pub octets_received: u64,
    /// The octets that were written, in total.
    pub octets_sent: u64,
    /// The deliveries that the peer has begun, in total.
    pub deliveries_received: u64,
    /// The deliveries that this end has begun, in total.
    pub deliveries_sent: u64,
    /// The received deliveries that are not settled.
    pub unsettled_received: u64,
    /// The sent deliveries that are not settled.
    pub unsettled_sent: u64,
    /// The sessions, including those whose end was not polled or not answered yet.
    pub sessions: usize,
    /// The links, including suspended ones and those whose end was not polled or not answered yet.
    pub links: usize,
    /// The octets that wait to be written.
    pub output_octets: usize,
}

impl Metrics {
    /// Returns the totals alone, without what a connection has at the moment.
    #[cfg(feature = "driver")]
    pub(crate) fn totals(self) -> Self {
        Self {
            octets_received: self.octets_received,
            octets_sent: self.octets_sent,
            deliveries_received: self.deliveries_received,
            deliveries_sent: self.deliveries_sent,
            ..Self::default()
        }
    }

    /// Adds the totals of a connection that is over.
    #[cfg(feature = "driver")]
    pub(crate) fn after(mut self, earlier: &Self) -> Self {
        self.octets_received += earlier.octets_received;
        self.octets_sent += earlier.octets_sent;
        self.deliveries_received += earlier.deliveries_received;
        self.deliveries_sent += earlier.deliveries_sent;
        self
    }
}

/// The totals of octets, and of the deliveries of sessions that are over.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Totals {
    pub(crate) octets_received: u64,
    pub(crate) octets_sent: u64,
    pub(crate) deliveries_received: u64,
    pub(crate) deliveries_sent: u64,
}

impl Machine {
    pub(crate) fn metrics(&self) -> Metrics {
        let Totals { octets_received, octets_sent, deliveries_received, deliveries_sent } =
            self.endpoints.totals;
        let mut metrics = Metrics {
            octets_received,
            octets_sent,
            deliveries_received,
            deliveries_sent,
            sessions: self.endpoints.sessions.len(),
            links: self.endpoints.links.len(),
            output_octets: self.endpoints.fx.out.len(),
            ..Metrics::default()
        };
        let sessions = &self.endpoints.sessions;
        for session in sessions.keys().filter_map(|key| sessions.peek(key.index)) {
            metrics.deliveries_sent += session.sent.begun();
            metrics.unsettled_sent += u64::from(session.sent.live());
            if let Some(received) = &session.received {
                metrics.deliveries_received += received.begun();
                metrics.unsettled_received += u64::from(received.live());
            }
        }
        metrics
    }
}
