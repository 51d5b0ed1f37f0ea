//! AMQP over WebSocket: both ends, and peers that are written by hand.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub
)]

#[path = "../../amqp-proto/adapter-tests/tests/common/certificates.rs"]
mod certificates;
#[allow(dead_code)]
#[path = "../../amqp-proto/adapter-tests/tests/common/handlers.rs"]
mod handlers;

use std::io::{ErrorKind as IoKind, IoSlice};
use std::pin::Pin;
use std::sync::mpsc;
use std::time::Duration;

use amqp_tokio::broker::Broker;
use amqp_tokio::policy::{Backoff, Reconnect};
use amqp_tokio::websocket::{WebSocket, WebSocketError, WebSocketOptions};
use amqp_tokio::wire::{Condition, Outcome};
use amqp_tokio::{
    Accepted, Acceptor, ClientTls, Connection, ConnectionOptions, Container, Error, ErrorKind, Listener,
    Result, ServerTls,
};
use certificates::Authority;
use handlers::{Jobs, Worker};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// The key of the example in RFC 6455, section 1.3, and its answer.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fn websockets() -> Acceptor {
    Acceptor::default().with_websocket(WebSocketOptions::new())
}

/// Returns acceptors and the options of clients: without TLS, and with it.
fn both() -> [(&'static str, Acceptor, ConnectionOptions); 2] {
    let authority = Authority::new();
    let issued = authority.issue("localhost");
    let server = ServerTls::builder_pem(issued.chain.as_bytes(), issued.key.as_bytes()).unwrap();
    let client = ClientTls::builder().with_trusted_pem(authority.pem.as_bytes()).unwrap();
    [
        ("ws", websockets(), ConnectionOptions::new()),
        (
            "wss",
            websockets().with_tls(server.build().unwrap()),
            ConnectionOptions::new().with_tls(client.build().unwrap()),
        ),
    ]
}

/// Large messages go both ways through a broker, and the end is clean.
#[tokio::test]
#[adapter_tests::bounded]
async fn messages_go_both_ways() {
    for (scheme, acceptor, options) in both() {
        let broker = Broker::new().unwrap();
        let listener = Listener::bind_with("127.0.0.1:0", acceptor).await.unwrap();
        let url = format!("{scheme}://localhost:{}/amqp", listener.local_addr().unwrap().port());
        let serving = broker.clone();
        let served = tokio::spawn(async move {
            let connection = listener.accept().await.unwrap().open().await.unwrap();
            serving.serve_connection(connection.clone()).await.unwrap();
            connection
        });
        let client = Connection::open_with(&url, options).await.unwrap();
        let sender = client.sender("jobs").await.unwrap();
        let receiver = client.receiver("jobs").await.unwrap();
        for octets in [0, 1, 125, 126, 65_535, 65_536, 4 << 20] {
            let body: Vec<u8> = (0..octets).map(|at: u32| at.to_le_bytes()[0] ^ 0x5A).collect();
            let sent = sender.send_queued(body.clone()).await.unwrap();
            let delivery = receiver.recv().await.unwrap().unwrap();
            assert_eq!(delivery.message().unwrap().body().unwrap().as_bytes().unwrap(), &body[..]);
            delivery.accept().unwrap();
            assert_eq!(sent.await.unwrap(), Outcome::Accepted);
        }
        client.close().await.unwrap();
        assert!(!served.await.unwrap().closed().await.is_failure());
    }
}

#[tokio::test]
#[adapter_tests::bounded]
async fn containers_at_both_ends() {
    const MESSAGES: usize = 400;
    for (scheme, acceptor, options) in both() {
        let (addresses, address) = mpsc::channel();
        let container = Container::new(Worker { addresses, received: 0 }).with_acceptor(acceptor);
        let injector = container.injector();
        let worker = tokio::spawn(async move { container.run().await.unwrap().received });
        let address = tokio::task::spawn_blocking(move || address.recv().unwrap()).await.unwrap();
        let url = address.replace("127.0.0.1", "localhost").replace("amqp", scheme);
        let jobs = Jobs { url, to_send: MESSAGES, ..Jobs::default() };
        let jobs = Container::new(jobs).with_options(options).run().await.unwrap();
        assert_eq!((jobs.outcomes, jobs.settled), ([MESSAGES / 4; 4], MESSAGES));
        injector.stop().unwrap();
        assert_eq!(worker.await.unwrap(), MESSAGES);
    }
}

/// A lost WebSocket is opened again, whether the server closes the connection or cuts the stream.
#[tokio::test]
#[adapter_tests::bounded]
async fn a_lost_websocket_is_opened_again() {
    const LOSSES: usize = 6;
    for (scheme, acceptor, options) in both() {
        let listener = Listener::bind_with("127.0.0.1:0", acceptor).await.unwrap();
        let server = listener.local_addr().unwrap();
        let front = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{scheme}://localhost:{}", front.local_addr().unwrap().port());
        let carrying = tokio::spawn(async move {
            for loss in 0..LOSSES {
                let mut near = front.accept().await.unwrap().0;
                let mut far = TcpStream::connect(server).await.unwrap();
                let connection = listener.accept().await.unwrap();
                let serving = tokio::spawn(async move {
                    let connection = connection.open().await.unwrap();
                    while let Some(offer) = connection.next_offer().await.unwrap() {
                        if let Accepted::Receiver(receiver) = offer.accept().unwrap() {
                            receiver.recv().await.unwrap().unwrap().accept().unwrap();
                            // The client has the outcome before the stream is cut.
                            tokio::time::sleep(Duration::from_millis(50)).await;
                            if loss % 2 == 0 {
                                connection.close_with(Condition::ConnectionForced).await.unwrap();
                            }
                            return;
                        }
                    }
                });
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    served = serving => served.unwrap(),
                }
            }
        });
        let delay = Duration::from_millis(1);
        let rules =
            Reconnect::new().with_backoff(Backoff::new(delay, delay)).with_stable_after(Duration::ZERO);
        let client = Connection::open_with(&url, options.with_reconnect(rules)).await.unwrap();
        let jobs = client.sender("jobs").await.unwrap();
        let mut accepted = 0;
        // Each server accepts one message; a second may be lost with its connection.
        while accepted < LOSSES {
            match jobs.send("job").await {
                Ok(outcome) => {
                    assert_eq!(outcome, Outcome::Accepted);
                    accepted += 1;
                }
                Err(error) => assert!(matches!(error, Error::Lost(_)), "{error}"),
            }
        }
        carrying.await.unwrap();
    }
}

