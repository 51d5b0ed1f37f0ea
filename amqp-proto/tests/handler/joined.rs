//! Two containers joined in memory, with arbitrary handlers.

use std::collections::HashMap;

use amqp_proto::Connection;
use amqp_proto::config::Options;
use amqp_proto::handler::{Action, ConnectionToken, Dispatcher, Handler};
use amqp_proto::types::Moment;
use bytes::Buf;

/// A client's container and a server's, which accepts each connection that the client makes to an `amqp` URL.
pub(crate) struct Joined<C, S> {
    pub(crate) now: Moment,
    pub(crate) client: Dispatcher,
    pub(crate) near: C,
    pub(crate) server: Dispatcher,
    pub(crate) far: S,
    joined: HashMap<ConnectionToken, ConnectionToken>,
}

impl<C: Handler, S: Handler> Joined<C, S> {
    /// Starts both handlers.
    pub(crate) fn new(near: C, far: S) -> Self {
        let (client, server) = (Dispatcher::new(), Dispatcher::new());
        let mut all = Self { now: Moment::START, client, near, server, far, joined: HashMap::new() };
        all.client.start(all.now, &mut all.near);
        all.server.start(all.now, &mut all.far);
        all
    }

    /// Moves octets, and makes and removes connections, until nothing more happens.
    pub(crate) fn drive(&mut self) {
        for _ in 0..10_000 {
            self.client.dispatch(self.now, &mut self.near);
            self.server.dispatch(self.now, &mut self.far);
            let mut went = self.answer_requests();
            for (here, there) in self.joined.clone() {
                went |= self.carry(here, there);
            }
            let is_due = |all: &Dispatcher| all.next_deadline().is_some_and(|at| at <= self.now);
            if !went && !is_due(&self.client) && !is_due(&self.server) {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    /// Breaks the transports of all connections.
    pub(crate) fn cut(&mut self) {
        for (here, there) in &self.joined {
            self.client.connection(*here).unwrap().end_of_input();
            self.server.connection(*there).unwrap().end_of_input();
        }
    }

    fn answer_requests(&mut self) -> bool {
        let mut any = false;
        while let Some(request) = self.client.poll_action() {
            any = true;
            match request {
                Action::Connect { connection, url } if url.starts_with("amqp://") => {
                    let client = Connection::client(Options::new("client"), self.now);
                    if self.client.connected(connection, client).is_ok() {
                        let server = Connection::server(Options::new("server"), self.now);
                        self.joined.insert(connection, self.server.add(server).unwrap());
                    }
                }
                Action::Connect { connection, url } => self.client.not_connected(connection, url),
                Action::Listen { listener, address } => self.client.not_listening(listener, address),
                _ => {}
            }
        }
        any
    }

    fn carry(&mut self, here: ConnectionToken, there: ConnectionToken) -> bool {
        let (Some(client), Some(server)) = (self.client.connection(here), self.server.connection(there))
        else {
            return false;
        };
        let went = pump(self.now, client, server) | pump(self.now, server, client);
        if client.is_over() && server.is_over() && !went {
            self.client.dispatch(self.now, &mut self.near);
            self.server.dispatch(self.now, &mut self.far);
            self.client.remove(here);
            self.server.remove(there);
            self.joined.remove(&here);
        }
        went
    }
}

/// Moves all output of one connection to the other.
fn pump(now: Moment, from: &mut Connection, to: &mut Connection) -> bool {
    let octets = from.output().remaining();
    let octets = from.output().copy_to_bytes(octets);
    to.receive(now, &octets);
    !octets.is_empty()
}
