//! The system's randomness.

use std::io;

/// Octets that nobody can guess. An error is the system's, which has none.
pub fn random<const OCTETS: usize>() -> io::Result<[u8; OCTETS]> {
    let mut octets = [0; OCTETS];
    getrandom::fill(&mut octets).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(octets)
}

/// Returns a name that nobody else has, for a container, a link or a node.
pub fn random_name() -> io::Result<String> {
    Ok(format!("{:032x}", u128::from_ne_bytes(random()?)))
}
