//! Two ends, what their applications do, and when octets move: see `Run::play` for what has to hold.
#![no_main]

use amqp_proto::testing::Run;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|run: Run| {
    run.play();
});
