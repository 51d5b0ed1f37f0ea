//! Transfers [2.6.12], [2.6.14], [2.7.5].

use super::super::case::{Case, Played, Stop, defined, deviates, holds, must, not_tried};
use super::super::peer::Peer;
use super::super::stages::{Delivery, begin, message, start_of};
use super::super::wire::{Out, Value};

pub(super) const CASES: [Case; 14] = [
    defined("T-XFER-10", "2.6.14", "puts a message together that comes in three transfers", three_transfers),
    defined("T-XFER-24", "2.6.14", "puts a message together that comes octet by octet", octet_by_octet),
    must("F-MAX-02", "2.7.1", "sends no frame above a max-frame-size of 512", small_frames),
    must(
        "T-XFER-02",
        "2.7.5",
        "sets delivery-id and delivery-tag in the first transfer of a message",
        first_fields,
    ),
    must("T-XFER-04", "2.7.5", "sets message-format in the first transfer of a message", message_format),
    defined("T-XFER-05", "2.6", "numbers its deliveries one after the other", numbers),
    must("T-XFER-06", "2.6.12", "gives each unsettled delivery a tag of its own", tags),
    defined("E-COMP-13", "2.8.7", "sends delivery-tags of 32 octets at most", short_tags),
    defined("E-COMP-13", "2.8.7", "accepts a delivery-tag of 32 octets", long_tag),
    must("T-XFER-02", "2.7.5", "refuses a transfer that goes on with another delivery-id", other_id),
    must("T-XFER-03", "2.7.5", "refuses a transfer that goes on with another delivery-tag", other_tag),
    must("T-XFER-13", "2.6.14", "drops an aborted message", aborted),
    must("T-XFER-11", "2.6.14", "accepts messages whose transfers alternate on two links", alternating),
    defined(
        "L-MSG-02",
        "2.7.3",
        "detaches with message-size-exceeded at a message above its limit",
        too_large,
    ),
];

/// Sends a message in pieces, and expects that it is accepted.
fn in_pieces(peer: &mut Peer<'_>, pieces: &[&[u8]]) -> Played {
    let link = peer.sender("pieces", 0)?;
    let first = peer.deliveries;
    let whole = peer.transfer(&link, &[]);
    for (place, piece) in pieces.iter().enumerate() {
        let frame = if place == 0 { whole.clone() } else { Out::new("transfer").with("handle", link.handle) };
        peer.send([frame.with("more", place + 1 < pieces.len()).with_payload(piece)]);
    }
    peer.outcomes(first).map(drop).or_else(|came| deviates("an outcome", came))
}

/// Takes the one message of the node, and compares it with this text.
fn comes_whole(peer: &mut Peer<'_>, payload: &[u8]) -> Played {
    let link = peer.receiver("takes", 1)?;
    let credit = peer.credit(&link, start_of(&link), 1);
    peer.send([credit]);
    let delivery = peer.delivery(&link).or_else(|came| deviates("the message", came))?;
    let fits = delivery.payload.ends_with(payload);
    let came = super::super::wire::hex(&delivery.payload, 200);
    peer.accepts(&[delivery]);
    holds(fits, "the same body", || came)
}

fn three_transfers(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    let payload = message("a message in three transfers");
    let (head, rest) = payload.split_at(3);
    let (middle, tail) = rest.split_at(9);
    in_pieces(peer, &[head, middle, tail])?;
    comes_whole(peer, b"a message in three transfers")
}

fn octet_by_octet(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    let payload = message("octets");
    let pieces: Vec<&[u8]> = payload.chunks(1).collect();
    in_pieces(peer, &pieces)?;
    comes_whole(peer, b"octets")
}

fn small_frames(peer: &mut Peer<'_>) -> Played {
    let text = "0123456789".repeat(200);
    peer.begun_with(peer.open().with("max-frame-size", 512u32), begin())?;
    let payload = message(&text);
    let pieces: Vec<&[u8]> = payload.chunks(400).collect();
    in_pieces(peer, &pieces)?;
    let link = peer.receiver("takes", 1)?;
    let delivery = peer.takes_one(&link, start_of(&link))?;
    let largest = delivery.frames.iter().map(|frame| frame.size).max().unwrap_or_default();
    let whole = delivery.payload.ends_with(text.as_bytes());
    peer.accepts(&[delivery]);
    holds(largest <= 512, "frames of at most 512 octets", || format!("a frame of {largest} octets"))?;
    holds(whole, "the same body", || "another body".to_owned())
}

/// Takes this number of messages, which are unsettled together.
fn taken(peer: &mut Peer<'_>, count: u32) -> Result<Vec<Delivery>, Stop> {
    peer.begun()?;
    peer.filled_with(count)?;
    let link = peer.receiver("takes", 1)?;
    let credit = peer.credit(&link, start_of(&link), count);
    peer.send([credit]);
    let mut taken = Vec::new();
    for _ in 0..count {
        taken.push(peer.delivery(&link).or_else(|came| not_tried(format!("no message: {came}")))?);
    }
    peer.accepts(&taken);
    Ok(taken)
}

fn first_fields(peer: &mut Peer<'_>) -> Played {
    let taken = taken(peer, 1)?;
    let frame = &taken[0].frames[0];
    let set =
        frame.get("delivery-id").uint().is_some() && matches!(frame.get("delivery-tag"), Value::Binary(_));
    holds(set, "delivery-id and delivery-tag", || frame.to_string())
}

fn message_format(peer: &mut Peer<'_>) -> Played {
    let taken = taken(peer, 1)?;
    let frame = &taken[0].frames[0];
    holds(frame.get("message-format").uint() == Some(0), "message-format 0", || frame.to_string())
}

