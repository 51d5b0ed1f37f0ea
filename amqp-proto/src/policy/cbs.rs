//! [`Cbs`]: keeps a peer supplied with tokens, each before the one before expires.

use core::fmt;
use core::time::Duration;

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::backoff::Backoff;
use super::correlator::Correlator;
use super::management::{ManagementAnswer, ManagementError, ManagementRequest};
use crate::message::Message;
use crate::types::{Escaped, Moment, Str, Value};
use crate::wire::Secret;

/// A token for one audience. `Debug` does not print it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CbsToken {
    kind: Str,
    token: Secret,
    expires: Option<Moment>,
}

impl CbsToken {
    /// The type of a JSON Web Token.
    pub const JWT: &'static str = "jwt";
    /// The type of a shared access signature of Azure.
    pub const SAS: &'static str = "servicebus.windows.net:sastoken";

    /// Returns a token of a type that never expires.
    pub fn new(kind: impl Into<Str>, token: impl Into<Secret>) -> Self {
        Self { kind: kind.into(), token: token.into(), expires: None }
    }

    /// Sets the moment at which the token expires.
    #[must_use]
    pub fn with_expiry(mut self, expires: Moment) -> Self {
        self.expires = Some(expires);
        self
    }
}

/// The next step of a driver of [`Cbs`].
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum CbsStep {
    /// Get a fresh token for this audience, and report it by [`Cbs::token`] or [`Cbs::no_token`].
    Fetch(Str),
    /// Send this message over the link to the node. Its answer goes to [`Cbs::answer`].
    Put(Message),
    /// Ask again at this moment.
    Wait(Moment),
    /// Ask again after a report.
    Idle,
}

/// Prints no message, since it holds a token.
impl fmt::Debug for CbsStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fetch(audience) => f.debug_tuple("Fetch").field(audience).finish(),
            Self::Put(_) => f.write_str("Put(..)"),
            Self::Wait(until) => f.debug_tuple("Wait").field(until).finish(),
            Self::Idle => f.write_str("Idle"),
        }
    }
}

/// A change in the standing of an audience.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CbsEvent {
    /// The peer has accepted a token, the first or a later one.
    Accepted(Str),
    /// No token was put. The accepted one, if there is one, stays in force until it expires.
    Failed {
        /// The audience.
        audience: Str,
        /// The reason.
        error: CbsError,
    },
    /// The accepted token has expired. The peer detaches the links of this audience, or has done so.
    Expired(Str),
}

/// The reason why a token was not put.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CbsError {
    /// The application has no token.
    NoToken,
    /// The token had expired before it could be sent.
    TooLate,
    /// The peer has refused the token.
    Refused {
        /// The status, as of HTTP.
        status: u16,
        /// The peer's description.
        description: Option<Str>,
        /// The peer's error condition.
        condition: Option<Str>,
    },
    /// The answer has no status.
    Malformed,
    /// The answer has not come in time.
    TimedOut,
}

impl fmt::Display for CbsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoToken => f.write_str("there is no token"),
            Self::TooLate => f.write_str("the token expired before it was sent"),
            Self::Refused { status, description, condition } => {
                write!(f, "the peer refused the token with status {status}")?;
                for text in [condition, description].into_iter().flatten() {
                    write!(f, ": {}", Escaped::new(text))?;
                }
                Ok(())
            }
            Self::Malformed => f.write_str("the answer to the token has no status"),
            Self::TimedOut => f.write_str("timed out waiting for the answer to the token"),
        }
    }
}

impl core::error::Error for CbsError {}

