//! [`Layer`]: the layer between a pump and its stream, clear or TLS.

#[cfg(feature = "tls")]
use std::io::ErrorKind;
use std::io::{self, Write};

use super::hub::Hub;
use super::state::State;
use super::wake::Wake;
use super::write_buffer::WriteBuffer;
#[cfg(feature = "tls")]
use crate::client::TlsLayer;
use crate::machine::Reading;

/// The layer between a pump and its stream.
pub(super) enum Layer {
    Clear,
    #[cfg(feature = "tls")]
    Tls(Box<Tls>),
}

/// TLS, and a buffer for decrypted octets.
#[cfg(feature = "tls")]
pub(super) struct Tls {
    tls: TlsLayer,
    plain: Vec<u8>,
}

#[cfg(feature = "tls")]
impl Layer {
    pub(super) fn tls(tls: TlsLayer) -> Self {
        Self::Tls(Box::new(Tls { tls, plain: vec![0; 16 << 10] }))
    }

    /// Announces the end of this end's octets, if the stream takes that at once.
    pub(super) fn close(&mut self, stream: &mut impl Write) {
        if let Self::Tls(layer) = self {
            if !layer.tls.is_handshaking() {
                layer.tls.close();
            }
            // The connection is over already.
            let _ = layer.write(None, stream);
        }
    }
}

impl Layer {
    /// Returns whether to read from the stream.
    pub(super) fn reading<W: Wake>(&self, state: &State<W>) -> Reading {
        match self {
            Self::Clear => state.reading(),
            #[cfg(feature = "tls")]
            Self::Tls(layer) => layer.tls.reading(&state.engine),
        }
    }

    /// Gives octets that were read to the engine.
    pub(super) fn receive<W: Wake>(&mut self, octets: &[u8], hub: &Hub<W>) {
        match self {
            Self::Clear => hub.drive(|state| state.receive(octets)),
            #[cfg(feature = "tls")]
            Self::Tls(layer) => layer.receive(octets, hub),
        }
    }

    /// Reports the end of the stream to the engine.
    pub(super) fn end<W: Wake>(&mut self, hub: &Hub<W>) {
        let ended = match self {
            Self::Clear => Ok(()),
            #[cfg(feature = "tls")]
            Self::Tls(layer) => layer.tls.end(),
        };
        hub.drive(|state| state.end_of_input(ended.err()));
    }

    /// Writes output until the stream would block. Output stays behind while a handshake needs input.
    ///
    /// # Errors
    ///
    /// The stream's error, also `WouldBlock`; the failure of TLS.
    pub(super) fn write(
        &mut self,
        output: Option<&mut WriteBuffer>,
        stream: &mut impl Write,
    ) -> io::Result<()> {
        match (self, output) {
            (Self::Clear, Some(output)) => {
                output.write_with(|slices| stream.write_vectored(slices))?;
                stream.flush()
            }
            (Self::Clear, None) => Ok(()),
            #[cfg(feature = "tls")]
            (Self::Tls(layer), output) => layer.write(output, stream),
        }
    }
}

#[cfg(feature = "tls")]
impl Tls {
    fn receive<W: Wake>(&mut self, mut octets: &[u8], hub: &Hub<W>) {
        loop {
            match self.tls.decrypt(&mut octets, &mut self.plain) {
                Ok(None) => return,
                Ok(Some(0)) => return hub.drive(|state| state.end_of_input(None)),
                Ok(Some(octets)) => {
                    let octets = self.plain.get(..octets).unwrap_or_default();
                    hub.drive(|state| state.receive(octets));
                }
                Err(failure) => return hub.drive(|state| state.end_of_input(Some(failure))),
            }
        }
    }

    fn write(&mut self, mut output: Option<&mut WriteBuffer>, stream: &mut impl Write) -> io::Result<()> {
        loop {
            self.write_ciphertext(stream)?;
            match &mut output {
                Some(output) if !output.is_empty() && !self.tls.is_handshaking() => {
                    match output.write_with(|slices| self.tls.encrypt(slices)) {
                        // The ciphertext has to be written first.
                        Err(error) if error.kind() == ErrorKind::WriteZero => {}
                        encrypted => encrypted?,
                    }
                }
                _ => return stream.flush(),
            }
        }
    }

    fn write_ciphertext(&mut self, stream: &mut impl Write) -> io::Result<()> {
        loop {
            let octets = self.tls.ciphertext()?;
            if octets.is_empty() {
                return Ok(());
            }
            match stream.write(octets) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(octets) => self.tls.advance(octets),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
