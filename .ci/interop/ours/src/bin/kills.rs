//! Sends to a queue and receives from it, over two connections that live through the losses of their server, until a file
//! appears. `bash .ci/interop/kills` starts the server and this program, and kills the server again and again.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use amqp_proto::client::{ConnectionOptions, Error};
use amqp_proto::message::Message;
use amqp_proto::policy::{Backoff, Reconnect, Recovery};
use amqp_proto::wire::{MessageId, Outcome};
use anyhow::{Context, bail, ensure};
use clap::{Parser, ValueEnum};

/// The number of messages that are on the way.
const WINDOW: usize = 50;
/// The pause after each message, so that the numbers of messages stay small.
const PAUSE: Duration = Duration::from_millis(2);
/// The greatest time from the end of the sending to the last message.
const LONGEST: Duration = Duration::from_secs(120);

/// Sends messages to a queue and receives them, at the same time, until a file appears.
#[derive(Debug, Clone, Parser)]
struct Arguments {
    url: String,
    /// The address of the queue.
    address: String,
    #[arg(long, value_enum)]
    client: Client,
    /// The file that ends the sending.
    #[arg(long)]
    until: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Client {
    Tokio,
    Blocking,
}

/// The numbers of messages and of what became of them. A message has its number as message-id.
#[derive(Debug, Default)]
struct Sending {
    /// The numbers that are given to messages so far.
    numbers: u64,
    accepted: u64,
    /// The outcomes released and modified, after which this program has sent the message again.
    released: u64,
}

impl Sending {
    fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers - 1
    }

    /// Records an outcome, and returns the message that is to be sent again.
    fn record(&mut self, number: u64, outcome: Result<Outcome, Error>) -> anyhow::Result<Option<u64>> {
        match outcome {
            Ok(Outcome::Accepted) => {
                self.accepted += 1;
                if self.accepted.is_multiple_of(50) {
                    println!("{} accepted", self.accepted);
                }
                Ok(None)
            }
            // The queue has no leader.
            Ok(Outcome::Released | Outcome::Modified(_)) => {
                self.released += 1;
                Ok(Some(number))
            }
            Ok(other) => bail!("message {number} was {other:?}"),
            Err(error) => Err(error).with_context(|| format!("message {number}")),
        }
    }
}

/// The messages that came.
#[derive(Debug, Default)]
struct Receiving {
    ids: BTreeSet<u64>,
    doubles: u64,
}

impl Receiving {
    fn add(&mut self, id: Option<MessageId>) -> anyhow::Result<()> {
        let Some(MessageId::Ulong(id)) = id else { bail!("a message with the id {id:?}") };
        if !self.ids.insert(id) {
            self.doubles += 1;
        }
        Ok(())
    }
}

/// The number of all messages, once it is known.
type Total = Arc<AtomicU64>;

fn is_complete(seen: &Receiving, total: &AtomicU64) -> bool {
    seen.ids.len() as u64 == total.load(Ordering::SeqCst)
}

