//! The end of the program: a text for what went wrong, and a code.

use alloc::boxed::Box;
use core::error::Error;
use core::panic::PanicInfo;

use cortex_m_rt::{ExceptionFrame, exception};
use cortex_m_semihosting::{debug, hprintln};

/// Ends the emulator: with code 0 if all went well, else with the failure in words.
pub fn with(result: Result<(), Box<dyn Error>>) -> ! {
    match result {
        Ok(()) => end(debug::EXIT_SUCCESS),
        Err(failure) => {
            hprintln!("firmware: {}", failure);
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
    hprintln!("firmware: {}", info);
    end(debug::EXIT_FAILURE)
}

#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    hprintln!("firmware: a fault of the processor at {:#010x}", frame.pc());
    end(debug::EXIT_FAILURE)
}
