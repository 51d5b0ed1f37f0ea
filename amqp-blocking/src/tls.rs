//! TLS over a transport.
//!
//! One thread reads while another writes. They share the TLS session under a lock that is not held while reading or
//! writing: ciphertext is read without it, decrypted and encrypted under it, and written without it, in order.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use amqp_proto::client::{Acceptor, ConnectionOptions, Peer, Result, ServerTls, tls_failure};
use amqp_proto::sasl::TransportSecurity;
use rustls::Connection;

use crate::host;
use crate::transport::Transport;
use crate::writing::{LINGER, is_for_now};

/// The size of a read of ciphertext.
const BUFFER: usize = 32 << 10;

/// A transport with TLS.
pub(crate) struct Secured<T> {
    transport: T,
    session: Arc<Session>,
    /// Ciphertext that was read. The part between the marks is not yet decrypted.
    input: Vec<u8>,
    from: usize,
    to: usize,
    is_ended: bool,
}

/// The state shared by the handles of a transport. A thread that needs both locks takes the output's lock first.
struct Session {
    output: Mutex<Output>,
    tls: Mutex<Connection>,
}

/// Ciphertext to be written.
#[derive(Default)]
struct Output {
    octets: Vec<u8>,
    written: usize,
}

/// Handshakes as a client, and verifies that the server is this host.
pub(crate) fn connect<T: Transport>(
    transport: T,
    host: &str,
    options: &ConnectionOptions,
) -> Result<Secured<T>> {
    let (tls, span) = (options.client_tls(host::system_roots)?.connect(host)?, options.open_timeout());
    Secured::begin(transport, tls.into(), span).map_err(|error| options.tls_failure(error).into())
}

/// Handshakes as a server, and reads the identity in the client's certificate.
pub(crate) fn accept<T: Transport>(
    transport: T,
    tls: &ServerTls,
    acceptor: &Acceptor,
) -> Result<(Secured<T>, Peer)> {
    let address = transport.peer_addr();
    let secured = Secured::begin(transport, tls.accept()?.into(), acceptor.options().open_timeout());
    let secured = secured.map_err(tls_failure)?;
    let peer = match &*lock(&secured.session.tls) {
        Connection::Server(tls) => ServerTls::peer(tls),
        Connection::Client(_) => Peer::new(TransportSecurity::Encrypted),
    };
    Ok((secured, peer.with_address(address)))
}

impl<T: Transport> Secured<T> {
    fn new(transport: T, session: Arc<Session>) -> Self {
        Self { transport, session, input: vec![0; BUFFER], from: 0, to: 0, is_ended: false }
    }

    fn begin(mut transport: T, mut tls: Connection, longest: Option<Duration>) -> io::Result<Self> {
        let (begun, is_late) = guarded(&mut transport, longest, |transport| tls.complete_io(transport))?;
        match begun {
            Ok(_) if !is_late => {
                let session = Session { output: Mutex::default(), tls: Mutex::new(tls) };
                Ok(Self::new(transport, Arc::new(session)))
            }
            Err(error) if !is_late => {
                // The peer should get the alert before the transport closes.
                let _ = transport.shutdown(Shutdown::Write);
                let _ = guarded(&mut transport, Some(LINGER), |transport| {
                    let mut space = [0; 1024];
                    while transport.read(&mut space).is_ok_and(|octets| octets > 0) {}
                });
                Err(error)
            }
            _ => Err(io::Error::new(
                ErrorKind::TimedOut,
                "the peer does not answer, perhaps it does not speak TLS",
            )),
        }
    }
}

/// Works with a transport, which is ended at a deadline. Returns whether it was.
fn guarded<T: Transport, R>(
    transport: &mut T,
    longest: Option<Duration>,
    work: impl FnOnce(&mut T) -> R,
) -> io::Result<(R, bool)> {
    let Some(longest) = longest else { return Ok((work(transport), false)) };
    let watched = transport.try_clone()?;
    let (done, is_done) = mpsc::channel::<()>();
    let watch = thread::Builder::new().name("amqp-tls".into()).spawn(move || {
        let is_late = is_done.recv_timeout(longest) == Err(mpsc::RecvTimeoutError::Timeout);
        is_late && watched.shutdown(Shutdown::Both).is_ok()
    })?;
    let result = work(transport);
    drop(done);
    Ok((result, watch.join().unwrap_or(false)))
}

impl<T: Transport> Read for Secured<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut tls = lock(&self.session.tls);
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // An end of the stream without close_notify is an error.
                result => return result.map_err(tls_failure),
            }
            if self.from < self.to || self.is_ended {
                let mut rest = self.input.get(self.from..self.to).unwrap_or_default();
                self.from += tls.read_tls(&mut rest)?;
                let Err(error) = tls.process_new_packets() else { continue };
                drop(tls);
                self.session.say_why(&self.transport);
                return Err(tls_failure(io::Error::new(ErrorKind::InvalidData, error)));
            }
            drop(tls);
            let octets = self.transport.read(&mut self.input)?;
            (self.from, self.to, self.is_ended) = (0, octets, octets == 0);
        }
    }
}

impl<T: Transport> Write for Secured<T> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(octets)])
    }

    /// Encrypts the pieces. [`flush`](Self::flush) may write them later; a transport that does not accept them fails
    /// then.
    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut output = lock(&self.session.output);
        output.write(&mut self.transport)?;
        let octets = {
            let mut tls = lock(&self.session.tls);
            let octets = tls.writer().write_vectored(pieces)?;
            output.fill(&mut tls)?;
            octets
        };
        match output.write(&mut self.transport) {
            Err(error) if !is_for_now(&error) => Err(error),
            _ => Ok(octets),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        lock(&self.session.output).write(&mut self.transport)?;
        self.transport.flush()
    }
}

impl<T: Transport> Transport for Secured<T> {
    /// Returns a handle for writing, or for reading if nothing was read yet.
    fn try_clone(&self) -> io::Result<Self> {
        Ok(Self::new(self.transport.try_clone()?, Arc::clone(&self.session)))
    }

    fn prepare(&self, write_timeout: Duration) -> io::Result<()> {
        self.transport.prepare(write_timeout)
    }

    /// Sends close_notify before the writing direction is shut down.
    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        if how == Shutdown::Write {
            let mut output = lock(&self.session.output);
            {
                let mut tls = lock(&self.session.tls);
                tls.send_close_notify();
                output.fill(&mut tls)?;
            }
            output.write(&mut self.transport.try_clone()?)?;
        }
        self.transport.shutdown(how)
    }

    fn security(&self) -> TransportSecurity {
        TransportSecurity::Encrypted
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        self.transport.peer_addr()
    }
}

impl Session {
    /// Writes the alert for the peer, unless another thread is writing.
    fn say_why(&self, transport: &impl Transport) {
        let (Ok(mut output), Ok(mut transport)) = (self.output.try_lock(), transport.try_clone()) else {
            return;
        };
        // The connection is over, so a failure does not matter.
        let _ = output.fill(&mut lock(&self.tls)).and_then(|()| output.write(&mut transport));
    }
}

impl Output {
    /// Takes the session's ciphertext.
    fn fill(&mut self, tls: &mut Connection) -> io::Result<()> {
        while tls.wants_write() {
            tls.write_tls(&mut self.octets)?;
        }
        Ok(())
    }

    /// Writes all ciphertext. After a failure the rest stays.
    fn write(&mut self, transport: &mut impl Write) -> io::Result<()> {
        while let Some(rest) = self.octets.get(self.written..).filter(|rest| !rest.is_empty()) {
            match transport.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(octets) => self.written += octets,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.octets.clear();
        self.written = 0;
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
