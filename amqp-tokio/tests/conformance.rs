//! The broker in memory follows every rule that the example `conformance` tries; and the command line of the example.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, unreachable_pub)]

#[allow(dead_code, reason = "the command line of the example uses more of it")]
#[path = "../examples/conformance/suite/mod.rs"]
mod suite;

#[path = "../../amqp-blocking/tests/common/programs.rs"]
mod programs;

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use amqp_tokio::broker::Broker;
use amqp_tokio::{ConnectionOptions, Listener};
use suite::case::{Case, Section, Stop};
use suite::peer::{Target, Times};
use suite::report;
use suite::run::{Contact, Done, has_sasl, run};

/// The rules that cannot be tried with this broker.
const NOT_TRIED: [(&str, &str); 3] = [
    ("L-ATT-08", "it refuses a link with an unknown filter"),
    ("L-MSG-02", "its messages may have 32 MiB"),
    ("X-CTL-05", "it has a coordinator"),
];

fn times() -> Times {
    Times {
        answer: Duration::from_secs(20),
        quiet: Duration::from_millis(200),
        case: Duration::from_secs(60),
        idle: Duration::from_secs(8),
    }
}

/// Plays all cases with a broker.
fn played(address: SocketAddr) -> Vec<Done> {
    let login = Some(("test".to_owned(), "secret".to_owned()));
    let mut target = Target { login, sasl: false, node: "conformance".into(), times: times() };
    let connect =
        || -> io::Result<Contact> { Ok(Contact { socket: TcpStream::connect(address)?, program: None }) };
    target.sasl = has_sasl(&target, &connect).unwrap();
    let all = |_: &Section, _: &Case| true;
    run(&target, &connect, &suite::broker::SECTIONS, &all, 8)
}

#[tokio::test(flavor = "multi_thread")]
#[adapter_tests::bounded(600)]
async fn the_broker_conforms() {
    let options = ConnectionOptions::new().with_idle_timeout(Some(Duration::from_secs(8)));
    let broker = Broker::builder().with_options(options).with_user("test", "secret").unwrap();
    let broker = broker.with_anonymous().build().unwrap();
    let listener = Listener::bind_with("127.0.0.1:0", broker.acceptor()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(async move { broker.serve(listener).await });
    let all = tokio::task::spawn_blocking(move || played(address)).await.unwrap();
    served.abort();
    let text = report::text(&all);
    let cases: usize = suite::broker::SECTIONS.iter().map(|section| section.cases.len()).sum();
    assert_eq!(all.len(), cases, "{text}");
    for done in &all {
        let id = done.case.id;
        let is_excused = match &done.played {
            Ok(()) => true,
            Err(Stop::Deviates { .. }) => false,
            Err(Stop::NotTried(_)) => NOT_TRIED.iter().any(|(known, _)| *known == id),
        };
        assert!(is_excused, "{id}: {}\n\n{text}", done.case.title);
    }
}

/// The answers of peers that are none.
const NONSENSE: [&[u8]; 5] = [
    b"",
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"AMQP\x00\x01\x00\x00\xff\xff\xff\xff\x02\x00",
    b"AMQP\x03\x01\x00\x00\x00\x00\x00\x0c\x02\x01\x00\x00\x00\x00\x00\xc0",
    &[0; 64],
];

/// A peer that answers nonsense, or nothing, passes no case behind the headers, and no case hangs.
#[test]
#[adapter_tests::bounded(600)]
fn nonsense_is_survived() {
    for (answer, sasl) in NONSENSE.into_iter().flat_map(|answer| [(answer, false), (answer, true)]) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for mut socket in listener.incoming().flatten() {
                let _ = io::Write::write_all(&mut socket, answer);
                std::thread::spawn(move || io::copy(&mut socket, &mut io::sink()));
            }
        });
        let quick = Duration::from_millis(20);
        let times = Times { answer: quick, quiet: quick, case: Duration::from_millis(400), idle: quick };
        let target = Target { login: None, sasl, node: "n".into(), times };
        let connect =
            || -> io::Result<Contact> { Ok(Contact { socket: TcpStream::connect(address)?, program: None }) };
        let behind_headers = |section: &Section, _: &Case| section.title != "Version negotiation";
        let all = run(&target, &connect, &suite::broker::SECTIONS, &behind_headers, 8);
        assert!(all.len() > 100);
        let passed: Vec<_> =
            all.iter().filter(|done| done.played.is_ok()).map(|done| done.case.title).collect();
        assert!(passed.is_empty(), "{answer:?}: {passed:?}");
        // The reports are written for any results.
        assert!(report::html("<peer>", &all).contains("&lt;peer&gt;"));
        assert!(report::junit("\u{0}", &all).contains("<testcase"));
        assert_eq!(report::json("peer", &all)["cases"].as_array().unwrap().len(), all.len());
    }
}

