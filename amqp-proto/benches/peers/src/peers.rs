//! [`Who`]: the implementations that are compared, their versions, and the programs that use them.

use std::path::{Path, PathBuf};
use std::process::Command;

/// An implementation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Who {
    /// This repository's crates.
    Ours,
    /// The control: a socket without AMQP.
    Raw,
    Proton,
    Fe2o3,
    Ramqp,
    Ntex,
}

use Who::{Fe2o3, Ntex, Ours, Proton, Ramqp, Raw};

/// All implementations, in the order of the columns.
pub(crate) const ALL: [Who; 6] = [Ours, Raw, Proton, Fe2o3, Ramqp, Ntex];

impl Who {
    pub(crate) fn is_peer(self) -> bool {
        !matches!(self, Ours | Raw)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Ours => "amqp",
            Raw => "raw socket",
            Proton => "proton-c",
            Fe2o3 => "fe2o3-amqp",
            Ramqp => "ramqp",
            Ntex => "ntex-amqp",
        }
    }

    /// Returns the version that the table names for a peer.
    pub(crate) fn version(self) -> &'static str {
        match self {
            Ours | Raw => "",
            Proton => "0.37.0",
            Fe2o3 => "0.18.4",
            Ramqp => "0.8.3",
            Ntex => "6.0.0",
        }
    }

    /// Returns the argument that selects the implementation.
    pub(crate) fn argument(self) -> &'static str {
        match self {
            Ours => "ours",
            Raw => "raw",
            Proton => "proton",
            Fe2o3 => "fe2o3",
            Ramqp => "ramqp",
            Ntex => "ntex",
        }
    }

    /// Returns true if the programs run on the runtime of each shape. Those of the others always have one thread.
    pub(crate) fn has_shapes(self) -> bool {
        matches!(self, Ours | Raw | Fe2o3 | Ramqp)
    }

    /// Checks that a peer is installed in the version that the table names.
    pub(crate) fn check(self, programs: &Programs) -> Result<(), String> {
        let found = match self {
            Ours | Raw => return Ok(()),
            Proton => programs.proton_version()?,
            _ => locked(self.name()).ok_or("it is not in Cargo.lock")?.to_string(),
        };
        match found == self.version() {
            true => Ok(()),
            false => Err(format!("version {} is named, and {found} is here", self.version())),
        }
    }
}

/// Returns the version of a package that this program was built with.
fn locked(package: &str) -> Option<&'static str> {
    let lock = include_str!("../Cargo.lock");
    let (_, after) = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?;
    after.split('"').next()
}

/// The programs that play the roles.
#[derive(Debug)]
pub(crate) struct Programs {
    own: PathBuf,
    proton: Result<PathBuf, String>,
}

impl Programs {
    /// Finds this program, and compiles that of proton-c.
    pub(crate) fn build(folder: &Path) -> Self {
        Self { own: std::env::current_exe().expect("it has a path"), proton: build_proton(folder) }
    }

    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self { own: PathBuf::new(), proton: Err("it is not built".into()) }
    }

    fn proton_version(&self) -> Result<String, String> {
        let program = self.proton.as_ref().map_err(Clone::clone)?;
        let output = Command::new(program).arg("version").output().map_err(|error| error.to_string())?;
        let line = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(line.trim().trim_start_matches("version ").to_string())
    }

    /// Returns the command that starts a role; the arguments of the role are still to be added.
    pub(crate) fn command(&self, who: Who, role: &str) -> Result<Command, String> {
        if who == Proton {
            let mut command = Command::new(self.proton.as_ref().map_err(Clone::clone)?);
            command.arg(role);
            return Ok(command);
        }
        let mut command = Command::new(&self.own);
        // A failed program's last line is then the reason, not a frame of its stack.
        command.args(["role", who.argument(), role]).env("RUST_BACKTRACE", "0");
        Ok(command)
    }
}

fn build_proton(folder: &Path) -> Result<PathBuf, String> {
    let (source, program) = (concat!(env!("CARGO_MANIFEST_DIR"), "/c/proton.c"), folder.join("proton"));
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let built = Command::new(&compiler)
        .args(["-O2", "-Wall", "-o"])
        .arg(&program)
        .args([source, "-lqpid-proton"])
        .output()
        .map_err(|error| format!("{compiler}: {error}"))?;
    match built.status.success() {
        true => Ok(program),
        false => {
            let said = String::from_utf8_lossy(&built.stderr).into_owned();
            let first =
                said.lines().find(|line| line.contains("error")).unwrap_or_default().trim().to_string();
            Err(format!("it cannot be built ({first}); the Debian package is libqpid-proton11-dev"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_file_has_the_versions_that_are_named() {
        for who in [Fe2o3, Ramqp, Ntex] {
            assert_eq!(who.check(&Programs::none()), Ok(()), "{}", who.name());
        }
        assert_eq!(Proton.check(&Programs::none()), Err("it is not built".into()));
    }
}
