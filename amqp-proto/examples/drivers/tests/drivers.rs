//! Runs every driver against the broker in memory, and against peers that are dead or strange.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use std::{fs, thread};

use amqp_tokio::broker::{Broker, BrokerBuilder};
use amqp_tokio::{Listener, ServerTls};
use tokio::runtime::Runtime;
use wasm_bindgen_cli_support::Bindgen;

/// The drivers that exchange 1,000 messages over one connection.
const SINGLE: [&str; 4] = [
    env!("CARGO_BIN_EXE_compio"),
    env!("CARGO_BIN_EXE_embassy"),
    env!("CARGO_BIN_EXE_poll"),
    env!("CARGO_BIN_EXE_smol"),
];
const MIO: &str = env!("CARGO_BIN_EXE_mio");
const POLL: &str = env!("CARGO_BIN_EXE_poll");

/// The result of a driver that has exchanged all messages.
const EXCHANGED: &str = "1000 messages sent and accepted, 1000 received";
/// The longest time that a driver takes on a busy machine, in the development profile.
const LONGEST: Duration = Duration::from_secs(600);
/// The most lines of a driver that are not empty and no comments.
const LINES: usize = 60;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// The module of the driver in WebAssembly, made loadable for Node.
static MODULE: LazyLock<PathBuf> = LazyLock::new(|| {
    let target = Path::new(POLL).parent().unwrap().parent().unwrap();
    let built = target.join("wasm32-unknown-unknown/debug/amqp_driver_wasm.wasm");
    assert!(built.exists(), "{built:?} is missing: `.ci/drivers` builds it");
    let made = target.join("node");
    Bindgen::new().input_path(built).nodejs(true).unwrap().typescript(false).generate(&made).unwrap();
    made.join("amqp_driver_wasm.js")
});

/// Returns the command of each driver with this broker.
fn drivers(broker: SocketAddr) -> Vec<Command> {
    let mut commands: Vec<Command> = SINGLE.into_iter().map(Command::new).collect();
    let mut wasm = Command::new("node");
    wasm.arg(folder().join("wasm/run.cjs"));
    commands.push(wasm);
    for command in &mut commands {
        command.arg(broker.to_string());
    }
    commands.last_mut().unwrap().arg(&*MODULE);
    commands
}

fn mio(broker: SocketAddr) -> Command {
    let mut command = Command::new(MIO);
    command.arg(broker.to_string());
    command
}

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Starts a broker, and returns its address.
fn broker(build: impl FnOnce(BrokerBuilder) -> BrokerBuilder, tls: Option<ServerTls>) -> SocketAddr {
    RUNTIME.block_on(async {
        let broker = build(Broker::builder()).build().unwrap();
        let acceptor = match tls {
            Some(tls) => broker.acceptor().with_tls(tls),
            None => broker.acceptor(),
        };
        let listener = Listener::bind_with("127.0.0.1:0", acceptor).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { broker.serve(listener).await });
        address
    })
}

/// Starts a peer that does this with each connection, and returns its address.
fn peer(serve: fn(TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            thread::spawn(move || serve(stream));
        }
    });
    address
}

fn run(command: &mut Command) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let by = Instant::now() + LONGEST;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > by {
            child.kill().unwrap();
            panic!("{command:?} does not end: {:?}", child.wait_with_output());
        }
        thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().unwrap()
}

/// Asserts that a driver ends well and says this.
fn succeeds(mut driver: Command, says: &str) {
    let output = run(&mut driver);
    assert!(output.status.success(), "{driver:?}: {output:?}");
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), says, "{driver:?}");
    assert!(output.stderr.is_empty(), "{driver:?}");
}

/// Asserts that a driver ends with the code 1 and says this.
fn fails(mut driver: Command, says: &str) {
    let output = run(&mut driver);
    assert_eq!(output.status.code(), Some(1), "{driver:?}: {output:?}");
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.contains(says), "{driver:?} says: {words}");
    assert!(output.stdout.is_empty(), "{driver:?}");
}

/// Asserts that each driver fails at this peer and says this.
fn all_fail(peer: SocketAddr, says: &str) {
    thread::scope(|scope| {
        for driver in drivers(peer).into_iter().chain([mio(peer)]) {
            scope.spawn(move || fails(driver, says));
        }
    });
}

#[test]
fn a_thousand_messages_go_out_come_back_and_are_accepted() {
    for driver in drivers(broker(|broker| broker, None)) {
        succeeds(driver, EXCHANGED);
    }
}