/// Ports of TLS and of AMQP are no ports of `ws`, and that of a web server without TLS is none of `wss`.
#[tokio::test]
#[adapter_tests::bounded]
async fn ports_of_something_else() {
    let [_, (_, encrypted, options)] = both();
    for acceptor in [encrypted, Acceptor::default()] {
        let listener = Listener::bind_with("127.0.0.1:0", acceptor).await.unwrap();
        let url = format!("ws://localhost:{}", listener.local_addr().unwrap().port());
        let server = tokio::spawn(async move { listener.accept().await?.open().await });
        let error = Connection::open(&url).await.unwrap_err();
        assert!(matches!(error.websocket(), Some(WebSocketError::Handshake(_))), "{error}");
        assert!(error.to_string().contains(&url), "{error}");
        server.await.unwrap().unwrap_err();
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("wss://localhost:{}", listener.local_addr().unwrap().port());
    let client = tokio::spawn(async move { Connection::open_with(&url, options).await });
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    let error = client.await.unwrap().unwrap_err();
    assert!(error.to_string().ends_with("; is this the port for wss, mostly 443?"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Tls);
}

/// Reads a head of HTTP.
async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// Reads a frame: its first octet, whether it is masked, and its payload.
async fn frame(stream: &mut TcpStream) -> (u8, bool, Vec<u8>) {
    let (first, second) = (stream.read_u8().await.unwrap(), stream.read_u8().await.unwrap());
    let octets = match second & 0x7F {
        126 => stream.read_u16().await.unwrap().into(),
        127 => usize::try_from(stream.read_u64().await.unwrap()).unwrap(),
        octets => octets.into(),
    };
    let mut mask = [0; 4];
    if second & 0x80 != 0 {
        stream.read_exact(&mut mask).await.unwrap();
    }
    let mut payload = vec![0; octets];
    stream.read_exact(&mut payload).await.unwrap();
    payload.iter_mut().zip(mask.iter().cycle()).for_each(|(octet, mask)| *octet ^= mask);
    (first, second & 0x80 != 0, payload)
}

/// Reads frames up to a close, and returns its payload.
async fn close(stream: &mut TcpStream) -> Vec<u8> {
    loop {
        let (first, _, payload) = frame(stream).await;
        if first == 0x88 {
            return payload;
        }
    }
}

/// Opens a connection to a server that is written by hand. Returns the server's stream behind the request, the request,
/// and the client.
async fn asked(options: ConnectionOptions) -> (TcpStream, String, JoinHandle<Result<Connection>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://me:secret@{}/a%20b?c=d", listener.local_addr().unwrap());
    let client = tokio::spawn(async move { Connection::open_with(&url, options).await });
    let (mut stream, _) = listener.accept().await.unwrap();
    let request = head(&mut stream).await;
    (stream, request, client)
}

/// Returns the answer that agrees to a request.
fn agreed(request: &str) -> String {
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: amqp\r\n\r\n",
        derive_accept_key(key.as_bytes())
    )
}

#[tokio::test]
#[adapter_tests::bounded]
async fn the_request_of_a_client() {
    let websocket = WebSocketOptions::new().with_sub_protocol("AMQPWSB10").with_header("X-Token", "t 1");
    let (mut stream, request, client) = asked(ConnectionOptions::new().with_websocket(websocket)).await;
    let at = stream.local_addr().unwrap();
    let (before, rest) = request.split_once("Sec-WebSocket-Key: ").unwrap();
    let (key, after) = rest.split_once("\r\n").unwrap();
    assert_eq!(
        before,
        format!(
            "GET /a%20b?c=d HTTP/1.1\r\nHost: {at}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\n"
        )
    );
    let mut headers: Vec<_> = after.strip_suffix("\r\n\r\n").unwrap().split("\r\n").collect();
    headers.sort_unstable();
    assert_eq!((key.len(), headers), (24, vec!["Sec-WebSocket-Protocol: AMQPWSB10", "x-token: t 1"]));
    stream.write_all(agreed(&request).replace("amqp", "AMQPWSB10").as_bytes()).await.unwrap();
    // The client begins with the header of SASL, in a masked binary message.
    assert_eq!(frame(&mut stream).await, (0x82, true, b"AMQP\x03\x01\x00\x00".to_vec()));
    client.abort();
}

#[tokio::test]
#[adapter_tests::bounded]
async fn headers_that_cannot_be_sent() {
    for (name, value) in
        [("Host", "x"), ("upgrade", "x"), ("Sec-WebSocket-Protocol", "x"), ("a b", "x"), ("x", "a\r\nb: c")]
    {
        let websocket = WebSocketOptions::new().with_header(name, value);
        let error = WebSocket::connect(duplex(1024).0, "ws://localhost", &websocket).await.unwrap_err();
        assert_eq!(error.websocket(), Some(&WebSocketError::Header(name.into())));
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    for url in ["http://localhost", "localhost", "ws://"] {
        let error = WebSocket::connect(duplex(1024).0, url, &WebSocketOptions::new()).await.unwrap_err();
        assert_eq!(error.websocket(), Some(&WebSocketError::Url), "{url}");
    }
}

#[tokio::test]
#[adapter_tests::bounded]
async fn answers_that_do_not_agree() {
    type Change = fn(String) -> String;
    let amqp = || "amqp".into();
    let cases: [(Change, Option<WebSocketError>, &str); 9] = [
        (|_| "HTTP/1.1 404 Not Found\r\n\r\n".into(), Some(WebSocketError::Status(404)), "status 404"),
        (|_| "HTTP/1.1 200 OK\r\n\r\n".into(), Some(WebSocketError::Status(200)), "status 200"),
        (
            |answer| answer.replace("Sec-WebSocket-Protocol: amqp\r\n", ""),
            Some(WebSocketError::NoSubProtocol(amqp())),
            "names no sub-protocol, and \"amqp\" is required",
        ),
        (
            |answer| answer.replace(": amqp", ": mqtt"),
            Some(WebSocketError::OtherSubProtocol(amqp())),
            "a sub-protocol other than \"amqp\"",
        ),
        (|answer| answer.replace("Upgrade: websocket\r\n", ""), None, "Upgrade: websocket"),
        (|answer| answer.replace("Connection: Upgrade\r\n", ""), None, "Connection: upgrade"),
        (|answer| answer.replace("Accept: ", "Accept: x"), None, "Sec-WebSocket-Accept"),
        (|_| "AMQP\0\x01\0\0".into(), None, "not that of a WebSocket"),
        (|_| "\x16\x03\x01\r\n".into(), None, "not that of a WebSocket"),
    ];
    for (change, expected, words) in cases {
        let (mut stream, request, client) = asked(ConnectionOptions::new()).await;
        stream.write_all(change(agreed(&request)).as_bytes()).await.unwrap();
        let error = client.await.unwrap().unwrap_err();
        let told = error.websocket().unwrap();
        match expected {
            Some(expected) => assert_eq!(told, &expected),
            None => assert!(matches!(told, WebSocketError::Handshake(_)), "{told:?}"),
        }
        let text = error.to_string();
        let url = format!("(ws://{})", stream.local_addr().unwrap());
        assert!(text.contains(words) && text.ends_with(&url) && !text.contains("secret"), "{words}: {text}");
        assert!(!error.is_transient(), "{error}");
    }
}

/// A server that hangs up, or says nothing, is no peer that speaks something else.
#[tokio::test]
#[adapter_tests::bounded]
async fn no_answer() {
    let (stream, _, client) = asked(ConnectionOptions::new()).await;
    drop(stream);
    let error = client.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("closed the connection in the WebSocket handshake"), "{error}");
    assert_eq!((error.websocket(), error.kind()), (None, ErrorKind::Transport));

    let short = ConnectionOptions::new().with_open_timeout(Duration::from_millis(50));
    let (stream, _, client) = asked(short).await;
    let error = client.await.unwrap().unwrap_err();
    let words = format!("perhaps it does not speak WebSocket (ws://{})", stream.local_addr().unwrap());
    assert!(error.to_string().ends_with(&words), "{error}");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}

/// A server that breaks a rule is told so, and the connection ends with the reason.
#[tokio::test]
#[adapter_tests::bounded]
async fn frames_that_a_server_must_not_send() {
    let too_large = [&[0x82, 0x7F][..], &(2_u64 << 20).to_be_bytes()].concat();
    let cases: [(&[u8], u16, WebSocketError); 4] = [
        (b"\x81\x08AMQP\x00\x01\x00\x00", 1003, WebSocketError::Text),
        (b"\x82\x81\x00\x00\x00\x00A", 1002, WebSocketError::Masked),
        (&too_large, 1009, WebSocketError::too_large(2 << 20, 1 << 20)),
        (b"\x88\x04\x03\xf0no", 1008, WebSocketError::closed(1008, "no")),
    ];
    for (octets, code, expected) in cases {
        let (mut stream, request, client) = asked(ConnectionOptions::new()).await;
        stream.write_all(agreed(&request).as_bytes()).await.unwrap();
        stream.write_all(octets).await.unwrap();
        let closed = close(&mut stream).await;
        assert_eq!(closed[..2], code.to_be_bytes(), "{expected}");
        let error = client.await.unwrap().unwrap_err();
        assert!(matches!(error, Error::Connection(_)), "{error:?}");
        assert_eq!(error.websocket(), Some(&expected));
        assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Protocol, false), "{error}");
    }
    // A reserved bit, and a continuation of nothing.
    for octets in [b"\xC2\x00", b"\x80\x00"] {
        let (mut stream, request, client) = asked(ConnectionOptions::new()).await;
        stream.write_all(agreed(&request).as_bytes()).await.unwrap();
        stream.write_all(octets).await.unwrap();
        assert_eq!(close(&mut stream).await[..2], 1002_u16.to_be_bytes());
        let error = client.await.unwrap().unwrap_err();
        assert!(matches!(error.websocket(), Some(WebSocketError::Violation(_))), "{error:?}");
    }
}

