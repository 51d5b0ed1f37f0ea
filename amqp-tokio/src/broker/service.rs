//! The service for one client: its sessions and links.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use amqp_proto::client;
use amqp_proto::config::{ReceiverOptions, SenderOptions};
use amqp_proto::wire::{AmqpError, Condition, Source, Target, Terminus};
use tokio::task::JoinSet;

use super::consumer::Consumer;
use super::node::{Node, Use};
use super::nodes::{Listening, Nodes};
use super::producer::Producer;
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
                let nodes = Arc::clone(&broker.nodes);
                clients.spawn(async move {
                    let served = serve_connection(&nodes, incoming.open().await?).await;
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

pub(super) async fn serve_connection(nodes: &Arc<Nodes>, connection: Connection) -> client::Result<()> {
    let mut sessions = JoinSet::new();
    let ended = serve_sessions(nodes, &connection, &mut sessions).await;
    // Messages from before the end are still handled.
    while sessions.join_next().await.is_some() {}
    ended
}

async fn serve_sessions(
    nodes: &Arc<Nodes>,
    connection: &Connection,
    sessions: &mut JoinSet<client::Result<()>>,
) -> client::Result<()> {
    while let Some(offered) = connection.next_session().await? {
        let session = offered.accept()?;
        sessions.spawn(serve_session(Arc::clone(nodes), session));
        while sessions.try_join_next().is_some() {}
    }
    Ok(())
}

async fn serve_session(nodes: Arc<Nodes>, session: Session) -> client::Result<()> {
    let mut links = JoinSet::new();
    let ended = serve_links(&nodes, &session, &mut links).await;
    while links.join_next().await.is_some() {}
    ended
}

async fn serve_links(nodes: &Arc<Nodes>, session: &Session, links: &mut JoinSet<()>) -> client::Result<()> {
    while let Some(link) = session.next_link().await? {
        // A link that ends before it is accepted does not matter.
        let _ = match link {
            OfferedLink::Receiver(link) => take_producer(nodes, link).map(|producer| {
                links.spawn(async move { drop(producer.run().await) });
            }),
            OfferedLink::Sender(link) => take_consumer(nodes, link).map(|consumer| {
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

fn take_producer(nodes: &Arc<Nodes>, link: OfferedReceiver) -> Result<Producer, Refused> {
    let (target, used) = match lead(nodes, link.target()) {
        Ok(lead) => lead,
        Err(error) => return Err(refuse(OfferedLink::Receiver(link), error)),
    };
    let options = ReceiverOptions::new().with_auto_accept(false).with_target(target);
    let receiver = link.accept_with(options).map_err(|_| Refused)?;
    Ok(Producer { nodes: Arc::clone(nodes), receiver, target: used, count: 0 })
}

/// Returns the target for the answer, and its node; `None` for the anonymous relay.
fn lead(nodes: &Arc<Nodes>, target: Option<Terminus>) -> Result<(Target, Option<Use>), AmqpError> {
    let target = match target {
        Some(Terminus::Target(target)) => target,
        None => {
            return Err(AmqpError::new(Condition::InvalidField).with_description("the attach has no target"));
        }
        Some(_) => {
            return Err(
                AmqpError::new(Condition::NotImplemented).with_description("transactions are not supported")
            );
        }
    };
    termini::check_lifetime(&target.dynamic_node_properties)?;
    let kind = termini::kind(&target.capabilities);
    let used = match &target.address {
        _ if target.dynamic => Some(nodes.dynamic(kind)?),
        Some(address) => Some(nodes.at(address, kind)?),
        None => None,
    };
    let address = match &used {
        Some(used) if target.dynamic => Some(used.address.clone()),
        _ => target.address.clone(),
    };
    let is_topic = matches!(&used, Some(Use { node: Node::Topic(_), .. }));
    Ok((termini::granted_target(&target, address, is_topic), used))
}

fn take_consumer(nodes: &Arc<Nodes>, link: OfferedSender) -> Result<Consumer, Refused> {
    let (source, listening) = match listen(nodes, link.source()) {
        Ok(listening) => listening,
        Err(error) => return Err(refuse(OfferedLink::Sender(link), error)),
    };
    let sender = link
        .accept_with(SenderOptions::new().with_source(source).with_auto_drain(false))
        .map_err(|_| Refused)?;
    Ok(Consumer::new(Arc::clone(nodes), sender, listening))
}

/// Returns the source for the answer, and its queue.
fn listen(nodes: &Arc<Nodes>, source: Option<Source>) -> Result<(Source, Listening), AmqpError> {
    let Some(source) = source else {
        let words = "the attach has no source, and this broker keeps no subscriptions by the name of a link";
        return Err(AmqpError::new(Condition::NotFound).with_description(words));
    };
    termini::check_source(&source)?;
    let kind = termini::kind(&source.capabilities);
    let (address, listening) = match &source.address {
        _ if source.dynamic => {
            let used = nodes.dynamic(kind)?;
            (used.address.clone(), nodes.listen_to(used)?)
        }
        Some(address) => (address.clone(), nodes.listen(address, kind)?),
        None => {
            return Err(AmqpError::new(Condition::InvalidField).with_description("the source has no address"));
        }
    };
    termini::check_distribution(&source, listening.is_topic())?;
    let source = termini::granted_source(source, address, listening.is_topic());
    Ok((source, listening))
}
