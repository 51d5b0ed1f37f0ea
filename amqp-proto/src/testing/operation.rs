//! [`Operation`]: one action of an application, its peer or the transport. A list of operations is a test.

use alloc::vec::Vec;

/// An end of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The end that connects.
    Client,
    /// The end that accepts the connection.
    Server,
}

impl Side {
    /// Returns the other side.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// An index, modulo the number of things that exist when an operation needs one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pick(pub u8);

impl Pick {
    /// Returns the picked element, or `None` if there are none.
    pub fn of<T: Clone>(self, all: &[T]) -> Option<T> {
        let at = usize::from(self.0).checked_rem(all.len())?;
        all.get(at).cloned()
    }
}

/// A number of octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u16);

/// A small number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Few(pub u8);

/// The first number of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct First(pub u32);

/// The properties of a link to attach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkSort {
    /// Chooses one of a few names, so that names collide.
    pub name: Few,
    /// True if the end that attaches it sends.
    pub sends: bool,
    /// The settle modes of the sender and the receiver, by code; other numbers leave the mode unset.
    pub modes: (Few, Few),
}

/// A receiver's command about credit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// Sets the credit.
    Set(Few),
    /// Adds credit.
    Add(Few),
    /// Drains the credit: the sender uses it or gives it back.
    Drain,
    /// Takes the credit back.
    Stop,
    /// Asks for the sender's flow state.
    Echo,
}

/// A receiver's decision about a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Accepts the delivery.
    Accept,
    /// Rejects the delivery with an error.
    Reject,
    /// Releases the delivery.
    Release,
    /// Modifies the delivery.
    Modify,
    /// Sends `received`, which is not an outcome.
    Received,
    /// Settles the delivery without an outcome.
    Settle,
}

/// One action in a run.
///
/// An operation on something that does not exist does nothing. A refused operation must change nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Begins a session.
    Begin(Side),
    /// Ends a session.
    End(Side, Pick),
    /// Attaches a link to a session, or attaches a detached link again.
    Attach(Side, Pick, LinkSort),
    /// Accepts a link that the peer has attached (true) or refuses it.
    Answer(Side, Pick, bool),
    /// Closes a link (true) or detaches it.
    Detach(Side, Pick, bool),
    /// Changes the credit of a receiver.
    Grant(Side, Pick, Grant),
    /// Sets the number of messages that wait at a sender.
    Available(Side, Pick, Few),
    /// Sends a message: settled, unsettled, or as the link's mode says.
    Send(Side, Pick, Size, Option<bool>),
    /// Begins a delivery whose octets follow later.
    Start(Side, Pick),
    /// Adds octets to the delivery that was started.
    Write(Side, Pick, Size),
    /// Completes the delivery that was started (true) or aborts it.
    Finish(Side, Pick, bool),
    /// Receives the available part of a message.
    Receive(Side, Pick),
    /// Sends a delivery state for a received delivery.
    Dispose(Side, Pick, Verdict),
    /// Settles a delivery at the sender.
    Settle(Side, Pick),
    /// Moves at most this number of octets of an end's output to the other end.
    Move(Side, Size),
    /// Moves all output of both ends.
    Step,
    /// Drives the pair until it is at rest.
    Drive,
    /// Lets time pass.
    Pass(Few),
    /// Stops polling the events of an end until the pair is driven to rest.
    Hold(Side),
}

/// The way in which a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnding {
    /// One side closes all links, then ends all sessions, then closes the connection.
    InOrder(Side),
    /// One side ends all sessions.
    Sessions(Side),
    /// One side closes the connection.
    Close(Side),
    /// The transport breaks.
    Cut,
}

/// The set-up of one end of a run. Most numbers are small, so that the run meets the limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndSetup {
    /// The end's max-frame-size, above 512 octets.
    pub frame_size: Few,
    /// The incoming window of the end's sessions in frames, minus one.
    pub session_frames: Few,
    /// The first transfer-id of the end's sessions.
    pub first_transfer: First,
    /// The first delivery-count of the end's senders.
    pub first_delivery: First,
    /// The credit that the end's receivers keep granted.
    pub prefetch: Few,
    /// True if the end's receivers read messages while they arrive.
    pub streams: bool,
    /// True if the end accepts links by itself, not only by operations.
    pub accepts: bool,
    /// True if the end's senders settle by themselves when they learn an outcome.
    pub settles: bool,
    /// True if the end's output limit is small, so that commands fail because the output is full.
    pub fills: bool,
}

/// A test: two ends, a list of operations, and an ending. [`play`](super::Run::play) runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The client's setup.
    pub client: EndSetup,
    /// The server's setup.
    pub server: EndSetup,
    /// The portions in which octets move; see [`Pair::portioned`](super::Pair::portioned).
    pub portions: Vec<Size>,
    /// The delay of octets, in milliseconds.
    pub delay: Few,
    /// The operations, in order.
    pub operations: Vec<Operation>,
    /// The way in which the run ends.
    pub ending: RunEnding,
}

#[cfg(any(feature = "proptest", feature = "arbitrary"))]
mod samples {
    use super::super::sample::*;
    use super::{
        EndSetup, Few, First, Grant, LinkSort, Operation, Pick, Run, RunEnding, Side, Size, Verdict,
    };
    use alloc::vec::Vec;

    edges! {
        Pick: u8 => Pick, [Pick(0), Pick(1), Pick(2)];
        Few: u8 => |n| Few(n % 4), [Few(0), Few(1), Few(2), Few(10)];
        Size: u8 => |n| Size(n.into()), [Size(0), Size(1), Size(470), Size(1_100), Size(3_000)];
        First: u32 => First, [First(u32::MAX - 3), First(u32::MAX), First(0), First(u32::MAX >> 1)];
    }

