//! The examples, run as programs.
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
#[path = "../../amqp-blocking/tests/common/programs.rs"]
mod programs;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use certificates::Authority;

const EXAMPLES: [&str; 11] = [
    "broker",
    "conformance",
    "exactly_once",
    "listen",
    "proxy",
    "quickstart",
    "receive",
    "reconnect",
    "request",
    "respond",
    "send",
];

fn run(name: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    programs::run(&EXAMPLES, name, arguments)
}

/// Runs an example that must succeed, and parses its JSON.
fn count(name: &str, arguments: &[&str]) -> serde_json::Value {
    let arguments = [arguments, &["--json"]].concat();
    let (code, said, errors) = run(name, &arguments);
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{name} {arguments:?}: {said}");
    serde_json::from_str(said.lines().last().unwrap()).unwrap()
}

/// An example that runs until it is interrupted, or this is dropped.
struct Running {
    program: Child,
    said: BufReader<std::process::ChildStdout>,
}

impl Running {
    fn start(name: &str, arguments: &[&str]) -> Self {
        let mut program = programs::program(&EXAMPLES, name);
        program.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut program = program.spawn().unwrap();
        let said = BufReader::new(program.stdout.take().unwrap());
        Self { program, said }
    }

    /// Starts an example that listens, and returns its URL.
    fn listening(name: &str, arguments: &[&str]) -> (Self, String) {
        let arguments = [arguments, &["--listen", "127.0.0.1:0"]].concat();
        let mut running = Self::start(name, &arguments);
        let url = running.url();
        (running, url)
    }

    /// Waits for the next URL that it prints.
    fn url(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        line.trim().strip_prefix("listening on ").unwrap().to_owned()
    }

    /// Waits for the end. Returns the exit code and the output.
    fn end(mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.said.read_to_string(&mut said).unwrap();
        (self.program.wait().unwrap().code(), said)
    }

