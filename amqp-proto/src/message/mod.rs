//! Messages, as an application sends and reads them [3.2].
//!
//! An application builds a [`Message`] and sends it. A [`MessageView`] reads a received message: it finds the
//! sections and decodes only the ones that the application asks for. Both use [`Payload`], the octets of a
//! message in one or more chunks.

mod body;
mod data_sections;
mod fields;
#[cfg(feature = "json")]
mod json;
#[allow(clippy::module_inception)] // one noun, one file
mod message;
mod payload;
mod scan;
mod span_links;
mod trace_context;
mod view;
mod view_fields;
mod write;

pub use body::Body;
pub use data_sections::DataSections;
#[cfg(feature = "json")]
pub use json::JsonError;
pub use message::Message;
pub use payload::Payload;
pub use scan::Sections;
pub(crate) use scan::section_ends;
pub use span_links::SpanLinks;
pub use trace_context::{ParseTraceparentError, TraceContext};
pub use view::{MessageView, Rewrite};
pub(crate) use write::data_head;
