//! Messages that are sent and received in pieces, with the client on tokio only.

use std::time::Duration;

use amqp_proto::config::SendOptions;
use amqp_proto::message::{Message, MessageView};
use amqp_proto::types::Limits;
use amqp_proto::wire::Outcome;
use amqp_tokio::{Connection, MessageReader};
use tokio::time::sleep;

use crate::broker::Fixture;
use crate::client::Client;
use crate::exchange::Pair;
use crate::failure::{Done, Failure, holds, same};
use crate::messages::octets;
use crate::on_tokio::Tokio;

const SIZE: usize = 3 << 20;

/// Sends a large message in pieces of this number of octets.
async fn send(connection: &Connection, queue: &str, piece: usize) -> Done {
    let sender = connection.sender(queue).await?;
    let payload = Message::from(octets(SIZE)).to_payload();
    let whole = payload.map_err(|error| Failure::wrong(error.to_string()))?.to_bytes();
    let mut stream = sender.writer(SendOptions::new()).await?;
    for piece in whole.chunks(piece) {
        stream.write(whole.slice_ref(piece)).await?;
    }
    // By now all octets are written, mostly. The last frame has none, which is hard on a broker.
    sleep(Duration::from_millis(200)).await;
    same("the outcome", stream.finish()?.await?, Outcome::Accepted)?;
    Ok(sender.close().await?)
}

/// Reads a message piece by piece, and compares it.
async fn read(mut stream: MessageReader) -> Done {
    let payload = stream.read_to_end().await?;
    let body = MessageView::new(payload, &Limits::DEFAULT)?.data()?.unwrap_or_default().to_bytes();
    holds("the octets are those that were sent", body == octets(SIZE))?;
    Ok(stream.accept()?)
}

pub(crate) async fn a_message_is_sent_in_pieces(fixture: &Fixture) -> Done {
    let connection = Tokio::open(fixture.opening()).await?;
    let queue = fixture.queue("q");
    // rhea has a window of 2,048 frames, and renews it only between messages.
    for piece in [2_000, 70_000, 1_000_000] {
        send(&connection, &queue, piece).await?;
        let receiver = connection.receiver(&*queue).await?;
        let delivery = receiver.recv().await?.ok_or_else(|| Failure::wrong("the link is over"))?;
        let body = delivery.message()?.data()?.unwrap_or_default().to_bytes();
        holds("the octets are those that were sent", body == octets(SIZE))?;
        delivery.accept()?;
        receiver.close().await?;
    }
    Ok(connection.close().await?)
}

pub(crate) async fn a_message_is_read_while_it_arrives(fixture: &Fixture) -> Done {
    let connection = Tokio::open(fixture.opening().with(|options| options.with_frame_size(4_096))).await?;
    let queue = fixture.queue("q");
    let receiver = connection.receiver(&*queue).with_streaming(true).with_auto_accept(false).await?;
    for _ in 0..2 {
        send(&connection, &queue, 100_000).await?;
        let stream = receiver.recv_reader().await?.ok_or_else(|| Failure::wrong("the link is over"))?;
        read(stream).await?;
    }
    receiver.close().await?;
    Ok(connection.close().await?)
}

/// An aborted message is never delivered, and the link stays usable.
pub(crate) async fn an_aborted_message_is_not_delivered(fixture: &Fixture) -> Done {
    let pair = Pair::<Tokio>::open(fixture).await?;
    let payload = Message::from(octets(SIZE)).to_payload();
    let whole = payload.map_err(|error| Failure::wrong(error.to_string()))?.to_bytes();
    let mut stream = pair.sender.writer(SendOptions::new()).await?;
    for piece in whole.chunks(100_000).take(10) {
        stream.write(whole.slice_ref(piece)).await?;
    }
    stream.abort()?;
    pair.finish().await
}
