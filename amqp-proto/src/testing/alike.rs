//! [`Alike`]: what two connections tell, compared by what keys name.

use alloc::format;
use alloc::string::String;
use core::fmt::Debug;

/// The debug text of a value, with the index of each key instead of its number.
///
/// Two connections never have equal keys, so their events are never equal; compare these instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alike(String);

impl Alike {
    /// Formats a value.
    pub fn of(value: &impl Debug) -> Self {
        let text = format!("{value:?}");
        let mut words = text.split(' ');
        let mut told = String::from(words.next().unwrap_or_default());
        let mut last = told.clone();
        for word in words {
            told.push(' ');
            let is_key = ["session", "sender", "receiver"].iter().any(|label| last.ends_with(label));
            match word.split_once('.').filter(|_| is_key) {
                Some((place, rest)) => {
                    told.push_str(place);
                    told.push_str(rest.trim_start_matches(|c: char| c.is_ascii_digit()));
                }
                None => told.push_str(word),
            }
            last = String::from(word);
        }
        Self(told)
    }
}
