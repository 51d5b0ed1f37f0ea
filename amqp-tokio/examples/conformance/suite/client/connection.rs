//! Frames [2.3] and connections [2.4].

use std::time::{Duration, Instant};

use super::super::case::{Case, Played, defined, deviates, holds, must, not_tried};
use super::super::peer::{Input, Peer};
use super::super::wire::{Form, Frame, Out, Value, composite, framed, symbol};
use super::host::Host;

pub(super) const CASES: [Case; 16] = [
    must("C-OPEN-01", "2.4.1", "sends open first, on channel 0", open_first),
    must("C-OPEN-03", "2.7.1", "names its container", container_id),
    must("F-MAX-01", "2.4.1", "sends an open of 512 octets at most", small_open),
    must("F-MAX-04", "2.8.19", "announces a max-frame-size of 512 at least", announced_size),
    defined("E-COMP-12", "2.8.13", "sends properties with symbols for keys", symbol_keys),
    defined("F-LAY-05", "2.3.2", "ignores an extended header", extended_header),
    defined("E-ENC-05", "1.6", "reads every value in its longest encoding", longest_encodings),
    defined("E-DESC-03", "1.5", "reads symbolic descriptors", symbolic_descriptors),
    must("C-CHAN-01", "2.7.1", "uses channel 0 only with a channel-max of 0", one_channel),
    must("F-MAX-02", "2.7.1", "sends no frame above a max-frame-size of 512", small_frames),
    must("C-IDLE-07", "2.4.5", "accepts empty frames", empty_frames),
    defined("C-IDLE-04", "2.7.1", "sends frames as often as the idle-time-out asks", heartbeats),
    must("C-CLOSE-03", "2.4.3", "answers a close with a close", answers_close),
    must("C-CLOSE-01", "2.4.3", "writes nothing behind its close", nothing_after_close),
    defined("F-LAY-02", "2.3.1", "closes with an error at a frame of less than 8 octets", too_short),
    must(
        "C-CHAN-02",
        "2.7.1",
        "closes with framing-error at a channel above its channel-max",
        channel_too_high,
    ),
];

fn is_open(frame: &Frame) -> bool {
    frame.is("open")
}

/// Returns the open of the client, which is not answered yet.
fn opening(peer: &mut Peer<'_>) -> Result<Frame, super::super::case::Stop> {
    Host::new().needs(peer, "open", is_open)
}

/// Opens the connection from both ends.
fn opened(peer: &mut Peer<'_>) -> Result<Frame, super::super::case::Stop> {
    let open = opening(peer)?;
    Host::new().answer(peer, &open);
    Ok(open)
}

fn open_first(peer: &mut Peer<'_>) -> Played {
    Host::greets(peer)?;
    match peer.next(peer.target.times.answer) {
        Input::Frame(frame) if frame.is("open") && frame.channel == 0 => Ok(()),
        other => deviates("open on channel 0", other.to_string()),
    }
}

fn container_id(peer: &mut Peer<'_>) -> Played {
    let open = opening(peer)?;
    holds(matches!(open.get("container-id"), Value::Text(_)), "a string as container-id", || open.to_string())
}

fn small_open(peer: &mut Peer<'_>) -> Played {
    let open = opening(peer)?;
    holds(open.size <= 512, "a frame of at most 512 octets", || format!("{} octets", open.size))
}

fn announced_size(peer: &mut Peer<'_>) -> Played {
    let open = opening(peer)?;
    let size = open.get("max-frame-size").number().unwrap_or(u64::from(u32::MAX));
    holds(size >= 512, "max-frame-size of 512 at least", || open.to_string())
}

fn symbol_keys(peer: &mut Peer<'_>) -> Played {
    let open = opening(peer)?;
    match open.get("properties") {
        Value::Map(entries) => {
            let all = entries.iter().all(|(key, _)| matches!(key, Value::Symbol(_)));
            holds(all, "symbols for keys", || open.to_string())
        }
        Value::Null => not_tried("the client's open has no properties"),
        _ => deviates("symbols for keys", open.to_string()),
    }
}

/// Expects that the client goes on: it begins a session.
fn goes_on(peer: &mut Peer<'_>, host: &Host) -> Played {
    host.until(peer, |frame| frame.is("begin"))
        .map(drop)
        .or_else(|came| deviates("begin, and no error", came))
}

/// Answers the client's open by these octets.
fn answered_by(peer: &mut Peer<'_>, what: &str, octets: &[u8]) -> Played {
    opening(peer)?;
    peer.write(what, octets);
    // A client may have sent its begin before; a whole exchange shows that it has read the open.
    goes_on(peer, &Host::new())?;
    peer.send([Host::new().begin.with("remote-channel", 0u16), Out::new("close")]);
    let expected = "close without an error";
    let close = peer.expects(expected, |frame| frame.is("close"))?;
    holds(close.condition().is_none(), expected, || close.to_string())
}

