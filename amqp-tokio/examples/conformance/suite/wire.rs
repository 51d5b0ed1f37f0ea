//! Values and frames, written and read by hand: nothing here is shared with the library [1.6] [2.3].

use std::fmt;

/// The protocol header of AMQP [2.2].
pub(crate) const AMQP: [u8; 8] = *b"AMQP\x00\x01\x00\x00";
/// The protocol header of SASL [5.3].
pub(crate) const SASL: [u8; 8] = *b"AMQP\x03\x01\x00\x00";

/// The deepest value that is read.
const DEPTH: usize = 32;

/// The code, the name and the fields of each described list that the tester knows.
const TYPES: [(u64, &str, &[&str]); 28] = [
    (
        0x10,
        "open",
        &[
            "container-id",
            "hostname",
            "max-frame-size",
            "channel-max",
            "idle-time-out",
            "outgoing-locales",
            "incoming-locales",
            "offered-capabilities",
            "desired-capabilities",
            "properties",
        ],
    ),
    (
        0x11,
        "begin",
        &[
            "remote-channel",
            "next-outgoing-id",
            "incoming-window",
            "outgoing-window",
            "handle-max",
            "offered-capabilities",
            "desired-capabilities",
            "properties",
        ],
    ),
    (
        0x12,
        "attach",
        &[
            "name",
            "handle",
            "role",
            "snd-settle-mode",
            "rcv-settle-mode",
            "source",
            "target",
            "unsettled",
            "incomplete-unsettled",
            "initial-delivery-count",
            "max-message-size",
            "offered-capabilities",
            "desired-capabilities",
            "properties",
        ],
    ),
    (
        0x13,
        "flow",
        &[
            "next-incoming-id",
            "incoming-window",
            "next-outgoing-id",
            "outgoing-window",
            "handle",
            "delivery-count",
            "link-credit",
            "available",
            "drain",
            "echo",
            "properties",
        ],
    ),
    (
        0x14,
        "transfer",
        &[
            "handle",
            "delivery-id",
            "delivery-tag",
            "message-format",
            "settled",
            "more",
            "rcv-settle-mode",
            "state",
            "resume",
            "aborted",
            "batchable",
        ],
    ),
    (0x15, "disposition", &["role", "first", "last", "settled", "state", "batchable"]),
    (0x16, "detach", &["handle", "closed", "error"]),
    (0x17, "end", &["error"]),
    (0x18, "close", &["error"]),
    (0x1d, "error", &["condition", "description", "info"]),
    (0x23, "received", &["section-number", "section-offset"]),
    (0x24, "accepted", &[]),
    (0x25, "rejected", &["error"]),
    (0x26, "released", &[]),
    (0x27, "modified", &["delivery-failed", "undeliverable-here", "message-annotations"]),
    (
        0x28,
        "source",
        &[
            "address",
            "durable",
            "expiry-policy",
            "timeout",
            "dynamic",
            "dynamic-node-properties",
            "distribution-mode",
            "filter",
            "default-outcome",
            "outcomes",
            "capabilities",
        ],
    ),
    (
        0x29,
        "target",
        &[
            "address",
            "durable",
            "expiry-policy",
            "timeout",
            "dynamic",
            "dynamic-node-properties",
            "capabilities",
        ],
    ),
    (0x30, "coordinator", &["capabilities"]),
    (0x31, "declare", &["global-id"]),
    (0x32, "discharge", &["txn-id", "fail"]),
    (0x33, "declared", &["txn-id"]),
    (0x34, "transactional-state", &["txn-id", "outcome"]),
    (0x40, "sasl-mechanisms", &["sasl-server-mechanisms"]),
    (0x41, "sasl-init", &["mechanism", "initial-response", "hostname"]),
    (0x42, "sasl-challenge", &["challenge"]),
    (0x43, "sasl-response", &["response"]),
    (0x44, "sasl-outcome", &["code", "additional-data"]),
    (0x70, "header", &["durable", "priority", "ttl", "first-acquirer", "delivery-count"]),
];

