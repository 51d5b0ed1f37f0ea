//! Credit of links [2.6.7].

use super::super::case::{Case, Played, Stop, defined, deviates, holds, must, not_tried, should};
use super::super::peer::Peer;
use super::super::stages::{Delivery, Link, accepted, message, settle, start_of};
use super::super::wire::Frame;

pub(super) const CASES: [Case; 12] = [
    must("T-CREDIT-01", "2.6.7", "sends nothing without credit", no_credit),
    must("T-CREDIT-06", "2.6.7", "sends no more messages than it has credit for", credit_of_one),
    must("T-CREDIT-03", "2.6.7", "counts credit from the delivery-count in the flow", same_flow_again),
    must(
        "T-CREDIT-04",
        "2.6.7",
        "counts credit without delivery-count from its initial-delivery-count",
        unset_count,
    ),
    must("T-CREDIT-03", "2.6.7", "sends nothing after credit was taken back", taken_back),
    must("T-DRAIN-01", "2.6.7", "uses up the credit when it drains an empty node", drain_empty),
    defined(
        "T-DRAIN-02",
        "2.6.7",
        "sends what it has before it uses up the credit in a drain",
        drain_messages,
    ),
    defined("T-DRAIN-06", "2.7.4", "says in a flow that it drains", drain_flag),
    must("T-CREDIT-12", "2.7.4", "sets delivery-count in a flow as a sender", count_of_sender),
    should("S-FLOW-03", "2.7.4", "answers a flow that asks for the link's state", link_echo),
    must("T-CREDIT-13", "2.7.4", "sets delivery-count in a flow as a receiver", count_of_receiver),
    defined("T-CREDIT-02", "2.6.7", "accepts an initial-delivery-count that wraps", count_wraps),
];

/// Puts messages into the node, and attaches a link that gets them.
fn with_messages(peer: &mut Peer<'_>, count: u32) -> Result<Link, Stop> {
    peer.begun()?;
    peer.filled_with(count)?;
    peer.receiver("takes", 1)
}

fn transfers(frames: &[Frame]) -> usize {
    frames.iter().filter(|frame| frame.is("transfer")).count()
}

fn no_credit(peer: &mut Peer<'_>) -> Played {
    let link = with_messages(peer, 1)?;
    let (frames, _) = peer.rest();
    holds(transfers(&frames) == 0, "no transfer", || format!("{} transfers", transfers(&frames)))?;
    // With credit it comes, so credit was all that was missing.
    let delivery = peer.takes_one(&link, start_of(&link))?;
    peer.accepts(&[delivery]);
    Ok(())
}

fn credit_of_one(peer: &mut Peer<'_>) -> Played {
    let link = with_messages(peer, 3)?;
    let delivery = peer.takes_one(&link, start_of(&link))?;
    let (frames, _) = peer.rest();
    holds(transfers(&frames) == 0, "one message", || format!("{} transfers", transfers(&frames) + 1))?;
    peer.accepts(&[delivery]);
    let (frames, _) = peer.rest();
    holds(transfers(&frames) == 0, "one message", || {
        format!("{} more after it was settled", transfers(&frames))
    })
}

fn same_flow_again(peer: &mut Peer<'_>) -> Played {
    let link = with_messages(peer, 3)?;
    let start = start_of(&link);
    let delivery = peer.takes_one(&link, start)?;
    // The credit counts from before the message: nothing is left of it.
    let credit = peer.credit(&link, start, 1);
    peer.send([credit]);
    let (frames, _) = peer.rest();
    peer.accepts(&[delivery]);
    holds(transfers(&frames) == 0, "no further message", || format!("{} transfers", transfers(&frames)))
}

fn unset_count(peer: &mut Peer<'_>) -> Played {
    let link = with_messages(peer, 3)?;
    let credit = peer.credit(&link, 0, 2).without("delivery-count");
    peer.send([credit]);
    let mut taken = Vec::new();
    for _ in 0..2 {
        taken.push(peer.delivery(&link).or_else(|came| deviates("two messages", came))?);
    }
    let (frames, _) = peer.rest();
    peer.accepts(&taken);
    holds(transfers(&frames) == 0, "two messages", || format!("{} transfers", transfers(&frames) + 2))
}

fn taken_back(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    let link = peer.receiver("takes", 1)?;
    let start = start_of(&link);
    let (many, none) = (peer.credit(&link, start, 5), peer.credit(&link, start, 0));
    peer.send([many]);
    // Nothing is there yet, so the credit is not used.
    peer.rest();
    peer.send([none]);
    peer.rest();
    peer.filled(&[message("late")])?;
    let (frames, _) = peer.rest();
    holds(transfers(&frames) == 0, "no transfer", || format!("{} transfers", transfers(&frames)))?;
    let delivery = peer.takes_one(&link, start)?;
    peer.accepts(&[delivery]);
    Ok(())
}

