//! Programs that use ramqp, a client.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use ramqp::types::messaging::DeliveryState;
use ramqp::{Config, Connection, ConnectionBuilder, Message, Producer};

use crate::role::{Meter, Role, print, resident, took};

async fn connect(role: &Role) -> Connection {
    let mut builder = ConnectionBuilder::new(role.url()).config(Config::high_throughput());
    if let Some(folder) = role.tls() {
        let trusted = std::fs::read(folder.join("certificate.pem")).expect("a certificate");
        builder = builder.add_root_ca_pem(trusted).webpki_roots(false);
    }
    builder.connect().await.expect("a connection")
}

fn accepted(state: DeliveryState) {
    assert!(matches!(state, DeliveryState::Accepted(_)), "a message was not accepted: {state:?}");
}

pub(crate) fn send(role: &Role) {
    role.block_on(async {
        let connection = connect(role).await;
        let session = connection.begin_session().await.expect("a session");
        let producer = session.create_producer("q").await.expect("a link");
        work(role, &producer).await;
        std::process::exit(0);
    });
}

async fn work(role: &Role, producer: &Producer) {
    let (body, mut meter) = (Bytes::from(vec![0; role.size()]), Meter::new(role));
    let all = role.warm() + role.messages();
    let mut waiting = FuturesUnordered::new();
    for at in 1..=all {
        let message = Message::data(body.clone());
        if role.is_alone() {
            meter.begin();
            accepted(producer.send(message).await.expect("an outcome"));
            meter.done();
        } else if role.is_settled() && at < all {
            producer.send_settled(message).await.expect("it is sent");
            meter.done();
        } else {
            if waiting.len() == role.window()
                && let Some(outcome) = waiting.next().await
            {
                accepted(Result::expect(outcome, "an outcome"));
                meter.done();
            }
            waiting.push(producer.send(message));
        }
    }
    while let Some(outcome) = waiting.next().await {
        accepted(outcome.expect("an outcome"));
        meter.done();
    }
    meter.end();
}

/// Runs tasks that each send and wait, over a link each or over one.
pub(crate) fn tasks(role: &Role) {
    role.block_on(async {
        let connection = connect(role).await;
        let session = connection.begin_session().await.expect("a session");
        let mut producers: Vec<Arc<Producer>> = Vec::new();
        for _ in 0..role.tasks() {
            let producer = match producers.first() {
                Some(first) if role.is_shared() => Arc::clone(first),
                _ => Arc::new(session.create_producer("q").await.expect("a link")),
            };
            producers.push(producer);
        }
        share(role, &producers, role.warm()).await;
        let start = Instant::now();
        let sent = share(role, &producers, role.messages()).await;
        print("rate", sent as f64 / start.elapsed().as_secs_f64());
        std::process::exit(0);
    });
}

async fn share(role: &Role, producers: &[Arc<Producer>], messages: usize) -> usize {
    let each = messages.div_ceil(producers.len());
    let tasks: Vec<_> = producers
        .iter()
        .map(|producer| {
            let (producer, body) = (Arc::clone(producer), Bytes::from(vec![0; role.size()]));
            tokio::spawn(async move {
                for _ in 0..each {
                    accepted(producer.send(Message::data(body.clone())).await.expect("an outcome"));
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a task that does not panic");
    }
    each * producers.len()
}

pub(crate) fn memory(role: &Role) {
    role.block_on(keep(role));
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
            let _one = first.begin_session().await.expect("a session");
            let (before, mut all) = (resident(), Vec::with_capacity(count));
            for _ in 0..count {
                all.push(first.begin_session().await.expect("a session"));
            }
            took(before, count)
        }
        "link" => {
            let session = first.begin_session().await.expect("a session");
            let _one = session.create_producer("q").await.expect("a link");
            let (before, mut all) = (resident(), Vec::with_capacity(count));
            for _ in 0..count {
                all.push(session.create_producer("q").await.expect("a link"));
            }
            took(before, count)
        }
        what => panic!("{what} is not measured"),
    }
}
