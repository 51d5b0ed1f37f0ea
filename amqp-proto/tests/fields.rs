//! Single fields of composites: choices, provided types, tags and ids, secrets [1.3, 2.8, 3.4].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_proto::codec::{DecodeError, DecodeErrorKind, EncodeError};
use amqp_proto::symbol;
use amqp_proto::types::*;
use amqp_proto::wire::*;
use bytes::{Bytes, BytesMut};
use common::{hex, octets};

/// The shortest encoding of a list of fields.
fn list(fields: &[&str]) -> String {
    let items = fields.concat().replace(' ', "");
    match items.len() / 2 {
        size @ 0..=254 => format!("c0{:02x}{:02x}{items}", size + 1, fields.len()),
        size => format!("d0{:08x}{:08x}{items}", size + 4, fields.len()),
    }
}

/// A described list.
fn composite(code: u8, fields: &[&str]) -> String {
    format!("0053{code:02x}{}", list(fields))
}

/// Decodes a frame of this type with this body.
fn frame(kind: u8, body: &str) -> Result<Frame, DecodeError> {
    let body = octets(body);
    let mut deframer = Deframer::new();
    let head = format!("{:08x}02{kind:02x}0000", body.len() + 8);
    deframer.input().extend_from_slice(&octets(&head));
    deframer.input().extend_from_slice(&body);
    deframer.next_frame(u32::MAX)?.expect("a whole frame").decode(&Limits::DEFAULT)
}

fn performative(body: &str) -> Result<Performative, DecodeError> {
    match frame(0, body)? {
        Frame::Amqp { performative, .. } => Ok(performative),
        other => panic!("{other:?}"),
    }
}

/// Returns the body of the encoded frame.
fn body(frame: &Frame) -> String {
    let mut out = BytesMut::new();
    frame.encode(u32::MAX, &mut out).unwrap();
    hex(&out[8..])
}

fn rewritten(form: &str) -> String {
    body(&frame(0, form).unwrap())
}

fn disposition(state: &str) -> Result<Option<DeliveryState>, DecodeError> {
    match performative(&composite(0x15, &["41", "43", "40", "40", state]))? {
        Performative::Disposition(disposition) => Ok(disposition.state),
        other => panic!("{other:?}"),
    }
}

fn attach(source: &str, target: &str) -> Result<Box<Attach>, DecodeError> {
    match performative(&composite(0x12, &["a1016c", "43", "42", "40", "40", source, target]))? {
        Performative::Attach(attach) => Ok(attach),
        other => panic!("{other:?}"),
    }
}

/// Returns the fault and its field.
fn wrong<T: std::fmt::Debug>(
    result: Result<T, DecodeError>,
) -> (DecodeErrorKind, &'static str, &'static str) {
    let error = result.unwrap_err();
    let (of, field) = error.field().expect("a field");
    (error.kind(), of, field)
}

/// E-COMP-01: every field at its place, all different.
#[test]
fn e_comp_01_fields_are_read_by_position() {
    let Performative::Flow(flow) = performative(&composite(
        0x13,
        &["5201", "5202", "5203", "5204", "5205", "5206", "5207", "5208", "41", "42", "c106 02 a3016b 5009"],
    ))
    .unwrap() else {
        panic!("a flow")
    };
    let mut expected = Flow::new(2, 3.into(), 4);
    expected.next_incoming_id = Some(1.into());
    expected.handle = Some(5.into());
    expected.delivery_count = Some(6.into());
    (expected.link_credit, expected.available) = (Some(7), Some(8));
    (expected.drain, expected.echo) = (true, false);
    expected.properties = [(symbol!("k"), 9u8)].into_iter().collect();
    assert_eq!(flow, expected);
}

