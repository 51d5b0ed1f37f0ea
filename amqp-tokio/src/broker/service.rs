//! The service for one client: its sessions and links.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use amqp_proto::client;
use amqp_proto::config::{ReceiverOptions, SenderOptions};
use amqp_proto::policy::{Lifetime, LinkPlace, TerminusName};
use amqp_proto::types::Str;
use amqp_proto::wire::{AmqpError, Attach, Condition, DistributionMode, Role, Source, Target, Terminus};
use tokio::task::JoinSet;

use super::choice::Choice;
use super::consumer::Consumer;
use super::ends::{Orphan, SourceEnd, TargetEnd};
use super::kept::{Attachment, Kept, Link};
use super::node::{Node, Use};
use super::nodes::{Listening, Nodes};
use super::parked::{Parked, coordinate};
use super::producer::Producer;
use super::shared::{Shared, SharedName, is_shared};
use super::{Broker, termini};
use crate::Connection;
use crate::Listener;
use crate::Session;
use crate::{OfferedLink, OfferedReceiver, OfferedSender};

/// The pause after a client could not be accepted, as when too many files are open.
const PAUSE: Duration = Duration::from_millis(50);

pub(super) async fn serve(broker: &Broker, listener: Listener) -> Infallible {
    let mut clients = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok(incoming) => {
                // With too many connections, this one is dropped.
                let Some(share) = broker.nodes.quota.client() else { continue };
                let broker = broker.clone();
                clients.spawn(async move {
                    let served = serve_connection(&broker, incoming.open().await?).await;
                    drop(share);
                    served
                });
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
        // Errors of single clients do not matter here.
        while clients.try_join_next().is_some() {}
    }
}

/// A client, and the parts of the broker that its links need.
#[derive(Debug)]
struct Client {
    nodes: Arc<Nodes>,
    kept: Arc<Kept>,
    shared: Arc<Shared>,
    container: Str,
    user: Option<Str>,
    /// The number of the connection.
    number: u64,
    /// The messages of its transactions.
    parked: Arc<Parked>,
}

pub(super) async fn serve_connection(broker: &Broker, connection: Connection) -> client::Result<()> {
    let open = connection.peer_open();
    let client = Arc::new(Client {
        nodes: Arc::clone(&broker.nodes),
        kept: Arc::clone(&broker.kept),
        shared: Arc::clone(&broker.shared),
        container: open.map(|open| Str::from(open.container_id.as_str())).unwrap_or_default(),
        user: connection.identity().and_then(|identity| identity.user().cloned()),
        number: broker.nodes.number(),
        parked: Arc::default(),
    });
    let mut sessions = JoinSet::new();
    let ended = serve_sessions(&client, &connection, &mut sessions).await;
    // Messages from before the end are still handled.
    while sessions.join_next().await.is_some() {}
    client.kept.connection_closed(client.number);
    ended
}

async fn serve_sessions(
    client: &Arc<Client>,
    connection: &Connection,
    sessions: &mut JoinSet<client::Result<()>>,
) -> client::Result<()> {
    while let Some(offered) = connection.next_session().await? {
        let session = offered.accept()?;
        sessions.spawn(serve_session(Arc::clone(client), session));
        while sessions.try_join_next().is_some() {}
    }
    Ok(())
}

async fn serve_session(client: Arc<Client>, session: Session) -> client::Result<()> {
    let number = client.nodes.number();
    let mut links = JoinSet::new();
    let ended = serve_links(&client, number, &session, &mut links).await;
    while links.join_next().await.is_some() {}
    client.kept.session_ended(number);
    ended
}

async fn serve_links(
    client: &Client,
    number: u64,
    session: &Session,
    links: &mut JoinSet<()>,
) -> client::Result<()> {
    while let Some(link) = session.next_link().await? {
        // A link that ends before it is accepted does not matter.
        let _ = match link {
            OfferedLink::Receiver(link) if matches!(link.target(), Some(Terminus::Coordinator(_))) => {
                link.accept_coordinator().map_err(|_| Refused).map(|coordinator| {
                    links.spawn(coordinate(coordinator, Arc::clone(&client.parked)));
                })
            }
            OfferedLink::Receiver(link) => client.take_producer(number, link).await.map(|producer| {
                links.spawn(producer.run());
            }),
            OfferedLink::Sender(link) => client.take_consumer(number, link).await.map(|consumer| {
                links.spawn(consumer.run());
            }),
        };
        while links.try_join_next().is_some() {}
    }
    Ok(())
}

/// The error of a link that is not accepted.
struct Refused;

fn refuse(link: OfferedLink, error: AmqpError) -> Refused {
    let _ = link.refuse(error);
    Refused
}

