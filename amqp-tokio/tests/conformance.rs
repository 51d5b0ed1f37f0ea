//! The broker in memory follows every rule that the example `conformance` tries.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[allow(dead_code, reason = "the command line of the example uses more of it")]
#[path = "../examples/conformance/suite/mod.rs"]
mod suite;

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use amqp_tokio::broker::Broker;
use amqp_tokio::{ConnectionOptions, Listener};
use suite::case::{Case, Section, Stop};
use suite::peer::{Target, Times};
use suite::report;
use suite::run::{Contact, Done, has_sasl, run};

/// The rules that cannot be tried with this broker.
const NOT_TRIED: [(&str, &str); 4] = [
    ("C-CLOSE-06", "it does not wait for the answer to a close with an error"),
    ("L-ATT-08", "it refuses a link with an unknown filter"),
    ("L-MSG-02", "its messages may have 32 MiB"),
    ("X-CTL-05", "it has a coordinator"),
];

/// The deviations that are known, which some runs show.
const KNOWN: [(&str, &str); 1] =
    [("C-CLOSE-02", "it ends the stream without waiting for the answer to a close with an error")];

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
            Err(Stop::Deviates { .. }) => KNOWN.iter().any(|(known, _)| *known == id),
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
