//! The README shows the loop of the example, and it is short.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

fn drive(text: &str) -> &str {
    let text = &text[text.find("fn drive(").unwrap()..];
    &text[..text.find("\n}\n").unwrap() + 2]
}

/// Returns the text without blanks, and without trailing commas.
fn tokens(text: &str) -> String {
    text.split_whitespace().collect::<String>().replace(",)", ")")
}

#[test]
fn the_readme_shows_the_loop_of_the_example() {
    let example = drive(include_str!("../examples/tcp.rs"));
    assert_eq!(tokens(drive(include_str!("../README.md"))), tokens(example));
    assert!(example.lines().count() <= 25);
}
