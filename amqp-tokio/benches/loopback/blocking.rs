//! The ends on threads.

use std::collections::VecDeque;
use std::time::Instant;

use amqp_blocking::config::ReceiverOptions;
use amqp_blocking::{Accepted, Connection, Error, Listener, Offer, OfferedLink, Outgoing, Sender};

use crate::end::{Mode, Receiving, Report, Sending, WINDOW};

pub(crate) fn send(options: &Sending) {
    try_send(options).expect("the other end behaves");
}

fn try_send(options: &Sending) -> Result<(), Error> {
    let connection = Connection::open(&format!("amqp://127.0.0.1:{}", options.port))?;
    let sender = connection.sender("q").attach()?;
    let mut report = Report::begin();
    match options.mode {
        Mode::Lat => one_by_one(options, &sender, &mut report)?,
        Mode::Ack | Mode::Pre => many(options, &sender)?,
    }
    report.end(options);
    connection.close()
}

fn one_by_one(options: &Sending, sender: &Sender, report: &mut Report) -> Result<(), Error> {
    let body = options.body();
    for _ in 0..options.messages {
        let start = Instant::now();
        sender.send(body.clone())?.accepted()?;
        report.took(start);
    }
    Ok(())
}

fn many(options: &Sending, sender: &Sender) -> Result<(), Error> {
    let body = options.body();
    let mut waiting = VecDeque::with_capacity(WINDOW);
    for at in 0..options.messages {
        let message = Outgoing::from(body.clone()).with_settled(options.is_settled(at));
        let sent = sender.send_queued(message)?;
        if sent.is_settled() {
            continue;
        }
        if waiting.len() == WINDOW
            && let Some(first) = waiting.pop_front()
        {
            outcome(first)?;
        }
        waiting.push_back(sent);
    }
    waiting.into_iter().try_for_each(outcome)
}

fn outcome(sent: amqp_blocking::Sent) -> Result<(), Error> {
    sent.outcome().map(drop)
}

pub(crate) fn receive(options: &Receiving) {
    try_receive(options).expect("the other end behaves");
}

fn try_receive(options: &Receiving) -> Result<(), Error> {
    let listener = Listener::bind(("127.0.0.1", options.port))?;
    println!("LISTENING");
    let connection = listener.accept()?.open()?;
    while let Some(offer) = connection.next_offer()? {
        let receiver = match offer {
            Offer::Link(OfferedLink::Receiver(link)) => {
                link.accept_with(ReceiverOptions::new().with_prefetch(WINDOW as u32))?
            }
            offer => match offer.accept()? {
                Accepted::Receiver(receiver) => receiver,
                _ => continue,
            },
        };
        while let Some(delivery) = receiver.recv()? {
            std::hint::black_box(delivery.message()?.body()?);
            delivery.accept()?;
        }
    }
    Ok(())
}
