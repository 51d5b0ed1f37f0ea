//! [`TlsLayer`]: TLS between a socket and an engine.

use std::fmt;
use std::io::{self, BufRead, ErrorKind, IoSlice, Read, Write};

use bytes::Buf;
use rustls::{ClientConnection, Connection as Tls, ServerConnection};

use super::peer::Peer;
use super::tls::{ServerTls, tls_failure};
use crate::connection::Connection;
use crate::machine::Reading;
use crate::sasl::TransportSecurity;
use crate::types::Moment;

/// The greatest number of pieces that are encrypted at once.
const SLICES: usize = 64;
/// The ciphertext from which no more output is encrypted before it is written.
const ENOUGH: usize = 64 << 10;

/// TLS between a socket and an engine, without IO: octets of the socket go in, octets for the socket come out.
///
/// A driver makes it of a TLS connection, such as that of [`ClientTls::connect`](super::ClientTls::connect) or
/// [`ServerTls::accept`], and calls it in place of the engine: [`receive`](Self::receive) takes octets that
/// were read, [`output`](Self::output) returns octets to write, [`reading`](Self::reading) says whether to read,
/// [`end_of_input`](Self::end_of_input) reports the end of the stream. All else, such as events and deadlines, the
/// driver asks the [engine](Connection) as without TLS. The handshake needs nothing of the driver: the engine's output
/// waits for its end, and the engine's open time-out bounds it.
///
/// A server that authenticates clients by their certificates makes its engine after the handshake:
/// [`handshake`](Self::handshake) and [`ciphertext`](Self::ciphertext) work without an engine, and
/// [`peer`](Self::peer) returns the client's name. A driver that reads in one thread and writes in another uses
/// [`decrypt`](Self::decrypt), [`encrypt`](Self::encrypt) and [`take_ciphertext`](Self::take_ciphertext).
///
/// # Examples
///
/// ```
/// use amqp_proto::client::{ClientTls, ServerTls, TlsLayer};
/// use amqp_proto::config::Options;
/// use amqp_proto::{Connection, types::Moment};
///
/// // Moves octets from one end to the other, in place of a socket.
/// fn carry(
///     (tls, amqp): &mut (TlsLayer, Connection),
///     to: &mut (TlsLayer, Connection),
/// ) -> std::io::Result<()> {
///     let octets = tls.output(amqp)?.to_vec();
///     tls.advance(octets.len());
///     to.0.receive(&octets, Moment::START, &mut to.1)
/// }
///
/// # let key = rcgen::generate_simple_self_signed(["broker.example".into()])?;
/// # let (certificate, key) = (key.cert.pem(), key.signing_key.serialize_pem());
/// let trusted = ClientTls::builder().with_trusted_pem(certificate.as_bytes())?;
/// let shown = ServerTls::builder_pem(certificate.as_bytes(), key.as_bytes())?;
/// let client_tls = trusted.build()?.connect("broker.example")?;
/// let server_tls = shown.build()?.accept()?;
///
/// let now = Moment::START;
/// let engine = Connection::client(Options::new("client"), now);
/// let mut client = (TlsLayer::from(client_tls), engine);
/// let engine = Connection::server(Options::new("server"), now);
/// let mut server = (TlsLayer::from(server_tls), engine);
///
/// while !(client.1.is_open() && server.1.is_open()) {
///     carry(&mut client, &mut server)?;
///     carry(&mut server, &mut client)?;
///     while client.1.poll_event().or(server.1.poll_event()).is_some() {}
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TlsLayer {
    tls: Tls,
    /// Ciphertext to write, after the part that is written.
    output: Vec<u8>,
    written: usize,
    is_closed: bool,
}

impl From<ClientConnection> for TlsLayer {
    fn from(tls: ClientConnection) -> Self {
        Self::new(tls.into())
    }
}

impl From<ServerConnection> for TlsLayer {
    fn from(tls: ServerConnection) -> Self {
        Self::new(tls.into())
    }
}

impl TlsLayer {
    fn new(tls: Tls) -> Self {
        Self { tls, output: Vec::new(), written: 0, is_closed: false }
    }

