//! Sessions [2.5].

use super::super::case::{Case, Played, defined, holds, must, not_tried, should};
use super::super::peer::Peer;
use super::super::stages::{begin, closing, message};
use super::super::wire::{Frame, Out};

pub(super) const CASES: [Case; 17] = [
    must("S-BEG-01", "2.5.1", "answers a begin with its channel as remote-channel", remote_channel),
    must(
        "S-BEG-01",
        "2.7.2",
        "sets remote-channel also for a session that has ended meanwhile",
        ended_meanwhile,
    ),
    must("S-BEG-05", "2.7.2", "sets next-outgoing-id and both windows in its begin", begin_fields),
    defined("C-CHAN-01", "2.7.1", "has two sessions on a connection", two_sessions),
    defined("S-END-01", "2.5.2", "answers an end with an end", answers_end),
    defined("S-END-01", "2.5.2", "lets a channel be used again after the ends", channel_again),
    defined("S-END-01", "2.5.2", "lets a channel be used again before the peer's end", channel_at_once),
    must("S-FLOW-02", "2.7.4", "ends the session with unattached-handle at a flow for no link", stray_flow),
    defined(
        "L-HAND-05",
        "2.8.17",
        "ends the session with unattached-handle at a transfer for no link",
        stray_transfer,
    ),
    defined(
        "L-HAND-05",
        "2.8.17",
        "ends the session with unattached-handle at a detach for no link",
        stray_detach,
    ),
    must("S-END-03", "2.5.4", "drops all frames of a session that it has ended for an error", discards),
    defined(
        "S-END-03",
        "2.5.4",
        "goes on with the connection after it has ended a session",
        connection_goes_on,
    ),
    must("S-BEG-08", "2.7.2", "closes with framing-error at a handle above its handle-max", handle_too_high),
    should("S-FLOW-03", "2.7.4", "answers a flow that asks for the session's state", echo),
    should("S-FLOW-05", "2.7.4", "does not ask for an echo in its answer", no_echo_of_echo),
    must("S-WIN-12", "2.7.4", "sets next-incoming-id in a flow", next_incoming_id),
    must("S-WIN-13", "2.7.4", "sets the windows and next-outgoing-id in a flow", flow_fields),
];

fn remote_channel(peer: &mut Peer<'_>) -> Played {
    let open = peer.opened()?;
    let channel: u16 = if open.get("channel-max").number() == Some(0) { 0 } else { 1 };
    peer.send([begin().on(channel)]);
    let answer = peer.expects("begin", |frame| frame.is("begin"))?;
    let expected = format!("remote-channel {channel}");
    holds(answer.get("remote-channel").number() == Some(channel.into()), &expected, || answer.to_string())
}

fn ended_meanwhile(peer: &mut Peer<'_>) -> Played {
    peer.opened()?;
    peer.send([begin(), Out::new("end")]);
    let answer = peer.expects("begin", |frame| frame.is("begin"))?;
    holds(answer.get("remote-channel").number() == Some(0), "remote-channel 0", || answer.to_string())
}

fn begin_fields(peer: &mut Peer<'_>) -> Played {
    let answer = peer.begun()?;
    let all = ["next-outgoing-id", "incoming-window", "outgoing-window"];
    holds(all.iter().all(|name| answer.get(name).uint().is_some()), "three uints", || answer.to_string())
}

fn two_sessions(peer: &mut Peer<'_>) -> Played {
    let open = peer.opened()?;
    if open.get("channel-max").number() == Some(0) {
        return not_tried("the peer has channel 0 only");
    }
    peer.send([begin(), begin().on(1)]);
    let first = peer.expects("begin", |frame| frame.is("begin"))?;
    let second = peer.expects("another begin", |frame| frame.is("begin"))?;
    holds(first.channel != second.channel, "two channels", || format!("{first}, {second}"))
}

fn answers_end(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    peer.send([Out::new("end")]);
    let end = peer.expects("end without an error", |frame| frame.is("end"))?;
    holds(end.condition().is_none(), "end without an error", || end.to_string())
}

fn channel_again(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    peer.send([Out::new("end")]);
    peer.needs("end", |frame| frame.is("end"))?;
    peer.send([begin()]);
    peer.expects("begin", |frame| frame.is("begin")).map(drop)
}

