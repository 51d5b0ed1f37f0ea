//! [`Filter`]: the filters that brokers know, as typed values [3.5.8].
//!
//! A filter set maps free names to described values, and the descriptor says what a filter means. The table of
//! [`FilterKind`] has the registered descriptors, and the names that brokers look for.

use core::fmt;

use alloc::vec::Vec;

use super::Source;
use crate::types::{ApplicationProperties, Described, Fields, List, Map, Str, Symbol, Timestamp, Value};

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal $symbol:literal $code:expr, $capability:expr;)*) => {
        /// A kind of filter that this crate knows.
        ///
        /// ```
        /// use amqp_proto::wire::FilterKind;
        ///
        /// let kind = FilterKind::of(&0x0000_468c_0000_0004_u64.into());
        /// assert_eq!(kind, Some(FilterKind::Selector));
        /// assert_eq!(FilterKind::Selector.name(), "jms-selector");
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum FilterKind {
            $($(#[$doc])* $kind,)*
        }

        impl FilterKind {
            /// All kinds.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// Returns the name of such a filter in a filter set. Some brokers look for it; for all others,
            /// the name is free.
            pub const fn name(self) -> Symbol {
                match self { $(Self::$kind => Symbol::known($name),)* }
            }

            /// Returns the symbolic descriptor.
            pub const fn descriptor(self) -> Symbol {
                match self { $(Self::$kind => Symbol::known($symbol),)* }
            }

            /// Returns the numeric descriptor, if there is one.
            pub const fn code(self) -> Option<u64> {
                match self { $(Self::$kind => $code,)* }
            }

            /// Returns the capability of a source whose node knows such filters, if one is defined.
            pub const fn capability(self) -> Option<Symbol> {
                match self { $(Self::$kind => $capability,)* }
            }
        }
    };
}

kinds! {
    /// A selector of JMS: an expression over the fields and properties of a message.
    Selector = "jms-selector" "apache.org:selector-filter:string" Some(0x0000_468c_0000_0004),
        Some(Symbol::known("APACHE.ORG:SELECTOR"));
    /// Excludes messages that were sent over the same connection.
    NoLocal = "no-local" "apache.org:no-local-filter:list" Some(0x0000_468c_0000_0003),
        Some(Symbol::known("APACHE.ORG:NO_LOCAL"));
    /// An expression of the SQL of AMQP Filter Expressions, which streams of RabbitMQ 4 know.
    Sql = "sql-filter" "amqp:sql-filter" Some(0x120), Some(Symbol::known("AMQP_FILTEX_SQL_V1_0"));
    /// Values that the properties must have.
    Properties = "properties-filter" "amqp:properties-filter" Some(0x173),
        Some(Symbol::known("AMQP_FILTEX_PROP_V1_0"));
    /// Values that the application-properties must have.
    ApplicationProperties = "application-properties-filter" "amqp:application-properties-filter" Some(0x174),
        Some(Symbol::known("AMQP_FILTEX_PROP_V1_0"));
    /// The place in a stream of RabbitMQ at which to begin.
    StreamOffset = "rabbitmq:stream-offset-spec" "rabbitmq:stream-offset-spec" None, None;
    /// The filter values of chunks in a stream of RabbitMQ.
    Stream = "rabbitmq:stream-filter" "rabbitmq:stream-filter" None, None;
    /// The choice whether chunks without a filter value pass, too.
    StreamUnfiltered = "rabbitmq:stream-match-unfiltered" "rabbitmq:stream-match-unfiltered" None, None;
    /// The session of Azure Service Bus that the receiver takes.
    Session = "com.microsoft:session-filter" "com.microsoft:session-filter" Some(0x13_7000_000c), None;
}

impl FilterKind {
    /// Returns the kind with this descriptor, in either form.
    pub fn of(descriptor: &Value) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| match descriptor {
            Value::Ulong(code) => kind.code() == Some(*code),
            Value::Symbol(name) => kind.descriptor() == *name,
            _ => false,
        })
    }
}

