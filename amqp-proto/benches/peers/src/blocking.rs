//! Programs that use amqp-blocking.

use std::collections::VecDeque;
use std::hint::black_box;

use amqp_blocking::config::ReceiverOptions;
use amqp_blocking::{Accepted, Connection, Listener, Offer, OfferedLink, Outgoing, Result, Sender, Sent};

use crate::ours::{body, options};
use crate::role::{Meter, Role, listening};

pub(crate) fn send(role: &Role) {
    try_send(role).expect("the peer behaves");
}

fn try_send(role: &Role) -> Result<()> {
    let connection = Connection::open_with(&role.url(), options(role))?;
    let sender = connection.sender("q").attach()?;
    match role.is_alone() {
        true => one_by_one(role, &sender)?,
        false => many_at_a_time(role, &sender)?,
    }
    connection.close()
}

fn one_by_one(role: &Role, sender: &Sender) -> Result<()> {
    let (body, mut meter) = (body(role), Meter::new(role));
    for _ in 0..role.warm() + role.messages() {
        meter.begin();
        sender.send(body.clone())?.accepted()?;
        meter.done();
    }
    meter.end();
    Ok(())
}

fn many_at_a_time(role: &Role, sender: &Sender) -> Result<()> {
    let (body, mut meter) = (body(role), Meter::new(role));
    let mut waiting: VecDeque<Sent> = VecDeque::with_capacity(role.window());
    let all = role.warm() + role.messages();
    for at in 1..=all {
        let settled = role.is_settled() && at < all;
        let sent = sender.send_queued(Outgoing::from(body.clone()).with_settled(settled))?;
        if settled {
            meter.done();
            continue;
        }
        if waiting.len() == role.window()
            && let Some(first) = waiting.pop_front()
        {
            first.outcome()?.accepted()?;
            meter.done();
        }
        waiting.push_back(sent);
    }
    for sent in waiting {
        sent.outcome()?.accepted()?;
        meter.done();
    }
    meter.end();
    Ok(())
}

pub(crate) fn receive(role: &Role) {
    try_receive(role).unwrap_or_else(|error| panic!("{error}"));
}

fn try_receive(role: &Role) -> Result<()> {
    let listener = Listener::bind(("127.0.0.1", role.port()))?;
    listening();
    let connection = listener.accept()?.open()?;
    while let Some(offer) = connection.next_offer()? {
        let receiver = match offer {
            Offer::Link(OfferedLink::Receiver(link)) => {
                link.accept_with(ReceiverOptions::new().with_prefetch(role.window() as u32))?
            }
            offer => match offer.accept()? {
                Accepted::Receiver(receiver) => receiver,
                _ => continue,
            },
        };
        while let Some(delivery) = receiver.recv()? {
            black_box(delivery.message()?.body()?);
            delivery.accept()?;
        }
    }
    Ok(())
}
