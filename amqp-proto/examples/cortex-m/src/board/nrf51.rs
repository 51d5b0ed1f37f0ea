//! A micro:bit, with an nRF51: Cortex-M0. `qemu-system-arm -machine microbit` emulates it.

use super::Register;

/// The name of the board.
pub const NAME: &str = "microbit, Cortex-M0";

const TIMER_START: Register = Register::at(0x4000_8000);
const TIMER_CAPTURE: Register = Register::at(0x4000_8040);
const TIMER_WIDTH: Register = Register::at(0x4000_8508);
const TIMER_PRESCALER: Register = Register::at(0x4000_8510);
const TIMER_CAPTURED: Register = Register::at(0x4000_8540);

const START_RECEIVER: Register = Register::at(0x4000_2000);
const START_SENDER: Register = Register::at(0x4000_2008);
const HAS_RECEIVED: Register = Register::at(0x4000_2108);
const HAS_SENT: Register = Register::at(0x4000_211c);
const ENABLE: Register = Register::at(0x4000_2500);
const RECEIVED: Register = Register::at(0x4000_2518);
const SEND: Register = Register::at(0x4000_251c);

const WIDTH_32: u32 = 3;
/// 16 MHz are divided by two to this power.
const PRESCALER: u32 = 9;
const ENABLE_UART: u32 = 4;

/// The UART.
pub struct Uart {
    is_sending: bool,
}

impl Uart {
    /// Turns the UART on, and starts the clock.
    pub fn new() -> Self {
        TIMER_WIDTH.write(WIDTH_32);
        TIMER_PRESCALER.write(PRESCALER);
        TIMER_START.write(1);
        ENABLE.write(ENABLE_UART);
        START_RECEIVER.write(1);
        START_SENDER.write(1);
        Self { is_sending: false }
    }

    /// Returns the next octet, if one has come.
    pub fn read(&mut self) -> Option<u8> {
        if HAS_RECEIVED.read() == 0 {
            return None;
        }
        HAS_RECEIVED.write(0);
        Some(RECEIVED.read() as u8)
    }

    /// Sends an octet. Returns `false` if the one before is still under way.
    pub fn write(&mut self, octet: u8) -> bool {
        if self.is_sending && HAS_SENT.read() == 0 {
            return false;
        }
        HAS_SENT.write(0);
        SEND.write(octet.into());
        self.is_sending = true;
        true
    }
}

/// Returns the milliseconds since the UART was turned on.
pub fn millis() -> u64 {
    TIMER_CAPTURE.write(1);
    u64::from(TIMER_CAPTURED.read()) * 1_000 / (16_000_000 >> PRESCALER)
}
