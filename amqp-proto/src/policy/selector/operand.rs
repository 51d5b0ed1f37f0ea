//! [`Operand`]: a value while a selector is evaluated.

use core::cmp::Ordering;

use alloc::borrow::Cow;

use bytes::Bytes;

use super::name::Reading;
use crate::types::{Str, Value};

/// A value while a selector is evaluated.
#[derive(Debug, Clone)]
pub(super) enum Operand<'a> {
    /// Not known: the value of a missing field, and of what is computed from it.
    Unknown,
    Condition(bool),
    Exact(i64),
    Approximate(f64),
    Text(Text<'a>),
    /// A value that can only be known or not, such as octets.
    Other,
}

/// UTF-8 that was checked when it came in.
#[derive(Debug, Clone)]
pub(super) enum Text<'a> {
    Lent(&'a [u8]),
    Own(Bytes),
}

impl Text<'_> {
    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Lent(octets) => octets,
            Self::Own(octets) => octets,
        }
    }

    pub(super) fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl<'a> From<&'a Str> for Text<'a> {
    fn from(text: &'a Str) -> Self {
        Self::Lent(text.as_bytes())
    }
}

/// The comparison of two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Comparison {
    const fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::LessEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterEqual => ordering.is_ge(),
        }
    }

    /// Returns `true` if operands of all types can be compared in this way.
    pub(super) const fn is_equality(self) -> bool {
        matches!(self, Self::Equal | Self::NotEqual)
    }
}

/// The computation of a number from two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
}

impl<'a> Operand<'a> {
    /// Returns the operand of a field.
    pub(super) fn of(value: Cow<'a, Value>, reading: Reading) -> Self {
        match reading {
            Reading::Plain => Self::plain(value),
            Reading::Text => match &*value {
                Value::Binary(octets) if core::str::from_utf8(octets).is_ok() => {
                    Self::Text(Text::Own(octets.clone()))
                }
                _ => Self::plain(value),
            },
            Reading::DeliveryMode => match value.as_bool() {
                Some(true) => Self::Text(Text::Lent(b"PERSISTENT")),
                Some(false) => Self::Text(Text::Lent(b"NON_PERSISTENT")),
                None => Self::plain(value),
            },
            Reading::Next => Self::plain(value).compute(Arithmetic::Add, &Self::Exact(1)),
            Reading::IsPositive => match Self::plain(value).compare(Comparison::Greater, &Self::Exact(0)) {
                Some(is_positive) => Self::Condition(is_positive),
                None => Self::Unknown,
            },
        }
    }

    fn plain(value: Cow<'a, Value>) -> Self {
        match value {
            Cow::Borrowed(value) => Self::from(value),
            Cow::Owned(Value::String(text)) => Self::Text(Text::Own(text.into_bytes())),
            Cow::Owned(Value::Symbol(name)) => Self::Text(Text::Own(name.as_bytes().clone())),
            Cow::Owned(value) => Operand::from(&value).into_owned(),
        }
    }

    /// Returns an operand that borrows nothing.
    fn into_owned<'b>(self) -> Operand<'b> {
        match self {
            Self::Unknown => Operand::Unknown,
            Self::Condition(holds) => Operand::Condition(holds),
            Self::Exact(number) => Operand::Exact(number),
            Self::Approximate(number) => Operand::Approximate(number),
            Self::Text(text) => Operand::Text(Text::Own(match text {
                Text::Lent(octets) => Bytes::copy_from_slice(octets),
                Text::Own(octets) => octets,
            })),
            Self::Other => Operand::Other,
        }
    }

    /// Returns the condition; `None` if it is not known, or is no condition.
    pub(super) const fn truth(&self) -> Option<bool> {
        match self {
            Self::Condition(holds) => Some(*holds),
            _ => None,
        }
    }

