//! Frames [2.3], and the limits on their size [2.7.1].

use super::super::case::{Case, Played, advised, defined, deviates, holds, must, not_tried};
use super::super::peer::Peer;
use super::super::stages::begin;
use super::super::wire::{Form, Out, Value, described, framed, symbol};

pub(super) const CASES: [Case; 14] = [
    defined("F-LAY-02", "2.3.1", "closes with an error at a frame of less than 8 octets", too_short),
    defined("F-LAY-03", "2.3.1", "closes with an error at a data offset of less than 2", low_offset),
    advised("F-LAY-04", "2.3.1", "closes with an error at a data offset behind the frame", high_offset),
    defined("F-LAY-05", "2.3.2", "ignores an extended header", extended_header),
    advised("F-LAY-08", "2.3.2", "refuses a body that is no performative", no_performative),
    advised("F-LAY-08", "2.3.2", "refuses a body that is not described", not_described),
    must("C-IDLE-07", "2.4.5", "accepts empty frames", empty_frame),
    must(
        "C-IDLE-07",
        "2.4.5",
        "accepts an empty frame on a channel without a session",
        empty_frame_elsewhere,
    ),
    defined("F-LAY-11", "2.3", "reads frames that come octet by octet", in_pieces),
    defined("F-LAY-12", "2.3", "reads several frames that come at once", at_once),
    must("F-MAX-04", "2.7.1", "accepts an open of 512 octets", largest_first_frame),
    must("F-MAX-04", "2.8.19", "announces a max-frame-size of 512 at least", announced_size),
    must("F-MAX-01", "2.4.1", "sends an open of 512 octets at most", small_open),
    must("F-MAX-03", "2.7.1", "closes with framing-error at a frame above its max-frame-size", too_large),
];

fn malformed(peer: &mut Peer<'_>, what: &str, octets: &[u8]) -> Played {
    peer.opened()?;
    peer.write(what, octets);
    peer.expects_close(&[])
}

fn too_short(peer: &mut Peer<'_>) -> Played {
    malformed(peer, "a frame of 7 octets", &[0, 0, 0, 7, 2, 0, 0, 0])
}

fn low_offset(peer: &mut Peer<'_>) -> Played {
    malformed(peer, "an empty frame with the data offset 1", &framed(0, 0, 1, &[]))
}

fn high_offset(peer: &mut Peer<'_>) -> Played {
    malformed(peer, "a frame of 8 octets with the data offset 3", &framed(0, 0, 3, &[]))
}

fn begins(peer: &mut Peer<'_>) -> Played {
    peer.expects("begin", |frame| frame.is("begin")).map(drop)
}

fn extended_header(peer: &mut Peer<'_>) -> Played {
    peer.opened()?;
    let octets = begin().octets_behind(2);
    peer.write("begin behind an extended header", &octets);
    begins(peer)
}

fn no_performative(peer: &mut Peer<'_>) -> Played {
    let body = described(0x99, Value::List(vec![1u32.into()])).octets(Form::Short);
    peer.begun()?;
    peer.write("a frame with an unknown descriptor", &framed(0, 0, 2, &body));
    peer.expects_refusal()
}

fn not_described(peer: &mut Peer<'_>) -> Played {
    let body = Value::from("conformance").octets(Form::Short);
    peer.begun()?;
    peer.write("a frame with a string", &framed(0, 0, 2, &body));
    peer.expects_refusal()
}

fn empty_frame(peer: &mut Peer<'_>) -> Played {
    peer.opened()?;
    peer.write("three empty frames", &framed(0, 0, 2, &[]).repeat(3));
    peer.expects_clean_close()
}

fn empty_frame_elsewhere(peer: &mut Peer<'_>) -> Played {
    let open = peer.opened()?;
    let channel = match open.get("channel-max").number() {
        Some(0) => return not_tried("the peer has channel 0 only"),
        _ => 1,
    };
    peer.write("an empty frame on channel 1", &framed(0, channel, 2, &[]));
    peer.expects_clean_close()
}

fn in_pieces(peer: &mut Peer<'_>) -> Played {
    peer.ready()?;
    let mut octets = peer.open().octets();
    octets.extend(begin().octets());
    for octet in octets {
        peer.write("an octet", &[octet]);
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    peer.expects("open", |frame| frame.is("open"))?;
    begins(peer)
}

fn at_once(peer: &mut Peer<'_>) -> Played {
    let open = peer.opened()?;
    if open.get("channel-max").number() == Some(0) {
        return not_tried("the peer has channel 0 only");
    }
    peer.send([begin(), begin().on(1), Out::new("end"), Out::new("end").on(1)]);
    // The sessions are independent: their answers may come in any order.
    let (mut begins, mut ends) = (0, 0);
    while begins < 2 || ends < 2 {
        match peer.until(|frame| frame.is("begin") || frame.is("end")) {
            Ok(frame) if frame.is("begin") => begins += 1,
            Ok(_) => ends += 1,
            Err(came) => {
                return deviates("two begins and two ends", format!("{begins} begins, {ends} ends, {came}"));
            }
        }
    }
    Ok(())
}

/// An open of exactly this number of octets.
fn open_of(peer: &Peer<'_>, size: usize) -> Out {
    let padded = |length: usize| {
        let text = "x".repeat(length);
        peer.open().with("properties", Value::Map(vec![(symbol("conformance"), (&*text).into())]))
    };
    // The sizes of the compounds take more octets above 255.
    let base = padded(300).octets().len() - 300;
    padded(size - base)
}

fn largest_first_frame(peer: &mut Peer<'_>) -> Played {
    peer.ready()?;
    let open = open_of(peer, 512);
    peer.send([open]);
    peer.expects("open", |frame| frame.is("open")).map(drop)
}

fn announced_size(peer: &mut Peer<'_>) -> Played {
    let open = peer.opened()?;
    let size = open.get("max-frame-size").number().unwrap_or(u64::from(u32::MAX));
    holds(size >= 512, "max-frame-size of 512 at least", || open.to_string())
}

fn small_open(peer: &mut Peer<'_>) -> Played {
    let open = peer.opened()?;
    holds(open.size <= 512, "a frame of at most 512 octets", || format!("{} octets", open.size))
}

fn too_large(peer: &mut Peer<'_>) -> Played {
    let open = peer.opened()?;
    let most = open.get("max-frame-size").number().unwrap_or(u64::from(u32::MAX));
    let most = match usize::try_from(most) {
        Ok(most) if most <= 8 << 20 => most,
        _ => return not_tried(format!("the peer announces a max-frame-size of {most}")),
    };
    let mut body = begin().body();
    // An extended header would be too short for most limits; a payload is not looked at in a frame that is refused.
    body.resize(most + 1 - 8, 0);
    peer.write("a frame of an octet too many", &framed(0, 0, 2, &body));
    peer.expects_close(&["amqp:connection:framing-error"])
}
