//! Lists, maps, arrays and described values: sizes, counts, keys, element constructors, descriptors [1.2].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_proto::codec::{DecodeErrorKind, Entries, LimitKind};
use amqp_proto::symbol;
use amqp_proto::types::{
    Annotations, ApplicationProperties, Array, Described, Fields, Kind, List, Map, SimpleValue, Value,
};
use common::{decode, encode, octets};

fn list(values: impl IntoIterator<Item = Value>) -> Value {
    values.into_iter().collect::<List>().into()
}

fn array(kind: Kind, values: impl IntoIterator<Item = Value>) -> Value {
    Array::from_values(kind, values).unwrap().into()
}

fn wrong(hex: &str) -> DecodeErrorKind {
    decode(hex).expect_err(hex).kind()
}

/// E-SIZE-01
#[test]
fn e_size_01_a_size_off_by_one_is_refused() {
    for (right, low, high) in [
        ("c0020141", "c0010141", "c0030141"),
        ("c003024142", "c002024142", "c004024142"),
        ("d0000000050000000141", "d0000000040000000141", "d0000000060000000141"),
        ("c103024142", "c102024142", "c104024142"),
        ("d100000006000000024142", "d100000005000000024142", "d100000007000000024142"),
        ("e003015007", "e002015007", "e004015007"),
        ("f000000006000000015007", "f000000005000000015007", "f000000007000000015007"),
    ] {
        assert!(decode(right).is_ok(), "{right}");
        // Octets of the right number follow, so only the size is wrong.
        for bad in [format!("{low}4040"), format!("{high}4040")] {
            let kind = value_error(&bad);
            assert!(matches!(kind, DecodeErrorKind::Size | DecodeErrorKind::Count), "{bad}: {kind:?}");
        }
        assert!(decode(low).is_err() && decode(high).is_err());
    }
}

/// Returns the fault of the first value; the octets behind it do not matter.
fn value_error(hex: &str) -> DecodeErrorKind {
    Value::decode(&mut octets(hex), &amqp_proto::types::Limits::DEFAULT).expect_err(hex).kind()
}

/// E-SIZE-02
#[test]
fn e_size_02_the_size_of_an_array_counts_its_element_constructor() {
    assert_eq!(encode(Array::new(Kind::Symbol)), "e00200a3");
    assert_eq!(decode("e00200a3"), Ok(Array::new(Kind::Symbol).into()));
    assert_eq!(wrong("e00100a3"), DecodeErrorKind::Truncated);
}

/// E-SIZE-03
#[test]
fn e_size_03_octets_left_over_or_missing_are_refused() {
    assert_eq!(wrong("c003014142"), DecodeErrorKind::Size);
    assert_eq!(wrong("c104024142 43"), DecodeErrorKind::Size);
    assert_eq!(wrong("c0100141"), DecodeErrorKind::Truncated);
    assert_eq!(wrong("d0000000100000000141"), DecodeErrorKind::Truncated);
    assert_eq!(wrong("e004015007 08"), DecodeErrorKind::Count);
    assert_eq!(wrong("e006 01 a1 01 61 6262"), DecodeErrorKind::Size);
    // An inner value that exceeds the list around it, although its octets are there.
    assert_eq!(value_error("c003 01 a103 616263"), DecodeErrorKind::Truncated);
    assert_eq!(value_error("c005 01 c003 02 41 42"), DecodeErrorKind::Truncated);
    assert!(decode("c006 01 c003 02 41 42").is_ok());
}

/// E-SIZE-03: a size that is too small for the count.
#[test]
fn e_size_03_a_size_without_room_for_the_count_is_refused() {
    for bad in
        ["c000", "c100", "e000", "d00000000000", "d000000003000000", "d100000003000000", "f000000003000000"]
    {
        assert_eq!(wrong(bad), DecodeErrorKind::Size, "{bad}");
    }
}

/// E-SIZE-05: a size or count beyond the octets is refused at once.
#[test]
fn e_size_05_claims_beyond_the_octets_present_are_refused() {
    for bad in
        ["d0ffffffff00000001", "d1ffffffff00000002", "f0ffffffff0000000150", "b0ffffffff", "b1ffffffff61"]
    {
        assert_eq!(wrong(bad), DecodeErrorKind::Truncated, "{bad}");
    }
    for bad in [
        "d000000004ffffffff",
        "d100000004fffffffe",
        "f000000005ffffffff50",
        "f000000005ffffffffa0",
        "f00000000540000000 80",
        "f000000006ffffffffe000",
    ] {
        assert_eq!(wrong(bad), DecodeErrorKind::Count, "{bad}");
    }
}