fn extended_header(peer: &mut Peer<'_>) -> Played {
    answered_by(peer, "open behind an extended header", &Host::new().open.octets_behind(2))
}

fn full_open() -> Out {
    Host::new()
        .open
        .with("max-frame-size", 4_096u32)
        .with("channel-max", 5u16)
        .with("idle-time-out", 60_000u32)
        .with("properties", Value::Map(vec![(symbol("conformance"), true.into())]))
}

fn longest_encodings(peer: &mut Peer<'_>) -> Played {
    answered_by(peer, "open in the longest encodings", &full_open().in_form(Form::Wide).octets())
}

fn symbolic_descriptors(peer: &mut Peer<'_>) -> Played {
    answered_by(peer, "open with a symbolic descriptor", &full_open().in_form(Form::Symbolic).octets())
}

/// Lets a client of this host do all that it does. Returns its frames behind the open.
fn whole(peer: &mut Peer<'_>, host: &Host) -> Result<Vec<Frame>, super::super::case::Stop> {
    let open = host.needs(peer, "open", is_open)?;
    host.answer(peer, &open);
    let (frames, came) = host.all(peer);
    if frames.is_empty() {
        return not_tried(format!("the client sends nothing behind its open: {came}"));
    }
    Ok(frames)
}

fn one_channel(peer: &mut Peer<'_>) -> Played {
    let mut host = Host::new();
    host.open = host.open.with("channel-max", 0u16);
    let frames = whole(peer, &host)?;
    let other = frames.iter().find(|frame| frame.channel != 0);
    holds(other.is_none(), "channel 0 only", || other.map(ToString::to_string).unwrap_or_default())
}

fn small_frames(peer: &mut Peer<'_>) -> Played {
    let mut host = Host::new();
    host.open = host.open.with("max-frame-size", 512u32);
    let frames = whole(peer, &host)?;
    let largest = frames.iter().map(|frame| frame.size).max().unwrap_or_default();
    holds(largest <= 512, "frames of at most 512 octets", || format!("a frame of {largest} octets"))
}

fn empty_frames(peer: &mut Peer<'_>) -> Played {
    opened(peer)?;
    peer.write("three empty frames", &framed(0, 0, 2, &[]).repeat(3));
    goes_on(peer, &Host::new())
}

fn heartbeats(peer: &mut Peer<'_>) -> Played {
    let idle = Duration::from_secs(2);
    let open = opening(peer)?;
    let mut host = Host::new();
    // Without credit and messages the client has nothing else to say.
    (host.credit, host.messages) = (0, 0);
    host.open = host.open.with("idle-time-out", 2_000u32);
    host.answer(peer, &open);
    let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
    let end = last + idle * 5 / 2;
    while Instant::now() < end {
        match peer.next(end.saturating_duration_since(Instant::now())) {
            Input::Frame(frame) => {
                longest = longest.max(last.elapsed());
                last = Instant::now();
                host.answer(peer, &frame);
                if frame.is("close") {
                    return not_tried(format!("the client closes: {frame}"));
                }
            }
            Input::Silence(_) => {}
            other => return not_tried(format!("the client ends: {other}")),
        }
    }
    let longest = longest.max(last.elapsed());
    // Half a second more is left to a busy machine.
    let came = || format!("nothing for {:.1} s", longest.as_secs_f32());
    holds(longest < idle + Duration::from_millis(500), "a frame in every 2 s", came)
}

/// Closes the connection with an error. Returns the client's close.
fn closed(peer: &mut Peer<'_>) -> Result<Result<Frame, String>, super::super::case::Stop> {
    opened(peer)?;
    let error = composite("error", &[("condition", symbol("amqp:connection:forced"))]);
    peer.send([Out::new("close").with("error", error)]);
    Ok(peer.until(|frame| frame.is("close")))
}

fn answers_close(peer: &mut Peer<'_>) -> Played {
    closed(peer)?.map(drop).or_else(|came| deviates("close", came))
}

fn nothing_after_close(peer: &mut Peer<'_>) -> Played {
    closed(peer)?.or_else(|came| not_tried(format!("no close: {came}")))?;
    match peer.next(peer.target.times.quiet) {
        Input::End(_) | Input::Silence(_) => Ok(()),
        other => deviates("nothing behind the close", other.to_string()),
    }
}

fn too_short(peer: &mut Peer<'_>) -> Played {
    opened(peer)?;
    peer.write("a frame of 7 octets", &[0, 0, 0, 7, 2, 0, 0, 0]);
    peer.expects_close(&[])
}

fn channel_too_high(peer: &mut Peer<'_>) -> Played {
    let open = opened(peer)?;
    let most = open.get("channel-max").number().unwrap_or(u64::from(u16::MAX));
    let Ok(channel) = u16::try_from(most + 1) else { return not_tried("the client allows every channel") };
    peer.send([Host::new().begin.on(channel)]);
    peer.expects_close(&["amqp:connection:framing-error"])
}
