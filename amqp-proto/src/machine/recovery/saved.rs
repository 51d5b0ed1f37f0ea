//! The octets of a [`LinkState`] that survive a process, and their check.
//!
//! Four letters, a version, the length of the body, the body, and a check value of all of that. The body is AMQP: a
//! described list for the link, and one for each delivery.
#![allow(dead_code, unreachable_pub)] // the table makes what public types have

use core::fmt;

use alloc::boxed::Box;
use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::state::{LastKey, LinkState, UnsettledDelivery};
use crate::codec::{DecodeError, EncodeError, composite};
use crate::message::Payload;
use crate::types::{DeliveryTag, Limits, Str, TreeSet};
use crate::wire::{DeliveryState, ReceiverSettleMode, Role, SenderSettleMode, Source, Terminus};

const MAGIC: [u8; 4] = *b"AMQL";
const VERSION: u8 = 1;
/// The octets before the body: the letters, the version and the length.
const HEAD: usize = 13;
/// The octets of the check value.
const CHECK: usize = 4;

/// The error of octets that are no saved [`LinkState`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkStateError {
    /// The octets do not begin as a saved state does.
    NotAState,
    /// The state was saved in a version that this release does not read.
    Version(u8),
    /// Octets are missing at the end: at least this number.
    CutShort(u64),
    /// The octets are not those that were saved.
    Altered,
    /// The body is not the state of a link.
    Malformed(DecodeError),
    /// The state has a tag twice.
    TagTwice(DeliveryTag),
    /// The state has more deliveries than [`Limits::unsettled`].
    Deliveries(u32),
    /// The messages have more octets than [`Limits::kept_octets`].
    Octets(u64),
}

impl fmt::Display for LinkStateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAState => f.write_str("the octets are not the saved state of a link"),
            Self::Version(version) => write!(f, "the state was saved in version {version}, not {VERSION}"),
            Self::CutShort(octets) => write!(f, "the saved state is cut short by {octets} octets or more"),
            Self::Altered => f.write_str("the saved state was altered: its check value is wrong"),
            Self::Malformed(error) => write!(f, "the saved state is malformed: {error}"),
            Self::TagTwice(tag) => write!(f, "the saved state has the delivery {tag:?} twice"),
            Self::Deliveries(limit) => write!(f, "the saved state has more than {limit} deliveries"),
            Self::Octets(limit) => write!(f, "the saved state has messages of more than {limit} octets"),
        }
    }
}

impl core::error::Error for LinkStateError {}

composite! {
    /// The link.
    rare SavedLink = "saved-link" 0xf1 {
        /// The name.
        name: Str, "string", mandatory;
        /// The role of this end.
        role: Role, "role", mandatory;
        /// The number of the next tag.
        next_tag: u32, "uint", mandatory;
        /// The number of deliveries that follow.
        deliveries: u32, "uint", mandatory;
        /// The sender's mode.
        snd_settle_mode: SenderSettleMode, "sender-settle-mode", default(SenderSettleMode::Mixed, "mixed");
        /// The receiver's mode.
        rcv_settle_mode: ReceiverSettleMode, "receiver-settle-mode", default(ReceiverSettleMode::First, "first");
        /// The source.
        source: Option<Box<Source>>, "*", optional;
        /// The target.
        target: Option<Box<Terminus>>, "*", optional;
    }

    /// A delivery.
    rare SavedDelivery = "saved-delivery" 0xf2 {
        /// The tag.
        tag: DeliveryTag, "delivery-tag", mandatory;
        /// The format of the message.
        message_format: u32, "message-format", mandatory;
        /// The state at this end.
        local: Option<DeliveryState>, "*", optional;
        /// The state at the peer.
        remote: Option<DeliveryState>, "*", optional;
        /// The message.
        message: Option<Bytes>, "binary", optional;
        /// `true` if the message is not whole.
        is_partial: bool, "boolean", default(false, "false");
    }
}

