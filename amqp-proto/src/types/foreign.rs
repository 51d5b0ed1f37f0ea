//! Conversions between the scalars here and the types of jiff, chrono and uuid, each behind the feature of its name.

#[cfg(feature = "jiff")]
mod by_jiff {
    use crate::types::{OutOfRange, Timestamp};

    /// Leaves out a part of a millisecond, before 1970 as well as after it.
    ///
    /// ```
    /// use amqp_proto::types::Timestamp;
    ///
    /// let noon: jiff::Timestamp = "2024-02-29T12:00:00.123Z".parse().unwrap();
    /// let sent = Timestamp::from(noon);
    /// assert_eq!(sent.as_millis(), 1_709_208_000_123);
    /// assert_eq!(jiff::Timestamp::try_from(sent)?, noon);
    /// # Ok::<(), amqp_proto::types::OutOfRange>(())
    /// ```
    impl From<jiff::Timestamp> for Timestamp {
        fn from(time: jiff::Timestamp) -> Self {
            Self::from_millis(time.as_millisecond())
        }
    }

    /// Refuses a timestamp outside of jiff's range, the years -9999 to 9999.
    impl TryFrom<Timestamp> for jiff::Timestamp {
        type Error = OutOfRange;

        fn try_from(time: Timestamp) -> Result<Self, OutOfRange> {
            // jiff's `from_millisecond` refuses the last second of jiff's own range.
            let span = jiff::SignedDuration::from_millis(time.as_millis());
            Self::from_duration(span).map_err(|_| OutOfRange)
        }
    }
}

#[cfg(feature = "chrono")]
mod by_chrono {
    use chrono::{DateTime, TimeZone, Utc};

    use crate::types::{OutOfRange, Timestamp};

    /// Leaves out a part of a millisecond, before 1970 as well as after it. The time zone is lost.
    ///
    /// ```
    /// use amqp_proto::types::Timestamp;
    /// use chrono::{DateTime, Utc};
    ///
    /// let noon: DateTime<Utc> = "2024-02-29T12:00:00.123Z".parse().unwrap();
    /// let sent = Timestamp::from(noon);
    /// assert_eq!(sent.as_millis(), 1_709_208_000_123);
    /// assert_eq!(DateTime::try_from(sent)?, noon);
    /// # Ok::<(), amqp_proto::types::OutOfRange>(())
    /// ```
    impl<Z: TimeZone> From<DateTime<Z>> for Timestamp {
        fn from(time: DateTime<Z>) -> Self {
            // chrono rounds down; the other conversions round towards 1970.
            let millis = time.timestamp_millis();
            let has_part = !time.timestamp_subsec_nanos().is_multiple_of(1_000_000);
            Self::from_millis(millis + i64::from(millis < 0 && has_part))
        }
    }

    /// Refuses a timestamp outside of chrono's range, about 262,000 years around year 0.
    impl TryFrom<Timestamp> for DateTime<Utc> {
        type Error = OutOfRange;

        fn try_from(time: Timestamp) -> Result<Self, OutOfRange> {
            Self::from_timestamp_millis(time.as_millis()).ok_or(OutOfRange)
        }
    }
}

#[cfg(feature = "uuid")]
mod by_uuid {
    use crate::types::Uuid;

    /// Keeps the sixteen octets in their order.
    ///
    /// ```
    /// use amqp_proto::types::Uuid;
    ///
    /// let id = uuid::Uuid::from_u128(0x3f1c2a7e_88d1_4b60_9a5c_0d6f1e2b3c4d);
    /// let sent = Uuid::from(id);
    /// assert_eq!(sent.to_string(), "3f1c2a7e-88d1-4b60-9a5c-0d6f1e2b3c4d");
    /// assert_eq!(uuid::Uuid::from(sent), id);
    /// ```
    impl From<uuid::Uuid> for Uuid {
        fn from(id: uuid::Uuid) -> Self {
            Self::from_bytes(id.into_bytes())
        }
    }

    /// Keeps the sixteen octets in their order.
    impl From<Uuid> for uuid::Uuid {
        fn from(id: Uuid) -> Self {
            Self::from_bytes(*id.as_bytes())
        }
    }
}
