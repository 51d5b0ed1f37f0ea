//! [`Operator`]: what stands between operands and waits for them, and the types of these.

use super::operand::{Arithmetic, Comparison};

/// The type of an operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Any,
    Condition,
    Number,
    Text,
}

impl Type {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Any => "any type",
            Self::Condition => "condition",
            Self::Number => "number",
            Self::Text => "text",
        }
    }

    pub(super) fn fits(self, wanted: Self) -> bool {
        self == wanted || self == Self::Any || wanted == Self::Any
    }
}

/// An operand that was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Read {
    pub(super) at: usize,
    pub(super) of: Type,
}

/// An operator that waits for its right operand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    pub(super) at: usize,
    pub(super) operator: Operator,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Parenthesis,
    /// OR if the condition is `true`, else AND; and the place of its `Skip`.
    Either(bool, usize),
    Not,
    Compare(Comparison),
    Between {
        negated: bool,
        has_low: bool,
    },
    Compute(Arithmetic),
    /// A sign: minus, or plus, which changes nothing.
    Sign {
        is_minus: bool,
    },
}

/// The order in which operators bind, the loosest first. Comparisons do not follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Precedence {
    Parenthesis,
    Or,
    And,
    Not,
    Compare,
    Sum,
    Product,
    Sign,
}

impl Operator {
    pub(super) const fn precedence(self) -> Precedence {
        match self {
            Self::Parenthesis => Precedence::Parenthesis,
            Self::Either(true, _) => Precedence::Or,
            Self::Either(false, _) => Precedence::And,
            Self::Not => Precedence::Not,
            Self::Compare(_) | Self::Between { .. } => Precedence::Compare,
            Self::Compute(Arithmetic::Add | Arithmetic::Subtract) => Precedence::Sum,
            Self::Compute(Arithmetic::Multiply | Arithmetic::Divide) => Precedence::Product,
            Self::Sign { .. } => Precedence::Sign,
        }
    }
}

/// Its place is set when it begins to wait.
pub(super) const AND: Operator = Operator::Either(false, 0);
