//! Options of connections, sessions, links and messages, as plain data.

mod ungranted;

use core::any::Any;
use core::fmt::Debug;
use core::panic::{RefUnwindSafe, UnwindSafe};
use core::time::Duration;

use alloc::boxed::Box;

pub use ungranted::Ungranted;

use crate::types::{
    DeliveryTag, Fields, Limits, Many, SequenceNo, Str, Symbol, TransactionId, TransferNumber, whole_millis,
};
use crate::wire::{
    Accepted, Coordinator, Declared, DeliveryState, Modified, Outcome, ReceiverSettleMode, Rejected,
    SenderSettleMode, Source, Target, Terminus, TransactionalState,
};

/// Makes setters that take and return the options.
macro_rules! setters {
    ($($(#[$doc:meta])* $with:ident($field:ident: $type:ty) $(= $wrap:expr)?;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $with(mut self, $field: $type) -> Self {
            self.$field = setters!(@wrap $field $(, $wrap)?);
            self
        }
    )*};
    (@wrap $value:ident) => { $value };
    (@wrap $value:ident, $wrap:expr) => { $wrap($value) };
}

/// The code that resumes links: functions of the machine, which only options for a resumable link name.
pub(crate) trait ResumptionCode: Any + Debug + Send + Sync + UnwindSafe + RefUnwindSafe {}

/// Makes the setters that the options of senders and receivers have in common.
macro_rules! link_setters {
    () => {
        /// Sets the source, the origin of the messages.
        #[must_use]
        pub fn with_source(mut self, source: Source) -> Self {
            self.source = Some(Box::new(source));
            self
        }

        /// Sets the target, the destination of the messages.
        #[must_use]
        pub fn with_target(mut self, target: impl Into<Terminus>) -> Self {
            self.target = Some(Box::new(target.into()));
            self
        }

        setters! {
            /// Sets the extensions that this end supports.
            with_offered_capabilities(offered_capabilities: impl Into<Many<Symbol>>) = Into::into;
            /// Sets the extensions that this end may use if the peer offers them [2.7.3].
            with_desired_capabilities(desired_capabilities: impl Into<Many<Symbol>>) = Into::into;
            /// Sets the properties of the link.
            with_properties(properties: Fields);
        }
    };
}

/// The options of a connection: the fields of its open, and its behaviour [2.7.1].
///
/// ```
/// use core::time::Duration;
///
/// use amqp_proto::config::Options;
///
/// let options = Options::new("meter-17")
///     .with_hostname("broker.example")
///     .with_idle_timeout(Duration::from_secs(30));
/// ```
#[derive(Debug, Clone)]
pub struct Options {
    pub(crate) container_id: Str,
    pub(crate) hostname: Option<Str>,
    pub(crate) limits: Limits,
    /// In milliseconds, as all spans here.
    pub(crate) idle_timeout: Option<u32>,
    pub(crate) open_timeout: Option<u32>,
    pub(crate) close_timeout: Option<u32>,
    pub(crate) sasl_send_size: u32,
    pub(crate) drain_pause: u32,
    pub(crate) lenient_credit: bool,
    pub(crate) outgoing_locales: Many<Symbol>,
    pub(crate) incoming_locales: Many<Symbol>,
    pub(crate) offered_capabilities: Many<Symbol>,
    pub(crate) desired_capabilities: Many<Symbol>,
    pub(crate) required_capabilities: Many<Symbol>,
    pub(crate) properties: Fields,
}

impl Options {
    /// Returns the options of a container with this id, which must be unique among the containers that
    /// communicate.
    pub fn new(container_id: impl Into<Str>) -> Self {
        Self {
            container_id: container_id.into(),
            hostname: None,
            limits: Limits::DEFAULT,
            idle_timeout: None,
            open_timeout: Some(30_000),
            close_timeout: Some(10_000),
            sasl_send_size: MIN_MAX_FRAME_SIZE,
            drain_pause: 0,
            lenient_credit: false,
            outgoing_locales: Many::new(),
            incoming_locales: Many::new(),
            offered_capabilities: Many::new(),
            desired_capabilities: Many::new(),
            required_capabilities: Many::new(),
            properties: Fields::new(),
        }
    }

    /// Sets the virtual host that the client wants to connect to, the hostname of the open and of the SASL
    /// init [2.7.1].
    #[must_use]
    pub fn with_hostname(mut self, hostname: impl Into<Str>) -> Self {
        self.hostname = Some(hostname.into());
        self
    }

