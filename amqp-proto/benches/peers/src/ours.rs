//! Programs that use amqp-tokio.

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::Instant;

use amqp_tokio::config::ReceiverOptions;
use amqp_tokio::{
    ClientTls, Connection, ConnectionOptions, Listener, OfferedLink, Outgoing, Receiver, Result, Sender, Sent,
};
use bytes::Bytes;

use crate::role::{Meter, Role, listening, print, resident, took};

pub(crate) fn options(role: &Role) -> ConnectionOptions {
    let options = ConnectionOptions::new();
    let Some(folder) = role.tls() else { return options };
    let trusted = std::fs::read(folder.join("certificate.pem")).expect("a certificate");
    let tls = ClientTls::builder().with_trusted_pem(&trusted).and_then(|tls| tls.build());
    options.with_tls(tls.expect("a certificate that can be trusted"))
}

pub(crate) fn body(role: &Role) -> Bytes {
    Bytes::from(vec![0; role.size()])
}

pub(crate) fn send(role: &Role) {
    let work = async {
        let connection = Connection::open_with(&role.url(), options(role)).await?;
        let sender = connection.sender("q").await?;
        match role.is_alone() {
            true => one_by_one(role, &sender).await?,
            false => many_at_a_time(role, &sender).await?,
        }
        connection.close().await
    };
    role.block_on(work).expect("the peer behaves");
}

async fn one_by_one(role: &Role, sender: &Sender) -> Result<()> {
    let (body, mut meter) = (body(role), Meter::new(role));
    for _ in 0..role.warm() + role.messages() {
        meter.begin();
        sender.send(body.clone()).await?.accepted()?;
        meter.done();
    }
    meter.end();
    Ok(())
}

async fn many_at_a_time(role: &Role, sender: &Sender) -> Result<()> {
    let (body, mut meter) = (body(role), Meter::new(role));
    let mut waiting: VecDeque<Sent> = VecDeque::with_capacity(role.window());
    let all = role.warm() + role.messages();
    for at in 1..=all {
        let settled = role.is_settled() && at < all;
        let sent = sender.send_queued(Outgoing::from(body.clone()).with_settled(settled)).await?;
        if settled {
            meter.done();
            continue;
        }
        if waiting.len() == role.window()
            && let Some(first) = waiting.pop_front()
        {
            first.await?.accepted()?;
            meter.done();
        }
        waiting.push_back(sent);
    }
    for sent in waiting {
        sent.await?.accepted()?;
        meter.done();
    }
    meter.end();
    Ok(())
}

/// Runs tasks that each send and wait, over a link each or over one.
pub(crate) fn tasks(role: &Role) {
    let work = async {
        let connection = Connection::open(&role.url()).await?;
        let mut senders = Vec::new();
        for _ in 0..role.tasks() {
            let sender = match senders.first() {
                Some(first) if role.is_shared() => Sender::clone(first),
                _ => connection.sender("q").await?,
            };
            senders.push(sender);
        }
        share(role, &senders, role.warm()).await?;
        let start = Instant::now();
        let sent = share(role, &senders, role.messages()).await?;
        print("rate", sent as f64 / start.elapsed().as_secs_f64());
        connection.close().await
    };
    role.block_on(work).expect("the peer behaves");
}

