//! Composites: the rules of all described lists of the standard, tried on each of them [1.4].
//!
//! `fields.rs` tests single fields.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_proto::codec::{DecodeError, DecodeErrorKind, FieldSchema, Schema};
use amqp_proto::types::Limits;
use amqp_proto::wire::*;
use bytes::BytesMut;
use common::{hex, octets};

/// A described list: its schema, its mandatory fields, and a decode and encode of it.
struct Composite {
    schema: Schema,
    /// The fields up to the last mandatory one.
    minimal: &'static [&'static str],
    /// Decodes all octets and encodes the result.
    recode: fn(&str) -> Result<String, DecodeError>,
}

macro_rules! composites {
    ($($type:ident: [$($field:literal),*];)*) => {
        vec![$(Composite {
            schema: $type::SCHEMA,
            minimal: &[$($field),*],
            recode: |form| {
                let mut input = octets(form);
                let before = input.len();
                let value = $type::decode(&mut input, &Limits::DEFAULT)
                    .inspect_err(|_| assert_eq!(input.len(), before, "an error took octets of {form}"))?;
                assert!(input.is_empty(), "octets of {form} are left");
                let mut out = BytesMut::new();
                value.encode(&mut out).unwrap();
                assert_eq!(out.len(), value.encoded_len());
                assert_eq!($type::decode(&mut out.clone().freeze(), &Limits::DEFAULT), Ok(value));
                Ok(hex(&out))
            },
        }),*]
    };
}

/// The types of the standard that are lists of fields, in its order.
fn composites() -> Vec<Composite> {
    composites! {
        Open: ["a10163"];
        Begin: ["40", "43", "43", "43"];
        Attach: ["a1016c", "43", "42"];
        Flow: ["40", "43", "43", "43"];
        Transfer: ["43"];
        Disposition: ["41", "43"];
        Detach: ["43"];
        End: [];
        Close: [];
        AmqpError: ["a30165"];
        Received: ["43", "44"];
        Accepted: [];
        Rejected: [];
        Released: [];
        Modified: [];
        Source: [];
        Target: [];
        DeleteOnClose: [];
        DeleteOnNoLinks: [];
        DeleteOnNoMessages: [];
        DeleteOnNoLinksOrMessages: [];
        Coordinator: [];
        Declare: [];
        Discharge: ["a00174"];
        Declared: ["a00174"];
        TransactionalState: ["a00174"];
        SaslMechanisms: ["e00401a3016d"];
        SaslInit: ["a3016d"];
        SaslChallenge: ["a000"];
        SaslResponse: ["a000"];
        SaslOutcome: ["5000"];
        Header: [];
        Properties: [];
    }
}

/// The shortest encoding of a list of these fields.
fn list(fields: &[&str]) -> String {
    let items = fields.concat();
    match items.len() / 2 {
        0 => "45".to_owned(),
        size @ 1..=254 => format!("c0{:02x}{:02x}{items}", size + 1, fields.len()),
        size => format!("d0{:08x}{:08x}{items}", size + 4, fields.len()),
    }
}

fn wide_list(fields: &[&str]) -> String {
    let items = fields.concat();
    format!("d0{:08x}{:08x}{items}", items.len() / 2 + 4, fields.len())
}

impl Composite {
    fn described(&self, list: &str) -> String {
        format!("0053{:02x}{list}", self.schema.code)
    }

    fn shortest(&self) -> String {
        self.described(&list(self.minimal))
    }

    /// The minimal fields, with nulls up to field `at`, which has this value.
    fn with(&self, at: usize, field: &str) -> String {
        let mut fields = self.minimal.to_vec();
        fields.resize(fields.len().max(at + 1), "40");
        fields[at] = field;
        self.described(&list(&fields))
    }

    fn recode(&self, form: &str) -> Result<String, DecodeError> {
        (self.recode)(form)
    }

    fn error(&self, form: &str) -> DecodeError {
        self.recode(form).expect_err(form)
    }

    fn fields(&self) -> impl Iterator<Item = (usize, &'static FieldSchema)> {
        self.schema.fields.iter().enumerate()
    }

    fn named(&self, field: &FieldSchema) -> Option<(&'static str, &'static str)> {
        Some((self.schema.name, field.name))
    }
}

