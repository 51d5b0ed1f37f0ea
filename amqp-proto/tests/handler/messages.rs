//! Messages of handlers: sent, tracked, received and acknowledged.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use amqp_proto::config::{ReceiverOptions, SendOptions, SenderOptions};
use amqp_proto::handler::{Context, Decision, DeliveryToken, ReceivedMessage, SenderToken};
use amqp_proto::message::Message;
use amqp_proto::types::{Annotations, Fields};
use amqp_proto::wire::{
    AmqpError, Condition, DeliveryState, Modified, Outcome, Received, ReceiverSettleMode, SenderSettleMode,
};
use amqp_proto::{PartEnd, SendError, SettleError};

use crate::net::{Net, Noter, same};

/// A client that sends these messages as soon as it has credit.
fn sending(texts: &'static [&'static str]) -> Noter {
    Noter {
        start: Some(Box::new(|cx, ()| {
            let connection = cx.connect("amqp://example.com");
            cx.create_sender(connection, "jobs");
        })),
        sendable: Some(Box::new(move |cx, sender| {
            for text in texts {
                cx.send(sender, *text).unwrap();
            }
        })),
        ..Noter::default()
    }
}

/// A server that runs this for every message.
fn receiving(message: impl FnMut(&mut Context<'_>, ReceivedMessage) + 'static) -> Noter {
    Noter { message: Some(Box::new(message)), ..Noter::default() }
}

fn manually() -> Noter {
    Noter {
        receiver_offered: Some(Box::new(|_, _| {
            Decision::Accept(ReceiverOptions::new().with_auto_accept(false))
        })),
        ..Noter::default()
    }
}

/// The callbacks of one message without decisions: sendable, sent, received, accepted, settled.
#[test]
fn a_message_that_is_not_decided_is_accepted() {
    let mut net = Net::new(sending(&["job"]), Noter::default());
    net.drive();
    same(
        &net.clients.notes,
        &[
            "start",
            "connection_opened",
            "session_opened",
            "link_opened",
            "sendable",
            "accepted delivery 0",
            "settled delivery 0",
        ],
    );
    same(
        &net.servers.notes,
        &[
            "start",
            "connection_opened",
            "session_offered",
            "session_opened",
            "receiver_offered",
            "link_opened",
            "message job",
        ],
    );
}

/// Each outcome has one callback, followed by that for its settlement; a decision of the handler stays.
#[test]
fn every_outcome_has_its_callback() {
    let servers = receiving(|cx, message| {
        let key = message.token();
        match message.message().unwrap().body().unwrap().as_str().unwrap() {
            "accept" => cx.accept(key).unwrap(),
            "reject" => cx.reject(key, AmqpError::new(Condition::NotAllowed)).unwrap(),
            "reject silently" => cx.reject(key, None).unwrap(),
            "release" => cx.release(key).unwrap(),
            "modify" => {
                let modified = Modified { delivery_failed: Some(true), ..Modified::default() };
                cx.modify(key, modified).unwrap();
            }
            "settle" => cx.settle(key).unwrap(),
            _ => {}
        }
    });
    let texts = &["accept", "reject", "reject silently", "release", "modify", "settle"];
    let mut net = Net::new(sending(texts), servers);
    net.drive();
    let told: Vec<_> = net.clients.notes.iter().skip_while(|note| *note != "sendable").skip(1).collect();
    same(
        &told,
        &[
            "accepted delivery 0",
            "settled delivery 0",
            "rejected delivery 1 for amqp:not-allowed",
            "settled delivery 1",
            "rejected delivery 2 for nothing",
            "settled delivery 2",
            "released delivery 3",
            "settled delivery 3",
            "modified delivery 4 failed Some(true)",
            "settled delivery 4",
            "settled delivery 5",
        ],
    );
}

/// T-DISP-13: a second decision is refused, and so is a decision about a settled delivery.
#[test]
fn a_delivery_is_decided_once() {
    let servers = receiving(|cx, message| {
        cx.release(message.token()).unwrap();
        assert_eq!(cx.accept(message.token()), Err(SettleError::Settled));
        assert_eq!(cx.settle(message.token()), Err(SettleError::Settled));
    });
    let mut net = Net::new(sending(&["job"]), servers);
    net.drive();
    assert_eq!((net.clients.count("released"), net.clients.count("accepted")), (1, 0));
}

/// Without auto-accept a message is undecided until the handler decides, here in a timer.
#[test]
fn without_auto_accept_the_handler_decides() {
    let kept = Rc::new(RefCell::new(Vec::<DeliveryToken>::new()));
    let (keep, take) = (kept.clone(), kept.clone());
    let servers = Noter {
        message: Some(Box::new(move |cx, message| {
            assert!(!message.is_settled());
            keep.borrow_mut().push(message.token());
            cx.schedule(Duration::from_millis(50), 7);
        })),
        timer: Some(Box::new(move |cx, _| {
            for key in take.borrow_mut().drain(..) {
                assert_eq!(cx.current(), None);
                cx.accept(key).unwrap();
            }
        })),
        ..manually()
    };
    let mut net = Net::new(sending(&["one", "two"]), servers);
    net.drive();
    assert_eq!((net.clients.count("accepted"), net.servers.count("message")), (0, 2));
    assert_eq!(kept.borrow().len(), 2);
    net.advance(50);
    assert_eq!((net.clients.count("accepted"), net.clients.count("settled")), (2, 2));
    assert_eq!(net.servers.count("timer"), 2);
}

/// A message whose state was updated without an outcome is not accepted by itself.
#[test]
fn an_updated_message_is_not_accepted() {
    let servers = receiving(|cx, message| {
        cx.update(message.token(), &DeliveryState::Received(Received::new(0, 0))).unwrap();
    });
    let mut net = Net::new(sending(&["job"]), servers);
    net.drive();
    assert_eq!((net.clients.count("updated"), net.clients.count("accepted")), (1, 0));
}

/// T-DISP-14: a message sent settled gets no outcome and no callback for one.
#[test]
fn a_message_sent_settled_gets_no_disposition() {
    let clients = Noter {
        sendable: Some(Box::new(|cx, sender| {
            cx.send_with(sender, &Message::from("job"), &SendOptions::new().with_settled(true)).unwrap();
        })),
        ..sending(&[])
    };
    let servers = receiving(|cx, message| {
        assert!(message.is_settled());
        assert_eq!(cx.accept(message.token()), Err(SettleError::Settled));
    });
    let mut net = Net::new(clients, servers);
    net.drive();
    assert_eq!(net.servers.count("message"), 1);
    assert_eq!((net.clients.count("accepted"), net.clients.count("settled")), (0, 0));
    // On a link of settled messages there is no callback either.
    let clients = Noter {
        start: Some(Box::new(|cx, ()| {
            let connection = cx.connect("amqp://example.com");
            let options = SenderOptions::to("jobs").with_snd_settle_mode(SenderSettleMode::Settled);
            cx.create_sender_with(connection, "my-jobs", options);
        })),
        ..sending(&["job"])
    };
    let mut net = Net::new(clients, Noter::default());
    net.drive();
    assert_eq!((net.servers.count("message"), net.clients.count("settled")), (1, 0));
}

/// T-DISP-16: with a receiver that settles second, the outcome comes first, once, and then the sender settles.
#[test]
fn a_receiver_that_settles_second() {
    let clients = Noter {
        start: Some(Box::new(|cx, ()| {
            let connection = cx.connect("amqp://example.com");
            let options = SenderOptions::to("jobs").with_rcv_settle_mode(ReceiverSettleMode::Second);
            cx.create_sender_with(connection, "my-jobs", options);
        })),
        ..sending(&["job"])
    };
    let mut net = Net::new(clients, Noter::default());
    net.drive();
    assert_eq!((net.clients.count("accepted"), net.clients.count("settled")), (1, 1));
    // The receiver gets the callback for the settlement, too.
    assert_eq!(net.servers.count("settled"), 1);
}

/// Without auto-settle the outcome has one callback, however often the peer repeats it, and the handler settles. The
/// receiver, which settles second, does not settle earlier.
#[test]
fn a_sender_that_settles_by_hand() {
    for handler_settles in [true, false] {
        let clients = Noter {
            start: Some(Box::new(|cx, ()| {
                let connection = cx.connect("amqp://example.com");
                let options = SenderOptions::to("jobs")
                    .with_auto_settle(false)
                    .with_rcv_settle_mode(ReceiverSettleMode::Second);
                cx.create_sender_with(connection, "my-jobs", options);
            })),
            outcome: Some(Box::new(move |cx, delivery| {
                assert!(cx.delivery(delivery).unwrap().remote_state().unwrap().is_terminal());
                if handler_settles {
                    cx.settle(delivery).unwrap();
                    assert_eq!(cx.settle(delivery), Err(SettleError::Settled));
                }
            })),
            ..sending(&["job"])
        };
        let kept = Rc::new(RefCell::new(None));
        let keep = kept.clone();
        let mut net =
            Net::new(clients, receiving(move |_, message| *keep.borrow_mut() = Some(message.token())));
        net.drive();
        assert_eq!((net.clients.count("accepted"), net.clients.count("settled")), (1, 0));
        assert_eq!(net.servers.count("settled"), usize::from(handler_settles));
        if !handler_settles {
            let delivery = kept.borrow().unwrap();
            assert_eq!(net.server.with(net.now, |cx| cx.settle(delivery)), Err(SettleError::Second));
            net.drive();
            assert_eq!((net.clients.count("accepted"), net.clients.count("settled")), (1, 0));
        }
    }
}

/// A sender's sendable callback comes once, and again after a refused send.
#[test]
fn sendable_comes_again_after_a_refusal() {
    let refused = Rc::new(RefCell::new(0));
    let count = refused.clone();
    let sent = Rc::new(RefCell::new(0));
    let sends = sent.clone();
    let clients = Noter {
        sendable: Some(Box::new(move |cx: &mut Context<'_>, sender: SenderToken| {
            loop {
                match cx.try_send(sender, "job") {
                    Ok(_) => *sends.borrow_mut() += 1,
                    Err(SendError::NoCredit) => break *count.borrow_mut() += 1,
                    Err(error) => panic!("{error}"),
                }
            }
        })),
        ..sending(&[])
    };
    let left = Rc::new(RefCell::new(20));
    let servers = Noter {
        receiver_offered: Some(Box::new(|_, _| Decision::Accept(ReceiverOptions::new().with_prefetch(4)))),
        message: Some(Box::new(move |cx, message| {
            *left.borrow_mut() -= 1;
            if *left.borrow() == 0 {
                cx.close_link(message.receiver()).unwrap();
            }
        })),
        ..Noter::default()
    };
    let mut net = Net::new(clients, servers);
    net.drive();
    assert!(net.clients.count("sendable") > 4, "{:?}", net.clients.notes);
    assert_eq!(*refused.borrow(), net.clients.count("sendable"));
    assert!(net.clients.count("accepted") >= 20);
    assert_eq!(net.clients.count("link_closed"), 1);
    // Each message has an outcome, or is lost with the link.
    let ended = net.clients.count("settled") + net.clients.count("lost");
    assert_eq!(ended, *sent.borrow());
}