/// E-COMP-04, F-MAX-05
#[test]
fn e_comp_04_absent_fields_read_as_their_defaults() {
    let open = Open::decode(&mut octets("005310c00401a10163"), &Limits::DEFAULT).unwrap();
    assert_eq!((open.max_frame_size, open.channel_max, open.idle_time_out), (u32::MAX, u16::MAX, None));
    let begin = Begin::decode(&mut octets("005311c0050440434343"), &Limits::DEFAULT).unwrap();
    assert_eq!(begin.handle_max.get(), u32::MAX);
    let attach = attach("40", "40").unwrap();
    assert_eq!(attach.snd_settle_mode, SenderSettleMode::Mixed);
    assert_eq!(attach.rcv_settle_mode, ReceiverSettleMode::First);
    let source = Source::decode(&mut octets("00532845"), &Limits::DEFAULT).unwrap();
    assert_eq!((source.durable, source.timeout), (TerminusDurability::None, 0));
    assert_eq!(source.expiry_policy, ExpiryPolicy::SessionEnd);
    let header = Header::decode(&mut octets("00537045"), &Limits::DEFAULT).unwrap();
    assert_eq!((header.priority, header.durable, header.ttl), (None, false, None));
}

/// E-COMP-10: a value outside the choices is an invalid field.
#[test]
fn e_comp_10_values_that_are_no_choice_are_refused() {
    let attach =
        |fields: &[&str]| performative(&composite(0x12, &[&["a1016c", "43", "42"], fields].concat())).err();
    let decode = |form: String| Source::decode(&mut octets(&form), &Limits::DEFAULT).err();
    let outcome =
        |code: &str| SaslOutcome::decode(&mut octets(&composite(0x44, &[code])), &Limits::DEFAULT).err();
    for (bad, good, field, choice) in [
        (attach(&["5003"]), attach(&["5002"]), "snd_settle_mode", "sender-settle-mode"),
        (attach(&["40", "5002"]), attach(&["40", "5001"]), "rcv_settle_mode", "receiver-settle-mode"),
        (
            decode(composite(0x28, &["40", "5203"])),
            decode(composite(0x28, &["40", "5202"])),
            "durable",
            "terminus-durability",
        ),
        (
            decode(composite(0x28, &["40", "43", "a303666f6f"])),
            decode(composite(0x28, &["40", "43", "a3056e65766572"])),
            "expiry_policy",
            "terminus-expiry-policy",
        ),
        // A-SASL-14
        (outcome("5005"), outcome("5004"), "code", "sasl-code"),
    ] {
        let bad = bad.unwrap();
        assert_eq!((bad.kind(), bad.field().unwrap().1), (DecodeErrorKind::Choice(choice), field));
        assert_eq!(bad.condition(), Condition::InvalidField);
        assert_eq!(good, None, "{field}");
    }
    // A role has no default and only two values.
    let role = performative(&composite(0x12, &["a1016c", "43", "5602"]));
    assert_eq!(wrong(role), (DecodeErrorKind::Boolean(2), "attach", "role"));
}

/// E-COMP-11: each field takes the types provided for it; a coordinator is a target, too.
#[test]
fn e_comp_11_sources_and_targets_have_their_own_places() {
    let (source, target, coordinator) = ("00532845", "00532945", "00533045");
    let attached = attach(source, target).unwrap();
    assert_eq!(attached.source.as_deref(), Some(&Source::default()));
    assert_eq!(attached.target.as_deref(), Some(&Target::default().into()));
    let attached = attach(source, coordinator).unwrap();
    assert_eq!(attached.target.as_deref(), Some(&Coordinator::default().into()));
    for (bad, field) in [
        (attach(target, "40"), "source"),
        (attach(coordinator, "40"), "source"),
        (attach("00532445", "40"), "source"),
        (attach("00537f45", "40"), "source"),
        (attach("40", source), "target"),
        (attach("40", "00532445"), "target"),
        (attach("40", "00531745"), "target"),
        (attach("40", "00a310616d71703a736f757263653a6c69737445"), "target"),
    ] {
        assert_eq!(wrong(bad), (DecodeErrorKind::Descriptor, "attach", field));
    }
    assert_eq!(wrong(attach("40", "a10171")), (DecodeErrorKind::Expected("target"), "attach", "target"));
    assert_eq!(wrong(attach("a10171", "40")), (DecodeErrorKind::Expected("source"), "attach", "source"));
}

