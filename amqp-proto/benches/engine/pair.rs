//! Two engines joined in memory: the output of each is copied to the input of the other.

use amqp_proto::codec::{Entries, ValueRef};
use amqp_proto::config::{Options, ReceiverOptions, SenderOptions, SessionOptions};
use amqp_proto::message::Payload;
use amqp_proto::types::{Limits, LinkKey, Moment, ReceiverKey, SenderKey};
use amqp_proto::wire::SectionKind;
use amqp_proto::{Connection, Event, SenderMut};
use bytes::{Buf, BufMut};
use std::hint::black_box;

pub(crate) struct Pair {
    pub(crate) client: Connection,
    pub(crate) server: Connection,
    pub(crate) senders: Vec<SenderKey>,
    receivers: Vec<ReceiverKey>,
    /// The number of settled deliveries.
    sent: u64,
    done: u64,
    /// True if every section of a message is read.
    pub(crate) reads_all: bool,
    /// The link whose messages stay unsettled.
    idle: Option<ReceiverKey>,
}

fn options(name: &'static str, memory: u64) -> Options {
    let limits = Limits::default()
        .with_memory(memory)
        .with_links(u32::MAX)
        .with_handle_max(u32::MAX)
        .with_unsettled(u32::MAX)
        .with_session_frames(1 << 20)
        .with_session_octets(1 << 36);
    Options::new(name).with_limits(limits)
}

/// The octets moved at a time, like a TCP segment over Ethernet.
const SEGMENT: usize = 1460;

/// Moves all output of one end to the other, which handles its events after each portion.
fn carry(from: &mut Connection, to: &mut Connection, mut told: impl FnMut(&mut Connection, Event)) -> bool {
    let mut output = from.output();
    let moved = output.has_remaining();
    while output.has_remaining() {
        let mut room = to.input();
        let octets = room.remaining_mut().min(output.chunk().len()).min(SEGMENT);
        room.put_slice(&output.chunk()[..octets]);
        output.advance(octets);
        to.received(Moment::START);
        while let Some(event) = to.poll_event() {
            told(to, event);
        }
    }
    moved
}

impl Pair {
    /// A pair with one link, and as much memory as is usual.
    pub(crate) fn new(window: u32) -> Self {
        Self::with_memory(window, 1, Limits::DEFAULT.memory())
    }

    /// A pair with this number of links, each with a prefetch of `window`, and memory for a million of them.
    pub(crate) fn with_links(window: u32, links: usize) -> Self {
        Self::with_memory(window, links, 4 << 30)
    }

    fn with_memory(window: u32, links: usize, memory: u64) -> Self {
        let mut pair = Self {
            client: Connection::client(options("client", memory), Moment::START),
            server: Connection::server(options("server", memory), Moment::START),
            senders: Vec::new(),
            receivers: Vec::new(),
            sent: 0,
            done: 0,
            reads_all: false,
            idle: None,
        };
        pair.drive(window);
        let session = pair.client.begin(SessionOptions::new()).expect("an open connection");
        for link in 0..links {
            let mut session = pair.client.session(session).expect("a session");
            let sender = session.attach_sender(format!("link-{link}"), SenderOptions::to("queue"));
            pair.senders.push(sender.expect("a link"));
            if link % 64 == 0 {
                pair.drive(window);
            }
        }
        pair.drive(window);
        pair
    }

    /// Moves octets and handles events until nothing is left.
    pub(crate) fn drive(&mut self, window: u32) {
        while self.turn(window) {}
    }

    /// Moves the output of both ends. Returns whether there was any.
    fn turn(&mut self, window: u32) -> bool {
        let Self { client, server, receivers, done, reads_all, idle, .. } = self;
        let mut taker = Taker { window, receivers, done, reads_all: *reads_all, idle: *idle };
        let moved = carry(client, server, |server, event| taker.on_event(server, &event));
        let done = &mut self.done;
        let back = carry(&mut self.server, &mut self.client, |_, event| {
            *done += u64::from(matches!(event, Event::Updated { settled: true, .. }));
        });
        moved || back
    }

    /// Sends this number of messages, on all links in turn, until all are settled.
    pub(crate) fn exchange(&mut self, times: u64, mut send: impl FnMut(&mut SenderMut<'_>) -> bool) {
        let end = self.sent + times;
        let mut next = 0;
        while self.done < end {
            let mut refused = 0;
            while self.sent < end && refused < self.senders.len().min(2) {
                let mut sender = self.client.sender(self.senders[next]).expect("a link");
                next = (next + 1) % self.senders.len();
                if send(&mut sender) {
                    self.sent += 1;
                    refused = 0;
                } else {
                    refused += 1;
                }
                if self.sent.is_multiple_of(128) {
                    break;
                }
            }
            self.turn(100);
        }
    }

    /// Sends this number of messages on the first link, which stay unsettled, and stops using that link.
    pub(crate) fn pile_up(&mut self, count: u32, payload: &Payload) {
        self.idle = Some(self.receivers[0]);
        self.server.receiver(self.receivers[0]).expect("a link").set_credit(count).expect("attached");
        let options = amqp_proto::config::SendOptions::new();
        let mut sent = 0;
        while sent < count {
            let mut sender = self.client.sender(self.senders[0]).expect("a link");
            while sent < count && sender.send_payload(payload, &options).is_ok() {
                sent += 1;
            }
            self.drive(100);
        }
        self.senders.remove(0);
    }
}

/// The application of the server.
struct Taker<'a> {
    window: u32,
    receivers: &'a mut Vec<ReceiverKey>,
    done: &'a mut u64,
    reads_all: bool,
    idle: Option<ReceiverKey>,
}

impl Taker<'_> {
    fn on_event(&mut self, server: &mut Connection, event: &Event) {
        match *event {
            Event::Message { receiver, .. } => self.take(server, receiver),
            Event::SessionOffered(session) => {
                let mut session = server.session(session).expect("a session");
                session.accept(SessionOptions::new()).expect("an offer");
            }
            Event::LinkOffered(LinkKey::Receiver(link)) => {
                let mut receiver = server.receiver(link).expect("a link");
                receiver.accept_link(ReceiverOptions::new().with_prefetch(self.window)).expect("an offer");
                self.receivers.push(link);
            }
            _ => {}
        }
    }

    #[inline(never)] // else what is inlined into the callers depends on what the engine has inlined here
    fn take(&mut self, server: &mut Connection, receiver: ReceiverKey) {
        let mut link = server.receiver(receiver).expect("a link");
        let delivery = link.receive().expect("a message");
        if self.reads_all {
            read(&delivery);
        }
        if delivery.is_settled() {
            *self.done += 1;
        } else if Some(receiver) != self.idle {
            link.accept(delivery.key()).expect("an unsettled delivery");
        }
        let _ = black_box(delivery);
    }
}

/// Reads every section of a message in place.
fn read(delivery: &amqp_proto::Delivery) {
    let view = delivery.message().expect("a message");
    assert!(view.header().expect("a header").durable);
    black_box(view.properties().expect("properties"));
    let section = view.section(SectionKind::ApplicationProperties).expect("application-properties");
    for pair in Entries::new(&section).expect("a map") {
        let (key, value) = pair.expect("a pair");
        assert!(matches!(black_box(key), ValueRef::String(_)));
        black_box(value);
    }
    black_box(view.data().expect("data"));
}
