//! The file `connect.json` of Proton's clients: what it says, and what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use amqp_proto::client::{AddressError, ConnectFile, ConnectFileError};

fn read(text: &str) -> Result<ConnectFile, ConnectFileError> {
    text.parse()
}

#[test]
fn an_empty_file_has_the_defaults() {
    for text in ["{}", " { } ", r#"{"port": null, "sasl": null, "tls": {}}"#] {
        let file = read(text).unwrap();
        assert_eq!(file.address().to_string(), "amqps://localhost:5671");
        assert_eq!((file.address().user(), file.address().password()), (None, None));
        assert_eq!((file.authorities(), file.certificate(), file.key()), (None, None, None));
    }
}

#[test]
fn the_address_has_all_its_parts() {
    for (text, url) in [
        (r#"{"scheme": "amqp", "host": "b.example"}"#, "amqp://b.example:5672"),
        (r#"{"scheme": "amqp", "port": 7}"#, "amqp://localhost:7"),
        (r#"{"port": "amqp"}"#, "amqps://localhost:5672"),
        (r#"{"port": "amqps"}"#, "amqps://localhost:5671"),
        (r#"{"port": "5673", "host": "::1"}"#, "amqps://[::1]:5673"),
    ] {
        assert_eq!(read(text).unwrap().address().to_string(), url, "{text}");
    }
    let file = read(r#"{"user": "m/e", "password": "p@:#%41"}"#).unwrap();
    assert_eq!((file.address().user(), file.address().password()), (Some("m/e"), Some("p@:#%41")));
    assert_eq!(read(r#"{"user": "me"}"#).unwrap().address().password(), Some(""));
}

#[test]
fn the_paths_of_certificates_are_those_of_the_file() {
    let file = read(r#"{"tls": {"ca": "ca.pem", "cert": "me.pem", "verify": true}}"#).unwrap();
    assert_eq!(file.authorities(), Some("ca.pem"));
    assert_eq!((file.certificate(), file.key()), (Some("me.pem"), Some("me.pem")));
    let file = read(r#"{"tls": {"cert": "me.pem", "key": "me.key"}}"#).unwrap();
    assert_eq!(file.key(), Some("me.key"));
}

#[test]
fn the_options_have_the_settings_of_sasl() {
    let options = |text| format!("{:?}", read(text).unwrap().options());
    let usual = options("{}");
    assert_eq!(options(r#"{"sasl": {"enable": true, "allow_insecure": false}}"#), usual);
    let without = options(r#"{"sasl": {"enable": false}}"#);
    let insecure = options(r#"{"sasl": {"allow_insecure": true}}"#);
    let listed = options(r#"{"sasl": {"mechanisms": ["PLAIN", "EXTERNAL"]}}"#);
    assert_eq!(options(r#"{"sasl": {"mechanisms": " PLAIN EXTERNAL "}}"#), listed);
    let all = [usual, without, insecure, listed];
    for (at, one) in all.iter().enumerate() {
        assert!(all.iter().skip(at + 1).all(|other| other != one), "{one}");
    }
}

#[test]
fn what_is_not_json_is_refused_with_its_place() {
    for (text, line, column) in [("", 1, 0), ("{\n  \"host\": }", 2, 11), ("{} {}", 1, 4)] {
        assert_eq!(read(text).unwrap_err(), ConnectFileError::Json { line, column }, "{text}");
    }
    let deep = "[".repeat(100_000);
    assert!(matches!(read(&deep), Err(ConnectFileError::Json { .. })));
}

#[test]
fn values_of_other_types_are_refused_by_name() {
    for (text, name) in [
        ("[]", "the file"),
        (r#"{"host": 7}"#, "host"),
        (r#"{"scheme": []}"#, "scheme"),
        (r#"{"port": true}"#, "port"),
        (r#"{"user": {}}"#, "user"),
        (r#"{"user": "u", "password": 7}"#, "password"),
        (r#"{"sasl": []}"#, "sasl"),
        (r#"{"sasl": {"enable": "yes"}}"#, "sasl.enable"),
        (r#"{"sasl": {"mechanisms": [7]}}"#, "sasl.mechanisms"),
        (r#"{"sasl": {"mechanisms": 7}}"#, "sasl.mechanisms"),
        (r#"{"sasl": {"mechanisms": "PL\u00c4IN"}}"#, "sasl.mechanisms"),
        (r#"{"sasl": {"allow_insecure": 1}}"#, "sasl.allow_insecure"),
        (r#"{"tls": "yes"}"#, "tls"),
        (r#"{"tls": {"ca": 7}}"#, "tls.ca"),
        (r#"{"tls": {"verify": "no"}}"#, "tls.verify"),
    ] {
        assert_eq!(read(text).unwrap_err(), ConnectFileError::Type(name), "{text}");
    }
}

#[test]
fn what_has_no_meaning_is_refused() {
    for (text, name) in [
        (r#"{"hots": "h"}"#, "hots"),
        (r#"{"sasl": {"enabled": true}}"#, "sasl.enabled"),
        (r#"{"tls": {"verfy": true}}"#, "tls.verfy"),
    ] {
        assert_eq!(read(text).unwrap_err(), ConnectFileError::Unknown(name.into()), "{text}");
    }
    assert_eq!(read(r#"{"password": "p"}"#).unwrap_err(), ConnectFileError::Missing("user"));
    assert_eq!(read(r#"{"tls": {"key": "k"}}"#).unwrap_err(), ConnectFileError::Missing("tls.cert"));
    assert_eq!(read(r#"{"tls": {"verify": false}}"#).unwrap_err(), ConnectFileError::Unverified);
}

#[test]
fn what_is_no_address_is_refused() {
    for host in ["a/b", "u@h", "a?b", "a#b", "a,b", "[::1]"] {
        let error = read(&format!(r#"{{"host": "{host}"}}"#)).unwrap_err();
        assert_eq!(error, ConnectFileError::Address(AddressError::Host), "{host}");
    }
    for text in [r#"{"scheme": "http"}"#, r#"{"port": 70000}"#, r#"{"port": -1}"#, r#"{"port": "x"}"#] {
        assert!(matches!(read(text), Err(ConnectFileError::Address(_))), "{text}");
    }
}

/// Neither the file nor an error shows the password.
#[test]
fn the_password_is_not_shown() {
    let shown = format!("{:?}", read(r#"{"user": "me", "password": "hunter2"}"#).unwrap());
    assert!(!shown.contains("hunter2"), "{shown}");
    for text in [
        r#"{"password": "hunter2"}"#,
        r#"{"user": 7, "password": "hunter2"}"#,
        r#"{"user": "me", "password": ["hunter2"]}"#,
        r#"{"user": "me", "password": "hunter2", "x": 1}"#,
        r#"{"user": "me", "password": "hunter2""#,
    ] {
        let error = read(text).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}
