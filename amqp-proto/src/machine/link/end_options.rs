//! The options of this end of a link, and the attach that they make.

use alloc::boxed::Box;

use super::receiver::Receiver;
use super::sender::Sender;
use super::{Link, LinkEnd};
use crate::config::{ReceiverOptions, ResumptionCode, SenderOptions};
use crate::machine::endpoints::Endpoints;
#[cfg(feature = "tracing")]
use crate::types::Str;
use crate::types::{Handle, Map};
use crate::wire::{Attach, Role, Source, Target, Terminus};

/// The application's options for its end of a link.
#[derive(Debug, Clone, Copy)]
pub(crate) enum EndOptions<'a> {
    Sender(&'a SenderOptions),
    Receiver(&'a ReceiverOptions),
}

impl EndOptions<'_> {
    pub(crate) fn role(self) -> Role {
        match self {
            Self::Sender(_) => Role::Sender,
            Self::Receiver(_) => Role::Receiver,
        }
    }

    /// Returns the code that resumes the link, if the application asks for it to be resumable.
    pub(crate) fn resumption(self) -> Option<&'static dyn ResumptionCode> {
        match self {
            Self::Sender(options) => options.resumption,
            Self::Receiver(options) => options.resumption,
        }
    }

    /// Returns `true` if this end has a terminus: from the options, or from the peer's attach. An attach
    /// without a terminus would be a refusal [2.6.3].
    pub(super) fn has_terminus(self, asked: &Attach) -> bool {
        match self {
            Self::Sender(options) => options.source.is_some() || asked.source.is_some(),
            Self::Receiver(options) => options.target.is_some() || asked.target.is_some(),
        }
    }

    /// Returns the termini in the options.
    pub(crate) fn termini(&self) -> (Option<&Source>, Option<&Terminus>) {
        match self {
            Self::Sender(options) => (options.source.as_deref(), options.target.as_deref()),
            Self::Receiver(options) => (options.source.as_deref(), options.target.as_deref()),
        }
    }

    pub(super) fn end(self, endpoints: &Endpoints) -> LinkEnd {
        match self {
            Self::Sender(options) => {
                let mut sender = Sender::new(options);
                sender.drains_late = !sender.manual_drain && endpoints.credit.pause > 0;
                LinkEnd::Sender(sender)
            }
            Self::Receiver(options) => {
                LinkEnd::Receiver(Receiver::new(options, &endpoints.limits, endpoints.credit.is_lenient))
            }
        }
    }

    /// Returns the address of the peer's node.
    #[cfg(feature = "tracing")]
    pub(super) fn address(&self) -> Option<&Str> {
        match self {
            Self::Sender(options) => options.target.as_deref().and_then(Terminus::address),
            Self::Receiver(options) => options.source.as_deref()?.address.as_ref(),
        }
    }

    /// Returns the attach to send; `asked` is the peer's attach, if this one answers it, and fills in what
    /// the options leave open [2.6.3] [2.7.3].
    pub(super) fn attach(self, link: &Link, asked: Option<Attach>) -> Attach {
        let mut attach = Attach::new(link.name.clone(), Handle::new(link.handle), self.role());
        if let Some(asked) = asked {
            attach.snd_settle_mode = asked.snd_settle_mode;
            attach.rcv_settle_mode = asked.rcv_settle_mode;
            attach.source = asked.source;
            attach.target = asked.target;
        } else {
            attach.source = Some(Box::default());
            attach.target = Some(Box::new(Target::default().into()));
        }
        macro_rules! take_over {
            ($options:ident) => {
                if $options.source.is_some() {
                    attach.source = $options.source.clone();
                }
                if $options.target.is_some() {
                    attach.target = $options.target.clone();
                }
                attach.snd_settle_mode = $options.snd_settle_mode.unwrap_or(attach.snd_settle_mode);
                attach.rcv_settle_mode = $options.rcv_settle_mode.unwrap_or(attach.rcv_settle_mode);
                attach.offered_capabilities = $options.offered_capabilities.clone();
                attach.desired_capabilities = $options.desired_capabilities.clone();
                attach.properties = $options.properties.clone();
            };
        }
        match self {
            Self::Sender(options) => {
                take_over!(options);
                if options.lacks_target {
                    attach.target = None;
                }
                attach.max_message_size = options.max_message_size.filter(|size| *size != 0);
            }
            Self::Receiver(options) => {
                take_over!(options);
                if options.lacks_source {
                    attach.source = None;
                }
            }
        }
        // After an error, a link is resumed of which this end keeps nothing (L-ERR-03).
        attach.unsettled = link.has_failed.then(Map::new);
        match &link.end {
            LinkEnd::Sender(sender) => attach.initial_delivery_count = Some(sender.count()),
            LinkEnd::Receiver(receiver) => attach.max_message_size = receiver.max_message_size,
        }
        attach
    }
}
