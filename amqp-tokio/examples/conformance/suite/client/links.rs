//! Sessions, links, credit and deliveries [2.5], [2.6].

use super::super::case::{Case, Played, Stop, defined, deviates, holds, must, not_tried};
use super::super::peer::Peer;
use super::super::wire::{Frame, Out, Value, composite, symbol};
use super::host::{Host, answer_to};

pub(super) const CASES: [Case; 10] = [
    must("S-BEG-01", "2.5.1", "begins a session without remote-channel", remote_channel),
    must("S-BEG-05", "2.7.2", "sets next-outgoing-id and both windows in its begin", begin_fields),
    defined("S-END-01", "2.5.2", "answers an end with an end", answers_end),
    must("S-BEG-07", "2.7.2", "uses handle 0 only with a handle-max of 0", one_handle),
    defined("L-ATT-01", "2.7.3", "names its link, and sets handle and role", attach_fields),
    must("L-ATT-02", "2.7.3", "sets initial-delivery-count as a sender", initial_delivery_count),
    defined("L-DET-01", "2.6.4", "answers a detach that has an error with a detach", answers_detach),
    defined("L-CLOSE-01", "2.6.6", "answers a closing detach with a closing detach", answers_closing),
    defined("L-ATT-06", "2.6.3", "answers the detach of a link that is refused", refused),
    must("S-WIN-12", "2.7.4", "sets next-incoming-id in a flow behind the begins", next_incoming_id),
];

pub(super) const MESSAGES: [Case; 6] = [
    must("T-CREDIT-06", "2.6.7", "sends nothing without credit", no_credit),
    must("T-CREDIT-06", "2.6.7", "sends one message for a credit of one", credit_of_one),
    must(
        "T-XFER-02",
        "2.7.5",
        "sets delivery-id and delivery-tag in the first transfer of a message",
        first_fields,
    ),
    must("T-XFER-06", "2.6.12", "gives each unsettled delivery a tag of its own", tags),
    defined("S-WIN-08", "2.5.6", "sends no more transfers than the incoming-window allows", incoming_window),
    defined("T-DISP-15", "2.8.3", "settles what it receives in mode first", settles),
];

fn begins(peer: &mut Peer<'_>) -> Result<Frame, Stop> {
    Host::new().needs(peer, "begin", |frame| frame.is("begin"))
}

fn attaches(peer: &mut Peer<'_>, host: &Host) -> Result<Frame, Stop> {
    host.needs(peer, "attach", |frame| frame.is("attach"))
}

fn remote_channel(peer: &mut Peer<'_>) -> Played {
    let begin = begins(peer)?;
    holds(begin.get("remote-channel").is_null(), "no remote-channel", || begin.to_string())
}

fn begin_fields(peer: &mut Peer<'_>) -> Played {
    let begin = begins(peer)?;
    let all = ["next-outgoing-id", "incoming-window", "outgoing-window"];
    holds(all.iter().all(|name| begin.get(name).uint().is_some()), "three uints", || begin.to_string())
}

fn error(condition: &str) -> Value {
    composite("error", &[("condition", symbol(condition)), ("description", "the tester says so".into())])
}

fn answers_end(peer: &mut Peer<'_>) -> Played {
    let host = Host::new();
    let begin = host.needs(peer, "begin", |frame| frame.is("begin"))?;
    host.answer(peer, &begin);
    peer.send([Out::new("end").with("error", error("amqp:resource-limit-exceeded")).on(begin.channel)]);
    answered(peer, "end", |frame| frame.is("end")).map(drop)
}

/// Returns the client's answer. A client that ends the session or the connection instead owes no answer, since this ends what
/// is in it, too [2.5.2] [2.6].
fn answered(peer: &mut Peer<'_>, expected: &str, is: impl Fn(&Frame) -> bool) -> Result<Frame, Stop> {
    let ends = |frame: &Frame| frame.is("end") || frame.is("close");
    let frame = peer.until(|frame| is(frame) || ends(frame)).or_else(|came| deviates(expected, came))?;
    if is(&frame) { Ok(frame) } else { not_tried(format!("the client ends what is around it: {frame}")) }
}