impl Arguments {
    fn is_over(&self) -> bool {
        self.until.exists()
    }
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let total = Total::new(AtomicU64::new(u64::MAX));
    // A receiver that misses a message would wait for ever.
    let until = arguments.until.clone();
    std::thread::spawn(move || {
        while !until.exists() {
            std::thread::sleep(Duration::from_millis(100));
        }
        std::thread::sleep(LONGEST);
        eprintln!("not done {} s after the last message", LONGEST.as_secs());
        std::process::exit(1);
    });
    let (sent, seen) = match arguments.client {
        Client::Tokio => tokio::runtime::Runtime::new()?.block_on(on_tokio::run(&arguments, &total))?,
        Client::Blocking => on_blocking::run(&arguments, &total)?,
    };
    ensure!(sent.accepted == sent.numbers, "{} of {} messages were accepted", sent.accepted, sent.numbers);
    let lost = (0..sent.numbers).filter(|number| !seen.ids.contains(number)).count();
    println!(
        "{} messages accepted, {lost} lost, {} came again, {} were given back",
        sent.accepted, seen.doubles, sent.released
    );
    Ok(if lost == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Returns the options of a connection that is opened again soon after its server is there again.
fn options() -> ConnectionOptions {
    let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
    ConnectionOptions::new().with_reconnect(Reconnect::new().with_backoff(backoff))
}

fn message(number: u64) -> Message {
    Message::from(format!("job {number}")).with_message_id(number).with_durable(true)
}

mod on_tokio {
    use std::collections::VecDeque;
    use std::sync::atomic::Ordering;

    use amqp_tokio::{Connection, Error};

    use super::{
        Arguments, PAUSE, Receiving, Recovery, Sending, Total, WINDOW, is_complete, message, options,
    };

    pub(super) async fn run(arguments: &Arguments, total: &Total) -> anyhow::Result<(Sending, Receiving)> {
        let receiver = tokio::spawn(receive(arguments.clone(), Total::clone(total)));
        let sent = send(arguments, total).await?;
        Ok((sent, receiver.await??))
    }

    async fn send(arguments: &Arguments, total: &Total) -> anyhow::Result<Sending> {
        let connection = Connection::open_with(&arguments.url, options()).await?;
        let sender = connection.sender(&*arguments.address).with_recovery(Recovery::Replay).await?;
        let (mut sending, mut on_the_way, mut again) = (Sending::default(), VecDeque::new(), None);
        loop {
            let is_over = arguments.is_over();
            let number = match again.take() {
                None if !is_over => Some(sending.next_number()),
                again => again,
            };
            if let Some(number) = number {
                on_the_way.push_back((number, sender.send_queued(message(number)).await?));
                tokio::time::sleep(PAUSE).await;
            }
            if is_over || on_the_way.len() >= WINDOW {
                let Some((number, sent)) = on_the_way.pop_front() else { break };
                again = sending.record(number, sent.outcome().await)?;
            }
        }
        // The receiver, which may have all others, learns the total by one more.
        let last = sending.next_number();
        total.store(sending.numbers, Ordering::SeqCst);
        let mut again = Some(last);
        while let Some(number) = again {
            again = sending.record(number, sender.send(message(number)).await)?;
        }
        connection.close().await?;
        Ok(sending)
    }

    async fn receive(arguments: Arguments, total: Total) -> anyhow::Result<Receiving> {
        let connection = Connection::open_with(&arguments.url, options()).await?;
        let receiver = connection.receiver(&*arguments.address).await?;
        let mut seen = Receiving::default();
        while !is_complete(&seen, &total)
            && let Some(delivery) = receiver.recv().await?
        {
            seen.add(delivery.message()?.properties()?.message_id)?;
            match delivery.accept() {
                // It comes again, since its connection is gone.
                Ok(()) | Err(Error::Gone) => {}
                Err(error) => return Err(error.into()),
            }
        }
        connection.close().await?;
        Ok(seen)
    }
}

mod on_blocking {
    use std::collections::VecDeque;
    use std::sync::atomic::Ordering;
    use std::thread;

    use amqp_blocking::{Connection, Error};

    use super::{
        Arguments, PAUSE, Receiving, Recovery, Sending, Total, WINDOW, is_complete, message, options,
    };

    pub(super) fn run(arguments: &Arguments, total: &Total) -> anyhow::Result<(Sending, Receiving)> {
        // A thread that waits for messages does not keep the program from ending with the sender's error.
        let receiver = {
            let (arguments, total) = (arguments.clone(), Total::clone(total));
            thread::spawn(move || receive(&arguments, &total))
        };
        let sent = send(arguments, total)?;
        let seen = receiver.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the receiver has panicked")))?;
        Ok((sent, seen))
    }

    fn send(arguments: &Arguments, total: &Total) -> anyhow::Result<Sending> {
        let connection = Connection::open_with(&arguments.url, options())?;
        let sender = connection.sender(&*arguments.address).with_recovery(Recovery::Replay).attach()?;
        let (mut sending, mut on_the_way, mut again) = (Sending::default(), VecDeque::new(), None);
        loop {
            let is_over = arguments.is_over();
            let number = match again.take() {
                None if !is_over => Some(sending.next_number()),
                again => again,
            };
            if let Some(number) = number {
                on_the_way.push_back((number, sender.send_queued(message(number))?));
                thread::sleep(PAUSE);
            }
            if is_over || on_the_way.len() >= WINDOW {
                let Some((number, sent)) = on_the_way.pop_front() else { break };
                again = sending.record(number, sent.outcome())?;
            }
        }
        let last = sending.next_number();
        total.store(sending.numbers, Ordering::SeqCst);
        let mut again = Some(last);
        while let Some(number) = again {
            again = sending.record(number, sender.send(message(number)))?;
        }
        connection.close()?;
        Ok(sending)
    }

    fn receive(arguments: &Arguments, total: &Total) -> anyhow::Result<Receiving> {
        let connection = Connection::open_with(&arguments.url, options())?;
        let receiver = connection.receiver(&*arguments.address).attach()?;
        let mut seen = Receiving::default();
        while !is_complete(&seen, total)
            && let Some(delivery) = receiver.recv()?
        {
            seen.add(delivery.message()?.properties()?.message_id)?;
            match delivery.accept() {
                Ok(()) | Err(Error::Gone) => {}
                Err(error) => return Err(error.into()),
            }
        }
        connection.close()?;
        Ok(seen)
    }
}
