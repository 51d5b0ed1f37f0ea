//! [`SenderSettings`] and [`ReceiverSettings`]: the parts of the builders of links.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use super::error::{Error, Result};
use crate::config::{ReceiverOptions, SenderOptions, Ungranted};
pub use crate::machine::LinkState;
use crate::policy::Recovery;
use crate::types::Str;
use crate::wire::{Attach, Source, Target, Terminus};

/// The settings in a builder of a link on which this end sends.
#[doc(hidden)]
#[derive(Debug, Clone)]
pub struct SenderSettings {
    /// The name of the link; `None` for a generated one.
    pub name: Option<Str>,
    pub source: Source,
    /// The target; `None` to omit it in the attach.
    pub target: Option<Terminus>,
    pub options: SenderOptions,
    pub required: Required,
    /// The state to attach the link with.
    pub state: Option<Box<LinkState>>,
    pub send_timeout: Option<Duration>,
    pub recovery: Recovery,
    pub replay: ReplayLimits,
    /// `true` if messages that the peer does not know are sent again.
    pub resends: bool,
}

/// The bounds of messages that are kept to be sent again.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct ReplayLimits {
    pub messages: u32,
    pub octets: usize,
}

/// The settings in a builder of a link on which this end receives.
#[doc(hidden)]
#[derive(Debug, Clone)]
pub struct ReceiverSettings {
    /// The name of the link; `None` for a generated one.
    pub name: Option<Str>,
    /// The source; `None` to omit it in the attach.
    pub source: Option<Source>,
    pub target: Terminus,
    pub options: ReceiverOptions,
    pub required: Required,
    /// The state to attach the link with.
    pub state: Option<Box<LinkState>>,
    pub recovery: Recovery,
}

/// The parts of a link that the peer must grant; otherwise the link is closed again.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, Default)]
pub struct Required {
    pub filters: bool,
    pub capabilities: bool,
}

impl Required {
    /// Checks that no required part is among the ungranted ones.
    fn check(self, ungranted: Vec<Ungranted>) -> Result<()> {
        let is_required = |missing: &Ungranted| match missing {
            Ungranted::Filter(_) => self.filters,
            Ungranted::Capability(_) => self.capabilities,
            _ => false,
        };
        let missing: Vec<_> = ungranted.into_iter().filter(is_required).collect();
        if missing.is_empty() { Ok(()) } else { Err(Error::Ungranted(missing.into())) }
    }
}

impl SenderSettings {
    /// Returns settings for sending to the node with this address.
    pub fn to(address: impl Into<Str>) -> Self {
        Self::to_target(Target::at(address))
    }

    /// Returns settings for sending to the address in each message: the anonymous relay.
    pub fn to_anybody() -> Self {
        Self::to_target(Target::default())
    }

    fn to_target(target: Target) -> Self {
        Self {
            name: None,
            source: Source::default(),
            target: Some(target.into()),
            options: SenderOptions::new(),
            required: Required::default(),
            state: None,
            send_timeout: None,
            recovery: Recovery::Report,
            replay: ReplayLimits { messages: 1_000, octets: 16 << 20 },
            resends: true,
        }
    }

    /// Changes the target, which becomes a node.
    pub fn node(&mut self, say: impl FnOnce(&mut Target)) {
        let mut target = match self.target.take() {
            Some(Terminus::Target(target)) => target,
            _ => Target::default(),
        };
        say(&mut target);
        self.target = Some(target.into());
    }

    /// Returns the options with both termini.
    pub fn to_options(&self) -> SenderOptions {
        let options = self.options.clone().with_source(self.source.clone());
        let options = options.with_resumable(self.recovery == Recovery::Resume || self.state.is_some());
        match &self.target {
            Some(target) => options.with_target(target.clone()),
            None => options.without_target(),
        }
    }

    /// Checks that the peer's attach grants the required parts.
    ///
    /// # Errors
    ///
    /// [`Error::Ungranted`] with the parts that the attach does not grant.
    pub fn check(&self, answer: Option<Attach>) -> Result<()> {
        self.required.check(answer.map_or_else(Vec::new, |answer| self.to_options().ungranted(&answer)))
    }
}

impl ReceiverSettings {
    /// Returns settings for receiving from the node with this address.
    pub fn from(address: impl Into<Str>) -> Self {
        Self {
            name: None,
            source: Some(Source::at(address)),
            target: Target::default().into(),
            options: ReceiverOptions::new(),
            required: Required::default(),
            state: None,
            recovery: Recovery::Report,
        }
    }

    /// Returns settings for receiving from a node that the peer creates for the link.
    pub fn from_dynamic() -> Self {
        let mut settings = Self::from("");
        settings.source = Some(Source { dynamic: true, ..Source::default() });
        settings
    }

    /// Changes the source.
    pub fn node(&mut self, say: impl FnOnce(&mut Source)) {
        say(self.source.get_or_insert_default());
    }

    /// Returns the options with both termini.
    pub fn to_options(&self) -> ReceiverOptions {
        let options = self.options.clone().with_target(self.target.clone());
        let options = options.with_resumable(self.recovery == Recovery::Resume || self.state.is_some());
        match &self.source {
            Some(source) => options.with_source(source.clone()),
            None => options.without_source(),
        }
    }

    /// Checks that the peer's attach grants the required parts.
    ///
    /// # Errors
    ///
    /// [`Error::Ungranted`] with the parts that the attach does not grant.
    pub fn check(&self, answer: Option<Attach>) -> Result<()> {
        self.required.check(answer.map_or_else(Vec::new, |answer| self.to_options().ungranted(&answer)))
    }
}

/// Converts a span into seconds for the wire: a part of one counts as a whole one, and the longest is 136 years.
#[doc(hidden)]
pub fn whole_seconds(span: Duration) -> u32 {
    let seconds = span.as_secs().saturating_add(u64::from(span.subsec_nanos() > 0));
    u32::try_from(seconds).unwrap_or(u32::MAX)
}