fn request(more: &str) -> String {
    format!(
        "GET /amqp HTTP/1.1\r\nHost: broker.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{more}\r\n"
    )
}

/// Connects a client that is written by hand to a server.
async fn asking(octets: &[u8]) -> (TcpStream, JoinHandle<Result<Connection>>) {
    let listener = Listener::bind_with("127.0.0.1:0", websockets()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move { listener.accept().await?.open().await });
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(octets).await.unwrap();
    (stream, server)
}

/// Connects such a client, and reads the answer that agrees.
async fn joined() -> (TcpStream, JoinHandle<Result<Connection>>) {
    let offer = request("Sec-WebSocket-Protocol: mqtt, amqp\r\n");
    let (mut stream, server) = asking(offer.as_bytes()).await;
    assert_eq!(
        head(&mut stream).await,
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-accept: {ACCEPT}\r\nsec-websocket-protocol: amqp\r\n\r\n"
        )
    );
    (stream, server)
}

#[tokio::test]
#[adapter_tests::bounded]
async fn requests_that_are_refused() {
    for offers in ["", "Sec-WebSocket-Protocol: mqtt, AMQPWSB10\r\n"] {
        let (mut stream, server) = asking(request(offers).as_bytes()).await;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "HTTP/1.1 400 Bad Request\r\n\r\nSec-WebSocket-Protocol: amqp is required\n");
        let error = server.await.unwrap().unwrap_err();
        assert_eq!(error.websocket(), Some(&WebSocketError::NotOffered("amqp".into())));
        assert_eq!(error.to_string(), "WebSocket: the client does not offer the sub-protocol \"amqp\"");
    }
    let plain = "GET / HTTP/1.1\r\nHost: broker.example\r\n\r\n";
    for octets in [plain, "POST / HTTP/1.1\r\n\r\n", "AMQP\0\x01\0\0"] {
        let (_stream, server) = asking(octets.as_bytes()).await;
        let error = server.await.unwrap().unwrap_err();
        assert!(matches!(error.websocket(), Some(WebSocketError::Handshake(_))), "{octets}: {error}");
    }
}

