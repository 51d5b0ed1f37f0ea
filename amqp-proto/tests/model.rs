//! Whatever two engines and what is between them do: what holds at every time, at rest, and in the end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use amqp_proto::testing::Run;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_shrink_iters: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn any_run_goes_well(run in any::<Run>()) {
        run.play();
    }
}
