//! [`Record`]: the data of one unsettled delivery.

use alloc::boxed::Box;

use bytes::BytesMut;

use super::tags::TagNumber;
use crate::codec::{Decode, Encode, decode_one, fill};
use crate::types::{DeliveryTag, Index, Limits, LinkIx};
use crate::wire::{DeliveryState, Outcome};

/// An unsettled delivery, in 40 octets.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) tag: Tag,
    /// The index of its link.
    pub(crate) link: LinkIx,
    local: Brief,
    remote: Brief,
    /// `true` if this end settles second [2.8.3].
    pub(crate) second: bool,
    /// States that do not fit in `local` and `remote`.
    states: Option<Box<States>>,
    /// The id of the link's unsettled delivery before this one. It does not count in the first one.
    pub(super) before: u32,
    /// The id of the link's unsettled delivery after this one; its own id in the last one.
    pub(super) after: u32,
}

/// A state without data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Brief {
    None,
    Accepted,
    Released,
    InStates,
}

#[derive(Debug, Default)]
struct States {
    local: Option<DeliveryState>,
    remote: Option<DeliveryState>,
}

impl Record {
    pub(super) const EMPTY: Self = Self::new(Tag::EMPTY, LinkIx::NONE);

    /// Returns the record of a delivery without states.
    #[inline]
    pub(crate) const fn new(tag: Tag, link: LinkIx) -> Self {
        Self {
            tag,
            link,
            local: Brief::None,
            remote: Brief::None,
            second: false,
            states: None,
            before: 0,
            after: 0,
        }
    }

    /// Returns `true` if the record is of a delivery, `false` if it is vacant.
    #[inline]
    pub(super) fn is_live(&self) -> bool {
        self.link != LinkIx::NONE
    }

    /// Makes the record vacant.
    #[cfg_attr(not(feature = "small"), inline(always))]
    #[cfg_attr(feature = "small", inline(never))]
    pub(super) fn vacate(&mut self) {
        self.link = LinkIx::NONE;
        // The heap memory is freed; the next delivery overwrites the rest.
        if self.states.is_some() || matches!(self.tag, Tag::Long(_)) {
            *self = Self::EMPTY;
        }
    }

    /// Returns the state at this end.
    pub(crate) fn local(&self) -> Option<DeliveryState> {
        self.state(self.local, |states| states.local.as_ref())
    }

    /// Returns the state at the peer.
    pub(crate) fn remote(&self) -> Option<DeliveryState> {
        self.state(self.remote, |states| states.remote.as_ref())
    }

    fn state(&self, brief: Brief, long: impl Fn(&States) -> Option<&DeliveryState>) -> Option<DeliveryState> {
        match brief {
            Brief::None => None,
            Brief::Accepted => Some(Outcome::Accepted.into()),
            Brief::Released => Some(Outcome::Released.into()),
            Brief::InStates => self.states.as_deref().and_then(long).cloned(),
        }
    }

    /// Returns `true` if this is the state at the peer.
    pub(crate) fn is_remote(&self, state: &DeliveryState) -> bool {
        let is_same_name = brief(state) == self.remote;
        let long = || self.states.as_deref().and_then(|states| states.remote.as_ref());
        is_same_name && (self.remote != Brief::InStates || long() == Some(state))
    }

    /// Sets the state at this end.
    pub(crate) fn set_local(&mut self, state: &DeliveryState) {
        self.local = brief(state);
        if self.local == Brief::InStates {
            self.states.get_or_insert_default().local = Some(state.clone());
        }
    }

    /// Sets the state at the peer.
    pub(crate) fn set_remote(&mut self, state: &DeliveryState) {
        self.remote = brief(state);
        if self.remote == Brief::InStates {
            self.states.get_or_insert_default().remote = Some(state.clone());
        }
    }

    /// Forgets the state at the peer.
    pub(crate) fn forget_remote(&mut self) {
        self.remote = Brief::None;
        if let Some(states) = &mut self.states {
            states.remote = None;
        }
    }

    /// Copies the states out of the blocks of input that they were read from.
    pub(crate) fn compact(&mut self, limits: &Limits) {
        let states = self.states.iter_mut().flat_map(|states| [&mut states.local, &mut states.remote]);
        states.flatten().for_each(|state| compact(state, limits));
    }

    /// Returns `true` if the peer has sent no state.
    #[inline]
    pub(super) fn is_undecided(&self) -> bool {
        self.remote == Brief::None
    }

    /// Returns `true` if the peer has sent an outcome, which cannot change [2.6.12].
    pub(crate) fn has_remote_outcome(&self) -> bool {
        is_terminal(self.remote, self.states.as_deref().and_then(|states| states.remote.as_ref()))
    }

    /// Returns `true` if this end has sent a state.
    #[inline]
    pub(crate) fn has_local_state(&self) -> bool {
        self.local != Brief::None
    }