/// Closing the link in the message's callback accepts the message first.
#[test]
fn closing_in_on_message_accepts_first() {
    let closes: [fn(&mut Context<'_>, &ReceivedMessage); 5] = [
        |cx, message| cx.close_link(message.receiver()).unwrap(),
        |cx, message| assert!(cx.close_connection(message.token().connection())),
        |cx, message| {
            let connection = message.token().connection();
            let error = AmqpError::new(Condition::ConnectionForced);
            assert!(cx.close_connection_with(connection, error));
        },
        |cx, message| cx.detach_link(message.receiver()).unwrap(),
        |cx, _| cx.stop(),
    ];
    for close in closes {
        let mut net = Net::new(sending(&["job"]), receiving(move |cx, message| close(cx, &message)));
        net.drive();
        assert_eq!(net.clients.count("accepted"), 1, "{:?}", net.clients.notes);
        assert_eq!(net.clients.count("lost"), 0);
        assert_eq!(net.clients.count("link_closed") + net.clients.count("link_detached"), 1);
    }
    // Unless the handler has decided before.
    let servers = receiving(|cx, message| {
        cx.release(message.token()).unwrap();
        cx.close_connection(message.token().connection());
    });
    let mut net = Net::new(sending(&["job"]), servers);
    net.drive();
    assert_eq!((net.clients.count("accepted"), net.clients.count("released")), (0, 1));
}

/// A streaming link reports data as it arrives; the message is accepted once it is read to its end.
#[test]
fn streams_are_read_in_pieces() {
    let clients = Noter {
        sendable: Some(Box::new(|cx, sender| {
            let mut view = cx.sender(sender).unwrap();
            view.begin_delivery(&SendOptions::new()).unwrap();
            view.write(&b"\0\x53\x77\xa1\x05he"[..]).unwrap();
        })),
        ..sending(&[])
    };
    let read = Rc::new(RefCell::new((Vec::new(), None)));
    let reads = read.clone();
    let servers = Noter {
        receiver_offered: Some(Box::new(|_, _| {
            Decision::Accept(ReceiverOptions::new().with_streaming(true))
        })),
        data: Some(Box::new(move |cx, (receiver, delivery)| {
            let part = cx.read(receiver, delivery).unwrap();
            reads.borrow_mut().0.extend_from_slice(&part.payload.to_bytes());
            reads.borrow_mut().1 = Some(part.end);
        })),
        ..Noter::default()
    };
    let sender = Rc::new(RefCell::new(None));
    let found = sender.clone();
    let mut net = Net::new(clients, servers);
    net.clients.link_opened = Some(Box::new(move |_, link| *found.borrow_mut() = Some(link)));
    net.drive();
    let Some(amqp_proto::handler::LinkToken::Sender(sender)) = *sender.borrow() else { panic!() };
    assert_eq!(*read.borrow(), (b"\0\x53\x77\xa1\x05he".to_vec(), Some(PartEnd::More)));
    assert_eq!(net.clients.count("accepted"), 0);
    net.client.with(net.now, |cx| {
        let mut view = cx.sender(sender).unwrap();
        view.write(&b"llo"[..]).unwrap();
        view.finish().unwrap();
    });
    net.drive();
    assert_eq!(*read.borrow(), (b"\0\x53\x77\xa1\x05hello".to_vec(), Some(PartEnd::Complete)));
    assert_eq!((net.clients.count("accepted"), net.servers.count("message")), (1, 0));
    // An aborted delivery is reported and not accepted.
    net.client.with(net.now, |cx| {
        let mut view = cx.sender(sender).unwrap();
        view.begin_delivery(&SendOptions::new()).unwrap();
        view.write(&b"\0\x53"[..]).unwrap();
    });
    net.drive();
    net.client.with(net.now, |cx| cx.sender(sender).unwrap().abort()).unwrap();
    net.drive();
    assert_eq!((net.clients.count("accepted"), net.servers.count("aborted")), (1, 1));
}

/// A drained receiver gets its callback when the credit is given back.
#[test]
fn a_receiver_is_drained() {
    let servers = Noter {
        link_opened: Some(Box::new(|cx, link| {
            let amqp_proto::handler::LinkToken::Receiver(receiver) = link else { panic!() };
            cx.receiver(receiver).unwrap().drain().unwrap();
        })),
        ..Noter::default()
    };
    let mut net = Net::new(sending(&["job"]), servers);
    net.drive();
    assert_eq!((net.servers.count("message"), net.servers.count("drained")), (1, 1));
}

/// A handler gets the properties of a link's state that the peer sends.
#[test]
fn properties_of_a_links_state_are_reported() {
    let servers = Noter {
        link_opened: Some(Box::new(|cx, link| {
            let amqp_proto::handler::LinkToken::Receiver(receiver) = link else { panic!() };
            let properties = Fields::from([("lag", 7_u32)]);
            cx.receiver(receiver).unwrap().send_flow_properties(&properties).unwrap();
        })),
        ..Noter::default()
    };
    let mut net = Net::new(sending(&["job"]), servers);
    net.drive();
    let told =
        |notes: &[String]| notes.iter().any(|note| note.contains("flow_properties") && note.contains("lag"));
    assert!(told(&net.clients.notes), "{:?}", net.clients.notes);
    assert!(!told(&net.servers.notes));
}

/// An outcome that the standard does not define is an update, and a receiver gets the sender's states.
#[test]
fn other_states_are_updates() {
    let clients = Noter {
        sendable: Some(Box::new(|cx, sender| {
            let delivery = cx.send(sender, "job").unwrap();
            cx.update(
                delivery,
                &Outcome::from(Modified { message_annotations: Annotations::new(), ..Modified::default() })
                    .into(),
            )
            .unwrap();
        })),
        ..sending(&[])
    };
    let mut net = Net::new(clients, manually());
    net.drive();
    assert_eq!(net.servers.count("updated"), 1, "{:?}", net.servers.notes);
    assert_eq!(net.clients.count("settled"), 0);
}
