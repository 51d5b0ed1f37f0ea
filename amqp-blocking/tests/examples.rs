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
#[path = "common/programs.rs"]
mod programs;

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use amqp_blocking::message::Message;
use amqp_blocking::wire::{AmqpError, Condition};
use amqp_blocking::{Accepted, Acceptor, Connection, Listener, Offer, Receiver, Sender, ServerTls};
use certificates::Authority;

const EXAMPLES: [&str; 3] = ["blocking_send", "blocking_receive", "handler"];

fn run(name: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    programs::run(&EXAMPLES, name, arguments)
}

fn last_line(output: &str) -> serde_json::Value {
    serde_json::from_str(output.lines().last().unwrap()).unwrap()
}

/// Starts a peer that runs a closure with one link, then waits for the connection's close.
fn peer(with: impl FnOnce(Accepted) + Send + 'static) -> (String, thread::JoinHandle<()>) {
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let url = format!("amqp://{}/jobs", listener.local_addr().unwrap());
    let serving = thread::spawn(move || {
        let connection: Connection = listener.accept().unwrap().open().unwrap();
        loop {
            match connection.next_offer().unwrap().unwrap().accept().unwrap() {
                Accepted::Session(_) => {}
                link => break with(link),
            }
        }
        connection.closed();
    });
    (url, serving)
}

fn receiver(link: Accepted) -> Receiver {
    match link {
        Accepted::Receiver(receiver) => receiver,
        other => panic!("{other:?}"),
    }
}

fn sender(link: Accepted) -> Sender {
    match link {
        Accepted::Sender(sender) => sender,
        other => panic!("{other:?}"),
    }
}

