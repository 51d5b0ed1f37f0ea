//! Attributes for tests that are written once, as an `async fn`, and run in `amqp-tokio` and in `amqp-blocking`.
//!
//! The tests are the files in `amqp-proto/adapter-tests/tests`. The program `tests/shared/main.rs` of each adapter includes them
//! beside its module `adapter`, which re-exports the attributes of that adapter as `test` and `helper`:
//!
//! ```text
//! #[adapter::test]
//! async fn a_message_is_accepted() {
//!     let (sender, receiver) = link().await;
//!     let work = spawn(async move { sender.send("job").await });
//!     receiver.recv().await.unwrap().unwrap().accept().unwrap();
//!     assert_eq!(work.join().await.unwrap(), Outcome::Accepted);
//! }
//! ```
//!
//! For `amqp-tokio` the code stays as it is written. For `amqp-blocking` each `.await` goes, an `async fn` becomes a
//! `fn`, and a block `async { .. }` becomes a closure `|| { .. }`. All other tokens keep their places, so a failure
//! points at a line of the one file.
#![allow(clippy::expect_used, reason = "only the text of this file is parsed")]

use std::iter::Peekable;

use proc_macro::{Delimiter, Group, TokenStream, TokenTree, token_stream};

/// Makes a test of an `async fn`, on `amqp-tokio`.
#[proc_macro_attribute]
pub fn tokio_test(_: TokenStream, function: TokenStream) -> TokenStream {
    test(function, "async move")
}

/// Makes a test of an `async fn`, on `amqp-blocking`.
#[proc_macro_attribute]
pub fn blocking_test(_: TokenStream, function: TokenStream) -> TokenStream {
    test(blocking(function), "move ||")
}

/// Leaves a function or an `impl` as it is, for `amqp-tokio`.
#[proc_macro_attribute]
pub fn tokio_helper(_: TokenStream, item: TokenStream) -> TokenStream {
    item
}

/// Takes `async` and `.await` out of a function or an `impl`, for `amqp-blocking`.
#[proc_macro_attribute]
pub fn blocking_helper(_: TokenStream, item: TokenStream) -> TokenStream {
    blocking(item)
}

/// Makes a test of a function: passes its body, after these words, to `adapter::run`.
fn test(function: TokenStream, words: &str) -> TokenStream {
    let mut tokens: Vec<TokenTree> = function.into_iter().collect();
    tokens.retain(|token| !is_word(Some(token), "async"));
    let body = tokens.pop().into_iter();
    let argument = parse(words).into_iter().chain(body).collect();
    let call = parse("crate::adapter::run").into_iter();
    let call = call.chain([TokenTree::from(Group::new(Delimiter::Parenthesis, argument))]).collect();
    tokens.push(Group::new(Delimiter::Brace, call).into());
    parse("#[::core::prelude::v1::test]").into_iter().chain(tokens).collect()
}

fn parse(text: &str) -> TokenStream {
    text.parse().expect("tokens")
}

/// Removes `async` and `.await` from code.
fn blocking(code: TokenStream) -> TokenStream {
    let (mut code, mut output) = (code.into_iter().peekable(), Vec::new());
    while let Some(token) = code.next() {
        match token {
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), blocking(group.stream()));
                inner.set_span(group.span());
                output.push(inner.into());
            }
            TokenTree::Punct(point) if point.as_char() == '.' && is_word(code.peek(), "await") => {
                code.next();
            }
            token if is_word(Some(&token), "async") => output.extend(closure(&mut code)),
            token => output.push(token),
        }
    }
    output.into_iter().collect()
}

/// Returns the replacement of `async` and of `move` after it.
fn closure(code: &mut Peekable<token_stream::IntoIter>) -> Vec<TokenTree> {
    let mut words: Vec<TokenTree> = code.next_if(|token| is_word(Some(token), "move")).into_iter().collect();
    if matches!(code.peek(), Some(TokenTree::Group(_))) {
        words.extend(parse("||"));
    }
    words
}

fn is_word(token: Option<&TokenTree>, word: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(ident)) if ident.to_string() == word)
}