/// E-MAP-01
#[test]
fn e_map_01_a_map_has_an_even_number_of_items() {
    for bad in ["c1020141", "c10403414243", "d1000000050000000141"] {
        assert_eq!(wrong(bad), DecodeErrorKind::OddMap, "{bad}");
    }
    assert!(decode("c105044142 4342").is_ok());
}

/// E-MAP-02: with few keys and with many, which the decoder compares in different ways.
#[test]
fn e_map_02_equal_keys_are_refused() {
    assert_eq!(wrong("c10904a3016b41a3016b42"), DecodeErrorKind::DuplicateKey);
    for pairs in [2usize, 8, 9, 50] {
        let map = |keys: &[usize]| {
            let items: String = keys.iter().map(|key| format!("50{key:02x}40")).collect();
            format!("c1{:02x}{:02x}{items}", 1 + items.len() / 2, 2 * keys.len())
        };
        let mut keys: Vec<usize> = (0..pairs).rev().collect();
        assert_eq!(decode(&map(&keys)).unwrap().as_map().unwrap().len(), pairs);
        keys[pairs - 1] = keys[0];
        assert_eq!(wrong(&map(&keys)), DecodeErrorKind::DuplicateKey, "{pairs} pairs");
    }
}

/// E-MAP-02, Q-12: keys are equal in different encodings, and differ in different types.
#[test]
fn e_map_02_keys_are_compared_as_values() {
    for (one, other) in [
        ("43", "5200"),
        ("43", "7000000000"),
        ("a10161", "b10000000161"),
        ("45", "c00100"),
        ("7280000000", "7280000000"),
        ("727fc00001", "727fc00001"),
        ("005301 43", "a001005301"),
    ] {
        let map = |other: &str| {
            let items = format!("{one}40{other}40").replace(' ', "");
            format!("c1{:02x}04{items}", 1 + items.len() / 2)
        };
        if one.starts_with("00") {
            assert!(decode(&map("005301 44")).is_ok());
            assert_eq!(wrong(&map("00800000000000000001 5200")), DecodeErrorKind::DuplicateKey);
        } else {
            assert_eq!(wrong(&map(other)), DecodeErrorKind::DuplicateKey, "{one} {other}");
        }
    }
    // uint and ulong, string and symbol, zero and negative zero are different keys.
    assert!(decode("c105 04 43 40 44 40").is_ok());
    assert!(decode("c109 04 a10161 40 a30161 40").is_ok());
    assert!(decode("c10d 04 7200000000 40 7280000000 40").is_ok());
}

/// E-MAP-03
#[test]
fn e_map_03_the_order_of_a_map_is_kept_and_counts() {
    let (ab, ba) = ("c10904a3016141a3016242", "c10904a3016242a3016141");
    assert_ne!(decode(ab), decode(ba));
    for form in [ab, ba] {
        assert_eq!(encode(decode(form).unwrap()), form);
    }
    let keys: Vec<String> = (0..20).rev().map(|n| format!("k{n}")).collect();
    let map: Map = keys.iter().map(|key| (key.as_str(), 1u8)).collect();
    let Ok(Value::Map(again)) = decode(&encode(map)) else { panic!("a map was written") };
    assert!(again.iter().map(|(key, _)| key.as_str().unwrap()).eq(keys.iter().map(String::as_str)));
}

/// E-MAP-04
#[test]
fn e_map_04_keys_are_of_any_type() {
    let keys: [Value; 6] = [
        Value::Null,
        (-1i32).into(),
        list([1u8.into()]),
        Map::from_iter([(1u8, 2u8)]).into(),
        array(Kind::Ubyte, [1u8.into()]),
        Described::new(1u64, "x").into(),
    ];
    let map: Map = keys.iter().cloned().zip(0u8..).collect();
    assert_eq!(map.len(), 6);
    let again = decode(&encode(map.clone())).unwrap();
    assert_eq!(again, Value::from(map));
    for (key, at) in keys.iter().zip(0u8..) {
        assert_eq!(again.as_map().unwrap().get_value(key), Some(&at.into()));
    }
}

