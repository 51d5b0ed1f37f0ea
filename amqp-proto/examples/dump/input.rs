//! [`Input`]: the octets of a file or of standard input.

use std::fs::File;
use std::io::{self, Cursor, ErrorKind, Read};
use std::path::Path;

use bytes::BytesMut;

use super::stop::Stop;

/// The largest capture or trace that is read, in octets.
const MOST_WHOLE: u64 = 256 << 20;
/// The number of octets that a read asks for.
const BLOCK: usize = 64 * 1024;

/// The input: octets, or hexadecimal digits.
pub(crate) struct Input {
    source: Box<dyn Read>,
    block: Vec<u8>,
    hex: bool,
    /// The first digit of an octet whose second digit has not arrived.
    digit: Option<u8>,
    /// The number of octets decoded from digits.
    offset: u64,
    /// The fault in the digits behind them.
    fault: Option<String>,
}

impl Input {
    pub(crate) fn new(source: Box<dyn Read>, hex: bool) -> Self {
        Self { source, block: vec![0; BLOCK], hex, digit: None, offset: 0, fault: None }
    }

    /// Opens this file.
    pub(crate) fn open(file: &Path, hex: bool) -> Result<Self, Stop> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", file.display()));
        Ok(Self::new(Box::new(File::open(file).map_err(named)?), hex))
    }

    /// Returns the first octets without taking them: four at least, if there are as many.
    pub(crate) fn peek(&mut self) -> Result<Vec<u8>, Stop> {
        let mut head = Vec::new();
        while head.len() < 4 {
            match self.source.read(&mut self.block) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
                Ok(0) => break,
                Ok(count) => head.extend_from_slice(self.block.get(..count).unwrap_or_default()),
            }
        }
        let rest = std::mem::replace(&mut self.source, Box::new(io::empty()));
        self.source = Box::new(Cursor::new(head.clone()).chain(rest));
        Ok(head)
    }

    /// Reads everything.
    pub(crate) fn read_whole(&mut self) -> Result<Vec<u8>, Stop> {
        let mut whole = Vec::new();
        self.source.by_ref().take(MOST_WHOLE + 1).read_to_end(&mut whole)?;
        if whole.len() as u64 > MOST_WHOLE {
            return Err(Stop::Unfit("more than 256 MiB are not read as one capture".into()));
        }
        Ok(whole)
    }

    /// Appends the next octets, perhaps only a few. Returns false at the end.
    pub(crate) fn read(&mut self, out: &mut BytesMut) -> Result<bool, Stop> {
        let before = out.len();
        while out.len() == before {
            if let Some(reason) = self.fault.take() {
                return Err(Stop::Fault(self.offset, reason));
            }
            let count = match self.source.read(&mut self.block) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                count => count?,
            };
            if self.hex {
                self.read_hex(count, out);
            } else {
                out.extend_from_slice(self.block.get(..count).unwrap_or_default());
            }
            if count == 0 && self.fault.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Decodes the digits at the start of the block, and appends their octets up to the first fault.
    fn read_hex(&mut self, count: usize, out: &mut BytesMut) {
        if count == 0 && self.digit.is_some() {
            self.fault = Some("odd number of hexadecimal digits".into());
        }
        for octet in self.block.iter().take(count).filter(|octet| !octet.is_ascii_whitespace()) {
            let digit = char::from(*octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            match (self.digit.take(), digit) {
                (_, None) => {
                    self.fault = Some(format!("{:?} is no hexadecimal digit", char::from(*octet)));
                    return;
                }
                (None, first) => self.digit = first,
                (Some(first), Some(second)) => {
                    out.extend_from_slice(&[first << 4 | second]);
                    self.offset += 1;
                }
            }
        }
    }
}