#[test]
fn one_thread_drives_a_thousand_connections() {
    let broker = broker(|broker| broker.with_connections(2_000), None);
    succeeds(mio(broker), "1000 connections, 10 messages each");
}

#[test]
fn a_loop_with_poll_speaks_tls() {
    let made = rcgen::generate_simple_self_signed(["broker.example".into()]).unwrap();
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let tls = ServerTls::builder_pem(certificate.as_bytes(), key.as_bytes()).unwrap().build().unwrap();
    let broker = broker(|broker| broker, Some(tls));
    let trusted = Path::new(env!("CARGO_TARGET_TMPDIR")).join("trusted.pem");
    fs::write(&trusted, certificate).unwrap();
    let driver = |peer: SocketAddr, name: &str| {
        let mut driver = Command::new(POLL);
        driver.arg(peer.to_string()).arg(&trusted).arg(name);
        driver
    };
    succeeds(driver(broker, "broker.example"), EXCHANGED);
    fails(driver(broker, "elsewhere.example"), "not valid for name");
    fails(driver(peer(http), "broker.example"), "the peer does not speak TLS");
    let cut = peer(|mut stream| drop(stream.read(&mut [0; 8])));
    fails(driver(cut, "broker.example"), "");
    let mut clear = Command::new(POLL);
    clear.arg(broker.to_string());
    fails(clear, "");
}

#[test]
fn without_a_listener_the_error_is_that_of_the_system() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for driver in drivers(address).into_iter().chain([mio(address)]) {
        let is_node = driver.get_program() == "node";
        fails(driver, if is_node { "ECONNREFUSED" } else { "Connection refused" });
    }
}

#[test]
fn a_peer_that_hangs_up_is_an_error() {
    all_fail(peer(|mut stream| drop(stream.read_exact(&mut [0; 8]))), "");
}

/// A peer of another protocol.
fn http(mut stream: TcpStream) {
    // The driver may have hung up already.
    let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    let _ = stream.read_to_end(&mut Vec::new());
}

#[test]
fn a_peer_of_another_protocol_is_named() {
    all_fail(peer(http), "HTTP");
}

#[test]
fn a_silent_peer_is_given_up() {
    let silent = peer(|mut stream| drop(stream.read_to_end(&mut Vec::new())));
    all_fail(silent, "timed out waiting for the peer's open");
}

#[test]
fn a_broker_that_refuses_a_link_is_quoted() {
    let broker = broker(|broker| broker.with_nodes(0), None);
    all_fail(broker, "amqp:");
}

#[test]
fn without_an_address_a_driver_says_what_it_needs() {
    for program in SINGLE.into_iter().chain([MIO]) {
        let output = run(&mut Command::new(program));
        assert_eq!(output.status.code(), Some(2), "{program}");
        assert!(String::from_utf8(output.stderr).unwrap().contains("127.0.0.1:5672"), "{program}");
    }
}

/// The halves of embassy's sockets fit the bounds of the driver in `embassy.rs`.
#[expect(dead_code, reason = "the compiler checks it; embassy's network needs a device")]
fn the_sockets_of_embassy_fit(socket: &mut embassy_net::tcp::TcpSocket<'_>) {
    fn fit<R, W>(_: R, _: W)
    where
        R: embedded_io_async::Read<Error: Send + Sync + 'static>,
        W: embedded_io_async::Write<Error: Send + Sync + 'static>,
    {
    }
    let (reader, writer) = socket.split();
    fit(reader, writer);
}

/// The page names the size of each driver, and none is long.
#[test]
fn every_driver_is_short() {
    let page = fs::read_to_string(folder().join("../../docs/DRIVERS.md")).unwrap();
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder().join("src/bin")).unwrap().map(|file| file.unwrap().path()).collect();
    files.extend(["wasm/src/lib.rs", "wasm/run.cjs"].map(|file| folder().join(file)));
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let is_code = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with("//");
        let lines = text.lines().filter(is_code).count();
        assert!(lines <= LINES, "{file:?} has {lines} lines");
        let name = file.strip_prefix(folder()).unwrap().to_str().unwrap();
        let row = page.lines().find(|row| row.contains(&format!("`amqp-proto/examples/drivers/{name}`")));
        let row = row.unwrap_or_else(|| panic!("the page does not name {name}"));
        assert!(row.contains(&format!("| {lines} |")), "{name} has {lines} lines: {row}");
    }
}