/// E-MAP-04, E-COMP-12, M-ANN-01: maps whose keys the standard restricts.
#[test]
fn e_map_04_restricted_maps_refuse_other_keys() {
    let map = |key: Value, value: Value| Map::from_iter([(key, value)]);
    let (name, text, number) = (Value::from(symbol!("k")), Value::from("k"), Value::from(1u64));
    for (key, fields, annotations, application) in [
        (&name, true, true, false),
        (&text, true, true, true),
        (&number, false, true, false),
        (&Value::Null, false, false, false),
    ] {
        let map = map(key.clone(), true.into());
        assert_eq!(Fields::try_from(map.clone()).is_ok(), fields, "{key}");
        assert_eq!(Annotations::try_from(map.clone()).is_ok(), annotations, "{key}");
        assert_eq!(ApplicationProperties::try_from(map).is_ok(), application, "{key}");
    }
    for compound in
        [list([]), Map::new().into(), Array::new(Kind::Null).into(), Described::new(1u64, list([])).into()]
    {
        assert!(ApplicationProperties::try_from(map(text.clone(), compound.clone())).is_err(), "{compound}");
        assert!(SimpleValue::try_from(compound).is_err());
    }
}

/// E-ARR-01
#[test]
fn e_arr_01_the_element_constructor_is_written_once() {
    let names = array(Kind::Symbol, [symbol!("a").into(), symbol!("bc").into()]);
    assert_eq!(encode(names.clone()), "e00702a30161026263");
    assert_eq!(decode("e00702a30161026263"), Ok(names));
    assert!(Array::from_values(Kind::Symbol, ["a".into()]).is_err());
    assert!(Array::from_values(Kind::Symbol, [Described::new(1u64, symbol!("a")).into()]).is_err());
}

/// E-ARR-02: one descriptor, several, compound ones; for elements with and without octets.
#[test]
fn e_arr_02_descriptors_are_written_once_for_all_elements() {
    let described = |descriptors: &[&Value], kind, elements: &[Value]| {
        let mut array = Array::described(descriptors.iter().copied().cloned(), kind);
        elements.iter().for_each(|element| array.push(element.clone()).unwrap());
        Value::from(array)
    };
    let (d, e) = (Value::from(symbol!("d")), Value::from(7u64));
    let strings: [Value; 2] = ["a".into(), "b".into()];
    for (value, form) in [
        (described(&[&d], Kind::String, &strings), "e00a 02 00 a30164 a1 0161 0162"),
        (described(&[&d, &e], Kind::String, &strings), "e00d 02 00 a30164 00 5307 a1 0161 0162"),
        (described(&[&list([e.clone()])], Kind::Ubyte, &[9u8.into()]), "e009 01 00 c003015307 50 09"),
        (
            described(&[&Described::new(e.clone(), d.clone()).into()], Kind::Ubyte, &[9u8.into()]),
            "e00a 01 00 00 5307 a30164 50 09",
        ),
        (described(&[&d], Kind::Boolean, &[true.into(), true.into()]), "e006 02 00 a30164 41"),
        (described(&[&d], Kind::List, &[List::new().into()]), "e006 01 00 a30164 45"),
        (described(&[&d], Kind::List, &[list([d.clone()])]), "e00b 01 00 a30164 c0 0401a30164"),
        (described(&[&d], Kind::String, &[]), "e006 00 00 a30164 a1"),
        (
            list([described(&[&d], Kind::Uint, &[0u32.into()]), 1u8.into()]),
            "c00b 02 e006 01 00 a30164 43 5001",
        ),
    ] {
        let form = form.replace(' ', "");
        assert_eq!(encode(value.clone()), form);
        assert_eq!(decode(&form), Ok(value));
    }
}

/// E-ARR-02
#[test]
fn e_arr_02_the_wide_form_of_described_elements_is_read() {
    let value = decode("f00000001f0000000200a30d636f6d2e6578616d706c653a64b1000000016100000001 62").unwrap();
    let array = value.as_array().unwrap();
    assert_eq!(array.descriptors(), [Value::from(symbol!("com.example:d"))]);
    assert_eq!(array.elements(), [Value::from("a"), Value::from("b")]);
    assert_eq!(wrong("e003 00 00 a3"), DecodeErrorKind::Truncated);
    assert_eq!(wrong("e006 00 00 a30164 00"), DecodeErrorKind::Truncated);
}

/// E-ARR-03
#[test]
fn e_arr_03_an_array_of_nothing_has_an_element_constructor() {
    assert_eq!(wrong("e00100"), DecodeErrorKind::Truncated);
    assert_eq!(wrong("f00000000400000000"), DecodeErrorKind::Truncated);
    assert_eq!(wrong("e0020046"), DecodeErrorKind::Constructor(0x46));
    for kind in Kind::ALL {
        let empty = Value::from(Array::new(kind));
        let form = encode(empty.clone());
        assert_eq!((form.len(), &form[..6]), (8, "e00200"), "{kind:?}");
        assert_eq!(decode(&form), Ok(empty), "{kind:?}");
    }
    assert_ne!(Array::new(Kind::Uint), Array::new(Kind::Ulong));
}

