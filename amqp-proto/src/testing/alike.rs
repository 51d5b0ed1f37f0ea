//! [`Alike`]: what two connections tell, compared by what keys name.

use alloc::format;
use alloc::string::String;
use core::fmt::Debug;

/// A value as its debug text, in which keys have their place and not their number.
///
/// Numbers of keys are never the same in two connections, so events of two connections are never equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alike(String);

impl Alike {
    /// Takes down a value.
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
