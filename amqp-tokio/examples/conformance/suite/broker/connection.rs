//! Connections [2.4].

use std::time::{Duration, Instant};

use super::super::case::{Case, Played, advised, defined, deviates, holds, must, not_tried, should};
use super::super::peer::{Input, Peer};
use super::super::stages::begin;
use super::super::wire::{Frame, Out, Value, composite, described, framed, symbol};

pub(super) const CASES: [Case; 20] = [
    must("C-OPEN-01", "2.4.1", "sends open first, on channel 0", open_first),
    must("C-OPEN-03", "2.7.1", "names its container", container_id),
    defined("C-OPEN-04", "2.4.2", "accepts frames that are sent before its open has come", pipelined),
    advised("C-OPEN-01", "2.4.1", "refuses a begin that comes before the open", begin_first),
    defined(
        "C-OPEN-09",
        "2.7.1",
        "ignores capabilities and properties that it does not know",
        unknown_extensions,
    ),
    must("C-CLOSE-03", "2.4.3", "answers a close with a close", answers_close),
    must("C-CLOSE-01", "2.4.3", "writes nothing behind its close", nothing_after_close),
    should("C-CLOSE-08", "2.4.3", "ends the stream after the closes", ends_stream),
    defined("C-CLOSE-10", "2.7.9", "answers a close that has an error", answers_error),
    defined("C-CLOSE-04", "2.4.3", "accepts a close on another channel", close_elsewhere),
    should("C-CLOSE-04", "2.4.3", "sends its close on channel 0", close_on_zero),
    should("C-CLOSE-02", "2.4.3", "reads on after a close with an error, until the answer", awaits_answer),
    must("C-CLOSE-06", "2.4.6", "drops all frames after it has closed for an error", discards),
    must(
        "C-CHAN-02",
        "2.7.1",
        "closes with framing-error at a channel above its channel-max",
        channel_too_high,
    ),
    defined("C-CHAN-03", "2.4", "begins a session on the highest channel that it allows", highest_channel),
    defined("C-IDLE-04", "2.7.1", "sends frames as often as the idle-time-out asks", heartbeats),
    should("C-IDLE-08", "2.4.5", "sends empty frames on channel 0", heartbeat_channel),
    defined("C-IDLE-05", "2.7.1", "takes an idle-time-out of 0 for none", no_idle_timeout),
    should("C-IDLE-03", "2.4.5", "closes with an error when its idle-time-out has passed", gives_up),
    defined("C-IDLE-01", "2.4.5", "lets a connection live that sends empty frames", is_kept_alive),
];

fn open_first(peer: &mut Peer<'_>) -> Played {
    peer.ready()?;
    peer.send([peer.open()]);
    match peer.next(peer.target.times.answer) {
        Input::Frame(frame) if frame.is("open") && frame.channel == 0 => Ok(()),
        other => deviates("open on channel 0", other.to_string()),
    }
}

fn container_id(peer: &mut Peer<'_>) -> Played {
    let open = peer.opened()?;
    holds(matches!(open.get("container-id"), Value::Text(_)), "a string as container-id", || open.to_string())
}

fn pipelined(peer: &mut Peer<'_>) -> Played {
    peer.authenticated()?;
    let mut octets = super::super::wire::AMQP.to_vec();
    let attach = peer.attach_sender("pipelined", 0);
    for frame in [peer.open(), begin(), attach] {
        octets.extend(frame.octets());
    }
    peer.write("AMQP header, open, begin and attach", &octets);
    match peer.header() {
        Ok(_) => {}
        Err(came) => return deviates("a header", came),
    }
    for name in ["open", "begin", "attach"] {
        peer.expects(name, |frame| frame.is(name))?;
    }
    Ok(())
}

fn begin_first(peer: &mut Peer<'_>) -> Played {
    peer.ready()?;
    peer.send([begin()]);
    match peer.until(|frame| frame.is("begin") || frame.is("close")) {
        Ok(frame) if frame.is("close") => Ok(()),
        Ok(frame) => deviates("a close, or the end of the stream", frame.to_string()),
        Err(_) if peer.has_ended() => Ok(()),
        Err(came) => not_tried(format!("the peer does nothing that shows it: {came}")),
    }
}

