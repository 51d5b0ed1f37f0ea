//! Messages sent before the link has credit [2.6.7].

use std::collections::VecDeque;

use amqp_proto::config::{ReceiverOptions, SendOptions};
use amqp_proto::handler::{
    Context, Decision, DeliveryToken, Handler, LinkToken, ReceivedMessage, ReceiverToken, SenderToken,
};
use amqp_proto::message::Message;
use amqp_proto::types::DeliveryTag;
use amqp_proto::wire::{AmqpError, Condition};
use amqp_proto::{Reason, SendError, SettleError};

use crate::joined::Joined;

/// Records the fates of its messages.
#[derive(Default)]
struct Sending {
    at_start: usize,
    on_sendable: usize,
    sender: Option<SenderToken>,
    keys: Vec<DeliveryToken>,
    notes: Vec<String>,
}

impl Sending {
    fn index(&self, delivery: DeliveryToken) -> usize {
        self.keys.iter().position(|key| *key == delivery).expect("a key that is known")
    }
}

impl Handler for Sending {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let connection = cx.connect("amqp://example.com");
        let sender = cx.create_sender(connection, "jobs");
        self.sender = Some(sender);
        for number in 0..self.at_start {
            self.keys.push(cx.send(sender, number.to_string()).unwrap());
        }
    }

    fn on_sendable(&mut self, cx: &mut Context<'_>, sender: SenderToken) {
        assert_eq!(cx.queued(sender), 0);
        assert!(cx.credit(sender) > 0);
        self.notes.push("sendable".into());
        for _ in 0..std::mem::take(&mut self.on_sendable) {
            self.keys.push(cx.send(sender, "more").unwrap());
        }
    }

    fn on_accepted(&mut self, _: &mut Context<'_>, delivery: DeliveryToken) {
        self.notes.push(format!("accepted {}", self.index(delivery)));
    }

    fn on_settled(&mut self, _: &mut Context<'_>, delivery: DeliveryToken) {
        self.notes.push(format!("settled {}", self.index(delivery)));
    }

    fn on_delivery_lost(
        &mut self,
        _: &mut Context<'_>,
        delivery: DeliveryToken,
        _: Option<&amqp_proto::wire::DeliveryState>,
    ) {
        self.notes.push(format!("lost {}", self.index(delivery)));
    }

    fn on_unsent(
        &mut self,
        _: &mut Context<'_>,
        delivery: DeliveryToken,
        message: Message,
        error: &SendError,
    ) {
        let body = message.to_payload().unwrap();
        assert!(!body.is_empty());
        self.notes.push(format!("unsent {} {error:?}", self.index(delivery)));
    }

    fn on_link_error(&mut self, _: &mut Context<'_>, _: LinkToken, _: &Reason) {
        self.notes.push("link error".into());
    }

    fn on_link_closed(&mut self, _: &mut Context<'_>, _: LinkToken, _: &Reason) {
        self.notes.push("link closed".into());
    }
}

/// Grants credit only when the test says so.
#[derive(Default)]
struct Granting {
    receiver: Option<ReceiverToken>,
    texts: Vec<String>,
    refuses: bool,
}

impl Handler for Granting {
    fn on_receiver_offered(
        &mut self,
        _: &mut Context<'_>,
        receiver: ReceiverToken,
    ) -> Decision<ReceiverOptions> {
        self.receiver = Some(receiver);
        if self.refuses {
            return Decision::Refuse(AmqpError::new(Condition::NotFound));
        }
        Decision::Accept(ReceiverOptions::new().with_prefetch(0))
    }

    fn on_message(&mut self, _: &mut Context<'_>, incoming: ReceivedMessage) {
        let body = incoming.message().unwrap().body().unwrap();
        self.texts.push(body.as_str().unwrap_or_default().into());
    }
}

fn joined(sending: Sending) -> Joined<Sending, Granting> {
    let mut all = Joined::new(sending, Granting::default());
    all.drive();
    all
}

fn grant(all: &mut Joined<Sending, Granting>, credit: u32) {
    let receiver = all.far.receiver.unwrap();
    all.server.with(all.now, |cx| cx.receiver(receiver).unwrap().add_credit(credit)).unwrap();
    all.drive();
}

/// T-CREDIT-06: queued messages wait for their link and for credit, keep their order, and keep their keys.
#[test]
fn messages_wait_for_credit() {
    let mut all = joined(Sending { at_start: 3, on_sendable: 1, ..Sending::default() });
    let sender = all.near.sender.unwrap();
    assert_eq!((all.near.notes.len(), all.far.texts.len()), (0, 0));
    all.client.with(all.now, |cx| {
        assert_eq!((cx.queued(sender), cx.credit(sender)), (3, 0));
        assert_eq!(cx.try_send(sender, "overtaking"), Err(SendError::Queued));
    });
    grant(&mut all, 2);
    assert_eq!(all.near.notes, ["accepted 0", "settled 0", "accepted 1", "settled 1"]);
    // The last queued message, and one of two that the handler sends now.
    all.near.on_sendable = 2;
    grant(&mut all, 2);
    grant(&mut all, 1);
    assert_eq!(all.far.texts, ["0", "1", "2", "more", "more"]);
    let told: Vec<_> = all.near.notes.iter().filter(|note| note.starts_with("accepted")).collect();
    assert_eq!(told, ["accepted 0", "accepted 1", "accepted 2", "accepted 3", "accepted 4"]);
    assert_eq!(all.near.notes.iter().filter(|note| *note == "sendable").count(), 1);
    // All keys are stale.
    let first = all.near.keys[0];
    all.client.with(all.now, |cx| assert_eq!(cx.settle(first), Err(SettleError::Settled)));
}

