//! Certificates for one test.
#![allow(dead_code, unreachable_pub)]

use std::fs;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

/// A certificate authority.
pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, as PEM.
pub(crate) struct Issued {
    pub(crate) chain: String,
    pub(crate) key: String,
}

impl Issued {
    /// Writes certificate and key to files of this name, and returns their paths.
    pub(crate) fn write(&self, folder: &Path, name: &str) -> [String; 2] {
        let text = [("pem", &self.chain), ("key", &self.key)];
        text.map(|(kind, text)| write(&folder.join(format!("{name}.{kind}")), text))
    }
}

fn write(file: &Path, text: &str) -> String {
    fs::write(file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

impl Authority {
    /// Writes the authority's certificate to a file of this name, and returns its path.
    pub(crate) fn write(&self, folder: &Path, name: &str) -> String {
        write(&folder.join(format!("{name}.pem")), &self.pem)
    }

    pub(crate) fn new() -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        // Each authority has its own name, or clients would confuse them.
        let name = format!("authority {:?}", &key.public_key_raw()[..8]);
        parameters.distinguished_name.push(DnType::CommonName, name);
        let pem = parameters.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(parameters, key) }
    }

    /// Issues a certificate for this name.
    pub(crate) fn issue(&self, name: &str) -> Issued {
        self.sign(Self::parameters(name))
    }

    /// Issues an expired certificate for this name.
    pub(crate) fn issue_expired(&self, name: &str) -> Issued {
        let mut parameters = Self::parameters(name);
        parameters.not_before = date_time_ymd(2000, 1, 1);
        parameters.not_after = date_time_ymd(2001, 1, 1);
        self.sign(parameters)
    }

    fn parameters(name: &str) -> CertificateParams {
        let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters
    }

    fn sign(&self, parameters: CertificateParams) -> Issued {
        let key = KeyPair::generate().unwrap();
        let chain = parameters.signed_by(&key, &self.issuer).unwrap().pem();
        Issued { chain, key: key.serialize_pem() }
    }
}
