//! Extensions: required ones, and those in force on a connection, a session, a link [2.7.1-2.7.3].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_proto::config::{Options, ReceiverOptions, SenderOptions, SessionOptions};
use amqp_proto::symbol;
use amqp_proto::testing::{Pair, open};
use amqp_proto::types::{Many, Symbol};
use amqp_proto::wire::Condition;
use common::wire::{Wire, opening};

/// C-OPEN-08: either end closes a connection whose peer lacks a required extension, and the error names it.
#[test]
fn c_open_08_a_required_extension_has_to_be_offered() {
    let required = || Options::new("s").with_required_capabilities(symbol!("sole-connection"));
    for offer in [open("p"), open("p").nulls(6).symbol("other"), open("p").nulls(7).symbol("sole-connection")]
    {
        let mut wire = Wire::server(required());
        wire.peer_sends(opening([offer]));
        assert_eq!(wire.engine_closes(), Condition::PreconditionFailed);
        assert!(!wire.engine.has_extension(&symbol!("sole-connection")));
    }
    let mut wire = Wire::client(required());
    wire.octets();
    wire.peer_sends(opening([open("p")]));
    assert_eq!(wire.engine_closes(), Condition::PreconditionFailed);

    let offering = open("p").nulls(6).symbol("sole-connection");
    let wire = Wire::opened_by(required(), offering);
    assert!(wire.engine.has_extension(&symbol!("sole-connection")));
}

/// C-OPEN-08, C-OPEN-09: a required extension is also desired, once.
#[test]
fn c_open_09_an_extension_is_in_force_if_it_is_desired_and_offered() {
    let desired: Many<Symbol> = [symbol!("A"), symbol!("B")].into_iter().collect();
    let required: Many<Symbol> = [symbol!("B"), symbol!("C")].into_iter().collect();
    let client = Options::new("c").with_desired_capabilities(desired).with_required_capabilities(required);
    let offered: Many<Symbol> = [symbol!("B"), symbol!("C"), symbol!("D")].into_iter().collect();
    let server = Options::new("s").with_offered_capabilities(offered);
    let mut pair = Pair::new(client, server);
    assert!(!pair.client.has_extension(&symbol!("B")));
    pair.drive();
    let heard = pair.server.peer_open().unwrap().desired_capabilities;
    assert_eq!(heard[..], [symbol!("A"), symbol!("B"), symbol!("C")]);
    let in_force = ["A", "B", "C", "D"].map(|name| pair.client.has_extension(&Symbol::new(name).unwrap()));
    assert_eq!(in_force, [false, true, true, false]);
    assert!(!pair.server.has_extension(&symbol!("B")));
}

/// S-BEG-09, L-EXT-01: extensions of sessions and links.
#[test]
fn s_beg_09_extensions_of_sessions_and_links() {
    let (yes, no) = (symbol!("yes"), symbol!("no"));
    let both: Many<Symbol> = [yes.clone(), no.clone()].into_iter().collect();
    let mut pair = Pair::opened();
    pair.server.session_options = SessionOptions::new().with_offered_capabilities(yes.clone());
    pair.server.receiver_options = ReceiverOptions::new().with_offered_capabilities(yes.clone());
    pair.client.session_options = SessionOptions::new().with_desired_capabilities(both.clone());
    let options = SenderOptions::to("jobs").with_desired_capabilities(both.clone());
    let sender = pair.client.attach_sender_with("jobs", options);
    let session = pair.client.default_session();
    assert!(!pair.client.session(session).unwrap().has_extension(&yes));
    assert!(!pair.client.sender(sender).unwrap().has_extension(&yes));
    pair.drive();
    let view = pair.client.session(session).unwrap();
    assert!(view.has_extension(&yes) && !view.has_extension(&no));
    let view = pair.client.sender(sender).unwrap();
    assert!(view.has_extension(&yes) && !view.has_extension(&no));
    let session = pair.server.expect_session_offer();
    let view = pair.server.session(session).unwrap();
    assert!(!view.has_extension(&yes));
    assert_eq!(view.peer_begin().unwrap().desired_capabilities, both);
}