/// Claims-based security: keeps a peer supplied with tokens for audiences.
///
/// A token is put to the node `$cbs` over one pair of links, one token at a time. When 80 % of its life is over, the
/// next one is fetched and put. If that fails, the accepted one stays in force, and the attempts go on by a
/// [`Backoff`]. RabbitMQ 4, which takes tokens by its management node, is [another form](Self::rabbitmq).
///
/// Ask [`next`](Self::next) for the next step after each report, and [`poll_event`](Self::poll_event) for what
/// has changed.
///
/// ```
/// use amqp_proto::message::Message;
/// use amqp_proto::policy::{Cbs, CbsEvent, CbsStep, CbsToken};
/// use amqp_proto::types::{Moment, Str};
///
/// let audience = Str::from("amqp://bus.example/jobs");
/// let mut cbs = Cbs::new("cbs-answers");
/// cbs.add(audience.clone());
///
/// let now = Moment::START;
/// assert_eq!(cbs.next(now, 7), CbsStep::Fetch(audience.clone()));
/// let hour = Moment::from_millis(3_600_000);
/// let token = CbsToken::new(CbsToken::JWT, "eyJhbGciOi...").with_expiry(hour);
/// cbs.token(now, &audience, token);
/// let CbsStep::Put(request) = cbs.next(now, 7) else { panic!() };
/// assert_eq!(request.to().unwrap(), "$cbs");
///
/// // The peer accepts it:
/// let answer = Message::from("").with_property("status-code", 202);
/// let answer =
///     answer.with_correlation_id(request.message_id().unwrap().clone());
/// cbs.answer(now, &answer);
/// assert_eq!(cbs.poll_event(), Some(CbsEvent::Accepted(audience)));
/// let refresh = Moment::from_millis(2_880_000);
/// assert_eq!(cbs.next(now, 7), CbsStep::Wait(refresh));
/// ```
#[derive(Debug, Clone)]
pub struct Cbs {
    form: Form,
    backoff: Backoff,
    timeout: Duration,
    audiences: Vec<Audience>,
    /// The token that waits for its answer, by its audience.
    under_way: Correlator<Str>,
    events: VecDeque<CbsEvent>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    PutToken,
    RabbitMq,
}

#[derive(Debug, Clone)]
struct Audience {
    name: Str,
    phase: Phase,
    /// The accepted token's expiry; `None` if none is accepted.
    accepted: Option<Expiry>,
    /// The number of failures in a row.
    failures: u32,
}

/// The expiry of a token, and the moment at which the next one is fetched. Both are `None` if it never expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Expiry {
    expires: Option<Moment>,
    refresh: Option<Moment>,
}

#[derive(Debug, Clone, PartialEq)]
enum Phase {
    /// A token is to be fetched, from this moment on; never if `None`.
    Resting(Option<Moment>),
    /// The application fetches a token.
    Fetching,
    /// A token waits to be sent.
    Ready(CbsToken, Expiry),
    /// A token was sent.
    Putting(Expiry),
    /// An attempt has failed at this moment.
    Failed(Moment),
}

impl Cbs {
    /// The address of the node.
    pub const ADDRESS: &'static str = "$cbs";

    /// Returns an empty set of audiences. The answers come to the address `reply_to`, usually the target that the
    /// application gives to its link from the node.
    pub fn new(reply_to: impl Into<Str>) -> Self {
        Self::of(Form::PutToken, reply_to.into())
    }

    /// Returns the renewal of the token by which a connection to RabbitMQ 4 was authenticated.
    ///
    /// The links are those of [`Management`](super::Management). The connection is the only audience. Its first token
    /// expires at `expires`, and is refreshed when 80 % of the time from `now` on are over.
    pub fn rabbitmq(audience: impl Into<Str>, now: Moment, expires: Moment) -> Self {
        let mut renewal = Self::of(Form::RabbitMq, "$me".into());
        let expiry = Expiry::of(now, Some(expires));
        let phase = Phase::Resting(expiry.refresh);
        renewal.audiences.push(Audience {
            name: audience.into(),
            phase,
            accepted: Some(expiry),
            failures: 0,
        });
        renewal
    }

    fn of(form: Form, reply_to: Str) -> Self {
        let mut under_way = Correlator::new(1);
        under_way.set_reply_to(reply_to);
        Self {
            form,
            backoff: Backoff::default(),
            timeout: Duration::from_secs(30),
            audiences: Vec::new(),
            under_way,
            events: VecDeque::new(),
        }
    }

