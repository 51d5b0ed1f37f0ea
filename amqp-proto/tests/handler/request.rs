//! Requests and answers: a dynamic node for the answers, and a service that sends them there.

use std::time::Duration;

use amqp_proto::config::{ReceiverOptions, SenderOptions};
use amqp_proto::handler::{
    ConnectionToken, Context, Decision, Handler, LinkToken, ReceivedMessage, SenderToken,
};
use amqp_proto::message::Message;
use amqp_proto::policy::Correlator;
use amqp_proto::types::Moment;
use amqp_proto::wire::Source;

use crate::net::{Net, Noter};

/// Sends words to a service, each at most once, and gives up after a second.
struct Asker {
    requests: Option<SenderToken>,
    pending: Correlator<&'static str>,
    answers: Vec<(String, String)>,
    expired: Vec<&'static str>,
}

impl Handler for Asker {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let connection = cx.connect("amqp://example.com");
        cx.create_receiver_with(connection, "answers", ReceiverOptions::from_dynamic());
    }

    fn on_link_opened(&mut self, cx: &mut Context<'_>, link: LinkToken) {
        if let LinkToken::Receiver(receiver) = link {
            self.pending.set_reply_to(cx.source_address(receiver).unwrap());
            let connection = cx.connection_of(receiver).unwrap();
            self.requests = Some(cx.create_sender(connection, "capitals"));
        }
    }

    fn on_sendable(&mut self, cx: &mut Context<'_>, sender: SenderToken) {
        for word in ["one", "silence", "two"] {
            let request =
                self.pending.request(word, Some(cx.now() + Duration::from_millis(1_000)), word).unwrap();
            cx.send_with(sender, &request, &Default::default()).unwrap();
        }
        cx.schedule(Duration::from_millis(1_000), 0);
    }

    fn on_message(&mut self, _: &mut Context<'_>, message: ReceivedMessage) {
        let message = message.message().unwrap();
        let properties = message.properties().unwrap();
        if let Some(word) = self.pending.answer(properties.correlation_id.as_ref()) {
            self.answers.push((word.into(), message.body().unwrap().as_str().unwrap().into()));
        }
    }

    fn on_timer(&mut self, cx: &mut Context<'_>, _: u64) {
        while let Some(word) = self.pending.expire(cx.now()) {
            self.expired.push(word);
        }
    }
}

/// A service on the same connection, with one client and so one link for answers.
fn service() -> Noter {
    let mut answers = None;
    let (found, mut made) = (std::rc::Rc::new(std::cell::Cell::new(None)), 0);
    let find = found.clone();
    Noter {
        sender_offered: Some(Box::new(move |_, sender| {
            find.set(Some(sender));
            made += 1;
            let source = Source { dynamic: true, ..Source::at(format!("temporary-{made}")) };
            Decision::Accept(SenderOptions::new().with_source(source))
        })),
        message: Some(Box::new(move |cx, message| {
            let request = message.message().unwrap();
            let properties = request.properties().unwrap();
            let sender = *answers.get_or_insert_with(|| found.get().unwrap());
            assert_eq!(properties.reply_to.as_deref(), Some("temporary-1"));
            let word = request.body().unwrap().as_str().unwrap().to_uppercase();
            if word != "SILENCE" {
                let answer = Message::from(word).with_correlation_id(properties.message_id.unwrap());
                cx.send(sender, answer).unwrap();
            }
        })),
        ..Noter::default()
    }
}

#[test]
fn answers_come_back_to_their_requests() {
    let mut net = Net::new(Noter::default(), service());
    let mut asker =
        Asker { requests: None, pending: Correlator::new(10), answers: Vec::new(), expired: Vec::new() };
    net.client.start(net.now, &mut asker);
    drive(&mut net, &mut asker, Moment::START);
    let expected = [("one", "ONE"), ("two", "TWO")].map(|(word, answer)| (word.into(), answer.into()));
    assert_eq!(asker.answers, expected);
    assert_eq!((asker.pending.len(), asker.expired.len()), (1, 0));
    drive(&mut net, &mut asker, Moment::from_millis(1_000));
    assert_eq!((asker.pending.len(), asker.expired), (0, vec!["silence"]));
}

/// Drives the net. Events of the client's connection go to the asker.
fn drive(net: &mut Net, asker: &mut Asker, now: Moment) {
    let mut joined: Option<(ConnectionToken, ConnectionToken)> = None;
    for _ in 0..20 {
        net.client.dispatch(now, asker);
        net.server.dispatch(now, &mut net.servers);
        net.answer_requests();
        joined = joined.or(net.joined.iter().next().map(|(here, there)| (*here, *there)));
        if let Some((here, there)) = joined {
            net.carry(here, there);
        }
    }
}