/// A client that breaks a rule is told so, and the connection ends with the reason.
#[tokio::test]
#[adapter_tests::bounded]
async fn frames_that_a_client_must_not_send() {
    let cases: [(&[u8], &[u8], WebSocketError); 2] = [
        (b"\x82\x04AMQP", b"\x03\xeathe frame is not masked", WebSocketError::Unmasked),
        (b"\x81\x84\x00\x00\x00\x00AMQP", b"\x03\xebAMQP is sent in binary messages", WebSocketError::Text),
    ];
    for (octets, close, expected) in cases {
        let (mut stream, server) = joined().await;
        stream.write_all(octets).await.unwrap();
        assert_eq!(frame(&mut stream).await, (0x88, false, close.to_vec()));
        assert_eq!(server.await.unwrap().unwrap_err().websocket(), Some(&expected));
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"");
    }
}

/// A header of AMQP in three messages, of which one is fragmented; a ping stands between the fragments.
#[tokio::test]
#[adapter_tests::bounded]
async fn a_frame_may_span_messages() {
    let (mut stream, server) = joined().await;
    for octets in [
        b"\x82\x83\x00\x00\x00\x00AMQ".as_slice(),
        b"\x82\x80\x00\x00\x00\x00",
        b"\x02\x81\x00\x00\x00\x00P",
        b"\x89\x82\x01\x02\x03\x04\x69\x6b",
        b"\x80\x84\x00\x00\x00\x00\x00\x01\x00\x00",
    ] {
        stream.write_all(octets).await.unwrap();
    }
    assert_eq!(frame(&mut stream).await, (0x8A, false, b"hi".to_vec()));
    let (first, is_masked, payload) = frame(&mut stream).await;
    assert_eq!((first, is_masked, &payload[..8]), (0x82, false, b"AMQP\x00\x01\x00\x00".as_slice()));
    // The close is answered, and the server ends the stream.
    stream.write_all(b"\x88\x82\x00\x00\x00\x00\x03\xe8").await.unwrap();
    assert_eq!(close(&mut stream).await, b"\x03\xe8");
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"");
    let error = server.await.unwrap().unwrap_err();
    assert_eq!((error.websocket(), error.kind()), (None, ErrorKind::Transport), "{error}");
}

