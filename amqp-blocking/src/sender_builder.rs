//! [`SenderBuilder`]: how a link is attached over which this end sends.

use amqp_proto::endpoint::{Result, SenderSettings, link_setters};

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
    pub(crate) fn new(home: Home, settings: SenderSettings) -> Self {
        Self { home, settings }
    }

    link_setters!(sender);

    /// Attaches the link, and waits until the peer has done so too.
    pub fn attach(self) -> Result<Sender> {
        let options = self.settings.to_options();
        let name = self.settings.name.clone().map_or_else(Home::link_name, Ok)?;
        let (link, key) = LinkHandle::attach(self.home, |state, session| {
            Ok(state.connection.session(session)?.attach_sender(name, &options)?)
        })?;
        self.settings.check(link.peer_attach())?;
        Ok(Sender::new(key, link, self.settings.send_timeout))
    }
}
