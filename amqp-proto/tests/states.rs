//! Delivery states and outcomes against octets written by hand [3.4].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_proto::codec::DecodeErrorKind;
use amqp_proto::symbol;
use amqp_proto::types::{Annotations, DeliveryNumber, Limits};
use amqp_proto::wire::{
    AmqpError, Condition, DeliveryState, Disposition, Modified, Outcome, Received, Rejected, Role,
};
use bytes::BytesMut;
use common::{hex, octets};

/// A disposition with a state, by hand.
fn disposition(state: &str) -> String {
    let state = octets(state);
    format!("005315c0{:02x}0541434041{}", state.len() + 5, hex(&state))
}

/// M-STATE-03, -04, -05, -06, -07, -08, as far as types go.
#[test]
fn m_state_03_to_08_states_and_outcomes() {
    let error = AmqpError::new(Condition::NotFound);
    let annotations = Annotations::from_iter([(symbol!("x-opt-a"), 1)]);
    let modified = |failed, here| Modified {
        delivery_failed: failed,
        undeliverable_here: here,
        message_annotations: Annotations::new(),
    };
    let merging = Modified { message_annotations: annotations, ..modified(Some(true), Some(true)) };
    let states: [(DeliveryState, &str, bool); 11] = [
        (DeliveryState::Received(Received::new(0, 0)), "005323 c00302 43 44", false),
        (DeliveryState::Received(Received::new(3, 0)), "005323 c00402 5203 44", false),
        (DeliveryState::Received(Received::new(2, 1024)), "005323 c00c02 5202 800000000000000400", false),
        (Outcome::Accepted.into(), "00532445", true),
        (Outcome::Rejected(Rejected::default()).into(), "00532545", true),
        (
            Outcome::Rejected(Rejected { error: Some(Box::new(error)) }).into(),
            "005325 c01701 00531d c01101 a30e616d71703a6e6f742d666f756e64",
            true,
        ),
        (Outcome::Released.into(), "00532645", true),
        (Outcome::from(modified(None, None)).into(), "00532745", true),
        (Outcome::from(modified(Some(false), None)).into(), "005327 c00201 42", true),
        (Outcome::from(modified(None, Some(true))).into(), "005327 c00302 40 41", true),
        (Outcome::from(merging).into(), "005327 c01103 41 41 c10c02 a307782d6f70742d61 5401", true),
    ];
    for (state, by_hand, terminal) in states {
        assert_eq!(state.is_terminal(), terminal, "{state:?}");
        let mut told = Disposition::new(Role::Receiver, DeliveryNumber::new(0));
        (told.settled, told.state) = (true, Some(state));
        let mut out = BytesMut::new();
        told.encode(&mut out).unwrap();
        assert_eq!(hex(&out), disposition(by_hand), "{told:?}");
        assert_eq!(Disposition::decode(&mut out.freeze(), &Limits::DEFAULT), Ok(told));
    }
    // An empty list and a list of nulls have no fields.
    for state in ["005324 c0020140", "005326 c0020140"] {
        let refused = Disposition::decode(&mut octets(&disposition(state)), &Limits::DEFAULT);
        assert_eq!(refused.unwrap_err().kind(), DecodeErrorKind::TooManyFields, "{state}");
    }
}
