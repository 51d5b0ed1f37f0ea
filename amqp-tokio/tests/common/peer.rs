//! A peer that writes its frames by hand.

use amqp_tokio::Connection;
use amqp_tokio::broker::Broker;
use amqp_tokio::message::{Message, Payload};
use amqp_tokio::proto::wire::Deframer;
use amqp_tokio::types::{Channel, DeliveryNumber, DeliveryTag, Handle, Limits, SequenceNo, TransferNumber};
use amqp_tokio::wire::{
    Attach, Begin, DeliveryState, Detach, Flow, Frame, Open, Performative, ProtocolHeader, Role, Source,
    Target, Transfer,
};
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::served::bounded;

const FRAME: u32 = 65_536;

/// A client of the broker with one session.
pub(crate) struct Peer {
    stream: DuplexStream,
    input: Deframer,
    output: BytesMut,
}

impl Peer {
    pub(crate) async fn connect(broker: &Broker) -> Self {
        Self::connect_with(broker, Open::new("by-hand".into())).await
    }

    pub(crate) async fn connect_with(broker: &Broker, open: Open) -> Self {
        let (near, far) = tokio::io::duplex(1 << 16);
        let (broker, acceptor) = (broker.clone(), broker.acceptor());
        tokio::spawn(async move { broker.serve_connection(Connection::accept(far, &acceptor).await?).await });
        let mut peer = Self { stream: near, input: Deframer::new(), output: BytesMut::new() };
        peer.output.extend_from_slice(&ProtocolHeader::AMQP.to_bytes());
        peer.put(open);
        peer.put(Begin::new(TransferNumber::new(0), 1 << 20, 1 << 20));
        peer.write().await;
        while peer.input.next_header().unwrap().is_none() {
            peer.read().await;
        }
        peer.until(|frame| matches!(frame, Performative::Begin(_))).await;
        peer
    }

    /// Adds a frame to the next write.
    pub(crate) fn put(&mut self, frame: impl Into<Performative>) {
        Frame::new(Channel::new(0), frame).encode(FRAME, &mut self.output).unwrap();
    }

    /// Adds a message in one frame.
    pub(crate) fn put_message(&mut self, id: u32, settled: bool, message: &Message) {
        self.put_transfer(id, settled, None, message);
    }

    /// Adds an unsettled message with a state.
    pub(crate) fn put_message_with(&mut self, id: u32, state: DeliveryState, message: &Message) {
        self.put_transfer(id, false, Some(state), message);
    }

    fn put_transfer(&mut self, id: u32, settled: bool, state: Option<DeliveryState>, message: &Message) {
        let transfer = Transfer {
            state,
            delivery_id: Some(DeliveryNumber::new(id)),
            delivery_tag: Some(DeliveryTag::from(id)),
            settled: Some(settled),
            ..Transfer::new(Handle::new(0))
        };
        let payload: Bytes = message.to_payload().unwrap().to_bytes();
        let performative = Performative::from(transfer);
        performative.encode_frame(Channel::new(0), payload.len(), FRAME, &mut self.output).unwrap();
        self.output.extend_from_slice(&payload);
    }

    /// Attaches a link on which the peer sends to a node, and waits for credit.
    pub(crate) async fn attach_sender(&mut self, address: &str) {
        self.put(attach("sending", Role::Sender, Source::default(), Target::at(address.to_owned())));
        self.write().await;
        self.until(|frame| matches!(frame, Performative::Flow(_))).await;
    }

    /// Attaches a link on which the peer receives from a node.
    pub(crate) async fn attach_receiver(&mut self, address: &str) {
        self.put(attach("receiving", Role::Receiver, Source::at(address.to_owned()), Target::default()));
        self.write().await;
        self.until(|frame| matches!(frame, Performative::Attach(_))).await;
    }

    /// Writes all frames at once, and returns the number of octets.
    pub(crate) async fn write(&mut self) -> usize {
        let octets = std::mem::take(&mut self.output);
        bounded(self.stream.write_all(&octets)).await.unwrap();
        octets.len()
    }

    async fn read(&mut self) {
        let octets = bounded(self.stream.read_buf(self.input.input())).await.unwrap();
        assert!(octets > 0, "the broker has hung up");
    }

    /// Waits for the next frame.
    pub(crate) async fn next(&mut self) -> (Performative, Payload) {
        loop {
            if let Some(raw) = self.input.next_frame(FRAME).unwrap() {
                match raw.decode(&Limits::DEFAULT).unwrap() {
                    Frame::Amqp { performative, payload, .. } => return (performative, payload.into()),
                    _ => continue,
                }
            }
            self.read().await;
        }
    }

    /// Waits for a frame of a kind. Returns it with all frames before it.
    pub(crate) async fn until(&mut self, is: impl Fn(&Performative) -> bool) -> Vec<Performative> {
        let mut frames = Vec::new();
        loop {
            let (frame, _) = self.next().await;
            let is_it = is(&frame);
            frames.push(frame);
            if is_it {
                return frames;
            }
        }
    }
}

/// Attaches a link with handle 0.
pub(crate) fn attach(name: &'static str, role: Role, source: Source, target: Target) -> Attach {
    Attach {
        source: Some(Box::new(source)),
        target: Some(Box::new(target.into())),
        initial_delivery_count: (role == Role::Sender).then_some(SequenceNo::new(0)),
        ..Attach::new(name.into(), Handle::new(0), role)
    }
}

/// Grants credit on the link, from this delivery-count on.
pub(crate) fn credit(count: u32, credit: u32, drain: bool) -> Flow {
    Flow {
        next_incoming_id: Some(TransferNumber::new(count)),
        handle: Some(Handle::new(0)),
        delivery_count: Some(SequenceNo::new(count)),
        link_credit: Some(credit),
        drain,
        ..Flow::new(1 << 20, TransferNumber::new(0), 1 << 20)
    }
}

/// Closes the link.
pub(crate) fn closing() -> Detach {
    Detach { closed: true, ..Detach::new(Handle::new(0)) }
}