fn numbers(peer: &mut Peer<'_>) -> Played {
    let ids: Vec<u32> = taken(peer, 3)?.iter().map(|delivery| delivery.id).collect();
    let fits = ids.windows(2).all(|pair| pair[0].wrapping_add(1) == pair[1]);
    holds(fits, "delivery-ids that follow each other", || format!("{ids:?}"))
}

fn tags(peer: &mut Peer<'_>) -> Played {
    let tags: Vec<Value> = taken(peer, 3)?.into_iter().map(|delivery| delivery.tag).collect();
    let fits = tags[0] != tags[1] && tags[1] != tags[2] && tags[0] != tags[2];
    holds(fits, "three tags", || Value::List(tags.clone()).to_string())
}

fn short_tags(peer: &mut Peer<'_>) -> Played {
    let tags: Vec<Value> = taken(peer, 3)?.into_iter().map(|delivery| delivery.tag).collect();
    let fits = tags.iter().all(|tag| matches!(tag, Value::Binary(octets) if octets.len() <= 32));
    holds(fits, "tags of at most 32 octets", || Value::List(tags.clone()).to_string())
}

fn long_tag(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    let link = peer.sender("tagged", 0)?;
    let first = peer.deliveries;
    let transfer = peer.transfer(&link, &message("tagged")).with("delivery-tag", &[7u8; 32][..]);
    peer.send([transfer]);
    peer.outcomes(first).map(drop).or_else(|came| deviates("an outcome", came))
}

/// Begins a message, and goes on with a transfer that has another value in a field.
fn differing(peer: &mut Peer<'_>, field: &str, value: impl Into<Value>) -> Played {
    peer.begun()?;
    let link = peer.sender("differs", 0)?;
    let payload = message("a message in two transfers");
    let (head, tail) = payload.split_at(5);
    let first = peer.transfer(&link, head).with("more", true);
    let second = Out::new("transfer").with("handle", link.handle).with(field, value).with_payload(tail);
    peer.send([first, second]);
    peer.expects_refusal()
}

fn other_id(peer: &mut Peer<'_>) -> Played {
    differing(peer, "delivery-id", 77u32)
}

fn other_tag(peer: &mut Peer<'_>) -> Played {
    differing(peer, "delivery-tag", &b"another"[..])
}

fn aborted(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    let link = peer.sender("aborts", 0)?;
    let begun = peer.transfer(&link, &message("aborted")[..6]).with("more", true);
    let aborted = Out::new("transfer").with("handle", link.handle).with("aborted", true);
    peer.send([begun, aborted]);
    let first = peer.deliveries;
    let whole = peer.transfer(&link, &message("whole"));
    peer.send([whole]);
    peer.outcomes(first)
        .or_else(|came| deviates("an outcome of the message behind the aborted one", came))?;
    let link = peer.receiver("takes", 1)?;
    let credit = peer.credit(&link, start_of(&link), 2);
    peer.send([credit]);
    let delivery =
        peer.delivery(&link).or_else(|came| deviates("the message behind the aborted one", came))?;
    let fits = delivery.payload.ends_with(b"whole");
    let came = super::super::wire::hex(&delivery.payload, 64);
    let (frames, _) = peer.rest();
    peer.accepts(&[delivery]);
    holds(fits, "the message behind the aborted one", || came)?;
    holds(!frames.iter().any(|frame| frame.is("transfer")), "one message", || "two messages".to_owned())
}

fn alternating(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    let (one, other) = (peer.sender("one", 0)?, peer.sender("other", 1)?);
    let first = peer.deliveries;
    let (long, short) = (message("the long message"), message("the short message"));
    let (head, tail) = long.split_at(7);
    let begun = peer.transfer(&one, head).with("more", true);
    let whole = peer.transfer(&other, &short);
    let rest = Out::new("transfer").with("handle", one.handle).with_payload(tail);
    peer.send([begun, whole, rest]);
    peer.outcomes(first).map(drop).or_else(|came| deviates("an outcome of both messages", came))
}

fn too_large(peer: &mut Peer<'_>) -> Played {
    let open = peer.opened()?;
    peer.send([begin()]);
    peer.needs("begin", |frame| frame.is("begin"))?;
    let link = peer.sender("large", 0)?;
    let limit = match link.attach.get("max-message-size").number() {
        Some(limit @ 1..=0x0200_0000) => usize::try_from(limit).unwrap_or_default(),
        Some(limit) if limit > 0 => return not_tried(format!("the peer's max-message-size is {limit}")),
        _ => return not_tried("the peer has no max-message-size"),
    };
    let largest = open.get("max-frame-size").number().unwrap_or(u64::MAX).min(1 << 20);
    let piece = vec![0; usize::try_from(largest).unwrap_or_default().saturating_sub(100)];
    let mut frame = peer.transfer(&link, &[]);
    let mut sent = 0;
    // A section of data with a size of four octets.
    let mut head = vec![0x00, 0x53, 0x75, 0xb0];
    head.extend(u32::try_from(limit + 1).unwrap_or(u32::MAX).to_be_bytes());
    while sent <= limit {
        let mut payload = std::mem::take(&mut head);
        payload.extend(&piece[..piece.len().min(limit + 1 - sent)]);
        sent += payload.len();
        peer.send([frame.with("more", sent <= limit).with_payload(&payload)]);
        frame = Out::new("transfer").with("handle", link.handle);
    }
    let expected = "detach with amqp:link:message-size-exceeded";
    let detach = peer.expects(expected, |frame| frame.is("detach"))?;
    let fits = detach.condition() == Some("amqp:link:message-size-exceeded");
    holds(fits, expected, || detach.to_string())
}