/// A filter of a source, with its meaning.
///
/// ```
/// use amqp_proto::wire::{Filter, Source};
///
/// // The receiver's end asks; the sender's end reads.
/// let asked = Source::at("jobs").with_selector("priority > 5");
/// let (name, filter) = asked.filters().next().unwrap();
/// assert_eq!(name, "jms-selector");
/// assert_eq!(filter, Ok(Filter::Selector("priority > 5".into())));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Filter {
    /// Messages for which the expression of JMS is true.
    Selector(Str),
    /// Messages that were not sent over the same connection.
    NoLocal,
    /// Messages for which the SQL expression is true.
    Sql(Str),
    /// Messages whose properties have these values. The keys are the standard's names, such as `subject`.
    ///
    /// A string may begin with `&p:` for a prefix or `&s:` for a suffix; a leading `&` is doubled.
    Properties(Fields),
    /// Messages whose application-properties have these values. Strings as in [`Properties`](Self::Properties).
    ApplicationProperties(ApplicationProperties),
    /// Messages of a stream from this place on.
    StreamOffset(StreamOffset),
    /// Messages in chunks that have one of these filter values. Other messages of such a chunk come, too.
    Stream(Vec<Str>),
    /// Messages in chunks without a filter value, too, if `true`.
    StreamUnfiltered(bool),
    /// Messages of this session, or of the next one that is free. The answer names the session.
    Session(Option<Str>),
}

/// A place in a stream of RabbitMQ.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamOffset {
    /// The oldest message that is kept.
    First,
    /// The newest chunk of messages.
    Last,
    /// The first message that is published from now on, which is the default.
    Next,
    /// The message with this offset, or the oldest after it.
    Offset(u64),
    /// The chunk that was being written at this time.
    Timestamp(Timestamp),
    /// A time before now, such as `7D` or `10m`. The units are `Y`, `M`, `D`, `h`, `m` and `s`.
    Interval(Str),
}

impl StreamOffset {
    fn to_value(&self) -> Value {
        match self {
            Self::First => "first".into(),
            Self::Last => "last".into(),
            Self::Next => "next".into(),
            Self::Offset(offset) => (*offset).into(),
            Self::Timestamp(time) => (*time).into(),
            Self::Interval(interval) => interval.clone().into(),
        }
    }

    fn from_value(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Timestamp(time) => Self::Timestamp(*time),
            Value::String(_) | Value::Symbol(_) => match text(value)? {
                word if word == "first" => Self::First,
                word if word == "last" => Self::Last,
                word if word == "next" => Self::Next,
                interval => Self::Interval(interval),
            },
            // Some clients write a signed number.
            number => Self::Offset(number.as_u64().or_else(|| number.as_i64()?.try_into().ok())?),
        })
    }
}

/// Returns the text of a string or symbol.
fn text(value: &Value) -> Option<Str> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Symbol(name) => Some(name.as_str().into()),
        _ => None,
    }
}

impl Filter {
    /// Returns the kind of the filter.
    pub const fn kind(&self) -> FilterKind {
        match self {
            Self::Selector(_) => FilterKind::Selector,
            Self::NoLocal => FilterKind::NoLocal,
            Self::Sql(_) => FilterKind::Sql,
            Self::Properties(_) => FilterKind::Properties,
            Self::ApplicationProperties(_) => FilterKind::ApplicationProperties,
            Self::StreamOffset(_) => FilterKind::StreamOffset,
            Self::Stream(_) => FilterKind::Stream,
            Self::StreamUnfiltered(_) => FilterKind::StreamUnfiltered,
            Self::Session(_) => FilterKind::Session,
        }
    }
}