/// E-COMP-11: only some delivery states are outcomes.
#[test]
fn e_comp_11_delivery_states_and_outcomes_have_their_own_places() {
    let states = [
        ("00532445".to_owned(), true),
        ("00532545".to_owned(), true),
        ("00532645".to_owned(), true),
        ("00532745".to_owned(), true),
        (composite(0x33, &["a00174"]), true),
        (composite(0x23, &["43", "44"]), false),
        (composite(0x34, &["a00174"]), false),
    ];
    for (state, is_outcome) in states {
        let read = disposition(&state).unwrap().unwrap();
        assert_eq!(read.is_terminal(), is_outcome, "{read:?}");
        let transactional = disposition(&composite(0x34, &["a00174", &state]));
        let source =
            attach(&composite(0x28, &["40", "40", "40", "40", "40", "40", "40", "40", &state]), "40");
        if is_outcome {
            assert!(transactional.is_ok() && source.is_ok(), "{read:?}");
        } else {
            assert_eq!(wrong(transactional), (DecodeErrorKind::Descriptor, "transactional-state", "outcome"));
            assert_eq!(wrong(source), (DecodeErrorKind::Descriptor, "source", "default_outcome"));
        }
    }
    for other in ["00532845", "00531d45", "00533245", "00531045"] {
        assert_eq!(wrong(disposition(other)), (DecodeErrorKind::Descriptor, "disposition", "state"));
    }
    for bare in ["a10161", "45", "5324"] {
        assert_eq!(wrong(disposition(bare)).0, DecodeErrorKind::Expected("delivery-state"));
    }
}

/// E-COMP-11: errors, message ids and addresses.
#[test]
fn e_comp_11_errors_ids_and_addresses_have_their_types() {
    assert_eq!(wrong(performative("005317c0050100532445")), (DecodeErrorKind::Descriptor, "end", "error"));
    let properties =
        |fields: &[&str]| Properties::decode(&mut octets(&composite(0x73, fields)), &Limits::DEFAULT);
    let uuid = "98000102030405060708090a0b0c0d0e0f";
    for id in ["44", "5307", "800000000000000100", uuid, "a00161", "b00000000161", "a10161", "b10000000161"] {
        let read = properties(&[id, "40", "40", "40", "40", id]).unwrap();
        assert!(read.message_id.is_some() && read.message_id == read.correlation_id, "{id}");
    }
    for bad in ["a30161", "43", "5501", "41", "00530741"] {
        assert_eq!(wrong(properties(&[bad])).0, DecodeErrorKind::Expected("message-id"), "{bad}");
    }
    for bad in ["a30171", "a00171", "44"] {
        assert_eq!(
            wrong(properties(&["40", "40", bad])),
            (DecodeErrorKind::Expected("string"), "properties", "to")
        );
        let source = attach(&composite(0x28, &[bad]), "40");
        assert_eq!(wrong(source), (DecodeErrorKind::Expected("string"), "source", "address"));
    }
}

/// E-DESC-04, E-DESC-02: states and targets that the standard does not define are kept, octet by octet.
#[test]
fn e_desc_04_unknown_states_and_targets_are_kept() {
    for unknown in ["00a30178c0020141", "00800000468c0000000445", "00521045", "005224a10161"] {
        let disposition = composite(0x15, &["41", "43", "40", "40", unknown]);
        let Performative::Disposition(read) = performative(&disposition).unwrap() else {
            panic!("{unknown}")
        };
        assert!(matches!(read.state, Some(DeliveryState::Outcome(Outcome::Other(_)))), "{read:?}");
        assert_eq!(rewritten(&disposition), disposition);
        let attach = composite(0x12, &["a1016c", "43", "42", "40", "40", "40", unknown]);
        let Performative::Attach(read) = performative(&attach).unwrap() else { panic!("{unknown}") };
        assert!(matches!(read.target.as_deref(), Some(Terminus::Other(_))), "{read:?}");
        assert_eq!(rewritten(&attach), attach);
    }
}

/// E-COMP-12
#[test]
fn e_comp_12_string_keys_are_tolerated_in_fields() {
    let info = |map: &str| {
        AmqpError::decode(&mut octets(&composite(0x1d, &["a30165", "40", map])), &Limits::DEFAULT)
    };
    let read = info("c10702 a1016b a10176").unwrap();
    assert_eq!(read.info.get("k"), Some(&"v".into()));
    assert_eq!(info("c10702 a3016b a10176").unwrap().info.get("k"), Some(&"v".into()));
    for bad in ["c10602 5301 a10176", "c10502 40 a10176", "c10602 5001 a10176"] {
        assert_eq!(wrong(info(bad)), (DecodeErrorKind::NotAllowed("fields"), "error", "info"));
    }
    let mut ours = Fields::new();
    ours.insert(symbol!("k"), "v");
    let mut out = BytesMut::new();
    AmqpError::new(symbol!("e").into()).with_info(ours).encode(&mut out).unwrap();
    assert_eq!(hex(&out), composite(0x1d, &["a30165", "40", "c107 02 a3016b a10176"]));
}

