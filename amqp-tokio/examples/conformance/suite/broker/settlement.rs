//! Settlement and outcomes [2.6.12], [2.7.6], [3.4].

use super::super::case::{Case, Played, Stop, defined, deviates, holds, must, not_tried};
use super::super::peer::Peer;
use super::super::stages::{Delivery, Link, accepted, message, sections_of, settle, start_of};
use super::super::wire::{Out, Value, composite};

pub(super) const CASES: [Case; 13] = [
    defined("T-DISP-15", "2.8.3", "settles what it receives in mode first", settles),
    defined("M-STATE-01", "3.4", "gives what it receives an outcome", gives_outcome),
    defined("T-DISP-14", "2.6.12", "takes a message that is sent settled", sent_settled),
    defined("T-DISP-03", "2.7.6", "settles a range of deliveries", range),
    defined("T-DISP-04", "2.7.6", "skips delivery-ids of a range that it does not know", unknown_ids),
    defined("T-DISP-12", "2.6", "takes a delivery settled twice for settled", settled_twice),
    defined("M-STATE-04", "3.4.2", "does not send an accepted message again", not_again),
    must("M-STATE-07", "3.4.4", "sends a released message again, with the same delivery-count", released),
    defined("M-STATE-08", "3.4.5", "sends a modified message again, with a higher delivery-count", modified),
    must(
        "M-STATE-08",
        "3.4.5",
        "does not send a message again to a link where it is undeliverable",
        undeliverable,
    ),
    defined("M-SRC-10", "3.5.3", "applies the default-outcome released when the session ends", given_back),
    defined("T-DISP-16", "2.6.12", "settles after the receiver's outcome in mode second", second_as_sender),
    must("T-XFER-15", "2.7.5", "does not settle before the sender in mode second", second_as_receiver),
];

/// Sends a message. Returns its outcome, and whether it is settled.
fn sent(peer: &mut Peer<'_>) -> Result<(Value, bool), Stop> {
    peer.begun()?;
    let link = peer.sender("sends", 0)?;
    let first = peer.deliveries;
    let transfer = peer.transfer(&link, &message("settled"));
    peer.send([transfer]);
    let outcomes = peer.outcomes(first).or_else(|came| deviates("an outcome", came))?;
    Ok(outcomes[0].clone())
}

fn settles(peer: &mut Peer<'_>) -> Played {
    let (state, settled) = sent(peer)?;
    holds(settled, "a disposition that settles", || format!("{state}, unsettled"))
}

fn gives_outcome(peer: &mut Peer<'_>) -> Played {
    let (state, _) = sent(peer)?;
    let is_outcome = ["accepted", "rejected", "released", "modified"].iter().any(|name| state.is(name));
    holds(is_outcome, "an outcome", || state.to_string())
}

/// Takes one message out of a node with this number of them.
fn took(peer: &mut Peer<'_>, count: u32) -> Result<(Link, Delivery), Stop> {
    peer.begun()?;
    peer.filled_with(count)?;
    let link = peer.receiver("takes", 1)?;
    let delivery = peer.takes_one(&link, start_of(&link))?;
    Ok((link, delivery))
}

/// Expects that a new link gets nothing from the node.
fn nothing_left(peer: &mut Peer<'_>) -> Played {
    let link = peer.receiver("empty", 2)?;
    let credit = peer.credit(&link, start_of(&link), 10);
    peer.send([credit]);
    let (frames, _) = peer.rest();
    let left: Vec<_> = frames.iter().filter(|frame| frame.is("transfer")).map(ToString::to_string).collect();
    holds(left.is_empty(), "nothing left in the node", || left.join(", "))
}

fn sent_settled(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    let link = peer.sender("sends", 0)?;
    let transfer = peer.transfer(&link, &message("sent settled")).with("settled", true);
    peer.send([transfer]);
    let link = peer.receiver("takes", 1)?;
    let credit = peer.credit(&link, start_of(&link), 1);
    peer.send([credit]);
    let delivery = peer.delivery(&link).or_else(|came| deviates("the message", came))?;
    peer.accepts(&[delivery]);
    Ok(())
}

/// Takes three messages, settles them by a disposition with this range, and expects that they are gone.
fn settled_by(peer: &mut Peer<'_>, before: u32, behind: u32) -> Played {
    peer.begun()?;
    peer.filled_with(3)?;
    let link = peer.receiver("takes", 1)?;
    let credit = peer.credit(&link, start_of(&link), 3);
    peer.send([credit]);
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(peer.delivery(&link).or_else(|came| not_tried(format!("no message: {came}")))?.id);
    }
    peer.send([settle(ids[0].wrapping_sub(before), ids[2].wrapping_add(behind), accepted())]);
    peer.send([super::super::stages::closing(1)]);
    peer.expects("detach, and no error", |frame| frame.is("detach") && frame.condition().is_none())?;
    nothing_left(peer)
}

fn range(peer: &mut Peer<'_>) -> Played {
    settled_by(peer, 0, 0)
}

fn unknown_ids(peer: &mut Peer<'_>) -> Played {
    settled_by(peer, 0, 50)
}

fn settled_twice(peer: &mut Peer<'_>) -> Played {
    let (_, delivery) = took(peer, 1)?;
    peer.send([settle(delivery.id, delivery.id, accepted()), settle(delivery.id, delivery.id, accepted())]);
    peer.expects_clean_close()
}