    /// Interrupts the example, like Ctrl-C.
    #[cfg(unix)]
    fn interrupt(self) -> (Option<i32>, String) {
        let id = self.program.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        self.end()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

fn at(url: &str, node: &str) -> String {
    format!("{url}/{node}")
}

#[test]
#[adapter_tests::bounded(900)]
fn the_quickstart() {
    let (code, said, errors) = run("quickstart", &[]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    for words in [
        "its outcome: accepted",
        "good job\"): accepted",
        "bad job\"): rejected",
        "next connection: accepted",
        "closed: all is done",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let (_broker, url) = Running::listening("broker", &[]);
    assert_eq!(run("quickstart", &["--url", &url, "--address", "others"]).0, Some(0));
}

#[test]
#[adapter_tests::bounded(900)]
fn messages_go_through_the_broker() {
    let (broker, url) = Running::listening("broker", &[]);
    let url = at(&url, "jobs");
    let sent = count("send", &[&url, "--count", "2500", "--size", "10", "--window", "50"]);
    assert_eq!((&sent["sent"], &sent["accepted"]), (&2500.into(), &2500.into()));
    let released = count("receive", &[&url, "--count", "500", "--size", "10", "--outcome", "released"]);
    assert_eq!((&released["received"], &released["released"]), (&500.into(), &500.into()));
    let received = count("receive", &[&url, "--count", "2500", "--credit", "7"]);
    assert_eq!(received["accepted"], 2500);
    assert_eq!(run("reconnect", &[&url, "--count", "4"]).0, Some(0));
    assert_eq!(count("receive", &[&url, "--count", "4"])["accepted"], 4);
    let settled = count("send", &[&url, "--count", "5", "--presettled"]);
    assert_eq!(settled["accepted"], 5);
    let received = count("receive", &[&url, "--count", "5", "--presettled"]);
    assert_eq!(received["received"], 5);
    #[cfg(unix)]
    {
        let (code, said) = broker.interrupt();
        assert!(code == Some(0) && said.contains("interrupted"), "{said}");
    }
}

/// Every outcome in both directions; another outcome than the expected one is a failure.
#[test]
#[adapter_tests::bounded(900)]
fn outcomes_are_compared_with_those_expected() {
    for outcome in ["accepted", "rejected", "released", "modified"] {
        let (listen, url) =
            Running::listening("listen", &["--count", "6", "--outcome", outcome, "--quiet", "--json"]);
        let url = at(&url, "jobs");
        let sent = count("send", &[&url, "--count", "3", "--outcome", outcome]);
        assert_eq!((&sent["sent"], &sent[outcome]), (&3.into(), &3.into()));
        let other = if outcome == "accepted" { "rejected" } else { "accepted" };
        let (code, said, _) = run("send", &[&url, "--count", "3", "--outcome", other]);
        assert!(code == Some(1) && said.contains(&format!("{outcome} 3")), "{said}");
        let (code, said) = listen.end();
        let line: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
        assert_eq!((code, &line["received"]), (Some(0), &6.into()));
    }
}

#[test]
#[adapter_tests::bounded(900)]
fn a_peer_without_a_broker() {
    let (listen, url) = Running::listening("listen", &["--give", "5"]);
    let url = at(&url, "anything");
    let (code, said, _) = run("receive", &[&url, "--count", "5", "--print"]);
    assert!(code == Some(0) && said.contains("message 5"), "{said}");
    assert_eq!(run("send", &[&url, "--size", "3"]).0, Some(0));
    #[cfg(unix)]
    {
        let (code, said) = listen.interrupt();
        assert_eq!(code, Some(0));
        assert!(said.contains("anything: ") && said.contains("received 1, sent 5"), "{said}");
    }
}

#[test]
#[adapter_tests::bounded(900)]
fn requests_are_answered() {
    let (_broker, url) = Running::listening("broker", &[]);
    let service = at(&url, "service");
    let respond = Running::start("respond", &[&service, "--count", "302", "--json"]);
    let (code, said, errors) = run("request", &[&service, "how are you?", "--print"]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    assert!(said.contains("HOW ARE YOU?") && said.contains("requested 1, answered 1"), "{said}");
    let line = count("request", &[&service, "--count", "300", "--window", "30"]);
    assert_eq!((&line["requested"], &line["answered"]), (&300.into(), &300.into()));
    assert_eq!(count("request", &[&service, "--reply-to", "answers"])["answered"], 1);
    let (code, said) = respond.end();
    let line: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &line["answered"]), (Some(0), &302.into()));

    let (code, _, errors) = run("request", &[&at(&url, "outcome.rejected")]);
    assert!(code == Some(1) && errors.contains("not accepted"), "{errors}");
    let (code, _, errors) = run("request", &[&at(&url, "nobody"), "--timeout", "0"]);
    assert!(code == Some(1) && errors.contains("no answer in time"), "{errors}");
}

/// The broker and the peer over TLS, with trusted certificates, and with client certificates where required.
#[test]
#[adapter_tests::bounded(900)]
fn all_of_them_speak_tls() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let authority = Authority::new();
    let ca = authority.write(folder, "ca");
    let [cert, key] = authority.issue("localhost").write(folder, "localhost");
    let [client, client_key] = authority.issue("meter-17").write(folder, "meter-17");
    let server = ["--tls-cert", &cert, "--tls-key", &key];
    let trusting = ["--ca", &ca];
    let holder = ["--ca", &ca, "--cert", &client, "--key", &client_key];
    let jobs = |url: &str| at(&url.replace("127.0.0.1", "localhost"), "jobs");

    let (mut broker, clear) =
        Running::listening("broker", &[&server[..], &["--tls-listen", "127.0.0.1:0"]].concat());
    let encrypted = jobs(&broker.url());
    count("send", &[&[encrypted.as_str(), "--count", "300"], &trusting[..]].concat());
    count("receive", &[jobs(&clear).as_str(), "--count", "200"]);
    count("receive", &[&[encrypted.as_str(), "--count", "100"], &trusting[..]].concat());
    let service = encrypted.replace("jobs", "service");
    let respond = Running::start("respond", &[&[service.as_str(), "--count", "1"], &trusting[..]].concat());
    assert_eq!(count("request", &[&[service.as_str()], &trusting[..]].concat())["answered"], 1);
    assert_eq!(respond.end().0, Some(0));

    for (url, arguments, words) in [
        (&encrypted, &[][..], "TLS: invalid peer certificate"),
        (&encrypted.replace("amqps", "amqp"), &[], "the peer speaks TLS 1.0.0"),
        (&jobs(&clear).replace("amqp", "amqps"), &trusting, "the peer does not speak TLS"),
    ] {
        let (code, _, errors) = run("send", &[&[url.as_str()], arguments].concat());
        assert!(code == Some(1) && errors.contains(words), "{words}: {errors}");
    }

    // With users, and without anonymous clients: the owner of a certificate is a user.
    let closed = ["--tls-listen", "127.0.0.1:0", "--client-ca", &ca, "--user", "me:secret"];
    let (mut broker, _) = Running::listening("broker", &[&server[..], &closed].concat());
    let (listen, peer) =
        Running::listening("listen", &[&server[..], &["--client-ca", &ca, "--count", "1"]].concat());
    assert!(peer.starts_with("amqps://"), "{peer}");
    for url in [jobs(&broker.url()), jobs(&peer)] {
        let (code, _, errors) = run("send", &[&[url.as_str()], &trusting[..]].concat());
        assert!(code == Some(1) && errors.contains("CertificateRequired"), "{errors}");
        count("send", &[&[url.as_str()], &holder[..]].concat());
    }
    assert_eq!(listen.end().0, Some(0));
}

/// The broker on WebSockets, without TLS and with it.
#[test]
#[adapter_tests::bounded(900)]
fn messages_go_over_websockets() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let authority = Authority::new();
    let ca = authority.write(folder, "websocket-ca");
    let [cert, key] = authority.issue("localhost").write(folder, "websocket");
    let websocket = ["--websocket", "127.0.0.1:0"];
    let (mut broker, clear) = Running::listening("broker", &websocket);
    let url = broker.url();
    assert!(url.starts_with("ws://"), "{url}");
    count("send", &[&at(&url, "amqp"), "--address", "jobs", "--count", "300"]);
    count("receive", &[&at(&clear, "jobs"), "--count", "300"]);
    let (code, _, errors) = run("send", &[&at(&url, "jobs")]);
    assert!(code == Some(1) && errors.contains("--address"), "{errors}");

    let tls = ["--tls-cert", &cert, "--tls-key", &key, "--tls-listen", "127.0.0.1:0"];
    let (mut broker, _) = Running::listening("broker", &[&websocket[..], &tls].concat());
    assert!(broker.url().starts_with("amqps://"));
    let url = broker.url().replace("127.0.0.1", "localhost");
    assert!(url.starts_with("wss://"), "{url}");
    for name in ["send", "receive"] {
        count(name, &[&url, "--address", "jobs", "--count", "300", "--ca", &ca]);
    }
}

/// Answers requests of the method CONNECT with this status, and carries the octets if the status is 200.
fn proxy(status: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut octet = [0];
                client.read_exact(&mut octet).unwrap();
                request.extend(octet);
            }
            let request = String::from_utf8(request).unwrap();
            let to = request.strip_prefix("CONNECT ").unwrap().split(' ').next().unwrap();
            let server = TcpStream::connect(to).unwrap();
            client.write_all(format!("HTTP/1.1 {status}\r\nVia: test\r\n\r\n").as_bytes()).unwrap();
            if status.starts_with("200") {
                let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Write);
                });
                let (mut from, mut to) = (server, client);
                let _ = std::io::copy(&mut from, &mut to);
            }
        }
    });
    address
}

