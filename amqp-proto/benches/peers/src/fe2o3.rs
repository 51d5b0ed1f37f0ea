//! Programs that use fe2o3-amqp.

use std::collections::VecDeque;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use fe2o3_amqp::acceptor::{ConnectionAcceptor, LinkAcceptor, LinkEndpoint, SessionAcceptor};
use fe2o3_amqp::connection::ConnectionHandle;
use fe2o3_amqp::link::SendError;
use fe2o3_amqp::link::delivery::DeliveryFut;
use fe2o3_amqp::link::receiver::CreditMode;
use fe2o3_amqp::types::messaging::{ApplicationProperties, Data, Header, Message, Outcome, Properties};
use fe2o3_amqp::{Connection, Sendable, Sender, Session};
use serde_bytes::ByteBuf;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::role::{Meter, Role, listening, print, resident, took};

/// The frame size of the other programs, too.
const MAX_FRAME_SIZE: u32 = 65_536;
/// The outcome to come of a message.
type Sent = DeliveryFut<Result<Outcome, SendError>>;

/// Returns the typical message.
pub(crate) fn typical(size: usize) -> Message<Data> {
    let properties = ApplicationProperties::builder()
        .insert("tenant", "acme")
        .insert("kind", "order.created")
        .insert("attempt", 1000_i32)
        .insert("trace", 0x1122_3344_5566_i64);
    Message::builder()
        .header(Header::builder().durable(true).build())
        .properties(
            Properties::builder().message_id(crate::codec::ID.to_string()).to(crate::codec::TO).build(),
        )
        .application_properties(properties.build())
        .data(data(size))
        .build()
}

fn data(size: usize) -> Data {
    Data(ByteBuf::from(vec![0; size]))
}

pub(crate) fn plain(size: usize) -> Message<Data> {
    Message::builder().data(data(size)).build()
}

fn sendable(role: &Role, settled: bool) -> Sendable<Data> {
    let message = if role.is_typical() { typical(role.size()) } else { plain(role.size()) };
    Sendable::builder().message(message).settled(settled).build()
}

async fn connect(role: &Role) -> ConnectionHandle<()> {
    let builder = Connection::builder()
        .container_id("sends")
        .max_frame_size(MAX_FRAME_SIZE)
        .channel_max(10_000_u16)
        .session_max(10_000_u16);
    let opened = match role.tls() {
        None => builder.open(role.url().as_str()).await,
        Some(folder) => builder.open_with_stream(encrypted(role.port(), &folder).await).await,
    };
    opened.expect("a connection")
}

/// Returns a TLS stream by rustls and ring, like those of the other Rust programs.
async fn encrypted(port: u16, folder: &Path) -> TlsStream<TcpStream> {
    let mut trusted = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_file(folder.join("certificate.pem"));
    trusted.add(certificate.expect("a certificate")).expect("a certificate that can be trusted");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().expect("they suit");
    let config = config.with_root_certificates(trusted).with_no_client_auth();
    let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the other end listens");
    stream.set_nodelay(true).expect("a socket");
    let name = ServerName::try_from("127.0.0.1").expect("an address");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("TLS")
}

pub(crate) fn send(role: &Role) {
    role.block_on(async {
        let mut connection = connect(role).await;
        let mut session = Session::begin(&mut connection).await.expect("a session");
        let mut sender = Sender::attach(&mut session, "link", "q").await.expect("a link");
        work(role, &mut sender).await;
        sender.close().await.expect("it closes");
        session.end().await.expect("it ends");
        connection.close().await.expect("it closes");
    });
}

async fn work(role: &Role, sender: &mut Sender) {
    let mut meter = Meter::new(role);
    let (unsettled, settled) = (sendable(role, false), sendable(role, true));
    let all = role.warm() + role.messages();
    let mut waiting: VecDeque<Sent> = VecDeque::with_capacity(role.window());
    for at in 1..=all {
        if role.is_alone() {
            meter.begin();
            accepted(sender.send_ref(&unsettled).await);
            meter.done();
        } else if role.is_settled() && at < all {
            drop(sender.send_batchable_ref(&settled).await.expect("it is sent"));
            meter.done();
        } else {
            if waiting.len() == role.window()
                && let Some(first) = waiting.pop_front()
            {
                accepted(first.await);
                meter.done();
            }
            waiting.push_back(sender.send_batchable_ref(&unsettled).await.expect("it is sent"));
        }
    }
    for sent in waiting {
        accepted(sent.await);
        meter.done();
    }
    meter.end();
}

fn accepted(outcome: Result<Outcome, SendError>) {
    let outcome = outcome.expect("an outcome");
    assert!(matches!(outcome, Outcome::Accepted(_)), "a message was not accepted: {outcome:?}");
}