#[test]
fn all_lists_of_the_standard_are_tried_here() {
    let bare = [
        "delivery-annotations",
        "message-annotations",
        "application-properties",
        "data",
        "amqp-sequence",
        "amqp-value",
        "footer",
    ];
    let lists: Vec<_> = SCHEMAS.into_iter().filter(|schema| !bare.contains(&schema.name)).collect();
    let tried: Vec<_> = composites().iter().map(|composite| composite.schema).collect();
    assert_eq!(tried, lists);
    assert_eq!(tried.len() + bare.len(), 40);
}

/// E-DESC-03
#[test]
fn e_desc_03_a_type_goes_by_its_number_and_its_name_in_every_form() {
    for composite in composites() {
        let (fields, symbol) = (list(composite.minimal), composite.schema.symbol);
        let (code, name) = (composite.schema.code, hex(symbol.as_bytes()));
        for descriptor in [
            format!("53{code:02x}"),
            format!("80{code:016x}"),
            format!("a3{:02x}{name}", symbol.len()),
            format!("b3{:08x}{name}", symbol.len()),
        ] {
            assert_eq!(
                composite.recode(&format!("00{descriptor}{fields}")),
                Ok(composite.shortest()),
                "{symbol}"
            );
        }
    }
}

/// E-DESC-02, E-DESC-03: a descriptor of another type, with the same number or name, is another descriptor.
#[test]
fn e_desc_02_a_type_goes_by_nothing_else() {
    for composite in composites() {
        let (fields, symbol) = (list(composite.minimal), composite.schema.symbol);
        let (code, name) = (composite.schema.code, hex(symbol.as_bytes()));
        for descriptor in [
            format!("52{code:02x}"),
            format!("50{code:02x}"),
            format!("54{code:02x}"),
            format!("55{code:02x}"),
            format!("70{code:08x}"),
            format!("81{code:016x}"),
            format!("83{code:016x}"),
            format!("84{code:016x}"),
            format!("a1{:02x}{name}", symbol.len()),
            format!("a0{:02x}{name}", symbol.len()),
            format!("a3{:02x}{name}78", symbol.len() + 1),
            format!("80{:016x}", code | 1 << 32),
            "537f".to_owned(),
            "44".to_owned(),
            "40".to_owned(),
        ] {
            let error = composite.error(&format!("00{descriptor}{fields}"));
            assert_eq!(error.kind(), DecodeErrorKind::Descriptor, "{descriptor} for {symbol}");
        }
    }
}

/// E-COMP-01: only a described list is a composite.
#[test]
fn e_comp_01_a_composite_is_a_described_list() {
    for composite in composites() {
        let undescribed = composite.error(&list(composite.minimal));
        assert_eq!(undescribed.kind(), DecodeErrorKind::Expected(composite.schema.name));
        for other in ["40", "c10100", "e0020040", "a000", "43", "0040 45"] {
            let error = composite.error(&composite.described(other));
            assert_eq!(error.kind(), DecodeErrorKind::Expected("list"), "{other}");
        }
    }
}

/// E-COMP-02, E-ENC-06: trailing nulls change nothing, and are never written.
#[test]
fn e_comp_02_trailing_nulls_are_the_same_as_none() {
    for composite in composites() {
        let mut fields = composite.minimal.to_vec();
        loop {
            assert_eq!(composite.recode(&composite.described(&list(&fields))), Ok(composite.shortest()));
            assert_eq!(composite.recode(&composite.described(&wide_list(&fields))), Ok(composite.shortest()));
            if fields.len() == composite.schema.fields.len() {
                break;
            }
            fields.push("40");
        }
    }
}

/// E-COMP-02, E-LIST-01: the empty list in each of its forms.
#[test]
fn e_comp_02_an_empty_list_is_a_composite_of_nulls() {
    for composite in composites() {
        for empty in ["45", "c00100", "d00000000400000000"] {
            let recoded = composite.recode(&composite.described(empty));
            match composite.schema.fields.iter().find(|field| field.mandatory) {
                None => assert_eq!(recoded, Ok(composite.described("45"))),
                Some(field) => {
                    let error = recoded.unwrap_err();
                    assert_eq!(
                        (error.kind(), error.field()),
                        (DecodeErrorKind::Missing, composite.named(field))
                    );
                    assert_eq!(error.offset(), composite.described(empty).len() / 2);
                }
            }
        }
    }
}

