//! Sets of receivers: the next message of any of them, in turn.

use super::common::{Ends, pair, receiving};
use crate::adapter::{self, pause, spawn};
use crate::amqp::wire::{AmqpError, Condition, Outcome};
use crate::amqp::{Connection, Receiver, ReceiverSet, Result, Sender};

/// A link on a connection of its own, on which the client receives.
#[adapter::helper]
async fn source() -> (Receiver, Sender, Ends) {
    let (client, server) = pair().await;
    let (receiver, sender, session) = receiving(client.receiver("jobs"), &server).await;
    (receiver, sender, (client, server, session))
}

/// Sends messages, and waits until they have arrived.
#[adapter::helper]
async fn fill(sender: &Sender, texts: &[&str], client: &Connection) {
    let before = client.metrics().deliveries_received;
    for text in texts {
        drop(sender.send_queued(*text).await.unwrap());
    }
    while client.metrics().deliveries_received < before + texts.len() as u64 {
        pause().await;
    }
}

/// Takes a message and releases it, and returns its text with the key of its receiver.
#[adapter::helper]
async fn text<'a>(set: &mut ReceiverSet<&'a str>) -> Result<(&'a str, String)> {
    let (key, delivery) = set.recv().await.expect("a receiver");
    Ok((key, delivery?.message()?.body()?.as_str().unwrap().to_owned()))
}

#[adapter::test]
async fn receivers_take_turns() {
    let (busy, to_busy, busy_ends) = source().await;
    let (other, to_other, other_ends) = source().await;
    fill(&to_busy, &["1", "2", "3"], &busy_ends.0).await;
    fill(&to_other, &["4", "5"], &other_ends.0).await;
    let mut set = ReceiverSet::from_iter([("busy", &busy), ("other", &other)]);
    assert_eq!((set.len(), set.is_empty()), (2, false));
    for expected in [("busy", "1"), ("other", "4"), ("busy", "2"), ("other", "5"), ("busy", "3")] {
        let (key, text) = text(&mut set).await.unwrap();
        assert_eq!((key, &*text), expected);
    }
    assert!(set.try_recv().is_none());
}

#[adapter::test]
async fn a_set_waits_for_any_of_its_receivers() {
    let (first, to_first, _first_ends) = source().await;
    let (second, to_second, _second_ends) = source().await;
    let mut set = ReceiverSet::from_iter([("first", &first), ("second", &second)]);
    let work = spawn(async move {
        let taken = (text(&mut set).await.unwrap(), text(&mut set).await.unwrap());
        drop(set);
        taken
    });
    assert_eq!(to_second.send("one").await.unwrap(), Outcome::Released);
    assert_eq!(to_first.send("two").await.unwrap(), Outcome::Released);
    let (one, two) = work.join().await.unwrap();
    assert_eq!(one, ("second", "one".to_owned()));
    assert_eq!(two, ("first", "two".to_owned()));
}

/// A receiver leaves the set at the end of its link: after its messages, and with the error of the link, if any.
#[adapter::test]
async fn a_receiver_leaves_at_the_end_of_its_link() {
    let (first, to_first, first_ends) = source().await;
    let (second, to_second, second_ends) = source().await;
    let mut set = ReceiverSet::from_iter([("first", &first), ("second", &second)]);
    fill(&to_first, &["last"], &first_ends.0).await;
    let ending = spawn(async move { to_first.close_with(AmqpError::new(Condition::ResourceDeleted)).await });
    first.closed().await;
    ending.join().await.unwrap().unwrap();
    assert_eq!(text(&mut set).await.unwrap(), ("first", "last".to_owned()));
    let (key, over) = set.recv().await.expect("the end");
    assert_eq!((key, over.unwrap_err().condition()), ("first", Some(&Condition::ResourceDeleted)));
    assert_eq!(set.len(), 1);
    fill(&to_second, &["more"], &second_ends.0).await;
    assert_eq!(text(&mut set).await.unwrap(), ("second", "more".to_owned()));
    let ending = spawn(async move { to_second.close().await });
    assert!(set.recv().await.is_none(), "no receiver is left");
    assert!(set.is_empty());
    ending.join().await.unwrap().unwrap();
}

#[adapter::test]
async fn a_receiver_is_removed_by_its_key() {
    let (first, to_first, first_ends) = source().await;
    let (second, to_second, second_ends) = source().await;
    let mut set = ReceiverSet::new();
    set.insert(1, &first);
    set.insert(2, &second);
    fill(&to_first, &["kept"], &first_ends.0).await;
    fill(&to_second, &["taken"], &second_ends.0).await;
    assert!(set.remove(&1) && !set.remove(&1));
    assert_eq!(set.recv().await.unwrap().0, 2);
    let left = first.recv().await.unwrap().unwrap();
    assert_eq!(left.message().unwrap().body().unwrap().as_str(), Some("kept"));
}
