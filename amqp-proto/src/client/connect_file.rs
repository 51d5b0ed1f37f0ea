//! [`ConnectFile`]: the settings of a connection in a file, as clients of Qpid Proton have them. Needs the feature `json`.

use std::fmt;

use serde_json::{Map, Value};

use super::address::Address;
use super::address_error::AddressError;
use super::options::ConnectionOptions;
use crate::types::Symbol;

/// The settings in a file `connect.json`, whose form is that of Qpid Proton's clients.
///
/// The application reads the file. Those clients look for the path in the environment variable `MESSAGING_CONNECT_FILE`, else
/// for `connect.json` in the current folder, in `~/.config/messaging/` and in `/etc/messaging/`. `Debug` and errors never show
/// the password.
///
/// ```
/// use amqp_proto::client::ConnectFile;
///
/// let file: ConnectFile = r#"{
///     "scheme": "amqp",
///     "host": "broker.example",
///     "user": "me",
///     "password": "secret",
///     "sasl": { "mechanisms": ["SCRAM-SHA-256", "PLAIN"] }
/// }"#
/// .parse()?;
/// assert_eq!(file.address().to_string(), "amqp://broker.example:5672");
/// assert!(!format!("{file:?}").contains("secret"));
/// let options = file.options();
/// # Ok::<(), amqp_proto::client::ConnectFileError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ConnectFile {
    address: Address,
    has_sasl: bool,
    mechanisms: Option<Vec<Symbol>>,
    allows_insecure: bool,
    authorities: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
}

impl ConnectFile {
    /// Returns the address of the server, with the login. Without a host it is `localhost`, without a scheme `amqps`.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Returns connection options with the settings for SASL. The login is that of the [address](Self::address).
    pub fn options(&self) -> ConnectionOptions {
        let mut options = ConnectionOptions::new();
        if !self.has_sasl {
            options = options.without_sasl();
        }
        if let Some(mechanisms) = &self.mechanisms {
            options = options.with_only_mechanisms(mechanisms.iter().cloned());
        }
        if self.allows_insecure {
            options = options.with_plain_in_clear();
        }
        options
    }

    /// Returns the path of the trusted certificates, in PEM.
    pub fn authorities(&self) -> Option<&str> {
        self.authorities.as_deref()
    }

    /// Returns the path of the client's certificate, in PEM.
    pub fn certificate(&self) -> Option<&str> {
        self.certificate.as_deref()
    }

    /// Returns the path of the key of the client's certificate, in PEM. Without one, it is in the certificate's file.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref().or_else(|| self.certificate())
    }

    /// Returns the settings for TLS; `read` reads a file. Needs the feature `tls`.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](super::Error::Io) if a file cannot be read, or has not what it should have.
    #[cfg(feature = "tls")]
    pub fn tls(
        &self,
        mut read: impl FnMut(&str) -> std::io::Result<Vec<u8>>,
    ) -> super::Result<super::ClientTls> {
        let mut builder = super::ClientTls::builder();
        if let Some(authorities) = self.authorities() {
            builder = builder.with_trusted_pem(&read(authorities)?)?;
        }
        if let (Some(certificate), Some(key)) = (self.certificate(), self.key()) {
            builder = builder.with_identity_pem(&read(certificate)?, &read(key)?)?;
        }
        builder.build()
    }
}

/// Reads the text of a file. An unknown name is an error, so that a misspelt one is not overlooked.
impl std::str::FromStr for ConnectFile {
    type Err = ConnectFileError;

    fn from_str(text: &str) -> Result<Self, ConnectFileError> {
        let value: Value = serde_json::from_str(text)
            .map_err(|error| ConnectFileError::Json { line: error.line(), column: error.column() })?;
        let Value::Object(fields) = value else { return Err(ConnectFileError::Type("the file")) };
        let mut fields = Fields { fields, place: "" };
        let address = address(&mut fields)?;
        let (mut sasl, mut tls) = (fields.object("sasl")?, fields.object("tls")?);
        fields.end()?;
        let file = Self {
            address,
            has_sasl: sasl.boolean("sasl.enable")?.unwrap_or(true),
            mechanisms: mechanisms(sasl.take("sasl.mechanisms"))?,
            allows_insecure: sasl.boolean("sasl.allow_insecure")?.unwrap_or(false),
            authorities: tls.text("tls.ca")?,
            certificate: tls.text("tls.cert")?,
            key: tls.text("tls.key")?,
        };
        if tls.boolean("tls.verify")? == Some(false) {
            return Err(ConnectFileError::Unverified);
        }
        if file.key.is_some() && file.certificate.is_none() {
            return Err(ConnectFileError::Missing("tls.cert"));
        }
        sasl.end()?;
        tls.end()?;
        Ok(file)
    }
}

