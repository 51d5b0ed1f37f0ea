//! Bearer tokens by SASL: OAUTHBEARER and XOAUTH2, octet by octet; the choice; what is told of a failure.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_proto::config::Options;
use amqp_proto::sasl::*;
use amqp_proto::testing::{HEADER, Literal, SASL_HEADER, open};
use amqp_proto::types::{Moment, Symbol};
use amqp_proto::wire::Secret;
use amqp_proto::{Connection, Event, symbol};
use common::hex;
use common::wire::{Wire, frames};

/// A token that is easy to find in output.
const TOKEN: &str = "eyJhbGciOi.eyJzdWIiOi.Sfl-Kx_wR~JSM+/==";

const ERROR: &str = r#"{"status":"invalid_token","scope":"amqp:read"}"#;

fn token() -> Token {
    Token::bearer(TOKEN).unwrap()
}

fn token_of(user: &'static str) -> Token {
    token().with_user(user).unwrap()
}

fn exposed(secret: Option<Secret>) -> String {
    String::from_utf8(secret.unwrap().expose().to_vec()).unwrap()
}

/// RFC 7628, 3.1: the header with or without a name, then the token, each part between octets of one.
#[test]
fn oauthbearer_by_octets() {
    let initial = |token| exposed(TokenClient::oauthbearer(token).initial_response());
    assert_eq!(initial(token()), format!("n,,\x01auth=Bearer {TOKEN}\x01\x01"));
    assert_eq!(
        initial(token_of("user@example.com")),
        format!("n,a=user@example.com,\x01auth=Bearer {TOKEN}\x01\x01")
    );
    // Commas and equals signs end parts of the header.
    assert_eq!(initial(token_of("a=b,c")), format!("n,a=a=3Db=2Cc,\x01auth=Bearer {TOKEN}\x01\x01"));

    // RFC 7628, 4.2 and 4.3: an error is answered by one octet, and the outcome ends the exchange.
    let mut client = TokenClient::oauthbearer(token());
    client.initial_response().unwrap();
    assert_eq!(client.challenge(&Secret::from(ERROR)).unwrap().expose()[..], b"\x01"[..]);
    assert_eq!(client.server_error().unwrap(), ERROR);
    assert_eq!(client.outcome(None), Err(MechanismError::Refused));
}

#[test]
fn xoauth2_by_octets() {
    let mut client = TokenClient::xoauth2(token_of("user@example.com"));
    assert_eq!(client.name(), symbol!("XOAUTH2"));
    let initial = exposed(client.initial_response());
    assert_eq!(initial, format!("user=user@example.com\x01auth=Bearer {TOKEN}\x01\x01"));
    assert!(client.challenge(&Secret::from(ERROR)).unwrap().expose().is_empty());
    assert_eq!(client.server_error().unwrap(), ERROR);
    assert_eq!(client.outcome(None), Err(MechanismError::Refused));
}

/// A-SASL-07: calls out of order fail.
#[test]
fn a_sasl_07_calls_out_of_order_fail() {
    for make in [TokenClient::oauthbearer, TokenClient::xoauth2] {
        let begun = || {
            let mut client = make(token_of("user"));
            client.initial_response().unwrap();
            client
        };
        assert_eq!(make(token_of("user")).outcome(None), Err(MechanismError::Order));
        assert_eq!(make(token_of("user")).challenge(&Secret::default()), Err(MechanismError::Order));
        assert!(begun().initial_response().is_none());
        let mut client = begun();
        assert_eq!((client.outcome(None), client.outcome(None)), (Ok(()), Err(MechanismError::Order)));
        let mut client = begun();
        client.challenge(&Secret::from(ERROR)).unwrap();
        assert_eq!(client.challenge(&Secret::from(ERROR)), Err(MechanismError::Order));
        assert_eq!(client.outcome(None), Err(MechanismError::Order));
    }
}

/// A token holds nothing that could end it in a message.
#[test]
fn tokens_are_checked() {
    let bad = |token: &str| Token::bearer(token).unwrap_err();
    assert_eq!(bad(""), BadCredential::Empty);
    for token in ["two words", "a\x01auth=Bearer b", "a\0b", "tokén", "a\n"] {
        assert_eq!(bad(token), BadCredential::Token, "{token:?}");
    }
    assert!(Token::bearer(&"x".repeat(Login::MAX_PASSWORD)).is_ok());
    assert_eq!(bad(&"x".repeat(Login::MAX_PASSWORD + 1)), BadCredential::TooLong);
    assert_eq!(token().with_user("a\nb").unwrap_err(), BadCredential::Control);
    assert_eq!(
        BadCredential::Token.to_string(),
        "the token has spaces, or other characters than printable ASCII"
    );
}