fn type_of(code: u64) -> Option<(&'static str, &'static [&'static str])> {
    TYPES.iter().find(|(known, ..)| *known == code).map(|(_, name, fields)| (*name, *fields))
}

/// Returns the code and the fields of a type. A name that is not in the table is a mistake of the tester.
fn type_named(name: &str) -> (u64, &'static [&'static str]) {
    let found = TYPES.iter().find(|(_, known, _)| *known == name);
    found.map(|(code, _, fields)| (*code, *fields)).expect("a name of the table")
}

/// The form in which values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// The shortest encodings, and numeric descriptors.
    Short,
    /// The longest encodings: four-octet sizes, numbers in full width, booleans with an octet.
    Wide,
    /// Symbolic descriptors.
    Symbolic,
}

/// A value. Types that the tester only carries are [`Value::Other`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Ubyte(u8),
    Ushort(u16),
    Uint(u32),
    Ulong(u64),
    Binary(Vec<u8>),
    Text(String),
    Symbol(String),
    List(Vec<Value>),
    Map(Vec<(Value, Value)>),
    Array(Vec<Value>),
    Described(Box<Value>, Box<Value>),
    /// The constructor and the octets of a value of fixed width; or octets that are not to be encoded, behind 0x40.
    Other(u8, Vec<u8>),
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u8> for Value {
    fn from(value: u8) -> Self {
        Self::Ubyte(value)
    }
}

impl From<u16> for Value {
    fn from(value: u16) -> Self {
        Self::Ushort(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Uint(value)
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Ulong(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Binary(value.to_vec())
    }
}

/// Makes a symbol.
pub(crate) fn symbol(value: &str) -> Value {
    Value::Symbol(value.to_owned())
}

/// Makes a value of these octets, which are written as they are.
pub(crate) fn raw(octets: &[u8]) -> Value {
    Value::Other(0x40, octets.to_vec())
}

/// Makes a described value with a numeric descriptor.
pub(crate) fn described(code: u64, value: Value) -> Value {
    Value::Described(Box::new(Value::Ulong(code)), Box::new(value))
}

/// Makes a described list of a type, with these fields set.
pub(crate) fn composite(name: &str, fields: &[(&str, Value)]) -> Value {
    let (code, names) = type_named(name);
    let mut list = Vec::new();
    for (name, value) in fields {
        set(&mut list, names, name, value.clone());
    }
    described(code, Value::List(list))
}

fn set(list: &mut Vec<Value>, names: &[&str], name: &str, value: Value) {
    let place = names.iter().position(|known| *known == name).expect("a field of the type");
    while list.len() <= place {
        list.push(Value::Null);
    }
    list[place] = value;
}

impl Value {
    /// Returns the items of a list, or of a described list.
    fn items(&self) -> &[Value] {
        match self {
            Self::List(items) => items,
            Self::Described(_, value) => value.items(),
            _ => &[],
        }
    }

    /// Returns the code of a described value, if it is one of the table or a number.
    pub(crate) fn code(&self) -> Option<u64> {
        let Self::Described(descriptor, _) = self else { return None };
        match &**descriptor {
            Self::Ulong(code) => Some(*code),
            Self::Symbol(symbol) => {
                let name = symbol.strip_prefix("amqp:")?.strip_suffix(":list")?;
                TYPES.iter().find(|(_, known, _)| *known == name).map(|(code, ..)| *code)
            }
            _ => None,
        }
    }

    /// Tells whether this is a described value of a type.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.code() == Some(type_named(name).0)
    }

    /// Returns a field of a described list; null if it has none of this name.
    pub(crate) fn get(&self, name: &str) -> &Value {
        let place =
            self.code().and_then(type_of).and_then(|(_, names)| names.iter().position(|n| *n == name));
        place.and_then(|place| self.items().get(place)).unwrap_or(&Value::Null)
    }

    pub(crate) fn is_null(&self) -> bool {
        *self == Self::Null
    }

    /// Returns a number of any of the unsigned types.
    pub(crate) fn number(&self) -> Option<u64> {
        match self {
            Self::Ubyte(value) => Some((*value).into()),
            Self::Ushort(value) => Some((*value).into()),
            Self::Uint(value) => Some((*value).into()),
            Self::Ulong(value) => Some(*value),
            _ => None,
        }
    }

    /// Returns a uint.
    pub(crate) fn uint(&self) -> Option<u32> {
        if let Self::Uint(value) = self { Some(*value) } else { None }
    }

    /// Returns true for a boolean that is set and true.
    pub(crate) fn is_true(&self) -> bool {
        *self == Self::Bool(true)
    }

    /// Returns the text of a string or a symbol.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(value) | Self::Symbol(value) => Some(value),
            _ => None,
        }
    }

    /// Returns the values of a field that may have several.
    pub(crate) fn many(&self) -> Vec<&Value> {
        match self {
            Self::Null => Vec::new(),
            Self::Array(values) => values.iter().collect(),
            one => vec![one],
        }
    }

    /// Encodes the value.
    pub(crate) fn octets(&self, form: Form) -> Vec<u8> {
        let mut octets = Vec::new();
        self.write(&mut octets, form);
        octets
    }

    fn write(&self, out: &mut Vec<u8>, form: Form) {
        let wide = form == Form::Wide;
        match self {
            Self::Null => out.push(0x40),
            Self::Bool(value) if wide => out.extend([0x56, u8::from(*value)]),
            Self::Bool(value) => out.push(if *value { 0x41 } else { 0x42 }),
            Self::Ubyte(value) => out.extend([0x50, *value]),
            Self::Ushort(value) => number(out, 0x60, &value.to_be_bytes()),
            Self::Uint(value) => match u8::try_from(*value) {
                Ok(0) if !wide => out.push(0x43),
                Ok(value) if !wide => out.extend([0x52, value]),
                _ => number(out, 0x70, &value.to_be_bytes()),
            },
            Self::Ulong(value) => match u8::try_from(*value) {
                Ok(0) if !wide => out.push(0x44),
                Ok(value) if !wide => out.extend([0x53, value]),
                _ => number(out, 0x80, &value.to_be_bytes()),
            },
            Self::Binary(octets) => sized(out, 0xa0, octets, wide),
            Self::Text(text) => sized(out, 0xa1, text.as_bytes(), wide),
            Self::Symbol(text) => sized(out, 0xa3, text.as_bytes(), wide),
            Self::List(items) if items.is_empty() && !wide => out.push(0x45),
            Self::List(items) => compound(out, 0xc0, items.len(), &joined(items, form), wide),
            Self::Map(entries) => {
                let items: Vec<Value> = entries.iter().flat_map(|(k, v)| [k.clone(), v.clone()]).collect();
                compound(out, 0xc1, items.len(), &joined(&items, form), wide);
            }
            Self::Array(items) => array(out, items),
            Self::Described(descriptor, value) => {
                out.push(0x00);
                match (form, self.code().and_then(type_of)) {
                    (Form::Symbolic, Some((name, _))) => {
                        symbol(&format!("amqp:{name}:list")).write(out, form)
                    }
                    _ => descriptor.write(out, form),
                }
                value.write(out, form);
            }
            Self::Other(0x40, octets) => out.extend(octets),
            Self::Other(code, octets) => number(out, *code, octets),
        }
    }
}

