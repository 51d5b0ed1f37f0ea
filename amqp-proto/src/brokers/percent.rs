//! Percent-encoding of names in paths (RFC 3986, section 2).

use alloc::string::String;

/// Adds a name to a path, with all but the unreserved characters encoded.
pub(crate) fn push_encoded(path: &mut String, name: &str) {
    for octet in name.bytes() {
        match octet {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => path.push(octet.into()),
            _ => {
                path.push('%');
                let digits = [octet >> 4, octet & 15].map(|digit| char::from_digit(digit.into(), 16));
                path.extend(digits.into_iter().flatten().map(|digit| digit.to_ascii_uppercase()));
            }
        }
    }
}
