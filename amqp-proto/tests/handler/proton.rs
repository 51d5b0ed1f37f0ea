//! Proton's introductory programs against a broker, in memory.

use amqp_proto::Connection;
use amqp_proto::config::Options;
use amqp_proto::handler::{Action, ConnectionToken, Dispatcher, Handler};
use amqp_proto::types::Moment;
use bytes::Buf;

use crate::programs::{Broker, Client, HelloWorld, Server, SimpleRecv, SimpleSend};

/// A broker, and the containers of programs connected to it.
struct Hub<'a> {
    broker: Dispatcher,
    far: Broker,
    programs: Vec<Program<'a>>,
}

struct Program<'a> {
    all: Dispatcher,
    handler: &'a mut dyn Handler,
    /// The program's connection, and the broker's.
    joined: Option<(ConnectionToken, ConnectionToken)>,
}

impl<'a> Hub<'a> {
    fn run(handlers: impl IntoIterator<Item = &'a mut dyn Handler>) -> Self {
        let mut hub = Self { broker: Dispatcher::new(), far: Broker::default(), programs: Vec::new() };
        for handler in handlers {
            let mut all = Dispatcher::new();
            all.start(Moment::START, handler);
            hub.programs.push(Program { all, handler, joined: None });
            hub.drive();
        }
        hub
    }

    fn drive(&mut self) {
        for _ in 0..100_000 {
            let mut went = false;
            for program in &mut self.programs {
                program.all.dispatch(Moment::START, program.handler);
                while let Some(Action::Connect { connection, .. }) = program.all.poll_action() {
                    let client = Connection::client(Options::new("program"), Moment::START);
                    program.all.connected(connection, client).unwrap();
                    let server = Connection::server(Options::new("broker"), Moment::START);
                    program.joined = Some((connection, self.broker.add(server).unwrap()));
                }
                let Some((here, there)) = program.joined else { continue };
                if let (Some(near), Some(far)) = (program.all.connection(here), self.broker.connection(there))
                {
                    went |= pump(near, far) | pump(far, near);
                }
            }
            self.broker.dispatch(Moment::START, &mut self.far);
            if !went {
                return;
            }
        }
        panic!("it never comes to rest");
    }
}

fn pump(from: &mut Connection, to: &mut Connection) -> bool {
    let octets = from.output().remaining();
    let octets = from.output().copy_to_bytes(octets);
    to.receive(Moment::START, &octets);
    !octets.is_empty()
}

/// The sender is closed right behind its only message, which the broker gets in one read.
#[test]
fn hello_world() {
    let mut hello = HelloWorld::default();
    Hub::run([&mut hello as &mut dyn Handler]);
    assert_eq!(hello.said, ["Hello World!"]);
}

#[test]
fn simple_send_and_simple_recv() {
    let mut send = SimpleSend { total: 500, ..SimpleSend::default() };
    let mut recv = SimpleRecv { expected: 500, ..SimpleRecv::default() };
    Hub::run([&mut send as &mut dyn Handler, &mut recv]);
    assert_eq!((send.sent, send.confirmed), (500, 500));
    let expected: Vec<_> = (1..=500).map(|number| format!("sequence {number}")).collect();
    assert_eq!(recv.received, expected);
}

/// T-CREDIT-06: the programs wait neither for credit nor for their links; their messages do.
#[test]
fn client_and_server() {
    let lines = ["Twas brillig, and the slithy toves", "Did gire and gymble in the wabe."];
    for server_first in [true, false] {
        let mut server = Server::default();
        let requests = lines.map(String::from).into();
        let mut client = Client { requests, ..Client::default() };
        match server_first {
            true => Hub::run([&mut server as &mut dyn Handler, &mut client]),
            false => Hub::run([&mut client as &mut dyn Handler, &mut server]),
        };
        let expected = lines.map(|line| format!("{line} => {}", line.to_uppercase()));
        assert_eq!(client.answers, expected);
        assert_eq!(server.senders.len(), 1);
    }
}