    /// Returns `true` until the handshake is complete.
    pub fn is_handshaking(&self) -> bool {
        self.tls.is_handshaking()
    }

    /// Returns the facts about the peer that the handshake has established: a client's certificate names its user.
    pub fn peer(&self) -> Peer {
        match &self.tls {
            Tls::Server(tls) => ServerTls::peer(tls),
            Tls::Client(_) => Peer::new(TransportSecurity::Encrypted),
        }
    }

    /// Decrypts octets that were read from the socket, and gives them to the engine. A clean end of TLS becomes
    /// the end of the engine's input.
    ///
    /// A driver gives what one read returns, after [`reading`](Self::reading) has returned [`Reading::Wanted`]. Octets that
    /// it gives otherwise wait in the engine, and its [limits](crate::types::Limits) do not count them.
    ///
    /// # Errors
    ///
    /// The failure of TLS, which converts to [`Error`](super::Error). The engine's input ends then, and
    /// [`output`](Self::output) has the alert for the peer.
    pub fn receive(&mut self, octets: &[u8], now: Moment, amqp: &mut Connection) -> io::Result<()> {
        let decrypted = self.decrypt_into(octets, now, amqp);
        if decrypted.is_err() {
            amqp.end_of_input();
        }
        decrypted
    }

    /// Returns whether to read from the socket and, if not, what must happen first: this is [`Connection::reading`]
    /// with TLS. During the handshake the engine's output waits for input, and not the other way round.
    pub fn reading(&self, amqp: &Connection) -> Reading {
        match amqp.reading() {
            Reading::Output if self.tls.is_handshaking() => Reading::Wanted,
            reading => reading,
        }
    }

    /// Reports the end of the stream to the engine.
    ///
    /// # Errors
    ///
    /// The failure of TLS if the peer has not announced the end. Octets may be lost then.
    pub fn end_of_input(&mut self, amqp: &mut Connection) -> io::Result<()> {
        amqp.end_of_input();
        self.end()
    }

    /// Returns octets to write to the socket, the engine's output encrypted. Empty if there are none; then there
    /// are more after input, events or deadlines. [`advance`](Self::advance) removes those that were written.
    ///
    /// When the engine's connection is over and its output is written, the last octets announce the end of TLS.
    ///
    /// # Errors
    ///
    /// The failure of TLS.
    pub fn output(&mut self, amqp: &mut Connection) -> io::Result<&[u8]> {
        if self.output.is_empty() {
            self.encrypt_output(amqp)?;
        }
        self.ciphertext()
    }

    /// Removes written octets from the output.
    pub fn advance(&mut self, octets: usize) {
        self.written = self.written.saturating_add(octets);
        if self.written >= self.output.len() {
            self.output.clear();
            self.written = 0;
        }
    }

    /// Writes output until there is none left or the writer would block. Returns `true` if there is none left: this
    /// is [`Connection::write_to`] with TLS.
    ///
    /// # Errors
    ///
    /// The writer's error, except `WouldBlock` and `Interrupted`; `WriteZero` if the writer takes no octets; the
    /// failure of TLS.
    pub fn write_to(&mut self, amqp: &mut Connection, writer: &mut impl Write) -> io::Result<bool> {
        loop {
            let octets = self.output(amqp)?;
            if octets.is_empty() {
                return Ok(true);
            }
            match writer.write(octets) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(octets) => self.advance(octets),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes octets that were read from the socket before there is an engine. Octets of AMQP behind the handshake
    /// are kept for [`receive`](Self::receive); so a driver reads at most 4,096 octets at a time.
    ///
    /// # Errors
    ///
    /// The failure of TLS, which [`tls_failure`] puts into words. [`ciphertext`](Self::ciphertext) has the alert for
    /// the peer then.
    pub fn handshake(&mut self, mut octets: &[u8]) -> io::Result<()> {
        while !octets.is_empty() {
            self.take(&mut octets)?;
        }
        Ok(())
    }

    /// Returns ciphertext to write to the socket. Removed by [`advance`](Self::advance), too.
    ///
    /// # Errors
    ///
    /// None that is known; rustls's, if it had one.
    pub fn ciphertext(&mut self) -> io::Result<&[u8]> {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.output)?;
        }
        Ok(self.output.get(self.written..).unwrap_or_default())
    }

