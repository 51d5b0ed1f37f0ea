//! The errors of tungstenite, in the words of this crate.

use std::io;

use amqp_proto::client::WebSocketError;
use amqp_proto::types::Str;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError, SubProtocolError};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// The failure of a read.
pub(super) enum Failure {
    /// The stream has ended; whether that is an error is for AMQP to say.
    End,
    Io(io::Error),
    Peer(WebSocketError),
}

/// Returns the failure of a read.
pub(super) fn reading(error: Error) -> Failure {
    Failure::Peer(match error {
        Error::Io(error) => return Failure::Io(error),
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => return Failure::End,
        Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
            WebSocketError::too_large(size, max_size)
        }
        Error::Protocol(ProtocolError::UnmaskedFrameFromClient) => WebSocketError::Unmasked,
        Error::Protocol(ProtocolError::MaskedFrameFromServer) => WebSocketError::Masked,
        // Only text is UTF-8, but for the reason of a close.
        Error::Utf8(_) => WebSocketError::Text,
        Error::Protocol(error) => WebSocketError::Violation(error.to_string().into()),
        error => WebSocketError::Violation(error.to_string().into()),
    })
}

/// Returns the error of a write.
pub(super) fn writing(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        Error::ConnectionClosed | Error::AlreadyClosed | Error::Protocol(ProtocolError::SendAfterClosing) => {
            io::ErrorKind::BrokenPipe.into()
        }
        error => io::Error::other(error),
    }
}

/// Returns the error of a client's handshake that required this sub-protocol.
pub(super) fn connecting(error: Error, sub_protocol: &Str) -> Result<WebSocketError, io::Error> {
    Ok(match error {
        Error::Http(answer) => WebSocketError::Status(answer.status().as_u16()),
        Error::Url(_) => WebSocketError::Url,
        Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(error)) => match error {
            SubProtocolError::NoSubProtocol => WebSocketError::NoSubProtocol(sub_protocol.clone()),
            _ => WebSocketError::OtherSubProtocol(sub_protocol.clone()),
        },
        error => return shaking(error),
    })
}

/// Returns the error of a server's handshake that required this sub-protocol.
pub(super) fn accepting(error: Error, sub_protocol: &Str) -> Result<WebSocketError, io::Error> {
    match error {
        // The only answer that this end refuses a request with.
        Error::Http(_) => Ok(WebSocketError::NotOffered(sub_protocol.clone())),
        error => shaking(error),
    }
}

fn shaking(error: Error) -> Result<WebSocketError, io::Error> {
    Ok(match error {
        Error::Io(error) => return Err(error),
        Error::Protocol(ProtocolError::HandshakeIncomplete) => {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the peer closed the connection in the WebSocket handshake",
            ));
        }
        Error::Protocol(error) => WebSocketError::Handshake(error.to_string().into()),
        error => WebSocketError::Handshake(error.to_string().into()),
    })
}

/// Returns the close that tells the peer of its error.
pub(super) fn close(error: &WebSocketError) -> CloseFrame {
    let (code, reason) = match error {
        WebSocketError::Text => (CloseCode::Unsupported, "AMQP is sent in binary messages"),
        WebSocketError::TooLarge { .. } => (CloseCode::Size, "the message is too large"),
        WebSocketError::Unmasked => (CloseCode::Protocol, "the frame is not masked"),
        WebSocketError::Masked => (CloseCode::Protocol, "the frame is masked"),
        _ => (CloseCode::Protocol, "a rule of WebSocket is broken"),
    };
    CloseFrame { code, reason: Utf8Bytes::from_static(reason) }
}

/// Returns the close of a WebSocket that is not used any more.
pub(super) fn normal() -> CloseFrame {
    CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::from_static("") }
}
