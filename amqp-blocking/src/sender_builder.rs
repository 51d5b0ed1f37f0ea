//! [`SenderBuilder`]: how a link is attached over which this end sends.

use amqp_proto::endpoint::{Result, SenderSettings, link_setters};
use amqp_proto::types::Str;

use crate::link::{Home, LinkHandle};
use crate::sender::Sender;

/// How a link is attached over which this end sends.
///
/// ```no_run
/// use amqp_blocking::wire::SenderSettleMode;
///
/// # fn attach(connection: amqp_blocking::Connection) -> amqp_blocking::Result<()> {
/// let readings = connection.sender("readings").snd_settle_mode(SenderSettleMode::Settled).attach()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a link is attached by `attach`"]
pub struct SenderBuilder {
    home: Home,
    settings: SenderSettings,
}

impl SenderBuilder {
    pub(crate) fn new(home: Home, address: impl Into<Str>) -> Self {
        Self { home, settings: SenderSettings::to(address) }
    }

    link_setters!(sender);

    /// Attaches the link, and waits until the peer has done so too.
    pub fn attach(self) -> Result<Sender> {
        let (name, options) = self.settings.into_parts();
        let name = name.map_or_else(Home::link_name, Ok)?;
        let (link, key) = LinkHandle::attach(self.home, |state, session| {
            Ok(state.connection.session(session)?.attach_sender(name, &options)?)
        })?;
        Ok(Sender::new(key, link))
    }
}