/// Reads scheme, host, port, user and password.
fn address(fields: &mut Fields) -> Result<Address, ConnectFileError> {
    let scheme = fields.text("scheme")?.unwrap_or_else(|| "amqps".into());
    let host = fields.text("host")?.unwrap_or_else(|| "localhost".into());
    let port = match fields.take("port") {
        None => String::new(),
        Some(Value::Number(port)) => format!(":{port}"),
        // The names of the two services are those of the two usual ports.
        Some(Value::String(port)) if port == "amqp" => ":5672".into(),
        Some(Value::String(port)) if port == "amqps" => ":5671".into(),
        Some(Value::String(port)) => format!(":{port}"),
        Some(_) => return Err(ConnectFileError::Type("port")),
    };
    if host.contains(['/', '?', '#', '@', ',', '[', ']']) {
        return Err(ConnectFileError::Address(AddressError::Host));
    }
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let address: Address = format!("{scheme}://{host}{port}").parse().map_err(ConnectFileError::Address)?;
    match (fields.text("user")?, fields.text("password")?) {
        (Some(user), password) => Ok(address.with_login(user, password.unwrap_or_default())),
        (None, Some(_)) => Err(ConnectFileError::Missing("user")),
        (None, None) => Ok(address),
    }
}

/// Reads names of mechanisms: a list, or a text with blanks between.
fn mechanisms(value: Option<Value>) -> Result<Option<Vec<Symbol>>, ConnectFileError> {
    const NAME: &str = "sasl.mechanisms";
    let wrong = ConnectFileError::Type(NAME);
    let names: Vec<String> = match value {
        None => return Ok(None),
        Some(Value::String(names)) => names.split_whitespace().map(Into::into).collect(),
        Some(Value::Array(names)) => {
            let texts = names.into_iter().map(|name| name.as_str().map(Into::into));
            texts.collect::<Option<_>>().ok_or(wrong.clone())?
        }
        Some(_) => return Err(wrong),
    };
    let symbols = names.into_iter().map(|name| Symbol::new(name).map_err(|_| wrong.clone()));
    symbols.collect::<Result<_, _>>().map(Some)
}

/// The fields of an object that were not read yet.
struct Fields {
    fields: Map<String, Value>,
    /// The name of the object.
    place: &'static str,
}

impl Fields {
    /// Takes the value of a name, whose last part is its key. Null is like no value.
    fn take(&mut self, name: &'static str) -> Option<Value> {
        let key = name.rsplit('.').next().unwrap_or(name);
        self.fields.remove(key).filter(|value| !value.is_null())
    }

    fn text(&mut self, name: &'static str) -> Result<Option<String>, ConnectFileError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(ConnectFileError::Type(name)),
        }
    }

    fn boolean(&mut self, name: &'static str) -> Result<Option<bool>, ConnectFileError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(value)),
            Some(_) => Err(ConnectFileError::Type(name)),
        }
    }

    fn object(&mut self, name: &'static str) -> Result<Self, ConnectFileError> {
        match self.take(name) {
            None => Ok(Self { fields: Map::new(), place: name }),
            Some(Value::Object(fields)) => Ok(Self { fields, place: name }),
            Some(_) => Err(ConnectFileError::Type(name)),
        }
    }

    /// Checks that all fields were read.
    fn end(self) -> Result<(), ConnectFileError> {
        match self.fields.into_iter().next() {
            None => Ok(()),
            Some((name, _)) if self.place.is_empty() => Err(ConnectFileError::Unknown(name)),
            Some((name, _)) => Err(ConnectFileError::Unknown(format!("{}.{name}", self.place))),
        }
    }
}

/// The error of a file that is no `connect.json`. It has no value of the file, so no password is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectFileError {
    /// The text is not JSON from here on.
    Json {
        /// The line, from 1.
        line: usize,
        /// The column, from 1; 0 at the end of a line.
        column: usize,
    },
    /// The value of this name is of another type.
    Type(&'static str),
    /// This name has no meaning.
    Unknown(String),
    /// This name is missing, although another one needs it.
    Missing(&'static str),
    /// Scheme, host and port make no address.
    Address(AddressError),
    /// The file switches the verification of the server's certificate off, which these crates do not do.
    Unverified,
}

impl fmt::Display for ConnectFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json { line, column } => write!(f, "not JSON at line {line}, column {column}"),
            Self::Type(name) => write!(f, "the value of {name} is of another type"),
            Self::Unknown(name) => write!(f, "{} has no meaning", name.escape_debug()),
            Self::Missing(name) => write!(f, "{name} is missing"),
            Self::Address(error) => write!(f, "scheme, host and port: {error}"),
            Self::Unverified => f.write_str("tls.verify is false: certificates are always verified"),
        }
    }
}

impl std::error::Error for ConnectFileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Address(error) => Some(error),
            _ => None,
        }
    }
}
