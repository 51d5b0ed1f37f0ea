//! [`Escaped`]: text of a peer, safe in a log.

use core::fmt::{self, Write};

/// Shows text with its control characters, changes of direction and other invisible characters escaped, in the form of
/// `str::escape_debug`.
///
/// `escape_debug` takes 4 kB of code and tables, mostly to escape characters that Unicode does not assign. They are
/// shown as they are here.
pub(crate) struct Escaped<'a> {
    text: &'a str,
    /// `true` if quotes and backslashes are escaped, too.
    quotes: bool,
}

impl<'a> Escaped<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, quotes: true }
    }

    /// Shows text that is not between quotes.
    pub(crate) fn unquoted(text: &'a str) -> Self {
        Self { text, quotes: false }
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.chars().try_for_each(|c| match c {
            '\0' => f.write_str("\\0"),
            '\t' => f.write_str("\\t"),
            '\n' => f.write_str("\\n"),
            '\r' => f.write_str("\\r"),
            '\\' | '"' | '\'' if self.quotes => {
                f.write_char('\\')?;
                f.write_char(c)
            }
            _ if is_invisible(c) => write!(f, "\\u{{{:x}}}", u32::from(c)),
            _ => f.write_char(c),
        })
    }
}

/// Returns `true` for controls, formats, separators other than the space, and characters for private use.
fn is_invisible(c: char) -> bool {
    INVISIBLE.iter().any(|(first, last)| (*first..=*last).contains(&c))
}

static INVISIBLE: [(char, char); 19] = [
    ('\0', '\u{1f}'),
    ('\u{7f}', '\u{a0}'),
    ('\u{ad}', '\u{ad}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{1680}', '\u{1680}'),
    ('\u{180e}', '\u{180e}'),
    ('\u{2000}', '\u{200f}'),
    ('\u{2028}', '\u{202f}'),
    ('\u{205f}', '\u{206f}'),
    ('\u{3000}', '\u{3000}'),
    ('\u{e000}', '\u{f8ff}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{10ffff}'),
];

#[cfg(test)]
mod tests {
    use super::Escaped;

    #[test]
    fn what_a_log_must_not_have_is_escaped_as_the_standard_library_does() {
        for c in '\0'..=char::MAX {
            let text = c.to_string();
            let theirs = text.escape_debug().to_string();
            let ours = Escaped::new(&text).to_string();
            if c.is_ascii() || c.is_control() || c.is_whitespace() || is_format(c) {
                assert_eq!(ours, theirs, "{:x}", u32::from(c));
            } else {
                assert!(ours == theirs || ours == text, "{:x}: {ours}", u32::from(c));
            }
        }
    }

    /// Marks and changes of direction, joiners, and the tags that nobody sees.
    fn is_format(c: char) -> bool {
        matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
            | '\u{ad}' | '\u{61c}' | '\u{e0001}' | '\u{e0020}'..='\u{e007f}')
    }

    #[test]
    fn quotes_stay_outside_of_quotes() {
        assert_eq!(
            Escaped::unquoted("no 'jobs' \\\n\u{202e}x\u{e9}").to_string(),
            "no 'jobs' \\\\n\\u{202e}x\u{e9}"
        );
    }
}
