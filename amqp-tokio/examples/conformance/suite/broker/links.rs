//! Links [2.6].

use super::super::case::{Case, Played, defined, deviates, holds, must, not_tried, should};
use super::super::peer::Peer;
use super::super::stages::closing;
use super::super::wire::{Out, Value, composite, symbol};

pub(super) const CASES: [Case; 19] = [
    defined("L-ATT-04", "2.6.3", "answers an attach with the same name and the other role", answers_attach),
    must("L-ATT-02", "2.7.3", "sets initial-delivery-count as a sender", initial_delivery_count),
    defined("L-ATT-07", "2.6.3", "has a source where it sends and a target where it receives", termini),
    must(
        "L-ATT-05",
        "2.6.3",
        "refuses a link to no target by an attach without target, and a detach",
        no_target,
    ),
    must(
        "L-ATT-05",
        "2.6.3",
        "refuses a link from no source by an attach without source, and a detach",
        no_source,
    ),
    defined(
        "L-EXT-02",
        "2.7.3",
        "ignores properties and capabilities of a link that it does not know",
        extensions,
    ),
    must("L-ATT-08", "2.6.3", "reports no filter that it does not apply", unknown_filter),
    must("M-SRC-03", "3.5.3", "names the address of a dynamic source", dynamic_source),
    must("M-TGT-02", "3.5.4", "names the address of a dynamic target", dynamic_target),
    defined("L-CLOSE-01", "2.6.6", "answers a closing detach with a closing detach", answers_closing),
    must("L-DET-01", "2.6.4", "answers a detach with a detach", answers_detach),
    defined("L-HAND-04", "2.7.7", "lets a handle be used again after the detaches", handle_again),
    must("L-HAND-02", "2.7.3", "refuses an attach with a handle in use by handle-in-use", handle_in_use),
    must("L-NAME-01", "2.6.1", "has two links of the same name in opposite directions", same_name),
    defined("L-NAME-04", "2.6.1", "accepts a name of 1,000 octets", long_name),
    must("L-NAME-03", "2.6.1", "closes a link with stolen when its name is attached again", stolen),
    defined("L-DET-03", "2.6.4", "lets a link be attached again after a detach", attached_again),
    should("L-MODE-02", "2.7.3", "sends settled if the receiver asks for it", settled_mode),
    defined("L-MODE-01", "2.7.3", "answers a rcv-settle-mode of second with the mode in force", second_mode),
];

fn answers_attach(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    for attach in [peer.attach_sender("to", 0), peer.attach_receiver("from", 1)] {
        let (name, role) = (attach.get("name").clone(), attach.get("role").is_true());
        peer.send([attach]);
        let answer = peer.expects("attach", |frame| frame.is("attach"))?;
        let fits = *answer.get("name") == name && answer.get("role").is_true() != role;
        holds(fits, "the same name and the other role", || answer.to_string())?;
    }
    Ok(())
}

fn initial_delivery_count(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    let link = peer.receiver("counted", 0)?;
    let set = link.attach.get("initial-delivery-count").uint().is_some();
    holds(set, "initial-delivery-count", || link.attach.to_string())
}

fn termini(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    let (to, from) = (peer.attach_sender("to", 0), peer.attach_receiver("from", 1));
    for (attach, terminus) in [(to, "target"), (from, "source")] {
        let link = peer.tries_attach(attach)?;
        if link.attach.get(terminus).is_null() {
            return not_tried(format!("the peer refuses the link: {}", link.attach));
        }
        let described = matches!(link.attach.get(terminus), Value::Described(..));
        holds(described, &format!("a {terminus}"), || link.attach.to_string())?;
    }
    Ok(())
}

/// Expects an attach without this terminus, and a detach.
fn refuses(peer: &mut Peer<'_>, attach: Out, terminus: &str) -> Played {
    peer.begun()?;
    peer.send([attach]);
    let expected = format!("attach without {terminus}, and detach");
    let answer = peer.expects(&expected, |frame| frame.is("attach"))?;
    if !answer.get(terminus).is_null() {
        return not_tried(format!("the peer accepts the link: {answer}"));
    }
    peer.expects(&expected, |frame| frame.is("detach")).map(drop)
}

fn no_target(peer: &mut Peer<'_>) -> Played {
    let attach = peer.attach_sender("nowhere", 0).without("target");
    refuses(peer, attach, "target")
}

fn no_source(peer: &mut Peer<'_>) -> Played {
    let attach = peer.attach_receiver("nothing", 0).without("source");
    refuses(peer, attach, "source")
}

fn extensions(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    let attach = peer
        .attach_receiver("extended", 0)
        .with("desired-capabilities", Value::Array(vec![symbol("conformance")]))
        .with("offered-capabilities", symbol("conformance"))
        .with("properties", Value::Map(vec![(symbol("conformance"), true.into())]));
    peer.expects_attach(attach).map(drop)
}

fn unknown_filter(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    let name = symbol("conformance:no-such-filter");
    let filter = Value::Described(Box::new(name.clone()), Box::new("never".into()));
    let address = (&*peer.target.node).into();
    let source =
        composite("source", &[("address", address), ("filter", Value::Map(vec![(name.clone(), filter)]))]);
    let attach = peer.attach_receiver("filtered", 0).with("source", source);
    let link = peer.attaches(attach)?;
    let reported = match link.attach.get("source").get("filter") {
        Value::Map(entries) => entries.iter().any(|(key, value)| *key == name && !value.is_null()),
        _ => false,
    };
    holds(!reported, "no such filter in the answer", || link.attach.to_string())
}

