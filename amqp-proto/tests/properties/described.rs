//! Described types: round trips, other forms, wrong octets.

use amqp_proto::codec::{DecodeErrorKind, Schema};
use amqp_proto::types::{Symbol, Value};
use amqp_proto::wire::{
    Accepted, AmqpError, Attach, Begin, Close, Coordinator, Declare, Declared, DeleteOnClose,
    DeleteOnNoLinks, DeleteOnNoLinksOrMessages, DeleteOnNoMessages, Detach, Discharge, Disposition, End,
    Flow, Header, Modified, Open, Properties, Received, Rejected, Released, SaslChallenge, SaslInit,
    SaslMechanisms, SaslOutcome, SaslResponse, Source, Target, TransactionalState, Transfer,
};
use arbitrary::{Arbitrary, Unstructured};
use bytes::{Bytes, BytesMut};
use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};

use crate::octets::{octets, spoiled, spoiling};
use crate::wide::wide;
use crate::{LIMITS, decode, encode, taking};

macro_rules! described_types {
    ($($name:ident: $type:ty;)*) => {
        proptest! {
            #![proptest_config(ProptestConfig::with_cases(96))]
            $(
                #[test]
                fn $name(whole: $type, noise in proptest::collection::vec(any::<u8>(), 0..256), spoiling in spoiling()) {
                    let made = <$type>::arbitrary(&mut Unstructured::new(&noise)).unwrap();
                    for whole in [whole, made] {
                        let mut octets = BytesMut::new();
                        whole.encode(&mut octets).unwrap();
                        prop_assert_eq!(octets.len(), whole.encoded_len());
                        let octets = octets.freeze();
                        for form in forms(&octets, <$type>::SCHEMA) {
                            let mut form = Bytes::from(form);
                            prop_assert_eq!(&taking(&mut form, <$type>::decode).unwrap(), &whole);
                            prop_assert!(form.is_empty());
                        }
                        if let Ok(other) = taking(&mut spoiled(&octets, &spoiling), <$type>::decode) {
                            let mut octets = BytesMut::new();
                            other.encode(&mut octets).unwrap();
                            prop_assert_eq!(<$type>::decode(&mut octets.freeze(), LIMITS).unwrap(), other);
                        }
                        let line = format!("{whole:?}");
                        prop_assert!(!line.chars().any(char::is_control), "{line:?}");
                    }
                }
            )*
        }

        proptest! {
            #![proptest_config(ProptestConfig::with_cases(1024))]

            #[test]
            fn any_octets_as_described_types_do_no_harm(octets in octets()) {
                $(
                    let code = u8::try_from(<$type>::SCHEMA.code).unwrap();
                    let described = [&[0x00, 0x53, code], &*octets].concat();
                    let _ = taking(&mut Bytes::from(described), <$type>::decode);
                )*
            }
        }

        /// E-COMP-02, E-COMP-03: a list without fields decodes, or fails with an offset.
        #[test]
        fn lists_without_fields_do_no_harm() {
            $(
                let code = u8::try_from(<$type>::SCHEMA.code).unwrap();
                match taking(&mut Bytes::from(vec![0x00, 0x53, code, 0x45]), <$type>::decode) {
                    Ok(_) => assert!(<$type>::SCHEMA.fields.iter().all(|field| !field.mandatory)),
                    Err(error) => assert_eq!((error.kind(), error.offset()), (DecodeErrorKind::Missing, 4)),
                }
            )*
        }
    };
}

/// Octets of equal meaning: the shortest, the widest, and with the symbolic descriptor (E-ENC-05, E-DESC-03).
fn forms(octets: &Bytes, schema: Schema) -> [Vec<u8>; 3] {
    let value = decode(octets.clone()).unwrap();
    // Different code writes described types and plain values, with the same result (E-ENC-06).
    assert_eq!(encode(&value), octets, "{value}");
    let symbol = Value::from(Symbol::new(schema.symbol).unwrap());
    [octets.to_vec(), wide(&value), [&[0x00], &*encode(&symbol), &octets[3..]].concat()]
}

described_types! {
    open: Open;
    begin: Begin;
    attach: Attach;
    flow: Flow;
    transfer: Transfer;
    disposition: Disposition;
    detach: Detach;
    end: End;
    close: Close;
    error: AmqpError;
    received: Received;
    accepted: Accepted;
    rejected: Rejected;
    released: Released;
    modified: Modified;
    source: Source;
    target: Target;
    delete_on_close: DeleteOnClose;
    delete_on_no_links: DeleteOnNoLinks;
    delete_on_no_messages: DeleteOnNoMessages;
    delete_on_no_links_or_messages: DeleteOnNoLinksOrMessages;
    coordinator: Coordinator;
    declare: Declare;
    discharge: Discharge;
    declared: Declared;
    transactional_state: TransactionalState;
    sasl_mechanisms: SaslMechanisms;
    sasl_init: SaslInit;
    sasl_challenge: SaslChallenge;
    sasl_response: SaslResponse;
    sasl_outcome: SaslOutcome;
    header: Header;
    properties: Properties;
}
