//! [`Lexer`]: the words of a selector.

use alloc::string::String;

use super::error::SelectorErrorKind;

/// A word of a selector.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token<'a> {
    Name(&'a str),
    /// A name in double quotes, which may be a reserved word or have any characters.
    Quoted(String),
    Text(String),
    /// The digits of an exact number. It has no sign, and so is one larger than the largest number at most.
    Exact(u64),
    Approximate(f64),
    Word(Word),
    Mark(Mark),
    End,
}

/// A reserved word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    And,
    Between,
    Escape,
    False,
    In,
    Is,
    Like,
    Not,
    Null,
    Or,
    True,
}

const WORDS: [(&str, Word); 11] = [
    ("AND", Word::And),
    ("BETWEEN", Word::Between),
    ("ESCAPE", Word::Escape),
    ("FALSE", Word::False),
    ("IN", Word::In),
    ("IS", Word::Is),
    ("LIKE", Word::Like),
    ("NOT", Word::Not),
    ("NULL", Word::Null),
    ("OR", Word::Or),
    ("TRUE", Word::True),
];

/// A mark of one or two characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Close,
    Comma,
    Divide,
    Equal,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    Minus,
    NotEqual,
    Open,
    Plus,
    Times,
}

/// The longer ones come first.
const MARKS: [(&str, Mark); 13] = [
    ("<>", Mark::NotEqual),
    ("<=", Mark::LessEqual),
    (">=", Mark::GreaterEqual),
    ("<", Mark::Less),
    (">", Mark::Greater),
    ("=", Mark::Equal),
    ("(", Mark::Open),
    (")", Mark::Close),
    (",", Mark::Comma),
    ("+", Mark::Plus),
    ("-", Mark::Minus),
    ("*", Mark::Times),
    ("/", Mark::Divide),
];

/// The names of annotations have hyphens.
pub(super) const ANNOTATION: &str = "amqp.annotation.";

/// Cuts a selector into words.
#[derive(Debug)]
pub(super) struct Lexer<'a> {
    whole: &'a str,
    rest: &'a str,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { whole: text, rest: text }
    }

    /// Returns the next word, and the offset at which it begins.
    pub(super) fn next(&mut self) -> Result<(usize, Token<'a>), (usize, SelectorErrorKind)> {
        self.rest = self.rest.trim_start();
        let at = self.whole.len() - self.rest.len();
        let Some(first) = self.rest.chars().next() else { return Ok((at, Token::End)) };
        let token = match first {
            '\'' => self.quoted('\'').map(Token::Text),
            '"' => self.quoted('"').map(Token::Quoted),
            first if first.is_ascii_digit() => self.number(),
            '.' if self.rest.as_bytes().get(1).is_some_and(u8::is_ascii_digit) => self.number(),
            first if is_start(first) => Ok(self.name()),
            first => self.mark().ok_or(SelectorErrorKind::Character(first)),
        };
        token.map(|token| (at, token)).map_err(|kind| (at, kind))
    }

    /// Takes this many octets.
    fn take(&mut self, octets: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(octets).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    /// Takes characters while they are of a kind.
    fn take_while(&mut self, is_kind: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !is_kind(c)).unwrap_or(self.rest.len());
        self.take(end)
    }

    fn mark(&mut self) -> Option<Token<'a>> {
        let (text, mark) = MARKS.iter().find(|(text, _)| self.rest.starts_with(text))?;
        self.take(text.len());
        Some(Token::Mark(*mark))
    }

    /// Takes a text in quotes; two quotes stand for one.
    fn quoted(&mut self, quote: char) -> Result<String, SelectorErrorKind> {
        let mut text = String::new();
        loop {
            self.take(1);
            text.push_str(self.take_while(|c| c != quote));
            if self.rest.is_empty() {
                return Err(SelectorErrorKind::Unterminated);
            }
            self.take(1);
            if !self.rest.starts_with(quote) {
                return Ok(text);
            }
            text.push(quote);
        }
    }

    fn name(&mut self) -> Token<'a> {
        let is_annotation = self.rest.starts_with(ANNOTATION);
        let name = self.take_while(|c| is_part(c) || (is_annotation && c == '-'));
        let word = WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(name));
        word.map_or(Token::Name(name), |(_, word)| Token::Word(*word))
    }

    /// Takes a number in the notation of Java.
    fn number(&mut self) -> Result<Token<'a>, SelectorErrorKind> {
        let token = match self.rest.get(..2) {
            Some("0x" | "0X") => {
                self.take(2);
                let digits = self.take_while(|c| c.is_ascii_hexdigit());
                self.exact(digits, 16)
            }
            _ => self.decimal(),
        };
        match token {
            Some(token) if !self.rest.starts_with(is_part) => Ok(token),
            _ => Err(SelectorErrorKind::Number),
        }
    }

    fn exact(&mut self, digits: &str, radix: u32) -> Option<Token<'a>> {
        if self.rest.starts_with(['l', 'L']) {
            self.take(1);
        }
        let number = u64::from_str_radix(digits, radix).ok()?;
        (number <= i64::MIN.unsigned_abs()).then_some(Token::Exact(number))
    }

    fn decimal(&mut self) -> Option<Token<'a>> {
        let start = self.rest;
        let is_digit = |c: char| c.is_ascii_digit();
        let digits = self.take_while(is_digit);
        let mut is_exact = true;
        if self.rest.starts_with('.') {
            self.take(1);
            self.take_while(is_digit);
            is_exact = false;
        }
        if self.rest.starts_with(['e', 'E']) {
            self.take(1);
            if self.rest.starts_with(['+', '-']) {
                self.take(1);
            }
            self.take_while(is_digit);
            is_exact = false;
        }
        let text = start.get(..start.len() - self.rest.len())?;
        let suffix = self.rest.chars().next().filter(|c| matches!(c, 'f' | 'F' | 'd' | 'D'));
        if let Some(suffix) = suffix {
            self.take(1);
            is_exact = false;
            if suffix.eq_ignore_ascii_case(&'f') {
                let number: f32 = text.parse().ok()?;
                return number.is_finite().then_some(Token::Approximate(number.into()));
            }
        }
        if is_exact {
            return match digits.strip_prefix('0') {
                Some(octal) if !octal.is_empty() => self.exact(octal, 8),
                _ => self.exact(digits, 10),
            };
        }
        let number: f64 = text.parse().ok()?;
        number.is_finite().then_some(Token::Approximate(number))
    }
}

/// Returns `true` for a character with which a name may begin.
fn is_start(c: char) -> bool {
    c.is_alphabetic() || matches!(c, '_' | '$')
}

/// Returns `true` for a character of a name. Names of fields and of many properties have dots.
fn is_part(c: char) -> bool {
    is_start(c) || c.is_alphanumeric() || c == '.'
}