fn unknown_extensions(peer: &mut Peer<'_>) -> Played {
    let many = Value::Array(vec![symbol("conformance-one"), symbol("conformance-two")]);
    let properties = Value::Map(vec![
        (symbol("conformance"), described(0x1234_5678_9abc, Value::List(vec![true.into()]))),
        (symbol("other"), Value::Null),
    ]);
    let open = peer
        .open()
        .with("offered-capabilities", many.clone())
        .with("desired-capabilities", many)
        .with("properties", properties);
    peer.ready()?;
    peer.send([open]);
    peer.expects("open", |frame| frame.is("open"))?;
    peer.expects_clean_close()
}

fn answers_close(peer: &mut Peer<'_>) -> Played {
    peer.opened()?;
    peer.expects_clean_close()
}

/// Closes the connection. Returns the peer's close.
fn closed(peer: &mut Peer<'_>) -> Result<Frame, super::super::case::Stop> {
    peer.begun()?;
    peer.send([Out::new("close")]);
    peer.needs("close", |frame| frame.is("close"))
}

fn nothing_after_close(peer: &mut Peer<'_>) -> Played {
    closed(peer)?;
    match peer.next(peer.target.times.quiet) {
        Input::End(_) | Input::Silence(_) => Ok(()),
        other => deviates("nothing behind the close", other.to_string()),
    }
}

fn ends_stream(peer: &mut Peer<'_>) -> Played {
    closed(peer)?;
    peer.shut();
    peer.expects_end("the end of the stream")
}

fn error() -> Value {
    composite(
        "error",
        &[("condition", symbol("amqp:internal-error")), ("description", "the tester closes".into())],
    )
}

fn answers_error(peer: &mut Peer<'_>) -> Played {
    peer.opened()?;
    peer.send([Out::new("close").with("error", error())]);
    peer.expects("close", |frame| frame.is("close")).map(drop)
}

fn close_elsewhere(peer: &mut Peer<'_>) -> Played {
    let open = peer.opened()?;
    if open.get("channel-max").number() == Some(0) {
        return not_tried("the peer has channel 0 only");
    }
    peer.send([Out::new("close").on(1)]);
    let close = peer.expects("close without an error", |frame| frame.is("close"))?;
    holds(close.condition().is_none(), "close without an error", || close.to_string())
}

fn close_on_zero(peer: &mut Peer<'_>) -> Played {
    let close = closed(peer)?;
    holds(close.channel == 0, "channel 0", || close.to_string())
}

/// Makes the peer close the connection for an error.
fn failed(peer: &mut Peer<'_>) -> Played {
    peer.opened()?;
    peer.write("an empty frame with the data offset 1", &framed(0, 0, 1, &[]));
    peer.needs("close", |frame| frame.is("close")).map(drop)
}

fn awaits_answer(peer: &mut Peer<'_>) -> Played {
    failed(peer)?;
    match peer.next(peer.target.times.quiet) {
        Input::Silence(_) => Ok(()),
        Input::End(_) if peer.is_read() => Ok(()),
        other => deviates("a peer that reads until the answer has come", other.to_string()),
    }
}

fn discards(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    let body = Value::from("x").octets(super::super::wire::Form::Short);
    peer.write("a frame with a string", &framed(0, 0, 2, &body));
    peer.needs("close", |frame| frame.is("close"))?;
    peer.send([begin().on(1), Out::new("end")]);
    let (frames, end) = peer.rest();
    if let Some(frame) = frames.first() {
        return deviates("nothing behind the close", frame.to_string());
    }
    match end {
        Some(end) if !peer.is_read() => {
            not_tried(format!("the peer does not wait for the answer to its close: {end}"))
        }
        _ => Ok(()),
    }
}

fn channel_too_high(peer: &mut Peer<'_>) -> Played {
    let open = peer.opened()?;
    let most = open.get("channel-max").number().unwrap_or(u64::from(u16::MAX));
    let Ok(channel) = u16::try_from(most + 1) else { return not_tried("the peer allows every channel") };
    peer.send([begin().on(channel)]);
    peer.expects_close(&["amqp:connection:framing-error"])
}