/// The queue is bounded; a send beyond the bound fails at once, and the handler learns when there is space.
#[test]
fn the_queue_is_bounded() {
    let mut all = joined(Sending::default());
    let sender = all.near.sender.unwrap();
    all.client.set_send_queue(1_000);
    let mut keys = Vec::new();
    all.client.with(all.now, |cx| {
        loop {
            match cx.send(sender, "a job") {
                Ok(key) => keys.push(key),
                Err(error) => break assert_eq!(error, SendError::Full),
            }
        }
    });
    assert_eq!(keys.len(), 3);
    all.near.keys = keys;
    grant(&mut all, 4);
    assert_eq!(all.near.notes[0], "sendable");
    // A single message may exceed the bound; with a bound of 0 nothing is queued.
    all.client.with(all.now, |cx| cx.send(sender, "the last credit")).unwrap();
    all.client.with(all.now, |cx| {
        cx.send(sender, vec![0; 5_000]).unwrap();
        assert_eq!(cx.send(sender, "a job"), Err(SendError::Full));
    });
    all.client.set_send_queue(0);
    let mut all = joined(Sending::default());
    all.client.set_send_queue(0);
    let sender = all.near.sender.unwrap();
    all.client.with(all.now, |cx| assert_eq!(cx.send(sender, "a job"), Err(SendError::NoCredit)));
}

/// 2.6.4: messages queued at the end of a link are given back before the end is reported, whichever end causes it.
#[test]
fn messages_that_wait_are_given_back_at_the_end() {
    type End = fn(&mut Joined<Sending, Granting>);
    let ends: [End; 5] = [
        |all| all.client.with(all.now, |cx| cx.close_link(all.near.sender.unwrap())).unwrap(),
        |all| all.client.with(all.now, |cx| cx.detach_link(all.near.sender.unwrap())).unwrap(),
        |all| all.client.with(all.now, |cx| cx.stop()),
        |all| all.server.with(all.now, |cx| cx.close_link(all.far.receiver.unwrap())).unwrap(),
        |all| all.server.with(all.now, |cx| cx.stop()),
    ];
    for end in ends {
        let mut all = joined(Sending { at_start: 2, ..Sending::default() });
        end(&mut all);
        all.drive();
        assert_eq!(all.near.notes[..2], ["unsent 0 Detached", "unsent 1 Detached"]);
        let sender = all.near.sender.unwrap();
        all.client.with(all.now, |cx| assert_eq!(cx.send(sender, "late"), Err(SendError::Detached)));
    }
    let refusing = Granting { refuses: true, ..Granting::default() };
    let mut all = Joined::new(Sending { at_start: 1, ..Sending::default() }, refusing);
    all.drive();
    assert_eq!(all.near.notes, ["unsent 0 Detached", "link error", "link closed"]);
}

/// A queued message can be taken back and has no state. A message that cannot be sent after all is given back alone.
#[test]
fn a_queued_message_can_be_taken_back() {
    let mut all = joined(Sending { at_start: 3, ..Sending::default() });
    let (sender, keys) = (all.near.sender.unwrap(), all.near.keys.clone());
    let tag = SendOptions::new().with_tag(DeliveryTag::try_from(&b"mine"[..]).unwrap());
    let tagged = all.client.with(all.now, |cx| {
        assert!(cx.delivery(keys[1]).is_err());
        assert_eq!(cx.accept(keys[1]), Err(SettleError::Queued));
        cx.settle(keys[1]).unwrap();
        [0, 1].map(|_| cx.send_with(sender, &"tagged".into(), &tag).unwrap())
    });
    all.near.keys.extend(tagged);
    // The receiver decides nothing, so the tag stays in use.
    let receiver = all.far.receiver.unwrap();
    all.server.with(all.now, |cx| cx.receiver(receiver).unwrap().add_credit(10)).unwrap();
    all.client.dispatch(all.now, &mut all.near);
    all.drive();
    assert_eq!(all.far.texts, ["0", "2", "tagged"]);
    assert!(all.near.notes.iter().any(|note| note.starts_with("unsent 4 TagInUse")), "{:?}", all.near.notes);
}

/// By default, a message that is not sent is reported as lost.
#[test]
fn unsent_messages_are_lost_by_default() {
    #[derive(Default)]
    struct Losing(VecDeque<DeliveryToken>);
    impl Handler for Losing {
        fn on_start(&mut self, cx: &mut Context<'_>) {
            let connection = cx.connect("amqp://example.com");
            let sender = cx.create_sender(connection, "jobs");
            cx.send(sender, "job").unwrap();
            cx.close_link(sender).unwrap();
        }
        fn on_delivery_lost(
            &mut self,
            _: &mut Context<'_>,
            delivery: DeliveryToken,
            _: Option<&amqp_proto::wire::DeliveryState>,
        ) {
            self.0.push_back(delivery);
        }
    }
    let mut all = Joined::new(Losing::default(), Granting::default());
    all.drive();
    assert_eq!(all.near.0.len(), 1);
}