fn not_again(peer: &mut Peer<'_>) -> Played {
    let (_, delivery) = took(peer, 1)?;
    peer.accepts(&[delivery]);
    nothing_left(peer)
}

/// Settles a delivery with a state and takes the message again on the same link. Returns the delivery-counts of both.
fn again(peer: &mut Peer<'_>, state: Value) -> Result<(u64, u64), Stop> {
    let (link, first) = took(peer, 1)?;
    peer.send([settle(first.id, first.id, state)]);
    let credit = peer.credit(&link, start_of(&link).wrapping_add(1), 1);
    peer.send([credit]);
    let second = peer.delivery(&link).or_else(|came| deviates("the message again", came))?;
    let counts = (count_of(&first)?, count_of(&second)?);
    let same = body_of(&first)? == body_of(&second)?;
    peer.accepts(&[second]);
    holds(same, "the same body", || "another body".to_owned())?;
    Ok(counts)
}

fn body_of(delivery: &Delivery) -> Result<Vec<u8>, Stop> {
    let body = sections_of(delivery)?.into_iter().filter(|(code, ..)| (0x73..0x78).contains(code));
    Ok(body.flat_map(|(.., octets)| octets).collect())
}

/// Returns the delivery-count of the header; 0 if there is none.
fn count_of(delivery: &Delivery) -> Result<u64, Stop> {
    let sections = sections_of(delivery)?;
    let header = sections.iter().find(|(code, ..)| *code == 0x70);
    Ok(header.and_then(|(_, header, _)| header.get("delivery-count").number()).unwrap_or_default())
}

fn released(peer: &mut Peer<'_>) -> Played {
    let (before, after) = again(peer, composite("released", &[]))?;
    let expected = format!("delivery-count {before}");
    holds(before == after, &expected, || format!("delivery-count {after}"))
}

fn modified(peer: &mut Peer<'_>) -> Played {
    let (before, after) = again(peer, composite("modified", &[("delivery-failed", true.into())]))?;
    let expected = format!("delivery-count {}", before + 1);
    holds(after == before + 1, &expected, || format!("delivery-count {after}"))
}

fn undeliverable(peer: &mut Peer<'_>) -> Played {
    let (link, first) = took(peer, 1)?;
    peer.send([settle(first.id, first.id, composite("modified", &[("undeliverable-here", true.into())]))]);
    let credit = peer.credit(&link, start_of(&link).wrapping_add(1), 1);
    peer.send([credit]);
    let (frames, end) = peer.rest();
    if let Some(frame) =
        frames.iter().find(|frame| frame.is("end") || frame.is("detach") || frame.is("close"))
    {
        return deviates("nothing", frame.to_string());
    }
    let again = frames.iter().find(|frame| frame.is("transfer"));
    holds(again.is_none() && end.is_none(), "nothing", || {
        again.map_or_else(|| end.clone().unwrap_or_default(), ToString::to_string)
    })
}

fn given_back(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    peer.filled_with(1)?;
    let address = (&*peer.target.node).into();
    let source =
        composite("source", &[("address", address), ("default-outcome", composite("released", &[]))]);
    let attach = peer.attach_receiver("takes", 1).with("source", source);
    let link = peer.attaches(attach)?;
    peer.takes_one(&link, start_of(&link))?;
    peer.send([Out::new("end")]);
    peer.needs("end", |frame| frame.is("end"))?;
    peer.send([super::super::stages::begin()]);
    peer.needs("begin", |frame| frame.is("begin"))?;
    let link = peer.receiver("takes-again", 1)?;
    let credit = peer.credit(&link, start_of(&link), 1);
    peer.send([credit]);
    let delivery = peer.delivery(&link).or_else(|came| deviates("the message again", came))?;
    peer.accepts(&[delivery]);
    Ok(())
}

fn second_as_sender(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    peer.filled_with(1)?;
    let attach = peer.attach_receiver("second", 1).with("rcv-settle-mode", 1u8);
    let link = peer.attaches(attach)?;
    let delivery = peer.takes_one(&link, start_of(&link))?;
    if delivery.settled {
        return not_tried("the message is sent settled");
    }
    peer.send([settle(delivery.id, delivery.id, accepted()).with("settled", false)]);
    let expected = "disposition of the sender, settled";
    let is_sender =
        |frame: &super::super::wire::Frame| frame.is("disposition") && !frame.get("role").is_true();
    let answer = peer.expects(expected, is_sender)?;
    let fits = answer.get("settled").is_true() && answer.get("first").uint() == Some(delivery.id);
    holds(fits, expected, || answer.to_string())
}

fn second_as_receiver(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    let attach = peer.attach_sender("second", 0).with("rcv-settle-mode", 1u8);
    let link = peer.attaches(attach)?;
    if link.attach.get("rcv-settle-mode").number() != Some(1) {
        return not_tried("the peer's link is in mode first");
    }
    peer.granted(&link)?;
    let first = peer.deliveries;
    let transfer = peer.transfer(&link, &message("second"));
    peer.send([transfer]);
    let outcomes = peer.outcomes(first).or_else(|came| deviates("an outcome", came))?;
    let (state, settled) = &outcomes[0];
    holds(!settled, "an outcome that does not settle", || format!("{state}, settled"))?;
    let settling = settle(first, first, state.clone()).with("role", false);
    peer.send([settling]);
    let (frames, _) = peer.rest();
    let error = frames.iter().find(|frame| frame.condition().is_some());
    holds(error.is_none(), "no error", || error.map(ToString::to_string).unwrap_or_default())
}
