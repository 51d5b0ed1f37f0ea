//! A server with one queue, which outlives its connections.

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::adapter::{self, Task, spawn};
use crate::amqp::config::{ReceiverOptions, SenderOptions};
use crate::amqp::message::Message;
use crate::amqp::wire::{MessageId, Outcome};
use crate::amqp::{Acceptor, ConnectionOptions, Incoming, Listener, OfferedLink, Receiver, Sender, Session};

/// The server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) queue: Arc<Queue>,
    is_over: Arc<AtomicBool>,
    accepting: Task<()>,
}

/// The messages at the server, by number.
#[derive(Default)]
pub(crate) struct Queue(Mutex<Messages>);

#[derive(Default)]
struct Messages {
    waiting: VecDeque<usize>,
    /// The number of messages that a receiver has, and did not settle.
    on_the_way: usize,
    /// The journal: how often each message came. It is written before the message is accepted.
    came: Vec<u8>,
}

impl Queue {
    fn put(&self, number: usize) {
        let mut messages = self.0.lock().unwrap();
        let length = messages.came.len().max(number + 1);
        messages.came.resize(length, 0);
        messages.came[number] = messages.came[number].saturating_add(1);
        messages.waiting.push_back(number);
    }

    /// Takes messages out, at most ten.
    fn take(&self) -> Vec<usize> {
        let mut messages = self.0.lock().unwrap();
        let count = messages.waiting.len().min(10);
        messages.on_the_way += count;
        messages.waiting.drain(..count).collect()
    }

    /// Puts a message back, unless a receiver has accepted it.
    fn settle(&self, number: usize, is_accepted: bool) {
        let mut messages = self.0.lock().unwrap();
        messages.on_the_way -= 1;
        if !is_accepted {
            messages.waiting.push_front(number);
        }
    }

    /// Returns `true` if receivers have accepted all messages.
    pub(crate) fn is_empty(&self) -> bool {
        let messages = self.0.lock().unwrap();
        messages.waiting.is_empty() && messages.on_the_way == 0
    }

    /// Returns the journal.
    pub(crate) fn came(&self) -> Vec<u8> {
        self.0.lock().unwrap().came.clone()
    }
}

/// Returns the options of a connection whose end soon learns that the other one is silent.
pub(crate) fn impatient() -> ConnectionOptions {
    let patience = Duration::from_secs(1);
    ConnectionOptions::new()
        .with_idle_timeout(patience)
        .with_open_timeout(3 * patience)
        .with_connect_timeout(3 * patience)
}

#[adapter::helper]
impl Server {
    pub(crate) async fn start() -> Self {
        let listener = Listener::bind_with("127.0.0.1:0", Acceptor::new(impatient())).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (queue, is_over) = (Arc::<Queue>::default(), Arc::<AtomicBool>::default());
        let state = (Arc::clone(&queue), Arc::clone(&is_over));
        let accepting = spawn(async move {
            while !state.1.load(Ordering::SeqCst) {
                // The proxy may have closed it meanwhile.
                if let Ok(incoming) = listener.accept().await {
                    let queue = Arc::clone(&state.0);
                    let _ = spawn(async move { serve(incoming, queue).await });
                }
            }
        });
        Self { address, queue, is_over, accepting }
    }

    pub(crate) async fn stop(self) {
        self.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address).unwrap();
        self.accepting.join().await.unwrap();
    }
}

/// Serves a client until its connection is over.
#[adapter::helper]
async fn serve(incoming: Incoming, queue: Arc<Queue>) {
    let Ok(connection) = incoming.open().await else { return };
    while let Ok(Some(session)) = connection.next_session().await {
        if let Ok(session) = session.accept() {
            let queue = Arc::clone(&queue);
            let _ = spawn(async move { serve_session(session, queue).await });
        }
    }
}

#[adapter::helper]
async fn serve_session(session: Session, queue: Arc<Queue>) {
    while let Ok(Some(link)) = session.next_link().await {
        let queue = Arc::clone(&queue);
        match link {
            OfferedLink::Receiver(link) => {
                if let Ok(receiver) = link.accept_with(ReceiverOptions::new().with_auto_accept(false)) {
                    let _ = spawn(async move { store(receiver, queue).await });
                }
            }
            OfferedLink::Sender(link) => {
                if let Ok(sender) = link.accept_with(SenderOptions::new()) {
                    let _ = spawn(async move { forward(sender, queue).await });
                }
            }
        }
    }
}

/// Puts messages into the queue.
#[adapter::helper]
async fn store(receiver: Receiver, queue: Arc<Queue>) {
    while let Ok(Some(delivery)) = receiver.recv().await {
        queue.put(number_of(delivery.message().unwrap().properties().unwrap().message_id));
        let _ = delivery.accept();
    }
}

/// Sends messages of the queue.
#[adapter::helper]
async fn forward(sender: Sender, queue: Arc<Queue>) {
    while sender.sendable().await.is_ok() {
        let numbers = queue.take();
        if numbers.is_empty() {
            crate::sleep(Duration::from_millis(2)).await;
        }
        let mut all = Vec::new();
        for number in numbers {
            all.push((number, sender.send_queued(message(number)).await));
        }
        for (number, sent) in all {
            let is_accepted = match sent {
                Ok(sent) => matches!(sent.outcome().await, Ok(Outcome::Accepted)),
                Err(_) => false,
            };
            queue.settle(number, is_accepted);
        }
    }
}

/// Makes a message. Its number is its message-id.
pub(crate) fn message(number: usize) -> Message {
    Message::from("some of the octets that are cut").with_message_id(number as u64)
}

pub(crate) fn number_of(id: Option<MessageId>) -> usize {
    let Some(MessageId::Ulong(number)) = id else { panic!("{id:?}") };
    usize::try_from(number).unwrap()
}
