//! Messages sent and read in pieces.

use super::common::link;
use crate::adapter::{self, both};
use crate::amqp::Error;
use crate::amqp::config::{ReceiverOptions, SendOptions};
use crate::amqp::message::{Message, Payload};
use crate::amqp::types::Limits;
use crate::amqp::wire::Outcome;

fn by_hand(prefetch: u32) -> ReceiverOptions {
    ReceiverOptions::new().with_prefetch(prefetch).with_auto_accept(false).with_streaming(true)
}

#[adapter::test]
async fn a_message_is_sent_and_read_in_pieces() {
    let (sender, receiver, (client, _server, _session)) = link(by_hand(1)).await;
    let whole = Message::from(vec![5; 9 << 20]).to_payload().unwrap().to_bytes();
    let send = async {
        let mut stream = sender.writer(SendOptions::new()).await.unwrap();
        for piece in whole.chunks(100_000) {
            stream.write(whole.slice_ref(piece)).await.unwrap();
        }
        assert_eq!(stream.finish().unwrap().outcome().await.unwrap(), Outcome::Accepted);
        // The message is aborted and never seen; its credit is used.
        let mut stream = sender.writer(SendOptions::new()).await.unwrap();
        stream.write(&b"half a mess"[..]).await.unwrap();
        drop(stream);
        let mut stream = sender.writer(SendOptions::new()).await.unwrap();
        stream.write(&b"another"[..]).await.unwrap();
        stream.abort().unwrap();
        assert_eq!(sender.send("next").await.unwrap(), Outcome::Accepted);
    };
    let receive = async {
        let mut stream = receiver.recv_reader().await.unwrap().unwrap();
        assert!(!stream.is_settled() && stream.tag().is_some());
        let mut octets = 0;
        while let Some(part) = stream.read().await.unwrap() {
            assert!(!part.is_empty(), "the last transfer may be empty, and no part is");
            octets += part.len();
        }
        assert_eq!(octets, whole.len());
        stream.accept().unwrap();
        loop {
            receiver.set_credit(1).unwrap();
            let mut stream = receiver.recv_reader().await.unwrap().unwrap();
            match stream.read_to_end().await {
                Ok(_) => break stream.accept().unwrap(),
                Err(Error::Aborted) => {}
                Err(error) => panic!("{error}"),
            }
        }
    };
    both(send, receive).await;
    client.close().await.unwrap();
    assert!(receiver.recv_reader().await.unwrap().is_none());
}

/// M-BODY-02 [3.2.6]: the data of a body is read while it arrives, without its encoding.
#[adapter::test]
async fn m_body_02_the_data_of_a_body_is_read_in_pieces() {
    let (sender, receiver, _ends) = link(by_hand(2)).await;
    let data: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let send = async {
        let message = Message::from(data.clone()).with_durable(true);
        assert_eq!(sender.send(message).await.unwrap(), Outcome::Accepted);
        assert!(sender.send("text").await.unwrap().accepted().is_err());
    };
    let receive = async {
        let mut stream = receiver.recv_reader().await.unwrap().unwrap();
        let mut read = Vec::new();
        while let Some(part) = stream.read_data().await.unwrap() {
            read.extend(part.to_bytes());
        }
        assert!(read == data);
        stream.accept().unwrap();
        let mut stream = receiver.recv_reader().await.unwrap().unwrap();
        assert!(matches!(stream.read_data().await, Err(Error::Message(_))));
        stream.reject(None).unwrap();
    };
    both(send, receive).await;
}

fn decoded(payload: Payload) -> Message {
    Message::decode(payload, &Limits::DEFAULT).unwrap()
}

/// M-BODY-02 [3.2.6]: the data of a body is written in pieces, without its encoding.
#[adapter::test]
async fn m_body_02_the_data_of_a_body_is_written_in_pieces() {
    let (sender, receiver, _ends) = link(by_hand(3)).await;
    let data: Vec<u8> = (0..=255).cycle().take(3_000_000).collect();
    let send = async {
        let mut writer = sender.writer(SendOptions::new()).await.unwrap();
        let head = Message::from(b"").with_subject("film").to_payload().unwrap();
        writer.write(head.to_bytes()).await.unwrap();
        for piece in data.chunks(70_000) {
            writer.write_data(piece.to_vec()).await.unwrap();
        }
        assert_eq!(writer.finish().unwrap().outcome().await.unwrap(), Outcome::Accepted);
        // A body without octets is a body.
        for piece in [&b""[..], &[7; 255], &[7; 256]] {
            let mut writer = sender.writer(SendOptions::new()).await.unwrap();
            writer.write_data(piece).await.unwrap();
            assert_eq!(writer.finish().unwrap().outcome().await.unwrap(), Outcome::Accepted);
        }
    };
    let receive = async {
        let mut reader = receiver.recv_reader().await.unwrap().unwrap();
        let whole = reader.read_to_end().await.unwrap();
        let message = decoded(whole);
        assert_eq!(message.subject().map(|subject| &**subject), Some("film"));
        assert_eq!(message.bytes().unwrap(), data);
        reader.accept().unwrap();
        for octets in [0, 255, 256] {
            receiver.set_credit(1).unwrap();
            let mut reader = receiver.recv_reader().await.unwrap().unwrap();
            let message = decoded(reader.read_to_end().await.unwrap());
            assert_eq!(message.bytes().unwrap(), vec![7; octets]);
            reader.accept().unwrap();
        }
    };
    both(send, receive).await;
}

/// A receiver that drops a message half-way still gets the next message.
#[adapter::test]
async fn a_stream_that_is_not_read_to_its_end_is_released() {
    let options = ReceiverOptions::new().with_prefetch(2).with_streaming(true);
    let (sender, receiver, _ends) = link(options).await;
    let send = async {
        assert_eq!(sender.send(vec![1; 40 << 20]).await.unwrap(), Outcome::Released);
        assert_eq!(sender.send("small").await.unwrap(), Outcome::Accepted);
    };
    let receive = async {
        let mut stream = receiver.recv_reader().await.unwrap().unwrap();
        stream.read().await.unwrap().unwrap();
        drop(stream);
        let mut stream = receiver.recv_reader().await.unwrap().unwrap();
        assert!(stream.read_to_end().await.unwrap().len() < 100);
        stream.accept().unwrap();
    };
    both(send, receive).await;
}