fn number(out: &mut Vec<u8>, code: u8, octets: &[u8]) {
    out.push(code);
    out.extend(octets);
}

fn joined(items: &[Value], form: Form) -> Vec<u8> {
    items.iter().flat_map(|item| item.octets(form)).collect()
}

fn u32_of(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

/// Writes octets behind their size; `code` is the constructor of the one-octet form.
fn sized(out: &mut Vec<u8>, code: u8, octets: &[u8], wide: bool) {
    match u8::try_from(octets.len()) {
        Ok(size) if !wide => out.extend([code, size]),
        _ => number(out, code + 0x10, &u32_of(octets.len()).to_be_bytes()),
    }
    out.extend(octets);
}

/// Writes items behind their size and count; `code` is the constructor of the one-octet form.
fn compound(out: &mut Vec<u8>, code: u8, count: usize, items: &[u8], wide: bool) {
    match (u8::try_from(items.len() + 1), u8::try_from(count)) {
        (Ok(size), Ok(count)) if !wide => out.extend([code, size, count]),
        _ => {
            number(out, code + 0x10, &u32_of(items.len() + 4).to_be_bytes());
            out.extend(u32_of(count).to_be_bytes());
        }
    }
    out.extend(items);
}

/// Writes an array of symbols, the only arrays that the tester needs.
fn array(out: &mut Vec<u8>, items: &[Value]) {
    let mut octets = vec![0xb3];
    for item in items {
        let text = item.text().unwrap_or_default();
        octets.extend(u32_of(text.len()).to_be_bytes());
        octets.extend(text.as_bytes());
    }
    compound(out, 0xe0, items.len(), &octets, true);
}

/// Takes values off the front of octets. Whatever is wrong with them ends the reading with `None`.
#[derive(Debug)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn octet(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn size(&mut self, wide: bool) -> Option<usize> {
        if !wide {
            return self.octet().map(usize::from);
        }
        let octets: [u8; 4] = self.take(4)?.try_into().ok()?;
        usize::try_from(u32::from_be_bytes(octets)).ok()
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > DEPTH {
            return None;
        }
        let code = self.octet()?;
        if code == 0x00 {
            let descriptor = self.value(depth + 1)?;
            return Some(Value::Described(Box::new(descriptor), Box::new(self.value(depth + 1)?)));
        }
        self.body(code, depth)
    }

    /// Reads what follows a constructor.
    fn body(&mut self, code: u8, depth: usize) -> Option<Value> {
        let wide = code & 0x10 != 0;
        Some(match code {
            0x40 => Value::Null,
            0x41 | 0x42 => Value::Bool(code == 0x41),
            0x43 => Value::Uint(0),
            0x44 => Value::Ulong(0),
            0x45 => Value::List(Vec::new()),
            0x50 => Value::Ubyte(self.octet()?),
            0x52 => Value::Uint(self.octet()?.into()),
            0x53 => Value::Ulong(self.octet()?.into()),
            0x56 => Value::Bool(self.octet()? != 0),
            0x60 => Value::Ushort(u16::from_be_bytes(self.take(2)?.try_into().ok()?)),
            0x70 => Value::Uint(u32::from_be_bytes(self.take(4)?.try_into().ok()?)),
            0x80 => Value::Ulong(u64::from_be_bytes(self.take(8)?.try_into().ok()?)),
            0x51 | 0x54 | 0x55 => Value::Other(code, self.take(1)?.to_vec()),
            0x61 => Value::Other(code, self.take(2)?.to_vec()),
            0x71..=0x74 => Value::Other(code, self.take(4)?.to_vec()),
            0x81..=0x84 => Value::Other(code, self.take(8)?.to_vec()),
            0x94 | 0x98 => Value::Other(code, self.take(16)?.to_vec()),
            0xa0 | 0xa1 | 0xa3 | 0xb0 | 0xb1 | 0xb3 => {
                let size = self.size(wide)?;
                let octets = self.take(size)?;
                match code & 0x0f {
                    0 => Value::Binary(octets.to_vec()),
                    1 => Value::Text(String::from_utf8(octets.to_vec()).ok()?),
                    _ => Value::Symbol(String::from_utf8(octets.to_vec()).ok()?),
                }
            }
            0xc0 | 0xc1 | 0xd0 | 0xd1 | 0xe0 | 0xf0 => {
                let size = self.size(wide)?;
                let mut inside = Reader(self.take(size)?);
                inside.compound(code, depth)?
            }
            _ => return None,
        })
    }

    /// Reads the count and the items of a list, a map or an array.
    fn compound(&mut self, code: u8, depth: usize) -> Option<Value> {
        let count = self.size(code & 0x10 != 0)?;
        if code & 0xe0 == 0xe0 {
            return self.array(count, depth);
        }
        // Each item takes an octet at least.
        if count > self.0.len() {
            return None;
        }
        let items = (0..count).map(|_| self.value(depth + 1)).collect::<Option<Vec<_>>>()?;
        if code & 0x0f == 0 {
            return Some(Value::List(items));
        }
        let pairs = items.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone()));
        (items.len() % 2 == 0).then(|| Value::Map(pairs.collect()))
    }

    fn array(&mut self, count: usize, depth: usize) -> Option<Value> {
        let code = self.octet()?;
        let mut descriptor = None;
        let code = if code == 0x00 {
            descriptor = Some(self.value(depth + 1)?);
            self.octet()?
        } else {
            code
        };
        if count > self.0.len() && count > 1_000 {
            return None;
        }
        let items = (0..count).map(|_| {
            let value = self.body(code, depth + 1)?;
            Some(match &descriptor {
                Some(descriptor) => Value::Described(Box::new(descriptor.clone()), Box::new(value)),
                None => value,
            })
        });
        items.collect::<Option<Vec<_>>>().map(Value::Array)
    }
}

