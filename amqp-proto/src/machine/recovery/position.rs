//! Positions in a message, as the state `received` gives them: a section and an offset in it [3.4.1].

use super::resume::START;
use crate::message::{Payload, section_ends};
use crate::wire::Received;

/// The format of messages with the standard's sections [3.2.16].
const SECTIONED: u32 = 0;

/// Returns the position of the end of these octets: of a whole message, or of its beginning.
///
/// A message of another format is one section.
pub(crate) fn end_of(payload: &Payload, message_format: u32) -> Received {
    let (mut sections, mut start) = (0, 0);
    if message_format == SECTIONED {
        for end in section_ends(payload) {
            (sections, start) = (sections + 1, end);
        }
    }
    Received::new(sections, (payload.len() - start) as u64)
}

/// Returns the number of octets before a position; `None` if the position is beyond the end.
pub(crate) fn octets_before(payload: &Payload, message_format: u32, at: &Received) -> Option<usize> {
    if *at == START {
        return Some(0);
    }
    let mut ends = section_ends(payload).take(if message_format == SECTIONED { usize::MAX } else { 0 });
    let mut start = 0;
    for _ in 0..at.section_number {
        start = ends.next()?;
    }
    let end = ends.next().unwrap_or(payload.len());
    let offset = usize::try_from(at.section_offset).ok()?;
    start.checked_add(offset).filter(|octets| *octets <= end)
}

#[cfg(test)]
mod tests {
    use super::{end_of, octets_before};
    use crate::message::{Message, Payload};
    use crate::wire::Received;
    use proptest::prelude::*;

    fn message() -> Payload {
        Message::from("the body").with_durable(true).with_subject("s").to_payload().unwrap()
    }

    // T-RES-17: the end of a section and the start of the next one are the same place [3.4.1].
    #[test]
    fn a_place_has_two_names_between_sections() {
        let payload = message();
        let ends: Vec<_> = crate::message::section_ends(&payload).collect();
        assert_eq!((ends.len(), ends.last()), (3, Some(&payload.len())));
        assert_eq!(end_of(&payload, 0), Received::new(3, 0));
        let before = |section, offset| octets_before(&payload, 0, &Received::new(section, offset));
        assert_eq!(before(0, ends[0] as u64), Some(ends[0]));
        assert_eq!(before(1, 0), Some(ends[0]));
        assert_eq!(before(3, 0), Some(payload.len()));
        for beyond in [before(0, ends[0] as u64 + 1), before(3, 1), before(4, 0), before(0, u64::MAX)] {
            assert_eq!(beyond, None);
        }
        assert_eq!(octets_before(&payload, 7, &Received::new(0, 9)), Some(9));
        assert_eq!(octets_before(&payload, 7, &Received::new(1, 0)), None);
    }

    proptest! {
        /// Wherever a message is cut, the position of the cut is found again, in its beginning and in the whole.
        #[test]
        fn a_cut_is_found_again(cut in 0_usize..200, format in 0_u32..2, piece in 1_usize..9) {
            let whole = message().to_bytes();
            let cut = cut % (whole.len() + 1);
            let begun: Payload = whole[..cut].chunks(piece).map(bytes::Bytes::copy_from_slice).collect();
            let at = end_of(&begun, format);
            prop_assert_eq!(octets_before(&begun, format, &at), Some(cut));
            prop_assert_eq!(octets_before(&whole.into(), format, &at), Some(cut));
        }
    }
}