#[test]
#[adapter_tests::bounded(900)]
fn send_shows_the_outcomes() {
    let (url, peer) = peer(|link| {
        for delivery in &receiver(link) {
            let delivery = delivery.unwrap();
            assert_eq!(delivery.message().unwrap().body().unwrap().as_bytes().unwrap().len(), 10);
            delivery.accept().unwrap();
        }
    });
    let (code, said, errors) = run("blocking_send", &[&url, "--count", "2500", "--size", "10", "--json"]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let line = last_line(&said);
    assert_eq!((&line["sent"], &line["accepted"]), (&2500.into(), &2500.into()));
    peer.join().unwrap();
}

#[test]
#[adapter_tests::bounded(900)]
fn send_fails_if_an_outcome_is_another_than_expected() {
    for (expected, code) in [("accepted", 1), ("rejected", 0)] {
        let (url, peer) = peer(|link| {
            for delivery in &receiver(link) {
                delivery.unwrap().reject(AmqpError::new(Condition::NotAllowed)).unwrap();
            }
        });
        let (exit, said, _) = run("blocking_send", &[&url, "--count", "3", "--outcome", expected]);
        assert_eq!(exit, Some(code));
        assert!(said.starts_with("3 sent: 0 accepted, 3 rejected, 0 released, 0 modified; "), "{said}");
        peer.join().unwrap();
    }
}

#[test]
#[adapter_tests::bounded(900)]
fn send_settled() {
    let (url, peer) = peer(|link| {
        let count = receiver(link).iter().filter(|delivery| delivery.as_ref().unwrap().is_settled()).count();
        assert_eq!(count, 5);
    });
    assert_eq!(run("blocking_send", &[&url, "--count", "5", "--presettled"]).0, Some(0));
    peer.join().unwrap();
}

#[test]
#[adapter_tests::bounded(900)]
fn receive_gives_the_requested_outcome() {
    for outcome in ["accepted", "rejected", "released", "modified"] {
        let (url, peer) = peer(move |link| {
            let sender = sender(link);
            let sent: Vec<_> = (0..500).map(|n| sender.send_queued(format!("{n}")).unwrap()).collect();
            for sent in sent {
                let told = format!("{:?}", sent.outcome().unwrap()).to_lowercase();
                assert!(told.starts_with(outcome), "{told}");
            }
        });
        let arguments = [&url, "--count", "500", "--credit", "7", "--outcome", outcome, "--json"];
        let (code, said, errors) = run("blocking_receive", &arguments);
        assert_eq!((code, errors.as_str()), (Some(0), ""));
        let line = last_line(&said);
        assert_eq!((&line["received"], &line[outcome]), (&500.into(), &500.into()));
        peer.join().unwrap();
    }
}

#[test]
#[adapter_tests::bounded(900)]
fn receive_ends_after_a_silence() {
    let (url, peer) = peer(|link| {
        drop(sender(link).send(Message::from("the only one")).unwrap());
    });
    let (code, said, _) = run("blocking_receive", &[&url, "--count", "2", "--idle", "1", "--print"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("the only one") && said.contains("1 received: 1 accepted"), "{said}");
    peer.join().unwrap();
}

/// Senders to a slow peer wait; an interruption ends that, once.
#[cfg(unix)]
#[test]
#[adapter_tests::bounded(900)]
fn an_interruption_ends_sending_to_a_full_queue() {
    let (told, is_taken) = mpsc::channel();
    let (url, peer) = peer(move |link| {
        let receiver = receiver(link);
        let kept: Vec<_> = receiver.iter().take(100).collect();
        told.send(kept.len()).unwrap();
        // The rest of the credit is used up, and no outcome is sent.
        receiver.closed();
    });
    let mut send = programs::program(&EXAMPLES, "blocking_send");
    send.args([&url, "--count", "1000"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let send = send.spawn().unwrap();
    assert_eq!(is_taken.recv().unwrap(), 100);
    assert!(Command::new("kill").args(["-INT", &send.id().to_string()]).status().unwrap().success());
    let ended = send.wait_with_output().unwrap();
    let said = String::from_utf8(ended.stdout).unwrap();
    assert!(ended.status.code() == Some(1) && said.contains(" sent: 0 accepted"), "{said}");
    peer.join().unwrap();
}

/// An example piped into `head` ends without a backtrace, and leaves the other messages to others.
#[test]
#[adapter_tests::bounded(900)]
fn a_closed_output_ends_the_program_quietly() {
    let (url, peer) = peer(|link| {
        let sender = sender(link);
        let text = "x".repeat(1_000);
        while let Ok(sent) = sender.send_queued(&*text) {
            drop(sent);
        }
    });
    let mut receive = programs::program(&EXAMPLES, "blocking_receive");
    receive.args([&url, "--count", "0", "--print"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut receive = receive.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(receive.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("xxx"), "{line}");
    let ended = receive.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), String::from_utf8(ended.stderr).unwrap()), (Some(0), String::new()));
    peer.join().unwrap();
}

/// A wrong password in a URL is never shown, and `--address` takes an address unchanged.
#[test]
#[adapter_tests::bounded(900)]
fn passwords_are_not_printed_and_an_address_is_taken_as_it_is() {
    for url in
        ["amqp://me:12#seCret@localhost/jobs", "amqp://me:12/seCret@localhost", "amqp://:seCret@localhost"]
    {
        let (code, said, errors) = run("blocking_send", &[url]);
        assert!(code == Some(1) && errors.starts_with("error: the URL has "), "{errors}");
        assert!(!said.contains("seCret") && !errors.contains("seCret"), "{errors}");
    }
    let (url, peer) = peer(|link| {
        let receiver = receiver(link);
        let target = receiver.peer_attach().unwrap().target.unwrap();
        assert_eq!(target.address().map(|address| &**address), Some("/queues/my%20jobs"));
        receiver.iter().for_each(|delivery| delivery.unwrap().accept().unwrap());
    });
    let (code, said, errors) = run("blocking_send", &[&url, "--address", "/queues/my%20jobs"]);
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{said}");
    peer.join().unwrap();
}

#[test]
#[adapter_tests::bounded(900)]
fn the_chapter_in_the_handler_style() {
    let (code, said, errors) = run("handler", &[]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    for line in ["delivery 5 is accepted", "delivery 2 is job-content 2", "delivery 5 is accepted now"] {
        assert!(said.contains(line), "{line}: {said}");
    }
}

/// A peer that requires client certificates, for any number of clients: receives six messages on a link, and sends
/// three on one.
fn encrypted_peer(authority: &Authority) -> String {
    let issued = authority.issue("localhost");
    let tls = ServerTls::builder_pem(issued.chain.as_bytes(), issued.key.as_bytes()).unwrap();
    let tls = tls.with_trusted_clients_pem(authority.pem.as_bytes()).unwrap().build().unwrap();
    let listener = Listener::bind_with("127.0.0.1:0", Acceptor::default().with_tls(tls)).unwrap();
    let url = format!("amqps://localhost:{}/jobs", listener.local_addr().unwrap().port());
    thread::spawn(move || {
        loop {
            // A client without a certificate is refused.
            let Ok(connection) = listener.accept().unwrap().open() else { continue };
            assert_eq!(connection.identity().unwrap().user().unwrap(), "CN=meter-17");
            while let Some(offer) = connection.next_offer().unwrap() {
                match offer.accept().unwrap() {
                    Accepted::Receiver(receiver) => {
                        receiver.iter().take(6).for_each(|taken| taken.unwrap().accept().unwrap())
                    }
                    Accepted::Sender(sender) => {
                        for number in 0..3 {
                            drop(sender.send_queued(format!("{number}")).unwrap());
                        }
                    }
                    _ => {}
                }
            }
        }
    });
    url
}

#[test]
#[adapter_tests::bounded(900)]
fn all_of_them_speak_tls() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let authority = Authority::new();
    let ca = authority.write(folder, "blocking-ca");
    let [cert, key] = authority.issue("meter-17").write(folder, "blocking-meter-17");
    let url = encrypted_peer(&authority);
    for (name, more) in [("blocking_send", ["--count", "6"].as_slice()), ("handler", &[])] {
        let trusting = [&[url.as_str(), "--ca", &ca], more].concat();
        let (code, said, errors) = run(name, &[&trusting[..], &["--cert", &cert, "--key", &key]].concat());
        assert_eq!((code, errors.as_str()), (Some(0), ""), "{name}: {said}");
        let (code, _, errors) = run(name, &trusting);
        assert!(code == Some(1) && errors.starts_with("error: "), "{name}: {errors}");
        let (code, _, errors) = run(name, &[&url]);
        assert!(code == Some(1) && errors.contains("TLS"), "{name}: {errors}");
    }
}

/// A link that the broker refuses is an error, which the exit code shows.
#[test]
#[adapter_tests::bounded(900)]
fn a_refused_link_sets_the_exit_code() {
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let url = format!("amqp://{}/jobs", listener.local_addr().unwrap());
    let serving = thread::spawn(move || {
        let connection: Connection = listener.accept().unwrap().open().unwrap();
        while let Some(offer) = connection.next_offer().unwrap() {
            let Offer::Link(link) = offer else {
                drop(offer.accept().unwrap());
                continue;
            };
            link.refuse(AmqpError::new(Condition::NotFound).with_description("no jobs here")).unwrap();
        }
    });
    let (code, _, errors) = run("handler", &[&url]);
    assert!(code == Some(1) && errors.contains("no jobs here"), "{code:?}: {errors}");
    serving.join().unwrap();
}

#[test]
#[adapter_tests::bounded(900)]
fn wrong_input_is_an_error_in_words() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = format!("amqp://{free}/jobs");
    for (name, arguments, code, words) in [
        ("blocking_send", vec![nobody.as_str()], 1, "cannot connect"),
        ("blocking_receive", vec![nobody.as_str()], 1, "cannot connect"),
        ("handler", vec![nobody.as_str()], 1, "cannot connect"),
        ("blocking_send", vec!["amqp://localhost"], 1, "names no node"),
        (
            "blocking_send",
            vec!["amqps://localhost/jobs", "--ca", "no/such/file"],
            1,
            "cannot read no/such/file",
        ),
        ("blocking_send", vec![nobody.as_str(), "--ca", "Cargo.toml"], 1, "for amqps://"),
        ("handler", vec![nobody.as_str(), "--ca", "Cargo.toml"], 1, "for amqps://"),
        ("blocking_send", vec!["localhost/jobs"], 1, "does not begin with amqp://"),
        ("blocking_send", vec![], 2, "Usage"),
        ("blocking_send", vec![nobody.as_str(), "--window", "0"], 2, "--window"),
        ("blocking_send", vec![nobody.as_str(), "--user", "me"], 2, "--password"),
        ("blocking_receive", vec![nobody.as_str(), "--outcome", "lost"], 2, "possible values"),
    ] {
        let (exit, _, errors) = run(name, &arguments);
        assert_eq!(exit, Some(code), "{name} {arguments:?}: {errors}");
        assert!(errors.contains(words), "{name} {arguments:?}: {errors}");
    }
}