/// An end frees the channel at once for the end that sends it, and for the end that receives it (Figure 2.27).
fn channel_at_once(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    peer.send([Out::new("end"), begin()]);
    // The answers may come in any order.
    let first = peer.expects("begin and end", |frame| frame.is("begin") || frame.is("end"))?;
    let other = if first.is("end") { "begin" } else { "end" };
    peer.expects(other, |frame| frame.is(other)).map(drop)
}

const UNATTACHED: [&str; 1] = ["amqp:session:unattached-handle"];

fn stray_flow(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    let flow = peer.flow().with("handle", 5u32).with("delivery-count", 0u32).with("link-credit", 1u32);
    peer.send([flow]);
    peer.expects_session_end(&UNATTACHED)
}

fn stray_transfer(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    let transfer = Out::new("transfer").with("handle", 5u32).with("delivery-id", 0u32);
    let transfer = transfer.with("delivery-tag", &b"t"[..]).with("message-format", 0u32);
    peer.send([transfer.with_payload(&message("stray"))]);
    peer.expects_session_end(&UNATTACHED)
}

fn stray_detach(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    peer.send([closing(5)]);
    peer.expects_session_end(&UNATTACHED)
}

/// Makes the peer end the session on channel 0 for an error.
fn failed(peer: &mut Peer<'_>) -> Result<Frame, super::super::case::Stop> {
    peer.begun()?;
    let flow = peer.flow().with("handle", 5u32).with("delivery-count", 0u32).with("link-credit", 1u32);
    peer.send([flow]);
    peer.needs("end", |frame| frame.is("end"))
}

fn discards(peer: &mut Peer<'_>) -> Played {
    failed(peer)?;
    let attach = peer.attach_receiver("late", 0);
    let flow = peer.flow().with("echo", true);
    peer.send([attach, flow]);
    let (frames, end) = peer.rest();
    let came: Vec<_> = frames.iter().map(Frame::to_string).chain(end).collect();
    holds(came.is_empty(), "nothing", || came.join(", "))
}

fn connection_goes_on(peer: &mut Peer<'_>) -> Played {
    failed(peer)?;
    peer.send([Out::new("end"), begin()]);
    peer.expects("begin", |frame| frame.is("begin")).map(drop)
}

fn handle_too_high(peer: &mut Peer<'_>) -> Played {
    let begin = peer.begun()?;
    let most = begin.get("handle-max").uint().unwrap_or(u32::MAX);
    let Some(handle) = most.checked_add(1) else { return not_tried("the peer allows every handle") };
    let attach = peer.attach_receiver("high", handle);
    peer.send([attach]);
    peer.expects_close(&["amqp:connection:framing-error"])
}

fn echo(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    peer.send([peer.flow().with("echo", true)]);
    peer.expects("flow", |frame| frame.is("flow")).map(drop)
}

/// Returns a flow of the peer.
fn any_flow(peer: &mut Peer<'_>) -> Result<Frame, super::super::case::Stop> {
    peer.begun()?;
    peer.send([peer.flow().with("echo", true)]);
    if let Ok(flow) = peer.until(|frame| frame.is("flow")) {
        return Ok(flow);
    }
    let link = peer.attaches(peer.attach_sender("asks", 0))?;
    peer.granted(&link)
}

fn no_echo_of_echo(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    peer.send([peer.flow().with("echo", true)]);
    let flow = peer.needs("flow", |frame| frame.is("flow"))?;
    holds(!flow.get("echo").is_true(), "a flow without echo", || flow.to_string())
}

fn next_incoming_id(peer: &mut Peer<'_>) -> Played {
    let flow = any_flow(peer)?;
    holds(flow.get("next-incoming-id").uint() == Some(0), "next-incoming-id 0", || flow.to_string())
}

fn flow_fields(peer: &mut Peer<'_>) -> Played {
    let flow = any_flow(peer)?;
    let all = ["incoming-window", "next-outgoing-id", "outgoing-window"];
    holds(all.iter().all(|name| flow.get(name).uint().is_some()), "three uints", || flow.to_string())
}
