//! Sends to a broker and receives from it, on a microcontroller with 64 KiB of heap, over a UART.
//!
//! ```text
//! bash .ci/firmware
//! ```
//!
//! `client.rs` is what an application would have; the rest is the board, and what counts memory. The program prints and
//! exits by semihosting: QEMU shows the text and ends with a code, 0 if all went well.

#![no_std]
#![no_main]

extern crate alloc;

mod board;
mod client;
mod exit;
mod heap;
mod stack;

use cortex_m_rt::entry;
use cortex_m_semihosting::hprintln;

use amqp_proto::Connection;
use board::Uart;
use client::{Client, Failure, LIMITS};

/// The messages that are sent, and then received.
const MESSAGES: u32 = 1_000;
/// The messages that are sent, and received at the same time, without an allocation: 10,000 with both ways.
const COUNTED: u32 = 5_000;

#[entry]
fn main() -> ! {
    heap::init();
    exit::with(run())
}

fn run() -> Result<(), Failure> {
    hprintln!("board            {}", board::NAME);
    let mut client = Client::new(Uart::new(), "firmware")?;
    client.connect()?;
    client.send(MESSAGES)?;
    client.receive(MESSAGES)?;
    hprintln!("each way         {} messages, accepted", MESSAGES);

    let before = heap::allocations();
    client.exchange(MESSAGES + COUNTED)?;
    let allocations = heap::allocations() - before;
    hprintln!("allocations      {} for {} messages more", allocations, 2 * COUNTED);

    client.close()?;
    drop(client);
    let bound = Connection::memory_bound(&LIMITS);
    hprintln!("peak heap        {} of {} octets, bound {}", heap::peak(), heap::SIZE, bound);
    hprintln!("peak stack       {} octets", stack::peak());
    hprintln!("heap at the end  {} octets", heap::used());
    hprintln!("time             {} ms", board::millis());
    if allocations > 0 {
        return Err("the message path allocates".into());
    }
    if heap::peak() as u64 > bound {
        return Err("the connection takes more memory than its bound".into());
    }
    Ok(())
}