impl Client {
    /// Takes what is kept of the end of a link that the client attaches on a session, and a place for it.
    async fn claim(
        &self,
        session: u64,
        attach: Option<&Attach>,
        lifetime: Lifetime,
    ) -> Result<(Option<Attachment>, Option<Orphan>), AmqpError> {
        let Some(attach) = attach else { return Ok((None, None)) };
        let role = if attach.role == Role::Sender { Role::Receiver } else { Role::Sender };
        // A copy of the name does not keep the frame's buffer.
        let name = TerminusName::new(self.container.clone(), Str::from(attach.name.as_str()), role);
        let place = LinkPlace { connection: self.number, session, link: self.nodes.number() };
        self.kept.claim(name.with_user(self.user.clone()), place, lifetime).await
    }

    async fn take_producer(&self, session: u64, link: OfferedReceiver) -> Result<Producer, Refused> {
        let (attach, asked) = (link.peer_attach(), link.target());
        let lifetime = match &asked {
            Some(Terminus::Target(target)) => self.kept.granted(termini::target_lifetime(target)),
            _ => Lifetime::LINK,
        };
        let (attachment, orphan) = match self.claim(session, attach.as_ref(), lifetime).await {
            Ok(claimed) => claimed,
            Err(error) => return Err(refuse(OfferedLink::Receiver(link), error)),
        };
        let (state, end) = match orphan {
            Some(Orphan::Target(state, end)) if is_same_target(&end.target, asked.as_ref()) => {
                (Some(state), Ok(*end))
            }
            // The client attaches another link by this name.
            orphan => {
                drop(orphan);
                (None, lead(&self.nodes, asked.clone(), attachment.as_ref().map(|_| lifetime)))
            }
        };
        let mut end = match end {
            Ok(end) => end,
            Err(error) => return Err(refuse(OfferedLink::Receiver(link), error)),
        };
        if asked.is_some() && state.is_some() {
            termini::set_target_lifetime(&mut end.target, lifetime);
        }
        let granted = Lifetime::of_target(&end.target);
        let options = ReceiverOptions::new().with_auto_accept(false).with_target(end.target.clone());
        let options = options.with_resumable(attachment.is_some());
        let receiver = match resumes(attach.as_ref()).and(state) {
            Some(state) => link.accept_resumed(options, state),
            None => link.accept_with(options),
        };
        let receiver = receiver.map_err(|_| Refused)?;
        if let Some(attachment) = &attachment {
            attachment.attached(granted, Link::Receiver(receiver.clone()));
        }
        let (connection, parked) = (self.number, Arc::clone(&self.parked));
        Ok(Producer { receiver, end, attachment, connection, parked, count: 0 })
    }

    async fn take_consumer(&self, session: u64, link: OfferedSender) -> Result<Consumer, Refused> {
        let (attach, asked) = (link.peer_attach(), link.source());
        let lifetime = asked
            .as_ref()
            .map_or(Lifetime::LINK, |source| self.kept.granted(termini::source_lifetime(source)));
        let (attachment, orphan) = match self.claim(session, attach.as_ref(), lifetime).await {
            Ok(claimed) => claimed,
            Err(error) => return Err(refuse(OfferedLink::Sender(link), error)),
        };
        let (state, end) = match orphan {
            Some(Orphan::Source(state, end)) if is_same_source(&end, asked.as_ref()) => {
                (Some(state), Ok(*end))
            }
            // The client attaches another link by this name.
            orphan => {
                drop(orphan);
                let lifetime = attachment.as_ref().map(|_| lifetime);
                (None, self.listen(attach.as_ref(), asked.clone(), lifetime))
            }
        };
        let mut end = match end {
            Ok(end) => end,
            Err(error) => return Err(refuse(OfferedLink::Sender(link), error)),
        };
        if asked.is_some() && state.is_some() {
            termini::set_source_lifetime(&mut end.source, lifetime);
        }
        end.resume(self.number);
        let granted = Lifetime::of_source(&end.source);
        let options = SenderOptions::new().with_source(end.source.clone()).with_auto_drain(false);
        // The state of a link tells that it is detached, not closed.
        let is_resumable = attachment.is_some() || end.listening.is_durably_shared();
        let options = options.with_resumable(is_resumable);
        let sender = match resumes(attach.as_ref()).and(state) {
            Some(state) => link.accept_resumed(options, state),
            None => {
                // The client has no state, so its deliveries are over.
                end.give_up();
                link.accept_with(options)
            }
        };
        let sender = sender.map_err(|_| Refused)?;
        if let Some(attachment) = &attachment {
            attachment.attached(granted, Link::Sender(sender.clone()));
        }
        Ok(Consumer::new(sender, end, attachment))
    }
}

