//! Timestamps and uuids go to the types of jiff, chrono and uuid and come back; what does not fit is an error.

use amqp_proto::types::{OutOfRange, Timestamp, Uuid};
use chrono::{DateTime, FixedOffset, Utc};

const MILLIS: [i64; 6] = [0, 1, -1, 1_709_208_000_123, -1_500, -62_135_596_800_000];

#[test]
fn jiff_gives_back_what_it_was_given() {
    for millis in MILLIS {
        let there = jiff::Timestamp::try_from(Timestamp::from_millis(millis)).unwrap();
        assert_eq!(there.as_nanosecond(), i128::from(millis) * 1_000_000);
        assert_eq!(Timestamp::from(there), Timestamp::from_millis(millis));
    }
}

#[test]
fn jiff_has_an_end_at_both_sides() {
    for edge in [jiff::Timestamp::MIN, jiff::Timestamp::MAX] {
        let inside = Timestamp::from(edge).as_millis();
        let outside = inside + inside.signum();
        assert!(jiff::Timestamp::try_from(Timestamp::from_millis(inside)).is_ok());
        assert_eq!(jiff::Timestamp::try_from(Timestamp::from_millis(outside)), Err(OutOfRange));
    }
    for millis in [i64::MIN, i64::MAX] {
        assert_eq!(jiff::Timestamp::try_from(Timestamp::from_millis(millis)), Err(OutOfRange));
    }
}

#[test]
fn chrono_gives_back_what_it_was_given() {
    for millis in MILLIS {
        let there = DateTime::<Utc>::try_from(Timestamp::from_millis(millis)).unwrap();
        assert_eq!(there.timestamp_micros(), millis * 1_000);
        assert_eq!(Timestamp::from(there), Timestamp::from_millis(millis));
    }
}

#[test]
fn chrono_has_an_end_at_both_sides() {
    for edge in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
        let inside = Timestamp::from(edge).as_millis();
        let outside = inside + inside.signum();
        assert!(DateTime::<Utc>::try_from(Timestamp::from_millis(inside)).is_ok());
        assert_eq!(DateTime::<Utc>::try_from(Timestamp::from_millis(outside)), Err(OutOfRange));
    }
    for millis in [i64::MIN, i64::MAX] {
        assert_eq!(DateTime::<Utc>::try_from(Timestamp::from_millis(millis)), Err(OutOfRange));
    }
}

#[test]
fn an_instant_in_another_zone_is_the_same_instant() {
    let there: DateTime<FixedOffset> = "2024-02-29T14:00:00.123+02:00".parse().unwrap();
    assert_eq!(Timestamp::from(there).as_millis(), 1_709_208_000_123);
}

#[test]
fn all_clocks_leave_out_a_part_of_a_millisecond_alike() {
    use std::time::{Duration, UNIX_EPOCH};

    for (micros, millis) in
        [(1_999, 1), (999, 0), (-1, 0), (-999, 0), (-1_000, -1), (-1_001, -1), (-1_999, -1)]
    {
        let span = Duration::from_micros(i64::unsigned_abs(micros));
        let system = if micros < 0 { UNIX_EPOCH - span } else { UNIX_EPOCH + span };
        let expected = Timestamp::from_millis(millis);
        assert_eq!(Timestamp::from(system), expected, "SystemTime, {micros} us");
        assert_eq!(
            Timestamp::from(jiff::Timestamp::from_microsecond(micros).unwrap()),
            expected,
            "jiff, {micros} us"
        );
        assert_eq!(
            Timestamp::from(DateTime::from_timestamp_micros(micros).unwrap()),
            expected,
            "chrono, {micros} us"
        );
    }
}

#[test]
fn a_uuid_has_the_same_text_on_both_sides() {
    let text = "3f1c2a7e-88d1-4b60-9a5c-0d6f1e2b3c4d";
    let ours: Uuid = text.parse().unwrap();
    let theirs: uuid::Uuid = text.parse().unwrap();
    assert_eq!(Uuid::from(theirs), ours);
    assert_eq!(uuid::Uuid::from(ours), theirs);
    assert_eq!(uuid::Uuid::from(ours).to_string(), ours.to_string());
}