/// E-ARR-03: an empty array names an element constructor with octets, which every reader accepts.
#[test]
fn e_arr_03_an_array_of_nothing_names_a_form_with_octets() {
    let codes = "40 56 50 60 52 53 51 61 54 55 72 82 74 84 94 73 83 98 a0 a1 a3 c0 c1 e0";
    for (kind, code) in Kind::ALL.into_iter().zip(codes.split(' ')) {
        assert_eq!(encode(Array::new(kind)), format!("e00200{code}"), "{kind:?}");
    }
}

/// E-ARR-04
#[test]
fn e_arr_04_elements_without_octets_are_legal() {
    for (code, value) in [
        ("40", Value::Null),
        ("41", true.into()),
        ("42", false.into()),
        ("43", 0u32.into()),
        ("44", 0u64.into()),
        ("45", List::new().into()),
    ] {
        let three = array(value.kind().unwrap(), vec![value; 3]);
        assert_eq!(encode(three.clone()), format!("e00203{code}"));
        assert_eq!(decode(&format!("e00203{code}")), Ok(three.clone()));
        assert_eq!(decode(&format!("f00000000500000003{code}")), Ok(three));
        assert_eq!(wrong(&format!("e00303{code}00")), DecodeErrorKind::Count);
    }
}

/// E-ARR-05
#[test]
fn e_arr_05_elements_without_octets_are_limited() {
    for code in 0x40..=0x45 {
        let limit = DecodeErrorKind::Limit(LimitKind::ZeroWidthElements);
        assert_eq!(wrong(&format!("f000000005ffffffff{code:02x}")), limit);
        assert_eq!(wrong(&format!("f00000000500001001{code:02x}")), limit);
        assert!(decode(&format!("f00000000500001000{code:02x}")).is_ok());
    }
}

/// E-ARR-06: each inner compound has its own size.
#[test]
fn e_arr_06_elements_may_be_compounds() {
    let ints = |n: i32| list([n.into()]);
    let inner = |n: u8| array(Kind::Ubyte, [n.into()]);
    let map = |n: u8| Value::from(Map::from_iter([(n, n)]));
    for (value, form) in [
        (array(Kind::List, [ints(0), ints(1)]), "e00a 02 c0 03015400 03015401"),
        (array(Kind::List, [list([]), ints(1)]), "e008 02 c0 0100 03015401"),
        (array(Kind::Map, [map(1), map(2)]), "e00e 02 c1 050250015001 050250025002"),
        (array(Kind::Array, [inner(1), inner(2)]), "e00a 02 e0 03015001 03015002"),
        (array(Kind::Array, [inner(1), Array::new(Kind::Symbol).into()]), "e009 02 e0 03015001 0200a3"),
        (array(Kind::Array, [array(Kind::Array, [inner(1)])]), "e009 01 e0 06 01 e0 03015001"),
        (array(Kind::List, [list([inner(1), map(2)])]), "e010 01 c0 0d02 e003015001 c105025002 5002"),
    ] {
        let form = form.replace(' ', "");
        assert_eq!(encode(value.clone()), form);
        assert_eq!(decode(&form), Ok(value));
    }
    let wide = "f000000019 00000002 d0 00000006 00000001 5400 00000006 00000001 5401";
    assert_eq!(decode(wide), Ok(array(Kind::List, [ints(0), ints(1)])));
    assert_eq!(wrong("e00a 02 c0 03015400 04015401"), DecodeErrorKind::Truncated);
    assert_eq!(wrong("e00a 02 c0 02015400 03015401"), DecodeErrorKind::Truncated);
}

/// E-ARR-04, E-ARR-06: the lists have no octets; one that has its constructor again is too much.
#[test]
fn e_arr_06_arrays_of_empty_lists_are_elements() {
    let lists = |count: usize| array(Kind::List, vec![list([]); count]);
    let value = array(Kind::Array, [lists(2), lists(1)]);
    assert_eq!(encode(value.clone()), "e00802e0020245020145");
    assert_eq!(decode("e00802e0020245020145"), Ok(value));
    assert_eq!(wrong("e00902e003024545020145"), DecodeErrorKind::Count);
}

