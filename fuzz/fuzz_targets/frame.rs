//! Fuzzes a stream of protocol headers and frames.
#![no_main]

use amqp_proto::types::Limits;
use amqp_proto::wire::Deframer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    let mut deframer = Deframer::new();
    deframer.input().extend_from_slice(octets);
    while let Ok(Some(header)) = deframer.next_header() {
        assert!(octets[..deframer.position() as usize].ends_with(&header.to_bytes()));
    }
    while let Ok(Some(raw)) = deframer.next_frame(u32::MAX) {
        let Ok(frame) = raw.decode(&Limits::DEFAULT) else { continue };
        let mut again = Deframer::new();
        frame.encode(u32::MAX, again.input()).expect("it has all it needs");
        let raw = again.next_frame(u32::MAX).expect("the header is ours").expect("all of it is there");
        assert_eq!(raw.decode(&Limits::DEFAULT), Ok(frame));
        assert!(again.remaining().is_empty());
    }
    assert!(octets.ends_with(deframer.remaining()));
});
