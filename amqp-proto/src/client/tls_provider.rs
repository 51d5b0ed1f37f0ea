//! The provider of cryptography of TLS, if the application gives none.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// Returns the provider that the program has installed, else that of the features.
pub(super) fn default_provider() -> Option<Arc<CryptoProvider>> {
    CryptoProvider::get_default().cloned().or_else(built_in)
}

/// Returns the provider of the features. `ring` is a default feature, so whoever enables both asks for aws-lc-rs.
fn built_in() -> Option<Arc<CryptoProvider>> {
    #[cfg(feature = "aws-lc-rs")]
    return Some(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    #[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
    return Some(Arc::new(rustls::crypto::ring::default_provider()));
    #[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
    None
}
