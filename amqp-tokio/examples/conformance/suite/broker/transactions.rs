//! Transactions [4].

use super::super::case::{Case, Played, Stop, defined, deviates, holds, must, not_tried};
use super::super::peer::Peer;
use super::super::stages::{Link, message, section, start_of};
use super::super::wire::{Out, Value, composite, symbol};

pub(super) const CASES: [Case; 7] = [
    must(
        "X-CTL-05",
        "2.6.3",
        "refuses a coordinator that it does not have by an attach and a detach",
        no_coordinator,
    ),
    defined("X-DECL-03", "4.2", "declares a transaction", declares),
    must("X-DISC-03", "4.3", "discharges a transaction that is rolled back", rolls_back),
    defined("X-DISC-01", "4.3", "discharges a transaction that is committed", commits),
    defined("X-POST-04", "4.4.1", "gives no message out before its transaction is committed", not_before),
    defined("X-POST-04", "4.4.1", "gives no message out whose transaction was rolled back", never),
    must("X-POST-03", "4.4.1", "tells the outcome of a posting with its transaction", posting_outcome),
];

fn coordinator(peer: &Peer<'_>) -> Out {
    let source = composite(
        "source",
        &[("outcomes", Value::Array(vec![symbol("amqp:accepted:list"), symbol("amqp:rejected:list")]))],
    );
    peer.attach_sender("control", 5).with("source", source).with("target", composite("coordinator", &[]))
}

fn no_coordinator(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    let attach = coordinator(peer);
    peer.send([attach]);
    let expected = "attach without a target, and detach";
    let answer = peer.expects(expected, |frame| frame.is("attach"))?;
    if answer.get("target").is("coordinator") {
        return not_tried("the peer has a coordinator");
    }
    holds(answer.get("target").is_null(), expected, || answer.to_string())?;
    peer.expects(expected, |frame| frame.is("detach")).map(drop)
}

/// Attaches the control link.
fn controlled(peer: &mut Peer<'_>) -> Result<Link, Stop> {
    peer.begun()?;
    let attach = coordinator(peer);
    let link = peer.attaches(attach)?;
    if !link.attach.get("target").is("coordinator") {
        return not_tried(format!("the peer has no coordinator: {}", link.attach));
    }
    peer.granted(&link)?;
    Ok(link)
}

/// Sends a request on the control link. Returns its outcome.
fn asked(peer: &mut Peer<'_>, link: &Link, request: Value) -> Result<Value, String> {
    let first = peer.deliveries;
    let transfer = peer.transfer(link, &section(0x77, request));
    peer.send([transfer]);
    let outcomes = peer.outcomes(first)?;
    Ok(outcomes.into_iter().next().map(|(state, _)| state).unwrap_or(Value::Null))
}

/// Declares a transaction. Returns the control link and the txn-id.
fn declared(peer: &mut Peer<'_>) -> Result<(Link, Value), Stop> {
    let link = controlled(peer)?;
    let expected = "declared with a txn-id";
    let state = asked(peer, &link, composite("declare", &[])).or_else(|came| deviates(expected, came))?;
    if state.get("error").get("condition").text() == Some("amqp:not-implemented") {
        return not_tried(format!("the peer has no transactions: {state}"));
    }
    let id = state.get("txn-id").clone();
    holds(matches!(id, Value::Binary(_)), expected, || state.to_string())?;
    Ok((link, id))
}

fn discharged(peer: &mut Peer<'_>, link: &Link, id: &Value, fail: bool) -> Played {
    let request = composite("discharge", &[("txn-id", id.clone()), ("fail", fail.into())]);
    let state = asked(peer, link, request).or_else(|came| deviates("accepted", came))?;
    holds(state.is("accepted"), "accepted", || state.to_string())
}

fn declares(peer: &mut Peer<'_>) -> Played {
    declared(peer).map(drop)
}

fn rolls_back(peer: &mut Peer<'_>) -> Played {
    let (link, id) = declared(peer)?;
    discharged(peer, &link, &id, true)
}

/// Sends a message within a transaction. Returns the state that the peer tells.
fn posted(peer: &mut Peer<'_>, id: &Value) -> Result<Value, Stop> {
    let link = peer.sender("posts", 0)?;
    let first = peer.deliveries;
    let state = composite("transactional-state", &[("txn-id", id.clone())]);
    let transfer = peer.transfer(&link, &message("posted")).with("state", state);
    peer.send([transfer]);
    let outcomes =
        peer.outcomes(first).or_else(|came| deviates("transactional-state with an outcome", came))?;
    Ok(outcomes.into_iter().next().map(|(state, _)| state).unwrap_or(Value::Null))
}

/// Returns the number of messages that the node gives out.
fn given(peer: &mut Peer<'_>) -> Result<usize, Stop> {
    let link = peer.receiver("takes", 1)?;
    let credit = peer.credit(&link, start_of(&link), 10);
    peer.send([credit]);
    let (frames, _) = peer.rest();
    Ok(frames.iter().filter(|frame| frame.is("transfer")).count())
}

fn commits(peer: &mut Peer<'_>) -> Played {
    let (link, id) = declared(peer)?;
    posted(peer, &id)?;
    discharged(peer, &link, &id, false)?;
    let count = given(peer)?;
    holds(count == 1, "the message", || format!("{count} messages"))
}

fn not_before(peer: &mut Peer<'_>) -> Played {
    let (_, id) = declared(peer)?;
    posted(peer, &id)?;
    let count = given(peer)?;
    holds(count == 0, "no message", || format!("{count} messages"))
}

fn never(peer: &mut Peer<'_>) -> Played {
    let (link, id) = declared(peer)?;
    posted(peer, &id)?;
    discharged(peer, &link, &id, true)?;
    let count = given(peer)?;
    holds(count == 0, "no message", || format!("{count} messages"))
}

fn posting_outcome(peer: &mut Peer<'_>) -> Played {
    let (_, id) = declared(peer)?;
    let state = posted(peer, &id)?;
    let fits =
        state.is("transactional-state") && *state.get("txn-id") == id && !state.get("outcome").is_null();
    holds(fits, "transactional-state with the txn-id and an outcome", || state.to_string())
}
