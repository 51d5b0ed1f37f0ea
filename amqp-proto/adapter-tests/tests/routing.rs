//! Links of the peer, by the address of their nodes.

use super::common::pair;
use crate::adapter::{self, both, spawn};
use crate::amqp::policy::Router;
use crate::amqp::wire::Condition;
use crate::amqp::{Connection, Error, OfferedLink};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Jobs,
    Orders,
    Other,
}

fn router() -> Router<Node> {
    Router::new().with_address("jobs", Node::Jobs).with_pattern("orders/*", Node::Orders)
}

/// Accepts links until the connection ends. Returns their handlers, and whether the server sends.
#[adapter::helper]
async fn serve(server: Connection, router: Router<Node>) -> Vec<(Node, bool)> {
    let (mut seen, mut senders, mut receivers) = (Vec::new(), Vec::new(), Vec::new());
    while let Some((node, link)) = server.next_routed(&router).await.unwrap() {
        let sends = matches!(link, OfferedLink::Sender(_));
        match link {
            OfferedLink::Sender(link) => senders.push(link.accept().unwrap()),
            OfferedLink::Receiver(link) => receivers.push(link.accept().unwrap()),
        }
        seen.push((*node, sends));
    }
    seen
}

fn is_refused(error: &Error, address: &str) -> bool {
    error.condition() == Some(&Condition::NotFound) && error.to_string().contains(address)
}

#[adapter::test]
async fn links_come_with_the_handler_of_their_address() {
    let (client, server) = pair().await;
    let serving = spawn(async move { serve(server, router()).await });
    let session = client.session().await.unwrap();
    let _jobs = session.sender("jobs").attach().await.unwrap();
    let _new = session.receiver("orders/new").attach().await.unwrap();
    let _shared = client.receiver("jobs").attach().await.unwrap();
    for address in ["job", "jobs/1", "orders"] {
        let (sends, receives) = both(async { client.sender(address).attach().await.map(drop) }, async {
            session.receiver(address).attach().await.map(drop)
        })
        .await;
        assert!(is_refused(&sends.unwrap_err(), address) && is_refused(&receives.unwrap_err(), address));
    }
    client.close().await.unwrap();
    let seen = serving.join().await.unwrap();
    assert_eq!(seen, [(Node::Jobs, false), (Node::Orders, true), (Node::Jobs, true)]);
}

/// A link without an address, such as one to a dynamic node, has no handler but the fallback.
#[adapter::test]
async fn everything_else_goes_to_the_fallback() {
    for has_fallback in [false, true] {
        let (client, server) = pair().await;
        let router = if has_fallback { router().with_fallback(Node::Other) } else { router() };
        let serving = spawn(async move { serve(server, router).await });
        let dynamic = client.dynamic_receiver().attach().await;
        let other = client.sender("other").attach().await;
        if has_fallback {
            assert!(dynamic.is_ok() && other.is_ok());
        } else {
            assert!(is_refused(&dynamic.unwrap_err(), "address") && is_refused(&other.unwrap_err(), "other"));
        }
        client.close().await.unwrap();
        let seen = serving.join().await.unwrap();
        assert_eq!(seen.len(), if has_fallback { 2 } else { 0 });
        assert!(seen.iter().all(|(node, _)| *node == Node::Other));
    }
}
