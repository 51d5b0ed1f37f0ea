//! The examples of a crate, run as programs.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// Returns the program of an example.
pub fn program(examples: &[&str], name: &str) -> Command {
    Command::new(path(programs(examples), name))
}

/// Runs an example to its end. Returns the exit code and the output.
pub fn run(examples: &[&str], name: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = program(examples, name).args(arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// Returns the folder of the programs. `cargo test` builds them, `cargo test --test examples` does not; then this
/// builds them.
fn programs(examples: &[&str]) -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let tests = env::current_exe().unwrap();
        let profile = tests.ancestors().nth(2).unwrap();
        let programs = profile.join("examples");
        let changed = |path: &Path| path.metadata().and_then(|file| file.modified()).ok();
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let is_old = |name: &&str| {
            let program = changed(&path(&programs, name));
            let file = format!("{name}.rs");
            let folder = format!("{name}/main.rs");
            [&*file, &*folder, "common/mod.rs"].iter().any(|source| program < changed(&sources.join(source)))
        };
        if examples.iter().any(is_old) {
            let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            cargo.args(["build", "--quiet", "--examples", "--manifest-path"]);
            cargo.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
            cargo.arg("--target-dir").arg(profile.parent().unwrap());
            if profile.ends_with("release") {
                cargo.arg("--release");
            }
            assert!(cargo.status().unwrap().success(), "{cargo:?}");
        }
        programs
    })
}

fn path(programs: &Path, name: &str) -> PathBuf {
    programs.join(format!("{name}{}", env::consts::EXE_SUFFIX))
}
