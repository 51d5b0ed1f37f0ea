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
//!
//! Every test is [`macro@bounded`]: one that hangs fails.
#![allow(clippy::expect_used, reason = "only the text of this file is parsed")]

use std::iter::Peekable;

use proc_macro::{Delimiter, Group, TokenStream, TokenTree, token_stream};

/// Makes a test of an `async fn`, on `amqp-tokio`.
#[proc_macro_attribute]
pub fn tokio_test(_: TokenStream, function: TokenStream) -> TokenStream {
    let (mut function, body) = split(function);
    function.retain(|token| !is_word(Some(token), "async"));
    let future = parse("async move").into_iter().chain([body]).collect();
    let mut run: Vec<TokenTree> = parse("crate::adapter::run").into_iter().collect();
    run.push(Group::new(Delimiter::Parenthesis, future).into());
    test(within(LIMIT, function, Group::new(Delimiter::Brace, run.into_iter().collect()).into()))
}

/// Makes a test of an `async fn`, on `amqp-blocking`.
#[proc_macro_attribute]
pub fn blocking_test(_: TokenStream, function: TokenStream) -> TokenStream {
    test(bounded(TokenStream::new(), blocking(function)))
}

/// Fails a test that runs longer than so many seconds, or than 120. Stands below `#[test]` or `#[tokio::test]`.
#[proc_macro_attribute]
pub fn bounded(seconds: TokenStream, function: TokenStream) -> TokenStream {
    let seconds = seconds.to_string();
    let (function, body) = split(function);
    within(if seconds.is_empty() { LIMIT } else { &seconds }, function, body)
}

/// The longest that a test may take, in seconds, also on a machine that does much else.
const LIMIT: &str = "120";

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

fn test(function: TokenStream) -> TokenStream {
    parse("#[::core::prelude::v1::test]").into_iter().chain(function).collect()
}

/// Returns a function without its body, and the body.
fn split(function: TokenStream) -> (Vec<TokenTree>, TokenTree) {
    let mut tokens: Vec<TokenTree> = function.into_iter().collect();
    let body = tokens.pop().expect("a body");
    (tokens, body)
}

/// Runs the body of a function on a thread of its own, and panics if the body runs longer than these seconds.
fn within(seconds: &str, mut function: Vec<TokenTree>, body: TokenTree) -> TokenStream {
    let start = "let (done, is_done) = ::std::sync::mpsc::channel::<()>();
        let here = ::std::thread::current();
        let thread = ::std::thread::Builder::new().name(here.name().unwrap_or(\"test\").to_owned());";
    let end = format!(
        "let ended = is_done.recv_timeout(::core::time::Duration::from_secs({seconds}));
        assert!(ended == Err(::std::sync::mpsc::RecvTimeoutError::Disconnected), \"the test hangs\");
        test.join().unwrap_or_else(|panic| ::std::panic::resume_unwind(panic));"
    );
    // The end of the body, or a panic in it, drops `done`.
    let work = parse("move || -> () { let _done = done; }");
    let mut work: Vec<TokenTree> = work.into_iter().collect();
    let Some(TokenTree::Group(block)) = work.pop() else { unreachable!("it ends with a block") };
    let block = block.stream().into_iter().chain([body]).collect();
    work.push(Group::new(Delimiter::Brace, block).into());
    let mut body: Vec<TokenTree> = parse(start).into_iter().collect();
    body.extend(parse("let test = thread.spawn"));
    body.push(Group::new(Delimiter::Parenthesis, work.into_iter().collect()).into());
    body.extend(parse(".unwrap();"));
    body.extend(parse(&end));
    function.push(Group::new(Delimiter::Brace, body.into_iter().collect()).into());
    function.into_iter().collect()
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