fn tag_of(octets: usize) -> String {
    format!("a0{octets:02x}{}", "74".repeat(octets))
}

/// E-COMP-13
#[test]
fn e_comp_13_delivery_tags_have_up_to_32_octets_both_ways() {
    let transfer = |tag: &str| performative(&composite(0x14, &["43", "43", tag]));
    for len in [0, 1, 31, 32] {
        let Performative::Transfer(read) = transfer(&tag_of(len)).unwrap() else { panic!("a transfer") };
        let tag = DeliveryTag::new(&vec![b't'; len]).unwrap();
        assert_eq!(read.delivery_tag, Some(tag));
        let wide = composite(0x14, &["43", "43", &format!("b0{len:08x}{}", "74".repeat(len))]);
        assert_eq!(rewritten(&wide), composite(0x14, &["43", "43", &tag_of(len)]));
    }
    for len in [33, 255] {
        let error = transfer(&tag_of(len)).unwrap_err();
        assert_eq!(
            (error.kind(), error.field()),
            (DecodeErrorKind::TooLong, Some(("transfer", "delivery_tag")))
        );
        assert_eq!(error.condition(), Condition::InvalidField);
        let error: TooLong = DeliveryTag::new(&vec![0; len]).unwrap_err();
        assert_eq!((error.octets, error.limit), (len, 32));
        assert!(error.to_string().ends_with("[2.8.7]"), "{error}");
    }
    let null = transfer("40").unwrap();
    assert!(matches!(null, Performative::Transfer(Transfer { delivery_tag: None, .. })));
}

/// X-ID-01: the standard allows 32 octets; longer ids of a peer are read, up to 255.
#[test]
fn x_id_01_longer_transaction_ids_are_only_received() {
    let discharge = |id: &str| Discharge::decode(&mut octets(&composite(0x32, &[id])), &Limits::DEFAULT);
    let declared = |id: &str| Declared::decode(&mut octets(&composite(0x33, &[id])), &Limits::DEFAULT);
    for len in [0, 4, 32, 33, 36, 255] {
        let id = TransactionId::received(&vec![b't'; len]).unwrap();
        assert_eq!((id.len(), &id), (len, &id.clone()));
        assert_eq!(discharge(&tag_of(len)).unwrap().txn_id, id);
        assert_eq!(declared(&tag_of(len)).unwrap().txn_id, id);
        let mut written = BytesMut::new();
        Declared::new(id).encode(&mut written).unwrap();
        assert_eq!(written, octets(&composite(0x33, &[&tag_of(len)])));
    }
    let long = format!("b0{:08x}{}", 256, "74".repeat(256));
    assert_eq!(wrong(discharge(&long)), (DecodeErrorKind::TransactionIdTooLong, "discharge", "txn_id"));
    assert_eq!(wrong(declared(&long)), (DecodeErrorKind::TransactionIdTooLong, "declared", "txn_id"));
    let state = disposition(&composite(0x34, &[&long]));
    assert_eq!(wrong(state), (DecodeErrorKind::TransactionIdTooLong, "transactional-state", "txn_id"));
    let error = declared(&long).unwrap_err();
    assert_eq!((error.kind().clause(), error.condition()), ("[4.5.4]", Condition::InvalidField));
    assert!(error.to_string().contains("more than 255 octets in declared.txn-id"), "{error}");
    assert_eq!(wrong(discharge("a10174")), (DecodeErrorKind::Expected("binary"), "discharge", "txn_id"));
}

/// X-ID-01
#[test]
fn x_id_01_made_transaction_ids_have_up_to_32_octets() {
    let new = |len| TransactionId::new(&vec![b't'; len]).map(|id| id.len());
    assert_eq!(new(32), Ok(32));
    for (error, limit) in [(new(33), 32), (TransactionId::received(&[0; 256]).map(|id| id.len()), 255)] {
        let error: TooLong = error.unwrap_err();
        assert_eq!((error.octets > limit, error.limit), (true, limit));
        assert!(error.to_string().ends_with("[4.5.4]"), "{error}");
    }
}

