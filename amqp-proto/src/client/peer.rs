//! [`Peer`]: what the layers below AMQP say about who is there.

use std::net::SocketAddr;

use crate::sasl::TransportSecurity;
use crate::types::Str;

/// Facts about a peer that are known before it says anything.
///
/// ```
/// use amqp_proto::client::Peer;
/// use amqp_proto::sasl::TransportSecurity;
///
/// let peer = Peer::at("127.0.0.1:5672".parse().unwrap());
/// assert_eq!(peer.security(), TransportSecurity::Encrypted); // nobody but this machine can listen
/// assert_eq!(peer.user(), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    security: TransportSecurity,
    address: Option<SocketAddr>,
    user: Option<Str>,
}

impl Peer {
    /// Returns a peer over a link as secure as the caller says.
    pub fn new(security: TransportSecurity) -> Self {
        Self { security, address: None, user: None }
    }

    /// Returns a peer at this address, over TCP: what goes to the same machine leaves it for nobody to read.
    pub fn at(address: SocketAddr) -> Self {
        let security = match address.ip().to_canonical().is_loopback() {
            true => TransportSecurity::Encrypted,
            false => TransportSecurity::Clear,
        };
        Self { address: Some(address), ..Self::new(security) }
    }

    /// Sets the address, for those who trace what happens. It says nothing of the link.
    #[must_use]
    pub fn with_address(mut self, address: Option<SocketAddr>) -> Self {
        self.address = address;
        self
    }

    /// Sets the user that the layer below has found the peer to be, for SASL EXTERNAL.
    #[must_use]
    pub fn with_user(mut self, user: impl Into<Str>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// Returns whether somebody on the way can read what is said.
    pub fn security(&self) -> TransportSecurity {
        self.security
    }

    /// Returns where it is, if that is known.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Returns the user that the layer below has found the peer to be; none if it has not looked, or the peer has
    /// not shown it.
    pub fn user(&self) -> Option<&Str> {
        self.user.as_ref()
    }
}