/// Converts into the value in a filter set. The descriptor is the symbol, which all brokers know; that of a session
/// is the number, which clients of Azure send.
impl From<Filter> for Described {
    fn from(filter: Filter) -> Self {
        let kind = filter.kind();
        let value = match filter {
            Filter::Selector(expression) | Filter::Sql(expression) => Value::String(expression),
            Filter::NoLocal => Value::List(List::new()),
            Filter::Properties(fields) => fields.into(),
            Filter::ApplicationProperties(properties) => Value::Map(properties.into()),
            Filter::StreamOffset(offset) => offset.to_value(),
            Filter::Stream(mut values) if values.len() == 1 => values.pop().into(),
            Filter::Stream(values) => Value::List(values.into_iter().collect()),
            Filter::StreamUnfiltered(pass) => pass.into(),
            Filter::Session(session) => session.into(),
        };
        match kind.code() {
            Some(code) if kind == FilterKind::Session => Self::new(code, value),
            _ => Self::new(kind.descriptor(), value),
        }
    }
}

/// Reads a value of a filter set; its descriptor may be a symbol or a number.
impl TryFrom<&Value> for Filter {
    type Error = FilterError;

    fn try_from(value: &Value) -> Result<Self, FilterError> {
        let described = value.as_described().ok_or(FilterError::NotDescribed)?;
        let kind = FilterKind::of(described.descriptor())
            .ok_or_else(|| FilterError::Unknown(described.descriptor().clone()))?;
        let value = described.value();
        let map = || value.as_map().cloned();
        let read = match kind {
            FilterKind::Selector => text(value).map(Self::Selector),
            // The value has no meaning: brokers write a list, a string or null.
            FilterKind::NoLocal => Some(Self::NoLocal),
            FilterKind::Sql => text(value).map(Self::Sql),
            FilterKind::Properties => map().and_then(|map| Fields::try_from(map).ok()).map(Self::Properties),
            FilterKind::ApplicationProperties => map()
                .and_then(|map: Map| ApplicationProperties::try_from(map).ok())
                .map(Self::ApplicationProperties),
            FilterKind::StreamOffset => StreamOffset::from_value(value).map(Self::StreamOffset),
            FilterKind::Stream => match value {
                Value::List(list) => list.iter().map(text).collect::<Option<_>>().map(Self::Stream),
                single => text(single).map(|single| Self::Stream(Vec::from([single]))),
            },
            FilterKind::StreamUnfiltered => value.as_bool().map(Self::StreamUnfiltered),
            FilterKind::Session => match value {
                Value::Null => Some(Self::Session(None)),
                name => text(name).map(|name| Self::Session(Some(name))),
            },
        };
        read.ok_or(FilterError::Value(kind))
    }
}

/// The error of a filter that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FilterError {
    /// The filter is not a described value.
    NotDescribed,
    /// The descriptor is of no known kind.
    Unknown(Value),
    /// The value is not one that a filter of this kind has.
    Value(FilterKind),
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotDescribed => f.write_str("a filter is a described value"),
            Self::Unknown(descriptor) => write!(f, "no known filter has the descriptor {descriptor:?}"),
            Self::Value(kind) => {
                write!(f, "the value of a filter {} is of another type", kind.descriptor().as_str())
            }
        }
    }
}

impl core::error::Error for FilterError {}

/// Adds filters, under the names that brokers look for. A filter of the same name is replaced.
///
/// A peer leaves out a filter that it does not know, and then sends every message. Its attach says which
/// filters are in force; [`ungranted`](crate::config::ReceiverOptions::ungranted) names the missing ones.
impl Source {
    /// Adds a filter under its usual name.
    fn and(self, filter: Filter) -> Self {
        self.with_filter(filter.kind().name(), filter)
    }

    /// Adds a filter: a [`Filter`], or a described value of a kind that the peer knows [3.5.8].
    #[must_use]
    pub fn with_filter(mut self, name: impl Into<Symbol>, filter: impl Into<Described>) -> Self {
        self.filter.insert(name.into(), Value::from(filter.into()));
        self
    }

