//! [`Parser`]: turns the words of a selector into a program, by the precedence of its operators.
//!
//! Operators that wait for their right operand are kept on a stack of their own, so the depth of an expression costs no
//! recursion. Operands have types, so far as they are known: fields may have any, and are looked at when messages come.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::error::{SelectorError, SelectorErrorKind};
use super::name::resolve;
use super::operand::{Arithmetic, Comparison};
use super::operator::{AND, Operator, Precedence, Read, Type, Waiting};
use super::pattern::Pattern;
use super::program::{Program, Step};
use super::token::{Lexer, Mark, Token, Word};
use super::{MAX_DEPTH, MAX_LEN};

/// An error, and the offset of its first octet.
type Fault = (usize, SelectorErrorKind);

const CHAINED: &str = "AND or OR, or parentheses around the comparison before";

const OPERAND: SelectorErrorKind = SelectorErrorKind::Expected("an operand");

/// Parses a selector.
pub(super) fn parse(text: &str) -> Result<Program, SelectorError> {
    let parse = || {
        if text.len() > MAX_LEN {
            return Err((MAX_LEN, SelectorErrorKind::TooLong));
        }
        let mut parser = Parser::new(text)?;
        if parser.token == Token::End {
            return Ok(Program(Box::default()));
        }
        while parser.operand()? {}
        parser.finish()
    };
    parse().map_err(|(at, kind)| {
        let before = text.char_indices().take_while(|(offset, _)| *offset < at).count();
        SelectorError { column: before + 1, kind }
    })
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    at: usize,
    token: Token<'a>,
    waiting: Vec<Waiting>,
    operands: Vec<Read>,
    /// `true` if the last operand is a comparison by words, which no other comparison may follow.
    is_predicate: bool,
    steps: Vec<Step>,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Self, Fault> {
        let mut lexer = Lexer::new(text);
        let (at, token) = lexer.next()?;
        Ok(Self {
            lexer,
            at,
            token,
            waiting: Vec::new(),
            operands: Vec::new(),
            is_predicate: false,
            steps: Vec::new(),
        })
    }

    fn advance(&mut self) -> Result<Token<'a>, Fault> {
        let (at, token) = self.lexer.next()?;
        self.at = at;
        Ok(core::mem::replace(&mut self.token, token))
    }

    /// Takes a word or mark if it comes next.
    fn take(&mut self, wanted: &Token<'_>) -> Result<bool, Fault> {
        let is_next = self.token == *wanted;
        if is_next {
            self.advance()?;
        }
        Ok(is_next)
    }

    fn take_word(&mut self, word: Word) -> Result<bool, Fault> {
        self.take(&Token::Word(word))
    }

    fn expect<T>(&self, what: &'static str) -> Result<T, Fault> {
        Err((self.at, SelectorErrorKind::Expected(what)))
    }

    /// Reads an operand, with what stands before and after it. Returns `false` at the end.
    fn operand(&mut self) -> Result<bool, Fault> {
        while let Some(operator) = self.prefix()? {
            let at = self.at;
            self.advance()?;
            self.wait(at, operator)?;
        }
        let at = self.at;
        let (step, of) = match self.advance()? {
            Token::Name(name) => field(name).map_err(|kind| (at, kind))?,
            Token::Quoted(name) => field(&name).map_err(|kind| (at, kind))?,
            Token::Text(text) => (Step::Text(text.into()), Type::Text),
            Token::Exact(number) => (self.exact(number).map_err(|kind| (at, kind))?, Type::Number),
            Token::Approximate(number) => (Step::Approximate(number), Type::Number),
            Token::Word(Word::True) => (Step::Condition(true), Type::Condition),
            Token::Word(Word::False) => (Step::Condition(false), Type::Condition),
            Token::Word(_) | Token::Mark(_) | Token::End => return Err((at, OPERAND)),
        };
        self.steps.push(step);
        self.operands.push(Read { at, of });
        self.is_predicate = false;
        self.after_operand()
    }

    /// Returns the operator that comes next, if it stands before an operand.
    fn prefix(&self) -> Result<Option<Operator>, Fault> {
        Ok(Some(match self.token {
            Token::Mark(Mark::Open) => Operator::Parenthesis,
            Token::Mark(Mark::Minus) => Operator::Sign { is_minus: true },
            Token::Mark(Mark::Plus) => Operator::Sign { is_minus: false },
            Token::Word(Word::Not) => match self.waiting.last() {
                Some(outer) if outer.operator.precedence() > Precedence::Not => {
                    return Err((self.at, OPERAND));
                }
                _ => Operator::Not,
            },
            _ => return Ok(None),
        }))
    }

    /// Returns an exact number with the sign that stands before it. Only with a minus, the smallest number fits.
    fn exact(&mut self, number: u64) -> Result<Step, SelectorErrorKind> {
        let number = match i64::try_from(number) {
            Ok(number) => number,
            Err(_) => {
                match self.waiting.pop_if(|outer| outer.operator == Operator::Sign { is_minus: true }) {
                    Some(_) => i64::MIN,
                    None => return Err(SelectorErrorKind::Number),
                }
            }
        };
        Ok(Step::Exact(number))
    }

    /// Reads what follows an operand. Returns `true` if another operand must follow.
    fn after_operand(&mut self) -> Result<bool, Fault> {
        loop {
            let at = self.at;
            match self.token {
                Token::End => return Ok(false),
                Token::Mark(Mark::Close) => self.close()?,
                Token::Word(Word::Is) => self.is_null()?,
                Token::Word(word @ (Word::Not | Word::Between | Word::In | Word::Like)) => {
                    if self.predicate(at, word)? {
                        return Ok(true);
                    }
                }
                _ => {
                    let Some(operator) = self.infix() else { return self.expect("an operator") };
                    // The AND of a BETWEEN is no operator.
                    if operator != AND || !self.is_between()? {
                        self.begin(at, operator)?;
                    }
                    self.advance()?;
                    return Ok(true);
                }
            }
        }
    }

    /// Reads the end of a parenthesis.
    fn close(&mut self) -> Result<(), Fault> {
        self.reduce(Precedence::Or)?;
        self.is_predicate = false;
        match self.waiting.pop() {
            Some(_) => self.advance().map(drop),
            None => self.expect("an operator"),
        }
    }

    fn is_null(&mut self) -> Result<(), Fault> {
        self.begin_comparison()?;
        self.advance()?;
        let negated = self.take_word(Word::Not)?;
        if !self.take_word(Word::Null)? {
            return self.expect("NULL");
        }
        self.apply_to_one(Type::Any, Step::IsNull { negated })
    }

    /// Reads a comparison by words, with or without NOT. Returns `true` if an operand must follow: the lower bound of
    /// BETWEEN.
    fn predicate(&mut self, at: usize, word: Word) -> Result<bool, Fault> {
        self.begin_comparison()?;
        self.advance()?;
        let negated = word == Word::Not;
        let word = match self.token {
            _ if !negated => word,
            Token::Word(word @ (Word::Between | Word::In | Word::Like)) => {
                self.advance()?;
                word
            }
            _ => return self.expect("BETWEEN, IN or LIKE"),
        };
        match word {
            Word::In => self.is_in(negated)?,
            Word::Like => self.is_like(negated)?,
            _ => self.wait(at, Operator::Between { negated, has_low: false })?,
        }
        Ok(word == Word::Between)
    }

    /// Returns the operator that comes next, if it stands between two operands.
    fn infix(&self) -> Option<Operator> {
        Some(match self.token {
            Token::Word(Word::And) => AND,
            Token::Word(Word::Or) => Operator::Either(true, 0),
            Token::Mark(Mark::Equal) => Operator::Compare(Comparison::Equal),
            Token::Mark(Mark::NotEqual) => Operator::Compare(Comparison::NotEqual),
            Token::Mark(Mark::Less) => Operator::Compare(Comparison::Less),
            Token::Mark(Mark::LessEqual) => Operator::Compare(Comparison::LessEqual),
            Token::Mark(Mark::Greater) => Operator::Compare(Comparison::Greater),
            Token::Mark(Mark::GreaterEqual) => Operator::Compare(Comparison::GreaterEqual),
            Token::Mark(Mark::Plus) => Operator::Compute(Arithmetic::Add),
            Token::Mark(Mark::Minus) => Operator::Compute(Arithmetic::Subtract),
            Token::Mark(Mark::Times) => Operator::Compute(Arithmetic::Multiply),
            Token::Mark(Mark::Divide) => Operator::Compute(Arithmetic::Divide),
            _ => return None,
        })
    }

    /// Lets an operator wait for its right operand. Those that bind as tightly have their operands.
    fn begin(&mut self, at: usize, operator: Operator) -> Result<(), Fault> {
        let operator = match operator {
            Operator::Compare(_) => {
                self.begin_comparison()?;
                operator
            }
            Operator::Either(on, _) => {
                self.reduce(operator.precedence())?;
                self.steps.push(Step::Skip { on, to: 0 });
                Operator::Either(on, self.steps.len() - 1)
            }
            operator => {
                self.reduce(operator.precedence())?;
                operator
            }
        };
        self.wait(at, operator)
    }

    /// Ends the left operand of a comparison, which is no comparison itself.
    fn begin_comparison(&mut self) -> Result<(), Fault> {
        self.reduce(Precedence::Sum)?;
        match self.waiting.last() {
            Some(Waiting { operator: Operator::Between { has_low: false, .. }, .. }) => self.expect("AND"),
            Some(outer) if outer.operator.precedence() == Precedence::Compare => self.expect(CHAINED),
            _ if self.is_predicate => self.expect(CHAINED),
            _ => Ok(()),
        }
    }

    fn wait(&mut self, at: usize, operator: Operator) -> Result<(), Fault> {
        if self.waiting.len() >= MAX_DEPTH {
            return Err((at, SelectorErrorKind::TooDeep));
        }
        self.waiting.push(Waiting { at, operator });
        Ok(())
    }

    /// Returns `true` if the AND that comes next belongs to a BETWEEN, whose lower bound then is complete.
    fn is_between(&mut self) -> Result<bool, Fault> {
        self.reduce(Precedence::Sum)?;
        match self.waiting.last_mut() {
            Some(Waiting { operator: Operator::Between { has_low, .. }, .. }) if !*has_low => {
                *has_low = true;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Reads the list of IN.
    fn is_in(&mut self, negated: bool) -> Result<(), Fault> {
        if !self.take(&Token::Mark(Mark::Open))? {
            return self.expect("(");
        }
        let mut list = Vec::new();
        let mut of = Type::Any;
        loop {
            let at = self.at;
            let (literal, own) = self.literal()?;
            if !own.fits(of) {
                return Err((at, SelectorErrorKind::Type(of.name())));
            }
            of = own;
            list.push(literal);
            if self.take(&Token::Mark(Mark::Close))? {
                break;
            }
            if !self.take(&Token::Mark(Mark::Comma))? {
                return self.expect(", or )");
            }
        }
        self.apply_to_one(of, Step::In { list: list.into(), negated })
    }

    /// Reads a literal in the list of IN.
    fn literal(&mut self) -> Result<(Step, Type), Fault> {
        let start = self.waiting.len();
        while let Token::Mark(sign @ (Mark::Minus | Mark::Plus)) = self.token {
            if self.waiting.len() > start {
                return self.expect("a number");
            }
            let at = self.at;
            self.advance()?;
            self.wait(at, Operator::Sign { is_minus: sign == Mark::Minus })?;
        }
        let (at, has_sign) = (self.at, self.waiting.len() > start);
        let step = match self.advance()? {
            Token::Text(text) if !has_sign => return Ok((Step::Text(text.into()), Type::Text)),
            Token::Exact(number) => self.exact(number).map_err(|kind| (at, kind))?,
            Token::Approximate(number) => Step::Approximate(number),
            _ => return Err((at, SelectorErrorKind::Expected("a text or a number"))),
        };
        let sign = (self.waiting.len() > start).then(|| self.waiting.pop()).flatten();
        let is_minus = sign.is_some_and(|sign| sign.operator == Operator::Sign { is_minus: true });
        let step = match step {
            Step::Exact(number) if is_minus => Step::Exact(number.wrapping_neg()),
            Step::Approximate(number) if is_minus => Step::Approximate(-number),
            step => step,
        };
        Ok((step, Type::Number))
    }

    /// Reads the pattern of LIKE.
    fn is_like(&mut self, negated: bool) -> Result<(), Fault> {
        let at = self.at;
        let Token::Text(pattern) = self.advance()? else {
            return Err((at, SelectorErrorKind::Expected("a text")));
        };
        let escape = if self.take_word(Word::Escape)? {
            let at = self.at;
            let Token::Text(escape) = self.advance()? else {
                return Err((at, SelectorErrorKind::Expected("a text")));
            };
            let mut chars = escape.chars();
            match (chars.next(), chars.next()) {
                (Some(escape), None) => Some(escape),
                _ => return Err((at, SelectorErrorKind::Escape)),
            }
        } else {
            None
        };
        let pattern = Pattern::new(&pattern, escape).ok_or((at, SelectorErrorKind::Escape))?;
        self.apply_to_one(Type::Text, Step::Like { pattern, negated })
    }

    /// Gives the last operand to a step that makes a condition of it.
    fn apply_to_one(&mut self, wanted: Type, step: Step) -> Result<(), Fault> {
        let at = self.operand_of(wanted)?;
        self.made(at, Type::Condition, step);
        self.is_predicate = true;
        Ok(())
    }

    /// Completes the operators that bind at least as tightly as this.
    fn reduce(&mut self, least: Precedence) -> Result<(), Fault> {
        while let Some(waiting) = self.waiting.pop_if(|outer| outer.operator.precedence() >= least) {
            self.complete(waiting)?;
        }
        Ok(())
    }

    /// Gives an operator its operands, and makes an operand of its result.
    fn complete(&mut self, Waiting { at, operator }: Waiting) -> Result<(), Fault> {
        match operator {
            Operator::Parenthesis => return Err((at, SelectorErrorKind::Expected(")"))),
            Operator::Either(on, skip) => {
                self.operand_of(Type::Condition)?;
                let at = self.operand_of(Type::Condition)?;
                self.made(at, Type::Condition, Step::Either(on));
                let behind = self.steps.len();
                if let Some(Step::Skip { to, .. }) = self.steps.get_mut(skip) {
                    *to = behind;
                }
            }
            Operator::Not => {
                self.operand_of(Type::Condition)?;
                self.made(at, Type::Condition, Step::Not);
            }
            Operator::Compare(how) => {
                let right = self.operands.last().copied();
                let wanted = if how.is_equality() { Type::Any } else { Type::Number };
                let right_at = self.operand_of(wanted)?;
                let left = self.operands.last().copied();
                let at = self.operand_of(wanted)?;
                match (left, right) {
                    (Some(left), Some(right)) if !right.of.fits(left.of) => {
                        return Err((right_at, SelectorErrorKind::Type(left.of.name())));
                    }
                    _ => self.made(at, Type::Condition, Step::Compare(how)),
                }
            }
            Operator::Between { has_low: false, .. } => return self.expect("AND"),
            Operator::Between { negated, .. } => {
                self.operand_of(Type::Number)?;
                self.operand_of(Type::Number)?;
                let at = self.operand_of(Type::Number)?;
                self.made(at, Type::Condition, Step::Between { negated });
            }
            Operator::Compute(how) => {
                self.operand_of(Type::Number)?;
                let at = self.operand_of(Type::Number)?;
                self.made(at, Type::Number, Step::Compute(how));
            }
            Operator::Sign { is_minus } => {
                self.operand_of(Type::Number)?;
                match is_minus {
                    true => self.made(at, Type::Number, Step::Negate),
                    false => self.operands.push(Read { at, of: Type::Number }),
                }
            }
        }
        Ok(())
    }

    /// Takes the last operand, which must be of a type, and returns its offset.
    fn operand_of(&mut self, wanted: Type) -> Result<usize, Fault> {
        let Some(operand) = self.operands.pop() else { return Err((self.at, OPERAND)) };
        match operand.of.fits(wanted) {
            true => Ok(operand.at),
            false => Err((operand.at, SelectorErrorKind::Type(wanted.name()))),
        }
    }

    fn made(&mut self, at: usize, of: Type, step: Step) {
        self.steps.push(step);
        self.operands.push(Read { at, of });
    }

    fn finish(mut self) -> Result<Program, Fault> {
        self.reduce(Precedence::Or)?;
        if let Some(open) = self.waiting.pop() {
            return Err((open.at, SelectorErrorKind::Expected(") for this parenthesis")));
        }
        self.operand_of(Type::Condition)?;
        Ok(Program(self.steps.into()))
    }
}

/// Returns the step that reads a field.
fn field(name: &str) -> Result<(Step, Type), SelectorErrorKind> {
    let (field, reading) = resolve(name).ok_or(SelectorErrorKind::Field)?;
    Ok((Step::Field(field, reading), Type::Any))
}