#[test]
#[adapter_tests::bounded(900)]
fn a_message_goes_through_a_proxy() {
    let (mut broker, url) = Running::listening("broker", &["--websocket", "127.0.0.1:0"]);
    let carries = proxy("200 Connection established");
    for url in [&url, &broker.url()] {
        let (code, said, errors) = run("proxy", &[url, "--proxy", &carries]);
        assert_eq!((code, said.as_str(), errors.as_str()), (Some(0), "accepted\n", ""));
    }
    count("receive", &[&at(&url, "jobs"), "--count", "2"]);
    let (code, _, errors) = run("proxy", &[&url, "--proxy", &proxy("407 Proxy Authentication Required")]);
    assert!(code == Some(1) && errors.contains("HTTP/1.1 407 Proxy Authentication Required"), "{errors}");
}

/// An interrupted example prints its progress, and fails if that is not all.
#[cfg(unix)]
#[test]
#[adapter_tests::bounded(900)]
fn an_interruption_closes() {
    let (_broker, url) = Running::listening("broker", &[]);
    let url = at(&url, "jobs");
    count("send", &[&url, "--count", "3"]);
    let mut receive = Running::start("receive", &[&url, "--count", "4", "--print"]);
    for _ in 0..3 {
        receive.said.read_line(&mut String::new()).unwrap();
    }
    let (code, said) = receive.interrupt();
    assert!(code == Some(1) && said.contains("received 3, accepted 3"), "{said}");
    // Its credit was returned.
    count("send", &[&url]);
    count("receive", &[&url]);
}