    /// Sets the time without a received frame after which the connection is closed [2.4.5].
    ///
    /// Half of the time is announced to the peer. The default `None` means no timeout, and so does zero, as on
    /// the wire. Any other time below 2 milliseconds is raised to that, since half of less cannot be
    /// announced.
    #[must_use]
    pub fn with_idle_timeout(mut self, idle_timeout: impl Into<Option<Duration>>) -> Self {
        let idle_timeout = idle_timeout.into().filter(|span| !span.is_zero());
        self.idle_timeout = idle_timeout.map(|span| whole_millis(span).max(2));
        self
    }

    /// Sets the time within which the peer's open must arrive, the security layer included.
    ///
    /// Default 30 seconds; `None` means no bound.
    #[must_use]
    pub fn with_open_timeout(mut self, open_timeout: impl Into<Option<Duration>>) -> Self {
        self.open_timeout = open_timeout.into().map(whole_millis);
        self
    }

    /// Sets the time within which the peer must answer a close [2.4.3].
    ///
    /// Default 10 seconds; `None` means no bound.
    #[must_use]
    pub fn with_close_timeout(mut self, close_timeout: impl Into<Option<Duration>>) -> Self {
        self.close_timeout = close_timeout.into().map(whole_millis);
        self
    }

    /// Returns the desired capabilities of the open: the desired and the required ones.
    pub(crate) fn desired(&self) -> Many<Symbol> {
        let desired = &self.desired_capabilities;
        let required = self.required_capabilities.iter().filter(|name| !desired.contains(name));
        desired.iter().chain(required).cloned().collect()
    }

    setters! {
        /// Sets the bounds on the memory and work that the peer can cause at this end.
        with_limits(limits: Limits);
        /// Sets the size of the largest SASL frame that this end sends, in octets.
        ///
        /// Default 512, which every peer accepts [5.3.1]. A response with a long token needs more, and many
        /// peers accept 8 KiB and more. A value below 512 is raised to 512.
        with_sasl_send_size(sasl_send_size: u32) = at_least_smallest;
        /// Sets the pause between a receiver's drain request and the return of the unused credit [2.6.7].
        ///
        /// Each message that is sent in the pause starts it again. Default zero: credit is returned as soon as
        /// the events have been polled, since the application has sent all ready messages by then. An
        /// application that sends from other tasks or threads needs a pause that lets them send. Links
        /// without [auto-drain](SenderOptions::with_auto_drain) have no pause.
        with_drain_pause(drain_pause: Duration) = whole_millis;
        /// Sets whether a sender may add renewed credit to the credit that it had, each time, and so send
        /// more than was granted.
        ///
        /// The window of the session still bounds the sender. Default `false`, since the standard forbids it
        /// [2.6.7]. RabbitMQ up to 3.13 sends in this way.
        with_lenient_credit(lenient_credit: bool);
        /// Sets the languages in which this end can write text [2.7.1].
        with_outgoing_locales(outgoing_locales: impl Into<Many<Symbol>>) = Into::into;
        /// Sets the languages in which this end prefers to read text, best first.
        with_incoming_locales(incoming_locales: impl Into<Many<Symbol>>) = Into::into;
        /// Sets the extensions that this end supports.
        with_offered_capabilities(offered_capabilities: impl Into<Many<Symbol>>) = Into::into;
        /// Sets the extensions that this end may use if the peer offers them [2.7.1].
        with_desired_capabilities(desired_capabilities: impl Into<Many<Symbol>>) = Into::into;
        /// Sets the extensions that this end requires: a connection to a peer that does not offer them is
        /// closed [2.7.1].
        ///
        /// Required extensions are desired, too.
        with_required_capabilities(required_capabilities: impl Into<Many<Symbol>>) = Into::into;
        /// Sets the properties of the connection.
        with_properties(properties: Fields);
    }
}

/// Raises a size to the largest frame that every peer accepts [2.7.1].
const MIN_MAX_FRAME_SIZE: u32 = 512;

fn at_least_smallest(octets: u32) -> u32 {
    octets.max(MIN_MAX_FRAME_SIZE)
}

