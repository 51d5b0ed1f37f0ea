//! Sends each message exactly once, although the sending process is killed: it saves the state of its link in a file, and
//! goes on from there [2.6.13].
//!
//! ```text
//! cargo run -p amqp-tokio --example exactly_once
//! ```
//!
//! The program is a broker that keeps the state of links. It starts a child process that sends, kills it three times in
//! mid-stream, and starts it again.
//!
//! The order of steps is what makes it exact. A message is in the file before it is sent, so that a new process knows that
//! the broker may have it. It is out of the file before it is settled, so that the broker knows its outcome for as long as
//! a new process may ask.

use std::collections::{BTreeMap, VecDeque};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;
use std::{env, fs, process};

use amqp_tokio::broker::Broker;
use amqp_tokio::bytes::{Buf, Bytes};
use amqp_tokio::message::{Message, MessageView};
use amqp_tokio::policy::Recovery;
use amqp_tokio::types::{DeliveryTag, Limits};
use amqp_tokio::wire::{ExpiryPolicy, Outcome, ReceiverSettleMode};
use amqp_tokio::{Connection, ConnectionOptions, LinkState, Resumed, Sender};
use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use tokio::time::sleep;

/// The number of messages.
const MESSAGES: u32 = 1_000;
/// The numbers of messages at the broker after which the sender is killed.
const KILLS: [usize; 3] = [200, 450, 700];
/// The most messages without an outcome.
const UNSETTLED: usize = 20;
/// The time for which the broker keeps the state of a link that is not attached.
const KEPT: Duration = Duration::from_secs(60);

/// The file: the number of the next message, and the state of the link.
struct Journal {
    file: PathBuf,
    next: u32,
}

impl Journal {
    /// Goes on from a file, or begins if there is none.
    fn load(file: &Path) -> Result<(Self, Option<LinkState>)> {
        let octets = match fs::read(file) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok((Self { file: file.into(), next: 0 }, None));
            }
            octets => octets?,
        };
        let mut octets = Bytes::from(octets);
        let next = octets.try_get_u32()?;
        let state = LinkState::from_bytes(octets, &Limits::DEFAULT)?;
        Ok((Self { file: file.into(), next }, Some(state)))
    }

    /// Replaces the file in one step, so that a process that is killed here leaves the old one. To live through the loss
    /// of the machine's power, too, call `File::sync_all` before the rename, and on the folder after it.
    fn save(&self, state: &LinkState) -> Result<()> {
        let mut octets = self.next.to_be_bytes().to_vec();
        octets.extend_from_slice(&state.to_bytes()?);
        let new = self.file.with_extension("new");
        fs::write(&new, &octets)?;
        Ok(fs::rename(&new, &self.file)?)
    }

    /// Saves a message that is about to be sent. Returns its tag.
    fn begin(&mut self, jobs: &Sender, message: &Message) -> Result<DeliveryTag> {
        let tag = DeliveryTag::from(self.next);
        let mut state = jobs.link_state().context("the link cannot be resumed")?;
        ensure!(state.add_message(tag, message.to_payload()?), "the tag {tag:?} is in use");
        self.next += 1;
        self.save(&state)?;
        Ok(tag)
    }

    /// Saves that a message has its outcome.
    fn end(&self, jobs: &Sender, tag: &DeliveryTag, outcome: Option<&Outcome>) -> Result<()> {
        ensure!(outcome == Some(&Outcome::Accepted), "the message {tag:?} is not accepted: {outcome:?}");
        let mut state = jobs.link_state().context("the link cannot be resumed")?;
        state.forget(tag);
        self.save(&state)
    }
}

async fn send(url: &str, file: &Path) -> Result<()> {
    let (mut journal, state) = Journal::load(file)?;
    // The broker knows the link by the name of its container, and by its own.
    let options = ConnectionOptions::new().with_container_id("sender");
    let connection = Connection::open_with(url, options).await?;
    let builder = connection.sender("jobs").with_name("jobs").with_recovery(Recovery::Resume);
    let builder = builder.with_expiry(ExpiryPolicy::Never, KEPT).with_auto_settle(false);
    let builder = builder.with_rcv_settle_mode(ReceiverSettleMode::Second);
    let mut left = state.as_ref().map_or(0, |state| state.deliveries().len());
    let jobs = match state {
        Some(state) => builder.with_state(state).await?,
        None => builder.await?,
    };
    // The messages of the process before this one go on first.
    let mut keys = BTreeMap::new();
    while left > 0 {
        match jobs.next_resumed().await? {
            Resumed::Continued { tag, delivery, .. } => drop(keys.insert(tag, delivery)),
            Resumed::Over { tag, outcome } => {
                left -= 1;
                journal.end(&jobs, &tag, outcome.as_ref())?;
                if let Some(key) = keys.remove(&tag) {
                    jobs.settle(key)?;
                }
            }
            other => bail!("unknown news: {other:?}"),
        }
    }
    let mut sent = VecDeque::new();
    loop {
        while journal.next < MESSAGES && sent.len() < UNSETTLED {
            let message = Message::from(journal.next.to_string());
            let tag = journal.begin(&jobs, &message)?;
            let message = amqp_tokio::Outgoing::from(message).with_tag(tag);
            sent.push_back((tag, jobs.send_queued(message).await?));
        }
        let Some((tag, oldest)) = sent.pop_front() else { break };
        let outcome = oldest.outcome().await?;
        journal.end(&jobs, &tag, Some(&outcome))?;
        oldest.settle()?;
    }
    Ok(connection.close().await?)
}

fn start(url: &str, file: &Path) -> Result<Child> {
    Ok(Command::new(env::current_exe()?).arg(url).arg(file).spawn()?)
}

/// Returns the numbers of the messages at the broker.
fn numbers(broker: &Broker) -> Result<Vec<u32>> {
    let number = |message| -> Result<u32> {
        let view = MessageView::new(message, &Limits::DEFAULT)?;
        Ok(view.body()?.as_str().context("not a text")?.parse()?)
    };
    broker.messages("jobs").into_iter().map(number).collect()
}

async fn serve(file: &Path) -> Result<()> {
    let broker = Broker::new()?;
    let url = broker.listen("127.0.0.1:0").await?;
    for kill in KILLS {
        let mut sender = start(&url, file)?;
        while broker.len("jobs") < kill {
            if let Some(status) = sender.try_wait()? {
                bail!("the sender has failed: {status}");
            }
            sleep(Duration::from_millis(1)).await;
        }
        sender.kill()?;
        sender.wait()?;
    }
    let mut sender = start(&url, file)?;
    let status = loop {
        match sender.try_wait()? {
            Some(status) => break status,
            None => sleep(Duration::from_millis(5)).await,
        }
    };
    ensure!(status.success(), "the sender has failed: {status}");
    let mut came = numbers(&broker)?;
    came.sort_unstable();
    println!("the sender was killed {} times", KILLS.len());
    ensure!(came.iter().copied().eq(0..MESSAGES), "{} messages came, and not each once", came.len());
    println!("each of {MESSAGES} messages came once");
    Ok(())
}

/// Sends each message exactly once, although the sending process is killed.
#[derive(Parser)]
struct Options {
    /// The URL of the broker, for the child process that sends.
    #[arg(hide = true, requires = "file")]
    url: Option<String>,
    /// The file of the child process.
    #[arg(hide = true)]
    file: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    if let (Some(url), Some(file)) = (options.url, options.file) {
        return send(&url, &file).await;
    }
    let file = env::temp_dir().join(format!("amqp-exactly-once-{}", process::id()));
    let done = serve(&file).await;
    let _ = fs::remove_file(&file);
    done
}
