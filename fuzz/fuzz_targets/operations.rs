//! Fuzzes two engines: their commands and the movement of octets. `Run::play` has the checks.
#![no_main]

use amqp_proto::testing::Run;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|run: Run| {
    run.play();
});