impl LinkState {
    /// Returns the state as octets to save, with a version and a check value.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] if a message or the source or the target has 4 GiB or more.
    ///
    /// # Examples
    ///
    /// ```
    /// # use amqp_proto::testing::Pair;
    /// use amqp_proto::config::SenderOptions;
    /// use amqp_proto::types::Limits;
    /// use amqp_proto::{LinkState, LinkStateError};
    ///
    /// # fn main() -> Result<(), Box<dyn core::error::Error>> {
    /// # let mut pair = Pair::opened();
    /// # let options = SenderOptions::to("jobs").with_resumable(true);
    /// # let key = pair.client.attach_sender_with("jobs", options);
    /// # pair.drive();
    /// # pair.client.sender(key)?.send("job-content")?;
    /// let state = pair.client.sender(key)?.link_state();
    /// let saved = state.to_bytes()?;
    /// let read = LinkState::from_bytes(saved.clone(), &Limits::DEFAULT)?;
    /// assert_eq!(read, state);
    /// assert_eq!(read.deliveries().len(), 1);
    ///
    /// let half = saved.slice(..saved.len() / 2);
    /// let error = LinkState::from_bytes(half, &Limits::DEFAULT).unwrap_err();
    /// assert!(matches!(error, LinkStateError::CutShort(_)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn to_bytes(&self) -> Result<Bytes, EncodeError> {
        let mut out = BytesMut::new();
        out.put_slice(&MAGIC);
        out.put_u8(VERSION);
        out.put_u64(0);
        let count = u32::try_from(self.deliveries.len()).unwrap_or(u32::MAX);
        let mut link = SavedLink::new(self.name.clone(), self.role, self.next_tag, count);
        link.snd_settle_mode = self.snd_settle_mode;
        link.rcv_settle_mode = self.rcv_settle_mode;
        link.source.clone_from(&self.source);
        link.target.clone_from(&self.target);
        link.encode(&mut out)?;
        for delivery in &self.deliveries {
            let mut saved = SavedDelivery::new(delivery.tag, delivery.message_format);
            saved.local.clone_from(&delivery.local);
            saved.remote.clone_from(&delivery.remote);
            saved.message = delivery.message.as_ref().map(Payload::to_bytes);
            saved.is_partial = delivery.is_partial;
            saved.encode(&mut out)?;
        }
        let body = (out.len() - HEAD) as u64;
        if let Some(place) = out.get_mut(HEAD - 8..HEAD) {
            place.copy_from_slice(&body.to_be_bytes());
        }
        let check = check_value(&out);
        out.put_u32(check);
        Ok(out.freeze())
    }

    /// Reads a saved state. The messages share the octets.
    ///
    /// # Errors
    ///
    /// [`LinkStateError`] if the octets are not exactly a saved state, or if it exceeds a limit.
    pub fn from_bytes(octets: impl Into<Bytes>, limits: &Limits) -> Result<Self, LinkStateError> {
        let mut body = checked(octets.into())?;
        let decoding = limits.clone().with_value_octets(u32::MAX);
        let link = SavedLink::decode(&mut body, &decoding).map_err(LinkStateError::Malformed)?;
        if link.deliveries > limits.unsettled() {
            return Err(LinkStateError::Deliveries(limits.unsettled()));
        }
        let mut state = Self {
            snd_settle_mode: link.snd_settle_mode,
            rcv_settle_mode: link.rcv_settle_mode,
            source: link.source,
            target: link.target,
            next_tag: link.next_tag,
            ..Self::new(link.name, link.role)
        };
        let (mut tags, mut left) = (TreeSet::default(), limits.kept_octets());
        for _ in 0..link.deliveries {
            let saved = SavedDelivery::decode(&mut body, &decoding).map_err(LinkStateError::Malformed)?;
            let octets = saved.message.as_ref().map_or(0, Bytes::len) as u64;
            left = left.checked_sub(octets).ok_or(LinkStateError::Octets(limits.kept_octets()))?;
            if !tags.insert(saved.tag) {
                return Err(LinkStateError::TagTwice(saved.tag));
            }
            state.deliveries.push(UnsettledDelivery {
                tag: saved.tag,
                message_format: saved.message_format,
                local: saved.local,
                remote: saved.remote,
                message: saved.message.map(Payload::from),
                is_partial: saved.is_partial,
                key: LastKey::default(),
            });
        }
        if body.has_remaining() {
            return Err(LinkStateError::Altered);
        }
        Ok(state)
    }
}

