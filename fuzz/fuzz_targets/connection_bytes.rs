//! Fuzzes the input of a connection, at both ends, with an application that accepts everything.
#![no_main]

use amqp_proto::Connection;
use amqp_proto::config::{Options, ReceiverOptions, SenderOptions, SessionOptions};
use amqp_proto::sasl::{AnonymousServer, ServerSasl, TransportSecurity};
use amqp_proto::testing::auto_respond_in_pieces;
use amqp_proto::types::Moment;
use libfuzzer_sys::fuzz_target;

fn client() -> Connection {
    let mut client = Connection::client(Options::new("client"), Moment::START);
    let session = client.begin(SessionOptions::new()).expect("there is a channel");
    let mut view = client.session(session).expect("it was begun");
    view.attach_sender("out", SenderOptions::to("q")).expect("it is pipelined");
    view.attach_receiver("in", ReceiverOptions::from("q")).expect("it is pipelined");
    client
}

fn server() -> Connection {
    let sasl =
        ServerSasl::new(TransportSecurity::Clear).with_mechanism(AnonymousServer::new()).with_optional();
    Connection::server_with_sasl(Options::new("server"), sasl, Moment::START)
}

fuzz_target!(|octets: &[u8]| {
    for end in [client, server] {
        let whole = auto_respond_in_pieces(end(), octets, octets.len());
        assert_eq!(auto_respond_in_pieces(end(), octets, 1 + octets.len() % 61), whole);
    }
});