/// The options of a session [2.7.2].
#[derive(Debug, Clone, Default)]
pub struct SessionOptions {
    pub(crate) next_outgoing_id: TransferNumber,
    pub(crate) incoming_frames: Option<u32>,
    pub(crate) incoming_octets: Option<u64>,
    pub(crate) offered_capabilities: Many<Symbol>,
    pub(crate) desired_capabilities: Many<Symbol>,
    pub(crate) properties: Fields,
}

impl SessionOptions {
    /// Returns the default options.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Sets the id of the first transfer, which may be any number [2.5.6]. Default 0.
        with_next_outgoing_id(next_outgoing_id: TransferNumber);
        /// Sets the incoming-window in frames. Default and maximum: [`Limits::session_frames`].
        with_incoming_frames(incoming_frames: u32) = Some;
        /// Sets the incoming-window in octets. Default and maximum: [`Limits::session_octets`].
        with_incoming_octets(incoming_octets: u64) = Some;
        /// Sets the extensions that this end supports.
        with_offered_capabilities(offered_capabilities: impl Into<Many<Symbol>>) = Into::into;
        /// Sets the extensions that this end may use if the peer offers them [2.7.2].
        with_desired_capabilities(desired_capabilities: impl Into<Many<Symbol>>) = Into::into;
        /// Sets the properties of the session.
        with_properties(properties: Fields);
    }
}

/// The options of a link on which this end sends [2.7.3].
///
/// ```
/// use amqp_proto::config::SenderOptions;
/// use amqp_proto::wire::SenderSettleMode;
///
/// let options = SenderOptions::to("jobs")
///     .with_snd_settle_mode(SenderSettleMode::Settled);
/// ```
#[derive(Debug, Clone, Default)]
pub struct SenderOptions {
    pub(crate) source: Option<Box<Source>>,
    pub(crate) target: Option<Box<Terminus>>,
    pub(crate) snd_settle_mode: Option<SenderSettleMode>,
    pub(crate) rcv_settle_mode: Option<ReceiverSettleMode>,
    pub(crate) initial_delivery_count: SequenceNo,
    /// `true` if the attach omits the target.
    pub(crate) lacks_target: bool,
    pub(crate) manual_settle: bool,
    pub(crate) manual_drain: bool,
    /// The code that resumes the link, if it is to be resumable.
    pub(crate) resumption: Option<&'static dyn ResumptionCode>,
    /// `true` if deliveries that the receiver does not know are reported, not sent again.
    pub(crate) reports_unknown: bool,
    pub(crate) max_message_size: Option<u64>,
    pub(crate) offered_capabilities: Many<Symbol>,
    pub(crate) desired_capabilities: Many<Symbol>,
    pub(crate) properties: Fields,
}

impl SenderOptions {
    /// Returns options without a target. In an answer to an attach, the target is the one in that attach. See
    /// also [`to`](Self::to).
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns options for sending to the node with this address.
    pub fn to(address: impl Into<Str>) -> Self {
        Self::new().with_target(Target::at(address))
    }

    /// Returns options for sending to a node that the peer creates for this link [3.5.4].
    pub fn to_dynamic() -> Self {
        Self::new().with_target(Target { dynamic: true, ..Target::default() })
    }

    /// Returns options for sending to a transaction coordinator [4.1].
    ///
    /// The coordinator may reject a declare or a discharge with a reason [4.2]. Messages to a coordinator are
    /// sent unsettled [4.2].
    pub fn to_coordinator(coordinator: Coordinator) -> Self {
        let outcomes = [Accepted::SCHEMA, Rejected::SCHEMA, Declared::SCHEMA];
        let outcomes = outcomes.into_iter().map(|outcome| Symbol::known(outcome.symbol)).collect();
        let options =
            Self::new().with_target(coordinator).with_source(Source { outcomes, ..Source::default() });
        options.with_snd_settle_mode(SenderSettleMode::Unsettled)
    }

    /// Omits the target in the attach. The peer finds the link by its name and returns the target [2.6.3].
    #[must_use]
    pub fn without_target(mut self) -> Self {
        self.target = None;
        self.lacks_target = true;
        self
    }

    /// Sets whether a delivery is settled as soon as the receiver has announced its outcome. Default `true`.
    #[must_use]
    pub fn with_auto_settle(mut self, automatic: bool) -> Self {
        self.manual_settle = !automatic;
        self
    }

    /// Sets whether the engine answers a receiver's drain request when all queued messages are written
    /// [2.6.7].
    ///
    /// Default `true`. Otherwise the application answers it when it has no more messages to send.
    #[must_use]
    pub fn with_auto_drain(mut self, automatic: bool) -> Self {
        self.manual_drain = !automatic;
        self
    }