async fn share(role: &Role, senders: &[Sender], messages: usize) -> Result<usize> {
    let each = messages.div_ceil(senders.len());
    let tasks: Vec<tokio::task::JoinHandle<Result<()>>> = senders
        .iter()
        .map(|sender| {
            let (sender, body) = (sender.clone(), body(role));
            tokio::spawn(async move {
                for _ in 0..each {
                    sender.send(body.clone()).await?.accepted()?;
                }
                Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a task that does not panic")?;
    }
    Ok(each * senders.len())
}

/// Accepts one connection and all its messages, in several tasks that share the receiver.
pub(crate) fn receive(role: &Role) {
    let work = async {
        let listener = Listener::bind(("127.0.0.1", role.port())).await?;
        listening();
        let connection = listener.accept().await?.open().await?;
        let Some(session) = connection.next_session().await? else { return Ok(()) };
        let session = session.accept()?;
        while let Some(link) = session.next_link().await? {
            let OfferedLink::Receiver(link) = link else { continue };
            let receiver = link.accept_with(ReceiverOptions::new().with_prefetch(role.window() as u32))?;
            for _ in 1..role.tasks() {
                tokio::spawn(accept_all(receiver.clone()));
            }
            accept_all(receiver).await?;
        }
        Ok(())
    };
    role.block_on(work).unwrap_or_else(|error: amqp_tokio::Error| panic!("{error}"));
}

async fn accept_all(receiver: Receiver) -> Result<()> {
    while let Some(delivery) = receiver.recv().await? {
        black_box(delivery.message()?.body()?);
        delivery.accept()?;
    }
    Ok(())
}

/// Opens many connections with heartbeats, a session and a link each, from several tasks, and keeps them.
pub(crate) fn crowd(role: &Role) {
    role.block_on(open_many(role)).expect("the peer behaves");
}

async fn open_many(role: &Role) -> Result<()> {
    const TASKS: usize = 32;
    let (before, start) = (resident(), Instant::now());
    let tasks: Vec<_> =
        (0..TASKS).map(|_| tokio::spawn(open_some(role.url(), role.count() / TASKS))).collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.expect("a task that does not panic")?);
    }
    print("rate", all.len() as f64 / start.elapsed().as_secs_f64());
    tokio::time::sleep(crate::role::REST).await;
    took(before, all.len())
}

async fn open_some(url: String, count: usize) -> Result<Vec<(Connection, Sender)>> {
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        let options = ConnectionOptions::new().with_idle_timeout(crate::role::IDLE);
        let connection = Connection::open_with(&url, options).await?;
        let sender = connection.sender("q").await?;
        all.push((connection, sender));
    }
    Ok(all)
}

/// Accepts all connections, sessions and links.
pub(crate) fn crowd_server(role: &Role) {
    role.block_on(accept_many(role)).expect("clients behave");
}

async fn accept_many(role: &Role) -> Result<()> {
    let listener = Listener::bind(("127.0.0.1", role.port())).await?;
    listening();
    loop {
        let incoming = listener.accept().await?;
        tokio::spawn(async move { accept_offers(incoming.open().await?).await });
    }
}

async fn accept_offers(connection: Connection) -> Result<()> {
    let mut kept = Vec::new();
    while let Some(offer) = connection.next_offer().await? {
        kept.push(offer.accept()?);
    }
    Ok(())
}

pub(crate) fn memory(role: &Role) {
    role.block_on(keep(role)).expect("the peer behaves");
}

/// Makes one object that does not count, then the objects that do.
async fn keep(role: &Role) -> Result<()> {
    let (url, count) = (role.url(), role.count());
    let first = Connection::open(&url).await?;
    match role.text("what") {
        "connection" => {
            let (before, mut all) = (resident(), Vec::with_capacity(count));
            for _ in 0..count {
                all.push(Connection::open(&url).await?);
            }
            took(before, count)
        }
        "session" => {
            let _one = first.session().await?;
            let (before, mut all) = (resident(), Vec::with_capacity(count));
            for _ in 0..count {
                all.push(first.session().await?);
            }
            took(before, count)
        }
        "link" => {
            let _one = first.sender("q").await?;
            let (before, mut all) = (resident(), Vec::with_capacity(count));
            for _ in 0..count {
                all.push(first.sender("q").await?);
            }
            took(before, count)
        }
        _ => {
            let sender = first.sender("q").await?;
            let (body, mut all) = (body(role), Vec::with_capacity(count));
            all.push(sender.send_queued(body.clone()).await?);
            let before = resident();
            for _ in 0..count {
                all.push(sender.send_queued(body.clone()).await?);
            }
            tokio::time::sleep(crate::role::REST).await;
            took(before, count)
        }
    }
}
