//! Floor 3: plain data that says what an application wants of connections, sessions and links.

mod ungranted;

use alloc::boxed::Box;

pub use ungranted::Ungranted;

use crate::types::{DeliveryTag, Fields, Limits, Many, SequenceNo, Str, Symbol, TransferNumber};
use crate::wire::{
    Accepted, Coordinator, Declared, DeliveryState, Modified, Outcome, ReceiverSettleMode, Rejected,
    SenderSettleMode, Source, Target, Terminus,
};

/// Makes setters that take and give back the options.
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

/// Makes the setters that both ends of a link have.
macro_rules! link_setters {
    () => {
        /// Sets where the messages come from.
        #[must_use]
        pub fn with_source(mut self, source: Source) -> Self {
            self.source = Some(Box::new(source));
            self
        }

        /// Sets where the messages go to.
        #[must_use]
        pub fn with_target(mut self, target: impl Into<Terminus>) -> Self {
            self.target = Some(Box::new(target.into()));
            self
        }

        setters! {
            /// Sets the extensions that this end supports.
            with_offered_capabilities(offered_capabilities: Many<Symbol>);
            /// Sets the extensions that this end may use if the peer offers them [2.7.3].
            with_desired_capabilities(desired_capabilities: Many<Symbol>);
            /// Sets the properties of the link.
            with_properties(properties: Fields);
        }
    };
}

