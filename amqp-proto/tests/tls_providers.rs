//! The provider of cryptography, with the features `ring` and `aws-lc-rs`, both, or none of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use amqp_proto::client::rustls::crypto::CryptoProvider;
use amqp_proto::client::{ClientTls, Error, Result, ServerTls};
use rcgen::{CertificateParams, KeyPair};

/// Returns the provider of these settings.
fn provider(tls: Result<ClientTls>) -> Arc<CryptoProvider> {
    Arc::clone(tls.unwrap().config().crypto_provider())
}

/// Returns the settings of a server without a provider of its own.
fn server() -> Result<ServerTls> {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".into()]).unwrap().self_signed(&key).unwrap();
    ServerTls::builder_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap().build()
}

/// The provider of the features; aws-lc-rs if both are on.
const BUILT_IN: Option<&str> = match (cfg!(feature = "aws-lc-rs"), cfg!(feature = "ring")) {
    (true, _) => Some("AwsLcRs"),
    (false, true) => Some("Ring"),
    (false, false) => None,
};

#[test]
fn features_choose_a_provider_and_the_program_another() {
    match BUILT_IN {
        Some(name) => chosen(name),
        None => refused(),
    }
}

/// The provider of the features is the last choice, after that of the program and that of the settings.
fn chosen(name: &str) {
    let found = provider(ClientTls::system());
    assert_eq!(format!("{:?}", found.secure_random), name);
    let at_server = Arc::clone(server().unwrap().config().crypto_provider());
    assert_eq!(format!("{:?}", at_server.secure_random), name);

    let mut installed = CryptoProvider::clone(&found);
    installed.cipher_suites.truncate(1);
    assert!(found.cipher_suites.len() > 1);
    installed.install_default().unwrap();
    assert_eq!(provider(ClientTls::system()).cipher_suites.len(), 1);
    assert_eq!(server().unwrap().config().crypto_provider().cipher_suites.len(), 1);

    let given = ClientTls::builder().with_provider(Arc::clone(&found)).build();
    assert!(Arc::ptr_eq(&provider(given), &found));
}

/// Without a provider, an error says what to do; settings do not panic.
fn refused() {
    for refused in [ClientTls::system().err(), server().err()] {
        let Some(Error::Io(error)) = refused else { panic!("{refused:?}") };
        let words = error.to_string();
        for part in ["TLS: no provider of cryptography", "`ring`", "`aws-lc-rs`"] {
            assert!(words.contains(part), "{words}");
        }
    }
}
