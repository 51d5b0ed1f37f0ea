//! The board: a UART and a clock, polled.
//!
//! Interrupts would be the way on a battery. Polling keeps the example short: an emulated UART holds back what is not read.

#[cfg_attr(board = "ast1030", path = "board/ast1030.rs")]
#[cfg_attr(board = "nrf51", path = "board/nrf51.rs")]
mod chip;

pub use chip::{NAME, Uart, millis};

/// A register of a device.
struct Register(*mut u32);

impl Register {
    /// Returns the register at an address of the chip's manual.
    const fn at(address: usize) -> Self {
        Self(address as *mut u32)
    }

    fn read(&self) -> u32 {
        // SAFETY: the address is that of a register, which can be read at any time.
        unsafe { self.0.read_volatile() }
    }

    fn write(&self, value: u32) {
        // SAFETY: the address is that of a register, which is no memory that Rust knows of.
        unsafe { self.0.write_volatile(value) }
    }
}
