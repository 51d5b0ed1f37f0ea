//! Types and their encodings [1].

use super::super::case::{Case, Played, advised, defined, holds, must};
use super::super::peer::Peer;
use super::super::stages::begin;
use super::super::wire::{Form, Frame, Out, Value, framed, raw, symbol};

pub(super) const CASES: [Case; 15] = [
    defined("E-ENC-05", "1.6", "reads every value in its longest encoding", longest_encodings),
    defined("E-DESC-03", "1.5", "reads symbolic descriptors", symbolic_descriptors),
    defined("E-COMP-02", "1.4", "reads a list without its trailing nulls", left_out),
    defined("E-COMP-02", "1.4", "reads a list with its trailing nulls", spelled_out),
    defined("E-COMP-06", "1.4", "reads one value where several are allowed", one_of_many),
    must("E-COMP-07", "1.4", "takes an empty array for no value", none_of_many),
    advised("E-COMP-03", "1.4", "refuses an open without container-id", no_container_id),
    advised("E-COMP-03", "1.4", "refuses a begin without incoming-window", no_window),
    advised("E-COMP-03", "1.4", "refuses an attach without name", no_name),
    advised("E-COMP-09", "1.4", "refuses a container-id that is a number", wrong_type),
    advised("E-COMP-10", "1.3.5", "refuses a rcv-settle-mode that does not exist", no_such_choice),
    advised("E-ENC-08", "1.6.20", "refuses a string that is not UTF-8", not_utf8),
    advised("E-SIZE-03", "1.2.3", "refuses a list that is longer than its frame", past_the_end),
    advised("E-MAP-01", "1.6.23", "refuses a map with an odd number of items", odd_map),
    defined("E-COMP-12", "2.8.13", "sends properties with symbols for keys", symbol_keys),
];

fn answers(peer: &mut Peer<'_>, open: Out) -> Played {
    peer.ready()?;
    peer.send([open]);
    let expected = "open, and no error";
    peer.expects(expected, |frame| frame.is("open"))?;
    peer.expects_clean_close()
}

/// Expects that the peer answers an open with an error, or ends the connection.
fn refuses(peer: &mut Peer<'_>, open: Out) -> Played {
    peer.ready()?;
    peer.send([open]);
    refused(peer)
}

fn refused(peer: &mut Peer<'_>) -> Played {
    let expected = "close with an error, or the end of the stream";
    match peer.until(|frame| frame.is("close")) {
        Ok(close) => holds(close.condition().is_some(), expected, || close.to_string()),
        Err(_) if peer.has_ended() => Ok(()),
        Err(came) => super::super::case::deviates(expected, came),
    }
}

fn full_open(peer: &Peer<'_>) -> Out {
    peer.open()
        .with("max-frame-size", 4_096u32)
        .with("channel-max", 5u16)
        .with("idle-time-out", 60_000u32)
        .with("desired-capabilities", Value::Array(vec![symbol("conformance")]))
        .with("properties", Value::Map(vec![(symbol("conformance"), true.into())]))
}

fn longest_encodings(peer: &mut Peer<'_>) -> Played {
    let open = full_open(peer).in_form(Form::Wide);
    peer.ready()?;
    peer.send([open, begin().in_form(Form::Wide)]);
    peer.expects("open", |frame| frame.is("open"))?;
    peer.expects("begin", |frame| frame.is("begin"))?;
    peer.expects_clean_close()
}

fn symbolic_descriptors(peer: &mut Peer<'_>) -> Played {
    let open = full_open(peer).in_form(Form::Symbolic);
    peer.ready()?;
    peer.send([open, begin().in_form(Form::Symbolic)]);
    peer.expects("open", |frame| frame.is("open"))?;
    peer.expects("begin", |frame| frame.is("begin"))?;
    peer.expects_clean_close()
}

fn left_out(peer: &mut Peer<'_>) -> Played {
    let open = peer.open();
    answers(peer, open)
}

fn spelled_out(peer: &mut Peer<'_>) -> Played {
    let open = peer.open().spelled_out();
    answers(peer, open)
}

fn one_of_many(peer: &mut Peer<'_>) -> Played {
    let open = peer.open().with("desired-capabilities", symbol("conformance"));
    answers(peer, open)
}

fn none_of_many(peer: &mut Peer<'_>) -> Played {
    let none = Value::Array(Vec::new());
    let open = peer.open().with("offered-capabilities", none.clone()).with("desired-capabilities", none);
    answers(peer, open)
}

fn no_container_id(peer: &mut Peer<'_>) -> Played {
    let open = peer.open().without("container-id").with("max-frame-size", 4_096u32);
    refuses(peer, open)
}

fn no_window(peer: &mut Peer<'_>) -> Played {
    peer.opened()?;
    peer.send([begin().without("incoming-window")]);
    peer.expects_refusal()
}

fn no_name(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    let attach = peer.attach_receiver("nameless", 0).without("name");
    peer.send([attach]);
    peer.expects_refusal()
}

fn wrong_type(peer: &mut Peer<'_>) -> Played {
    let open = peer.open().with("container-id", 7u32);
    refuses(peer, open)
}

fn no_such_choice(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    let attach = peer.attach_receiver("choice", 0).with("rcv-settle-mode", 7u8);
    peer.send([attach]);
    peer.expects_refusal()
}

fn not_utf8(peer: &mut Peer<'_>) -> Played {
    let open = peer.open().with("container-id", raw(&[0xa1, 3, b'a', 0xff, b'b']));
    refuses(peer, open)
}

fn past_the_end(peer: &mut Peer<'_>) -> Played {
    peer.ready()?;
    // A list8 whose size says 200 octets, in a frame that has fewer.
    peer.write(
        "an open that is cut short",
        &framed(0, 0, 2, &[0x00, 0x53, 0x10, 0xc0, 200, 1, 0xa1, 1, b'x']),
    );
    refused(peer)
}

fn odd_map(peer: &mut Peer<'_>) -> Played {
    let open = peer.open().with("properties", raw(&[0xc1, 4, 1, 0xa3, 1, b'x']));
    refuses(peer, open)
}

fn symbol_keys(peer: &mut Peer<'_>) -> Played {
    let open = peer.opened()?;
    let expected = "symbols for keys";
    match open.get("properties") {
        Value::Map(entries) => {
            let all = entries.iter().all(|(key, _)| matches!(key, Value::Symbol(_)));
            holds(all, expected, || Frame::to_string(&open))
        }
        Value::Null => super::super::case::not_tried("the peer's open has no properties"),
        _ => super::super::case::deviates(expected, open.to_string()),
    }
}