/// The command line of the example, and a client that it can start.
const EXAMPLES: [&str; 2] = ["conformance", "send"];

/// Runs the example, with short times where the arguments name none.
fn tester(arguments: &[&str]) -> (Option<i32>, String, String) {
    let times = [["--answer", "2"], ["--quiet", "0.1"], ["--limit", "20"]];
    let is_named = |name: &str| arguments.iter().any(|argument| argument.starts_with(name));
    let times = times.into_iter().filter(|[name, _]| !is_named(name)).flatten();
    programs::run(&EXAMPLES, "conformance", &times.chain(arguments.iter().copied()).collect::<Vec<_>>())
}

/// Returns the URL of a server that writes octets to each client and reads what it sends; it ends after some clients.
fn server(octets: &'static [u8], clients: usize) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("amqp://{}/jobs", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut socket in listener.incoming().take(clients).flatten() {
            // The tester may have gone.
            let _ = io::Write::write_all(&mut socket, octets);
            std::thread::spawn(move || io::copy(&mut socket, &mut io::sink()));
        }
    });
    url
}

/// A file for a report, and its path.
fn file(name: &str) -> (PathBuf, String) {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let path = file.to_str().unwrap().to_owned();
    (file, path)
}

/// A peer that follows the rules: the exit code is 0, and all reports say so without the password.
#[tokio::test(flavor = "multi_thread")]
#[adapter_tests::bounded(900)]
async fn a_peer_that_conforms() {
    let broker = Broker::builder().with_user("test", "secret").unwrap().build().unwrap();
    let listener = Listener::bind_with("127.0.0.1:0", broker.acceptor()).await.unwrap();
    let url = format!("amqp://test:secret@{}", listener.local_addr().unwrap());
    let served = tokio::spawn(async move { broker.serve(listener).await });
    let play = move || {
        let [(json, to_json), (junit, to_junit), (html, to_html)] =
            ["conforms.json", "conforms.xml", "conforms.html"].map(file);
        let reports = ["--json", &to_json, "--junit", &to_junit, "--html", &to_html];
        let (code, said, errors) = tester(&[&[&url, "--only", "2.2", "--must"], &reports[..]].concat());
        assert_eq!((code, errors.as_str()), (Some(0), ""), "{said}");
        assert!(said.contains("Version negotiation: "), "{said}");
        assert!(said.trim_end().ends_with(" pass, 0 deviate, 0 lenient, 0 not tried"), "{said}");
        let [json, junit, html] = [json, junit, html].map(|file| std::fs::read_to_string(file).unwrap());
        let counts: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(counts["cases"].as_array().map(Vec::len).unwrap(), 4);
        assert!(junit.starts_with("<?xml") && junit.contains("failures=\"0\""), "{junit}");
        assert!(html.starts_with("<!doctype html>") && html.trim_end().ends_with("</html>"), "{html}");
        let (code, printed, _) = tester(&[&url, "--only", "H-HDR-04", "--json", "-"]);
        let counts: serde_json::Value = serde_json::from_str(&printed).unwrap();
        assert!(code == Some(0) && counts["deviates"] == 0, "{printed}");
        for text in [said, json, junit, html, printed] {
            assert!(!text.contains("secret"), "{text}");
        }
    };
    tokio::task::spawn_blocking(play).await.unwrap();
    served.abort();
}

