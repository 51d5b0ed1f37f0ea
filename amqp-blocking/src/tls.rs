//! TLS over a transport.
//!
//! One thread reads while another writes. They share the TLS session under a lock that is not held while reading or
//! writing: ciphertext is read without it, decrypted and encrypted under it, and written without it, in order.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use amqp_proto::client::{
    Acceptor, ConnectionOptions, Peer, Result, ServerTls, TlsHeaders, TlsLayer, tls_failure,
};
use amqp_proto::driver;
use amqp_proto::sasl::TransportSecurity;

use crate::host;
use crate::transport::Transport;
use crate::writing::{SHORT_LINGER, is_for_now};

/// The size of a read of ciphertext.
const BUFFER: usize = 32 << 10;
/// The size of a read of the handshake. Octets of AMQP that follow it are few enough to be kept.
const HANDSHAKE: usize = 4 << 10;

/// A transport with TLS.
pub(crate) struct Secured<T> {
    transport: T,
    session: Arc<Session>,
    /// Ciphertext that was read. The part between the marks is not yet decrypted.
    input: Vec<u8>,
    from: usize,
    to: usize,
}

/// The state shared by the handles of a transport. A thread that needs both locks takes the output's lock first.
struct Session {
    output: Mutex<Output>,
    tls: Mutex<TlsLayer>,
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
    let secured = Secured::begin(transport, options.tls_headers(), tls.into(), span);
    secured.map_err(|error| options.tls_failure(error).into())
}

/// Handshakes as a server, and reads the identity in the client's certificate.
pub(crate) fn accept<T: Transport>(
    transport: T,
    tls: &ServerTls,
    acceptor: &Acceptor,
) -> Result<(Secured<T>, Peer)> {
    let address = transport.peer_addr();
    let (tls, span) = (tls.accept()?, acceptor.options().open_timeout());
    let secured = Secured::begin(transport, acceptor.tls_headers(), tls.into(), span).map_err(tls_failure)?;
    let peer = lock(&secured.session.tls).peer();
    Ok((secured, peer.with_address(address)))
}

impl<T: Transport> Secured<T> {
    fn new(transport: T, session: Arc<Session>) -> Self {
        Self { transport, session, input: vec![0; BUFFER], from: 0, to: 0 }
    }

    fn begin(
        mut transport: T,
        mut headers: TlsHeaders,
        mut tls: TlsLayer,
        longest: Option<Duration>,
    ) -> io::Result<Self> {
        let (begun, is_late) = guarded(&mut transport, longest, |transport| {
            exchange(transport, &mut headers)?;
            let taken = tls.handshake(headers.early());
            handshake(&mut tls, transport, taken)
        })?;
        match begun {
            Ok(()) if !is_late => {
                let session = Session { output: Mutex::default(), tls: Mutex::new(tls) };
                Ok(Self::new(transport, Arc::new(session)))
            }
            Err(error) if !is_late => {
                // The peer should get the header or the alert before the transport closes.
                let _ = transport.shutdown(Shutdown::Write);
                let _ = guarded(&mut transport, Some(SHORT_LINGER), |transport| {
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

driver::skin::tls_headers!(; Read + Write);

/// Completes the handshake, of which octets were taken. After a failure, writes the alert for the peer.
fn handshake(
    tls: &mut TlsLayer,
    transport: &mut (impl Read + Write),
    mut taken: io::Result<()>,
) -> io::Result<()> {
    let (mut output, mut space) = (Output::default(), [0; HANDSHAKE]);
    loop {
        output.fill(tls)?;
        let written = output.write(transport).and_then(|()| transport.flush());
        taken.and(written)?;
        if !tls.is_handshaking() {
            return Ok(());
        }
        taken = match transport.read(&mut space) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(octets) => tls.handshake(space.get(..octets).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(error) => return Err(error),
        };
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
            let mut input = self.input.get(self.from..self.to).unwrap_or_default();
            let decrypted = tls.decrypt(&mut input, buffer);
            self.from = self.to - input.len();
            drop(tls);
            match decrypted {
                Ok(Some(octets)) => return Ok(octets),
                Ok(None) => {}
                Err(error) => {
                    self.session.say_why(&self.transport);
                    return Err(error);
                }
            }
            let octets = self.transport.read(&mut self.input)?;
            (self.from, self.to) = (0, octets);
            if octets == 0 {
                lock(&self.session.tls).end()?;
            }
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
            let octets = tls.encrypt(pieces)?;
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
                tls.close();
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
    fn fill(&mut self, tls: &mut TlsLayer) -> io::Result<()> {
        tls.take_ciphertext(&mut self.octets)
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
