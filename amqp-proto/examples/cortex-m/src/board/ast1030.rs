//! An ASPEED AST1030: Cortex-M4. `qemu-system-arm -machine ast1030-evb` emulates it.

use super::Register;

/// The name of the board.
pub const NAME: &str = "ast1030-evb, Cortex-M4";

const TIMER: Register = Register::at(0x7e78_2000);
const TIMER_RELOAD: Register = Register::at(0x7e78_2004);
const TIMER_CONTROL: Register = Register::at(0x7e78_2030);

const DATA: Register = Register::at(0x7e78_4000);
const FIFO: Register = Register::at(0x7e78_4008);
const STATUS: Register = Register::at(0x7e78_4014);

/// Enables the first timer, at 1 MHz.
const COUNT_MICROS: u32 = 3;
/// Enables both queues of octets, clears them, and lets fourteen octets come at a time.
const FIFO_ON: u32 = 0xc7;
const HAS_RECEIVED: u32 = 1;
const CAN_SEND: u32 = 1 << 5;

/// The UART.
pub struct Uart(());

impl Uart {
    /// Turns the UART on, and starts the clock.
    pub fn new() -> Self {
        TIMER_RELOAD.write(u32::MAX);
        TIMER_CONTROL.write(COUNT_MICROS);
        FIFO.write(FIFO_ON);
        Self(())
    }

    /// Returns the next octet, if one has come.
    pub fn read(&mut self) -> Option<u8> {
        (STATUS.read() & HAS_RECEIVED != 0).then(|| DATA.read() as u8)
    }

    /// Sends an octet. Returns `false` if the one before is still under way.
    pub fn write(&mut self, octet: u8) -> bool {
        let is_free = STATUS.read() & CAN_SEND != 0;
        if is_free {
            DATA.write(octet.into());
        }
        is_free
    }
}

/// Returns the milliseconds since the UART was turned on.
pub fn millis() -> u64 {
    u64::from((u32::MAX - TIMER.read()) / 1_000)
}
