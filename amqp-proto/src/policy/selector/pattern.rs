//! [`Pattern`]: the pattern of LIKE.

use alloc::boxed::Box;
use alloc::vec::Vec;

/// A pattern, with its escapes resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Box<[Part]>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Any characters, or none.
    Any,
    /// One character.
    One,
    Char(char),
}

impl Pattern {
    /// Returns a pattern. `None` if it ends with the escape.
    pub(super) fn new(text: &str, escape: Option<char>) -> Option<Self> {
        let mut parts = Vec::new();
        let mut chars = text.chars();
        while let Some(next) = chars.next() {
            let part = match next {
                next if Some(next) == escape => Part::Char(chars.next()?),
                '%' => Part::Any,
                '_' => Part::One,
                other => Part::Char(other),
            };
            // Neighbours mean the same as one.
            if part != Part::Any || parts.last() != Some(&Part::Any) {
                parts.push(part);
            }
        }
        Some(Self(parts.into()))
    }

    /// Returns `true` if the whole text matches. Takes at most as many steps as the product of both lengths.
    pub(super) fn matches(&self, text: &str) -> bool {
        let (mut parts, mut rest) = (&*self.0, text.chars());
        // The parts after the latest `Any`, and the text that they were compared with.
        let mut retry: Option<(&[Part], core::str::Chars<'_>)> = None;
        loop {
            let before = rest.clone();
            match (parts.split_first(), rest.next()) {
                (Some((Part::Any, after)), _) => {
                    (parts, rest) = (after, before.clone());
                    retry = Some((after, before));
                    continue;
                }
                (None, None) => return true,
                (Some((Part::One, after)), Some(_)) => {
                    parts = after;
                    continue;
                }
                (Some((Part::Char(own), after)), Some(next)) if *own == next => {
                    parts = after;
                    continue;
                }
                // Nothing is left that the rest of the pattern could match.
                (Some(_), None) => return false,
                _ => {}
            }
            // `Any` takes one character more.
            let Some((after, start)) = &mut retry else { return false };
            if start.next().is_none() {
                return false;
            }
            (parts, rest) = (*after, start.clone());
        }
    }
}
