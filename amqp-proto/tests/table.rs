//! The tables of the crate, compared with those of the standard, which `tests/data` has from its XML.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_proto::codec::FieldSchema;
use amqp_proto::types::{Kind, Symbol};
use amqp_proto::wire::{
    Condition, DistributionMode, ExpiryPolicy, ReceiverSettleMode, Role, SCHEMAS, SaslCode, SectionKind,
    SenderSettleMode, TerminusDurability,
};
use common::{data, text};

/// One line for each field, so that a difference is readable.
fn described_fields(fields: &[FieldSchema]) -> Vec<String> {
    let line = |f: &FieldSchema| {
        let name = f.name.replace('_', "-");
        format!(
            "{name}: {} mandatory={} multiple={} default={:?}",
            f.amqp_type, f.mandatory, f.multiple, f.default
        )
    };
    fields.iter().map(line).collect()
}

fn standard_fields(ty: &serde_json::Value) -> Vec<String> {
    let line = |f: &serde_json::Value| {
        let (mandatory, multiple) = (f["mandatory"].as_bool().unwrap(), f["multiple"].as_bool().unwrap());
        let (name, of) = (text(f, "name"), text(f, "type"));
        format!("{name}: {of} mandatory={mandatory} multiple={multiple} default={:?}", f["default"].as_str())
    };
    ty["fields"].as_array().unwrap().iter().map(line).collect()
}

fn standard_types() -> Vec<serde_json::Value> {
    data("types.json").as_array().unwrap().clone()
}

/// The choices of a restricted type in the standard: names and values as text.
fn choices(of: &str) -> Vec<(String, String)> {
    let all = data("choices.json");
    let ty = all.as_array().unwrap().iter().find(|ty| text(ty, "name") == of).expect(of);
    let pair = |c: &serde_json::Value| (text(c, "name").to_owned(), text(c, "value").to_owned());
    ty["choices"].as_array().unwrap().iter().map(pair).collect()
}

/// Turns `UnsettledState` into the standard's `unsettled-state`.
fn hyphenated(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.extend(c.to_lowercase());
    }
    text
}

/// The choices of the crate, in the form of [`choices`].
fn own<T: std::fmt::Debug + Copy>(all: &[T], wire: impl Fn(T) -> String) -> Vec<(String, String)> {
    all.iter().map(|choice| (hyphenated(&format!("{choice:?}")), wire(*choice))).collect()
}

#[test]
fn the_forty_described_types_stand_in_the_order_of_the_standard() {
    let own: Vec<&str> = SCHEMAS.iter().map(|schema| schema.name).collect();
    let standard = standard_types();
    let standard: Vec<&str> = standard.iter().map(|ty| text(ty, "name")).collect();
    assert_eq!(own, standard);
    assert_eq!(own.len(), 40);
}

/// E-DESC-03
#[test]
fn e_desc_03_every_type_has_the_descriptors_of_the_standard() {
    for (schema, ty) in SCHEMAS.iter().zip(standard_types()) {
        assert_eq!(schema.symbol, text(&ty, "descriptor_name"), "{}", schema.name);
        assert_eq!(Some(schema.code), ty["descriptor_code"].as_u64(), "{}", schema.name);
    }
}

/// E-COMP-01
#[test]
fn e_comp_01_every_type_has_the_fields_of_the_standard_in_its_order() {
    for (schema, ty) in SCHEMAS.iter().zip(standard_types()) {
        assert_eq!(described_fields(schema.fields), standard_fields(&ty), "{}", schema.name);
    }
}

#[test]
fn the_sections_have_the_schemas_of_their_types() {
    let own: Vec<_> = SectionKind::ALL.map(|kind| kind.schema()).into();
    assert_eq!(own, SCHEMAS[31..]);
    for kind in SectionKind::ALL {
        assert_eq!(SectionKind::from_code(kind.schema().code), Some(kind));
    }
    assert_eq!(SectionKind::from_code(0x6f), None);
    assert_eq!(SectionKind::from_code(0x79), None);
}

