//! [`print_values`]: a sequence of AMQP values.

use std::io::Write;

use amqp_proto::codec::{DecodeError, DecodeErrorKind};
use amqp_proto::types::{Limits, Value};
use bytes::BytesMut;

use super::MOST;
use super::input::Input;
use super::stop::Stop;

/// Prints each value with its offset.
pub(crate) fn print_values(input: &mut Input, out: &mut impl Write) -> Result<(), Stop> {
    let mut octets = BytesMut::new();
    let mut start = 0;
    loop {
        let mut ahead = octets.freeze();
        let mut fault = None;
        while fault.is_none() && !ahead.is_empty() {
            let before = ahead.len();
            match Value::decode(&mut ahead, &Limits::DEFAULT) {
                Ok(value) => writeln!(out, "{start:>8}  {value}")?,
                Err(error) => fault = Some(error),
            }
            start += (before - ahead.len()) as u64;
        }
        octets = ahead.into();
        out.flush()?;
        // More octets help only if the value is truncated.
        let curable =
            |error: &DecodeError| error.kind() == DecodeErrorKind::Truncated && octets.len() < MOST as usize;
        let over = !fault.as_ref().is_none_or(curable) || !input.read(&mut octets)?;
        match fault {
            Some(error) if over => return Err(Stop::decode(start, &error)),
            None if over => return Ok(()),
            _ => {}
        }
    }
}
