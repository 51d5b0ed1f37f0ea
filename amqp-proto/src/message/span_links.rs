//! [`SpanLinks`]: the traces that a batch of messages belongs to.

use core::fmt;

use alloc::vec::Vec;

use super::trace_context::TraceContext;

/// The links of a span that handles a batch of messages: the trace context of each message.
///
/// A span has one parent, and a batch has as many as it has messages, so tracers link the span to each of them. A context
/// that several messages have in common is one link. At most 128 links are kept, as OpenTelemetry limits a span by default;
/// [`dropped`](Self::dropped) counts the others.
///
/// ```
/// use amqp_proto::message::{Message, SpanLinks, TraceContext};
///
/// let context = TraceContext::new([7; 16], [3; 8], true).unwrap();
/// let message = Message::from("job").with_trace_context(&context);
/// let batch = [message.clone(), Message::from("no trace"), message];
///
/// let contexts = batch.iter().filter_map(Message::trace_context);
/// let links: SpanLinks = contexts.collect();
/// assert!(links.iter().eq([&context]));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpanLinks {
    links: Vec<TraceContext>,
    most: usize,
    dropped: usize,
}

/// The most links of a span, as OpenTelemetry has it by default.
const MOST: usize = 128;

impl SpanLinks {
    /// Returns no links.
    pub const fn new() -> Self {
        Self { links: Vec::new(), most: MOST, dropped: 0 }
    }

    /// Sets the most links that are kept. Default 128.
    #[must_use]
    pub fn with_most(mut self, most: usize) -> Self {
        self.most = most;
        self
    }

    /// Adds the context of a message, unless the span that it names is linked already.
    pub fn add(&mut self, context: TraceContext) {
        let is_same = |other: &TraceContext| {
            (other.trace_id(), other.span_id()) == (context.trace_id(), context.span_id())
        };
        if self.links.iter().any(is_same) {
            return;
        }
        if self.links.len() < self.most {
            self.links.push(context);
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// Returns the contexts, in the order of their first messages.
    pub fn iter(&self) -> core::slice::Iter<'_, TraceContext> {
        self.links.iter()
    }

    /// Returns the number of contexts that were left out, since there were too many. One that comes again counts again.
    pub const fn dropped(&self) -> usize {
        self.dropped
    }
}

impl Default for SpanLinks {
    fn default() -> Self {
        Self::new()
    }
}

impl Extend<TraceContext> for SpanLinks {
    fn extend<I: IntoIterator<Item = TraceContext>>(&mut self, contexts: I) {
        contexts.into_iter().for_each(|context| self.add(context));
    }
}

impl FromIterator<TraceContext> for SpanLinks {
    fn from_iter<I: IntoIterator<Item = TraceContext>>(contexts: I) -> Self {
        let mut links = Self::new();
        links.extend(contexts);
        links
    }
}

impl<'a> IntoIterator for &'a SpanLinks {
    type Item = &'a TraceContext;
    type IntoIter = core::slice::Iter<'a, TraceContext>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Writes each link as a `traceparent`, with commas between them.
impl fmt::Display for SpanLinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, link) in self.links.iter().enumerate() {
            write!(f, "{}{link}", if place == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}