/// Returns the body of a saved state, whose letters, version, length and check value are right.
fn checked(mut octets: Bytes) -> Result<Bytes, LinkStateError> {
    let known = octets.len().min(MAGIC.len());
    if octets.get(..known) != MAGIC.get(..known) {
        return Err(LinkStateError::NotAState);
    }
    match octets.get(MAGIC.len()) {
        Some(&version) if version != VERSION => return Err(LinkStateError::Version(version)),
        _ => {}
    }
    let whole = octets.len() as u64;
    let Some((_, Some(len))) = octets.split_at_checked(HEAD - 8).map(|(_, len)| ((), len.first_chunk()))
    else {
        return Err(LinkStateError::CutShort((HEAD + CHECK) as u64 - whole));
    };
    let expected = u64::from_be_bytes(*len).saturating_add((HEAD + CHECK) as u64);
    match whole.cmp(&expected) {
        core::cmp::Ordering::Less => return Err(LinkStateError::CutShort(expected - whole)),
        core::cmp::Ordering::Greater => return Err(LinkStateError::Altered),
        core::cmp::Ordering::Equal => {}
    }
    let mut check = octets.split_off(octets.len() - CHECK);
    if check_value(&octets) != check.get_u32() {
        return Err(LinkStateError::Altered);
    }
    octets.advance(HEAD);
    Ok(octets)
}

/// Returns the CRC-32 of the octets, as in IEEE 802.3.
fn check_value(octets: &[u8]) -> u32 {
    const TABLE: [u32; 256] = table();
    !octets.iter().fold(!0, |sum: u32, octet| {
        let [.., low] = sum.to_be_bytes();
        TABLE.get(usize::from(low ^ octet)).copied().unwrap_or_default() ^ (sum >> 8)
    })
}