/// E-ARR-06: one element that needs the wide form makes all elements wide.
#[test]
fn e_arr_06_one_wide_element_makes_all_wide() {
    let long = "7a".repeat(256);
    let lists = array(Kind::List, [list([]), list([vec![0x7a; 256].into()])]);
    let form = format!("f0 0000011a 00000002 d0 00000004 00000000 00000109 00000001 b000000100{long}");
    assert_eq!(encode(lists.clone()), form.replace(' ', ""));
    assert_eq!(decode(&form), Ok(lists));
    let texts = array(Kind::Binary, [vec![1u8].into(), vec![0x7a; 256].into()]);
    assert_eq!(encode(texts), format!("f00000010e00000002b00000000101 00000100{long}").replace(' ', ""));
}

/// E-ARR-07
#[test]
fn e_arr_07_one_constructor_fits_all_elements() {
    for (value, form) in [
        (array(Kind::Boolean, [true.into(), false.into()]), "e00402560100"),
        (array(Kind::Uint, [0u32.into(), 1u32.into()]), "e00402520001"),
        (array(Kind::Uint, [1u32.into(), 300u32.into()]), "e00a0270000000010000012c"),
        (array(Kind::Ulong, [0u64.into(), 256u64.into()]), "e012028000000000000000000000000000000100"),
        (array(Kind::Int, [(-128i32).into(), 127i32.into()]), "e0040254807f"),
        (array(Kind::Int, [(-1i32).into(), 128i32.into()]), "e00a0271ffffffff00000080"),
        (array(Kind::Long, [(-1i64).into(), (-129i64).into()]), "e0120281ffffffffffffffffffffffffffffff7f"),
    ] {
        assert_eq!(encode(value.clone()), form);
        assert_eq!(decode(form), Ok(value));
    }
}

/// E-DESC-01, E-DESC-02, E-DESC-04: descriptors of all types, kept as they are.
#[test]
fn e_desc_01_a_descriptor_is_any_value() {
    for form in [
        "00 a30164 a10176",
        "00 8000004 68c00000004 a10176",
        "00 a10164 a10176",
        "00 40 40",
        "00 5210 45",
        "00 c003015301 45",
        "00 c104025301 41 45",
        "00 e003015001 45",
        // A described descriptor, and a described value with a described value.
        "00 00 5301 5302 5303",
        "00 5301 00 5302 5303",
        "00 00 00 5301 5302 5303 5304",
    ] {
        let form = form.replace(' ', "");
        let Ok(Value::Described(described)) = decode(&form) else { panic!("{form} is described") };
        assert_eq!(encode(described), form);
    }
}

/// E-DESC-01: of nested descriptors and values, each stays at its place.
#[test]
fn e_desc_01_nested_descriptors_keep_their_places() {
    let inner = |a: u64, b: u64| Described::new(a, b);
    assert_eq!(decode("00005301 5302 5303"), Ok(Described::new(inner(1, 2), 3u64).into()));
    assert_eq!(decode("005301 005302 5303"), Ok(Described::new(1u64, inner(2, 3)).into()));
}

/// The pairs of a map read in place equal those of the decoded map.
#[test]
fn entries_of_a_map_are_those_read_whole() {
    let form = "c10e 04 a3016b 5407 a10173 c003024142";
    let whole = decode(form).unwrap();
    let octets = octets(form);
    let entries: Vec<_> = Entries::new(&octets).unwrap().map(Result::unwrap).collect();
    assert_eq!(entries.len(), whole.as_map().unwrap().len());
    assert_eq!(format!("{:?}", entries[0]), "(:k, int 7)");
    assert_eq!(format!("{:?}", entries[1]), r#"("s", encoded c003024142)"#);
}

/// E-SIZE-03, E-MAP-01: pairs read in place are checked, except for duplicate keys.
#[test]
fn e_size_03_entries_of_a_map_are_checked() {
    let fault = |hex: &str| {
        let octets = octets(hex);
        match Entries::new(&octets) {
            Err(error) => Some(error.kind()),
            Ok(entries) => entries.filter_map(Result::err).map(|error| error.kind()).next(),
        }
    };
    assert_eq!(fault("c103024142"), None);
    assert_eq!(fault("c10100"), None);
    assert_eq!(fault("c003024142"), Some(DecodeErrorKind::Expected("map")));
    assert_eq!(fault("c1020141"), Some(DecodeErrorKind::OddMap));
    assert_eq!(fault("c10402414243"), Some(DecodeErrorKind::Size));
    assert_eq!(fault("c1020241"), Some(DecodeErrorKind::Truncated));
    assert_eq!(fault("c1020040"), Some(DecodeErrorKind::Size));
}