/// Drains the link. Returns what came before the flow that ends it, and that flow.
fn drained(peer: &mut Peer<'_>, link: &Link, credit: u32) -> Result<(Vec<Delivery>, Frame), Stop> {
    let start = start_of(link);
    let flow = peer.credit(link, start, credit).with("drain", true);
    peer.send([flow]);
    let (theirs, mut taken) = (link.theirs, Vec::new());
    let expected = "a flow with all credit used up";
    loop {
        let frame = peer.expects(expected, |frame| {
            (frame.is("flow") || frame.is("transfer")) && frame.get("handle").uint() == Some(theirs)
        })?;
        if frame.is("transfer") {
            taken.push(frame);
            continue;
        }
        let left = frame.get("link-credit").number();
        let count = frame.get("delivery-count").uint();
        if count == Some(start.wrapping_add(credit)) && left.is_none_or(|left| left == 0) {
            let taken = taken.into_iter().filter_map(|frame| {
                let id = frame.get("delivery-id").uint()?;
                let (tag, payload) = (frame.get("delivery-tag").clone(), frame.payload.clone());
                let settled = frame.get("settled").is_true();
                Some(Delivery { id, tag, settled, payload, frames: vec![frame] })
            });
            return Ok((taken.collect(), frame));
        }
    }
}

fn drain_empty(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    let link = peer.receiver("drains", 1)?;
    drained(peer, &link, 5).map(drop)
}

fn drain_messages(peer: &mut Peer<'_>) -> Played {
    let link = with_messages(peer, 2)?;
    let (taken, _) = drained(peer, &link, 5)?;
    peer.accepts(&taken);
    holds(taken.len() == 2, "both messages, and then the flow", || {
        format!("{} messages before it", taken.len())
    })
}

fn drain_flag(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    let link = peer.receiver("drains", 1)?;
    match drained(peer, &link, 5) {
        Ok((_, flow)) => holds(flow.get("drain").is_true(), "a flow with drain", || flow.to_string()),
        Err(Stop::Deviates { came, .. }) => not_tried(format!("no flow ends the drain: {came}")),
        Err(stop) => Err(stop),
    }
}

/// Asks a peer that sends for the state of a link.
fn asked(peer: &mut Peer<'_>) -> Result<(Link, Result<Frame, String>), Stop> {
    peer.begun()?;
    let link = peer.receiver("asks", 1)?;
    let flow = peer.credit(&link, start_of(&link), 1).with("echo", true);
    peer.send([flow]);
    let theirs = link.theirs;
    let answer = peer.until(|frame| frame.is("flow") && frame.get("handle").uint() == Some(theirs));
    Ok((link, answer))
}

fn count_of_sender(peer: &mut Peer<'_>) -> Played {
    let (link, answer) = asked(peer)?;
    let flow = answer.or_else(|came| not_tried(format!("no flow: {came}")))?;
    let expected = format!("delivery-count {}", start_of(&link));
    holds(flow.get("delivery-count").uint() == Some(start_of(&link)), &expected, || flow.to_string())
}

fn link_echo(peer: &mut Peer<'_>) -> Played {
    let (_, answer) = asked(peer)?;
    answer.map(drop).or_else(|came| deviates("flow with the handle of the link", came))
}

fn count_of_receiver(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    let attach = peer.attach_sender("counts", 0).with("initial-delivery-count", 7u32);
    let link = peer.attaches(attach)?;
    let flow = peer.granted(&link)?;
    holds(flow.get("delivery-count").uint() == Some(7), "delivery-count 7", || flow.to_string())
}

fn count_wraps(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    let attach = peer.attach_sender("counts", 0).with("initial-delivery-count", u32::MAX - 1);
    let link = peer.attaches(attach)?;
    peer.granted(&link)?;
    let first = peer.deliveries;
    for number in 0..4 {
        let transfer = peer.transfer(&link, &message(&format!("message {number}")));
        peer.send([transfer]);
    }
    peer.outcomes(first).map(drop).or_else(|came| deviates("an outcome of each message", came))?;
    let link = peer.receiver("takes", 1)?;
    let credit = peer.credit(&link, start_of(&link), 4);
    peer.send([credit]);
    for _ in 0..4 {
        let delivery = peer.delivery(&link).or_else(|came| deviates("four messages", came))?;
        peer.send([settle(delivery.id, delivery.id, accepted())]);
    }
    Ok(())
}