/// A peer that deviates: the exit code is 1, and the reports have what was expected, what came, and the frames.
#[test]
#[adapter_tests::bounded(900)]
fn a_peer_that_deviates() {
    // The same header for every client, and then silence.
    let url = server(b"AMQP\0\x01\0\0", usize::MAX);
    let [(_, to_junit), (_, to_html)] = ["deviates.xml", "deviates.html"].map(file);
    let (code, said, errors) =
        tester(&[&url, "--only", "2.2", "--answer", "0.5", "--junit", &to_junit, "--html", &to_html]);
    assert_eq!((code, errors.as_str()), (Some(1), ""), "{said}");
    assert!(said.contains("expected: ") && said.contains("came:     "), "{said}");
    let [junit, html] = [to_junit, to_html].map(|file| std::fs::read_to_string(file).unwrap());
    assert!(junit.contains("<failure message="), "{junit}");
    assert!(html.contains("class=\"word deviates\"") && html.contains("<summary>"), "{html}");
}

/// A peer that cannot be tested, and wrong input: the exit code is 2, and the error says why.
#[test]
#[adapter_tests::bounded(900)]
fn what_cannot_be_tested_is_an_error_in_words() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = format!("amqp://{free}/jobs");
    let mute = server(b"", usize::MAX);
    let http = server(b"HTTP/1.1 400 Bad Request\r\n\r\n", usize::MAX);
    let amqp = b"AMQP\0\x01\0\0";
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().map(|address| (taken, address.to_string())).unwrap();
    for (arguments, words) in [
        (vec![nobody.as_str()], "the peer cannot be tested: no connection"),
        (vec![mute.as_str(), "--answer", "0.2"], "the peer cannot be tested: nothing for"),
        (vec![http.as_str()], "the peer cannot be tested: octets that are no frame"),
        (vec!["http://localhost/jobs"], "amqp://"),
        (vec!["amqps://localhost/jobs"], "the tester does not speak TLS"),
        (vec![&server(amqp, 9), "--only", "none"], "no rule is called so"),
        (vec![&server(amqp, 9), "--only", "H-HDR-04", "--html", "/nowhere/x"], "cannot write /nowhere/x"),
        (vec!["--listen", &taken.1], "cannot listen on"),
        (vec![nobody.as_str(), "--answer=-1"], "a time is out of range"),
        (vec![nobody.as_str(), "--listen", "127.0.0.1:0"], "cannot be used with"),
        (vec![], "Usage"),
    ] {
        let (code, said, errors) = tester(&arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {said}{errors}");
        assert!(errors.contains(words), "{arguments:?}: {errors}");
    }
    // A peer that dies after the first look: nothing was learnt.
    let (code, said, _) = tester(&[&server(amqp, 1), "--only", "2.4.3"]);
    assert!(code == Some(2) && said.contains("because: no connection"), "{said}");
}

/// The tester as the server: it starts a client for each rule.
#[test]
#[adapter_tests::bounded(900)]
fn a_client_is_tested() {
    let send = programs::program(&EXAMPLES, "send");
    let send = send.get_program().to_str().unwrap();
    let (code, said, errors) = tester(&["--listen", "127.0.0.1:0", "--only", "2.2", "--", send, "{url}"]);
    assert_eq!(code, Some(0), "{said}{errors}");
    assert!(errors.starts_with("listening on amqp://127.0.0.1:"), "{errors}");
    assert!(said.trim_end().ends_with("2 pass, 0 deviate, 0 lenient, 0 not tried"), "{said}");
    let (code, said, _) = tester(&["--listen", "127.0.0.1:0", "--list"]);
    assert!(code == Some(0) && said.contains("sends its header at once"), "{said}");
    // A client that never connects.
    let (code, said, _) =
        tester(&["--listen", "127.0.0.1:0", "--only", "H-HDR-02", "--limit", "0.2", "--", send, "--help"]);
    assert!(code == Some(2) && said.contains("no client has connected"), "{said}");
}
