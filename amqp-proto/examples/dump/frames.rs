//! [`print_frames`]: the frames of a connection as lines, with the sections of its messages below.

use std::io::{self, Write};

use amqp_proto::wire::{Frame, Performative};

use super::conversation::Conversation;
use super::diagram::{time, title};
use super::ledger::Ledger;
use super::sections::print_sections;
use super::step::{Both, Side, Step, What};
use super::stop::Stop;
use super::stream::Unfinished;

/// Prints every header and frame of both ends with all its fields.
pub(crate) fn print_frames(
    conversation: &Conversation,
    ledger: &Ledger,
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(out, "{}", title(conversation, ledger))?;
    writeln!(out)?;
    let mut unfinished: Both<Unfinished> = Both::default();
    for (step, entry) in conversation.steps.iter().zip(&ledger.entries) {
        print_frame(step, unfinished.of_mut(step.from), out)?;
        if let Some(fault) = &entry.fault {
            writeln!(out, "                ! fault at {}: {fault}", step.place)?;
        }
    }
    Ok(())
}

fn print_frame(step: &Step, unfinished: &mut Unfinished, out: &mut impl Write) -> io::Result<()> {
    let arrow = if step.from == Side::Client { "->" } else { "<-" };
    let before = format!("{:>12} {arrow} ", time(step));
    match &step.what {
        What::Header(header) => writeln!(out, "{before}{header:?}"),
        What::Remark(words) => writeln!(out, "{before}* {words}"),
        What::Fault(_) => writeln!(out, "{before}octets that are no frame"),
        What::Frame(frame, count) => {
            let Frame::Amqp { channel, performative, payload } = &**frame else {
                return writeln!(out, "{before}{frame}");
            };
            match *count {
                0 => writeln!(out, "{before}[{channel}] {performative:?}")?,
                count => writeln!(out, "{before}[{channel}] {performative:?} + {count} octets")?,
            }
            unfinished.forget(*channel, performative);
            // A trace has the length of a payload and not the payload.
            let Performative::Transfer(transfer) = performative else { return Ok(()) };
            if payload.len() < *count {
                return Ok(());
            }
            let Some(message) = unfinished.add(*channel, transfer, payload.clone()) else { return Ok(()) };
            match print_sections(message, "                    ", out) {
                Err(Stop::Fault(at, reason)) => {
                    writeln!(out, "                    ! octet {at} of the message: {reason}")
                }
                Err(Stop::Io(error)) => Err(error),
                _ => Ok(()),
            }
        }
    }
}
