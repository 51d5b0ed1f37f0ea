//! Sends to a broker and receives from it, on a microcontroller with 64 KiB of heap, over a UART.
//!
//! ```text
//! bash .ci/firmware
//! ```
//!
//! `client.rs` is what an application would have; the rest is the board, and what counts memory. The program prints and
//! exits by semihosting: QEMU shows the text and ends with a code, 0 if all went well. Without the feature `print` it only
//! ends with the code: `bash .ci/size` builds it so, and holds its size against a table.

#![no_std]
#![no_main]

extern crate alloc;

mod board;
mod client;
mod exit;
mod failure;
mod heap;
mod stack;

use amqp_proto::Connection;
use board::Uart;
use client::{Client, LIMITS};
use cortex_m_rt::entry;
use exit::say;
use failure::{Failure, failure};

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
    say!("board            {}", board::NAME);
    let mut client = Client::new(Uart::new(), "firmware")?;
    client.connect()?;
    client.send(MESSAGES)?;
    client.receive(MESSAGES)?;
    say!("each way         {} messages, accepted", MESSAGES);

    let before = heap::allocations();
    client.exchange(MESSAGES + COUNTED)?;
    let allocations = heap::allocations() - before;
    say!("allocations      {} for {} messages more", allocations, 2 * COUNTED);

    client.close()?;
    drop(client);
    let bound = Connection::memory_bound(&LIMITS);
    say!("peak heap        {} of {} octets, bound {}", heap::peak(), heap::SIZE, bound);
    say!("peak stack       {} octets", stack::peak());
    say!("heap at the end  {} octets", heap::used());
    say!("time             {} ms", board::millis());
    if allocations > 0 {
        return Err(failure("the message path allocates"));
    }
    if heap::peak() as u64 > bound {
        return Err(failure("the connection takes more memory than its bound"));
    }
    Ok(())
}