/// E-COMP-14
#[test]
fn e_comp_14_numbers_of_handles_deliveries_and_transfers_are_uints() {
    for (number, form) in [(0, "43"), (255, "52ff"), (256, "7000000100"), (u32::MAX, "70ffffffff")] {
        let mut flow = Flow::new(number, number.into(), number);
        flow.next_incoming_id = Some(number.into());
        (flow.handle, flow.delivery_count) = (Some(number.into()), Some(number.into()));
        let expected = composite(0x13, &[form; 6]);
        assert_eq!(body(&Frame::new(Channel::new(0), flow)), expected);
        let disposition = Disposition::new(Role::Sender, number.into());
        assert_eq!(body(&Frame::new(Channel::new(0), disposition)), composite(0x15, &["42", form]));
        let transfer = Transfer { delivery_id: Some(number.into()), ..Transfer::new(number.into()) };
        assert_eq!(body(&Frame::new(Channel::new(0), transfer)), composite(0x14, &[form, form]));
    }
    assert_eq!(
        wrong(performative("005316c0020144")),
        (DecodeErrorKind::Expected("uint"), "detach", "handle")
    );
    let wide = performative(&composite(0x16, &["800000000000000000"]));
    assert_eq!(wrong(wide).0, DecodeErrorKind::Expected("uint"));
}

/// E-COMP-02, E-ENC-06: only nulls before the last field are written.
#[test]
fn e_comp_02_only_nulls_between_fields_are_written() {
    let mut open = Open::new("c".into());
    open.idle_time_out = Some(0);
    let open = body(&Frame::new(Channel::new(0), open));
    assert_eq!(open, composite(0x10, &["a10163", "40", "40", "40", "43"]));
    assert_eq!(body(&Frame::new(Channel::new(0), End::default())), "00531745");
    let mut attach = Attach::new("l".into(), 0.into(), Role::Sender);
    attach.unsettled = Some(Map::new());
    let attach = body(&Frame::new(Channel::new(0), attach));
    let unsettled = ["a1016c", "43", "42", "40", "40", "40", "40", "c10100"];
    assert_eq!(attach, composite(0x12, &unsettled), "nothing unsettled is not the same as nothing said");
    assert_eq!(rewritten(&attach), attach);
}

/// E-COMP-02: null as the value of a field of any type means that the field is not set.
#[test]
fn e_comp_02_a_null_of_any_type_is_not_written_at_the_end() {
    let mut out = BytesMut::new();
    Declare { global_id: Some(Value::Null) }.encode(&mut out).unwrap();
    assert_eq!(hex(&out), "00533145");
}

/// E-COMP-08, A-SASL-08: sasl-mechanisms without a mechanism is neither written nor read.
#[test]
fn e_comp_08_sasl_mechanisms_need_at_least_one() {
    let none = SaslMechanisms::new(Many::new());
    let missing = EncodeError::Missing { field: "sasl-mechanisms.sasl_server_mechanisms" };
    let mut out = BytesMut::from(&b"before"[..]);
    assert_eq!(none.encode(&mut out), Err(missing.clone()));
    assert_eq!(Frame::Sasl(none.into()).encode(512, &mut out), Err(missing));
    assert_eq!(out, &b"before"[..]);
    for form in ["45", "c0020140", "c00501e00200a3"] {
        let error = frame(1, &format!("005340{form}")).unwrap_err();
        assert_eq!(error.kind(), DecodeErrorKind::Missing, "{form}");
    }
    let one = SaslMechanisms::new(symbol!("PLAIN").into());
    assert_eq!(body(&Frame::Sasl(one.clone().into())), "005340c00b01e00801a305504c41494e");
    assert_eq!(frame(1, "005340c00801a305504c41494e"), Ok(Frame::Sasl(one.into())));
}