/// The end that closes the connection closes the WebSocket, too.
#[tokio::test]
#[adapter_tests::bounded]
async fn a_close_ends_with_the_handshake_of_websocket() {
    let front = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listener = Listener::bind_with("127.0.0.1:0", websockets()).await.unwrap();
    let (url, server) = (format!("ws://{}", front.local_addr().unwrap()), listener.local_addr().unwrap());
    let carrying = tokio::spawn(async move {
        let (near, far) = (front.accept().await.unwrap().0, TcpStream::connect(server).await.unwrap());
        let ((mut near_in, mut near_out), (mut far_in, mut far_out)) = (near.into_split(), far.into_split());
        let (mut there, mut back) = (Vec::new(), Vec::new());
        let go = async {
            while near_in.read_buf(&mut there).await.unwrap() > 0 {
                far_out.write_all(&std::mem::take(&mut there)).await.unwrap();
            }
            far_out.shutdown().await.unwrap();
        };
        let come = async {
            let mut from = 0;
            while far_in.read_buf(&mut back).await.unwrap() > 0 {
                near_out.write_all(&back[from..]).await.unwrap();
                from = back.len();
            }
        };
        tokio::join!(go, come);
        back
    });
    let (open, is_open) = tokio::sync::oneshot::channel();
    let serving = tokio::spawn(async move {
        let connection = listener.accept().await?.open().await?;
        is_open.await.unwrap();
        connection.close().await
    });
    let client = Connection::open(&url).await.unwrap();
    open.send(()).unwrap();
    let ended = client.closed().await;
    assert!(!ended.is_failure(), "{ended}");
    serving.await.unwrap().unwrap();
    drop(client);
    assert!(carrying.await.unwrap().ends_with(b"\x88\x02\x03\xe8"));
}