/// Senders to a full queue wait; an interruption ends that, once.
#[cfg(unix)]
#[test]
#[adapter_tests::bounded(900)]
fn an_interruption_ends_sending_to_a_full_queue() {
    let (_broker, url) = Running::listening("broker", &["--depth", "5"]);
    let url = at(&url, "jobs");
    let send = Running::start("send", &[&url, "--count", "100"]);
    // The rest must wait while these messages are there.
    count("receive", &[&url, "--count", "5", "--outcome", "released"]);
    let (code, said) = send.interrupt();
    assert!(code == Some(1) && said.starts_with("sent "), "{said}");
}

/// An example piped into `head` ends without a backtrace, and leaves the other messages to others.
#[test]
#[adapter_tests::bounded(900)]
fn a_closed_output_ends_the_program_quietly() {
    let (_broker, url) = Running::listening("broker", &[]);
    let url = at(&url, "jobs");
    count("send", &[&url, "--count", "2000"]);
    let mut receive = programs::program(&EXAMPLES, "receive");
    receive.args([&url, "--count", "2000", "--print"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut receive = receive.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(receive.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("xxx"), "{line}");
    // The example counts as printed what the pipe holds.
    let ended = receive.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), String::from_utf8(ended.stderr).unwrap()), (Some(0), String::new()));
    count("receive", &[&url, "--count", "1000"]);
}

/// All examples read each other's messages, as text or octets.
#[test]
#[adapter_tests::bounded(900)]
fn the_examples_read_each_others_messages() {
    let (_broker, url) = Running::listening("broker", &[]);
    let service = at(&url, "service");
    let respond = Running::start("respond", &[&service, "--count", "1"]);
    let (code, said, errors) = run("request", &[&service, "how?", "--print"]);
    assert!(code == Some(0) && said.starts_with("HOW?\n"), "{said} {errors}");
    assert_eq!(respond.end().0, Some(0));
    count("send", &[&at(&url, "jobs"), "--size", "3"]);
    let (code, said, errors) = run("receive", &[&url, "--address", "jobs", "--size", "3", "--print"]);
    assert!(code == Some(0) && said.starts_with("xxx\n"), "{said} {errors}");
    assert_eq!(run("reconnect", &[&url, "--address", "jobs", "--count", "1"]).0, Some(0));
    let (code, said, errors) = run("receive", &[&url, "--address", "jobs", "--size", "4", "--print"]);
    assert!(code == Some(1) && errors.contains("not 4"), "a string of five octets: {said} {errors}");
    let (code, said, errors) = run("receive", &[&url, "--address", "jobs", "--print"]);
    assert!(code == Some(0) && said.starts_with("job 0\n"), "{said} {errors}");
}

