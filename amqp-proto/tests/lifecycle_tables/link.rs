//! Links [2.6.3-2.6.6], at both ends.

use amqp_proto::config::{ReceiverOptions, SenderOptions};
use amqp_proto::testing::{
    Literal, attach, attach_receiver, attach_sender, close, detach, disposition, end, flow, transfer,
};

use super::probe::{Probe, answer, refused, why};
use super::{Act, State, walk};

/// The peer's attach of a link on which this end receives or sends.
fn attached(is_receiver: bool, handle: u32) -> Literal {
    if is_receiver { attach_sender("l", handle, "q", "q") } else { attach_receiver("l", handle, "q", "q") }
}

fn offered(is_receiver: bool) -> Probe {
    Probe::mapped().after(&[&attached(is_receiver, 0).to_octets()])
}

fn accept(probe: &mut Probe, is_receiver: bool) -> String {
    if is_receiver {
        let options = ReceiverOptions::new().with_prefetch(2);
        probe.on_receiver(|link| answer(link.accept_link(options)))
    } else {
        probe.on_sender(|link| answer(link.accept_link(SenderOptions::new())))
    }
}

/// A link that both ends have attached, with credit for two.
fn complete(is_receiver: bool) -> Probe {
    let mut probe = offered(is_receiver);
    accept(&mut probe, is_receiver);
    probe.after(&[&flow(Some(0), 100, 0, 100).uint(0).uint(0).uint(2).to_octets()])
}

fn asked(is_receiver: bool) -> Probe {
    let mut probe = Probe::mapped();
    if is_receiver {
        probe.attach_receiver()
    } else {
        probe.attach_sender()
    };
    probe.settled()
}

fn act(probe: &mut Probe, is_receiver: bool, name: &str) -> String {
    macro_rules! either {
        ($call:ident($($argument:expr)?)) => {
            if is_receiver {
                probe.on_receiver(|link| answer(link.$call($($argument)?)))
            } else {
                probe.on_sender(|link| answer(link.$call($($argument)?)))
            }
        };
    }
    match name {
        "refuse" => either!(refuse_link(why())),
        "detach" => either!(detach()),
        "close" => either!(close()),
        _ => either!(close_with(why())),
    }
}

fn with(mut probe: Probe, is_receiver: bool, name: &str) -> Probe {
    act(&mut probe, is_receiver, name);
    probe.settled()
}

/// The states and events of a link, for one of its ends.
macro_rules! link {
    ($states:ident, $acts:ident, $is_receiver:literal) => {
        const $states: &[State] = &[
            ("offered by the peer", || offered($is_receiver)),
            ("attached by this end", || asked($is_receiver)),
            ("attached by this end, answered without a terminus", || {
                asked($is_receiver).after(&[&attach("l", 0, !$is_receiver)
                    .nulls(5)
                    .nulls(1)
                    .uint(0)
                    .to_octets()])
            }),
            ("attached at both ends", || complete($is_receiver)),
            ("detached by this end before the answer", || with(asked($is_receiver), $is_receiver, "detach")),
            ("closed by this end before the answer", || with(asked($is_receiver), $is_receiver, "close")),
            ("detached by this end", || with(complete($is_receiver), $is_receiver, "detach")),
            ("closed by this end", || with(complete($is_receiver), $is_receiver, "close")),
            ("refused by this end", || with(offered($is_receiver), $is_receiver, "refuse")),
            ("detached at both ends", || complete($is_receiver).after(&[&detach(0, false).to_octets()])),
            ("closed at both ends", || complete($is_receiver).after(&[&detach(0, true).to_octets()])),
            ("closed for a fault of the peer", || {
                // A third delivery with credit for two, or a transfer to the sending end.
                let frames = [0_u8, 1, 2].map(|id| transfer(0, id.into(), &[id]).to_octets());
                complete($is_receiver).after(&[&frames.concat()])
            }),
            ("on a session that has ended", || complete($is_receiver).after(&[&end().to_octets()])),
        ];
        const $acts: &[Act] = &[
            ("attach", |probe| probe.peer_sends(&attached($is_receiver, 1))),
            ("attach on the same handle", |probe| probe.peer_sends(&attached($is_receiver, 0))),
            ("attach of another name on the same handle", |probe| {
                probe.peer_sends(&attach_sender("m", 0, "q", "q"))
            }),
            ("flow of credit", |probe| probe.peer_sends(&flow(Some(0), 100, 0, 100).uint(0).uint(0).uint(5))),
            ("flow that asks for one", |probe| {
                probe.peer_sends(&flow(Some(0), 100, 0, 100).uint(0).uint(0).uint(2).nulls(2).boolean(true))
            }),
            ("flow that drains", |probe| {
                probe.peer_sends(&flow(Some(0), 100, 0, 100).uint(0).uint(2).uint(0).null().boolean(true))
            }),
            ("transfer", |probe| probe.peer_sends(&transfer(0, 9, b"t"))),
            ("transfer with more to come", |probe| {
                probe.peer_sends(&transfer(0, 9, b"t").null().boolean(true))
            }),
            ("disposition", |probe| probe.peer_sends(&disposition($is_receiver, 0, None).boolean(true))),
            ("detach", |probe| probe.peer_sends(&detach(0, false))),
            ("detach for good", |probe| probe.peer_sends(&detach(0, true))),
            ("detach with an error", |probe| probe.peer_sends(&detach(0, true).error("amqp:not-found"))),
            ("end", |probe| probe.peer_sends(&end())),
            ("close", |probe| probe.peer_sends(&close())),
            ("accept_link()", |probe| accept(probe, $is_receiver)),
            ("refuse_link()", |probe| act(probe, $is_receiver, "refuse")),
            ("detach()", |probe| act(probe, $is_receiver, "detach")),
            ("close()", |probe| act(probe, $is_receiver, "close")),
            ("close_with()", |probe| act(probe, $is_receiver, "close with")),
            (
                "attach once more",
                |probe| {
                    if $is_receiver { probe.attach_receiver() } else { probe.attach_sender() }
                },
            ),
            ("use it", |probe| use_link(probe, $is_receiver)),
            ("have it drained", |probe| drain(probe, $is_receiver)),
            ("end the session", |probe| probe.on_session(|session| answer(session.end()))),
        ];
    };
}

/// Sends, or grants credit.
fn use_link(probe: &mut Probe, is_receiver: bool) -> String {
    if is_receiver {
        return probe.on_receiver(|link| answer(link.add_credit(3)));
    }
    probe.on_sender(|link| match link.send("x") {
        Ok(_) => "done".to_string(),
        Err(error) => refused(&error),
    })
}

fn drain(probe: &mut Probe, is_receiver: bool) -> String {
    if is_receiver {
        probe.on_receiver(|link| answer(link.drain()))
    } else {
        probe.on_sender(|link| answer(link.drained()))
    }
}

link!(RECEIVER_STATES, RECEIVER_ACTS, true);
link!(SENDER_STATES, SENDER_ACTS, false);

/// L-ATT-03, L-DET-01, L-CLOSE-01: every state of a receiver with every input and command.
#[test]
fn l_att_03_receivers() {
    walk("receiver", RECEIVER_STATES, RECEIVER_ACTS);
}

/// L-ATT-03, L-DET-01, L-CLOSE-01: every state of a sender with every input and command.
#[test]
fn l_att_03_senders() {
    walk("sender", SENDER_STATES, SENDER_ACTS);
}
