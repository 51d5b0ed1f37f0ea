//! Random numbers of the operating system.

use std::io;

/// Returns unpredictable octets.
///
/// # Errors
///
/// The system's error, if it has no random numbers.
pub fn random<const OCTETS: usize>() -> io::Result<[u8; OCTETS]> {
    let mut octets = [0; OCTETS];
    getrandom::fill(&mut octets).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(octets)
}

/// Returns a unique random name for a container, a link or a node.
///
/// # Errors
///
/// The system's error, if it has no random numbers.
pub fn random_name() -> io::Result<String> {
    Ok(format!("{:032x}", u128::from_ne_bytes(random()?)))
}
