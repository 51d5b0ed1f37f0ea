//! Servers that a client cannot use, with the client's error for each.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use amqp_proto::client::{ConnectionOptions, Error, ErrorKind};

/// A server at a port, and the error of a client that connects to it as `me:secret`.
pub(crate) struct Refusal {
    /// The server's answers to the client's writes; after them it only reads.
    answers: Option<&'static [&'static [u8]]>,
    kind: ErrorKind,
    is_transient: bool,
    /// The text of the error, with `URL` for the server's URL.
    text: &'static str,
}

const SASL: &[u8] = b"AMQP\x03\x01\0\0";
const PLAIN: &[u8] = b"AMQP\x03\x01\0\0\0\0\0\x15\x02\x01\0\0\0\x53\x40\xc0\x08\x01\xa3\x05PLAIN";
const GSSAPI: &[u8] = b"AMQP\x03\x01\0\0\0\0\0\x16\x02\x01\0\0\0\x53\x40\xc0\x09\x01\xa3\x06GSSAPI";
const AUTH: &[u8] = b"\0\0\0\x10\x02\x01\0\0\0\x53\x44\xc0\x03\x01\x50\x01";
const SYS_TEMP: &[u8] = b"\0\0\0\x10\x02\x01\0\0\0\x53\x44\xc0\x03\x01\x50\x04";

/// All such servers.
pub(crate) const REFUSALS: [Refusal; 8] = [
    Refusal {
        answers: Some(&[PLAIN, AUTH]),
        kind: ErrorKind::Authentication,
        is_transient: false,
        text: "authentication failed for user 'me' by PLAIN: the server refused the credentials (outcome auth) \
               (URL); check the user, the password, and the user's permissions on the server",
    },
    Refusal {
        answers: Some(&[PLAIN, SYS_TEMP]),
        kind: ErrorKind::Authentication,
        is_transient: true,
        text: "authentication failed for user 'me' by PLAIN: the server has a temporary system error (outcome \
               sys-temp) (URL)",
    },
    Refusal {
        answers: Some(&[GSSAPI]),
        kind: ErrorKind::Authentication,
        is_transient: false,
        text: "no SASL mechanism in common with the server: it offers GSSAPI, this client allows SCRAM-SHA-512, \
               SCRAM-SHA-256, SCRAM-SHA-1, PLAIN (URL)",
    },
    Refusal {
        answers: Some(&[SASL]),
        kind: ErrorKind::TimedOut,
        is_transient: true,
        text: "timed out waiting for the peer's open (URL)",
    },
    Refusal {
        answers: Some(&[]),
        kind: ErrorKind::TimedOut,
        is_transient: true,
        text: "timed out waiting for the peer's open: the peer sent nothing; it may expect TLS (URL)",
    },
    Refusal {
        answers: Some(&[b"HTTP/1.1 400 Bad Request\r\n\r\n"]),
        kind: ErrorKind::Protocol,
        is_transient: false,
        text: "the peer does not speak AMQP, it seems to speak HTTP: AMQP has a port of its own, mostly 5672 (URL)",
    },
    Refusal {
        answers: Some(&[b"AMQP\0\0\x09\x01"]),
        kind: ErrorKind::Protocol,
        is_transient: false,
        text: "the peer speaks AMQP 0.9.1, and this is AMQP 1.0.0: is that switched on at the server? (URL)",
    },
    Refusal {
        answers: None,
        kind: ErrorKind::Transport,
        is_transient: true,
        text: "cannot connect to URL: Connection refused (os error 111); is the broker running, and is this its \
               port?",
    },
];

impl Refusal {
    /// Starts the server for one client, and returns its address.
    pub(crate) fn listen(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        if let Some(answers) = self.answers {
            thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut space = [0; 1024];
                for answer in answers {
                    let _ = stream.read(&mut space).unwrap();
                    stream.write_all(answer).unwrap();
                }
                while stream.read(&mut space).is_ok_and(|octets| octets > 0) {}
            });
        }
        address
    }

    /// Returns the URL and the options of the client.
    pub(crate) fn client(&self, at: SocketAddr) -> (String, ConnectionOptions) {
        // Only a server that does not answer is waited for.
        let span = if self.kind == ErrorKind::TimedOut { 1_000 } else { 30_000 };
        let options = ConnectionOptions::new().with_open_timeout(Duration::from_millis(span));
        (format!("amqp://me:secret@{at}/jobs"), options)
    }

    /// Compares the client's error with the expected one.
    pub(crate) fn check(&self, at: SocketAddr, error: &Error) {
        let text = self.text.replace("URL", &format!("amqp://{at}"));
        // Other systems use other words.
        let is_same = error.to_string() == text || (self.answers.is_none() && !cfg!(target_os = "linux"));
        assert!(is_same, "{error}, not {text}");
        assert_eq!((error.kind(), error.is_transient()), (self.kind, self.is_transient), "{error}");
        assert!(!format!("{error:?} {error}").contains("secret"));
    }
}
