//! The single properties of a received message, read in place [3.2.4].

use bytes::Bytes;

use super::view::MessageView;
use crate::codec::{DecodeError, Field, FieldName, FieldReader};
use crate::types::{SequenceNo, Str, Symbol, Timestamp};
use crate::wire::{MessageId, Properties, SectionKind};

/// One call decodes one field of the properties, without allocation.
///
/// The fields before it are skipped, and neither they nor the fields after it are checked;
/// [`properties`](MessageView::properties) checks all.
///
/// ```
/// use amqp_proto::message::{Message, MessageView};
/// use amqp_proto::types::Limits;
///
/// let sent = Message::from("job").with_message_id(7).with_reply_to("answers");
/// let view = MessageView::new(sent.to_payload()?, &Limits::DEFAULT)?;
/// assert_eq!(view.message_id()?, Some(7.into()));
/// assert_eq!(view.reply_to()?.unwrap(), "answers");
/// assert_eq!(view.subject()?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl MessageView {
    /// Decodes the field of the properties at this position in their table.
    #[inline]
    fn field<F: Field>(&self, position: usize, name: &'static FieldName) -> Result<F, DecodeError> {
        self.read(SectionKind::Properties, &mut self.budget(), |decoder, input| {
            let (rest, fields) = FieldReader::of_list(input, const { Properties::SCHEMA.fields.len() })?;
            let (fields, value) = fields.skip(position)?.optional(decoder, name)?;
            fields.pause()?;
            Ok((rest, value))
        })
    }
}

macro_rules! fields {
    ($($position:literal $field:ident: $type:ty, $what:literal;)*) => {
        impl MessageView {
            $(
                #[doc = concat!("Returns ", $what, ", if the message has one. Decodes no other field.")]
                ///
                /// # Errors
                ///
                /// [`DecodeError`] if the section is malformed up to this field.
                pub fn $field(&self) -> Result<Option<$type>, DecodeError> {
                    self.field($position, &FieldName { of: "properties", field: stringify!($field) })
                }
            )*
        }
    };
}

// The order is that of the table of `Properties`.
fields! {
    0 message_id: MessageId, "the id of the message";
    1 user_id: Bytes, "the user who made the message";
    2 to: Str, "the address of the message's destination";
    3 subject: Str, "the subject of the message";
    4 reply_to: Str, "the address for replies";
    5 correlation_id: MessageId, "the id of the message that this message answers";
    6 content_type: Symbol, "the MIME type of a body of data";
    7 content_encoding: Symbol, "the encoding of the body's data";
    8 absolute_expiry_time: Timestamp, "the time at which the message expires";
    9 creation_time: Timestamp, "the time at which the message was made";
    10 group_id: Str, "the group of the message";
    11 group_sequence: SequenceNo, "the place of the message in its group";
    12 reply_to_group_id: Str, "the group of the replies";
}
