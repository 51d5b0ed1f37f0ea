//! [`read_trace`]: the lines that `PN_TRACE_FRM=1` or a hook of `Connection::set_trace` has printed.
//!
//! ```text
//! [0x5d1a07c3f2be]: -> [0] transfer { handle: 0, delivery_id: 0, delivery_tag: 0x30 } + 16 octets
//! ```

use std::collections::HashMap;

use bytes::Bytes;

use super::conversation::{Conversation, Recording};
use super::step::{Both, Place, Side, Step, What};
use super::trace_frame;

/// A line of a trace.
struct Line<'a> {
    /// The name of the connection; empty if the line has none.
    connection: &'a str,
    /// True if this end sent it.
    is_out: bool,
    what: What,
}

/// Returns whether a line of the text is one of a trace.
pub(crate) fn is_trace(head: &[u8]) -> bool {
    String::from_utf8_lossy(head).lines().any(|text| line(text).is_some())
}

/// Returns the connections of a trace. Other lines of the text are passed over.
pub(crate) fn read_trace(octets: &[u8]) -> Recording {
    let text = String::from_utf8_lossy(octets);
    let mut recording = Recording::default();
    let mut known: HashMap<&str, usize> = HashMap::new();
    // This end of each connection.
    let mut owns: Vec<Side> = Vec::new();
    let (mut others, mut foreign) = (0_u64, None);
    for (number, text) in (1..).zip(text.lines()) {
        let Some(Line { connection, is_out, what }) = line(text) else {
            others += u64::from(!text.trim().is_empty());
            foreign = foreign.or((!text.trim().is_empty()).then_some(number));
            continue;
        };
        let count = recording.conversations.len();
        let at = *known.entry(connection).or_insert(count);
        if at == count {
            // A server lets the client begin.
            let own = if is_out { Side::Client } else { Side::Server };
            let mut names = Both { client: "peer".to_owned(), server: "peer".to_owned() };
            *names.of_mut(own) = format!("this end {connection}").trim_end().to_owned();
            let is_whole = matches!(what, What::Header(_));
            recording.conversations.push(Conversation {
                number: count + 1,
                names,
                steps: Vec::new(),
                is_whole,
            });
            owns.push(own);
        }
        let own = owns.get(at).copied().unwrap_or(Side::Client);
        let from = if is_out { own } else { own.other() };
        if let Some(conversation) = recording.conversations.get_mut(at) {
            conversation.steps.push(Step {
                from,
                at: None,
                place: Place::Line(number),
                what,
                octets: Bytes::new(),
            });
        }
    }
    if let Some(first) = foreign {
        recording.remarks.push(format!("{others} lines are no frames, the first of them line {first}."));
    }
    recording
}

/// Reads a line such as `[0x5d1a07c3f2be]: <- header Amqp 1.0.0`.
fn line(text: &str) -> Option<Line<'_>> {
    let text = text.trim();
    let (connection, text) = match text.strip_prefix("[0x").and_then(|rest| rest.split_once("]: ")) {
        Some((digits, rest)) if digits.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
            (text.get(1..3 + digits.len())?, rest)
        }
        _ => ("", text),
    };
    let (is_out, text) = match text.split_at_checked(3)? {
        ("-> ", rest) => (true, rest),
        ("<- ", rest) => (false, rest),
        _ => return None,
    };
    Some(Line { connection, is_out, what: trace_frame::read(text)? })
}
