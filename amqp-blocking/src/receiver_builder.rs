//! [`ReceiverBuilder`]: how a link is attached over which this end receives.

use amqp_proto::endpoint::{ReceiverSettings, Result, link_setters};

use crate::link::{Home, LinkHandle};
use crate::receiver::Receiver;

/// How a link is attached over which this end receives.
///
/// ```no_run
/// # fn attach(connection: amqp_blocking::Connection) -> amqp_blocking::Result<()> {
/// let urgent = connection.receiver("jobs").selector("priority > 5").prefetch(10).auto_accept(false).attach()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a link is attached by `attach`"]
pub struct ReceiverBuilder {
    home: Home,
    settings: ReceiverSettings,
}

impl ReceiverBuilder {
    pub(crate) fn new(home: Home, settings: ReceiverSettings) -> Self {
        Self { home, settings }
    }

    link_setters!(receiver);

    /// Attaches the link, and waits until the peer has done so too.
    pub fn attach(self) -> Result<Receiver> {
        let options = self.settings.to_options();
        let name = self.settings.name.clone().map_or_else(Home::link_name, Ok)?;
        let (link, key) = LinkHandle::attach(self.home, |state, session| {
            Ok(state.connection.session(session)?.attach_receiver(name, &options)?)
        })?;
        self.settings.check(link.peer_attach())?;
        Ok(Receiver::new(key, link))
    }
}