impl Client {
    /// Returns the broker's end of a link on which the client receives. Without a lifetime, nothing of it is kept.
    fn listen(
        &self,
        attach: Option<&Attach>,
        source: Option<Source>,
        lifetime: Option<Lifetime>,
    ) -> Result<SourceEnd, AmqpError> {
        let name = attach.map(|attach| SharedName::of(attach, &self.container, self.user.as_ref()));
        let Some(source) = source else {
            let Some((source, listening)) = name.and_then(|name| self.shared.find(name)) else {
                let words = "the attach has no source, and this broker keeps none for a link of this name";
                return Err(AmqpError::new(Condition::NotFound).with_description(words));
            };
            return Ok(self.source_end(source, listening, Choice::default()));
        };
        let name = name.filter(|_| is_shared(&source.capabilities));
        let lifetime = name.as_ref().map(SharedName::lifetime).or(lifetime);
        let (source, listening, choice) = listen(&self.nodes, source, lifetime, self.number)?;
        let (source, listening) = match name {
            Some(name) if listening.is_topic() => self.shared.subscribe(name, source, listening)?,
            // The consumers of a queue share it anyway.
            _ => (source, listening),
        };
        Ok(self.source_end(source, listening, choice))
    }

    fn source_end(&self, source: Source, listening: Listening, choice: Choice) -> SourceEnd {
        SourceEnd::new(Arc::clone(&self.nodes), source, listening, choice)
    }
}

/// Returns something if the client resumes the link: its attach then has an unsettled map [2.7.3].
fn resumes(attach: Option<&Attach>) -> Option<()> {
    attach?.unsettled.as_ref().map(|_| ())
}

/// Returns true if a client that asks for this target means the one that is kept.
fn is_same_target(kept: &Target, asked: Option<&Terminus>) -> bool {
    match asked {
        Some(Terminus::Target(target)) => !target.dynamic && target.address == kept.address,
        Some(_) => false,
        None => true,
    }
}

/// Returns true if a client that asks for this source means the one that is kept.
fn is_same_source(end: &SourceEnd, asked: Option<&Source>) -> bool {
    let (kept, is_topic) = (&end.source, end.listening.is_topic());
    asked.is_none_or(|source| {
        let is_own = !source.dynamic && !is_shared(&source.capabilities);
        let is_copied = |source: &Source| source.distribution_mode == Some(DistributionMode::Copy);
        is_own
            && termini::check_source(source).is_ok()
            && termini::check_distribution(source, is_topic).is_ok()
            && source.address == kept.address
            && source.filter == kept.filter
            // A topic gives copies, whether the client asks for them or not.
            && (is_topic || is_copied(source) == is_copied(kept))
    })
}

/// Returns the broker's end of a link on which the client sends. Without a lifetime, nothing of it is kept.
fn lead(
    nodes: &Arc<Nodes>,
    target: Option<Terminus>,
    lifetime: Option<Lifetime>,
) -> Result<TargetEnd, AmqpError> {
    let target = match target {
        Some(Terminus::Target(target)) => target,
        None => {
            return Err(AmqpError::new(Condition::InvalidField).with_description("the attach has no target"));
        }
        Some(_) => {
            return Err(
                AmqpError::new(Condition::NotImplemented).with_description("there is no target of this kind")
            );
        }
    };
    let policy = termini::node_lifetime(&target.dynamic_node_properties)?;
    let kind = termini::kind(&target.capabilities);
    let used = match &target.address {
        _ if target.dynamic => Some(nodes.dynamic(kind, policy)?),
        Some(address) => Some(nodes.at(address, kind)?),
        None => None,
    };
    let address = match &used {
        Some(used) if target.dynamic => Some(used.address.clone()),
        _ => target.address.clone(),
    };
    let is_topic = matches!(&used, Some(Use { node: Node::Topic(_), .. }));
    let lifetime = lifetime.unwrap_or(Lifetime::LINK);
    let target = termini::granted_target(&target, address, is_topic, lifetime);
    Ok(TargetEnd { nodes: Arc::clone(nodes), target, used })
}

/// Listens to the node of a source, for a client on this connection. Returns the source in the broker's attach, too.
fn listen(
    nodes: &Arc<Nodes>,
    source: Source,
    lifetime: Option<Lifetime>,
    connection: u64,
) -> Result<(Source, Listening, Choice), AmqpError> {
    termini::check_source(&source)?;
    let choice = Choice::of(&source, connection)?;
    if is_shared(&source.capabilities) && choice.has_connection() {
        return Err(termini::not_implemented("a shared subscription has no filter no-local"));
    }
    let kind = termini::kind(&source.capabilities);
    let (address, listening) = match &source.address {
        _ if source.dynamic => {
            let used = nodes.dynamic(kind, termini::node_lifetime(&source.dynamic_node_properties)?)?;
            (used.address.clone(), nodes.listen_to(used, &choice)?)
        }
        Some(address) => (address.clone(), nodes.listen(address, kind, &choice)?),
        None => {
            return Err(AmqpError::new(Condition::InvalidField).with_description("the source has no address"));
        }
    };
    termini::check_distribution(&source, listening.is_topic())?;
    let lifetime = lifetime.unwrap_or(Lifetime::LINK);
    let source = termini::granted_source(source, address, listening.is_topic(), lifetime);
    let choice = if listening.is_topic() { Choice::default() } else { choice };
    Ok((source, listening, choice))
}
