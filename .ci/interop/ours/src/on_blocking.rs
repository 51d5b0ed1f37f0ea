//! The cases' [`Client`](client::Client) on `amqp-blocking`.

use amqp_blocking::{Connection, Delivery, Outgoing, Receiver, Sender, Sent, Session, Transaction};
use amqp_proto::message::{Message, MessageView};
use amqp_proto::types::{DeliveryKey, Str};
use amqp_proto::wire::{AmqpError, Open, Outcome};

use crate::builders::{end_delivery, receiver_builder, sender_builder};
use crate::client::{self, Opening, Receiving, Sending};
use crate::failure::{Done, Failure};
use crate::limits::NOT_SETTLED;

pub(crate) struct Blocking;

impl client::Client for Blocking {
    const NAME: &'static str = "blocking";
    type Connection = Connection;

    async fn open(opening: Opening) -> Done<Connection> {
        Ok(Connection::open_with(&opening.url, opening.options)?)
    }
}

impl client::Connection for Connection {
    type Session = Session;
    type Sender = Sender;
    type Receiver = Receiver;

    async fn session(&self) -> Done<Session> {
        Ok(self.session()?)
    }

    async fn sender(&self, sending: Sending) -> Done<Sender> {
        Ok(sender_builder!(self, sending).attach()?)
    }

    async fn receiver(&self, receiving: Receiving) -> Done<Receiver> {
        Ok(receiver_builder!(self, receiving).attach()?)
    }

    fn peer_open(&self) -> Option<Open> {
        (**self).peer_open()
    }

    async fn close(&self) -> Done {
        Ok(self.close()?)
    }

    async fn close_with(&self, error: AmqpError) -> Done {
        Ok(self.close_with(error)?)
    }
}

impl client::Session for Session {
    type Sender = Sender;
    type Receiver = Receiver;
    type Transaction = Transaction;

    async fn transaction(&self) -> Done<Transaction> {
        Ok(self.transaction()?)
    }

    async fn sender(&self, sending: Sending) -> Done<Sender> {
        Ok(sender_builder!(self, sending).attach()?)
    }

    async fn receiver(&self, receiving: Receiving) -> Done<Receiver> {
        Ok(receiver_builder!(self, receiving).attach()?)
    }

    async fn end(&self) -> Done {
        Ok(self.end()?)
    }
}

impl client::Transaction for Transaction {
    type Sender = Sender;
    type Delivery = Delivery;

    async fn send(&self, sender: &Sender, message: Message) -> Done<Outcome> {
        Ok(self.send(sender, message)?)
    }

    fn accept(&self, delivery: Delivery) -> Done {
        Ok((**self).accept(delivery)?)
    }

    async fn commit(self) -> Done {
        Ok(self.commit()?)
    }

    async fn rollback(self) -> Done {
        Ok(self.rollback()?)
    }
}

impl client::Sender for Sender {
    type Sent = Sent;

    async fn send(&self, message: Message) -> Done<Outcome> {
        Ok(self.send(message)?)
    }

    async fn send_queued(&self, message: Message) -> Done<Sent> {
        Ok(self.send_queued(message)?)
    }

    async fn send_settled(&self, message: Message) -> Done<Sent> {
        Ok(self.send_queued(Outgoing::from(message).with_settled(true))?)
    }

    fn address(&self) -> Option<Str> {
        (**self).address()
    }

    async fn close(&self) -> Done {
        Ok(self.close()?)
    }

    async fn close_with(&self, error: AmqpError) -> Done {
        Ok(self.close_with(error)?)
    }
}

impl client::Sent for Sent {
    async fn outcome(&mut self) -> Done<Outcome> {
        Ok(Self::outcome(self)?)
    }

    fn settle(self) -> Done {
        Ok((*self).settle()?)
    }
}

impl client::Receiver for Receiver {
    type Delivery = Delivery;

    async fn recv(&self) -> Done<Option<Delivery>> {
        Ok(self.recv()?)
    }

    fn try_recv(&self) -> Done<Option<Delivery>> {
        Ok((**self).try_recv()?)
    }

    fn set_credit(&self, messages: u32) -> Done {
        Ok((**self).set_credit(messages)?)
    }

    fn credit(&self) -> u32 {
        (**self).credit()
    }

    async fn settled(&self, delivery: DeliveryKey) -> Done {
        match self.settled(delivery) {
            Err(amqp_blocking::Error::TimedOut) => Err(Failure::wrong(NOT_SETTLED)),
            settled => Ok(settled?),
        }
    }

    async fn drain(&self) -> Done {
        Ok(self.drain()?)
    }

    fn address(&self) -> Option<Str> {
        (**self).address()
    }

    async fn close(&self) -> Done {
        Ok(self.close()?)
    }

    async fn close_with(&self, error: AmqpError) -> Done {
        Ok(self.close_with(error)?)
    }
}

impl client::Delivery for Delivery {
    fn message(&self) -> Done<MessageView> {
        Ok(self.message()?)
    }

    fn is_settled(&self) -> bool {
        self.is_settled()
    }

    fn key(&self) -> DeliveryKey {
        self.key()
    }

    fn end(self, outcome: Outcome) -> Done {
        end_delivery!(self, outcome)
    }
}
