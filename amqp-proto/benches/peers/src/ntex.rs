//! Programs that use ntex-amqp, which has its own runtime on one thread.

use std::collections::VecDeque;
use std::time::Instant;

use ntex_amqp::client::{Connect, Connector};
use ntex_amqp::codec::Message;
use ntex_amqp::codec::protocol::DeliveryState;
use ntex_amqp::error::AmqpProtocolError;
use ntex_amqp::{ConnectionRef, Delivery, SenderLink, Session};
use ntex_bytes::Bytes;
use ntex_service::Pipeline;
use ntex_service::cfg::SharedCfg;

use crate::role::{Meter, Role, print, resident, took};

fn block_on<F: Future<Output = ()> + 'static>(work: F) {
    ntex_rt::System::new("peers", ntex_net::DefaultRuntime).block_on(work);
}

async fn connect(role: &Role) -> ConnectionRef {
    let connector = Pipeline::new(SharedCfg::default(), Connector::new());
    let client = connector.call(Connect::new(format!("127.0.0.1:{}", role.port()))).await;
    let client = client.expect("a connection");
    let connection = client.sink();
    drop(ntex_rt::spawn(async move {
        let _ = client.start_default().await;
    }));
    connection
}

async fn attach(session: &Session, name: String) -> SenderLink {
    let link = session.build_sender_link(name, "q").attach().await.expect("a link");
    // proton-c sends 0 for "no limit", and ntex-amqp reads it as a limit of 0 octets.
    link.set_max_message_size(u32::MAX);
    link
}

fn body(role: &Role) -> Bytes {
    Bytes::from(vec![0; role.size()])
}

async fn queue(link: &SenderLink, body: &Bytes, settled: bool) -> Delivery {
    assert!(link.ready().await, "the link has ended");
    let transfer = link.transfer(Message::with_body(body.clone()));
    let transfer = if settled { transfer.settled() } else { transfer };
    transfer.send().await.expect("it is sent")
}

fn accepted(state: Result<Option<DeliveryState>, AmqpProtocolError>) {
    let state = state.expect("an outcome");
    assert!(matches!(state, Some(DeliveryState::Accepted(_))), "a message was not accepted: {state:?}");
}

pub(crate) fn send(role: &Role) {
    let role = role.clone();
    block_on(async move {
        let session = connect(&role).await.open_session().await.expect("a session");
        work(&role, &attach(&session, "link".into()).await).await;
        std::process::exit(0);
    });
}

async fn work(role: &Role, link: &SenderLink) {
    let (body, mut meter) = (body(role), Meter::new(role));
    let all = role.warm() + role.messages();
    let mut waiting: VecDeque<Delivery> = VecDeque::with_capacity(role.window());
    for at in 1..=all {
        if role.is_alone() {
            meter.begin();
            accepted(queue(link, &body, false).await.wait().await);
            meter.done();
        } else if role.is_settled() && at < all {
            drop(queue(link, &body, true).await);
            meter.done();
        } else {
            if waiting.len() == role.window()
                && let Some(first) = waiting.pop_front()
            {
                accepted(first.wait().await);
                meter.done();
            }
            waiting.push_back(queue(link, &body, false).await);
        }
    }
    for sent in waiting {
        accepted(sent.wait().await);
        meter.done();
    }
    meter.end();
}

/// Runs tasks that each send and wait, over a link each or over one.
pub(crate) fn tasks(role: &Role) {
    let role = role.clone();
    block_on(async move {
        let session = connect(&role).await.open_session().await.expect("a session");
        let mut links: Vec<SenderLink> = Vec::new();
        for at in 0..role.tasks() {
            let link = match links.first() {
                Some(first) if role.is_shared() => first.clone(),
                _ => attach(&session, format!("link-{at}")).await,
            };
            links.push(link);
        }
        share(&role, &links, role.warm()).await;
        let start = Instant::now();
        let sent = share(&role, &links, role.messages()).await;
        print("rate", sent as f64 / start.elapsed().as_secs_f64());
        std::process::exit(0);
    });
}

async fn share(role: &Role, links: &[SenderLink], messages: usize) -> usize {
    let each = messages.div_ceil(links.len());
    let tasks: Vec<_> = links
        .iter()
        .map(|link| {
            let (link, body) = (link.clone(), body(role));
            ntex_rt::spawn(async move {
                for _ in 0..each {
                    accepted(queue(&link, &body, false).await.wait().await);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a task that does not panic");
    }
    each * links.len()
}

pub(crate) fn memory(role: &Role) {
    let role = role.clone();
    block_on(async move { keep(&role).await });
}

/// Makes one object that does not count, then the objects that do.
async fn keep(role: &Role) {
    let count = role.count();
    let first = connect(role).await;
    match role.text("what") {
        "connection" => {
            let (before, mut all) = (resident(), Vec::with_capacity(count));
            for _ in 0..count {
                all.push(connect(role).await);
            }
            took(before, count)
        }
        "session" => {
            let _one = first.open_session().await.expect("a session");
            let (before, mut all) = (resident(), Vec::with_capacity(count));
            for _ in 0..count {
                all.push(first.open_session().await.expect("a session"));
            }
            took(before, count)
        }
        "link" => {
            let session = first.open_session().await.expect("a session");
            let _one = attach(&session, "link".into()).await;
            let (before, mut all) = (resident(), Vec::with_capacity(count));
            for at in 0..count {
                all.push(attach(&session, format!("link-{at}")).await);
            }
            took(before, count)
        }
        _ => {
            let session = first.open_session().await.expect("a session");
            let link = attach(&session, "link".into()).await;
            let (body, mut all) = (body(role), Vec::with_capacity(count));
            all.push(queue(&link, &body, false).await);
            let before = resident();
            for _ in 0..count {
                all.push(queue(&link, &body, false).await);
            }
            took(before, count)
        }
    }
}