    /// Moves all ciphertext to the end of a buffer, for a driver that writes it elsewhere.
    ///
    /// # Errors
    ///
    /// See [`ciphertext`](Self::ciphertext).
    pub fn take_ciphertext(&mut self, into: &mut Vec<u8>) -> io::Result<()> {
        into.extend_from_slice(self.output.get(self.written..).unwrap_or_default());
        self.advance(self.output.len());
        while self.tls.wants_write() {
            self.tls.write_tls(into)?;
        }
        Ok(())
    }

    /// Decrypts octets, as many as are needed to fill a buffer in part, and removes them from the slice. Returns the
    /// number of octets in the buffer, 0 at a clean end of TLS; `None` if more ciphertext is needed first.
    ///
    /// # Errors
    ///
    /// The failure of TLS; that the stream has ended without an announcement.
    pub fn decrypt(&mut self, ciphertext: &mut &[u8], buffer: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            match self.tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read.map(Some).map_err(tls_failure),
            }
            if ciphertext.is_empty() {
                return Ok(None);
            }
            self.take(ciphertext).map_err(tls_failure)?;
        }
    }

    /// Encrypts octets, and returns their number: 0 if ciphertext has to be written first.
    ///
    /// # Errors
    ///
    /// The failure of TLS.
    pub fn encrypt(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.tls.writer().write_vectored(pieces)
    }

    /// Records the end of the stream.
    ///
    /// # Errors
    ///
    /// The failure of TLS if the peer has not announced the end.
    pub fn end(&mut self) -> io::Result<()> {
        self.tls.read_tls(&mut io::empty())?;
        match self.tls.reader().fill_buf() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(tls_failure(error)),
            _ => Ok(()),
        }
    }

    /// Announces the end of this end's octets: the last ciphertext.
    pub fn close(&mut self) {
        if !self.is_closed {
            self.is_closed = true;
            self.tls.send_close_notify();
        }
    }

    fn decrypt_into(&mut self, mut octets: &[u8], now: Moment, amqp: &mut Connection) -> io::Result<()> {
        loop {
            let mut reader = self.tls.reader();
            match reader.fill_buf() {
                Ok([]) => {
                    amqp.end_of_input();
                    return Ok(());
                }
                Ok(chunk) => {
                    amqp.receive(now, chunk);
                    let octets = chunk.len();
                    reader.consume(octets);
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(tls_failure(error)),
            }
            if octets.is_empty() {
                return Ok(());
            }
            self.take(&mut octets).map_err(tls_failure)?;
        }
    }

    /// Takes some ciphertext.
    fn take(&mut self, ciphertext: &mut &[u8]) -> io::Result<()> {
        if self.tls.read_tls(ciphertext)? == 0 {
            // Octets after the announced end mean nothing.
            *ciphertext = &[];
        }
        let processed = self.tls.process_new_packets();
        processed.map(drop).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
    }

    /// Encrypts the engine's output, or some of it if there is much.
    fn encrypt_output(&mut self, amqp: &mut Connection) -> io::Result<()> {
        if self.tls.is_handshaking() {
            return Ok(());
        }
        let (mut output, mut taken) = (amqp.output(), 0);
        while output.has_remaining() && taken < ENOUGH {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = output.chunks_vectored(&mut slices);
            let octets = self.tls.writer().write_vectored(slices.get(..count).unwrap_or_default())?;
            if octets == 0 {
                break;
            }
            output.advance(octets);
            taken += octets;
        }
        if amqp.is_over() && !amqp.has_output() {
            self.close();
        }
        Ok(())
    }
}

impl fmt::Debug for TlsLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsLayer").field("is_handshaking", &self.is_handshaking()).finish_non_exhaustive()
    }
}
