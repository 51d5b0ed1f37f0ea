//! Messages that go through the node [3.2].

use super::super::case::{Case, Played, Stop, defined, deviates, holds, must, not_tried};
use super::super::peer::Peer;
use super::super::stages::{message, section, sections_of, start_of};
use super::super::wire::{Form, Section, Value, composite, described, hex, raw, symbol};

pub(super) const CASES: [Case; 14] = [
    must("M-SEC-05", "3.2", "does not change the octets of properties", properties),
    must("M-SEC-05", "3.2", "does not change the octets of application-properties", application_properties),
    must("M-SEC-05", "3.2", "does not change the octets of a body", body),
    must("M-SEC-05", "3.2", "adds no properties and no application-properties", nothing_added),
    defined("M-SEC-02", "3.2", "carries a body of two data sections", two_data),
    defined("M-BODY-02", "3.2.7", "carries a body of amqp-sequence", sequence),
    defined("M-BODY-03", "3.2.8", "carries an amqp-value of a list", value_list),
    defined("M-BODY-03", "3.2.8", "carries an amqp-value of a map", value_map),
    defined("M-BODY-03", "3.2.8", "carries an amqp-value of null", value_null),
    defined("E-DESC-04", "1.1.2", "carries a value of an unknown type", unknown_type),
    must("M-MANN-01", "3.2.3", "propagates message-annotations", annotations),
    defined("M-FOOT-01", "3.2.9", "carries a footer", footer),
    defined("M-HDR-06", "3.2.1", "sends a message first with delivery-count 0", first_count),
    defined("M-SEC-01", "3.2", "sends the sections of a message in their order", order),
];

/// Sends a message and takes it again. Returns its sections.
fn through(peer: &mut Peer<'_>, payload: &[u8]) -> Result<Vec<Section>, Stop> {
    peer.begun()?;
    let link = peer.sender("sends", 0)?;
    let first = peer.deliveries;
    let transfer = peer.transfer(&link, payload);
    peer.send([transfer]);
    let outcomes = peer.outcomes(first).or_else(|came| deviates("an accepted message", came))?;
    let (state, _) = &outcomes[0];
    if !state.is("accepted") {
        return not_tried(format!("the peer does not accept the message: {state}"));
    }
    let link = peer.receiver("takes", 1)?;
    let credit = peer.credit(&link, start_of(&link), 1);
    peer.send([credit]);
    let delivery = peer.delivery(&link).or_else(|came| deviates("the message", came))?;
    let sections = sections_of(&delivery);
    peer.accepts(&[delivery]);
    sections
}

/// Returns the octets of all sections of these codes.
fn octets_of(sections: &[Section], codes: &[u64]) -> Vec<u8> {
    let wanted = sections.iter().filter(|(code, ..)| codes.contains(code));
    wanted.flat_map(|(.., octets)| octets.clone()).collect()
}

/// Sends a message of a section and a body. The section must come with the same octets.
fn same_octets(peer: &mut Peer<'_>, codes: &[u64], wanted: &[u8], payload: &[u8]) -> Played {
    let sections = through(peer, payload)?;
    let came = octets_of(&sections, codes);
    let expected = format!("the octets {}", hex(wanted, 200));
    holds(came == wanted, &expected, || hex(&came, 200))
}

fn properties(peer: &mut Peer<'_>) -> Played {
    // A list32 with encodings that are not the shortest.
    let fields = Value::List(vec![
        7u64.into(),
        Value::Null,
        Value::Null,
        "subject".into(),
        Value::Null,
        "other".into(),
    ]);
    let section = described(0x73, fields).octets(Form::Wide);
    same_octets(peer, &[0x73], &section, &[section.clone(), message("text")].concat())
}

fn application_properties(peer: &mut Peer<'_>) -> Played {
    let entries = vec![
        ("number".into(), 7u64.into()),
        ("flag".into(), true.into()),
        ("text".into(), "value".into()),
        ("unset".into(), Value::Null),
    ];
    let section = described(0x74, Value::Map(entries)).octets(Form::Wide);
    same_octets(peer, &[0x74], &section, &[section.clone(), message("text")].concat())
}