/// A-SASL-12, A-SASL-13: an empty binary differs from a missing one.
#[test]
fn a_sasl_12_an_empty_response_is_a_response() {
    let init = |response: Option<&[u8]>| {
        let mut init = SaslInit::new(symbol!("EXTERNAL"));
        init.initial_response = response.map(Secret::from);
        body(&Frame::Sasl(init.into()))
    };
    assert_eq!(init(Some(b"")), "005341c00d02a30845585445524e414ca000");
    assert_eq!(init(None), "005341c00b01a30845585445524e414c");
    for (form, response) in [(init(Some(b"")), Some(Secret::default())), (init(None), None)] {
        let Ok(Frame::Sasl(SaslBody::Init(init))) = frame(1, &form) else { panic!("{form}") };
        assert_eq!(init.initial_response, response);
    }
    for code in ["42", "43"] {
        assert!(frame(1, &format!("0053{code}c00301a000")).is_ok());
        assert_eq!(frame(1, &format!("0053{code}c0020140")).unwrap_err().kind(), DecodeErrorKind::Missing);
    }
}

/// Returns whether the text shows the secret, as text, numbers or hexadecimal digits.
fn shows(printed: &str) -> bool {
    ["hunter2", "104, 117, 110", "68756e746572"].iter().any(|secret| printed.contains(secret))
}

fn sasl_bodies() -> Vec<SaslBody> {
    let secret = || Secret::from(&b"hunter2"[..]);
    let init = SaslInit { initial_response: Some(secret()), ..SaslInit::new(symbol!("PLAIN")) };
    let outcome = SaslOutcome { additional_data: Some(secret()), ..SaslOutcome::new(SaslCode::Ok) };
    let (challenge, response) = (SaslChallenge::new(secret()), SaslResponse::new(secret()));
    vec![init.into(), challenge.into(), response.into(), outcome.into()]
}

#[test]
fn sasl_secrets_do_not_show_in_frames() {
    for body in sasl_bodies() {
        let frame = Frame::Sasl(body.clone());
        for printed in [format!("{body:?}"), format!("{frame:?}"), format!("{frame}"), format!("{frame:#?}")]
        {
            assert!(!shows(&printed), "{printed}");
            assert!(printed.contains("<7 octets hidden>"), "{printed}");
        }
    }
}

/// A frame that is not decoded yet hides its secrets, too.
#[test]
fn sasl_secrets_do_not_show_in_undecoded_frames() {
    for body in sasl_bodies() {
        let mut deframer = Deframer::new();
        Frame::Sasl(body).encode(512, deframer.input()).unwrap();
        assert!(!shows(&format!("{deframer:?}")), "{deframer:?}");
        let raw = deframer.next_frame(512).unwrap().unwrap();
        assert!(!shows(&format!("{raw:?}")), "{raw:?}");
    }
}

#[test]
fn debug_is_compact_and_complete() {
    let channel = Channel::new(3);
    let open = Frame::new(channel, Open { channel_max: 7, ..Open::new("c".into()) });
    assert_eq!(format!("{open:?}"), r#"[3] open { container_id: "c", channel_max: 7 }"#);
    let mut transfer = Transfer::new(1.into());
    transfer.delivery_tag = Some(DeliveryTag::new(b"\x01t").unwrap());
    transfer.state = Some(Outcome::Accepted.into());
    let payload = Bytes::from_static(b"body");
    let transfer = Frame::Amqp { channel, performative: transfer.into(), payload };
    assert_eq!(
        transfer.to_string(),
        "[3] transfer { handle: 1, delivery_tag: 0x0174, state: accepted } + 4 octets"
    );
    assert_eq!(Frame::Empty { channel }.to_string(), "[3] empty");
    let outcome = Frame::Sasl(SaslOutcome::new(SaslCode::Auth).into());
    assert_eq!(outcome.to_string(), "[sasl] sasl-outcome { code: Auth }");
}

/// A peer's text cannot forge a line of a log.
#[test]
fn text_of_a_peer_is_printed_without_control_characters() {
    let error = AmqpError::new(Symbol::new("a\nb").unwrap().into()).with_description("one\ntwo\u{1b}[31m");
    let close = Close { error: Some(error.clone()) };
    for printed in [error.to_string(), format!("{error:?}"), format!("{close:?}")] {
        assert!(!printed.contains(['\n', '\u{1b}']), "{printed:?}");
        assert!(printed.contains("one"), "{printed}");
    }
    let value = Value::from(Map::from_iter([(symbol!("k\r\n"), "v\u{7}")]));
    assert!(!format!("{value}{value:?}").contains(|c: char| c.is_control()));
}