/// E-COMP-03, E-COMP-08: a mandatory field that is null or left out is an invalid-field error.
#[test]
fn e_comp_03_a_mandatory_field_must_be_there() {
    let mut tried = 0;
    for composite in composites() {
        for (at, field) in composite.fields().filter(|(_, field)| field.mandatory) {
            assert!(composite.minimal.len() > at);
            for form in [composite.with(at, "40"), composite.described(&list(&composite.minimal[..at]))] {
                let error = composite.error(&form);
                assert_eq!((error.kind(), error.field()), (DecodeErrorKind::Missing, composite.named(field)));
                assert_eq!(error.condition(), Condition::InvalidField);
            }
            tried += 1;
        }
    }
    assert_eq!(
        tried,
        SCHEMAS.iter().flat_map(|schema| schema.fields).filter(|field| field.mandatory).count()
    );
}

/// The encoding of a field's default.
fn default(field: &FieldSchema) -> Option<&'static str> {
    Some(match (field.amqp_type, field.default?) {
        ("boolean", "false") => "42",
        ("ushort", "65535") => "60ffff",
        ("uint" | "handle", "4294967295") => "70ffffffff",
        ("uint" | "seconds", "0") | ("terminus-durability", "none") => "43",
        ("ubyte", "4") => "5004",
        ("sender-settle-mode", "mixed") => "5002",
        ("receiver-settle-mode", "first") => "5000",
        ("terminus-expiry-policy", "session-end") => "a30b73657373696f6e2d656e64",
        other => panic!("{other:?}"),
    })
}

/// An encoding of a value other than the default.
fn other_than_default(field: &FieldSchema) -> &'static str {
    match field.amqp_type {
        "boolean" => "41",
        "ushort" => "600007",
        "uint" | "handle" | "seconds" => "5207",
        "terminus-durability" => "5202",
        "ubyte" | "sender-settle-mode" | "receiver-settle-mode" => "5001",
        "terminus-expiry-policy" => "a3056e65766572",
        other => panic!("{other}"),
    }
}

/// E-COMP-04: a received default equals an absent field, and is never written; other values are. Only a message's
/// priority is written if it was set (M-HDR-01).
#[test]
fn e_comp_04_a_default_is_the_same_as_null() {
    let mut tried = 0;
    for composite in composites() {
        for (at, field) in composite.fields() {
            let Some(default) = default(field) else { continue };
            let stated = composite.with(at, default);
            let written = if field.name == "priority" { stated.clone() } else { composite.shortest() };
            assert_eq!(composite.recode(&stated), Ok(written), "{field:?}");
            let other = composite.with(at, other_than_default(field));
            assert_eq!(composite.recode(&other), Ok(other.clone()), "{field:?}");
            tried += 1;
        }
    }
    assert_eq!(
        tried,
        SCHEMAS.iter().flat_map(|schema| schema.fields).filter(|field| field.default.is_some()).count()
    );
}

/// E-COMP-05
#[test]
fn e_comp_05_more_fields_than_the_type_has_are_refused() {
    for composite in composites() {
        let mut fields = composite.minimal.to_vec();
        fields.resize(composite.schema.fields.len() + 1, "40");
        for form in [list(&fields), wide_list(&fields)] {
            let error = composite.error(&composite.described(&form));
            assert_eq!(error.kind(), DecodeErrorKind::TooManyFields);
        }
        let huge = composite.error(&composite.described("d000000004ffffffff"));
        assert_eq!(huge.kind(), DecodeErrorKind::TooManyFields);
    }
}

/// E-SIZE-03: size, count and fields must agree.
#[test]
fn e_size_03_octets_left_over_in_a_composite_are_refused() {
    for composite in composites() {
        let (count, items) = (composite.minimal.len(), composite.minimal.concat());
        let size = items.len() / 2;
        let over = format!("c0{:02x}{count:02x}{items}40", size + 2);
        assert_eq!(composite.error(&composite.described(&over)).kind(), DecodeErrorKind::Size);
        let short = format!("c0{:02x}{count:02x}{items}", size + 2);
        assert_eq!(composite.error(&composite.described(&short)).kind(), DecodeErrorKind::Truncated);
        if count < composite.schema.fields.len() {
            let under = format!("c0{:02x}{:02x}{items}", size + 1, count + 1);
            assert_eq!(composite.error(&composite.described(&under)).kind(), DecodeErrorKind::Truncated);
        }
        assert_eq!(composite.error(&composite.described("c000")).kind(), DecodeErrorKind::Size);
    }
}