/// The options of a connection: its open [2.7.1], and how it behaves.
///
/// ```
/// use amqp_proto::config::Options;
///
/// let options = Options::new("meter-17").with_hostname("broker.example").with_idle_time_out(30_000);
/// ```
#[derive(Debug, Clone)]
pub struct Options {
    pub(crate) container_id: Str,
    pub(crate) hostname: Option<Str>,
    pub(crate) limits: Limits,
    pub(crate) idle_time_out: u32,
    pub(crate) open_time_out: u32,
    pub(crate) close_time_out: u32,
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
    /// For a container of this name, which is to be unique among those that speak to each other.
    pub fn new(container_id: impl Into<Str>) -> Self {
        Self {
            container_id: container_id.into(),
            hostname: None,
            limits: Limits::DEFAULT,
            idle_time_out: 0,
            open_time_out: 30_000,
            close_time_out: 10_000,
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

    /// Sets the host that the open and the SASL init name: whom the client wants to speak to [2.7.1].
    #[must_use]
    pub fn with_hostname(mut self, hostname: impl Into<Str>) -> Self {
        self.hostname = Some(hostname.into());
        self
    }

    /// Sets after how many milliseconds without a frame the peer is given up; half of it is announced [2.4.5]. 0, the
    /// default: never. At least 2, as half of 1 cannot be announced.
    #[must_use]
    pub fn with_idle_time_out(mut self, idle_time_out: u32) -> Self {
        self.idle_time_out = if idle_time_out == 1 { 2 } else { idle_time_out };
        self
    }

    /// What the open desires: what is required is desired, too.
    pub(crate) fn desired(&self) -> Many<Symbol> {
        let desired = &self.desired_capabilities;
        let required = self.required_capabilities.iter().filter(|name| !desired.contains(name));
        desired.iter().chain(required).cloned().collect()
    }

    setters! {
        /// Sets the bounds on what the peer can make this end hold or do.
        with_limits(limits: Limits);
        /// Sets how many milliseconds the peer may take until its open is in, the security layer included.
        /// Default 30,000; 0: any time.
        with_open_time_out(open_time_out: u32);
        /// Sets how many milliseconds the peer may take to answer a close [2.4.3]. Default 10,000; 0: any time.
        with_close_time_out(close_time_out: u32);
        /// Sets the largest SASL frame that this end sends, in octets. Default 512, which every peer takes [5.3.1];
        /// a response with a long token needs more, and many peers take 8 KiB and more. Less than 512 is taken for 512.
        with_sasl_send_size(sasl_send_size: u32) = at_least_smallest;
        /// Sets for how many milliseconds credit that a receiver drains stays unused before a sender gives it back
        /// [2.6.7]. Each message that is sent meanwhile starts the time anew. Default 0: credit is given back as soon as
        /// the events have been polled, as the application has sent by then what there is. An application whose tasks or
        /// threads send by themselves needs a pause in which they can. Links that do not
        /// [drain by themselves](SenderOptions::with_auto_drain) have none.
        with_drain_pause(drain_pause: u32);
        /// Sets whether a sender may count credit that is renewed on top of credit that it had, each time, and so send more
        /// than was granted; the window of the session still bounds it. Off, unless turned on, as the standard forbids it
        /// [2.6.7]. RabbitMQ up to 3.13 sends so.
        with_lenient_credit(lenient_credit: bool);
        /// Sets the languages in which this end can write text [2.7.1].
        with_outgoing_locales(outgoing_locales: Many<Symbol>);
        /// Sets the languages in which this end would like to read text, the best first.
        with_incoming_locales(incoming_locales: Many<Symbol>);
        /// Sets the extensions that this end supports.
        with_offered_capabilities(offered_capabilities: Many<Symbol>);
        /// Sets the extensions that this end may use if the peer offers them [2.7.1].
        with_desired_capabilities(desired_capabilities: Many<Symbol>);
        /// Sets the extensions that this end does not do without: a peer that does not offer them is closed
        /// [2.7.1]. They are desired, too.
        with_required_capabilities(required_capabilities: Many<Symbol>);
        /// Sets the properties of the connection.
        with_properties(properties: Fields);
    }
}

/// The largest frame that every peer takes [2.7.1].
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
    /// Returns the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Sets the id of the first transfer, and of the first delivery; any number will do [2.5.6]. Default 0.
        with_next_outgoing_id(next_outgoing_id: TransferNumber);
        /// Sets the incoming-window in frames; [`Limits::session_frames`] bounds it and is the default.
        with_incoming_frames(incoming_frames: u32) = Some;
        /// Sets the incoming-window in octets; [`Limits::session_octets`] bounds it and is the default.
        with_incoming_octets(incoming_octets: u64) = Some;
        /// Sets the extensions that this end supports.
        with_offered_capabilities(offered_capabilities: Many<Symbol>);
        /// Sets the extensions that this end may use if the peer offers them [2.7.2].
        with_desired_capabilities(desired_capabilities: Many<Symbol>);
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
/// let options = SenderOptions::to("jobs").with_snd_settle_mode(SenderSettleMode::Settled);
/// ```
#[derive(Debug, Clone, Default)]
pub struct SenderOptions {
    pub(crate) source: Option<Box<Source>>,
    pub(crate) target: Option<Box<Terminus>>,
    pub(crate) snd_settle_mode: Option<SenderSettleMode>,
    pub(crate) rcv_settle_mode: Option<ReceiverSettleMode>,
    pub(crate) initial_delivery_count: SequenceNo,
    /// Whether the attach leaves the target out.
    pub(crate) lacks_target: bool,
    pub(crate) manual_settle: bool,
    pub(crate) manual_drain: bool,
    pub(crate) max_message_size: Option<u64>,
    pub(crate) offered_capabilities: Many<Symbol>,
    pub(crate) desired_capabilities: Many<Symbol>,
    pub(crate) properties: Fields,
}

impl SenderOptions {
    /// To no place in particular; in answer to an attach, to the place that it names. See also [`to`](Self::to).
    pub fn new() -> Self {
        Self::default()
    }

    /// To the node with this address.
    pub fn to(address: impl Into<Str>) -> Self {
        Self::new().with_target(Target::at(address))
    }

    /// To a node that the peer is to make for this link [3.5.4].
    pub fn to_dynamic() -> Self {
        Self::new().with_target(Target { dynamic: true, ..Target::default() })
    }

    /// To the coordinator of transactions [4.1], who may say why one is not declared or discharged [4.2]. Messages
    /// to it are not sent settled [4.2].
    pub fn to_coordinator(coordinator: Coordinator) -> Self {
        let outcomes = [Accepted::SCHEMA, Rejected::SCHEMA, Declared::SCHEMA];
        let outcomes = outcomes.into_iter().map(|outcome| Symbol::known(outcome.symbol)).collect();
        let options =
            Self::new().with_target(coordinator).with_source(Source { outcomes, ..Source::default() });
        options.with_snd_settle_mode(SenderSettleMode::Unsettled)
    }

    /// Leaves the target out of the attach: the peer is to find the link by its name, and to tell its target [2.6.3].
    #[must_use]
    pub fn without_target(mut self) -> Self {
        self.target = None;
        self.lacks_target = true;
        self
    }

    /// Sets whether a delivery is settled as soon as the receiver has told its outcome. On, unless turned off.
    #[must_use]
    pub fn with_auto_settle(mut self, automatic: bool) -> Self {
        self.manual_settle = !automatic;
        self
    }

    /// Sets whether credit that is to be drained is given back once all that was sent is written [2.6.7]. On,
    /// unless turned off; then the application says when it has nothing to send.
    #[must_use]
    pub fn with_auto_drain(mut self, automatic: bool) -> Self {
        self.manual_drain = !automatic;
        self
    }

    setters! {
        /// Sets how this end settles [2.8.2]. Default: as the peer's attach asks, else mixed.
        with_snd_settle_mode(snd_settle_mode: SenderSettleMode) = Some;
        /// Sets how the receiver is asked to settle [2.8.3]. Default first.
        with_rcv_settle_mode(rcv_settle_mode: ReceiverSettleMode) = Some;
        /// Sets where the delivery-count starts; any number will do [2.6.7]. Default 0.
        with_initial_delivery_count(initial_delivery_count: SequenceNo);
        /// Sets the largest message that this end would take, which says little of a sender.
        with_max_message_size(max_message_size: u64) = Some;
    }

    link_setters!();
}

/// Chooses what is told about a message whose handle is dropped with nothing decided about it.
///
/// It concerns the adapters, which hand a message out as a value. A handler's message is handled when `on_message`
/// returns: see [`ReceiverOptions::with_auto_accept`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnDrop {
    /// Releases the message: it may go elsewhere, or come again. A drop while the thread panics counts as a failed
    /// delivery.
    #[default]
    Release,
    /// Accepts the message, unless the thread panics, which counts as a failed delivery.
    ///
    /// A handle is dropped by `?`, by `break` and by a cancelled task, too: the message is gone then, though nobody has
    /// processed it.
    Accept,
    /// Tells nothing: the message stays unsettled until something is told by its key, or its link ends.
    Keep,
}

impl OnDrop {
    /// Returns the outcome to tell; `None` to tell nothing.
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
/// let options = ReceiverOptions::from("jobs").with_prefetch(100).with_auto_accept(false);
/// ```
#[derive(Debug, Clone, Default)]
pub struct ReceiverOptions {
    pub(crate) source: Option<Box<Source>>,
    pub(crate) target: Option<Box<Terminus>>,
    pub(crate) snd_settle_mode: Option<SenderSettleMode>,
    pub(crate) rcv_settle_mode: Option<ReceiverSettleMode>,
    pub(crate) prefetch: u32,
    /// Whether the attach leaves the source out.
    pub(crate) lacks_source: bool,
    pub(crate) manual_accept: bool,
    pub(crate) on_drop: OnDrop,
    pub(crate) streaming: bool,
    pub(crate) max_message_size: Option<u64>,
    pub(crate) offered_capabilities: Many<Symbol>,
    pub(crate) desired_capabilities: Many<Symbol>,
    pub(crate) properties: Fields,
}

impl ReceiverOptions {
    /// From no place in particular; in answer to an attach, from the place that it names. See also
    /// [`from`](Self::from).
    pub fn new() -> Self {
        Self { prefetch: 100, ..Self::default() }
    }

