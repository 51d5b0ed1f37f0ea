//! TLS between a socket and an engine, in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;

use amqp_proto::client::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use amqp_proto::client::rustls::crypto::{CryptoProvider, ring};
use amqp_proto::client::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use amqp_proto::client::rustls::{self, DigitallySignedStruct, SignatureScheme};
use amqp_proto::client::{ClientTls, Error, Peer, ServerTls, TlsLayer};
use amqp_proto::config::{Options, ReceiverOptions, SenderOptions, SessionOptions};
use amqp_proto::sasl::TransportSecurity;
use amqp_proto::types::{Limits, LinkKey, Moment};
use amqp_proto::{Cause, Connection, Event, Reading, Reason};

const NOW: Moment = Moment::START;

struct End {
    tls: TlsLayer,
    amqp: Connection,
    closed: Option<Box<Reason>>,
    is_sent: bool,
    received: Vec<usize>,
    accepted: u32,
}

impl End {
    fn new(tls: impl Into<TlsLayer>, amqp: Connection) -> Self {
        Self { tls: tls.into(), amqp, closed: None, is_sent: false, received: Vec::new(), accepted: 0 }
    }

    /// Polls all events; sends a message of this size if it can.
    fn act(&mut self, size: usize) {
        while let Some(event) = self.amqp.poll_event() {
            match event {
                Event::Opened if size > 0 => {
                    let session = self.amqp.begin(SessionOptions::new()).unwrap();
                    let mut session = self.amqp.session(session).unwrap();
                    session.attach_sender("l", SenderOptions::to("q")).unwrap();
                }
                Event::Sendable(sender) if !self.is_sent => {
                    self.is_sent = true;
                    self.amqp.sender(sender).unwrap().send(vec![7; size]).unwrap();
                }
                Event::SessionOffered(session) => {
                    self.amqp.session(session).unwrap().accept(SessionOptions::new()).unwrap();
                }
                Event::LinkOffered(LinkKey::Receiver(link)) => {
                    self.amqp.receiver(link).unwrap().accept_link(ReceiverOptions::new()).unwrap();
                }
                Event::Message { receiver, .. } => {
                    let mut receiver = self.amqp.receiver(receiver).unwrap();
                    let delivery = receiver.receive().unwrap();
                    let message = delivery.message().unwrap();
                    self.received.push(message.body().unwrap().as_bytes().unwrap().len());
                    receiver.accept(delivery.key()).unwrap();
                }
                Event::Updated { settled: true, .. } => self.accepted += 1,
                Event::Closed(reason) => self.closed = Some(reason),
                _ => {}
            }
        }
    }

    /// Gives at most so many octets of output to the other end, and returns their number.
    fn carry(&mut self, to: &mut Self, most: usize) -> io::Result<usize> {
        let output = self.tls.output(&mut self.amqp)?;
        let octets = output[..output.len().min(most)].to_vec();
        self.tls.advance(octets.len());
        to.tls.receive(&octets, NOW, &mut to.amqp)?;
        Ok(octets.len())
    }
}

struct Shown {
    certificate: String,
    key: String,
}

fn shown(name: &str) -> Shown {
    let made = rcgen::generate_simple_self_signed([name.into()]).unwrap();
    Shown { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() }
}

fn ends(name: &str) -> (End, End) {
    let shown = shown("broker.example");
    let client = ClientTls::builder().with_trusted_pem(shown.certificate.as_bytes()).unwrap();
    let server = ServerTls::builder_pem(shown.certificate.as_bytes(), shown.key.as_bytes()).unwrap();
    let client = client.build().unwrap().connect(name).unwrap();
    let server = server.build().unwrap().accept().unwrap();
    let engines = (Connection::client(Options::new("c"), NOW), Connection::server(Options::new("s"), NOW));
    (End::new(client, engines.0), End::new(server, engines.1))
}

/// Carries octets in pieces until nothing moves, and `size` octets in a message.
fn run(client: &mut End, server: &mut End, most: usize, size: usize) -> io::Result<()> {
    loop {
        let moved = client.carry(server, most)? + server.carry(client, most)?;
        client.act(size);
        server.act(0);
        if moved == 0 && client.tls.output(&mut client.amqp)?.is_empty() {
            return Ok(());
        }
    }
}