fn dynamic(peer: &mut Peer<'_>, attach: Out, terminus: &str) -> Played {
    peer.begun()?;
    let link = peer.attaches(attach)?;
    let address = link.attach.get(terminus).get("address");
    holds(!address.is_null(), "an address", || link.attach.to_string())
}

fn dynamic_source(peer: &mut Peer<'_>) -> Played {
    let source = composite("source", &[("dynamic", true.into())]);
    let attach = peer.attach_receiver("dynamic", 0).with("source", source);
    dynamic(peer, attach, "source")
}

fn dynamic_target(peer: &mut Peer<'_>) -> Played {
    let target = composite("target", &[("dynamic", true.into())]);
    let attach = peer.attach_sender("dynamic", 0).with("target", target);
    dynamic(peer, attach, "target")
}

fn answers_closing(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    let link = peer.receiver("closed", 0)?;
    peer.send([closing(link.handle)]);
    let expected = "detach with closed true, and no error";
    let answer = peer.expects(expected, |frame| frame.is("detach"))?;
    let fits = answer.get("closed").is_true() && answer.condition().is_none();
    holds(fits, expected, || answer.to_string())
}

fn answers_detach(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    let link = peer.receiver("detached", 0)?;
    peer.send([Out::new("detach").with("handle", link.handle)]);
    let expected = "detach without an error";
    let answer = peer.expects(expected, |frame| frame.is("detach"))?;
    holds(answer.condition().is_none(), expected, || answer.to_string())
}

fn handle_again(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    let link = peer.receiver("before", 0)?;
    peer.send([closing(link.handle)]);
    peer.needs("detach", |frame| frame.is("detach"))?;
    let attach = peer.attach_receiver("after", 0);
    peer.send([attach]);
    peer.expects("attach", |frame| frame.is("attach")).map(drop)
}

fn handle_in_use(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    peer.receiver("first", 0)?;
    let attach = peer.attach_receiver("second", 0);
    peer.send([attach]);
    let expected = "end or close with amqp:session:handle-in-use";
    let answer = peer.expects(expected, |frame| frame.is("end") || frame.is("close"))?;
    holds(answer.condition() == Some("amqp:session:handle-in-use"), expected, || answer.to_string())
}

fn same_name(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    let (to, from) = (peer.attach_sender("both", 0), peer.attach_receiver("both", 1));
    peer.attaches(to)?;
    peer.send([from]);
    peer.expects("a second attach, as a sender", |frame| frame.is("attach") && !frame.get("role").is_true())
        .map(drop)
}

fn long_name(peer: &mut Peer<'_>) -> Played {
    let open = peer.opened()?;
    if open.get("max-frame-size").number().is_some_and(|size| size < 2_048) {
        return not_tried("the peer's max-frame-size is too small");
    }
    peer.send([super::super::stages::begin()]);
    peer.needs("begin", |frame| frame.is("begin"))?;
    let attach = peer.attach_receiver(&"x".repeat(1_000 - peer.name.len() - 1), 0);
    let name = attach.get("name").clone();
    peer.send([attach]);
    peer.expects("attach with the same name", |frame| frame.is("attach") && *frame.get("name") == name)
        .map(drop)
}

fn stolen(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    let first = peer.receiver("desired", 0)?;
    peer.send([super::super::stages::begin().on(1)]);
    let begin = peer.needs("begin", |frame| frame.is("begin"))?;
    let attach = peer.attach_receiver("desired", 0).on(1);
    peer.send([attach]);
    let is_detach = |frame: &super::super::wire::Frame| {
        frame.is("detach")
            && frame.channel != begin.channel
            && frame.get("handle").uint() == Some(first.theirs)
    };
    let (mut attached, mut detached) = (None, None);
    let (frames, end) = peer.rest();
    for frame in frames {
        if frame.is("attach") && frame.channel == begin.channel {
            attached = Some(frame);
        } else if is_detach(&frame) {
            detached = Some(frame);
        } else if frame.is("detach") || frame.is("end") || frame.is("close") {
            return not_tried(format!("the second attach is refused: {frame}"));
        }
    }
    let Some(attach) = attached.filter(|attach| !attach.get("source").is_null()) else {
        return not_tried(format!("the second attach does not succeed: {}", end.unwrap_or_default()));
    };
    let expected = "detach of the first link with amqp:link:stolen";
    match detached {
        Some(detach) => {
            holds(detach.condition() == Some("amqp:link:stolen"), expected, || detach.to_string())
        }
        None => deviates(expected, format!("{attach}, and no detach")),
    }
}

fn attached_again(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    let link = peer.receiver("again", 0)?;
    peer.send([Out::new("detach").with("handle", link.handle)]);
    peer.needs("detach", |frame| frame.is("detach"))?;
    peer.expects_attach(peer.attach_receiver("again", 0)).map(drop)
}

fn settled_mode(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    let attach = peer.attach_receiver("settled", 0).with("snd-settle-mode", 1u8);
    let link = peer.attaches(attach)?;
    let mode = link.attach.get("snd-settle-mode").number();
    holds(mode == Some(1), "snd-settle-mode 1", || link.attach.to_string())
}

fn second_mode(peer: &mut Peer<'_>) -> Played {
    peer.begun()?;
    let attach = peer.attach_sender("second", 0).with("rcv-settle-mode", 1u8);
    peer.send([attach]);
    let answer = peer.expects("attach", |frame| frame.is("attach"))?;
    if answer.get("target").is_null() {
        return not_tried(format!("the peer refuses the link: {answer}"));
    }
    let mode = answer.get("rcv-settle-mode").number().unwrap_or_default();
    holds(mode <= 1, "rcv-settle-mode 0 or 1", || answer.to_string())
}
