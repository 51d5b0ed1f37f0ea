//! [`FlushPolicy`]: decides whether output is written now, or held back for more output.

use super::sender::WORTH_WRITING;

/// The input after which output is written at once, since the peer may wait for the answer.
const WORTH_ANSWERING: usize = 32 << 10;
/// The most turns of the scheduler for which output is held back while tasks add to it.
const MOST_TURNS: u32 = 256;
/// The number of outputs that are written at once after a turn that added nothing.
const IMPATIENCE: u32 = 16;

/// Holds output back while more output is expected.
///
/// Output is written when tasks stop adding to it for a turn of the scheduler, or when there is much of it. So many
/// tasks that send one message each, at the same time, cost a few writes. If a turn has added nothing, as with one
/// message on the way, the next outputs are written without a turn.
#[derive(Debug, Default)]
pub struct FlushPolicy {
    /// The number of calls at the last decision.
    calls: u64,
    /// The number of turns for which output is held back, and the output at the first of them.
    turns: u32,
    before: usize,
    /// The number of outputs to write at once.
    impatience: u32,
    /// The octets read since output was taken.
    unanswered: usize,
}

impl FlushPolicy {
    /// Records that octets were read.
    pub fn read(&mut self, octets: usize) {
        self.unanswered = self.unanswered.saturating_add(octets);
    }

    /// Returns whether this output is held back, after this number of calls. `is_expected` says that tasks may be
    /// about to add more.
    pub fn is_held(&mut self, output: usize, calls: u64, is_expected: bool) -> bool {
        let is_growing = self.calls != calls || is_expected;
        self.calls = calls;
        let is_worth = output >= WORTH_WRITING || self.unanswered >= WORTH_ANSWERING;
        let is_held = is_growing && !is_worth && self.impatience == 0 && self.turns < MOST_TURNS;
        if is_held {
            if self.turns == 0 {
                self.before = output;
            }
            self.turns += 1;
            return true;
        }
        self.impatience = match self.turns {
            _ if output >= WORTH_WRITING => 0,
            0 => self.impatience.saturating_sub(1),
            _ if output > self.before => 0,
            _ => IMPATIENCE,
        };
        self.turns = 0;
        self.unanswered = 0;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::{FlushPolicy, IMPATIENCE, MOST_TURNS, WORTH_ANSWERING, WORTH_WRITING};

    #[test]
    fn output_is_held_back_while_it_grows() {
        let mut policy = FlushPolicy::default();
        for (call, output) in (1..10).zip((100..).step_by(100)) {
            assert!(policy.is_held(output, call, false));
        }
        assert!(!policy.is_held(900, 9, false), "nobody adds to it any more");
        assert!(policy.is_held(100, 10, false), "it has paid");
    }

    #[test]
    fn much_output_and_the_answer_to_much_input_are_not_held_back() {
        let mut policy = FlushPolicy::default();
        assert!(!policy.is_held(WORTH_WRITING, 1, true));
        policy.read(WORTH_ANSWERING);
        assert!(!policy.is_held(30, 2, true));
        assert!(policy.is_held(30, 3, true));
    }

    #[test]
    fn no_output_is_held_back_for_ever() {
        let mut policy = FlushPolicy::default();
        let turns = (1..).take_while(|call| policy.is_held(100, *call, true)).zip(1..).last();
        assert_eq!(turns.map(|(_, turns)| turns), Some(MOST_TURNS));
    }

    #[test]
    fn where_it_does_not_pay_output_is_held_back_now_and_then() {
        let mut policy = FlushPolicy::default();
        let mut held = 0;
        for message in 0..100 * u64::from(IMPATIENCE + 1) {
            while policy.is_held(300, message, false) {
                held += 1;
            }
        }
        assert_eq!(held, 100);
    }
}