/// The code, the value and the octets of a section.
pub(crate) type Section = (u64, Value, Vec<u8>);

/// Reads the sections of a message. `None` if they cannot be read.
pub(crate) fn sections(mut octets: &[u8]) -> Option<Vec<Section>> {
    let mut sections = Vec::new();
    while !octets.is_empty() {
        let mut reader = Reader(octets);
        let section = reader.value(0)?;
        let rest = reader.0;
        let Value::Described(_, value) = &section else { return None };
        let code = section.code()?;
        let value = if code == 0x70 { section.clone() } else { (**value).clone() };
        sections.push((code, value, octets[..octets.len() - rest.len()].to_vec()));
        octets = rest;
    }
    Some(sections)
}

/// A frame to write.
#[derive(Debug, Clone)]
pub(crate) struct Out {
    kind: u8,
    channel: u16,
    code: u64,
    names: &'static [&'static str],
    fields: Vec<Value>,
    payload: Vec<u8>,
    form: Form,
}

impl Out {
    /// Makes a frame of a performative or a SASL body, without fields, on channel 0.
    pub(crate) fn new(name: &str) -> Self {
        let (code, names) = type_named(name);
        let kind = u8::from(name.starts_with("sasl-"));
        Self { kind, channel: 0, code, names, fields: Vec::new(), payload: Vec::new(), form: Form::Short }
    }