    /// Sets whether a delivery of a resumed link is sent again, as a new one, if the receiver does not know it.
    ///
    /// Default `true`, which is right for a receiver that keeps its state. A peer that keeps none may have handled
    /// the message; with `false`, [`Event::Unresumed`](crate::Event::Unresumed) reports the delivery instead.
    #[must_use]
    pub fn with_resend(mut self, resend: bool) -> Self {
        self.reports_unknown = !resend;
        self
    }

    setters! {
        /// Sets the settlement policy of this end [2.8.2]. Default: the one that the peer's attach requests,
        /// else mixed.
        with_snd_settle_mode(snd_settle_mode: SenderSettleMode) = Some;
        /// Sets the settlement policy that is requested of the receiver [2.8.3]. Default first.
        with_rcv_settle_mode(rcv_settle_mode: ReceiverSettleMode) = Some;
        /// Sets the first delivery-count, which may be any number [2.6.7]. Default 0.
        with_initial_delivery_count(initial_delivery_count: SequenceNo);
        /// Sets the max-message-size of the attach, which has no meaning for a sender.
        with_max_message_size(max_message_size: u64) = Some;
    }

    link_setters!();
}

/// The outcome of a message whose handle is dropped before the application has decided about it.
///
/// The choice concerns the adapters, which return a message as a value. In a handler, a message is handled
/// when `on_message` returns: see [`ReceiverOptions::with_auto_accept`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnDrop {
    /// Releases the message, which may be delivered again. A drop while the thread panics counts as a failed
    /// delivery.
    #[default]
    Release,
    /// Accepts the message. A drop while the thread panics counts as a failed delivery.
    ///
    /// `?`, `break` and a cancelled task drop a handle, too. The message is then accepted, although it was
    /// not processed.
    Accept,
    /// Sends nothing. The message stays unsettled until a disposition by its key, or the end of its link.
    Keep,
}

impl OnDrop {
    /// Returns the outcome of a dropped message; `None` to send nothing.
    pub fn outcome(self, is_panicking: bool) -> Option<Outcome> {
        match self {
            Self::Keep => None,
            _ if is_panicking => Some(Modified::failed().into()),
            Self::Release => Some(Outcome::Released),
            Self::Accept => Some(Outcome::Accepted),
        }
    }

    /// Returns the choice for a message that was not read to its end, which is never accepted.
    #[must_use]
    pub fn of_part(self) -> Self {
        if self == Self::Accept { Self::Release } else { self }
    }
}

/// The options of a link on which this end receives [2.7.3].
///
/// ```
/// use amqp_proto::config::ReceiverOptions;
///
/// let options = ReceiverOptions::from("jobs")
///     .with_prefetch(100)
///     .with_auto_accept(false);
/// ```
#[derive(Debug, Clone, Default)]
pub struct ReceiverOptions {
    pub(crate) source: Option<Box<Source>>,
    pub(crate) target: Option<Box<Terminus>>,
    pub(crate) snd_settle_mode: Option<SenderSettleMode>,
    pub(crate) rcv_settle_mode: Option<ReceiverSettleMode>,
    pub(crate) prefetch: u32,
    /// `true` if the attach omits the source.
    pub(crate) lacks_source: bool,
    pub(crate) manual_accept: bool,
    pub(crate) on_drop: OnDrop,
    pub(crate) streaming: bool,
    /// The code that resumes the link, if it is to be resumable.
    pub(crate) resumption: Option<&'static dyn ResumptionCode>,
    pub(crate) max_message_size: Option<u64>,
    pub(crate) offered_capabilities: Many<Symbol>,
    pub(crate) desired_capabilities: Many<Symbol>,
    pub(crate) properties: Fields,
}

impl ReceiverOptions {
    /// Returns options without a source. In an answer to an attach, the source is the one in that attach. See
    /// also [`from`](Self::from).
    pub fn new() -> Self {
        Self { prefetch: 100, ..Self::default() }
    }

    /// Returns options for receiving from the node with this address.
    pub fn from(address: impl Into<Str>) -> Self {
        Self::new().with_source(Source::at(address))
    }

    /// Returns options for receiving from a node that the peer creates for this link [3.5.3].
    pub fn from_dynamic() -> Self {
        Self::new().with_source(Source { dynamic: true, ..Source::default() })
    }

