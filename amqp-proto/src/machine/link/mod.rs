//! Links: their two halves, their credit, and what they send and receive [2.6].

mod again;
mod attach;
mod credit;
mod detach;
mod drain;
mod names;
mod receiver;
mod sender;

use alloc::boxed::Box;

pub(crate) use attach::{EndOptions, decode};
pub(crate) use drain::{CreditOptions, Draining};
pub(crate) use names::Names;
pub(crate) use receiver::{Arrival, Held, Progress, Receiver};
pub(crate) use sender::{Sender, Sending, SendingEnd};

use super::delivery::{Chain, Tags};
use super::halves::LinkHalf;
use super::reason::Reason;
use crate::types::{Key, LinkKey, ReceiverKey, SenderKey, Str, Symbol};
use crate::wire::{ReceiverSettleMode, Role, SenderSettleMode};

/// One link, seen from this end.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) key: Key,
    /// The session that it is on, or was on last.
    pub(crate) session: Key,
    pub(crate) name: Str,
    /// This end's half.
    pub(crate) local: LinkHalf,
    /// The peer's.
    pub(crate) remote: LinkHalf,
    /// This end's handle, while `local` is attached.
    pub(crate) handle: u32,
    /// The peer's, while `remote` is attached.
    pub(crate) remote_handle: u32,
    /// The mode in force: as the sender has it [2.7.3].
    pub(crate) snd_settle_mode: SenderSettleMode,
    /// The mode in force: as the receiver has it [2.7.3].
    pub(crate) rcv_settle_mode: ReceiverSettleMode,
    /// Whether the peer's answer to the attach had no terminus: a detach follows [2.6.3].
    pub(crate) is_refused: bool,
    /// Whether the peer has detached it for an error, and not closed it.
    pub(crate) has_failed: bool,
    /// Whether a flow waits to be written.
    pub(crate) flow_due: bool,
    /// Whether that flow is wanted at once, and not only as the answer to a drain.
    pub(crate) is_flow_asked: bool,
    /// The flow asks for one in return.
    pub(crate) echo: bool,
    /// The peer's attach, encoded: shorter than the same decoded.
    pub(crate) attach: Box<[u8]>,
    /// The extensions that this end desires.
    pub(crate) desired: Box<[Symbol]>,
    /// Why this end detached it, until the application is told.
    pub(crate) reason: Option<Box<Reason>>,
    /// Whether the application has polled its end.
    pub(crate) is_polled: bool,
    pub(crate) chain: Chain,
    pub(crate) tags: Tags,
    pub(crate) end: LinkEnd,
}

/// What the ends of a link do.
#[derive(Debug)]
pub(crate) enum LinkEnd {
    Sender(Sender),
    Receiver(Receiver),
}

impl LinkEnd {
    pub(crate) fn role(&self) -> Role {
        match self {
            Self::Sender(_) => Role::Sender,
            Self::Receiver(_) => Role::Receiver,
        }
    }
}

impl LinkEnd {
    /// Takes over what outlives that a link is detached, or came before it was accepted.
    fn adopt(&mut self, kept: Self) {
        match (self, kept) {
            (Self::Sender(sender), Self::Sender(kept)) => sender.adopt(&kept),
            (Self::Receiver(receiver), Self::Receiver(kept)) => receiver.inbox = kept.inbox,
            // A link never changes its direction.
            (Self::Sender(_), Self::Receiver(_)) | (Self::Receiver(_), Self::Sender(_)) => {}
        }
    }
}

impl Link {
    pub(crate) fn new(key: Key, session: Key, name: Str, end: LinkEnd) -> Self {
        Self {
            key,
            session,
            name,
            local: LinkHalf::Unattached,
            remote: LinkHalf::Unattached,
            handle: 0,
            remote_handle: 0,
            snd_settle_mode: SenderSettleMode::default(),
            rcv_settle_mode: ReceiverSettleMode::default(),
            is_refused: false,
            has_failed: false,
            flow_due: false,
            is_flow_asked: false,
            echo: false,
            attach: Box::default(),
            desired: Box::default(),
            reason: None,
            is_polled: false,
            chain: Chain::default(),
            tags: Tags::default(),
            end,
        }
    }

    pub(crate) fn public_key(&self) -> LinkKey {
        match self.end {
            LinkEnd::Sender(_) => SenderKey(self.key).into(),
            LinkEnd::Receiver(_) => ReceiverKey(self.key).into(),
        }
    }

    /// Returns whether messages may go over it.
    #[inline]
    pub(crate) fn is_complete(&self) -> bool {
        self.local == LinkHalf::Attached && self.remote == LinkHalf::Attached && !self.is_refused
    }

    pub(crate) fn sender(&mut self) -> Option<&mut Sender> {
        match &mut self.end {
            LinkEnd::Sender(sender) => Some(sender),
            LinkEnd::Receiver(_) => None,
        }
    }

    pub(crate) fn receiver(&mut self) -> Option<&mut Receiver> {
        match &mut self.end {
            LinkEnd::Receiver(receiver) => Some(receiver),
            LinkEnd::Sender(_) => None,
        }
    }
}