    one_of! {
        Side { () => |()| Side::Client, () => |()| Side::Server, }
        Grant {
            Few => Grant::Set,
            Few => Grant::Add,
            () => |()| Grant::Drain,
            () => |()| Grant::Stop,
            () => |()| Grant::Echo,
        }
        Verdict {
            () => |()| Verdict::Accept,
            () => |()| Verdict::Reject,
            () => |()| Verdict::Release,
            () => |()| Verdict::Modify,
            () => |()| Verdict::Received,
            () => |()| Verdict::Settle,
        }
        RunEnding {
            Side => RunEnding::InOrder,
            Side => RunEnding::Sessions,
            Side => RunEnding::Close,
            () => |()| RunEnding::Cut,
        }
        // An operation that is listed more than once is more frequent.
        Operation {
            () => |()| Operation::Drive,
            () => |()| Operation::Drive,
            () => |()| Operation::Step,
            (Side, Pick, Size, Option<bool>) => |(a, b, c, d)| Operation::Send(a, b, c, d),
            (Side, Pick, Size, Option<bool>) => |(a, b, c, d)| Operation::Send(a, b, c, d),
            (Side, Pick, Size, Option<bool>) => |(a, b, c, d)| Operation::Send(a, b, c, d),
            (Side, Pick, Size, Option<bool>) => |(a, b, c, d)| Operation::Send(a, b, c, d),
            (Side, Pick, Size, Option<bool>) => |(a, b, c, d)| Operation::Send(a, b, c, d),
            (Side, Pick, Grant) => |(a, b, c)| Operation::Grant(a, b, c),
            (Side, Pick, Grant) => |(a, b, c)| Operation::Grant(a, b, c),
            (Side, Pick, Grant) => |(a, b, c)| Operation::Grant(a, b, c),
            (Side, Pick) => |(a, b)| Operation::Receive(a, b),
            (Side, Pick) => |(a, b)| Operation::Receive(a, b),
            (Side, Pick) => |(a, b)| Operation::Receive(a, b),
            (Side, Pick, Verdict) => |(a, b, c)| Operation::Dispose(a, b, c),
            (Side, Pick, Verdict) => |(a, b, c)| Operation::Dispose(a, b, c),
            (Side, Pick) => |(a, b)| Operation::Settle(a, b),
            (Side, Pick) => |(a, b)| Operation::Start(a, b),
            (Side, Pick) => |(a, b)| Operation::Start(a, b),
            (Side, Pick, Size) => |(a, b, c)| Operation::Write(a, b, c),
            (Side, Pick, Size) => |(a, b, c)| Operation::Write(a, b, c),
            (Side, Pick, bool) => |(a, b, c)| Operation::Finish(a, b, c),
            (Side, Pick, bool) => |(a, b, c)| Operation::Finish(a, b, c),
            (Side, Pick, Few) => |(a, b, c)| Operation::Available(a, b, c),
            (Side, Pick, LinkSort) => |(a, b, c)| Operation::Attach(a, b, c),
            (Side, Pick, LinkSort) => |(a, b, c)| Operation::Attach(a, b, c),
            (Side, Pick, bool) => |(a, b, c)| Operation::Answer(a, b, c),
            (Side, Pick, bool, Few) => |(a, b, c, d)| rarely(Operation::Detach(a, b, c), d),
            (Side, Pick, bool, Few) => |(a, b, c, d)| rarely(Operation::Detach(a, b, c), d),
            Side => Operation::Begin,
            (Side, Pick, Few) => |(a, b, c)| rarely(Operation::End(a, b), c),
            (Side, Size) => |(a, b)| Operation::Move(a, b),
            (Side, Size) => |(a, b)| Operation::Move(a, b),
            Few => Operation::Pass,
            Side => Operation::Hold,
        }
    }

    /// Replaces most operations that would soon end everything with a milder one.
    fn rarely(operation: Operation, few: Few) -> Operation {
        if few == Few(3) { operation } else { Operation::Drive }
    }

    structs! {
        LinkSort { name, sends, modes }
        EndSetup {
            frame_size, session_frames, first_transfer, first_delivery, prefetch, streams, accepts, settles, fills
        }
    }

    /// Runs need longer lists than other collections.
    const OPERATIONS: usize = 80;

    impl Sample for Run {
        #[cfg(feature = "proptest")]
        fn strategy() -> BoxedStrategy<Self> {
            let ends = (EndSetup::strategy(), EndSetup::strategy(), RunEnding::strategy());
            let way = (Vec::strategy(), Few::strategy());
            let operations = collection::vec(Operation::strategy(), 0..=OPERATIONS);
            (ends, way, operations)
                .prop_map(|((client, server, ending), (portions, delay), operations)| Self {
                    client,
                    server,
                    portions,
                    delay,
                    operations,
                    ending,
                })
                .boxed()
        }

        #[cfg(feature = "arbitrary")]
        fn from_octets(octets: &mut Unstructured<'_>) -> arbitrary::Result<Self> {
            let (client, server) = (EndSetup::from_octets(octets)?, EndSetup::from_octets(octets)?);
            let (portions, delay) = (Vec::from_octets(octets)?, Few::from_octets(octets)?);
            let ending = RunEnding::from_octets(octets)?;
            let mut operations = Vec::new();
            while !octets.is_empty() && operations.len() < 4 * OPERATIONS {
                operations.push(Operation::from_octets(octets)?);
            }
            Ok(Self { client, server, portions, delay, operations, ending })
        }
    }

    public! { Operation EndSetup Run }
}
