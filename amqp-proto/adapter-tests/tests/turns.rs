//! Random turns: streams move few octets and make their ends wait, and tasks or threads give way, each from a seed. Each
//! message is taken once, and every wait ends.

use super::common::sending;
use crate::adapter::dice::Dice;
use crate::adapter::{self, both, pause, shaken, spawn};
use crate::amqp::config::ReceiverOptions;
use crate::amqp::wire::Outcome;
use crate::amqp::{Acceptor, Connection, ConnectionOptions, Receiver, Sender};

/// The number of orders of turns.
const SEEDS: u64 = 40;
const SENDERS: u64 = 3;
/// The messages of each sender; there is credit for fewer.
const MESSAGES: u64 = 4;
const CREDIT: u32 = 2;

/// Lets others run, a random number of times.
#[adapter::helper]
async fn give_way(dice: &mut Dice) {
    for _ in 0..dice.roll(4) {
        pause().await;
    }
}

/// Sends all messages of a sender. Returns how many were accepted.
#[adapter::helper]
async fn send_all(sender: Sender, number: u64, mut dice: Dice) -> u64 {
    let mut accepted = 0;
    for message in 0..MESSAGES {
        give_way(&mut dice).await;
        let outcome = sender.send((number * MESSAGES + message).to_string()).await;
        accepted += u64::from(outcome.is_ok_and(|outcome| outcome == Outcome::Accepted));
    }
    accepted
}

/// Receives until the end of the link. Returns the numbers of the messages.
#[adapter::helper]
async fn receive_all(receiver: Receiver, mut dice: Dice) -> Vec<u64> {
    let mut taken = Vec::new();
    while let Ok(Some(delivery)) = receiver.recv().await {
        give_way(&mut dice).await;
        let body = delivery.message().unwrap().body().unwrap();
        taken.push(body.as_str().unwrap().parse().unwrap());
        // The connection may end meanwhile.
        let _ = delivery.accept();
    }
    taken
}

/// Several senders and receivers on one link, which the client closes at the end or in between. Returns how many messages
/// were accepted, and which were taken.
#[adapter::helper]
async fn exchange(seed: u64, is_cut_short: bool) -> (u64, Vec<u64>) {
    let mut dice = Dice::new(seed);
    let (near, far) = shaken(&mut dice);
    let connect = async { Connection::over(near, ConnectionOptions::new()).await.unwrap() };
    let (client, server) =
        both(connect, async { Connection::accept(far, &Acceptor::default()).await.unwrap() }).await;
    let options = ReceiverOptions::new().with_prefetch(CREDIT);
    let (sender, receiver, session) = sending(client.sender("jobs"), &server, options).await;
    let mut receivers = Vec::new();
    for _ in 0..2 {
        let (receiver, dice) = (receiver.clone(), dice.next());
        receivers.push(spawn(async move { receive_all(receiver, dice).await }));
    }
    let mut senders = Vec::new();
    for number in 0..SENDERS {
        let (sender, dice) = (sender.clone(), dice.next());
        senders.push(spawn(async move { send_all(sender, number, dice).await }));
    }
    if is_cut_short {
        for _ in 0..dice.roll(30) {
            give_way(&mut dice).await;
        }
        client.close().await.unwrap();
    }
    let mut accepted = 0;
    for sender in senders {
        accepted += sender.join().await.unwrap();
    }
    if !is_cut_short {
        client.close().await.unwrap();
    }
    drop((receiver, session));
    let mut taken = Vec::new();
    for receiver in receivers {
        taken.extend(receiver.join().await.unwrap());
    }
    taken.sort_unstable();
    (accepted, taken)
}

#[adapter::test]
async fn each_message_is_taken_once_in_any_order_of_turns() {
    for seed in 0..SEEDS {
        let all = SENDERS * MESSAGES;
        assert_eq!(exchange(seed, false).await, (all, (0..all).collect()), "seed {seed}");
    }
}

#[adapter::test]
async fn every_wait_ends_with_the_connection_in_any_order_of_turns() {
    for seed in 0..SEEDS {
        let (accepted, taken) = exchange(seed, true).await;
        let mut once = taken.clone();
        once.dedup();
        assert!(once == taken && accepted <= taken.len() as u64, "seed {seed}: {accepted} of {taken:?}");
    }
}
