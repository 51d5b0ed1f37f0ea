//! [`Recording`]: the connections of a capture or a trace.

use super::step::{Both, Step};

/// A connection: its ends and their steps.
#[derive(Debug)]
pub(crate) struct Conversation {
    /// The number among the connections of the recording, from 1.
    pub(crate) number: usize,
    /// The addresses of both ends, or other words that name them.
    pub(crate) names: Both<String>,
    /// Headers, frames and remarks, in order.
    pub(crate) steps: Vec<Step>,
    /// True if both directions are there from the first octet on.
    pub(crate) is_whole: bool,
}

/// The connections of a capture or a trace, and remarks on what it holds beside them.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    pub(crate) conversations: Vec<Conversation>,
    pub(crate) remarks: Vec<String>,
}