/// A-SASL-09: OAUTHBEARER comes first, then XOAUTH2, then PLAIN; those without a user only the first. Threat E8: no token
/// on a transport that is not encrypted, whatever is allowed for passwords.
#[test]
fn a_sasl_09_a_token_is_sent_by_the_first_that_is_offered() {
    use TransportSecurity::{Clear, Encrypted};
    let nobody = || ClientProfile::new().with_token(token());
    let user = || ClientProfile::new().with_token(token_of("user"));
    let all = "PLAIN XOAUTH2 OAUTHBEARER ANONYMOUS";
    let anonymous = AnonymousClient::new;
    for (profile, link, offered, expected) in [
        (nobody(), Encrypted, all, Ok("OAUTHBEARER")),
        (user(), Encrypted, all, Ok("OAUTHBEARER")),
        (user(), Encrypted, "PLAIN XOAUTH2", Ok("XOAUTH2")),
        (user(), Encrypted, "PLAIN", Ok("PLAIN")),
        (nobody(), Encrypted, "PLAIN XOAUTH2", Err("common")),
        (user(), Encrypted, "ANONYMOUS", Err("common")),
        (user(), Clear, all, Err("token")),
        (user().with_plain_in_clear(), Clear, all, Err("token")),
        (user(), Clear, "ANONYMOUS", Err("common")),
        (user().with_anonymous(anonymous()), Clear, all, Ok("ANONYMOUS")),
        (user().with_only([symbol!("XOAUTH2")]), Encrypted, all, Ok("XOAUTH2")),
        (user().with_only([symbol!("EXTERNAL")]), Encrypted, all, Err("common")),
        (user().with_external(ExternalClient::new()), Encrypted, "EXTERNAL OAUTHBEARER", Ok("EXTERNAL")),
        (user().with_login(Login::new("u", "p").unwrap()), Encrypted, all, Ok("OAUTHBEARER")),
        (user().with_login(Login::new("u", "p").unwrap()), Clear, "SCRAM-SHA-256", Ok("SCRAM-SHA-256")),
    ] {
        let offers: Vec<Symbol> = offered.split(' ').map(|name| Symbol::new(name).unwrap()).collect();
        let nonce = Nonce::from_random(&[7; 16]).unwrap();
        let chosen = profile.choose(&offers, link, nonce).map(|client| client.name());
        match (chosen, expected) {
            (Ok(name), Ok(expected)) => assert_eq!(name, expected),
            (Err(ChoiceError::NoneInCommon { .. }), Err("common"))
            | (Err(ChoiceError::TokenInClear), Err("token")) => {}
            other => panic!("{offered} {link:?} {profile:?}: {other:?}"),
        }
    }
    // By PLAIN, the token is the password.
    let nonce = Nonce::from_random(&[7; 16]).unwrap();
    let mut plain = user().choose(&[symbol!("PLAIN")], Encrypted, nonce).unwrap();
    assert_eq!(exposed(plain.initial_response()), format!("\0user\0{TOKEN}"));
    let nonce = Nonce::from_random(&[7; 16]).unwrap();
    let error = user().choose(&[symbol!("GSSAPI")], Encrypted, nonce).unwrap_err().to_string();
    assert!(error.ends_with("this client allows OAUTHBEARER, XOAUTH2, PLAIN"), "{error}");
}

fn sasl(profile: ClientProfile) -> ClientSasl {
    ClientSasl::new(profile, TransportSecurity::Encrypted, Nonce::from_random(&[7; 16]).unwrap())
}

/// A client with a token, after the server has offered OAUTHBEARER, and has read the init.
fn client() -> Wire {
    let options = Options::new("c").with_hostname("broker");
    let sasl = sasl(ClientProfile::new().with_token(token()));
    let mut wire = Wire::of(Connection::client_with_sasl(options, sasl, Moment::START));
    wire.peer_sends(hex(&SASL_HEADER) + &frames([Literal::sasl(0x40).symbols(&["OAUTHBEARER"])]));
    let initial = format!("n,,\x01auth=Bearer {TOKEN}\x01\x01");
    let init = Literal::sasl(0x41).symbol("OAUTHBEARER").binary(initial.as_bytes()).string("broker");
    wire.engine_wrote(hex(&SASL_HEADER) + &frames([init]));
    wire
}