    /// Sets the delays between attempts that fail. Default: from 100 milliseconds up to 30 seconds, without end.
    #[must_use]
    pub fn with_backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Sets the time within which a token must be answered. Default 30 seconds.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Adds an audience, which gets its first token at once. One that is there already is left as it is.
    pub fn add(&mut self, audience: impl Into<Str>) {
        let name = audience.into();
        if self.find(&name).is_none() {
            let phase = Phase::Resting(Some(Moment::START));
            self.audiences.push(Audience { name, phase, accepted: None, failures: 0 });
        }
    }

    /// Removes an audience. Its token stays in force at the peer.
    pub fn remove(&mut self, audience: &str) {
        self.audiences.retain(|own| own.name != *audience);
    }

    /// Returns `true` if the peer has accepted a token for the audience, which has not expired as far as
    /// [`next`](Self::next) was told the time.
    pub fn is_accepted(&self, audience: &str) -> bool {
        self.audiences.iter().any(|own| own.name == *audience && own.accepted.is_some())
    }

    /// Returns the next step.
    ///
    /// `random` is a number that the caller draws from the whole range of `u64`.
    pub fn next(&mut self, now: Moment, random: u64) -> CbsStep {
        while let Some(audience) = self.under_way.expire(now) {
            self.end_put(now, &audience, Err(CbsError::TimedOut));
        }
        self.expire(now);
        self.rest(random);
        if self.under_way.is_empty()
            && let Some(step) = self.put(now, random)
        {
            return step;
        }
        let due = |own: &&mut Audience| matches!(own.phase, Phase::Resting(Some(due)) if due <= now);
        if let Some(audience) = self.audiences.iter_mut().find(due) {
            audience.phase = Phase::Fetching;
            return CbsStep::Fetch(audience.name.clone());
        }
        self.next_deadline().map_or(CbsStep::Idle, CbsStep::Wait)
    }

    /// Returns the next change, oldest first.
    pub fn poll_event(&mut self) -> Option<CbsEvent> {
        self.events.pop_front()
    }

    /// Reports a fresh token. One that was not asked for is put as well, unless another is under way.
    pub fn token(&mut self, now: Moment, audience: &str, token: CbsToken) {
        let Some(own) = self.find(audience) else { return };
        if !matches!(own.phase, Phase::Putting(_)) {
            let expiry = Expiry::of(now, token.expires);
            own.phase = Phase::Ready(token, expiry);
        }
    }

    /// Reports that no token could be fetched.
    pub fn no_token(&mut self, now: Moment, audience: &str) {
        if self.find(audience).is_some_and(|own| own.phase == Phase::Fetching) {
            self.fail(now, audience, CbsError::NoToken);
        }
    }

    /// Reports a message from the node. Returns `false` if it is not the answer to the token under way.
    pub fn answer(&mut self, now: Moment, answer: &Message) -> bool {
        let Some(audience) = self.under_way.answer(answer.correlation_id()) else { return false };
        let result = match self.form {
            Form::PutToken => read(answer),
            Form::RabbitMq => match ManagementAnswer::read(answer) {
                Ok(_) => Ok(()),
                Err(ManagementError::Refused { status, reason }) => {
                    Err(CbsError::Refused { status, description: reason, condition: None })
                }
                Err(_) => Err(CbsError::Malformed),
            },
        };
        self.end_put(now, &audience, result);
        true
    }

    /// Reports that the connection is gone, and with it all accepted tokens. Every audience gets a fresh one at once.
    pub fn disconnected(&mut self, now: Moment) {
        drop(self.under_way.clear());
        for own in &mut self.audiences {
            (own.accepted, own.failures) = (None, 0);
            if own.phase != Phase::Fetching {
                own.phase = Phase::Resting(Some(now));
            }
        }
    }

    fn find(&mut self, audience: &str) -> Option<&mut Audience> {
        self.audiences.iter_mut().find(|own| own.name == *audience)
    }

    /// Ends the tokens that have expired.
    fn expire(&mut self, now: Moment) {
        for own in &mut self.audiences {
            if own.expires().is_some_and(|expires| expires <= now) {
                own.accepted = None;
                self.events.push_back(CbsEvent::Expired(own.name.clone()));
            }
        }
    }

