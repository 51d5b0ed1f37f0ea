//! [`Fields`]: a described type as a trace prints it, such as `begin { next_outgoing_id: 0, incoming_window: 2048 }`.

/// The name and the fields of a described type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a> {
    pub(crate) name: &'a str,
    /// The text between the braces.
    body: &'a str,
}

impl<'a> Fields<'a> {
    /// Reads a described type at the front of a text. Returns also what follows it.
    pub(crate) fn read(text: &'a str) -> Option<(Self, &'a str)> {
        let end = text.find(|c: char| !c.is_ascii_lowercase() && c != '-').unwrap_or(text.len());
        let (name, rest) = text.split_at_checked(end).filter(|(name, _)| !name.is_empty())?;
        let Some(inner) = rest.strip_prefix(" { ") else { return Some((Self { name, body: "" }, rest)) };
        let end = find_end(inner, " }")?;
        let (body, rest) = inner.split_at_checked(end)?;
        Some((Self { name, body }, rest.strip_prefix(" }")?))
    }

    /// Returns the names of the fields.
    pub(crate) fn names(&self) -> Vec<&'a str> {
        let (mut names, mut rest) = (Vec::new(), self.body);
        while let Some((name, value)) = rest.split_once(": ") {
            names.push(name);
            let end = find_end(value, ", ").unwrap_or(value.len());
            rest = value.get(end..).and_then(|rest| rest.strip_prefix(", ")).unwrap_or_default();
        }
        names
    }

    /// Returns the text of a field.
    pub(crate) fn text(&self, field: &str) -> Option<&'a str> {
        let mut rest = self.body;
        loop {
            let (name, value) = rest.split_once(": ")?;
            let end = find_end(value, ", ").unwrap_or(value.len());
            if name == field {
                return value.get(..end);
            }
            rest = value.get(end..)?.strip_prefix(", ")?;
        }
    }

    pub(crate) fn number<T: std::str::FromStr>(&self, field: &str) -> Option<T> {
        self.text(field)?.parse().ok()
    }

    pub(crate) fn is_true(&self, field: &str) -> bool {
        self.text(field) == Some("true")
    }

    /// Returns a string without its quotes and escapes.
    pub(crate) fn string(&self, field: &str) -> Option<String> {
        unescape(self.text(field)?.strip_prefix('"')?.strip_suffix('"')?)
    }

    pub(crate) fn octets(&self, field: &str) -> Option<Vec<u8>> {
        octets(self.text(field)?)
    }

    /// Returns a field that is a described type itself.
    pub(crate) fn inner(&self, field: &str) -> Option<Fields<'a>> {
        Self::read(self.text(field)?).map(|(fields, _)| fields)
    }
}

/// Reads octets in the form `0x6a6f62`.
pub(crate) fn octets(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x")?.as_bytes();
    if digits.len() % 2 == 1 {
        return None;
    }
    let digit = |octet: u8| char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    digits.chunks(2).map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.last()?)?)).collect()
}

/// Finds `end` outside of quotes, brackets and braces.
fn find_end(text: &str, end: &str) -> Option<usize> {
    let (mut depth, mut is_quoted, mut is_escaped) = (0_u32, false, false);
    for (at, c) in text.char_indices() {
        if is_quoted {
            is_quoted = c != '"' || is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            continue;
        }
        if depth == 0 && text.get(at..).is_some_and(|rest| rest.starts_with(end)) {
            return Some(at);
        }
        match c {
            '"' => is_quoted = true,
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    None
}

/// Undoes `escape_debug`.
fn unescape(text: &str) -> Option<String> {
    let mut plain = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        plain.push(match rest.next()? {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            '0' => '\0',
            'u' => {
                let digits: String = rest.by_ref().skip(1).take_while(|c| *c != '}').collect();
                char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?
            }
            other => other,
        });
    }
    Some(plain)
}
