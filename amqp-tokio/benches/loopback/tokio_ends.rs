//! The ends on tokio.

use std::collections::VecDeque;
use std::future::Future;
use std::time::Instant;

use amqp_tokio::config::ReceiverOptions;
use amqp_tokio::{Connection, Error, Listener, OfferedLink, Outgoing, Sender};

use crate::end::{Mode, Receiving, Report, Sending, Shape, WINDOW};

/// Runs the work on the threads of the given shape.
fn block_on<F: Future<Output = Result<(), Error>> + Send + 'static>(shape: Shape, work: F) {
    let runtime = runtime(shape);
    let done = match shape {
        Shape::Worker => runtime.block_on(runtime.spawn(work)).expect("it does not panic"),
        _ => runtime.block_on(work),
    };
    done.expect("the other end behaves");
}

/// Returns the runtime of a shape on tokio.
pub(crate) fn runtime(shape: Shape) -> tokio::runtime::Runtime {
    let mut builder = match shape {
        Shape::Current => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    builder.enable_all().build().expect("a runtime")
}

pub(crate) fn send(options: &Sending) {
    let options = options.clone();
    block_on(options.shape, async move {
        let connection = Connection::open(&format!("amqp://127.0.0.1:{}", options.port)).await?;
        let sender = connection.sender("q").await?;
        sender.sendable().await?;
        let mut report = Report::begin();
        match options.mode {
            Mode::Lat => one_by_one(&options, &sender, &mut report).await?,
            Mode::Ack | Mode::Pre => many(&options, &sender).await?,
        }
        report.end(&options);
        connection.close().await
    });
}

async fn one_by_one(options: &Sending, sender: &Sender, report: &mut Report) -> Result<(), Error> {
    let body = options.body();
    for _ in 0..options.messages {
        let start = Instant::now();
        sender.send(body.clone()).await?.accepted()?;
        report.took(start);
    }
    Ok(())
}

async fn many(options: &Sending, sender: &Sender) -> Result<(), Error> {
    let body = options.body();
    let mut waiting: VecDeque<amqp_tokio::Sent> = VecDeque::with_capacity(WINDOW);
    for at in 0..options.messages {
        let message = Outgoing::from(body.clone()).with_settled(options.is_settled(at));
        let sent = sender.send_queued(message).await?;
        if sent.is_settled() {
            continue;
        }
        if waiting.len() == WINDOW
            && let Some(sent) = waiting.pop_front()
        {
            sent.await?.accepted()?;
        }
        waiting.push_back(sent);
    }
    for sent in waiting {
        sent.await?.accepted()?;
    }
    Ok(())
}

pub(crate) fn receive(options: &Receiving) {
    let port = options.port;
    block_on(options.shape, async move {
        let listener = Listener::bind(("127.0.0.1", port)).await?;
        println!("LISTENING");
        let connection = listener.accept().await?.open().await?;
        let Some(session) = connection.next_session().await? else { return Ok(()) };
        let session = session.accept()?;
        while let Some(link) = session.next_link().await? {
            let OfferedLink::Receiver(link) = link else { continue };
            let receiver = link.accept_with(ReceiverOptions::new().with_prefetch(WINDOW as u32))?;
            while let Some(delivery) = receiver.recv().await? {
                std::hint::black_box(delivery.message()?.body()?);
                delivery.accept()?;
            }
        }
        Ok(())
    });
}