/// E-COMP-09: a decimal fits only a field of any type; an unassigned constructor fits none.
#[test]
fn e_comp_09_a_field_of_another_type_is_refused() {
    let mut tried = 0;
    for composite in composites() {
        for (at, field) in composite.fields() {
            let decimal = composite.recode(&composite.with(at, "7432800001"));
            if (composite.schema.name, field.name) == ("declare", "global_id") {
                assert_eq!(decimal, Ok(composite.with(at, "7432800001")));
            } else {
                let error = decimal.unwrap_err();
                assert!(matches!(error.kind(), DecodeErrorKind::Expected(_)), "{field:?}: {error}");
                assert_eq!(error.field(), composite.named(field));
                assert_eq!(error.condition(), Condition::DecodeError);
                tried += 1;
            }
            let unassigned = composite.error(&composite.with(at, "46"));
            assert_eq!(unassigned.field(), composite.named(field));
            if field.amqp_type != "*" {
                assert_eq!(unassigned.kind(), DecodeErrorKind::Constructor(0x46));
            }
        }
    }
    assert_eq!(tried, SCHEMAS.iter().map(|schema| schema.fields.len()).sum::<usize>() - 1);
}

/// E-COMP-06, E-COMP-07, E-COMP-08: a field of any number of symbols also reads a single symbol without an array, and
/// writes one symbol in that form, which all peers read.
#[test]
fn e_comp_06_a_multiple_field_takes_one_value_or_an_array() {
    let mut tried = 0;
    for composite in composites() {
        for (at, field) in composite.fields().filter(|(_, field)| field.multiple) {
            let one = Ok(composite.with(at, "e00401a30161"));
            for form in
                ["a30161", "b30000000161", "e00401a30161", "f00000000700000001a30161", "e00701b30000000161"]
            {
                assert_eq!(composite.recode(&composite.with(at, form)), one, "{form} in {field:?}");
            }
            let two = Ok(composite.with(at, "e00702a30161026262"));
            for form in ["e00702a30161026262", "f00000001000000002b30000000161000000026262"] {
                assert_eq!(composite.recode(&composite.with(at, form)), two, "{form} in {field:?}");
            }
            tried += 1;
        }
    }
    assert_eq!(tried, 13);
}

/// E-COMP-07, E-COMP-08
#[test]
fn e_comp_07_null_and_an_empty_array_are_the_same() {
    for composite in composites() {
        for (at, field) in composite.fields().filter(|(_, field)| field.multiple) {
            for none in ["40", "e00200a3", "e00200b3", "f00000000500000000a3"] {
                let recoded = composite.recode(&composite.with(at, none));
                if field.mandatory {
                    let error = recoded.unwrap_err();
                    assert_eq!(
                        (error.kind(), error.field()),
                        (DecodeErrorKind::Missing, composite.named(field))
                    );
                } else {
                    assert_eq!(recoded, Ok(composite.shortest()), "{none} in {field:?}");
                }
            }
        }
    }
}

/// E-COMP-06: other arrays, lists, and descriptors are refused.
#[test]
fn e_comp_06_a_multiple_field_takes_nothing_else() {
    for composite in composites() {
        for (at, field) in composite.fields().filter(|(_, field)| field.multiple) {
            for bad in [
                "a10161",
                "e00401a10161",
                "e003015007",
                "c00401a30161",
                "e0020070",
                "e0020040",
                "e00701 005301 a30161",
                "005301 a30161",
                "e00501e00200a3",
            ] {
                let error = composite.error(&composite.with(at, &bad.replace(' ', "")));
                assert!(matches!(error.kind(), DecodeErrorKind::Expected(_)), "{bad} in {field:?}: {error}");
                assert_eq!(error.field(), composite.named(field));
            }
        }
    }
}

/// E-SIZE-04: the border of the narrow list of fields.
#[test]
fn e_size_04_a_composite_of_255_octets_takes_the_wide_list() {
    for (len, opening) in [(252usize, "005310c0ff01a1fc"), (253, "005310d00000010300000001a1fd")] {
        let open = Open::new("z".repeat(len).into());
        let mut out = BytesMut::new();
        open.encode(&mut out).unwrap();
        assert_eq!(hex(&out), format!("{opening}{}", "7a".repeat(len)));
        assert_eq!(Open::decode(&mut out.freeze(), &Limits::DEFAULT), Ok(open));
    }
}
