//! Links: their two halves, their credit, and their senders and receivers [2.6].
//!
//! # The automaton of a link
//!
//! A link has two halves, `local` for this end and `remote` for the peer. Each half is moved by the attach
//! and detach frames of its end:
//!
//! | half | moves to | by |
//! | --- | --- | --- |
//! | `Unattached` | `Attached` | an attach |
//! | `Attached` | `Detached` | a detach without `closed` |
//! | `Attached` | `Closed` | a detach with `closed` |
//! | `Detached` | `Attached` | another attach, by the link's name |
//!
//! * *Offered*: only the peer's half is `Attached`. The application accepts, which sends an attach, or
//!   refuses, which sends an attach without a terminus and a closing detach [2.6.3].
//! * *Attaching*: only this end's half is `Attached`. The peer's attach completes the link, unless it has no
//!   terminus; then a detach follows.
//! * *Complete*: both halves are `Attached`. Messages flow as credit allows.
//! * *Detaching*: one half has left `Attached`. The other end answers with a detach of the same kind. If the
//!   peer closes a link that this end has only detached, this end attaches it again to close it [2.6.6].
//! * *Suspended*: both halves are `Detached`. The link keeps its name, key and unread messages. Either end
//!   can attach it again, on any session [2.6.4].
//! * *Closed*: both halves are `Closed`. The link is removed after the application has polled its end.
//!
//! A fault of the peer closes the link with an error. The end of the session closes the links on it.

mod again;
mod attach;
mod attached;
mod credit;
mod detach;
mod drain;
mod end_options;
mod halves;
mod names;
mod receiver;
mod sender;

use alloc::boxed::Box;

pub(crate) use attach::decode;
pub(crate) use drain::{CreditOptions, Draining};
pub(crate) use end_options::EndOptions;
pub(crate) use halves::{Halves, LinkHalf};
pub(crate) use names::Names;
pub(crate) use receiver::{Arrival, Held, Progress, Receiver, Resumption};
pub(crate) use sender::{Sender, Sending, SendingEnd};

use super::delivery::{Chain, Tags};
use super::reason::Reason;
use super::recovery::RecoverySlot;
use crate::types::{Fields, Key, LinkIx, LinkKey, ReceiverKey, SenderKey, SessionIx, Str, Symbol};
use crate::wire::{ReceiverSettleMode, Role, SenderSettleMode};

/// A link, as this end sees it.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) key: Key<LinkIx>,
    /// The session of the link, or its last one.
    pub(crate) session: Key<SessionIx>,
    pub(crate) name: Str,
    pub(crate) halves: Halves,
    /// The handle of this end, while its half is attached.
    pub(crate) handle: u32,
    /// The handle of the peer, while its half is attached.
    pub(crate) remote_handle: u32,
    /// The settlement policy of the sender, as in the sender's attach [2.7.3].
    pub(crate) snd_settle_mode: SenderSettleMode,
    /// The settlement policy of the receiver, as in the receiver's attach [2.7.3].
    pub(crate) rcv_settle_mode: ReceiverSettleMode,
    /// `true` if the peer's answer to the attach had no terminus: a detach follows [2.6.3].
    pub(crate) is_refused: bool,
    /// `true` if the peer has detached the link with an error and not closed it.
    pub(crate) has_failed: bool,
    /// `true` if a flow waits to be written.
    pub(crate) flow_due: bool,
    /// `true` if that flow is to be written in any case, not only as the answer to a drain.
    pub(crate) is_flow_asked: bool,
    /// `true` if that flow requests an answer.
    pub(crate) echo: bool,
    /// The properties of the link's state that the peer has sent last.
    pub(crate) flow_properties: Option<Box<Fields>>,
    /// The peer's attach, encoded, which is smaller than decoded.
    pub(crate) attach: Box<[u8]>,
    /// The extensions that this end desires.
    pub(crate) desired: Box<[Symbol]>,
    /// The reason for which this end has detached the link, until it is reported.
    pub(crate) reason: Option<Box<Reason>>,
    /// `true` if the application has polled the link's end.
    pub(crate) is_polled: bool,
    /// The memory that is counted for it.
    pub(crate) counted: u64,
    pub(crate) chain: Chain,
    pub(crate) tags: Tags,
    /// The part that only resumable links have.
    pub(crate) recovery: RecoverySlot,
    pub(crate) end: LinkEnd,
}

/// This end's role on the link, with the state of that role.
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
    /// Copies the state that outlives a detach, or came before the link was accepted.
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
    pub(crate) fn new(key: Key<LinkIx>, session: Key<SessionIx>, name: Str, end: LinkEnd) -> Self {
        Self {
            key,
            session,
            name,
            halves: Halves::new(),
            handle: 0,
            remote_handle: 0,
            snd_settle_mode: SenderSettleMode::default(),
            rcv_settle_mode: ReceiverSettleMode::default(),
            is_refused: false,
            has_failed: false,
            flow_due: false,
            is_flow_asked: false,
            echo: false,
            flow_properties: None,
            attach: Box::default(),
            desired: Box::default(),
            reason: None,
            is_polled: false,
            counted: 0,
            chain: Chain::default(),
            tags: Tags::default(),
            recovery: RecoverySlot::default(),
            end,
        }
    }

    pub(crate) fn public_key(&self) -> LinkKey {
        match self.end {
            LinkEnd::Sender(_) => SenderKey(self.key).into(),
            LinkEnd::Receiver(_) => ReceiverKey(self.key).into(),
        }
    }

    /// Returns `true` if messages may flow.
    #[inline]
    pub(crate) fn is_complete(&self) -> bool {
        self.halves.is_attached() && !self.is_refused
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