#[allow(clippy::indexing_slicing, clippy::cast_possible_truncation)] // checked when it is compiled
const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < table.len() {
        let (mut value, mut bit) = (at as u32, 0);
        while bit < 8 {
            value = if value & 1 == 0 { value >> 1 } else { (value >> 1) ^ 0xedb8_8320 };
            bit += 1;
        }
        table[at] = value;
        at += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::{CHECK, HEAD, LinkState, LinkStateError, MAGIC, check_value};
    use crate::machine::recovery::state::{LastKey, UnsettledDelivery};
    use crate::message::Payload;
    use crate::types::{DeliveryTag, Limits};
    use crate::wire::{Outcome, Received, ReceiverSettleMode, Role, Source, Target};
    use proptest::prelude::*;

    const LIMITS: &Limits = &Limits::DEFAULT;

    fn delivery(tag: &[u8]) -> UnsettledDelivery {
        UnsettledDelivery {
            tag: DeliveryTag::new(tag).unwrap(),
            message_format: 0,
            local: None,
            remote: None,
            message: None,
            is_partial: false,
            key: LastKey::default(),
        }
    }

    fn state() -> LinkState {
        LinkState {
            source: Some(Box::new(Source::at("a"))),
            target: Some(Box::new(Target::at("b").into())),
            rcv_settle_mode: ReceiverSettleMode::Second,
            next_tag: 7,
            deliveries: vec![
                UnsettledDelivery { message: Some(Payload::from(&b"octets"[..])), ..delivery(b"1") },
                UnsettledDelivery { local: Some(Outcome::Accepted.into()), ..delivery(b"") },
                UnsettledDelivery {
                    remote: Some(crate::wire::DeliveryState::Received(Received::new(1, 2))),
                    message: Some(Payload::new()),
                    is_partial: true,
                    message_format: 9,
                    ..delivery(&[9; 32])
                },
            ],
            ..LinkState::new("x".into(), Role::Sender)
        }
    }

    fn saved() -> Vec<u8> {
        state().to_bytes().unwrap().to_vec()
    }

    /// The octets with a right check value.
    fn resealed(mut octets: Vec<u8>) -> Vec<u8> {
        let end = octets.len() - 4;
        let check = check_value(&octets[..end]).to_be_bytes();
        octets[end..].copy_from_slice(&check);
        octets
    }

    #[test]
    fn a_state_is_read_as_it_was_saved() {
        assert_eq!(LinkState::from_bytes(saved(), LIMITS), Ok(state()));
        let empty = LinkState::new("".into(), Role::Receiver);
        assert_eq!(LinkState::from_bytes(empty.to_bytes().unwrap(), LIMITS), Ok(empty));
        // The check value of the standard's example.
        assert_eq!(check_value(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let octets = saved();
        let read = |octets: Vec<u8>| LinkState::from_bytes(octets, LIMITS).unwrap_err();
        for len in 0..octets.len() {
            // The head has the length of the whole; before, an empty state is the least that is missing.
            let whole = if len < HEAD { HEAD + CHECK } else { octets.len() };
            assert_eq!(read(octets[..len].to_vec()), LinkStateError::CutShort((whole - len) as u64));
        }
        for at in 0..octets.len() {
            for bit in 0..8 {
                let mut altered = octets.clone();
                altered[at] ^= 1 << bit;
                let error = read(altered);
                let is_right = match at {
                    0..4 => error == LinkStateError::NotAState,
                    4 => error == LinkStateError::Version(1 ^ (1 << bit)),
                    5..13 => matches!(error, LinkStateError::CutShort(_) | LinkStateError::Altered),
                    _ => error == LinkStateError::Altered,
                };
                assert!(is_right, "{at}: {error}");
            }
        }
        assert_eq!(read([&octets[..], b"x"].concat()), LinkStateError::Altered);
        assert_eq!(read(b"json".to_vec()), LinkStateError::NotAState);
        // Octets that were made to look right.
        let mut forged = octets.clone();
        forged[20] = 0xff;
        assert!(matches!(read(resealed(forged)), LinkStateError::Malformed(_)));
        let twice = LinkState { deliveries: vec![delivery(b"t"), delivery(b"t")], ..state() };
        let twice = twice.to_bytes().unwrap().to_vec();
        assert_eq!(read(twice), LinkStateError::TagTwice(DeliveryTag::new(b"t").unwrap()));
        assert!(MAGIC.iter().all(u8::is_ascii_uppercase));
    }

    // Limits::kept_octets, Limits::unsettled: they bound a state that is read.
    #[test]
    fn a_state_is_bounded() {
        let read = |limits: Limits| LinkState::from_bytes(saved(), &limits);
        assert_eq!(read(Limits::DEFAULT.with_unsettled(2)), Err(LinkStateError::Deliveries(2)));
        assert_eq!(read(Limits::DEFAULT.with_kept_octets(5)), Err(LinkStateError::Octets(5)));
        assert!(read(Limits::DEFAULT.with_unsettled(3).with_kept_octets(6).with_value_octets(9)).is_ok());
        assert_eq!(state().octets(), 6);
    }

    proptest! {
        /// Whatever octets are read as a state, they are refused, or what they mean is saved and read again.
        #[test]
        fn altered_states_are_refused(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
            is_forged in any::<bool>(),
        ) {
            let original = saved();
            let mut octets = original.clone();
            for (at, octet) in changes {
                let at = at.index(octets.len());
                octets[at] = octet;
            }
            if is_forged {
                octets = resealed(octets);
            }
            match LinkState::from_bytes(octets.clone(), LIMITS) {
                Ok(state) => {
                    prop_assert!(is_forged || octets == original);
                    let again = state.to_bytes().unwrap();
                    prop_assert_eq!(LinkState::from_bytes(again, LIMITS), Ok(state));
                }
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
        }
    }
}
