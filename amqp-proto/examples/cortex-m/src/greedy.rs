//! A peer that sends what it may, to an application that takes nothing, on a microcontroller with 64 KiB of heap: the
//! memory that this costs is at most the bound, in 32 bits, too.
//!
//! ```text
//! bash .ci/firmware
//! ```
//!
//! Both ends are in this program. It prints and exits as the other one does.

#![no_std]
#![no_main]

extern crate alloc;

mod exit;
mod failure;
mod heap;

use alloc::boxed::Box;

use amqp_proto::config::{Options, ReceiverOptions, SessionOptions};
use amqp_proto::types::{Limits, LinkKey, Moment, SessionKey};
use amqp_proto::{Connection, Event, Reading};
use bytes::{Buf, BufMut};
use cortex_m_rt::entry;

use exit::say;
use failure::{Failure, failure};

/// The octets that the peer can make the connection hold.
const LIMITS: Limits = Limits::SMALL;

const HEADER: &[u8] = b"AMQP\0\x01\0\0";
/// The performatives of the peer; zeros where [`Peer`] puts numbers in.
const OPEN: &[u8] = &[0, 0x53, 0x10, 0xc0, 4, 1, 0xa1, 1, b'p'];
const BEGIN: &[u8] = &[0, 0x53, 0x11, 0xc0, 13, 4, 0x40, 0x43, 0x70, 0, 1, 0, 0, 0x70, 0, 1, 0, 0];
const ATTACH: &[u8] = &[
    0, 0x53, 0x12, 0xc0, 20, 10, 0xa1, 1, 0, 0x52, 0, 0x42, 0x40, 0x40, 0, 0x53, 0x28, 0x45, 0, 0x53, 0x29,
    0x45, 0x40, 0x40, 0x43,
];
const TRANSFER: &[u8] =
    &[0, 0x53, 0x14, 0xc0, 17, 6, 0x52, 0, 0x70, 0, 0, 0, 0, 0xa0, 4, 0, 0, 0, 0, 0x43, 0x42, 0];
/// The links of a session: two with messages, and one with a message that does not end.
const LINKS: u8 = 3;
/// The sizes of messages, one after the other.
const SIZES: [usize; 3] = [1, 100, 400];

#[entry]
fn main() -> ! {
    heap::init();
    exit::with(run())
}

fn run() -> Result<(), Failure> {
    let options = Options::new("greedy").with_limits(LIMITS);
    let mut peer = Peer { amqp: Box::new(Connection::server(options, Moment::START)), session: None };
    peer.write(HEADER);
    peer.write_frame(0, OPEN, 0);
    let mut transfers = 0;
    for channel in 0..32 {
        transfers += peer.fill(channel);
    }
    drop(peer);
    let bound = Connection::memory_bound(&LIMITS);
    say!("transfers        {}, until the windows were closed", transfers);
    say!("allocations      {}", heap::allocations());
    say!("peak heap        {} of {} octets, bound {}", heap::peak(), heap::SIZE, bound);
    say!("heap at the end  {} octets", heap::used());
    match heap::peak() as u64 {
        peak if peak > bound => Err(failure("the connection takes more memory than its bound")),
        peak if peak < bound / 2 => Err(failure("the peer has not filled the memory")),
        _ => Ok(()),
    }
}

/// A peer, and the end that it writes to.
struct Peer {
    amqp: Box<Connection>,
    /// The session that was offered last.
    session: Option<SessionKey>,
}

impl Peer {
    /// Begins a session, and sends until its window is closed. Returns the number of transfers.
    fn fill(&mut self, channel: u16) -> u32 {
        self.session = None;
        self.write_frame(channel, BEGIN, 0);
        for handle in 0..LINKS {
            let mut attach = [0; ATTACH.len()];
            attach.copy_from_slice(ATTACH);
            attach[8] = b'a' + handle;
            attach[10] = handle;
            self.write_frame(channel, &attach, 0);
        }
        let (mut transfers, mut deliveries, mut endless) = (0, 0_u32, None);
        while self.has_window() {
            let handle = (transfers % u32::from(LINKS)) as u8;
            let id = if handle == LINKS - 1 { *endless.get_or_insert(deliveries) } else { deliveries };
            deliveries += u32::from(id == deliveries);
            let mut transfer = [0; TRANSFER.len()];
            transfer.copy_from_slice(TRANSFER);
            transfer[7] = handle;
            transfer[9..13].copy_from_slice(&id.to_be_bytes());
            transfer[15..19].copy_from_slice(&id.to_be_bytes());
            transfer[21] = if handle == LINKS - 1 { 0x41 } else { 0x42 };
            self.write_frame(channel, &transfer, SIZES[transfers as usize / 3 % SIZES.len()]);
            transfers += 1;
        }
        transfers
    }

    fn has_window(&mut self) -> bool {
        let Some(session) = self.session else { return false };
        self.amqp.session(session).is_ok_and(|session| session.incoming_window() > 0)
    }

    /// Writes a frame: a performative, and a payload of this size.
    fn write_frame(&mut self, channel: u16, performative: &[u8], payload: usize) {
        let mut frame = [7; 512];
        let size = 8 + performative.len() + payload;
        let head = [0, 0, (size >> 8) as u8, size as u8, 2, 0, (channel >> 8) as u8, channel as u8];
        frame[..8].copy_from_slice(&head);
        frame[8..8 + performative.len()].copy_from_slice(performative);
        self.write(&frame[..size]);
    }

    /// Writes octets, as the end has room for them, and lets its application accept what is offered.
    fn write(&mut self, mut octets: &[u8]) {
        while !octets.is_empty() && self.amqp.reading() == Reading::Wanted {
            let mut input = self.amqp.input();
            let (now, rest) = octets.split_at(input.remaining_mut().min(octets.len()));
            input.put_slice(now);
            octets = rest;
            self.amqp.received(Moment::START);
            while let Some(event) = self.amqp.poll_event() {
                self.on(event);
            }
            let mut output = self.amqp.output();
            output.advance(output.remaining());
        }
    }

    /// Accepts sessions and links. What has ended meanwhile needs no answer.
    fn on(&mut self, event: Event) {
        match event {
            Event::SessionOffered(key) => {
                let accepted =
                    self.amqp.session(key).map(|mut session| session.accept(SessionOptions::new()));
                self.session = accepted.is_ok_and(|accepted| accepted.is_ok()).then_some(key);
            }
            Event::LinkOffered(LinkKey::Receiver(key)) => {
                let Ok(mut link) = self.amqp.receiver(key) else { return };
                if link.accept_link(ReceiverOptions::new().with_prefetch(0)).is_ok() {
                    let _ = link.set_credit(1_000);
                }
            }
            _ => {}
        }
    }
}