    /// Sets a field.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        set(&mut self.fields, self.names, name, value.into());
        self
    }

    /// Takes a field back.
    pub(crate) fn without(self, name: &str) -> Self {
        self.with(name, Value::Null)
    }

    /// Spells out all fields, also those that are null.
    pub(crate) fn spelled_out(mut self) -> Self {
        while self.fields.len() < self.names.len() {
            self.fields.push(Value::Null);
        }
        self
    }

    pub(crate) fn on(mut self, channel: u16) -> Self {
        self.channel = channel;
        self
    }

    pub(crate) fn with_payload(mut self, payload: &[u8]) -> Self {
        self.payload = payload.to_vec();
        self
    }

    pub(crate) fn in_form(mut self, form: Form) -> Self {
        self.form = form;
        self
    }

    /// Tells whether the frame is of this type.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.code == type_named(name).0
    }

    /// Returns a field; null if it is not set.
    pub(crate) fn get(&self, name: &str) -> &Value {
        let place = self.names.iter().position(|known| *known == name);
        place.and_then(|place| self.fields.get(place)).unwrap_or(&Value::Null)
    }

    /// Encodes the body of the frame.
    pub(crate) fn body(&self) -> Vec<u8> {
        let mut body = described(self.code, Value::List(self.fields.clone())).octets(self.form);
        body.extend(&self.payload);
        body
    }

    /// Encodes the frame.
    pub(crate) fn octets(&self) -> Vec<u8> {
        framed(self.kind, self.channel, 2, &self.body())
    }

    /// Encodes the frame with an extended header of this number of words.
    pub(crate) fn octets_behind(&self, words: u8) -> Vec<u8> {
        let mut body = vec![0xab; usize::from(words) * 4];
        body.extend(self.body());
        framed(self.kind, self.channel, 2 + words, &body)
    }
}

impl fmt::Display for Out {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = Frame {
            kind: self.kind,
            channel: self.channel,
            body: Some(described(self.code, Value::List(self.fields.clone()))),
            payload: self.payload.clone(),
            size: 0,
        };
        shown.fmt(f)
    }
}

/// Encodes a frame of any kind. `doff` is the position of the body in words; `rest` is all behind the frame header.
pub(crate) fn framed(kind: u8, channel: u16, doff: u8, rest: &[u8]) -> Vec<u8> {
    let mut octets = u32_of(rest.len() + 8).to_be_bytes().to_vec();
    octets.extend([doff, kind]);
    octets.extend(channel.to_be_bytes());
    octets.extend(rest);
    octets
}

