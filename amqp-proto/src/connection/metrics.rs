//! The numbers of a connection.

use super::Connection;
use crate::machine::Metrics;

impl Connection {
    /// Returns the numbers of the connection: octets, deliveries, sessions and links. The time that this takes grows with
    /// the number of sessions.
    ///
    /// ```
    /// use amqp_proto::Connection;
    /// use amqp_proto::config::Options;
    /// use amqp_proto::types::Moment;
    ///
    /// let client = Connection::client(Options::new("client"), Moment::START);
    /// let metrics = client.metrics();
    /// assert_eq!(metrics.octets_sent, 0);
    /// assert!(metrics.output_octets > 0);
    /// ```
    pub fn metrics(&self) -> Metrics {
        self.machine.metrics()
    }
}