/// E-COMP-10
#[test]
fn e_comp_10_roles_are_those_of_the_standard() {
    assert_eq!(own(Role::ALL, |c| c.to_wire().to_string()), choices("role"));
    assert_eq!((Role::from_wire(false), Role::from_wire(true)), (Some(Role::Sender), Some(Role::Receiver)));
}

macro_rules! numbered {
    ($($test:ident: $type:ident = $name:literal;)*) => {$(
        /// E-COMP-10
        #[test]
        fn $test() {
            assert_eq!(own($type::ALL, |choice| choice.to_wire().to_string()), choices($name));
            for number in 0..=255 {
                let listed = $type::ALL.iter().copied().find(|choice| choice.to_wire() == number);
                assert_eq!($type::from_wire(number), listed, "{number}");
            }
        }
    )*};
}

numbered! {
    e_comp_10_sender_settle_modes_are_those_of_the_standard: SenderSettleMode = "sender-settle-mode";
    e_comp_10_receiver_settle_modes_are_those_of_the_standard: ReceiverSettleMode = "receiver-settle-mode";
    e_comp_10_durabilities_are_those_of_the_standard: TerminusDurability = "terminus-durability";
    e_comp_10_sasl_codes_are_those_of_the_standard: SaslCode = "sasl-code";
}

/// E-COMP-10
#[test]
fn e_comp_10_expiry_policies_are_those_of_the_standard() {
    let wire = |choice: ExpiryPolicy| choice.to_symbol().as_str().to_owned();
    assert_eq!(own(ExpiryPolicy::ALL, wire), choices("terminus-expiry-policy"));
    for policy in ExpiryPolicy::ALL {
        assert_eq!(ExpiryPolicy::from_symbol(policy.to_symbol()), Some(*policy));
    }
    assert_eq!(ExpiryPolicy::from_symbol(Symbol::new("Never").unwrap()), None);
}

#[test]
fn distribution_modes_are_those_of_the_standard_and_any_other() {
    for (name, value) in choices("std-dist-mode") {
        let mode = DistributionMode::from(Symbol::new(&value).unwrap());
        assert_eq!(format!("{mode:?}").to_lowercase(), name);
        assert_eq!(Symbol::from(mode), *value);
    }
    let other = DistributionMode::from(Symbol::new("fan-out").unwrap());
    assert!(matches!(other, DistributionMode::Other(_)));
    assert_eq!(Symbol::from(other), "fan-out");
}

/// R-ERR-02: the table has exactly the conditions of the standard, in its order.
#[test]
fn conditions_are_those_of_the_standard_in_its_order() {
    let kinds = ["amqp-error", "connection-error", "session-error", "link-error", "transaction-error"];
    let standard: Vec<String> = kinds.iter().flat_map(|kind| choices(kind)).map(|(_, value)| value).collect();
    let own: Vec<&str> = Condition::STANDARD.iter().map(Condition::as_str).collect();
    assert_eq!(own, standard);
}

/// R-ERR-02
#[test]
fn r_err_02_a_condition_survives_the_way_through_a_symbol() {
    for condition in Condition::STANDARD {
        let symbol = Symbol::from(condition.clone());
        assert_eq!(symbol, *condition.as_str());
        assert!(!matches!(Condition::from(symbol.clone()), Condition::Other(_)), "{symbol}");
        assert_eq!(Condition::from(symbol), *condition);
    }
    let own = Symbol::new("com.example:too-late").unwrap();
    assert_eq!(Condition::from(own.clone()), Condition::Other(own));
}

#[test]
fn kinds_have_the_names_of_the_primitive_types() {
    let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    let standard = "null boolean ubyte ushort uint ulong byte short int long float double decimal32 \
                    decimal64 decimal128 char timestamp uuid binary string symbol list map array";
    assert_eq!(names.join(" "), standard);
}
