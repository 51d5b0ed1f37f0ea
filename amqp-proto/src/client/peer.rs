//! [`Peer`]: facts about a peer from the layers below AMQP.

use std::net::SocketAddr;

use crate::sasl::TransportSecurity;
use crate::types::Str;

/// Facts about a peer from the layers below AMQP: its address, its user, and the security of the transport.
///
/// ```
/// use amqp_proto::client::Peer;
/// use amqp_proto::sasl::TransportSecurity;
///
/// let peer = Peer::at("127.0.0.1:5672".parse().unwrap());
/// // The octets do not leave this machine.
/// assert_eq!(peer.security(), TransportSecurity::Encrypted);
/// assert_eq!(peer.user(), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    security: TransportSecurity,
    address: Option<SocketAddr>,
    user: Option<Str>,
}

impl Peer {
    /// Returns a peer over a transport of this security.
    pub fn new(security: TransportSecurity) -> Self {
        Self { security, address: None, user: None }
    }

    /// Returns a peer at this address, over TCP. A loopback address counts as encrypted, since the octets do
    /// not leave the machine.
    pub fn at(address: SocketAddr) -> Self {
        let security = match address.ip().to_canonical().is_loopback() {
            true => TransportSecurity::Encrypted,
            false => TransportSecurity::Clear,
        };
        Self { address: Some(address), ..Self::new(security) }
    }

    /// Sets the address, for traces. The security stays as it is.
    #[must_use]
    pub fn with_address(mut self, address: Option<SocketAddr>) -> Self {
        self.address = address;
        self
    }

    /// Sets the user that the layer below has authenticated, for SASL EXTERNAL.
    #[must_use]
    pub fn with_user(mut self, user: impl Into<Str>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// Returns the security of the transport: encrypted or not.
    pub fn security(&self) -> TransportSecurity {
        self.security
    }

    /// Returns the address, if it is known.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Returns the user that the layer below has authenticated, if any.
    pub fn user(&self) -> Option<&Str> {
        self.user.as_ref()
    }
}
