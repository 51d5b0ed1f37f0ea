//! Sent messages are written before their link or session ends.

use super::common::link_on_session;
use crate::adapter::{self, spawn};
use crate::amqp::Outgoing;
use crate::amqp::message::Message;

/// More than the output holds, so that a part of the last message waits.
const LARGE: usize = 3 << 20;
const MESSAGES: usize = 3;

/// The ways in which a link ends, by itself or with its session or connection.
const ENDS: [&str; 6] =
    ["closed", "detached", "dropped", "session ended", "session dropped", "connection dropped"];

/// L-DET-01, S-END-01, C-CLOSE-01 [2.6.5] [2.5.5] [2.4.3]: all sent messages are written, whichever object ends or is
/// dropped.
#[adapter::test]
async fn l_det_01_sent_messages_are_written_before_their_link_ends() {
    for end in ENDS {
        let ((sender, session), (receiver, _far), (client, _server)) = link_on_session().await;
        let received = spawn(async move {
            let mut count = 0;
            while let Ok(Some(_)) = receiver.recv().await {
                count += 1;
            }
            count
        });
        for _ in 0..MESSAGES {
            let large = Outgoing::from(Message::new(vec![7; LARGE])).with_settled(true);
            drop(sender.send_queued(large).await.unwrap());
        }
        match end {
            "closed" => sender.close().await.unwrap(),
            "detached" => sender.detach().await.unwrap(),
            "dropped" => drop(sender),
            "session ended" => session.end().await.unwrap(),
            "session dropped" => drop((sender, session)),
            _ => drop((sender, session, client)),
        }
        assert_eq!(received.join().await.unwrap(), MESSAGES, "{end}");
    }
}
