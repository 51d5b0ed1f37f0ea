//! Floor 3: what an application sends and reads [3.2].
//!
//! A [`Message`] is built and written; a [`MessageView`] looks at one that was received: it knows where the
//! sections are and decodes the ones that are asked for. Both deal in [`Payload`], the octets of a message in
//! as many chunks as they came or go.

mod body;
mod data_sections;
#[allow(clippy::module_inception)] // one noun, one file
mod message;
mod payload;
mod scan;
mod view;
mod write;

pub use body::Body;
pub use data_sections::DataSections;
pub use message::Message;
pub use payload::Payload;
pub use scan::Sections;
pub use view::{MessageView, Rewrite};
pub(crate) use write::data_head;