fn body(peer: &mut Peer<'_>) -> Played {
    let section = described(0x75, (&b"a body"[..]).into()).octets(Form::Wide);
    same_octets(peer, &[0x75], &section, &section)
}

fn nothing_added(peer: &mut Peer<'_>) -> Played {
    same_octets(peer, &[0x73, 0x74], &[], &message("a body alone"))
}

/// A section of the body must come with the same value; its encoding is another rule's.
fn same_values(peer: &mut Peer<'_>, payload: &[u8]) -> Played {
    let wanted = super::super::wire::sections(payload).unwrap_or_default();
    let sections = through(peer, payload)?;
    let shown = |sections: &[Section]| {
        let body = sections.iter().filter(|(code, ..)| (0x75..=0x78).contains(code));
        body.map(|(code, value, _)| format!("0x{code:x} {value}")).collect::<Vec<_>>().join(", ")
    };
    holds(shown(&sections) == shown(&wanted), &shown(&wanted), || shown(&sections))
}

fn two_data(peer: &mut Peer<'_>) -> Played {
    same_values(peer, &[message("one"), message("two")].concat())
}

fn sequence(peer: &mut Peer<'_>) -> Played {
    same_values(peer, &section(0x76, Value::List(vec![1u32.into(), "two".into()])))
}

fn value_list(peer: &mut Peer<'_>) -> Played {
    same_values(peer, &section(0x77, Value::List(vec![1u32.into(), "two".into(), true.into()])))
}

fn value_map(peer: &mut Peer<'_>) -> Played {
    same_values(peer, &section(0x77, Value::Map(vec![("key".into(), 1u32.into())])))
}

fn value_null(peer: &mut Peer<'_>) -> Played {
    same_values(peer, &section(0x77, Value::Null))
}

fn unknown_type(peer: &mut Peer<'_>) -> Played {
    let value = Value::Described(Box::new(symbol("conformance:type")), Box::new("text".into()));
    same_values(peer, &section(0x77, value))
}

fn footer(peer: &mut Peer<'_>) -> Played {
    let footer = section(0x78, Value::Map(vec![(symbol("x-opt-conformance"), "footer".into())]));
    same_values(peer, &[message("with a footer"), footer].concat())
}

fn annotations(peer: &mut Peer<'_>) -> Played {
    let key = symbol("x-opt-conformance");
    let annotations = section(0x72, Value::Map(vec![(key.clone(), "annotation".into())]));
    let sections = through(peer, &[annotations, message("annotated")].concat())?;
    let came = sections.iter().find(|(code, ..)| *code == 0x72).map(|(_, value, _)| value);
    let has = match came {
        Some(Value::Map(entries)) => entries.contains(&(key, "annotation".into())),
        _ => false,
    };
    let came = came.map_or_else(|| "no message-annotations".to_owned(), Value::to_string);
    holds(has, "the annotation x-opt-conformance", || came)
}

fn first_count(peer: &mut Peer<'_>) -> Played {
    let sections = through(peer, &message("first"))?;
    let header = sections.iter().find(|(code, ..)| *code == 0x70).map(|(_, header, _)| header);
    let count = header.and_then(|header| header.get("delivery-count").number()).unwrap_or_default();
    holds(count == 0, "delivery-count 0, or none", || format!("delivery-count {count}"))
}

fn order(peer: &mut Peer<'_>) -> Played {
    let header =
        composite("header", &[("durable", false.into()), ("priority", 5u8.into())]).octets(Form::Short);
    let annotations = section(0x72, Value::Map(vec![(symbol("x-opt-conformance"), 1u32.into())]));
    let properties = section(0x73, Value::List(vec!["id".into()]));
    let application = section(0x74, Value::Map(vec![("key".into(), raw(&[0x41]))]));
    let sections = through(peer, &[header, annotations, properties, application, message("all")].concat())?;
    let codes: Vec<u64> = sections.iter().map(|(code, ..)| *code).collect();
    let ordered = codes.windows(2).all(|pair| pair[0] < pair[1]);
    holds(ordered, "sections in the order of the standard", || format!("{codes:x?}"))
}
