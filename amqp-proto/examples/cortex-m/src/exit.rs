//! The end of the program: a text for what went wrong, and a code.

use core::panic::PanicInfo;

use cortex_m_rt::{ExceptionFrame, exception};
use cortex_m_semihosting::debug;

use crate::failure::Failure;

/// Prints a line, in a build that prints.
macro_rules! say {
    ($($text:tt)*) => {
        if cfg!(feature = "print") {
            cortex_m_semihosting::hprintln!($($text)*);
        }
    };
}
pub(crate) use say;

/// Ends the emulator: with code 0 if all went well, else with the failure in words.
pub fn with(result: Result<(), Failure>) -> ! {
    match result {
        Ok(()) => end(debug::EXIT_SUCCESS),
        Err(failure) => {
            say!("firmware: {}", failure);
            end(debug::EXIT_FAILURE)
        }
    }
}

fn end(status: debug::ExitStatus) -> ! {
    debug::exit(status);
    loop {
        cortex_m::asm::wfi();
    }
}

#[panic_handler]
fn on_panic(info: &PanicInfo<'_>) -> ! {
    say!("firmware: {}", info);
    end(debug::EXIT_FAILURE)
}

#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    say!("firmware: a fault of the processor at {:#010x}", frame.pc());
    end(debug::EXIT_FAILURE)
}