    /// Omits the source in the attach. The peer finds the link, such as a durable subscription, by its name
    /// and returns the source [2.6.3].
    #[must_use]
    pub fn without_source(mut self) -> Self {
        self.source = None;
        self.lacks_source = true;
        self
    }

    /// Sets whether a message is accepted after the application has handled it, if the application has set no
    /// other state.
    ///
    /// In a handler, a message is handled when `on_message` returns, and the default is `true`. The handles
    /// of an adapter have no such moment. With `true` they accept a message that is dropped undecided; by
    /// default they release it. See [`OnDrop`] for the risk.
    #[must_use]
    pub fn with_auto_accept(mut self, automatic: bool) -> Self {
        self.manual_accept = !automatic;
        self.on_drop = if automatic { OnDrop::Accept } else { OnDrop::Release };
        self
    }

    setters! {
        /// Sets the outcome of a message whose handle is dropped undecided. Default [`OnDrop::Release`].
        with_on_drop(on_drop: OnDrop);
        /// Sets the settlement policy that is requested of the sender [2.7.3]. Default mixed.
        with_snd_settle_mode(snd_settle_mode: SenderSettleMode) = Some;
        /// Sets the settlement policy of this end [2.8.3]. Default: the one that the peer's attach requests,
        /// else first.
        with_rcv_settle_mode(rcv_settle_mode: ReceiverSettleMode) = Some;
        /// Sets the number of messages that are requested ahead.
        ///
        /// Credit is renewed when half of them have been read [2.6.9]. Default 100; 0 leaves credit to the
        /// application.
        with_prefetch(prefetch: u32);
        /// Sets whether a delivery is reported at its first frame, to be read in pieces, rather than when it
        /// is complete.
        ///
        /// Default `false`.
        with_streaming(streaming: bool);
        /// Sets the size of the largest message that this end accepts, in octets [2.7.3]; 0 means any size.
        ///
        /// Default [`Limits::message_octets`]. A message that is not read as it arrives is at most half of
        /// [`Limits::memory`], so that is announced if it is less.
        with_max_message_size(max_message_size: u64) = Some;
    }

    link_setters!();
}

/// The options of one sent message [2.7.5].
///
/// ```
/// use amqp_proto::config::SendOptions;
///
/// let options = SendOptions::new().with_settled(true);
/// ```
#[derive(Debug, Clone, Default)]
pub struct SendOptions {
    pub(crate) tag: Option<DeliveryTag>,
    pub(crate) message_format: u32,
    pub(crate) settled: Option<bool>,
    pub(crate) rcv_settle_mode: Option<ReceiverSettleMode>,
    pub(crate) state: Option<DeliveryState>,
    pub(crate) batchable: bool,
}

impl SendOptions {
    /// Returns the default options.
    pub const fn new() -> Self {
        Self {
            tag: None,
            message_format: 0,
            settled: None,
            rcv_settle_mode: None,
            state: None,
            batchable: false,
        }
    }

    /// Returns `true` if the transfer needs none of the rare fields.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.state.is_none() && self.rcv_settle_mode.is_none() && !self.batchable
    }

    /// Posts the message in a transaction: it becomes available at the commit [4.4.1].
    #[must_use]
    pub fn with_transaction(self, transaction: TransactionId) -> Self {
        self.with_state(DeliveryState::Transactional(Box::new(TransactionalState::new(transaction))))
    }

    setters! {
        /// Sets the delivery tag, which must be unique among the unsettled deliveries of the link [2.6.12].
        /// Default: the engine makes one.
        with_tag(tag: DeliveryTag) = Some;
        /// Sets the format of the message [2.8.11]. Default 0, the standard's own format.
        with_message_format(message_format: u32);
        /// Sets whether the delivery is sent settled: at most once, and without an outcome [2.6.12].
        ///
        /// Default: as the link's snd-settle-mode requires, else `false`.
        with_settled(settled: bool) = Some;
        /// Sets the settlement policy of the receiver for this delivery [2.7.5]. Default: that of the link.
        with_rcv_settle_mode(rcv_settle_mode: ReceiverSettleMode) = Some;
        /// Sets the state in the transfer, such as that of a transaction [2.7.5].
        with_state(state: DeliveryState) = Some;
        /// Sets whether the receiver may delay its disposition to merge it with others [2.7.5].
        with_batchable(batchable: bool);
    }
}