fn one_handle(peer: &mut Peer<'_>) -> Played {
    let mut host = Host::new();
    host.begin = host.begin.with("handle-max", 0u32);
    let begin = host.needs(peer, "begin", |frame| frame.is("begin"))?;
    // What is sent before the tester's begin does not know its handle-max.
    let (early, _) = peer.rest();
    [&begin].into_iter().chain(&early).for_each(|frame| host.answer(peer, frame));
    if early.iter().any(|frame| frame.is("attach")) {
        return not_tried("the client attaches its link before it knows the handle-max");
    }
    let (frames, came) = host.all(peer);
    let mut attaches = frames.iter().filter(|frame| frame.is("attach")).peekable();
    if attaches.peek().is_none() {
        return not_tried(format!("the client attaches no link: {came}"));
    }
    let other = attaches.find(|attach| attach.get("handle").uint() != Some(0));
    holds(other.is_none(), "handle 0 only", || other.map(ToString::to_string).unwrap_or_default())
}

fn attach_fields(peer: &mut Peer<'_>) -> Played {
    let attach = attaches(peer, &Host::new())?;
    let (name, role) = (attach.get("name"), attach.get("role"));
    let all = matches!(name, Value::Text(_))
        && matches!(role, Value::Bool(_))
        && attach.get("handle").uint().is_some();
    holds(all, "name, handle and role", || attach.to_string())
}

/// Returns the attach of a client that sends.
fn sends(peer: &mut Peer<'_>, host: &Host) -> Result<Frame, Stop> {
    let attach = attaches(peer, host)?;
    if attach.get("role").is_true() {
        return not_tried("the client is a receiver");
    }
    Ok(attach)
}

fn initial_delivery_count(peer: &mut Peer<'_>) -> Played {
    let attach = sends(peer, &Host::new())?;
    let set = attach.get("initial-delivery-count").uint().is_some();
    holds(set, "initial-delivery-count", || attach.to_string())
}

/// Attaches the link and detaches it by this frame. Returns the client's detach.
fn detached(peer: &mut Peer<'_>, detach: Out, expected: &str) -> Result<Frame, Stop> {
    let mut host = Host::new();
    // The link is idle when it is detached.
    (host.credit, host.messages) = (0, 0);
    let attach = attaches(peer, &host)?;
    host.answer(peer, &attach);
    peer.send([detach.with("handle", attach.get("handle").clone()).on(attach.channel)]);
    let is_answer = |frame: &Frame| frame.is("detach") && frame.get("handle") == attach.get("handle");
    answered(peer, expected, is_answer)
}

fn answers_detach(peer: &mut Peer<'_>) -> Played {
    let detach = Out::new("detach").with("closed", true).with("error", error("amqp:resource-deleted"));
    detached(peer, detach, "detach").map(drop)
}

fn answers_closing(peer: &mut Peer<'_>) -> Played {
    let expected = "detach with closed true";
    let answer = detached(peer, Out::new("detach").with("closed", true), expected)?;
    holds(answer.get("closed").is_true(), expected, || answer.to_string())
}

fn refused(peer: &mut Peer<'_>) -> Played {
    let attach = attaches(peer, &Host::new())?;
    let terminus = if attach.get("role").is_true() { "source" } else { "target" };
    let mut answer = answer_to(&attach).without(terminus);
    if attach.get("role").is_true() {
        answer = answer.with("initial-delivery-count", 0u32);
    }
    let detach = Out::new("detach").with("handle", attach.get("handle").clone()).with("closed", true);
    peer.send([answer, detach.with("error", error("amqp:not-found")).on(attach.channel)]);
    let expected = "detach with closed true";
    let detach = answered(peer, expected, |frame| frame.is("detach"))?;
    holds(detach.get("closed").is_true(), expected, || detach.to_string())
}

fn next_incoming_id(peer: &mut Peer<'_>) -> Played {
    let host = Host::new();
    Host::greets(peer)?;
    // The first flow may have been sent before the tester's begin was there; an echo asks for another.
    let attach = host
        .until(peer, |frame| frame.is("attach"))
        .or_else(|came| not_tried(format!("the client sends no attach: {came}")))?;
    host.answer(peer, &attach);
    peer.rest();
    peer.send([peer.flow().with("echo", true).on(attach.channel)]);
    let flow = peer.needs("flow", |frame| frame.is("flow"))?;
    holds(flow.get("next-incoming-id").uint().is_some(), "next-incoming-id", || flow.to_string())
}