/// The error of the connection's end, in words.
fn failure(wire: &mut Wire) -> String {
    let events = wire.events();
    let [Event::Closed(reason)] = &events[..] else { panic!("not closed: {events:?}") };
    reason.to_string()
}

/// A-SASL-12: a refused token is told with the server's error. An outcome *ok* after an error is refused.
#[test]
fn a_sasl_12_a_refused_token_is_told_with_the_servers_error() {
    let refused = || {
        let mut wire = client();
        wire.peer_sends(frames([Literal::sasl(0x42).binary(ERROR.as_bytes())]));
        wire.engine_wrote(frames([Literal::sasl(0x43).binary(b"\x01")]));
        wire
    };
    let mut wire = refused();
    wire.peer_sends(frames([Literal::sasl(0x44).ubyte(1)]));
    let text = failure(&mut wire);
    let error = ERROR.escape_debug();
    let words = format!("by OAUTHBEARER: the server refused the credentials (outcome auth): {error}");
    assert!(text.ends_with(&words), "{text}");
    let mut wire = refused();
    wire.peer_sends(frames([Literal::sasl(0x44).ubyte(0)]));
    let text = failure(&mut wire);
    assert!(
        text.ends_with(&format!("by OAUTHBEARER: the server refused the credentials: {error}")),
        "{text}"
    );
}

/// A token that is accepted opens the connection.
#[test]
fn an_accepted_token_opens_the_connection() {
    let mut wire = client();
    wire.peer_sends(frames([Literal::sasl(0x44).ubyte(0)]) + &hex(&HEADER) + &frames([open("s")]));
    assert_eq!(wire.event(), Event::Opened);
}

/// Threat E8: nothing prints a token, even if the server returns it. What the server says is cut.
#[test]
fn e8_nothing_prints_a_token() {
    let profile = ClientProfile::new().with_token(token_of("user"));
    let shown = format!("{:?} {profile:?} {:?}", token(), sasl(profile.clone()));
    assert!(!shown.contains("eyJ"), "{shown}");
    for make in [TokenClient::oauthbearer, TokenClient::xoauth2] {
        let mut client = make(token_of("user"));
        let shown = format!("{client:?} {:?} {client:?}", client.clone().initial_response());
        client.initial_response().unwrap();
        client.challenge(&Secret::from(format!("bad token: {TOKEN}"))).unwrap();
        assert_eq!(client.server_error(), None);
        assert!(!format!("{shown}{client:?}").contains("eyJ"), "{client:?}");
        // Half of the token is too much as well; a few octets of it are not.
        for (said, is_quoted) in
            [(TOKEN.get(..32).unwrap(), false), (TOKEN.get(8..39).unwrap(), false), ("eyJ", true)]
        {
            let mut client = make(token_of("user"));
            client.initial_response().unwrap();
            client.challenge(&Secret::from(format!("bad token: {said}..."))).unwrap();
            assert_eq!(client.server_error().is_some(), is_quoted, "{said}");
        }
    }
    let mut wire = client();
    let shown = format!("{:?}", wire.engine);
    assert!(!shown.contains("eyJ"), "{shown}");
    wire.peer_sends(frames([Literal::sasl(0x42).binary(format!("bad token: {TOKEN}").as_bytes())]));
    wire.peer_sends(frames([Literal::sasl(0x44).ubyte(1)]));
    let text = failure(&mut wire);
    assert!(text.ends_with("(outcome auth)"), "{text}");

    let mut client = TokenClient::oauthbearer(token());
    client.initial_response().unwrap();
    client.challenge(&Secret::from("x".repeat(10_000))).unwrap();
    assert_eq!(client.server_error().unwrap().len(), 512);
}

/// A token that does not fit in a frame is not sent, and the error names the option.
#[test]
fn a_token_larger_than_the_option_is_not_sent() {
    let long = Token::bearer(&"x".repeat(600)).unwrap();
    let profile = ClientProfile::new().with_token(long);
    for (size, fits) in [(512, false), (1_024, true)] {
        let options = Options::new("c").with_sasl_send_size(size);
        let mut wire = Wire::of(Connection::client_with_sasl(options, sasl(profile.clone()), Moment::START));
        wire.peer_sends(hex(&SASL_HEADER) + &frames([Literal::sasl(0x40).symbols(&["OAUTHBEARER"])]));
        match fits {
            true => assert!(wire.written().len() > 1_200),
            false => assert!(failure(&mut wire).contains("sasl_send_size allows 512")),
        }
    }
}
