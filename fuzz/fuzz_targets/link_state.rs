//! Fuzzes the saved states of links: as they are, and with a right check value.
#![no_main]

use amqp_proto::LinkState;
use amqp_proto::types::Limits;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    read(octets);
    // Almost no other input has the letters, the length and the check value that are expected.
    let mut sealed = [&b"AMQL\x01"[..], &(octets.len() as u64).to_be_bytes(), octets].concat();
    let check = !sealed.iter().fold(!0_u32, |sum, octet| {
        (0..8).fold(sum ^ u32::from(*octet), |sum, _| (sum >> 1) ^ (0xedb8_8320 * (sum & 1)))
    });
    sealed.extend_from_slice(&check.to_be_bytes());
    read(&sealed);
});

/// Reads a state. A state that is saved reads the same.
fn read(octets: &[u8]) {
    let limits = Limits::DEFAULT.with_unsettled(1_000).with_kept_octets(10_000);
    if let Ok(state) = LinkState::from_bytes(octets.to_vec(), &limits) {
        assert!(state.deliveries().len() <= 1_000);
        let again = state.to_bytes().expect("it is small enough");
        assert_eq!(LinkState::from_bytes(again, &limits), Ok(state));
    }
}
