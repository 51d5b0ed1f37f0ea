//! [`Operation`]: one thing that an application, its peer or the transport does; a list of them is a test.

use alloc::vec::Vec;

/// An end of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The end that dials.
    Client,
    /// The end that is dialled.
    Server,
}

impl Side {
    /// Returns the other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// One of those that there are when it comes to it: counted from the first, around and around.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pick(pub u8);

impl Pick {
    /// Returns the one that is picked; `None` if there is none.
    pub fn of<T: Clone>(self, all: &[T]) -> Option<T> {
        let at = usize::from(self.0).checked_rem(all.len())?;
        all.get(at).cloned()
    }
}

/// How many octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u16);

/// How many of something of which there are few.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Few(pub u8);

/// Where a sequence of numbers starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct First(pub u32);

/// How a link is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkSort {
    /// Its name is one of few, so that names meet.
    pub name: Few,
    /// True if the end that attaches it sends.
    pub sends: bool,
    /// The settle modes, the sender's and the receiver's: as their codes, or left open.
    pub modes: (Few, Few),
}

/// A receiver's act about credit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// Sets it.
    Set(Few),
    /// Adds to it.
    Add(Few),
    /// Wants it used or given back.
    Drain,
    /// Takes it back.
    Stop,
    /// Asks for the sender's state.
    Echo,
}

/// A receiver's decision about a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Accepted.
    Accept,
    /// Rejected, with an error.
    Reject,
    /// Released.
    Release,
    /// Modified.
    Modify,
    /// Nothing final: so much has been received.
    Received,
    /// Nothing, but it is settled.
    Settle,
}

/// One thing that happens.
///
/// Whatever it is about need not be there: then nothing happens. Whatever is refused has to have changed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// A session is begun.
    Begin(Side),
    /// A session is ended.
    End(Side, Pick),
    /// A link is attached to a session, or attached again.
    Attach(Side, Pick, LinkSort),
    /// A link that the peer has attached is accepted or refused.
    Answer(Side, Pick, bool),
    /// A link is detached, or closed.
    Detach(Side, Pick, bool),
    /// A receiver does something about its credit.
    Grant(Side, Pick, Grant),
    /// A sender says how many messages wait.
    Available(Side, Pick, Few),
    /// A message is sent; settled or not, or as the link has it.
    Send(Side, Pick, Size, Option<bool>),
    /// A delivery begins of which the octets come later.
    Start(Side, Pick),
    /// Octets are added to it.
    Write(Side, Pick, Size),
    /// It is complete, or given up.
    Finish(Side, Pick, bool),
    /// A receiver takes what it has got.
    Receive(Side, Pick),
    /// A receiver tells the state of a delivery.
    Dispose(Side, Pick, Verdict),
    /// A sender settles a delivery.
    Settle(Side, Pick),
    /// So many octets at most of what an end has written are taken, and reach the other.
    Move(Side, Size),
    /// All octets that have been written move.
    Step,
    /// The pair comes to rest.
    Drive,
    /// Time passes.
    Pass(Few),
    /// Events of an end are not polled until the pair comes to rest.
    Hold(Side),
}

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All links are closed, then all sessions ended, then the connection closed, by one side.
    InOrder(Side),
    /// All sessions are ended.
    Sessions(Side),
    /// The connection is closed.
    Close(Side),
    /// The transport breaks.
    Cut,
}

/// The set-up of one end of a run. Most of it is small, so that limits are met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndSetup {
    /// The largest frame that it takes, above 512 octets.
    pub frame_size: Few,
    /// How many frames its sessions take, less one.
    pub session_frames: Few,
    /// Where its transfer-ids start.
    pub first_transfer: First,
    /// Where the delivery-counts of its senders start.
    pub first_delivery: First,
    /// How many messages its receivers ask for ahead.
    pub prefetch: Few,
    /// True if its receivers read messages while they come.
    pub streams: bool,
    /// True if links are accepted by themselves, and not by operations.
    pub accepts: bool,
    /// True if its senders settle by themselves once there is an outcome.
    pub settles: bool,
    /// True if little output suffices to make commands answer that it is full.
    pub fills: bool,
}

/// A run: two ends, what happens to them, and how that ends. See [`play`](super::Run::play).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The client's setup.
    pub client: EndSetup,
    /// The server's setup.
    pub server: EndSetup,
    /// In portions of how many octets they are joined; see [`Pair::portioned`](super::Pair::portioned).
    pub portions: Vec<Size>,
    /// How many milliseconds octets take.
    pub delay: Few,
    /// The operations, in order.
    pub operations: Vec<Operation>,
    /// How it ends.
    pub ending: Ending,
}

#[cfg(any(feature = "proptest", feature = "arbitrary"))]
mod samples {
    use super::super::sample::*;
    use super::{EndSetup, Ending, Few, First, Grant, LinkSort, Operation, Pick, Run, Side, Size, Verdict};
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
        Ending {
            Side => Ending::InOrder,
            Side => Ending::Sessions,
            Side => Ending::Close,
            () => |()| Ending::Cut,
        }
        // What stands here more than once happens more often.
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

    /// What would soon be the end of all there is.
    fn rarely(operation: Operation, few: Few) -> Operation {
        if few == Few(3) { operation } else { Operation::Drive }
    }

    structs! {
        LinkSort { name, sends, modes }
        EndSetup {
            frame_size, session_frames, first_transfer, first_delivery, prefetch, streams, accepts, settles, fills
        }
    }

    /// Longer lists than other collections.
    const OPERATIONS: usize = 80;

    impl Sample for Run {
        #[cfg(feature = "proptest")]
        fn strategy() -> BoxedStrategy<Self> {
            let ends = (EndSetup::strategy(), EndSetup::strategy(), Ending::strategy());
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
            let ending = Ending::from_octets(octets)?;
            let mut operations = Vec::new();
            while !octets.is_empty() && operations.len() < 4 * OPERATIONS {
                operations.push(Operation::from_octets(octets)?);
            }
            Ok(Self { client, server, portions, delay, operations, ending })
        }
    }

    public! { Operation EndSetup Run }
}
