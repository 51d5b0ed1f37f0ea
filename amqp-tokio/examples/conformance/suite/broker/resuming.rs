//! Resuming links and deliveries [2.6.13].

use super::super::case::{Case, Played, defined, holds, must, not_tried};
use super::super::peer::Peer;
use super::super::stages::{message, start_of};
use super::super::wire::{Out, Value};

pub(super) const CASES: [Case; 3] = [
    defined("T-RES-04", "2.7.3", "answers an attach that has an unsettled map without entries", empty_map),
    defined("T-RES-01", "2.7.3", "answers an attach that has an unsettled map", with_map),
    must("T-RES-10", "2.7.5", "ignores a resumed delivery that it does not know", unknown_delivery),
];

fn empty_map(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    let attach = peer.attach_sender("resumes", 0).with("unsettled", Value::Map(Vec::new()));
    answers(peer, attach)
}

fn with_map(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    let map = Value::Map(vec![((&b"tag"[..]).into(), Value::Null)]);
    let attach = peer.attach_sender("resumes", 0).with("unsettled", map);
    answers(peer, attach)
}

/// Expects an attach, also one that refuses the link.
fn answers(peer: &mut Peer<'_>, attach: Out) -> Played {
    peer.send([attach]);
    peer.expects("attach", |frame| frame.is("attach")).map(drop)
}

fn unknown_delivery(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    let map = Value::Map(vec![((&b"tag"[..]).into(), Value::Null)]);
    let attach = peer.attach_sender("resumes", 0).with("unsettled", map);
    let link = peer.attaches(attach)?;
    peer.granted(&link)?;
    if matches!(link.attach.get("unsettled"), Value::Map(entries) if !entries.is_empty()) {
        return not_tried(format!("the peer knows the delivery: {}", link.attach));
    }
    let resumed =
        peer.transfer(&link, &message("resumed")).with("delivery-tag", &b"tag"[..]).with("resume", true);
    peer.send([resumed]);
    let (frames, end) = peer.rest();
    let error = frames.iter().find(|frame| frame.condition().is_some()).map(ToString::to_string).or(end);
    holds(error.is_none(), "no error", || error.clone().unwrap_or_default())?;
    let link = peer.receiver("takes", 1)?;
    let credit = peer.credit(&link, start_of(&link), 1);
    peer.send([credit]);
    let (frames, _) = peer.rest();
    let came = frames.iter().find(|frame| frame.is("transfer")).map(ToString::to_string);
    holds(came.is_none(), "no message in the node", || came.clone().unwrap_or_default())
}
