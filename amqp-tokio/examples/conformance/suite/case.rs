//! [`Case`]: one rule of the standard, and how it is tried.

use super::peer::Peer;

/// The strength of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// "MUST", or "it is an error".
    Must,
    /// "SHOULD".
    Should,
    /// Without a keyword: it follows from a definition.
    Defined,
    /// The tester does what the standard forbids. The standard does not say what the peer does then; it is advised
    /// to refuse.
    Advised,
}

impl Level {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::Should => "should",
            Self::Defined => "defined",
            Self::Advised => "advised",
        }
    }
}

/// The reason why a case did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The peer did something else than the rule says.
    Deviates { expected: String, came: String },
    /// The case learnt nothing about the rule.
    NotTried(String),
}

/// The end of a case. `Ok` is a pass.
pub(crate) type Played = Result<(), Stop>;

/// Fails a case: the peer did something else.
pub(crate) fn deviates<T>(expected: impl Into<String>, came: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Deviates { expected: expected.into(), came: came.into() })
}

/// Ends a case without a result.
pub(crate) fn not_tried<T>(why: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::NotTried(why.into()))
}

/// Fails a case unless something holds; `came` tells what came instead.
pub(crate) fn holds(what: bool, expected: &str, came: impl FnOnce() -> String) -> Played {
    if what { Ok(()) } else { deviates(expected, came()) }
}

/// A rule, and how it is tried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    /// The rule in the list of rules.
    pub(crate) id: &'static str,
    /// The section of the standard.
    pub(crate) clause: &'static str,
    pub(crate) level: Level,
    /// A sentence about the peer, without the subject.
    pub(crate) title: &'static str,
    pub(crate) play: fn(&mut Peer<'_>) -> Played,
}

/// A rule with "MUST".
pub(crate) const fn must(
    id: &'static str,
    clause: &'static str,
    title: &'static str,
    play: fn(&mut Peer<'_>) -> Played,
) -> Case {
    Case { id, clause, level: Level::Must, title, play }
}

/// A rule with "SHOULD".
pub(crate) const fn should(
    id: &'static str,
    clause: &'static str,
    title: &'static str,
    play: fn(&mut Peer<'_>) -> Played,
) -> Case {
    Case { level: Level::Should, ..must(id, clause, title, play) }
}

/// A rule that follows from a definition.
pub(crate) const fn defined(
    id: &'static str,
    clause: &'static str,
    title: &'static str,
    play: fn(&mut Peer<'_>) -> Played,
) -> Case {
    Case { level: Level::Defined, ..must(id, clause, title, play) }
}

/// A rule that the standard leaves open.
pub(crate) const fn advised(
    id: &'static str,
    clause: &'static str,
    title: &'static str,
    play: fn(&mut Peer<'_>) -> Played,
) -> Case {
    Case { level: Level::Advised, ..must(id, clause, title, play) }
}

/// The cases of one subject.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) cases: &'static [Case],
    /// True if the cases put messages into the node, and so run one after the other.
    pub(crate) on_node: bool,
}
