//! [`Program`]: a selector in the order in which it is evaluated.

use alloc::boxed::Box;

use smallvec::SmallVec;

use super::field::{Candidate, Field};
use super::name::Reading;
use super::operand::{Arithmetic, Comparison, Operand};
use super::pattern::Pattern;
use crate::types::Str;

/// A step of a program. It takes its operands from a stack, and leaves its result there.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    Condition(bool),
    Exact(i64),
    Approximate(f64),
    Text(Str),
    Field(Field, Reading),
    Not,
    /// Combines two conditions; the result is this if one of both is.
    Either(bool),
    /// Goes on behind the step `to` if the condition on the stack is this, which then is the result of both.
    Skip {
        on: bool,
        to: usize,
    },
    Compare(Comparison),
    Compute(Arithmetic),
    Negate,
    Between {
        negated: bool,
    },
    Like {
        pattern: Pattern,
        negated: bool,
    },
    /// Compares with literals.
    In {
        list: Box<[Step]>,
        negated: bool,
    },
    IsNull {
        negated: bool,
    },
}

/// The steps of a selector. None: every message matches.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Program(pub(super) Box<[Step]>);

/// Operands that have not been used yet. Few expressions need more.
type Stack<'a> = SmallVec<[Operand<'a>; 6]>;

impl Program {
    /// Returns the truth of the selector; `None` if it is not known.
    pub(super) fn run<C: Candidate + ?Sized>(&self, candidate: &C) -> Option<bool> {
        if self.0.is_empty() {
            return Some(true);
        }
        let mut stack = Stack::new();
        let mut next = 0;
        while let Some(step) = self.0.get(next) {
            next += 1;
            match step {
                Step::Skip { on, to } => {
                    if stack.last().and_then(Operand::truth) == Some(*on) {
                        next = *to;
                    }
                }
                step => {
                    let result = step.result(&mut stack, candidate);
                    stack.push(result);
                }
            }
        }
        stack.pop().and_then(|result| result.truth())
    }
}

/// Takes the topmost operand. The parser has seen to it that there is one.
fn pop<'a>(stack: &mut Stack<'a>) -> Operand<'a> {
    stack.pop().unwrap_or(Operand::Unknown)
}

impl Step {
    fn result<'a, C: Candidate + ?Sized>(&'a self, stack: &mut Stack<'a>, candidate: &'a C) -> Operand<'a> {
        let truth = match self {
            Self::Field(field, reading) => return Operand::of(candidate.field(field), *reading),
            Self::Negate => return pop(stack).negate(),
            Self::Compute(how) => {
                let right = pop(stack);
                return pop(stack).compute(*how, &right);
            }
            Self::Not => pop(stack).truth().map(|holds| !holds),
            Self::Either(wanted) => {
                let (right, left) = (pop(stack).truth(), pop(stack).truth());
                combine(*wanted, left, right)
            }
            Self::Compare(how) => {
                let right = pop(stack);
                pop(stack).compare(*how, &right)
            }
            Self::Between { negated } => {
                let (high, low, value) = (pop(stack), pop(stack), pop(stack));
                let lower = value.compare(Comparison::GreaterEqual, &low);
                let upper = value.compare(Comparison::LessEqual, &high);
                combine(false, lower, upper).map(|within| within != *negated)
            }
            Self::Like { pattern, negated } => match pop(stack) {
                Operand::Unknown => None,
                Operand::Text(text) => Some(pattern.matches(text.as_str()) != *negated),
                _ => Some(*negated),
            },
            Self::In { list, negated } => {
                let value = pop(stack);
                let is_same = |literal: &Self| value.compare(Comparison::Equal, &literal.literal());
                match value {
                    Operand::Unknown => None,
                    _ => Some(list.iter().any(|literal| is_same(literal) == Some(true)) != *negated),
                }
            }
            Self::IsNull { negated } => Some(pop(stack).is_unknown() != *negated),
            Self::Condition(_)
            | Self::Exact(_)
            | Self::Approximate(_)
            | Self::Text(_)
            | Self::Skip { .. } => {
                return self.literal();
            }
        };
        truth.map_or(Operand::Unknown, Operand::Condition)
    }

    /// Returns the operand of a literal.
    fn literal(&self) -> Operand<'_> {
        match self {
            Self::Condition(holds) => Operand::Condition(*holds),
            Self::Exact(number) => Operand::Exact(*number),
            Self::Approximate(number) => Operand::Approximate(*number),
            Self::Text(text) => Operand::Text(text.into()),
            _ => Operand::Unknown,
        }
    }
}

/// Combines two conditions: `wanted` if one of both is, else not known if one of both is not.
fn combine(wanted: bool, left: Option<bool>, right: Option<bool>) -> Option<bool> {
    if left == Some(wanted) || right == Some(wanted) {
        return Some(wanted);
    }
    left.and(right)
}