/// Runs tasks that each send and wait. A shared sender is behind a lock, as sending takes it by `&mut`.
pub(crate) fn tasks(role: &Role) {
    role.block_on(async {
        let mut connection = connect(role).await;
        let mut session = Session::begin(&mut connection).await.expect("a session");
        let mut senders: Vec<Arc<Mutex<Sender>>> = Vec::new();
        for at in 0..role.tasks() {
            let sender = match senders.first() {
                Some(first) if role.is_shared() => Arc::clone(first),
                _ => {
                    let sender = Sender::attach(&mut session, format!("link-{at}"), "q").await;
                    Arc::new(Mutex::new(sender.expect("a link")))
                }
            };
            senders.push(sender);
        }
        share(role, &senders, role.warm()).await;
        let start = Instant::now();
        let sent = share(role, &senders, role.messages()).await;
        print("rate", sent as f64 / start.elapsed().as_secs_f64());
        std::process::exit(0);
    });
}

async fn share(role: &Role, senders: &[Arc<Mutex<Sender>>], messages: usize) -> usize {
    let each = messages.div_ceil(senders.len());
    let tasks: Vec<_> = senders
        .iter()
        .map(|sender| {
            let (sender, message) = (Arc::clone(sender), sendable(role, false));
            tokio::spawn(async move {
                for _ in 0..each {
                    let sent = sender.lock().await.send_batchable_ref(&message).await.expect("it is sent");
                    accepted(sent.await);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a task that does not panic");
    }
    each * senders.len()
}

/// Accepts one connection and all its messages.
pub(crate) fn receive(role: &Role) {
    role.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", role.port())).await.expect("a port");
        listening();
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("a socket");
        accept_all(stream, role.window() as u32).await;
    });
}

async fn accept_all<S: AsyncRead + AsyncWrite + Send + Unpin + std::fmt::Debug + 'static>(
    stream: S,
    ahead: u32,
) {
    let acceptor =
        ConnectionAcceptor::builder().container_id("receives").max_frame_size(MAX_FRAME_SIZE).build();
    let mut connection = acceptor.accept(stream).await.expect("a connection");
    let mut session = SessionAcceptor::new().accept(&mut connection).await.expect("a session");
    let link = LinkAcceptor::new().accept(&mut session).await.expect("a link");
    let LinkEndpoint::Receiver(mut receiver) = link else { panic!("the peer does not send") };
    receiver.set_credit_mode(CreditMode::Auto(ahead));
    receiver.set_credit(ahead).await.expect("credit");
    while let Ok(delivery) = receiver.recv::<Data>().await {
        if receiver.accept(&delivery).await.is_err() {
            break;
        }
        black_box(delivery);
    }
    // The peer has closed already, so that these may fail.
    let _ = receiver.close().await;
    let _ = session.on_end().await;
    let _ = connection.on_close().await;
}

/// Runs both ends in memory, on one thread.
pub(crate) fn engine(role: &Role) {
    role.block_on(async {
        let (near, far) = tokio::io::duplex(1 << 20);
        tokio::spawn(accept_all(far, 100));
        let builder = Connection::builder().container_id("sends").max_frame_size(MAX_FRAME_SIZE);
        let mut connection = builder.open_with_stream(near).await.expect("a connection");
        let mut session = Session::begin(&mut connection).await.expect("a session");
        let mut sender = Sender::attach(&mut session, "link", "q").await.expect("a link");
        work(role, &mut sender).await;
        std::process::exit(0);
    });
}

pub(crate) fn memory(role: &Role) {
    role.block_on(keep(role));
}

/// Makes one object that does not count, then the objects that do.
async fn keep(role: &Role) {
    let count = role.count();
    let mut first = connect(role).await;
    match role.text("what") {
        "connection" => {
            let (before, mut all) = (resident(), Vec::with_capacity(count));
            for _ in 0..count {
                all.push(connect(role).await);
            }
            took(before, count)
        }
        "session" => {
            let _one = Session::begin(&mut first).await.expect("a session");
            let (before, mut all) = (resident(), Vec::with_capacity(count));
            for _ in 0..count {
                all.push(Session::begin(&mut first).await.expect("a session"));
            }
            took(before, count)
        }
        "link" => {
            let mut session = Session::begin(&mut first).await.expect("a session");
            let _one = Sender::attach(&mut session, "link", "q").await.expect("a link");
            let (before, mut all) = (resident(), Vec::with_capacity(count));
            for at in 0..count {
                all.push(Sender::attach(&mut session, format!("link-{at}"), "q").await.expect("a link"));
            }
            took(before, count)
        }
        _ => {
            let mut session = Session::begin(&mut first).await.expect("a session");
            let mut sender = Sender::attach(&mut session, "link", "q").await.expect("a link");
            let (message, mut all) = (sendable(role, false), Vec::with_capacity(count));
            all.push(sender.send_batchable_ref(&message).await.expect("it is sent"));
            let before = resident();
            for _ in 0..count {
                all.push(sender.send_batchable_ref(&message).await.expect("it is sent"));
            }
            tokio::time::sleep(crate::role::REST).await;
            took(before, count)
        }
    }
}
