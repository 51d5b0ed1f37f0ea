//! SASL mechanisms, against literal messages and each other: A-SASL-07, -09, -12, -13, -15 and threats C, E8.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::fmt::Debug;
use std::sync::Arc;

use amqp_proto::sasl::{
    AnonymousClient, AnonymousServer, BadCredential, BadNonce, BadVerifier, ChoiceError, ClientMechanism,
    ClientProfile, Credentials, Decoy, ExternalClient, ExternalServer, Identity, Login, MechanismError,
    Nonce, PlainClient, PlainServer, ScramClient, ScramHash, ScramLimits, ScramServer, ScramVerifier,
    ServerMechanism, Step, TransportSecurity,
};
use amqp_proto::symbol;
use amqp_proto::types::{Limits, Str, Symbol};
use amqp_proto::wire::{Deframer, Frame, SaslBody, Secret};
use common::{data, octets, text};
use proptest::prelude::*;

const HASHES: [ScramHash; 3] = ScramHash::STRONGEST_FIRST;

/// A password that is easy to find in output.
const PASSWORD: &str = "pencil-5f1d";

/// One exchange of literal messages.
struct Exchange {
    hash: ScramHash,
    user: &'static str,
    password: &'static str,
    client_nonce: &'static str,
    server_nonce: &'static str,
    salt: &'static str,
    iterations: u32,
    messages: [&'static str; 4],
    /// Computed with Python's hashlib, like the last two exchanges.
    keys: [&'static str; 2],
}

const EXCHANGES: [Exchange; 4] = [
    // RFC 5802, 5
    Exchange {
        hash: ScramHash::Sha1,
        user: "user",
        password: "pencil",
        client_nonce: "fyko+d2lbbFgONRv9qkxdawL",
        server_nonce: "3rfcNHYJY1ZVvWVs7j",
        salt: "4125c247e43ab1e93c6dff76",
        iterations: 4096,
        messages: [
            "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
            "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
            "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
            "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
        ],
        keys: ["e9d94660c39d65c38fbad91c358f14da0eef2bd6", "0fe09258b3ac852ba502cc62ba903eaacdbf7d31"],
    },
    // RFC 7677, 3
    Exchange {
        hash: ScramHash::Sha256,
        user: "user",
        password: "pencil",
        client_nonce: "rOprNGfwEbeRWgbNEkqO",
        server_nonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
        salt: "5b6d99689d12358eeca04b141236fa81",
        iterations: 4096,
        messages: [
            "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        ],
        keys: [
            "586e5df283e6dceb5c3e791d8b8528ec191e664045ce971792e2e6b5bb13e2a6",
            "c1f3cbc1c13a9d35a14c0990eed97629ea225863e566a4314ab99f3f00e5d9d5",
        ],
    },
    Exchange {
        hash: ScramHash::Sha512,
        user: "user",
        password: "pencil",
        client_nonce: "rOprNGfwEbeRWgbNEkqO",
        server_nonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
        salt: "5b6d99689d12358eeca04b141236fa81",
        iterations: 4096,
        messages: [
            "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=gMGXRcevScNtxZ6/8lQYpGtnsNAc3mGcmNomv+xnoOMw+3R2xNJdMNnzMlTN8PPC6wdp6dybEmDYXYTxwnYPJQ==",
            "v=ZQnYEgWQMFmmsM8aQMF0nDDCy/AgCzkwk8CmMZYcMg0vSVlKDanekLtifDSeVGT4+5ZxXnJq199RVG2rR7N7Zw==",
        ],
        keys: [
            "e8002e6f7d3ae446119b216933644dc2a2be7869eb918b8459b5e7d7d2ec1260\
             6aceef106825cd735170a675fd3611f684affad1dce3f43a0ee43bd590e1dbbe",
            "8d91db6230b5687874fe129bc7206e1858c3ae08e02934f57ac03b6b05a229c4\
             59d28ff46f5c9611e6c179256490215ec1ff759cb0df285db89af0f99e613aac",
        ],
    },
    // The name has escaped characters, the password has non-ASCII characters.
    Exchange {
        hash: ScramHash::Sha512,
        user: "a=b,c",
        password: "p\u{e4}ssword, =",
        client_nonce: "0123456789abcdef",
        server_nonce: "fedcba9876543210",
        salt: "00ff00ff00ff00ff00ff00ff00ff00ff",
        iterations: 10_000,
        messages: [
            "n,,n=a=3Db=2Cc,r=0123456789abcdef",
            "r=0123456789abcdeffedcba9876543210,s=AP8A/wD/AP8A/wD/AP8A/w==,i=10000",
            "c=biws,r=0123456789abcdeffedcba9876543210,\
             p=Me4i3gM8+xscbk4sQhiypFMGwjvOGIcyuQ8jXh3c8zGWImTiFGYr9gfd3i2PbdzLagN3C+KcLynMwWturcgw1A==",
            "v=+gKBwII+OLdNT/TZWYLC9EiTUn0qpgXLdkUVkzAQmGUcaASzWURIW8qGX6eUGvzVHK0GoLioPkodj1Z6co6nqw==",
        ],
        keys: [
            "74ddb296a1ac33a4f329143607a5a8c2c618bfe4ca81c9fac49e83ca66f32bdb\
             3cfe9768a4c94fe5b0d74bcbed30c6f51a8476f87ff47026806f725c5249310e",
            "1d86d0eb5ba7ed411a1a02fd9dd1063fbc22fca7d11d905eafde5bef0d69eae5\
             00c2c2f04a6db55e11e97e6c81a0a047b5c9de3e9ddebf0bb1752f78d7bdd05d",
        ],
    },
];

impl Exchange {
    fn client(&self) -> ScramClient {
        let login = Login::new(self.user, self.password).unwrap();
        ScramClient::new(self.hash, login, Nonce::new(self.client_nonce).unwrap(), ScramLimits::DEFAULT)
    }

    fn verifier(&self) -> ScramVerifier {
        let [stored_key, server_key] = self.keys.map(octets);
        ScramVerifier::new(self.hash, &octets(self.salt), self.iterations, &stored_key, &server_key).unwrap()
    }

    fn server(&self) -> ScramServer<Users> {
        let users = Users { user: self.user, password: self.password, verifier: Some(self.verifier()) };
        let nonce = Nonce::new(self.server_nonce).unwrap();
        ScramServer::new(self.hash, users, nonce, Decoy::new(b"server secret"))
    }
}

/// A store of users. `root` may act as any user.
struct Users {
    user: &'static str,
    password: &'static str,
    verifier: Option<ScramVerifier>,
}

impl Users {
    fn one() -> Self {
        Self { user: "user", password: PASSWORD, verifier: None }
    }
}

impl Credentials for Users {
    fn check_password(&self, user: &str, password: &str) -> bool {
        user == self.user && password == self.password
    }

    fn scram(&self, user: &str, hash: ScramHash) -> Option<ScramVerifier> {
        let derived = || ScramVerifier::derive(hash, self.password, &[9; 16], 4096).unwrap();
        (user == self.user).then(|| self.verifier.clone().unwrap_or_else(derived))
    }

    fn may_act_as(&self, user: &str, other: &str) -> bool {
        user == other || other == "guest"
    }
}

fn secret(octets: impl AsRef<[u8]>) -> Secret {
    octets.as_ref().into()
}

fn nonce() -> Nonce {
    Nonce::from_random(&[0xa5; 16]).unwrap()
}

fn login() -> Login {
    Login::new("user", PASSWORD).unwrap()
}

fn scram_client(hash: ScramHash, login: Login) -> ScramClient {
    ScramClient::new(hash, login, nonce(), ScramLimits::DEFAULT)
}

fn scram_server(hash: ScramHash) -> ScramServer<Users> {
    ScramServer::new(hash, Users::one(), Nonce::from_random(&[0x5a; 16]).unwrap(), Decoy::new(b"s"))
}

/// A client that has sent its first message of the RFC 7677 exchange.
fn began() -> ScramClient {
    let mut client = EXCHANGES[1].client();
    client.initial_response().unwrap();
    client
}

/// Both ends of one mechanism, and the identity that the server finds.
type Both = (Box<dyn ClientMechanism>, Box<dyn ServerMechanism>, Identity);

/// Runs both ends up to the outcome, and returns the client's verdict.
fn run(
    client: &mut dyn ClientMechanism,
    server: &mut dyn ServerMechanism,
) -> Result<Result<Identity, MechanismError>, ()> {
    assert_eq!(client.name(), server.name());
    let mut step = server.init(client.initial_response().as_ref());
    for _ in 0..4 {
        match step {
            Step::Challenge(challenge) => match client.challenge(&challenge) {
                Ok(response) => step = server.response(&response),
                Err(failure) => return Ok(Err(failure)),
            },
            Step::Done { identity, additional_data } => {
                return Ok(client.outcome(additional_data.as_ref()).map(|()| identity));
            }
            Step::Failed => return Err(()),
        }
    }
    panic!("no end after four rounds");
}

fn no_secret(what: &dyn Debug) {
    for shown in [format!("{what:?}"), format!("{what:#?}")] {
        assert!(!shown.contains(PASSWORD), "{shown}");
        let as_numbers = format!("{:?}", PASSWORD.as_bytes());
        assert!(!shown.contains(as_numbers.trim_matches(['[', ']'])), "{shown}");
    }
}

#[test]
fn a_sasl_15_scram_client_speaks_the_literals() {
    for exchange in &EXCHANGES {
        let [first, challenge, last, signature] = exchange.messages;
        let mut client = exchange.client();
        assert_eq!(client.name(), exchange.hash.mechanism());
        assert_eq!(client.initial_response(), Some(secret(first)));
        assert_eq!(client.challenge(&secret(challenge)), Ok(secret(last)), "{:?}", exchange.hash);
        assert_eq!(client.outcome(Some(&secret(signature))), Ok(()));
    }
}

#[test]
fn a_sasl_15_scram_server_speaks_the_literals() {
    for exchange in &EXCHANGES {
        let [first, challenge, last, signature] = exchange.messages;
        let mut server = exchange.server();
        assert_eq!(server.init(Some(&secret(first))), Step::Challenge(secret(challenge)));
        let done =
            Step::Done { identity: Identity::of(exchange.user), additional_data: Some(secret(signature)) };
        assert_eq!(server.response(&secret(last)), done, "{:?}", exchange.hash);
    }
}

#[test]
fn derived_keys_are_the_literals() {
    for exchange in &EXCHANGES {
        let salt = octets(exchange.salt);
        let derived =
            ScramVerifier::derive(exchange.hash, exchange.password, &salt, exchange.iterations).unwrap();
        assert_eq!(
            [derived.stored_key(), derived.server_key()],
            exchange.keys.map(octets).each_ref().map(|k| &k[..])
        );
        assert_eq!((derived.salt(), derived.iterations()), (&salt[..], exchange.iterations));
        assert!(derived.matches(exchange.password));
        assert!(!derived.matches("Pencil"));
    }
}

#[test]
fn verifiers_that_do_not_fit_are_refused() {
    let new = |salt: &[u8], iterations, stored: usize, server: usize| {
        ScramVerifier::new(ScramHash::Sha256, salt, iterations, &vec![1; stored], &vec![1; server])
            .map(|_| ())
    };
    assert_eq!(new(b"salt", 4096, 32, 32), Ok(()));
    assert_eq!(new(b"", 4096, 32, 32), Err(BadVerifier));
    assert_eq!(new(b"salt", 0, 32, 32), Err(BadVerifier));
    assert_eq!(new(b"salt", 4096, 31, 32), Err(BadVerifier));
    assert_eq!(new(b"salt", 4096, 32, 0), Err(BadVerifier));
}

#[test]
fn each_mechanism_authenticates_against_its_server() {
    let user = Identity::of("user");
    let traced = AnonymousClient::new().with_trace("me").unwrap();
    let as_guest = ExternalClient::new().with_acting_as("guest").unwrap();
    let guest = Identity::of("user").with_acting_as("guest");
    let pairs: [Both; 6] = [
        (Box::new(AnonymousClient::new()), Box::new(AnonymousServer::new()), Identity::anonymous()),
        (Box::new(traced), Box::new(AnonymousServer::new()), Identity::anonymous().with_trace("me")),
        (Box::new(ExternalClient::new()), Box::new(ExternalServer::new("user", Users::one())), user.clone()),
        (Box::new(as_guest), Box::new(ExternalServer::new("user", Users::one())), guest.clone()),
        (
            Box::new(PlainClient::new(login())),
            Box::new(PlainServer::new(Arc::new(Users::one()))),
            user.clone(),
        ),
        (
            Box::new(PlainClient::new(login().with_acting_as("guest").unwrap())),
            Box::new(PlainServer::new(Box::new(Users::one()) as Box<dyn Credentials + Send>)),
            guest.clone(),
        ),
    ];
    for (mut client, mut server, identity) in pairs {
        assert_eq!(run(&mut *client, &mut *server), Ok(Ok(identity)), "{client:?}");
    }
    for hash in HASHES {
        assert_eq!(run(&mut scram_client(hash, login()), &mut scram_server(hash)), Ok(Ok(user.clone())));
        let login = login().with_acting_as("guest").unwrap();
        assert_eq!(run(&mut scram_client(hash, login), &mut scram_server(hash)), Ok(Ok(guest.clone())));
    }
    assert_eq!(guest.authorized_as(), Some(&Str::from("guest")));
    assert_eq!(user.authorized_as(), user.user());
}

#[test]
fn wrong_passwords_unknown_users_and_foreign_rights_fail_alike() {
    let logins = [
        Login::new("user", "pencil").unwrap(),
        Login::new("nobody", PASSWORD).unwrap(),
        login().with_acting_as("root").unwrap(),
    ];
    for login in logins {
        let plain = run(&mut PlainClient::new(login.clone()), &mut PlainServer::new(Users::one()));
        assert_eq!(plain, Err(()));
        for hash in HASHES {
            assert_eq!(run(&mut scram_client(hash, login.clone()), &mut scram_server(hash)), Err(()));
        }
    }
    let mut root = ExternalClient::new().with_acting_as("root").unwrap();
    assert_eq!(run(&mut root, &mut ExternalServer::new("user", Users::one())), Err(()));
}

#[test]
fn an_unknown_user_gets_a_challenge_that_stays_the_same() {
    let challenge = |user: &str, secret_octets: &[u8]| {
        let decoy = Decoy::new(secret_octets).with_shape(16, 4096);
        let mut server = ScramServer::new(ScramHash::Sha256, Users::one(), nonce(), decoy);
        match server.init(Some(&secret(format!("n,,n={user},r=0123456789abcdef")))) {
            Step::Challenge(challenge) => String::from_utf8(challenge.expose().to_vec()).unwrap(),
            other => panic!("{other:?}"),
        }
    };
    let (known, unknown) = (challenge("user", b"s"), challenge("nobody", b"s"));
    assert_eq!(known.len(), unknown.len());
    assert_eq!(unknown, challenge("nobody", b"s"));
    assert_ne!(unknown, challenge("nobody", b"another"));
    assert_ne!(unknown, challenge("nobodz", b"s"));
}

#[test]
fn a_sasl_12_an_init_without_response_gets_a_challenge_and_an_empty_response_is_one() {
    let asked = Step::Challenge(Secret::default());
    let done = |identity| Step::Done { identity, additional_data: None };

    let mut external = ExternalServer::new("user", Users::one());
    assert_eq!(external.init(None), asked);
    assert_eq!(external.response(&Secret::default()), done(Identity::of("user")));
    let mut external = ExternalServer::new("user", Users::one());
    assert_eq!(external.init(Some(&Secret::default())), done(Identity::of("user")));

    let mut plain = PlainServer::new(Users::one());
    assert_eq!(plain.init(None), asked);
    assert_eq!(plain.response(&secret(format!("\0user\0{PASSWORD}"))), done(Identity::of("user")));
    assert_eq!(PlainServer::new(Users::one()).init(Some(&Secret::default())), Step::Failed);

    assert_eq!(AnonymousServer::new().init(None), done(Identity::anonymous()));

    let exchange = &EXCHANGES[0];
    let mut scram = exchange.server();
    assert_eq!(scram.init(None), asked);
    assert_eq!(scram.response(&secret(exchange.messages[0])), Step::Challenge(secret(exchange.messages[1])));
    assert!(matches!(scram.response(&secret(exchange.messages[2])), Step::Done { .. }));

    assert_eq!(ExternalClient::new().initial_response(), Some(Secret::default()));
    assert_eq!(AnonymousClient::new().initial_response(), Some(Secret::default()));
}

#[test]
fn plain_is_the_response_in_rheas_frame() {
    let examples = data("wire-examples.json");
    let examples = examples.as_array().or_else(|| examples["examples"].as_array()).unwrap();
    let example = examples.iter().find(|example| example["name"] == "s-init-plain").unwrap();
    let mut deframer = Deframer::new();
    deframer.input().extend_from_slice(&octets(text(example, "hex")));
    let frame = deframer.next_frame(512).unwrap().unwrap().decode(&Limits::DEFAULT).unwrap();
    let Frame::Sasl(SaslBody::Init(init)) = frame else { panic!("{frame:?}") };
    let response = init.initial_response.unwrap();
    assert_eq!(response, secret(octets("00 6775657374 00 6775657374")));

    let mut client = PlainClient::new(Login::new("guest", "guest").unwrap());
    assert_eq!(client.initial_response().as_ref(), Some(&response));
    let guest = Users { user: "guest", password: "guest", verifier: None };
    assert!(matches!(PlainServer::new(guest).init(Some(&response)), Step::Done { .. }));
}

#[test]
fn malformed_plain_fails_and_malformed_traces_are_dropped() {
    let long = format!("\0{}\0{PASSWORD}", "u".repeat(256));
    let rows: [&[u8]; 12] = [
        b"",
        b"\0",
        b"\0\0",
        b"user",
        b"\0user",
        b"user\0pencil-5f1d",
        b"\0user\0",
        b"\0\0pencil-5f1d",
        b"\0user\0pencil-5f1d\0",
        b"\0\0user\0pencil-5f1d",
        b"\0us\xffer\0pencil-5f1d",
        long.as_bytes(),
    ];
    for row in rows {
        assert_eq!(PlainServer::new(Users::one()).init(Some(&secret(row))), Step::Failed, "{row:?}");
    }
    let row = b"\0user\0pencil-5f1d";
    assert!(matches!(PlainServer::new(Users::one()).init(Some(&secret(row))), Step::Done { .. }));
    for row in [&b"a\nb"[..], b"\xc0\x80", b"\0anonymous", &[b'x'; 256]] {
        let anonymous = Step::Done { identity: Identity::anonymous(), additional_data: None };
        assert_eq!(AnonymousServer::new().init(Some(&secret(row))), anonymous);
        assert_eq!(ExternalServer::new("user", Users::one()).init(Some(&secret(row))), Step::Failed);
    }
}

#[test]
fn a_sasl_15_the_servers_signature_has_to_be_right() {
    let [_, challenge, _, signature] = EXCHANGES[1].messages;
    let sent = || {
        let mut client = began();
        client.challenge(&secret(challenge)).unwrap();
        client
    };
    let wrong = signature.replace("v=6", "v=7");
    let rows = [
        (Some("v=rmF9"), MechanismError::ServerSignature),
        (Some(&wrong[..]), MechanismError::ServerSignature),
        (None, MechanismError::ServerSignature),
        (Some(""), MechanismError::ServerSignature),
        (Some("v="), MechanismError::Malformed),
        (Some("v"), MechanismError::Malformed),
        (Some("e=invalid-proof"), MechanismError::Refused),
        (Some("v=!!!!"), MechanismError::Malformed),
    ];
    for (data, failure) in rows {
        let data = data.map(secret);
        assert_eq!(sent().outcome(data.as_ref()), Err(failure), "{data:?}");
    }
    let mut client = sent();
    assert_eq!(client.outcome(Some(&secret(&wrong))), Err(MechanismError::ServerSignature));
    assert_eq!(
        client.outcome(Some(&secret(signature))),
        Err(MechanismError::Order),
        "there is no second try"
    );

    // As a last challenge, before an outcome without data.
    let mut client = sent();
    assert_eq!(client.challenge(&secret(signature)), Ok(Secret::default()));
    assert_eq!(client.outcome(None), Ok(()));
    assert_eq!(sent().challenge(&secret(&wrong)), Err(MechanismError::ServerSignature));
}

#[test]
fn a_scram_server_that_has_other_keys_is_not_believed() {
    let exchange = &EXCHANGES[1];
    let stored_key = octets(exchange.keys[0]);
    let verifier = ScramVerifier::new(exchange.hash, &octets(exchange.salt), 4096, &stored_key, &[0; 32]);
    let users = Users { user: "user", password: "pencil", verifier: verifier.ok() };
    let mut server = ScramServer::new(exchange.hash, users, nonce(), Decoy::new(b"s"));
    assert_eq!(run(&mut exchange.client(), &mut server), Ok(Err(MechanismError::ServerSignature)));
}

#[test]
fn e8_challenges_outside_the_limits_are_refused() {
    let challenge = |nonce: &str, salt: &str, iterations: &str| {
        began().challenge(&secret(format!("r={nonce},s={salt},i={iterations}"))).map(|_| ())
    };
    let (ours, salt) = ("rOprNGfwEbeRWgbNEkqO", "W22ZaJ0SNY7soEsUEjb6gQ==");
    let both = &format!("{ours}x");
    assert_eq!(challenge(both, salt, "4096"), Ok(()));
    for few in ["1", "4095"] {
        assert_eq!(challenge(both, salt, few), Err(MechanismError::Iterations(few.parse().unwrap())));
    }
    assert_eq!(challenge(both, salt, "1000001"), Err(MechanismError::Iterations(1_000_001)));
    assert_eq!(challenge(both, salt, "4294967296"), Err(MechanismError::Iterations(u32::MAX)));
    for number in ["0", "04096", "-4096", "+4096", "4096.0", "", "x", "4096 "] {
        assert_eq!(challenge(both, salt, number), Err(MechanismError::Malformed), "{number}");
    }
    // The nonce is not that of the client, or does not extend it.
    for nonce in [ours, "rOprNGfwEbeRWgbNEkqo.", "x", "xrOprNGfwEbeRWgbNEkqOx"] {
        assert_eq!(challenge(nonce, salt, "4096"), Err(MechanismError::Nonce), "{nonce}");
    }
    let nonce_of = |octets: usize| format!("{ours}{}", "x".repeat(octets - ours.len()));
    assert_eq!(challenge(&nonce_of(256), salt, "4096"), Ok(()));
    assert_eq!(challenge(&nonce_of(257), salt, "4096"), Err(MechanismError::TooLong));
    assert_eq!(challenge(both, &"AAAA".repeat(42), "4096"), Ok(()));
    assert_eq!(challenge(both, &"AAAA".repeat(43), "4096"), Err(MechanismError::TooLong));
    assert_eq!(challenge(both, &"AAAA".repeat(300), "4096"), Err(MechanismError::TooLong));

    let limits = ScramLimits::default().with_iterations(1, 10).with_nonce_octets(21).with_salt_octets(3);
    let mut client = ScramClient::new(ScramHash::Sha1, login(), Nonce::new(ours).unwrap(), limits.clone());
    client.initial_response().unwrap();
    assert!(client.challenge(&secret(format!("r={both},s=AAAA,i=10"))).is_ok());
    let limits = limits.with_message_octets(20);
    let mut client = ScramClient::new(ScramHash::Sha1, login(), Nonce::new(ours).unwrap(), limits);
    client.initial_response().unwrap();
    assert_eq!(client.challenge(&secret(format!("r={both},s=AAAA,i=10"))), Err(MechanismError::TooLong));
}

#[test]
fn malformed_challenges_fail() {
    let rows: [(&[u8], MechanismError); 14] = [
        (b"", MechanismError::Malformed),
        (b"\0", MechanismError::Malformed),
        (b"\xff\xfe", MechanismError::Malformed),
        (b"r=", MechanismError::Malformed),
        (b"r=rOprNGfwEbeRWgbNEkqOx", MechanismError::Malformed),
        (b"r=rOprNGfwEbeRWgbNEkqOx,s=AAAA", MechanismError::Malformed),
        (b"s=AAAA,r=rOprNGfwEbeRWgbNEkqOx,i=4096", MechanismError::Malformed),
        (b"m=x,r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=4096", MechanismError::Malformed),
        (b"r=rOprNGfwEbeRWgbNEkqOx,s=AAA,i=4096", MechanismError::Malformed),
        (b"r=rOprNGfwEbeRWgbNEkqOx,s=,i=4096", MechanismError::Malformed),
        (b"r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=4096,", MechanismError::Malformed),
        (b"r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=4096,1=x", MechanismError::Malformed),
        (b"r=rOprNGfwEbeRWgbNEkqO\xc3\xa4,s=AAAA,i=4096", MechanismError::Malformed),
        (b"e=other-error", MechanismError::Refused),
    ];
    for (row, failure) in rows {
        assert_eq!(began().challenge(&secret(row)), Err(failure), "{}", row.escape_ascii());
    }
    assert!(began().challenge(&secret("r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=4096,x=ignored")).is_ok());
}

#[test]
fn malformed_scram_inits_and_responses_fail() {
    let long = format!("n,,n=user,r={}", "x".repeat(257));
    let longer = format!("n,,n=user,r=x,x={}", "x".repeat(1100));
    let name = format!("n,,n={},r=0123456789abcdef", "u".repeat(256));
    let rows: [&str; 17] = [
        "",
        "n",
        "n,",
        "n,,",
        "n,,n=user",
        "n,,n=user,r=",
        "n,,n=,r=abc",
        "n,,r=abc,n=user",
        "n,,m=x,n=user,r=abc",
        "p=tls-unique,,n=user,r=abc",
        "n,a=,n=user,r=abc",
        "n,,n=us=er,r=abc",
        "n,,n=us\0er,r=abc",
        "x,,n=user,r=abc",
        &long,
        &longer,
        &name,
    ];
    for row in rows {
        assert_eq!(EXCHANGES[1].server().init(Some(&secret(row))), Step::Failed, "{row}");
    }
    for row in ["y,,n=user,r=abc", "n,a=guest,n=user,r=abc,x=y"] {
        assert!(matches!(EXCHANGES[1].server().init(Some(&secret(row))), Step::Challenge(_)), "{row}");
    }

    let [first, _, last, _] = EXCHANGES[1].messages;
    let rows = [
        String::new(),
        last.replace("c=biws", "c=eSws"),
        last.replace("c=biws,", ""),
        last.replace("r=rOpr", "r=rOps"),
        last.replace("k0,p=", "k1,p="),
        last.replace("p=dHz", "p=dHy"),
        last.replace("VQ=", "VQ"),
        last.split(",p=").next().unwrap().into(),
        last.replace("p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "p=AAAA"),
        format!("{last},x=y"),
        last.replace("AndVQ=", "AndVQA"),
    ];
    for row in rows {
        assert_ne!(row, last);
        let mut server = EXCHANGES[1].server();
        assert!(matches!(server.init(Some(&secret(first))), Step::Challenge(_)));
        assert_eq!(server.response(&secret(&row)), Step::Failed, "{row}");
        assert_eq!(server.response(&secret(last)), Step::Failed, "there is no second try");
    }
}

#[test]
fn a_sasl_07_calls_out_of_order_fail() {
    let some = secret("x");
    let clients: [fn() -> Box<dyn ClientMechanism>; 4] = [
        || Box::new(AnonymousClient::new()),
        || Box::new(ExternalClient::new()),
        || Box::new(PlainClient::new(login())),
        || Box::new(EXCHANGES[0].client()),
    ];
    for client in clients {
        assert_eq!(client().challenge(&some), Err(MechanismError::Order));
        assert_eq!(client().outcome(None), Err(MechanismError::Order), "an ok before the init");
        let mut twice = client();
        assert!(twice.initial_response().is_some());
        assert_eq!(twice.initial_response(), None);
        assert_eq!(twice.outcome(None), Err(MechanismError::Order));
        let mut challenged = client();
        challenged.initial_response();
        assert!(challenged.challenge(&some).is_err());
        assert_eq!(challenged.outcome(None), Err(MechanismError::Order));
    }
    assert_eq!(
        began().outcome(Some(&secret("v=AAAA"))),
        Err(MechanismError::Order),
        "an ok before the challenge"
    );

    let servers: [fn() -> Box<dyn ServerMechanism>; 4] = [
        || Box::new(AnonymousServer::new()),
        || Box::new(ExternalServer::new("user", Users::one())),
        || Box::new(PlainServer::new(Users::one())),
        || Box::new(EXCHANGES[0].server()),
    ];
    for server in servers {
        assert_eq!(server().response(&some), Step::Failed);
        let mut twice = server();
        let _ = twice.init(None);
        assert_eq!(twice.init(None), Step::Failed);
        assert_eq!(twice.response(&some), Step::Failed);
    }
}

#[test]
fn a_sasl_09_the_strongest_that_is_offered_and_allowed_is_chosen() {
    use TransportSecurity::{Clear, Encrypted};
    let with_login = || ClientProfile::new().with_login(login());
    let both = || with_login().with_anonymous(AnonymousClient::new());
    let all = "ANONYMOUS PLAIN SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-512 EXTERNAL GSSAPI";
    let (none, clear) = (Err("in common"), Err("PLAIN"));
    let rows = [
        (ClientProfile::new(), Encrypted, all, none),
        (with_login(), Clear, all, Ok("SCRAM-SHA-512")),
        (with_login(), Clear, "PLAIN SCRAM-SHA-1 SCRAM-SHA-256", Ok("SCRAM-SHA-256")),
        (with_login(), Clear, "PLAIN SCRAM-SHA-1", Ok("SCRAM-SHA-1")),
        (with_login(), Clear, "PLAIN", clear),
        (with_login(), Clear, "ANONYMOUS PLAIN", clear),
        (with_login(), Encrypted, "ANONYMOUS PLAIN", Ok("PLAIN")),
        (with_login().with_plain_in_clear(), Clear, "ANONYMOUS PLAIN", Ok("PLAIN")),
        (with_login(), Encrypted, "ANONYMOUS", none),
        (with_login(), Encrypted, "", none),
        (with_login(), Encrypted, "plain GSSAPI SCRAM-SHA-256-PLUS", none),
        (both(), Clear, "PLAIN ANONYMOUS", Ok("ANONYMOUS")),
        (both(), Encrypted, "ANONYMOUS PLAIN", Ok("PLAIN")),
        (both().with_external(ExternalClient::new()), Clear, all, Ok("EXTERNAL")),
        (both().with_external(ExternalClient::new()), Clear, "SCRAM-SHA-1", Ok("SCRAM-SHA-1")),
        (with_login().with_only([ScramHash::Sha256.mechanism()]), Encrypted, all, Ok("SCRAM-SHA-256")),
        (with_login().with_only([ScramHash::Sha256.mechanism()]), Encrypted, "PLAIN SCRAM-SHA-1", none),
        (with_login().with_only([]), Encrypted, all, none),
        (ClientProfile::new().with_anonymous(AnonymousClient::new()), Clear, all, Ok("ANONYMOUS")),
    ];
    for (profile, link, offered, expected) in rows {
        let offers: Vec<Symbol> = offered.split_whitespace().map(|name| Symbol::new(name).unwrap()).collect();
        let chosen = profile.choose(&offers, link, nonce()).map(|client| client.name()).map_err(brief);
        let expected = expected.map(|name| Symbol::new(name).unwrap());
        assert_eq!(chosen, expected, "{offered} {link:?} {profile:?}");
    }
}

fn brief(error: ChoiceError) -> &'static str {
    match error {
        ChoiceError::NoneInCommon { .. } => "in common",
        ChoiceError::PlainInClear => "PLAIN",
        other => panic!("{other}"),
    }
}

/// Without a common mechanism, the error names the mechanisms that the server offers and the client allows.
#[test]
fn a_sasl_09_no_mechanism_in_common_names_both_lists() {
    let refused = |profile: ClientProfile, offered: &[Symbol]| {
        profile.choose(offered, TransportSecurity::Encrypted, nonce()).unwrap_err().to_string()
    };
    let profile = ClientProfile::new().with_login(login()).with_mechanism(Own("TOKEN", true));
    assert_eq!(
        refused(profile.clone(), &[symbol!("GSSAPI"), symbol!("a\nb")]),
        "no SASL mechanism in common with the server: it offers GSSAPI, a\\nb, \
         this client allows TOKEN, SCRAM-SHA-512, SCRAM-SHA-256, SCRAM-SHA-1, PLAIN"
    );
    assert_eq!(
        refused(profile.with_only([symbol!("GSSAPI"), symbol!("PLAIN")]), &[]),
        "no SASL mechanism in common with the server: it offers none, this client allows PLAIN"
    );
}

/// A mechanism implemented by an application.
#[derive(Debug, Clone)]
struct Own(&'static str, bool);

impl ClientMechanism for Own {
    fn name(&self) -> Symbol {
        Symbol::new(self.0).unwrap()
    }

    fn shows_secret(&self) -> bool {
        self.1
    }

    fn initial_response(&mut self) -> Option<Secret> {
        Some(Secret::from(PASSWORD.as_bytes()))
    }

    fn challenge(&mut self, _: &Secret) -> Result<Secret, MechanismError> {
        Err(MechanismError::Order)
    }

    fn outcome(&mut self, _: Option<&Secret>) -> Result<(), MechanismError> {
        Ok(())
    }
}

#[test]
fn a_sasl_09_an_allowed_mechanism_of_the_application_comes_first() {
    use TransportSecurity::{Clear, Encrypted};
    let (token, ticket) = (|| Own("TOKEN", true), || Own("TICKET", false));
    let profile =
        || ClientProfile::new().with_login(login()).with_mechanism(token()).with_mechanism(ticket());
    let only_token = || ClientProfile::new().with_mechanism(token());
    let all = "PLAIN SCRAM-SHA-512 EXTERNAL TICKET TOKEN";
    let (none, clear) = (Err("in common"), Err("PLAIN"));
    let external = || profile().with_external(ExternalClient::new());
    let rows = [
        (external(), Encrypted, all, Ok("TOKEN")),
        (external(), Clear, all, Ok("TICKET")),
        (external().with_plain_in_clear(), Clear, all, Ok("TOKEN")),
        (external(), Encrypted, "SCRAM-SHA-512 EXTERNAL", Ok("EXTERNAL")),
        (profile(), Clear, "TOKEN SCRAM-SHA-1", Ok("SCRAM-SHA-1")),
        (profile().with_only([symbol!("TICKET")]), Encrypted, all, Ok("TICKET")),
        (profile().with_only([symbol!("PLAIN")]), Encrypted, all, Ok("PLAIN")),
        (only_token(), Clear, all, clear),
        (only_token(), Encrypted, "TICKET token", none),
        (only_token().with_only([]), Encrypted, all, none),
        (only_token().with_anonymous(AnonymousClient::new()), Clear, "TOKEN ANONYMOUS", Ok("ANONYMOUS")),
        // A mechanism set by the application follows the same rules on transports in clear.
        (ClientProfile::new().with_mechanism(PlainClient::new(login())), Clear, all, clear),
    ];
    for (profile, link, offered, expected) in rows {
        let offers: Vec<Symbol> = offered.split_whitespace().map(|name| Symbol::new(name).unwrap()).collect();
        let chosen = profile.choose(&offers, link, nonce()).map(|client| client.name()).map_err(brief);
        let expected = expected.map(|name| Symbol::new(name).unwrap());
        assert_eq!(chosen, expected, "{offered} {link:?} {profile:?}");
    }
}

/// Each attempt uses a fresh copy of an application's mechanism; the profile prints only its name.
#[test]
fn e8_an_applications_own_is_copied_and_not_printed() {
    #[derive(Clone)]
    struct Loud(PlainClient);

    impl Debug for Loud {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(PASSWORD)
        }
    }

    impl ClientMechanism for Loud {
        fn name(&self) -> Symbol {
            symbol!("LOUD")
        }

        fn initial_response(&mut self) -> Option<Secret> {
            self.0.initial_response()
        }

        fn challenge(&mut self, challenge: &Secret) -> Result<Secret, MechanismError> {
            self.0.challenge(challenge)
        }

        fn outcome(&mut self, data: Option<&Secret>) -> Result<(), MechanismError> {
            self.0.outcome(data)
        }
    }

    let profile = ClientProfile::new().with_mechanism(Loud(PlainClient::new(login())));
    no_secret(&profile);
    assert!(format!("{profile:?}").contains("LOUD"));
    for profile in [profile.clone(), profile] {
        let offered = [symbol!("LOUD")];
        assert!(profile.choose(&offered, TransportSecurity::Clear, nonce()).is_err());
        for _ in 0..2 {
            let mut client = profile.choose(&offered, TransportSecurity::Encrypted, nonce()).unwrap();
            assert!(client.initial_response().is_some());
            client.outcome(None).unwrap();
        }
    }
}

#[test]
fn bad_names_passwords_and_nonces_are_refused() {
    let control = ["a\0b", "a\nb", "\u{7f}", "\u{85}"];
    for bad in control {
        assert_eq!(Login::new(bad, "x").unwrap_err(), BadCredential::Control);
        assert_eq!(Login::new("x", bad).unwrap_err(), BadCredential::Control);
        assert_eq!(login().with_acting_as(bad).unwrap_err(), BadCredential::Control);
    }
    assert_eq!(Login::new("", "x").unwrap_err(), BadCredential::Empty);
    assert_eq!(Login::new("x", "").unwrap_err(), BadCredential::Empty);
    assert_eq!(Login::new("x".repeat(256), "x").unwrap_err(), BadCredential::TooLong);
    assert_eq!(Login::new("x", &"x".repeat(65_536)).unwrap_err(), BadCredential::TooLong);
    assert!(Login::new("x".repeat(255), &"x".repeat(65_535)).is_ok());

    assert_eq!(Nonce::from_random(&[0; 15]), Err(BadNonce));
    assert_eq!(Nonce::from_random(&[0; 65]), Err(BadNonce));
    assert_eq!(Nonce::from_random(&[0x0f; 16]).unwrap().as_str(), "0f".repeat(16));
    for bad in ["0123456789abcde", "0123456789abcde,", "0123456789abcde ", "0123456789abcde\u{e4}"] {
        assert_eq!(Nonce::new(bad), Err(BadNonce), "{bad}");
    }
}

#[test]
fn e8_nothing_prints_a_secret() {
    let login = login();
    let profile = ClientProfile::new().with_login(login.clone());
    let mut plain = PlainClient::new(login.clone());
    let response = plain.initial_response();
    let (mut client, mut server) =
        (scram_client(ScramHash::Sha256, login.clone()), scram_server(ScramHash::Sha256));
    no_secret(&(&login, &profile, &plain, &response, &client, &server));
    let first = server.init(client.initial_response().as_ref());
    no_secret(&(&first, &client, &server));
    let Step::Challenge(challenge) = first else { panic!("{first:?}") };
    let answer = client.challenge(&challenge).unwrap();
    let last = server.response(&answer);
    no_secret(&(&client, &server, &answer, &last, &Users::one().scram("user", ScramHash::Sha1)));
    no_secret(&(PlainServer::new(Users::one()), ExternalServer::new("user", Users::one())));

    let exchange = &EXCHANGES[1];
    let shown = format!("{:?} {:?}", exchange.verifier(), Decoy::new(b"server secret"));
    assert_eq!(shown, "ScramVerifier { hash: Sha256, iterations: 4096, .. } Decoy { iterations: 4096, .. }");
    let shown = format!("{:?}", began());
    assert!(!shown.contains(exchange.client_nonce), "{shown}");
}

/// Octets that are often half right.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::sample::select(vec![
        "n,,",
        "y,",
        "a=",
        "n=user",
        ",",
        "r=rOprNGfwEbeRWgbNEkqO",
        "x",
        "s=AAAA",
        "s=",
        "i=4096",
        "i=9",
        "c=biws",
        ",p=AAAA",
        "v=AAAA",
        "e=x",
        "m=",
        "=3D",
        "=2C",
        "=",
        "\0",
        "user",
        "\u{e4}",
    ]);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..64),
        prop::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat().into_bytes()),
    ]
}

