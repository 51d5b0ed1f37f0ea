//! TLS over a transport.
//!
//! One thread reads while another writes, so what TLS knows is shared, under a lock that nobody holds while reading or
//! writing: ciphertext is read without it, taken apart under it, made under it, and written without it, in order.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use amqp_proto::client::{Acceptor, ConnectionOptions, Peer, Result, ServerTls, tls_failure};
use amqp_proto::sasl::TransportSecurity;
use rustls::Connection;

use crate::transport::Transport;
use crate::writing::{LINGER, is_for_now};

/// How much ciphertext is read at a time.
const BUFFER: usize = 32 << 10;

/// A transport that is encrypted.
pub(crate) struct Secured<T> {
    transport: T,
    session: Arc<Session>,
    /// Ciphertext that was read; what is between the marks was not looked at.
    input: Vec<u8>,
    from: usize,
    to: usize,
    is_ended: bool,
}

/// What the handles of a transport share. Who needs both locks takes that of the output first.
struct Session {
    output: Mutex<Output>,
    tls: Mutex<Connection>,
}

/// Ciphertext that is not written yet.
#[derive(Default)]
struct Output {
    octets: Vec<u8>,
    written: usize,
}

/// Speaks TLS as a client, and finds the server to be this host.
pub(crate) fn connect<T: Transport>(
    transport: T,
    host: &str,
    options: &ConnectionOptions,
) -> Result<Secured<T>> {
    let tls = options.client_tls()?.connect(host)?;
    Ok(Secured::begin(transport, tls.into(), options.open_timeout()).map_err(tls_failure)?)
}

/// Speaks TLS as a server, and learns whose certificate the client has.
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
    fn begin(mut transport: T, mut tls: Connection, longest: Option<Duration>) -> io::Result<Self> {
        let (begun, is_late) = guarded(&mut transport, longest, |transport| tls.complete_io(transport))?;
        match begun {
            Ok(_) if !is_late => Ok(Self {
                transport,
                session: Arc::new(Session { output: Mutex::default(), tls: Mutex::new(tls) }),
                input: vec![0; BUFFER],
                from: 0,
                to: 0,
                is_ended: false,
            }),
            Err(error) if !is_late => {
                // The peer is to learn why, before it meets a closed door.
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

/// Works with a transport, which is ended when that takes longer than it may; and whether it was.
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
                // An end that the peer has not told is an error.
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

    /// What is taken may be left to [`flush`](Self::flush): a transport that takes nothing more says so then.
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
    /// The copy is for writing, or takes over reading before anything is read.
    fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            transport: self.transport.try_clone()?,
            session: Arc::clone(&self.session),
            input: vec![0; BUFFER],
            from: 0,
            to: 0,
            is_ended: false,
        })
    }

    fn prepare(&self, write_timeout: Duration) -> io::Result<()> {
        self.transport.prepare(write_timeout)
    }

    /// Returns where nothing more is to be written, the peer is told so first.
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
    /// Writes the alert that tells the peer what was wrong, if nobody else writes.
    fn say_why(&self, transport: &impl Transport) {
        let (Ok(mut output), Ok(mut transport)) = (self.output.try_lock(), transport.try_clone()) else {
            return;
        };
        // It is over anyhow.
        let _ = output.fill(&mut lock(&self.tls)).and_then(|()| output.write(&mut transport));
    }
}

impl Output {
    /// Takes the ciphertext that there is.
    fn fill(&mut self, tls: &mut Connection) -> io::Result<()> {
        while tls.wants_write() {
            tls.write_tls(&mut self.octets)?;
        }
        Ok(())
    }

    /// Writes all of it. What could not be written stays.
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
