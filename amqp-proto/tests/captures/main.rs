//! The example `dump` with captures and traces: what it puts together, shows and says, and that no file makes it panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../examples/dump/main.rs"]
#[allow(dead_code)] // the function main
mod dump;
mod packets;
mod reassembled;
mod replays;
mod scenes;
mod survives;
mod traces;
mod views;

use std::ffi::OsString;
use std::io::Cursor;
use std::path::{Path, PathBuf};

/// Runs `dump` with these arguments and this input. Returns its output, or its output and the reason of its failure.
fn dump(arguments: &[&str], input: &[u8]) -> Result<String, (String, String)> {
    let arguments = arguments.iter().map(OsString::from);
    let options = dump::options::Options::read(arguments).expect("the arguments are right");
    let mut out = Vec::new();
    let done = options.run(Box::new(Cursor::new(input.to_vec())), &mut out);
    let out = String::from_utf8(out).expect("the output is UTF-8");
    done.map(|()| out.clone()).map_err(|stop| (out, stop.to_string().trim_start_matches("dump: ").to_owned()))
}

/// Runs `dump`, which succeeds.
fn shows(arguments: &[&str], input: &[u8]) -> String {
    dump(arguments, input).unwrap_or_else(|(out, reason)| panic!("{reason}\n{out}"))
}

/// Returns the path of a capture in the repository, or of what `dump` prints about it.
fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/captures").join(name)
}

/// Compares a file in the repository with what it should hold. With `AMQP_WRITE_CAPTURES` in the environment, writes it.
fn is_checked_in(file: &Path, content: &[u8]) {
    if std::env::var_os("AMQP_WRITE_CAPTURES").is_some() {
        std::fs::write(file, content).unwrap();
    }
    let kept = std::fs::read(file).unwrap_or_default();
    assert!(kept == content, "{} differs from:\n{}", file.display(), String::from_utf8_lossy(content));
}
