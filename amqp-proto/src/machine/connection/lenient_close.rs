//! [`read_leniently`]: reads a close that breaks the standard.

use bytes::Buf;

use crate::types::{Limits, Value};
use crate::wire::{AmqpError, Close, Condition, RawFrame};

/// Returns `true` if a frame may be a malformed close: its body begins with the usual encoding of the
/// descriptor.
#[inline]
pub(super) fn is_close(frame: &RawFrame) -> bool {
    frame.octets.get(8..11) == Some(&[0x00, 0x53, 0x18])
}

/// Reads a close whose error has a malformed field, such as an info with keys that are no symbols.
///
/// The peer sends nothing after its close, so reporting the fault to it would be useless. The application
/// needs the error.
// Threat D45.
#[cold]
pub(super) fn read_leniently(frame: RawFrame, limits: &Limits) -> Option<Close> {
    let mut body = frame.octets;
    body.advance(8.min(body.len()));
    let close = Value::decode(&mut body, limits).ok().filter(|_| body.is_empty())?;
    let [error] = &**close.as_described()?.value().as_list()? else { return None };
    let mut fields = error.as_described()?.value().as_list()?.iter();
    let Some(Value::Symbol(condition)) = fields.next() else { return None };
    let mut error = AmqpError::new(Condition::from(condition.clone()));
    if let Some(Value::String(description)) = fields.next() {
        error.description = Some(description.clone());
    }
    Some(Close { error: Some(error) })
}