#[test]
fn a_message_goes_over_it_in_pieces_of_any_size() {
    for (most, size) in [(usize::MAX, 4 << 20), (100_000, 1 << 20), (1_000, 100_000), (1, 10)] {
        let (mut client, mut server) = ends("broker.example");
        assert!(client.tls.is_handshaking());
        run(&mut client, &mut server, most, size).unwrap();
        assert!(!client.tls.is_handshaking() && !server.tls.is_handshaking());
        assert_eq!((server.received.as_slice(), client.accepted), (&[size][..], 1));

        client.amqp.close();
        run(&mut client, &mut server, most, 0).unwrap();
        for end in [&mut client, &mut server] {
            assert_eq!(end.closed.as_ref().unwrap().error, None);
            assert!(end.tls.end_of_input(&mut end.amqp).is_ok(), "the end was announced");
        }
    }
}

#[test]
fn nothing_of_the_engine_is_written_in_clear() {
    let (mut client, _) = ends("broker.example");
    assert!(client.amqp.has_output());
    let hello = client.tls.output(&mut client.amqp).unwrap().to_vec();
    assert_eq!(hello[0], 22, "a record of the handshake");
    client.tls.advance(hello.len());
    assert!(client.tls.output(&mut client.amqp).unwrap().is_empty(), "the rest waits for the handshake");
    assert!(client.amqp.has_output());
}

#[test]
fn output_that_waits_for_the_handshake_does_not_stop_the_reading() {
    let (mut client, mut server) = ends("broker.example");
    let limits = Limits::DEFAULT.with_output_octets_hard(1);
    client.amqp = Connection::client(Options::new("c").with_limits(limits), NOW);
    assert_eq!(client.amqp.reading(), Reading::Output);
    assert_eq!(client.tls.reading(&client.amqp), Reading::Wanted);
    run(&mut client, &mut server, usize::MAX, 0).unwrap();
    assert!(!client.tls.is_handshaking() && client.amqp.is_open());
    client.amqp.begin(SessionOptions::new()).unwrap();
    assert_eq!(client.tls.reading(&client.amqp), Reading::Output);
}

#[test]
fn a_peer_that_speaks_no_tls_ends_the_engine_and_gets_an_alert() {
    let (mut client, _) = ends("broker.example");
    let hello = client.tls.output(&mut client.amqp).unwrap().len();
    client.tls.advance(hello);
    let error = client.tls.receive(b"HTTP/1.1 400 Bad Request\r\n\r\n", NOW, &mut client.amqp).unwrap_err();
    let error = Error::from(error).to_string();
    assert!(error.contains("the peer does not speak TLS"), "{error}");
    assert_eq!(client.tls.output(&mut client.amqp).unwrap()[0], 21, "an alert");
    client.act(0);
    assert!(matches!(client.closed.unwrap().cause, Some(Cause::Transport(_))));
    assert_eq!(client.amqp.reading(), Reading::Over);
}

#[test]
fn a_server_of_another_name_is_refused_at_both_ends() {
    let (mut client, mut server) = ends("elsewhere.example");
    let refused = run(&mut client, &mut server, usize::MAX, 1).unwrap_err();
    assert!(refused.to_string().contains("not valid for name"), "{refused}");
    let told = client.carry(&mut server, usize::MAX).unwrap_err();
    assert!(told.to_string().contains("TLS"), "{told}");
    assert!(client.amqp.is_over() && server.amqp.is_over());
}

#[test]
fn a_stream_that_is_cut_is_an_error() {
    let (mut client, mut server) = ends("broker.example");
    run(&mut client, &mut server, usize::MAX, 10).unwrap();
    let error = client.tls.end_of_input(&mut client.amqp).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    assert!(error.to_string().contains("TLS: the peer closed the connection"), "{error}");
    client.act(0);
    assert!(matches!(client.closed.unwrap().cause, Some(Cause::Transport(_))));
}

#[test]
fn a_record_that_was_changed_on_the_way_is_an_error() {
    let (mut client, mut server) = ends("broker.example");
    run(&mut client, &mut server, usize::MAX, 10).unwrap();
    client.amqp.close();
    let mut octets = client.tls.output(&mut client.amqp).unwrap().to_vec();
    *octets.last_mut().unwrap() ^= 1;
    assert!(server.tls.receive(&octets, NOW, &mut server.amqp).is_err());
    assert!(server.amqp.is_over());
}