    /// Selects messages by a JMS selector expression.
    ///
    /// The selector is an extension that many brokers know.
    ///
    /// ```
    /// use amqp_proto::wire::Source;
    ///
    /// let urgent = Source::at("jobs").with_selector("priority > 5");
    /// assert!(urgent.filter.get("jms-selector").is_some());
    /// ```
    #[must_use]
    pub fn with_selector(self, expression: impl Into<Str>) -> Self {
        self.and(Filter::Selector(expression.into()))
    }

    /// Excludes messages that were sent over the same connection. The filter is an extension.
    #[must_use]
    pub fn with_no_local(self) -> Self {
        self.and(Filter::NoLocal)
    }

    /// Selects messages of a stream of RabbitMQ 4 by an SQL expression.
    ///
    /// RabbitMQ applies either this filter or those by properties.
    ///
    /// ```
    /// use amqp_proto::wire::Source;
    ///
    /// let source = Source::at("/queues/events")
    ///     .with_sql_filter("properties.subject LIKE 'order.%' AND region = 'emea'");
    /// assert!(source.filter.get("sql-filter").is_some());
    /// ```
    #[must_use]
    pub fn with_sql_filter(self, expression: impl Into<Str>) -> Self {
        self.and(Filter::Sql(expression.into()))
    }

    /// Selects messages whose properties have these values; see [`Filter::Properties`].
    ///
    /// ```
    /// use amqp_proto::wire::Source;
    ///
    /// let source = Source::at("/queues/events")
    ///     .with_properties_filter([("subject", "&p:order.")]);
    /// assert!(source.filter.get("properties-filter").is_some());
    /// ```
    #[must_use]
    pub fn with_properties_filter(self, properties: impl Into<Fields>) -> Self {
        self.and(Filter::Properties(properties.into()))
    }

    /// Selects messages whose application-properties have these values; see
    /// [`Filter::ApplicationProperties`].
    #[must_use]
    pub fn with_application_properties_filter(self, properties: impl Into<ApplicationProperties>) -> Self {
        self.and(Filter::ApplicationProperties(properties.into()))
    }

    /// Sets the place in a stream of RabbitMQ at which to begin. Default [`StreamOffset::Next`].
    ///
    /// ```
    /// use amqp_proto::wire::{Source, StreamOffset};
    ///
    /// let source =
    ///     Source::at("/queues/events").with_stream_offset(StreamOffset::First);
    /// assert!(source.filter.get("rabbitmq:stream-offset-spec").is_some());
    /// ```
    #[must_use]
    pub fn with_stream_offset(self, offset: StreamOffset) -> Self {
        self.and(Filter::StreamOffset(offset))
    }

    /// Selects chunks of a stream of RabbitMQ by filter values, and chunks without one if `unfiltered` is
    /// `true`. The receiver also gets the other messages of these chunks.
    #[must_use]
    pub fn with_stream_filter(
        self,
        values: impl IntoIterator<Item = impl Into<Str>>,
        unfiltered: bool,
    ) -> Self {
        let values = values.into_iter().map(Into::into).collect();
        self.and(Filter::Stream(values)).and(Filter::StreamUnfiltered(unfiltered))
    }

    /// Takes a session of Azure Service Bus: the one with this name, or with `None` the next one that is free.
    ///
    /// [`granted_session`](crate::brokers::azure::granted_session) reads its name in the answer.
    ///
    /// ```
    /// use amqp_proto::wire::Source;
    ///
    /// let source = Source::at("orders").with_session("customer-7");
    /// assert!(source.filter.get("com.microsoft:session-filter").is_some());
    /// ```
    #[must_use]
    pub fn with_session<'a>(self, session: impl Into<Option<&'a str>>) -> Self {
        self.and(Filter::Session(session.into().map(Str::from)))
    }

    /// Returns the filters with their names, read one by one.
    pub fn filters(&self) -> impl Iterator<Item = (&Value, Result<Filter, FilterError>)> {
        self.filter.iter().map(|(name, value)| (name, Filter::try_from(value)))
    }
}