/// A frame that was read.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) channel: u16,
    /// The performative; nothing for an empty frame, and for a body that cannot be read.
    pub(crate) body: Option<Value>,
    /// All octets behind the performative.
    pub(crate) payload: Vec<u8>,
    pub(crate) size: usize,
}

impl Frame {
    /// Reads a frame of exactly these octets, the frame header included.
    pub(crate) fn read(octets: &[u8]) -> Option<Self> {
        let [.., doff, kind, high, low] = *octets.first_chunk::<8>()?;
        let mut reader = Reader(octets.get(usize::from(doff) * 4..)?);
        let whole = reader.0;
        let body = reader.value(0);
        let payload = if body.is_some() { reader.0 } else { whole };
        Some(Self {
            kind,
            channel: u16::from_be_bytes([high, low]),
            body,
            payload: payload.to_vec(),
            size: octets.len(),
        })
    }

    /// Tells whether the frame has no body.
    pub(crate) fn is_empty(&self) -> bool {
        self.body.is_none() && self.payload.is_empty()
    }

    /// Tells whether the frame is of this type.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.body.as_ref().is_some_and(|body| body.is(name))
    }

    /// Returns a field; null if the frame has none of this name.
    pub(crate) fn get(&self, name: &str) -> &Value {
        self.body.as_ref().map_or(&Value::Null, |body| body.get(name))
    }

    /// Returns the condition of the error of a close, an end or a detach.
    pub(crate) fn condition(&self) -> Option<&str> {
        self.get("error").get("condition").text()
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.body {
            Some(body) => write!(f, "{body}")?,
            None if self.payload.is_empty() => f.write_str("empty frame")?,
            None => f.write_str("frame that cannot be read")?,
        }
        if self.channel != 0 && self.kind == 0 {
            write!(f, " on channel {}", self.channel)?;
        }
        if !self.payload.is_empty() {
            write!(f, " and {} octets", self.payload.len())?;
        }
        Ok(())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => value.fmt(f),
            Self::Ubyte(value) => value.fmt(f),
            Self::Ushort(value) => value.fmt(f),
            Self::Uint(value) => value.fmt(f),
            Self::Ulong(value) => value.fmt(f),
            Self::Text(value) => write!(f, "{value:?}"),
            Self::Symbol(value) => write!(f, "{}", value.escape_debug()),
            Self::Binary(octets) => write!(f, "{}", hex(octets, 32)),
            Self::Other(_, octets) => write!(f, "0x{}", hex(octets, 16)),
            Self::List(items) | Self::Array(items) => {
                f.write_str("[")?;
                listed(f, items.iter().map(|item| (None, item)))?;
                f.write_str("]")
            }
            Self::Map(entries) => {
                f.write_str("{")?;
                for (place, (key, value)) in entries.iter().enumerate() {
                    write!(f, "{}{key}: {value}", if place > 0 { ", " } else { "" })?;
                }
                f.write_str("}")
            }
            Self::Described(descriptor, value) => match self.code().and_then(type_of) {
                Some((name, names)) => {
                    write!(f, "{name}(")?;
                    let fields = value.items().iter().enumerate().filter(|(_, value)| !value.is_null());
                    listed(f, fields.map(|(place, value)| (names.get(place).copied(), value)))?;
                    f.write_str(")")
                }
                None => write!(f, "@{descriptor} {value}"),
            },
        }
    }
}

fn listed<'a>(
    f: &mut fmt::Formatter<'_>,
    items: impl Iterator<Item = (Option<&'static str>, &'a Value)>,
) -> fmt::Result {
    for (place, (name, value)) in items.enumerate() {
        f.write_str(if place > 0 { ", " } else { "" })?;
        if let Some(name) = name {
            write!(f, "{name}=")?;
        }
        write!(f, "{value}")?;
    }
    Ok(())
}

/// Writes octets as hexadecimal digits, this number of them at most.
pub(crate) fn hex(octets: &[u8], most: usize) -> String {
    let mut digits: String = octets.iter().take(most).map(|octet| format!("{octet:02x}")).collect();
    if octets.len() > most {
        digits.push_str("...");
    }
    digits
}
