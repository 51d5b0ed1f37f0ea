//! What a broker does for one client: its sessions and links.

use std::sync::Arc;
use std::time::Duration;

use amqp_proto::config::{ReceiverOptions, SenderOptions};
use amqp_proto::endpoint::Result;
use amqp_proto::types::Str;
use amqp_proto::wire::{Condition, DistributionMode, Error, Source, Target, Terminus};
use tokio::task::JoinSet;

use super::Broker;
use super::consumer::Consumer;
use super::nodes::{Leaves, Listening, Node, Nodes};
use super::producer::{self, Producer};
use crate::connection::Connection;
use crate::listener::Listener;
use crate::offered::{OfferedLink, OfferedReceiver, OfferedSender};
use crate::session::Session;

/// How long to wait after a client could not be taken, as when all files are in use.
const PAUSE: Duration = Duration::from_millis(50);

pub(super) async fn serve(broker: &Broker, listener: Listener) -> Result<()> {
    let mut clients = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok(incoming) => {
                let nodes = Arc::clone(&broker.nodes);
                clients.spawn(async move { serve_connection(&nodes, incoming.open().await?).await });
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
        // How clients end is their affair.
        while clients.try_join_next().is_some() {}
    }
}

pub(super) async fn serve_connection(nodes: &Arc<Nodes>, connection: Connection) -> Result<()> {
    let mut sessions = JoinSet::new();
    let ended = serve_sessions(nodes, &connection, &mut sessions).await;
    // What came before the end is still looked at.
    while sessions.join_next().await.is_some() {}
    ended
}

async fn serve_sessions(
    nodes: &Arc<Nodes>,
    connection: &Connection,
    sessions: &mut JoinSet<Result<()>>,
) -> Result<()> {
    while let Some(offered) = connection.next_session().await? {
        let session = offered.accept()?;
        sessions.spawn(serve_session(Arc::clone(nodes), session));
        while sessions.try_join_next().is_some() {}
    }
    Ok(())
}

async fn serve_session(nodes: Arc<Nodes>, session: Session) -> Result<()> {
    let mut links = JoinSet::new();
    let ended = serve_links(&nodes, &session, &mut links).await;
    while links.join_next().await.is_some() {}
    ended
}

async fn serve_links(nodes: &Arc<Nodes>, session: &Session, links: &mut JoinSet<()>) -> Result<()> {
    while let Some(link) = session.next_link().await? {
        // A link that is gone before it is accepted is nobody's concern.
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

/// A link that is not accepted.
struct Refused;

fn refuse(link: OfferedLink, condition: Condition, words: &str) -> Refused {
    let _ = link.refuse(Error::new(condition).with_description(words));
    Refused
}

fn take_producer(nodes: &Arc<Nodes>, link: OfferedReceiver) -> std::result::Result<Producer, Refused> {
    let target = match link.target() {
        Some(Terminus::Target(target)) => target,
        None => {
            return Err(refuse(OfferedLink::Receiver(link), Condition::InvalidField, "a target is needed"));
        }
        Some(_) => {
            return Err(refuse(
                OfferedLink::Receiver(link),
                Condition::NotImplemented,
                "no transactions here",
            ));
        }
    };
    let (answer, target) = resolve(nodes, target);
    let options = ReceiverOptions::new().with_auto_accept(false).with_target(answer);
    let receiver = link.accept_with(options).map_err(|_| Refused)?;
    Ok(Producer { nodes: Arc::clone(nodes), receiver, target, count: 0 })
}

/// The target as the client is told, and where it leads.
fn resolve(nodes: &Nodes, mut target: Target) -> (Target, Option<producer::Target>) {
    if target.dynamic {
        let queue = nodes.dynamic();
        let address = queue.address.clone();
        target.address = Some(address.clone());
        return (target, Some(producer::Target { address, node: Node::Queue(queue), is_dynamic: true }));
    }
    let leads = target.address.clone().map(|address| {
        let node = nodes.at(&address, &target.capabilities);
        producer::Target { address, node, is_dynamic: false }
    });
    (target, leads)
}

fn take_consumer(nodes: &Arc<Nodes>, link: OfferedSender) -> std::result::Result<Consumer, Refused> {
    let Some(mut source) = link.source() else {
        return Err(refuse(OfferedLink::Sender(link), Condition::InvalidField, "a source is needed"));
    };
    if source.distribution_mode == Some(DistributionMode::Copy) {
        return Err(refuse(OfferedLink::Sender(link), Condition::NotImplemented, "no browsing here"));
    }
    let listening = match (source.dynamic, source.address.clone()) {
        (true, _) => {
            let queue = nodes.dynamic();
            source.address = Some(queue.address.clone());
            Listening { queue, leaves: Leaves::Dynamic }
        }
        (false, Some(address)) => match listen(nodes, &address, &source) {
            Some(listening) => listening,
            None => {
                return Err(refuse(
                    OfferedLink::Sender(link),
                    Condition::NotFound,
                    "there is nothing to receive",
                ));
            }
        },
        (false, None) => {
            return Err(refuse(OfferedLink::Sender(link), Condition::InvalidField, "an address is needed"));
        }
    };
    // What is not honoured is not confirmed.
    source.filter = Default::default();
    let sender = link.accept_with(SenderOptions::new().with_source(source)).map_err(|_| {
        listening.end(nodes);
        Refused
    })?;
    Ok(Consumer::new(Arc::clone(nodes), sender, listening))
}

fn listen(nodes: &Nodes, address: &Str, source: &Source) -> Option<Listening> {
    nodes.listen(address, &source.capabilities)
}
