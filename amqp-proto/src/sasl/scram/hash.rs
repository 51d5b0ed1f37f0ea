//! [`ScramHash`]: the hash functions, and the functions that SCRAM builds from them (RFC 5802, section 2.2).

use alloc::vec;

use hmac::{Hmac, KeyInit, Mac};
use zeroize::Zeroize;

use super::super::login::Wiped;
use crate::types::Symbol;

/// The hash function of a SCRAM mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ScramHash {
    /// SHA-1, for old peers.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// Evaluates the expression with the type of the function.
macro_rules! each_hash {
    ($hash:expr, $function:ident => $do:expr) => {
        match $hash {
            ScramHash::Sha1 => {
                type $function = sha1::Sha1;
                $do
            }
            ScramHash::Sha256 => {
                type $function = sha2::Sha256;
                $do
            }
            ScramHash::Sha512 => {
                type $function = sha2::Sha512;
                $do
            }
        }
    };
}

impl ScramHash {
    /// All functions, strongest first.
    pub const STRONGEST_FIRST: [Self; 3] = [Self::Sha512, Self::Sha256, Self::Sha1];

    /// Returns the mechanism's name.
    pub const fn mechanism(self) -> Symbol {
        Symbol::known(match self {
            Self::Sha1 => "SCRAM-SHA-1",
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha512 => "SCRAM-SHA-512",
        })
    }

    /// Returns the length of digests and keys, in octets.
    pub const fn octets(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// Returns the digest, `H` in the RFC.
    pub(super) fn digest(self, octets: &[u8]) -> Wiped {
        each_hash!(self, Function => {
            let mut digest = <Function as sha2::Digest>::digest(octets);
            let wiped = Wiped::from(digest.as_slice());
            digest.as_mut_slice().zeroize();
            wiped
        })
    }

    /// Returns the HMAC of the concatenated parts. The key is a digest and so shorter than a block; HMAC pads
    /// it with zeros.
    pub(super) fn hmac(self, key: &Wiped, parts: &[&[u8]]) -> Wiped {
        each_hash!(self, Function => {
            let mut block = hmac::digest::Key::<Hmac<Function>>::default();
            block.iter_mut().zip(key.as_ref()).for_each(|(to, from)| *to = *from);
            let mut mac = Hmac::<Function>::new(&block);
            block.as_mut_slice().zeroize();
            parts.iter().for_each(|part| mac.update(part));
            let mut code = mac.finalize().into_bytes();
            let wiped = Wiped::from(code.as_slice());
            code.as_mut_slice().zeroize();
            wiped
        })
    }

    /// Returns the salted password, `Hi` in the RFC: PBKDF2 with one block.
    pub(super) fn salted(self, password: &[u8], salt: &[u8], iterations: u32) -> Wiped {
        let mut octets = vec![0; self.octets()];
        each_hash!(self, Function => pbkdf2::pbkdf2_hmac::<Function>(password, salt, iterations, &mut octets));
        octets.into()
    }
}

/// Returns the exclusive or of both, with which a proof hides the client's key.
pub(super) fn xor(a: &[u8], b: &[u8]) -> Wiped {
    a.iter().zip(b).map(|(a, b)| a ^ b).collect()
}
