//! [`answer_to`]: turns a message into the answer to a request [3.2.4].

use super::correlator::RequestError;
use crate::message::Message;
use crate::wire::Properties;

/// Turns a message into the answer to a request.
///
/// The answer is addressed to the request's reply-to. Its correlation-id is that of the request or, if the
/// request has none, the request's message-id.
///
/// # Errors
///
/// [`RequestError::NoAddress`] if the request has no reply-to.
///
/// # Examples
///
/// ```
/// use amqp_proto::message::Message;
/// use amqp_proto::policy::answer_to;
///
/// let request = Message::from("2 + 2")
///     .with_message_id(7)
///     .with_reply_to("temporary-1");
/// let answer = answer_to(request.properties(), "4").unwrap();
/// assert_eq!(answer.properties().to.as_deref(), Some("temporary-1"));
/// assert_eq!(answer.properties().correlation_id, Some(7.into()));
/// ```
pub fn answer_to(request: &Properties, message: impl Into<Message>) -> Result<Message, RequestError> {
    let address = request.reply_to.clone().ok_or(RequestError::NoAddress)?;
    let mut message = message.into().with_to(address);
    message.properties_mut().correlation_id =
        request.correlation_id.as_ref().or(request.message_id.as_ref()).cloned();
    Ok(message)
}
