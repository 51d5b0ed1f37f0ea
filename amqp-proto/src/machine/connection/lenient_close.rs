//! [`read_leniently`]: what can be read of a close that is not quite as the standard has it.

use bytes::Buf;

use crate::types::{Limits, Value};
use crate::wire::{AmqpError, Close, Condition, RawFrame};

/// Returns whether a frame may be a close that cannot be read: its descriptor says so, and has its usual encoding.
#[inline]
pub(super) fn is_close(frame: &RawFrame) -> bool {
    frame.octets.get(8..11) == Some(&[0x00, 0x53, 0x18])
}

/// Reads a close of which the error has a field that it should not have, such as an info with keys that are no
/// symbols: the peer says nothing after it, so there is nobody to complain to (threat D45). What was wrong is what
/// the application wants to know.
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