    /// Sets the moments of the next attempts of those that have failed.
    fn rest(&mut self, random: u64) {
        for own in &mut self.audiences {
            if let Phase::Failed(at) = own.phase {
                let again = self.backoff.allows(own.failures);
                let delay = self.backoff.delay(own.failures.saturating_sub(1), random);
                own.phase = Phase::Resting(again.then(|| at + delay));
            }
        }
    }

    /// Sends the first token that is ready. Tokens that have expired meanwhile fail.
    fn put(&mut self, now: Moment, random: u64) -> Option<CbsStep> {
        loop {
            let is_ready = |own: &Audience| matches!(own.phase, Phase::Ready(..));
            let own = self.audiences.iter_mut().find(|own| is_ready(own))?;
            let Phase::Ready(token, expiry) = core::mem::replace(&mut own.phase, Phase::Fetching) else {
                return None;
            };
            let name = own.name.clone();
            if expiry.expires.is_some_and(|expires| expires <= now) {
                self.fail(now, &name, CbsError::TooLate);
                self.rest(random);
                continue;
            }
            own.phase = Phase::Putting(expiry);
            let message = match self.form {
                Form::PutToken => put_token(&name, &token),
                Form::RabbitMq => ManagementRequest::renew_token(&token.token).into(),
            };
            let until = Some(now + self.timeout);
            return self.under_way.request(message, until, name).ok().map(CbsStep::Put);
        }
    }

    /// Handles the answer to the token under way, unless its audience was removed meanwhile.
    fn end_put(&mut self, now: Moment, audience: &Str, result: Result<(), CbsError>) {
        let Some(own) = self.find(audience) else { return };
        let Phase::Putting(expiry) = own.phase else { return };
        match result {
            Ok(()) => {
                (own.accepted, own.failures) = (Some(expiry), 0);
                own.phase = Phase::Resting(expiry.refresh);
                self.events.push_back(CbsEvent::Accepted(audience.clone()));
            }
            Err(error) => self.fail(now, audience, error),
        }
    }

    fn fail(&mut self, now: Moment, audience: &str, error: CbsError) {
        if let Some(own) = self.find(audience) {
            own.failures = own.failures.saturating_add(1);
            own.phase = Phase::Failed(now);
            let audience = own.name.clone();
            self.events.push_back(CbsEvent::Failed { audience, error });
        }
    }

    fn next_deadline(&self) -> Option<Moment> {
        let of_audience = |own: &Audience| {
            let due = match own.phase {
                Phase::Resting(due) => due,
                _ => None,
            };
            [due, own.expires()].into_iter().flatten().min()
        };
        self.audiences.iter().filter_map(of_audience).chain(self.under_way.next_deadline()).min()
    }
}

impl Audience {
    fn expires(&self) -> Option<Moment> {
        self.accepted.and_then(|accepted| accepted.expires)
    }
}

impl Expiry {
    /// Returns the expiry of a token that begins its life now.
    fn of(now: Moment, expires: Option<Moment>) -> Self {
        let refresh = expires.map(|expires| now + (expires - now) / 5 * 4);
        Self { expires, refresh }
    }
}

/// Returns the message that puts a token.
fn put_token(audience: &Str, token: &CbsToken) -> Message {
    let text = Str::from_utf8(token.token.expose().clone());
    let body = text.map_or_else(|_| Value::Binary(token.token.expose().clone()), Value::String);
    Message::from(body)
        .with_to(Cbs::ADDRESS)
        .with_property("operation", "put-token")
        .with_property("type", token.kind.clone())
        .with_property("name", audience.clone())
}

/// Reads the answer of a `$cbs` node. Its keys have two spellings.
fn read(answer: &Message) -> Result<(), CbsError> {
    let one_of = |keys: [&str; 2]| keys.into_iter().find_map(|key| answer.property(key));
    let text = |keys| one_of(keys).and_then(Value::as_str).map(Str::from);
    let status = one_of(["status-code", "statusCode"]).and_then(Value::as_u64);
    match status.and_then(|status| u16::try_from(status).ok()) {
        Some(200..300) => Ok(()),
        Some(status) => Err(CbsError::Refused {
            status,
            description: text(["status-description", "statusDescription"]),
            condition: text(["error-condition", "errorCondition"]),
        }),
        None => Err(CbsError::Malformed),
    }
}
