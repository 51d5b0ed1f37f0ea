//! Messages of all sizes, with several frame sizes.

use amqp_proto::message::Message;
use amqp_proto::wire::Outcome;

use crate::broker::Fixture;
use crate::client::{Client, Connection, Delivery, Receiver, Receiving, Sender, Sending, Sent};
use crate::exchange::next;
use crate::failure::{Done, holds, same};
use crate::messages::octets;

/// An upper bound of the octets of a frame and a message besides the body.
const AROUND: usize = 110;

/// Sends messages of these sizes through a queue, and compares the received ones.
async fn pass<C: Client>(fixture: &Fixture, frame_size: u32, sizes: impl IntoIterator<Item = usize>) -> Done {
    let sizes: Vec<usize> = sizes.into_iter().collect();
    let connection = C::open(fixture.opening().with(|options| options.with_frame_size(frame_size))).await?;
    let queue = fixture.queue("q");
    let sender = connection.sender(Sending::to(&queue)).await?;
    let receiver = connection.receiver(Receiving::from(&queue)).await?;
    for sizes in sizes.chunks(20) {
        let mut sent = Vec::new();
        for &size in sizes {
            sent.push(sender.send_queued(Message::from(octets(size))).await?);
        }
        for &size in sizes {
            let delivery = next(&receiver).await?;
            let body = delivery.message()?.data()?.unwrap_or_default().to_bytes();
            same("the size", body.len(), size)?;
            holds("the octets are those that were sent", body == octets(size))?;
            delivery.end(Outcome::Accepted)?;
        }
        for sent in &mut sent {
            same("the outcome", sent.outcome().await?, Outcome::Accepted)?;
        }
    }
    sender.close().await?;
    receiver.close().await?;
    connection.close().await
}

/// Returns the sizes around this number of octets, which fills frames.
fn around(octets: usize) -> std::ops::Range<usize> {
    octets.saturating_sub(AROUND)..octets + 10
}

pub(crate) async fn sizes_around_frames_of_512_octets<C: Client>(fixture: &Fixture) -> Done {
    pass::<C>(fixture, 512, (0..20).chain(around(512)).chain(around(2 * 512)).chain([100_000])).await
}

pub(crate) async fn sizes_around_frames_of_4096_octets<C: Client>(fixture: &Fixture) -> Done {
    pass::<C>(fixture, 4_096, (0..2).chain(around(4_096)).chain(around(2 * 4_096)).chain([1_000_000])).await
}

pub(crate) async fn sizes_around_frames_of_65536_octets<C: Client>(fixture: &Fixture) -> Done {
    // Proton's frames have at most 32,768 octets.
    pass::<C>(fixture, 65_536, (0..2).chain(around(32_768)).chain(around(65_536)).chain([1_000_000])).await
}

pub(crate) async fn ten_mebibytes_in_frames_of_512_octets<C: Client>(fixture: &Fixture) -> Done {
    pass::<C>(fixture, 512, [10 << 20]).await
}

pub(crate) async fn ten_mebibytes_in_frames_of_4096_octets<C: Client>(fixture: &Fixture) -> Done {
    pass::<C>(fixture, 4_096, [10 << 20]).await
}

pub(crate) async fn ten_mebibytes_in_frames_of_65536_octets<C: Client>(fixture: &Fixture) -> Done {
    pass::<C>(fixture, 65_536, [10 << 20]).await
}