    /// Returns `true` if this end has sent an outcome.
    pub(crate) fn has_local_outcome(&self) -> bool {
        is_terminal(self.local, self.states.as_deref().and_then(|states| states.local.as_ref()))
    }
}

/// Copies a state, an outcome or an error out of the block of input that it was read from.
pub(crate) fn compact<T: Encode + Decode>(value: &mut T, limits: &Limits) {
    let mut octets = BytesMut::with_capacity(value.size());
    fill(&mut octets, value.size(), |writer| value.write(writer));
    if let Ok(own) = decode_one(&mut octets.freeze(), limits) {
        *value = own;
    }
}

fn is_terminal(brief: Brief, long: Option<&DeliveryState>) -> bool {
    match brief {
        Brief::None => false,
        Brief::Accepted | Brief::Released => true,
        Brief::InStates => long.is_some_and(DeliveryState::is_terminal),
    }
}

fn brief(state: &DeliveryState) -> Brief {
    match state {
        DeliveryState::Outcome(Outcome::Accepted) => Brief::Accepted,
        DeliveryState::Outcome(Outcome::Released) => Brief::Released,
        _ => Brief::InStates,
    }
}

/// A delivery tag in 16 octets; a tag of more than 14 octets is on the heap.
#[derive(Debug, Clone)]
pub(crate) enum Tag {
    /// The length, the first eight octets as a number, and the octets behind them. Both are padded with zeros.
    Short(u8, u64, [u8; 6]),
    Long(Box<DeliveryTag>),
}

impl Tag {
    pub(crate) const EMPTY: Self = Self::Short(0, 0, [0; 6]);

    /// Reads a tag of this length at the beginning of `octets`, and returns the rest.
    #[inline(always)]
    pub(super) fn read(len: u8, octets: &[u8]) -> Option<(Self, &[u8])> {
        // Eight octets are read at once, and those behind the tag are masked out: there are mostly as many.
        if (1..=8).contains(&len)
            && let Some(word) = octets.first_chunk()
        {
            let number = u64::from_be_bytes(*word) & (u64::MAX << (64 - 8 * u32::from(len)));
            return Some((Self::Short(len, number, [0; 6]), octets.get(usize::from(len)..)?));
        }
        let (tag, rest) = octets.split_at_checked(usize::from(len))?;
        Some((DeliveryTag::new(tag).ok()?.into(), rest))
    }

    /// Returns a short tag as a comparable value.
    #[inline(always)]
    pub(super) fn number(&self) -> TagNumber {
        match self {
            Self::Short(len @ 1..=8, number, _) => Some((*len, *number)),
            _ => None,
        }
    }
}

impl From<DeliveryTag> for Tag {
    #[cfg_attr(not(feature = "small"), inline(always))] // mostly of a known length
    #[cfg_attr(feature = "small", inline(never))]
    fn from(tag: DeliveryTag) -> Self {
        match tag.padded() {
            (&[a, b, c, d, e, f, g, h, i, j, k, l, m, n, ..], len @ ..=14) => {
                Self::Short(len, u64::from_be_bytes([a, b, c, d, e, f, g, h]), [i, j, k, l, m, n])
            }
            _ => Self::Long(Box::new(tag)),
        }
    }
}

impl From<&Tag> for DeliveryTag {
    fn from(tag: &Tag) -> Self {
        match tag {
            Tag::Short(len, number, more) => {
                let [a, b, c, d, e, f, g, h] = number.to_be_bytes();
                let [i, j, k, l, m, n] = *more;
                let octets = [a, b, c, d, e, f, g, h, i, j, k, l, m, n];
                Self::new(octets.get(..usize::from(*len)).unwrap_or_default()).unwrap_or_default()
            }
            Tag::Long(tag) => **tag,
        }
    }
}

const _: () = assert!(size_of::<Record>() <= 40 || size_of::<usize>() != 8);

#[cfg(test)]
mod tests {
    use super::{Record, Tag};
    use crate::types::{DeliveryTag, Index, LinkIx};
    use crate::wire::{Modified, Outcome, Received};

    #[test]
    fn tags_of_every_length_come_back() {
        for len in 0..=32 {
            let tag = DeliveryTag::new(&[7; 32][..len]).unwrap();
            assert_eq!(DeliveryTag::from(&Tag::from(tag)), tag);
        }
    }

    #[test]
    fn states_of_both_ends_are_kept_apart() {
        let mut record = Record::new(Tag::EMPTY, LinkIx::new(0));
        assert_eq!((record.local(), record.remote()), (None, None));
        record.set_local(&Outcome::Accepted.into());
        record.set_remote(&crate::wire::DeliveryState::Received(Received::new(1, 2)));
        assert!(record.has_local_outcome() && !record.has_remote_outcome());
        record.set_remote(&Outcome::from(Modified::default()).into());
        assert!(record.has_remote_outcome());
        assert_eq!(record.local(), Some(Outcome::Accepted.into()));
        assert_eq!(record.remote(), Some(Outcome::from(Modified::default()).into()));
    }
}