proptest! {
    #[test]
    fn arbitrary_octets_never_panic_and_never_authenticate(octets in prop::collection::vec(hostile(), 1..4)) {
        let exchange = &EXCHANGES[1];
        let mut clients: [Box<dyn ClientMechanism>; 3] =
            [Box::new(AnonymousClient::new()), Box::new(PlainClient::new(login())), Box::new(exchange.client())];
        let mut servers: [Box<dyn ServerMechanism>; 2] =
            [Box::new(PlainServer::new(Users::one())), Box::new(exchange.server())];
        for client in &mut clients {
            client.initial_response();
            for message in &octets {
                let _ = client.challenge(&secret(message));
            }
            prop_assert!(client.outcome(octets.last().map(secret).as_ref()).is_err());
        }
        for server in &mut servers {
            let mut step = server.init(octets.first().map(secret).as_ref());
            for message in &octets {
                let done = matches!(step, Step::Done { .. });
                prop_assert!(!done);
                step = server.response(&secret(message));
            }
            let done = matches!(step, Step::Done { .. });
                prop_assert!(!done);
        }
        let first = secret(&octets[0]);
        let _ = (AnonymousServer::new().init(Some(&first)), ExternalServer::new("user", Users::one()).init(Some(&first)));
    }

    #[test]
    fn every_name_and_password_makes_the_round(user in "[^\\p{Cc}]{1,40}", password in "[^\\p{Cc}]{1,40}") {
        struct Anyone(String);
        impl Credentials for Anyone {
            fn scram(&self, _: &str, hash: ScramHash) -> Option<ScramVerifier> {
                ScramVerifier::derive(hash, &self.0, b"salt", 1).ok()
            }
        }
        let login = Login::new(&*user, &password).unwrap();
        let limits = ScramLimits::default().with_iterations(1, 1);
        let mut client = ScramClient::new(ScramHash::Sha256, login, nonce(), limits);
        let mut server = ScramServer::new(ScramHash::Sha256, Anyone(password), nonce(), Decoy::new(b"s"));
        prop_assert_eq!(run(&mut client, &mut server), Ok(Ok(Identity::of(&*user))));
    }
}