#[test]
fn a_server_learns_of_a_client_before_it_has_an_engine() {
    let (broker, meter) = (shown("broker.example"), shown("meter"));
    let client = ClientTls::builder()
        .with_trusted_pem(broker.certificate.as_bytes())
        .and_then(|builder| builder.with_identity_pem(meter.certificate.as_bytes(), meter.key.as_bytes()));
    let server = ServerTls::builder_pem(broker.certificate.as_bytes(), broker.key.as_bytes())
        .and_then(|builder| builder.with_trusted_clients_pem(meter.certificate.as_bytes()));
    let client = client.unwrap().build().unwrap().connect("broker.example").unwrap();
    let mut server = TlsLayer::from(server.unwrap().build().unwrap().accept().unwrap());
    let mut client = End::new(client, Connection::client(Options::new("c"), NOW));
    assert_eq!(client.tls.peer(), Peer::new(TransportSecurity::Encrypted));
    while server.is_handshaking() {
        let octets = client.tls.output(&mut client.amqp).unwrap().to_vec();
        client.tls.advance(octets.len());
        server.handshake(&octets).unwrap();
        let octets = server.ciphertext().unwrap().to_vec();
        server.advance(octets.len());
        client.tls.receive(&octets, NOW, &mut client.amqp).unwrap();
    }
    assert!(server.peer().user().unwrap().contains("CN=rcgen"), "{:?}", server.peer());
    // What the client has sent behind the handshake is not lost.
    let mut server = End::new(server, Connection::server(Options::new("s"), NOW));
    server.tls.receive(&[], NOW, &mut server.amqp).unwrap();
    run(&mut client, &mut server, usize::MAX, 10).unwrap();
    assert_eq!(server.received, [10]);
}

#[test]
fn a_writer_that_blocks_is_told_from_one_that_fails() {
    struct Narrow(usize, ErrorKind);
    impl Write for Narrow {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            let taken = octets.len().min(self.0);
            self.0 -= taken;
            if taken == 0 { Err(self.1.into()) } else { Ok(taken) }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (mut client, _) = ends("broker.example");
    let End { tls, amqp, .. } = &mut client;
    assert!(!tls.write_to(amqp, &mut Narrow(10, ErrorKind::WouldBlock)).unwrap());
    let failed = tls.write_to(amqp, &mut Narrow(10, ErrorKind::BrokenPipe)).unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::BrokenPipe);
    assert!(tls.write_to(amqp, &mut Narrow(1 << 20, ErrorKind::WouldBlock)).unwrap());
    assert!(tls.write_to(amqp, &mut io::sink()).unwrap(), "nothing is left");
}

/// Accepts the certificates for one name, whoever has issued them.
#[derive(Debug)]
struct ByName(&'static str);

impl ServerCertVerifier for ByName {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if name.to_str() == self.0 {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::Error::General("another name".into()))
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// The verifier of the application decides, also about what the system does not trust.
#[test]
fn a_verifier_decides_alone() {
    for (name, is_trusted) in [("broker.example", true), ("other.example", false)] {
        let (mut client, mut server) = ends("broker.example");
        let verifier = Arc::new(ByName("broker.example"));
        let tls = ClientTls::builder().with_verifier(verifier).build().unwrap();
        client.tls = tls.connect(name).unwrap().into();
        assert_eq!(run(&mut client, &mut server, usize::MAX, 10).is_ok(), is_trusted, "{name}");
        assert_eq!(server.received.len(), usize::from(is_trusted));
    }
}

/// Both ends use the provider that they are given, and refuse one that has no ciphers.
#[test]
fn a_provider_is_that_of_the_application() {
    let shown = shown("broker.example");
    let trusted = || ClientTls::builder().with_trusted_pem(shown.certificate.as_bytes()).unwrap();
    let server = || ServerTls::builder_pem(shown.certificate.as_bytes(), shown.key.as_bytes()).unwrap();
    let provider = || Arc::new(ring::default_provider());
    let tls = trusted().with_provider(provider()).build().unwrap();
    let (mut client, mut at_server) = ends("broker.example");
    client.tls = tls.connect("broker.example").unwrap().into();
    at_server.tls = server().with_provider(provider()).build().unwrap().accept().unwrap().into();
    run(&mut client, &mut at_server, usize::MAX, 10).unwrap();
    assert_eq!(at_server.received, [10]);

    let empty = || Arc::new(CryptoProvider { cipher_suites: Vec::new(), ..ring::default_provider() });
    for refused in
        [trusted().with_provider(empty()).build().err(), server().with_provider(empty()).build().err()]
    {
        assert!(matches!(refused, Some(Error::Io(_))), "{refused:?}");
    }
}
