//! [`WebSocketOptions`]: how a WebSocket carries AMQP. Needs the feature `websocket`.

use std::fmt;

use crate::types::Str;

/// The options of a WebSocket that carries AMQP; a builder.
///
/// ```
/// use amqp_proto::client::{ConnectionOptions, WebSocketOptions};
///
/// // Azure: wss://NAMESPACE.servicebus.windows.net/$servicebus/websocket
/// let websocket = WebSocketOptions::new().with_sub_protocol("AMQPWSB10");
/// let options = ConnectionOptions::new().with_websocket(websocket);
/// ```
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub struct WebSocketOptions {
    sub_protocol: Str,
    headers: Vec<(Str, Str)>,
    message_size: usize,
}

impl Default for WebSocketOptions {
    fn default() -> Self {
        Self { sub_protocol: Str::from_static("amqp"), headers: Vec::new(), message_size: 1 << 20 }
    }
}

impl WebSocketOptions {
    /// Returns the default options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the sub-protocol, which both ends must name. Default `amqp`, the name of the standard; services of Azure
    /// use `AMQPWSB10`.
    pub fn with_sub_protocol(mut self, name: impl Into<Str>) -> Self {
        self.sub_protocol = name.into();
        self
    }

    /// Adds a header to the request of a client, such as `Authorization`. `Debug` does not show its value.
    ///
    /// Headers of the handshake itself, such as `Host` and `Sec-WebSocket-Key`, are refused when it begins.
    pub fn with_header(mut self, name: impl Into<Str>, value: impl Into<Str>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the size of the largest WebSocket message that this end accepts, in octets. Default 1 MiB.
    ///
    /// A WebSocket message is held in memory until it is complete. It may hold several frames of AMQP, or a part of one.
    pub fn with_message_size(mut self, octets: usize) -> Self {
        self.message_size = octets;
        self
    }

    /// Returns the sub-protocol.
    pub fn sub_protocol(&self) -> &Str {
        &self.sub_protocol
    }

    /// Iterates over the names and values of the additional headers.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns the size of the largest WebSocket message that this end accepts, in octets.
    pub fn message_size(&self) -> usize {
        self.message_size
    }
}

impl fmt::Debug for WebSocketOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketOptions")
            .field("sub_protocol", &self.sub_protocol)
            .field("headers", &self.headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("message_size", &self.message_size)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::WebSocketOptions;

    #[test]
    fn the_value_of_a_header_is_not_shown() {
        let options = WebSocketOptions::new().with_header("Authorization", "Bearer seCret");
        let shown = format!("{options:?}");
        assert!(shown.contains("Authorization") && !shown.contains("seCret"), "{shown}");
        assert_eq!(options.headers().collect::<Vec<_>>(), [("Authorization", "Bearer seCret")]);
    }
}