    /// From the node with this address.
    pub fn from(address: impl Into<Str>) -> Self {
        Self::new().with_source(Source::at(address))
    }

    /// From a node that the peer is to make for this link [3.5.3].
    pub fn from_dynamic() -> Self {
        Self::new().with_source(Source { dynamic: true, ..Source::default() })
    }

    /// Leaves the source out of the attach: the peer is to find the link by its name, such as a durable subscription,
    /// and to tell its source [2.6.3].
    #[must_use]
    pub fn without_source(mut self) -> Self {
        self.source = None;
        self.lacks_source = true;
        self
    }

    /// Sets whether a message is accepted once the application has handled it, if that has neither settled it nor
    /// told its state.
    ///
    /// A handler has handled a message when `on_message` returns: on by default. The handles of an adapter have no
    /// such moment: they accept what is dropped undecided only if this is turned on, and release it otherwise; see
    /// [`OnDrop`] for the risk.
    #[must_use]
    pub fn with_auto_accept(mut self, automatic: bool) -> Self {
        self.manual_accept = !automatic;
        self.on_drop = if automatic { OnDrop::Accept } else { OnDrop::Release };
        self
    }

    setters! {
        /// Sets what is told about a message whose handle is dropped undecided. Default [`OnDrop::Release`].
        with_on_drop(on_drop: OnDrop);
        /// Sets how the sender is asked to settle [2.7.3]. Default mixed.
        with_snd_settle_mode(snd_settle_mode: SenderSettleMode) = Some;
        /// Sets how this end settles [2.8.3]. Default: as the peer's attach asks, else first.
        with_rcv_settle_mode(rcv_settle_mode: ReceiverSettleMode) = Some;
        /// Sets how many messages are asked for ahead: credit is topped up when half of them have been taken
        /// [2.6.9]. Default 100; 0 leaves credit to the application.
        with_prefetch(prefetch: u32);
        /// Sets whether a delivery is told of when its first frame is in, to be read in pieces as they come, and not
        /// when it is complete. Off, unless turned on.
        with_streaming(streaming: bool);
        /// Sets the largest message that is taken, in octets [2.7.3]; 0 means any. Default
        /// [`Limits::message_octets`].
        with_max_message_size(max_message_size: u64) = Some;
    }

    link_setters!();
}

/// How one message is sent [2.7.5].
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
    /// Returns the defaults.
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

    /// Returns whether its transfer says nothing that most do not.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.state.is_none() && self.rcv_settle_mode.is_none() && !self.batchable
    }

    setters! {
        /// Sets the tag, which no other unsettled delivery of the link may have [2.6.12]. Default: one is made.
        with_tag(tag: DeliveryTag) = Some;
        /// Sets the format of the message [2.8.11]. Default 0, the standard's own.
        with_message_format(message_format: u32);
        /// Sets whether the delivery is sent settled: at most once, with no outcome to come [2.6.12]. Default: as
        /// the link's snd-settle-mode says, else not.
        with_settled(settled: bool) = Some;
        /// Sets how the receiver is to settle this delivery [2.7.5]. Default: as the link has it.
        with_rcv_settle_mode(rcv_settle_mode: ReceiverSettleMode) = Some;
        /// Sets the state that goes with the transfer, such as that of a transaction [2.7.5].
        with_state(state: DeliveryState) = Some;
        /// Sets whether the answer may wait for others to go along with [2.7.5].
        with_batchable(batchable: bool);
    }
}
