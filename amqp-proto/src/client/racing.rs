//! The order and the timing of attempts to connect to the addresses of a host (RFC 8305).

use std::net::SocketAddr;
use std::time::Duration;

use alloc::vec::Vec;

/// The time after which the next address is tried while the earlier ones have not answered.
pub const STAGGER: Duration = Duration::from_millis(250);

/// Orders the addresses of a host so that IPv4 and IPv6 alternate, beginning with the family of the first
/// address.
///
/// So a family that does not work costs the time of one attempt.
pub fn take_turns(addresses: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let addresses: Vec<_> = addresses.into_iter().collect();
    let is_first_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (mut firsts, mut others): (Vec<_>, Vec<_>) =
        addresses.into_iter().rev().partition(|address| address.is_ipv6() == is_first_v6);
    let mut ordered = Vec::with_capacity(firsts.len() + others.len());
    while !(firsts.is_empty() && others.is_empty()) {
        ordered.extend(firsts.pop());
        ordered.extend(others.pop());
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::take_turns;

    #[test]
    fn families_take_turns() {
        let parse = |all: &[&str]| -> Vec<_> { all.iter().map(|one| one.parse().unwrap()).collect() };
        let found = parse(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1"]);
        assert_eq!(take_turns(found), parse(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"]));
        assert_eq!(take_turns([]), []);
    }
}