/// A wrong password in a URL is never shown.
#[test]
#[adapter_tests::bounded(900)]
fn passwords_are_not_printed() {
    let (_broker, url) = Running::listening("broker", &["--user", "me:secret"]);
    let wrong = at(&url.replace("amqp://", "amqp://me:seCret@"), "jobs");
    let cut = at(&url.replace("amqp://", "amqp://me:12#seCret@"), "jobs");
    for (name, arguments) in [
        ("send", vec![wrong.as_str()]),
        ("send", vec![cut.as_str()]),
        ("quickstart", vec!["--url", wrong.as_str()]),
        ("reconnect", vec![wrong.as_str()]),
        ("reconnect", vec![cut.as_str()]),
    ] {
        let (code, said, errors) = run(name, &arguments);
        assert!(code == Some(1) && !errors.is_empty(), "{name} {arguments:?}");
        assert!(!said.contains("seCret") && !errors.contains("seCret"), "{name}: {said} {errors}");
    }
}

/// A peer that disappears is an error in words.
#[test]
#[adapter_tests::bounded(900)]
fn a_peer_that_dies() {
    let (broker, url) = Running::listening("broker", &[]);
    let url = at(&url, "jobs");
    count("send", &[&url]);
    let mut receive = Running::start("receive", &[&url, "--count", "2", "--print"]);
    let mut line = String::new();
    receive.said.read_line(&mut line).unwrap();
    drop(broker);
    let mut errors = String::new();
    receive.program.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert!(errors.starts_with("error: "), "{errors}");
    assert_eq!(receive.end().0, Some(1));
}

#[test]
#[adapter_tests::bounded(900)]
fn wrong_input_is_an_error_in_words() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = format!("amqp://{free}/jobs");
    // A server of another protocol.
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let http = format!("amqp://{}/jobs", other.local_addr().unwrap());
    let taken = other.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in other.incoming() {
            let answer = b"HTTP/1.1 400 Bad Request\r\n\r\n";
            let _ = std::io::Write::write_all(&mut stream.unwrap(), answer);
        }
    });
    for (name, arguments, code, words) in [
        ("send", vec![nobody.as_str()], 1, "cannot connect"),
        ("receive", vec![nobody.as_str()], 1, "cannot connect"),
        ("request", vec![nobody.as_str()], 1, "cannot connect"),
        ("respond", vec![nobody.as_str()], 1, "cannot connect"),
        ("quickstart", vec!["--url", nobody.as_str()], 1, "cannot connect"),
        ("reconnect", vec![nobody.as_str(), "--attempts", "0"], 1, "cannot connect"),
        ("send", vec![http.as_str()], 1, "it seems to speak HTTP"),
        ("listen", vec!["--listen", taken.as_str()], 1, "cannot listen"),
        ("broker", vec!["--listen", taken.as_str()], 1, "cannot listen"),
        ("broker", vec!["--user", "nobody"], 1, "NAME:PASSWORD"),
        ("send", vec!["amqp://localhost"], 1, "names no node"),
        ("request", vec!["http://localhost/jobs"], 1, "amqp://"),
        ("send", vec![], 2, "Usage"),
        ("request", vec![nobody.as_str(), "--window", "0"], 2, "--window"),
        ("send", vec![nobody.as_str(), "--user", "me"], 2, "--password"),
        ("listen", vec!["--outcome", "lost"], 2, "possible values"),
    ] {
        let (exit, _, errors) = run(name, &arguments);
        assert_eq!(exit, Some(code), "{name} {arguments:?}: {errors}");
        assert!(errors.contains(words), "{name} {arguments:?}: {errors}");
    }
    for name in EXAMPLES {
        let (code, said, _) = run(name, &["--help"]);
        assert!(code == Some(0) && said.contains("Usage"), "{name}: {said}");
    }
}

/// T-RES-06, T-RES-08: a process that was killed goes on from its file, and each message comes once.
#[test]
fn t_res_08_a_sender_that_is_killed_goes_on_from_its_file() {
    let (code, said, errors) = run("exactly_once", &[]);
    assert_eq!(code, Some(0), "{said}{errors}");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines, ["the sender was killed 3 times", "each of 1000 messages came once"]);
}
