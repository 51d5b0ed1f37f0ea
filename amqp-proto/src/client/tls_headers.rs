//! [`TlsHeaders`]: the protocol headers that come before TLS [5.2], without IO.

use std::io::{self, ErrorKind};

use rustls::ServerConnection;

use crate::wire::ProtocolHeader;

/// The first octet of TLS from a client: the type of a record with a handshake.
const HANDSHAKE: u8 = 22;
/// The first octet of TLS from a server that refuses a header: the type of a record with an alert.
const ALERT: u8 = 21;

/// The exchange of the protocol headers that come before TLS [5.2], at one end of a connection, without IO.
///
/// A driver writes [`take_output`](Self::take_output), reads into [`input`](Self::input), and tells
/// [`received`](Self::received) how much it has read, until [`is_done`](Self::is_done). TLS comes next, and begins with
/// the octets of [`early`](Self::early). After an error there may be output, too: the header that tells the peer what is
/// required.
///
/// ```
/// use amqp_proto::client::TlsHeaders;
///
/// let (mut client, mut server) = (TlsHeaders::client(), TlsHeaders::server());
/// let header = client.take_output().unwrap();
/// assert_eq!(&header, b"AMQP\x02\x01\x00\x00");
/// server.input().copy_from_slice(&header);
/// server.received(8)?;
/// client.input().copy_from_slice(&server.take_output().unwrap());
/// client.received(8)?;
/// assert!(client.is_done() && server.is_done());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct TlsHeaders {
    is_client: bool,
    has_output: bool,
    is_done: bool,
    octets: [u8; ProtocolHeader::LEN],
    received: usize,
}

impl TlsHeaders {
    /// Returns the exchange of a client that asks for TLS by a header.
    pub fn client() -> Self {
        Self { has_output: true, is_done: false, ..Self::none() }
    }

    /// Returns the exchange of a server that requires TLS: after a header, or from the first octet [5.2.1].
    pub fn server() -> Self {
        Self { is_client: false, is_done: false, ..Self::none() }
    }

    /// Returns the exchange of an end that begins with TLS itself: it is done.
    pub fn none() -> Self {
        Self {
            is_client: true,
            has_output: false,
            is_done: true,
            octets: [0; ProtocolHeader::LEN],
            received: 0,
        }
    }

    /// Returns `true` if TLS comes next.
    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// Returns the octets to write, once.
    pub fn take_output(&mut self) -> Option<[u8; ProtocolHeader::LEN]> {
        std::mem::take(&mut self.has_output).then(|| ProtocolHeader::TLS.to_bytes())
    }

    /// Returns the space to read into. It has room for the rest of a header and for nothing that follows it.
    pub fn input(&mut self) -> &mut [u8] {
        self.octets.get_mut(self.received..).unwrap_or_default()
    }

    /// Handles octets that were read into [`input`](Self::input), 0 at the end of the stream.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidData`] if the peer sends something else than TLS or a header for it,
    /// [`ErrorKind::UnexpectedEof`] at the end of the stream.
    pub fn received(&mut self, octets: usize) -> io::Result<()> {
        if octets == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.received = self.received.saturating_add(octets).min(ProtocolHeader::LEN);
        let first = self.read().first().copied();
        match ProtocolHeader::decode(self.read()) {
            Ok(None) => {}
            Ok(Some(ProtocolHeader::TLS)) => {
                (self.has_output, self.is_done, self.received) = (!self.is_client, true, 0);
            }
            Err(_) if first == Some(HANDSHAKE) && !self.is_client => self.is_done = true,
            header => {
                self.has_output = !self.is_client;
                let why = self.refusal(header.ok().flatten(), first);
                return Err(io::Error::new(ErrorKind::InvalidData, why));
            }
        }
        Ok(())
    }

    /// Returns the octets of TLS that a server has read, if the client has sent no header.
    pub fn early(&self) -> &[u8] {
        if self.is_client { &[] } else { self.read() }
    }

    /// Passes the octets of TLS that a server has read to its TLS connection.
    pub fn pass_on(&self, tls: &mut ServerConnection) {
        let mut early = self.early();
        // Nothing at all would be the end of the stream. So few octets are kept, and cannot fail.
        if !early.is_empty() {
            let _ = tls.read_tls(&mut early);
        }
    }

    fn read(&self) -> &[u8] {
        self.octets.get(..self.received).unwrap_or_default()
    }

    /// Returns the reason for refusing the peer's header, or other octets that begin so.
    fn refusal(&self, header: Option<ProtocolHeader>, first: Option<u8>) -> String {
        match (header, first) {
            (Some(header), _) if self.is_client => {
                format!("the peer answers with the header of {header}, so it takes no TLS after a header")
            }
            (Some(header), _) => {
                format!("the peer speaks {header} and does not speak TLS, which is required")
            }
            (None, Some(ALERT | HANDSHAKE)) if self.is_client => {
                "the peer speaks TLS from the first octet: connect without a header".into()
            }
            (None, _) if self.is_client => "the peer does not speak AMQP".into(),
            (None, _) => "the peer does not speak TLS".into(),
        }
    }
}
