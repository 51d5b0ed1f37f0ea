//! What was sent is written before its link or session ends.

use super::common::link_on_session;
use crate::adapter::{self, spawn};
use crate::amqp::Outgoing;
use crate::amqp::message::Message;

/// More than the output may be, so that a part of the last message waits.
const LARGE: usize = 3 << 20;
const MESSAGES: usize = 3;

/// How a link ends, of itself or with its session or connection.
const ENDS: [&str; 6] =
    ["closed", "detached", "dropped", "session ended", "session dropped", "connection dropped"];

/// L-DET-01, S-END-01, C-CLOSE-01 [2.6.5] [2.5.5] [2.4.3]: whatever is ended or dropped, all is written before that was
/// sent.
#[adapter::test]
async fn l_det_01_what_was_sent_is_written_before_its_link_ends() {
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
