//! Numbers that identify things on the wire, serial numbers among them (RFC 1982) [2.8.4-2.8.10].
//!
//! Serial numbers wrap, so the types have no `Ord`: `precedes` and `distance` compare them [2.8.10]. Raw
//! `u32` arithmetic on serial numbers does not compile.

use core::fmt;

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident($inner:ty);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
        pub struct $name($inner);

        impl $name {
            /// Returns the number with this value on the wire.
            pub const fn new(number: $inner) -> Self {
                Self(number)
            }

            /// Returns the number's value on the wire.
            pub const fn get(self) -> $inner {
                self.0
            }
        }

        impl From<$inner> for $name {
            fn from(number: $inner) -> Self {
                Self(number)
            }
        }

        impl From<$name> for $inner {
            fn from(number: $name) -> $inner {
                number.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    )*};
}

macro_rules! serials {
    ($($name:ident)*) => {$(
        impl $name {
            /// Returns the number `steps` further on, wrapping at 2^32; defined for fewer than 2^31 steps.
            #[must_use]
            pub const fn add(self, steps: u32) -> Self {
                Self(self.0.wrapping_add(steps))
            }

            /// Returns the number that follows.
            #[must_use]
            pub const fn next(self) -> Self {
                self.add(1)
            }

            /// Returns the number of steps from `self` to `to`, negative when `to` lies behind.
            ///
            /// A difference of exactly 2^31, which RFC 1982 leaves undefined, counts as behind.
            pub const fn distance(self, to: Self) -> i32 {
                to.0.wrapping_sub(self.0).cast_signed()
            }

            /// Returns `true` if `self` comes before `other`.
            pub const fn precedes(self, other: Self) -> bool {
                self.distance(other) > 0
            }
        }
    )*};
}

numbers! {
    /// A channel number. Each direction of a connection has its own channels [2.4].
    Channel(u16);
    /// The number of an attached link on its session. Each end chooses its own [2.8.4].
    Handle(u32);
    /// A 32-bit serial number, such as a link's delivery-count [2.8.10].
    SequenceNo(u32);
    /// The id of a delivery, counted for each session and direction [2.8.8].
    DeliveryNumber(u32);
    /// The implicit id of a transfer frame, counted for each session and direction [2.8.9].
    TransferNumber(u32);
}

serials! { SequenceNo DeliveryNumber TransferNumber }

#[cfg(test)]
mod tests {
    use super::SequenceNo;

    // E-SER-01: order and distance across the wrap, and at the undefined half.
    #[test]
    fn e_ser_01_serial_arithmetic_wraps() {
        let last = SequenceNo::new(u32::MAX);
        assert_eq!(last.next().get(), 0);
        assert!(last.precedes(last.next()));
        assert!(!last.next().precedes(last));
        assert_eq!(last.add(5).distance(last), -5);
        let half = last.add(1 << 31);
        assert!(!last.precedes(half) && !half.precedes(last));
        assert!(last.precedes(last.add((1 << 31) - 1)));
        assert!(!last.precedes(last));
    }
}
