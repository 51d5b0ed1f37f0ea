//! [`print_frames`]: one direction of a connection, printed while it is read.

use std::collections::HashMap;
use std::io::Write;

use amqp_proto::codec::DecodeError;
use amqp_proto::types::{Channel, Limits};
use amqp_proto::wire::{Deframer, Frame, Performative, Transfer};
use bytes::{Bytes, BytesMut};

use super::MOST;
use super::input::Input;
use super::sections::print_sections;
use super::stop::Stop;

/// The most unfinished deliveries at a time. The messages of further ones are not shown.
const MOST_DELIVERIES: usize = 256;

/// Incomplete deliveries, by channel and handle; `None` if the message is not shown.
#[derive(Default)]
pub(crate) struct Unfinished(HashMap<(u16, u32), Option<BytesMut>>);

impl Unfinished {
    /// Returns the message that this transfer completes, if it is to be shown.
    pub(crate) fn add(&mut self, channel: Channel, transfer: &Transfer, payload: Bytes) -> Option<Bytes> {
        let key = (channel.get(), transfer.handle.get());
        let begun = self.0.remove(&key);
        if transfer.aborted {
            return None;
        }
        // The first transfer has the delivery-id and the format.
        let is_message = transfer.delivery_id.is_some() && transfer.message_format.unwrap_or(0) == 0;
        if begun.is_none() && !transfer.more {
            return is_message.then_some(payload);
        }
        let message = begun.unwrap_or_else(|| is_message.then(BytesMut::new));
        let held: usize = self.0.values().flatten().chain(&message).map(BytesMut::len).sum();
        let mut message = message.filter(|_| held + payload.len() <= MOST as usize);
        message.iter_mut().for_each(|message| message.extend_from_slice(&payload));
        if !transfer.more {
            return message.map(BytesMut::freeze);
        }
        if self.0.len() < MOST_DELIVERIES {
            self.0.insert(key, message);
        }
        None
    }

    /// Removes the deliveries of a link or session that ends.
    pub(crate) fn forget(&mut self, channel: Channel, performative: &Performative) {
        match performative {
            Performative::Open(_) => self.0.clear(),
            Performative::End(_) => self.0.retain(|(own, _), _| *own != channel.get()),
            Performative::Detach(detach) => drop(self.0.remove(&(channel.get(), detach.handle.get()))),
            _ => {}
        }
    }
}

/// Prints each header and frame on a line, with the sections of its message below.
pub(crate) fn print_frames(input: &mut Input, out: &mut impl Write) -> Result<(), Stop> {
    let mut deframer = Deframer::new();
    let mut unfinished = Unfinished::default();
    loop {
        let start = deframer.position();
        let fault = |error: DecodeError| Stop::decode(start, &error);
        // A header may stand between frames. No frame begins with its `A`, as that would mean a size of 1 GiB.
        if deframer.remaining().first() == Some(&b'A') {
            if let Some(header) = deframer.next_header().map_err(fault)? {
                writeln!(out, "{start:>8}  {header:?}")?;
                continue;
            }
        } else if let Some(frame) = deframer.next_frame(MOST).map_err(fault)? {
            let frame = frame.decode(&Limits::DEFAULT).map_err(fault)?;
            writeln!(out, "{start:>8}  {frame}")?;
            let Frame::Amqp { channel, performative, payload } = frame else { continue };
            unfinished.forget(channel, &performative);
            let Performative::Transfer(transfer) = performative else { continue };
            let here = payload.len();
            let Some(message) = unfinished.add(channel, &transfer, payload) else { continue };
            let (in_one_frame, first) = (message.len() == here, deframer.position() - here as u64);
            print_sections(message, "            ", out).map_err(|stop| match stop {
                Stop::Fault(at, reason) if in_one_frame => Stop::Fault(first + at, reason),
                Stop::Fault(at, reason) => Stop::Fault(start, format!("octet {at} of the message: {reason}")),
                other => other,
            })?;
            continue;
        }
        out.flush()?;
        if !input.read(deframer.input())? {
            let reason = "the stream ends inside a frame or a protocol header".to_owned();
            return if deframer.remaining().is_empty() { Ok(()) } else { Err(Stop::Fault(start, reason)) };
        }
    }
}
