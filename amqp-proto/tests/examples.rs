//! The example `resume`, run as a program: its sender is killed, and goes on from a file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::env;
use std::process::Command;

/// Returns the command that runs an example. `cargo test` builds them before; `cargo test --test examples` does not, so
/// cargo does it then.
fn example(name: &str) -> Command {
    let tests = env::current_exe().unwrap();
    let profile = tests.ancestors().nth(2).unwrap();
    let program = profile.join("examples").join(format!("{name}{}", env::consts::EXE_SUFFIX));
    let is_built = |program: &std::path::Path| {
        let changed = |path: &std::path::Path| path.metadata().and_then(|file| file.modified()).ok();
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/").to_string() + name + ".rs";
        changed(program) > changed(source.as_ref())
    };
    if is_built(&program) {
        return Command::new(program);
    }
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["run", "--quiet", "--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]);
    cargo.args(["--example", name]);
    cargo
}

/// T-RES-06, T-RES-08: a process that was killed goes on from its file, and each message comes once.
#[test]
fn t_res_08_a_sender_that_is_killed_goes_on_from_its_file() {
    let ran = example("resume").output().unwrap();
    let said = String::from_utf8(ran.stdout).unwrap();
    let failed = String::from_utf8(ran.stderr).unwrap();
    assert!(ran.status.success(), "{said}{failed}");
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("the sender was killed 3 times; "), "{said}");
    assert_eq!(lines[1], "each of 1000 messages came once");
    assert!(
        lines[2].starts_with("a file that is cut short is refused: the saved state is cut short"),
        "{said}"
    );
}