fn highest_channel(peer: &mut Peer<'_>) -> Played {
    let open = peer.opened()?;
    let most = open.get("channel-max").number().unwrap_or(u64::from(u16::MAX));
    let channel = u16::try_from(most).unwrap_or(u16::MAX);
    peer.send([begin().on(channel)]);
    let answer = peer.expects("begin", |frame| frame.is("begin"))?;
    let expected = format!("remote-channel {channel}");
    holds(answer.get("remote-channel").number() == Some(most), &expected, || answer.to_string())
}

const IDLE: Duration = Duration::from_secs(2);
const IDLE_MILLIS: u32 = 2_000;

/// Listens to a peer that has to send frames. Returns the longest silence, and the empty frames.
fn heard(peer: &mut Peer<'_>) -> Result<(Duration, Vec<Frame>), super::super::case::Stop> {
    let open = peer.open().with("idle-time-out", IDLE_MILLIS);
    peer.opened_with(open)?;
    let (mut last, mut longest, mut empty) = (Instant::now(), Duration::ZERO, Vec::new());
    let end = last + IDLE * 5 / 2;
    while Instant::now() < end {
        match peer.next(end.saturating_duration_since(Instant::now())) {
            Input::Frame(frame) if frame.is("close") => {
                return not_tried(format!("the peer does not take an idle-time-out of 2 s: {frame}"));
            }
            Input::Frame(frame) => {
                longest = longest.max(last.elapsed());
                last = Instant::now();
                if frame.is_empty() {
                    empty.push(frame);
                }
            }
            Input::Silence(_) => {}
            other => return not_tried(format!("the peer does not take an idle-time-out of 2 s: {other}")),
        }
    }
    Ok((longest.max(last.elapsed()), empty))
}

fn heartbeats(peer: &mut Peer<'_>) -> Played {
    let (longest, _) = heard(peer)?;
    // Half a second more is left to a busy machine.
    let came = || format!("nothing for {:.1} s", longest.as_secs_f32());
    holds(longest < IDLE + Duration::from_millis(500), "a frame in every 2 s", came)
}

fn heartbeat_channel(peer: &mut Peer<'_>) -> Played {
    let (_, empty) = heard(peer)?;
    if empty.is_empty() {
        return not_tried("the peer sends no empty frames");
    }
    let other = empty.iter().find(|frame| frame.channel != 0);
    holds(other.is_none(), "channel 0", || other.map(Frame::to_string).unwrap_or_default())
}

fn no_idle_timeout(peer: &mut Peer<'_>) -> Played {
    let open = peer.open().with("idle-time-out", 0u32);
    peer.ready()?;
    peer.send([open]);
    peer.expects("open", |frame| frame.is("open"))?;
    peer.expects_clean_close()
}

/// Returns the idle-time-out that the peer announces, if it can be waited for twice.
fn announced(peer: &mut Peer<'_>) -> Result<Duration, super::super::case::Stop> {
    let open = peer.opened()?;
    let Some(millis) = open.get("idle-time-out").number().filter(|millis| *millis > 0) else {
        return not_tried("the peer announces no idle-time-out");
    };
    let time = Duration::from_millis(millis);
    if time * 2 > peer.target.times.idle {
        return not_tried(format!("the peer announces an idle-time-out of {millis} ms; see --idle"));
    }
    Ok(time)
}

fn gives_up(peer: &mut Peer<'_>) -> Played {
    let time = announced(peer)?;
    let expected = "close with an error";
    match peer.until_within(time * 3, |frame| frame.is("close")) {
        Ok(close) => holds(close.condition().is_some(), expected, || close.to_string()),
        Err(came) => deviates(expected, came),
    }
}

fn is_kept_alive(peer: &mut Peer<'_>) -> Played {
    let time = announced(peer)?;
    for _ in 0..6 {
        peer.write("an empty frame", &framed(0, 0, 2, &[]));
        if let (frames, Some(end)) = peer.rest_within(time / 2) {
            let frames: Vec<_> = frames.iter().map(Frame::to_string).chain([end]).collect();
            return deviates("a connection that stays open", frames.join(", "));
        }
    }
    peer.expects_clean_close()
}