/// Returns both ends of a WebSocket over a stream with a buffer of this size.
async fn pair(octets: usize) -> (WebSocket<DuplexStream>, WebSocket<DuplexStream>) {
    let (near, far) = duplex(octets);
    let options = WebSocketOptions::new();
    let (client, server) =
        tokio::join!(WebSocket::connect(near, "ws://localhost/", &options), WebSocket::accept(far, &options));
    (client.unwrap(), server.unwrap())
}

/// The octets are those of a stream, however they are written and read.
#[tokio::test]
#[adapter_tests::bounded]
async fn a_websocket_is_a_stream_of_octets() {
    let octets: Vec<u8> = (0..300_000_u32).map(|at| (at % 251).to_le_bytes()[0]).collect();
    for (step, buffer) in [(1_000, 64), (99_999, 7_000), (300_000, 1 << 20)] {
        let (mut client, mut server) = pair(4096).await;
        let (octets, expected) = (octets.clone(), octets.clone());
        let writing = tokio::spawn(async move {
            for chunk in octets.chunks(step) {
                client.write_all(chunk).await.unwrap();
            }
            client.shutdown().await.unwrap();
            let mut rest = Vec::new();
            client.read_to_end(&mut rest).await.unwrap();
            assert_eq!(rest, b"the end");
        });
        let mut read = Vec::new();
        let mut space = vec![0; buffer];
        while read.len() < expected.len() {
            let octets = server.read(&mut space).await.unwrap();
            read.extend_from_slice(&space[..octets]);
        }
        assert!(read == expected);
        // The client's close is read later.
        server.write_all(b"the end").await.unwrap();
        server.flush().await.unwrap();
        assert_eq!(server.read(&mut space).await.unwrap(), 0);
        assert_eq!(server.write(b"more").await.unwrap_err().kind(), IoKind::BrokenPipe);
        server.shutdown().await.unwrap();
        writing.await.unwrap();
    }
}

/// Several slices are one message, of no more than 64 KiB.
#[tokio::test]
#[adapter_tests::bounded]
async fn slices_are_one_message() {
    let (mut client, mut server) = pair(1 << 20).await;
    let large = vec![7; 65_536];
    for (slices, octets) in [([&b"AMQP"[..], &[], b"\x00\x01"], 6), ([b"x", &large, &large], 65_536)] {
        let slices = slices.map(IoSlice::new);
        let written =
            std::future::poll_fn(|context| Pin::new(&mut client).poll_write_vectored(context, &slices));
        assert_eq!(written.await.unwrap(), octets);
        client.flush().await.unwrap();
        let mut space = vec![0; 200_000];
        assert_eq!(server.read(&mut space).await.unwrap(), octets);
    }
}

/// A peer that does not read makes this end hold one message at the most.
#[tokio::test(start_paused = true)]
#[adapter_tests::bounded]
async fn a_peer_that_does_not_read_is_waited_for() {
    let (mut client, server) = pair(1024).await;
    let mut written = 0;
    while let Ok(octets) = timeout(Duration::from_secs(1), client.write(&[0; 4096])).await {
        written += octets.unwrap();
    }
    assert!(written <= 2 * 4096, "{written}");
    drop(server);
}