fn transfers(frames: &[Frame]) -> usize {
    let whole = frames.iter().filter(|frame| frame.is("transfer") && !frame.get("more").is_true());
    whole.count()
}

/// Gives a client that sends this credit, and no outcomes. Returns its frames behind the attach.
fn granted(peer: &mut Peer<'_>, host: &Host) -> Result<Vec<Frame>, Stop> {
    let attach = sends(peer, host)?;
    host.answer(peer, &attach);
    Ok(host.all(peer).0)
}

fn no_credit(peer: &mut Peer<'_>) -> Played {
    let mut host = Host::new();
    host.credit = 0;
    let frames = granted(peer, &host)?;
    holds(transfers(&frames) == 0, "no transfer", || format!("{} messages", transfers(&frames)))
}

fn credit_of_one(peer: &mut Peer<'_>) -> Played {
    let mut host = Host::new();
    host.credit = 1;
    let frames = granted(peer, &host)?;
    if transfers(&frames) == 0 {
        return not_tried("the client sends no message");
    }
    holds(transfers(&frames) == 1, "one message", || format!("{} messages", transfers(&frames)))
}

fn first_fields(peer: &mut Peer<'_>) -> Played {
    let frames = granted(peer, &Host::new())?;
    let Some(first) = frames.iter().find(|frame| frame.is("transfer")) else {
        return not_tried("the client sends no message");
    };
    let set =
        first.get("delivery-id").uint().is_some() && matches!(first.get("delivery-tag"), Value::Binary(_));
    holds(set, "delivery-id and delivery-tag", || first.to_string())
}

fn tags(peer: &mut Peer<'_>) -> Played {
    let mut host = Host::new();
    host.accepts = false;
    let frames = granted(peer, &host)?;
    let unsettled = frames.iter().filter(|frame| frame.is("transfer") && !frame.get("settled").is_true());
    let tags: Vec<&Value> =
        unsettled.map(|frame| frame.get("delivery-tag")).filter(|tag| !tag.is_null()).collect();
    if tags.len() < 2 {
        return not_tried("the client has no two messages unsettled at a time");
    }
    let twice = tags.iter().enumerate().find(|(place, tag)| tags[..*place].contains(tag));
    holds(twice.is_none(), "a tag for each", || twice.map(|(_, tag)| tag.to_string()).unwrap_or_default())
}

fn incoming_window(peer: &mut Peer<'_>) -> Played {
    let mut host = Host::new();
    host.begin = host.begin.with("incoming-window", 1u32);
    // Credit comes by a flow of its own, which keeps the window.
    host.credit = 0;
    let attach = sends(peer, &host)?;
    host.answer(peer, &attach);
    let count = attach.get("initial-delivery-count").uint().unwrap_or_default();
    let flow = peer.flow().with("incoming-window", 1u32).with("handle", attach.get("handle").clone());
    peer.send([flow.with("delivery-count", count).with("link-credit", 10u32).on(attach.channel)]);
    let (frames, _) = peer.rest_within(peer.target.times.quiet * 3);
    let count = frames.iter().filter(|frame| frame.is("transfer")).count();
    if count == 0 {
        return not_tried("the client sends no message");
    }
    holds(count == 1, "one transfer, for a window of 1", || format!("{count} transfers"))
}

fn settles(peer: &mut Peer<'_>) -> Played {
    let host = Host::new();
    let receives = |frame: &Frame| frame.is("attach") && frame.get("role").is_true();
    let attach = host.needs(peer, "attach as a receiver", receives)?;
    if attach.get("rcv-settle-mode").number() == Some(1) {
        return not_tried("the client's link is in mode second");
    }
    host.answer(peer, &attach);
    let expected = "disposition of the receiver, settled";
    let is_answer = |frame: &Frame| frame.is("disposition") && frame.get("role").is_true();
    let answer = host.until(peer, is_answer).or_else(|came| deviates(expected, came))?;
    holds(answer.get("settled").is_true(), expected, || answer.to_string())
}
