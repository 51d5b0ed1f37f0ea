//! Runs two engines of this repository in memory, with the pair of the engine's own benchmark.

use std::time::Instant;

use amqp_proto::config::SendOptions;
use amqp_proto::message::Message;

use crate::codec::typical;
use crate::pair::Pair;
use crate::role::{Role, print};

pub(crate) fn run(role: &Role) {
    let mut pair = Pair::new(100);
    let plain = Message::from(vec![0; role.size()]);
    let message = if role.is_typical() { typical(plain) } else { plain };
    let payload = message.to_payload().expect("a message that can be encoded");
    let options = SendOptions::new().with_settled(role.is_settled());
    pair.reads_all = role.is_typical();
    let mut exchange = |times: usize| {
        pair.exchange(times as u64, |sender| match role.is_typical() {
            true => sender.send_with(&message, &options).is_ok(),
            false => sender.send_payload(&payload, &options).is_ok(),
        });
    };
    exchange(role.warm());
    let start = Instant::now();
    exchange(role.messages());
    print("rate", role.messages() as f64 / start.elapsed().as_secs_f64());
}
