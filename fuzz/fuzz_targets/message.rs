//! Fuzzes messages: whole and in two chunks, decoded from octets, and generated from octets.
#![no_main]

use amqp_proto::message::{Message, MessageView, Payload, Rewrite};
use amqp_proto::types::Limits;
use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    let whole = Bytes::copy_from_slice(octets);
    let cut = octets.first().map_or(0, |at| usize::from(*at).min(octets.len()));
    let chunks: Payload = [whole.slice(..cut), whole.slice(cut..)].into_iter().collect();
    let read = Message::decode(whole, &Limits::DEFAULT);
    assert_eq!(Message::decode(chunks.clone(), &Limits::DEFAULT).ok(), read.clone().ok());
    if let Ok(view) = MessageView::new(chunks, &Limits::DEFAULT) {
        assert_eq!(view.rewrite(&Rewrite::default()).as_ref(), Ok(view.payload()));
        let _ = view.data();
    }
    let made = Message::arbitrary(&mut Unstructured::new(octets)).ok();
    for message in read.into_iter().chain(made) {
        // A decoded message may hold what must not be sent, such as a content-encoding without data.
        let Ok(payload) = message.to_payload() else { continue };
        let again = Message::decode(payload, &Limits::DEFAULT).expect("it was written here");
        assert_eq!(again.to_payload(), message.to_payload());
    }
});