    pub(super) const fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }

    /// Compares two operands; `None` if one is not known. Operands of different types compare as false.
    pub(super) fn compare(&self, how: Comparison, other: &Self) -> Option<bool> {
        let ordering = match (self, other) {
            (Self::Unknown, _) | (_, Self::Unknown) => return None,
            (Self::Exact(a), Self::Exact(b)) => Some(a.cmp(b)),
            (Self::Exact(_) | Self::Approximate(_), Self::Exact(_) | Self::Approximate(_)) => {
                let (a, b) = (self.approximate()?, other.approximate()?);
                // Only `<>` holds for what is not a number.
                return Some(a.partial_cmp(&b).map_or(how == Comparison::NotEqual, |order| how.holds(order)));
            }
            (Self::Text(a), Self::Text(b)) if how.is_equality() => Some(a.as_bytes().cmp(b.as_bytes())),
            (Self::Condition(a), Self::Condition(b)) if how.is_equality() => Some(a.cmp(b)),
            _ => None,
        };
        Some(ordering.is_some_and(|ordering| how.holds(ordering)))
    }

    /// Computes a number. Not known if one of both is no number, and if an exact number is divided by zero. An exact
    /// result that does not fit becomes approximate.
    pub(super) fn compute(&self, how: Arithmetic, other: &Self) -> Operand<'a> {
        if let (Self::Exact(a), Self::Exact(b)) = (self, other) {
            let exact = match how {
                Arithmetic::Add => a.checked_add(*b),
                Arithmetic::Subtract => a.checked_sub(*b),
                Arithmetic::Multiply => a.checked_mul(*b),
                Arithmetic::Divide if *b == 0 => return Operand::Unknown,
                Arithmetic::Divide => a.checked_div(*b),
            };
            if let Some(number) = exact {
                return Operand::Exact(number);
            }
        }
        match (self.approximate(), other.approximate()) {
            (Some(a), Some(b)) => Operand::Approximate(match how {
                Arithmetic::Add => a + b,
                Arithmetic::Subtract => a - b,
                Arithmetic::Multiply => a * b,
                Arithmetic::Divide => a / b,
            }),
            _ => Operand::Unknown,
        }
    }

    /// Returns the number with the other sign. Not known if it is no number.
    pub(super) fn negate(&self) -> Operand<'a> {
        match self {
            Self::Exact(number) => match number.checked_neg() {
                Some(number) => Operand::Exact(number),
                None => Operand::Approximate(-approximate(*number)),
            },
            Self::Approximate(number) => Operand::Approximate(-number),
            _ => Operand::Unknown,
        }
    }

    fn approximate(&self) -> Option<f64> {
        match self {
            Self::Exact(number) => Some(approximate(*number)),
            Self::Approximate(number) => Some(*number),
            _ => None,
        }
    }
}

/// Returns the nearest approximate number, as Java does.
#[allow(clippy::cast_precision_loss)] // which is the meaning of "approximate"
const fn approximate(number: i64) -> f64 {
    number as f64
}

impl<'a> From<&'a Value> for Operand<'a> {
    fn from(value: &'a Value) -> Self {
        let mut value = value;
        while let Some(described) = value.as_described() {
            value = described.value();
        }
        match value {
            Value::Null => Self::Unknown,
            Value::Boolean(holds) => Self::Condition(*holds),
            Value::Float(number) => Self::Approximate((*number).into()),
            Value::Double(number) => Self::Approximate(*number),
            Value::Timestamp(time) => Self::Exact(time.as_millis()),
            Value::String(text) => Self::Text(text.into()),
            Value::Symbol(name) => Self::Text(Text::Lent(name.as_bytes())),
            number => match (number.as_i64(), number.as_u64()) {
                (Some(number), _) => Self::Exact(number),
                #[allow(clippy::cast_precision_loss)] // it is larger than any exact number
                (None, Some(number)) => Self::Approximate(number as f64),
                (None, None) => Self::Other,
            },
        }
    }
}
