//! The windows of sessions [2.5.6].

use super::super::case::{Case, Played, defined, deviates, holds, not_tried};
use super::super::peer::Peer;
use super::super::stages::{begin, message, start_of};
use super::super::wire::Out;

pub(super) const CASES: [Case; 2] = [
    defined("S-BEG-06", "2.5.6", "accepts transfer-ids that wrap", ids_wrap),
    defined("S-WIN-08", "2.5.6", "sends no more transfers than the incoming-window allows", incoming_window),
];

fn ids_wrap(peer: &mut Peer<'_>) -> Played {
    peer.begun_with(peer.open(), begin().with("next-outgoing-id", u32::MAX - 1))?;
    peer.deliveries = u32::MAX - 1;
    let link = peer.sender("wraps", 0)?;
    let first = peer.deliveries;
    for number in 0..4u32 {
        let text = format!("message {number}");
        let id = first.wrapping_add(number);
        let transfer = Out::new("transfer")
            .with("handle", link.handle)
            .with("delivery-id", id)
            .with("delivery-tag", &id.to_be_bytes()[..])
            .with("message-format", 0u32)
            .with_payload(&message(&text));
        peer.send([transfer]);
    }
    let mut left: Vec<u32> = (0..4u32).map(|number| first.wrapping_add(number)).collect();
    while !left.is_empty() {
        let answer = peer.expects("an outcome of each message", |frame| frame.is("disposition"))?;
        let from = answer.get("first").uint().unwrap_or_default();
        let to = answer.get("last").uint().unwrap_or(from);
        left.retain(|id| id.wrapping_sub(from) > to.wrapping_sub(from));
    }
    Ok(())
}

fn incoming_window(peer: &mut Peer<'_>) -> Played {
    peer.begun_with(peer.open(), begin().with("incoming-window", 1u32))?;
    peer.filled_with(3)?;
    let link = peer.receiver("narrow", 1)?;
    let narrow = |peer: &Peer<'_>| peer.credit(&link, start_of(&link), 3).with("incoming-window", 1u32);
    peer.send([narrow(peer)]);
    let first = peer.delivery(&link).or_else(|came| not_tried(format!("no message: {came}")))?;
    let (frames, _) = peer.rest();
    let more = frames.iter().filter(|frame| frame.is("transfer")).count();
    holds(more == 0, "one transfer, for a window of 1", || format!("{} transfers", more + 1))?;
    // The second transfer shows that the window was all that kept it back.
    peer.send([narrow(peer)]);
    let second = peer.delivery(&link).or_else(|came| deviates("a second transfer", came))?;
    peer.accepts(&[first, second]);
    Ok(())
}
