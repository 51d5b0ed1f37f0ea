//! Connections, sessions and links: opened, refused, closed and lost.

use std::cell::RefCell;
use std::rc::Rc;

use amqp_proto::config::{Options, ReceiverOptions, SenderOptions, SessionOptions};
use amqp_proto::handler::{Context, Decision, LinkToken, ReceiverToken, SenderToken, SessionToken};
use amqp_proto::types::Limits;
use amqp_proto::wire::{AmqpError, Condition};
use amqp_proto::{LinkError, SendError, SessionError};

use crate::net::{Net, Noter, same};

type Kept<T> = Rc<RefCell<Vec<T>>>;

fn kept<T>() -> Kept<T> {
    Rc::new(RefCell::new(Vec::new()))
}

/// A handler that runs this when it is started.
fn starting(start: impl FnMut(&mut Context<'_>, ()) + 'static) -> Noter {
    Noter { start: Some(Box::new(start)), ..Noter::default() }
}

/// A client with a sender to `jobs`.
fn with_sender() -> Noter {
    starting(|cx, ()| {
        let connection = cx.connect("amqp://example.com");
        cx.create_sender(connection, "jobs");
    })
}

fn since(notes: &[String], from: &str) -> Vec<String> {
    notes.iter().skip_while(|note| *note != from).skip(1).cloned().collect()
}

/// Links created before the connection is open are attached when it opens, in order, under the same keys, with the
/// requested addresses.
#[test]
fn links_may_be_created_before_the_connection_is_open() {
    let created = kept::<LinkToken>();
    let (create, opened) = (created.clone(), kept::<LinkToken>());
    let open = opened.clone();
    let addresses = kept();
    let found = addresses.clone();
    let mut net = Net::new(
        starting(move |cx, ()| {
            let connection = cx.connect("amqp://example.com");
            let sender = cx.create_sender(connection, "jobs");
            assert_eq!(cx.try_send(sender, "too early"), Err(SendError::Detached));
            assert_eq!(cx.connection_of(sender), Ok(connection));
            assert!(cx.sender(sender).is_err() && cx.connection(connection).is_err());
            let receiver = cx.create_receiver(connection, "answers");
            create.borrow_mut().extend([LinkToken::from(sender), receiver.into()]);
        }),
        Noter {
            link_opened: Some(Box::new(move |cx, link| {
                let address = match link {
                    LinkToken::Sender(sender) => cx.source_address(sender),
                    LinkToken::Receiver(receiver) => cx.target_address(receiver),
                };
                found.borrow_mut().push(address.unwrap());
            })),
            ..Noter::default()
        },
    );
    net.clients.link_opened = Some(Box::new(move |_, link| open.borrow_mut().push(link)));
    net.drive();
    assert_eq!(created.borrow().len(), 2);
    same(&*opened.borrow(), &*created.borrow());
    same(&*addresses.borrow(), &["jobs", "answers"]);
    // All links without a session of their own share one; a link created now is attached at once.
    let connection = *net.joined.keys().next().unwrap();
    net.client.with(net.now, |cx| {
        let sender = cx.create_sender(connection, "jobs");
        assert!(cx.sender(sender).is_ok());
    });
    net.drive();
    assert_eq!((net.servers.count("session_offered"), net.servers.count("link_opened")), (1, 3));
}

/// A receiver of a dynamic node learns the node's address, for use as reply-to.
#[test]
fn a_dynamic_node_has_an_address() {
    use amqp_proto::wire::Source;
    let address = kept();
    let found = address.clone();
    let clients = Noter {
        link_opened: Some(Box::new(move |cx, link| {
            found.borrow_mut().push(cx.source_address(link).unwrap())
        })),
        ..starting(|cx, ()| {
            let connection = cx.connect("amqp://example.com");
            cx.create_receiver_with(connection, "answers", ReceiverOptions::from_dynamic());
        })
    };
    let servers = Noter {
        sender_offered: Some(Box::new(|cx, sender: SenderToken| {
            assert!(cx.sender(sender).unwrap().peer_attach().unwrap().source.unwrap().dynamic);
            assert_eq!(cx.source_address(sender), None);
            let source = Source { dynamic: true, ..Source::at("temporary-1") };
            Decision::Accept(SenderOptions::new().with_source(source))
        })),
        ..Noter::default()
    };
    Net::new(clients, servers).drive();
    same(&*address.borrow(), &["temporary-1"]);
}

/// A link refused by the handler: the peer gets the reason, and the handler no further callback.
#[test]
fn links_are_refused() {
    let servers = Noter {
        receiver_offered: Some(Box::new(|cx, receiver: ReceiverToken| {
            let address = cx.target_address(receiver).unwrap();
            Decision::Refuse(AmqpError::new(Condition::NotFound).with_description(format!("no {address}")))
        })),
        ..Noter::default()
    };
    let mut net = Net::new(with_sender(), servers);
    net.drive();
    same(
        &since(&net.clients.notes, "session_opened"),
        &["link_error Remote amqp:not-found", "link_closed Remote amqp:not-found"],
    );
    assert_eq!(net.servers.notes.last().unwrap(), "receiver_offered");

    let servers = Noter {
        sender_offered: Some(Box::new(|_, _| Decision::Refuse(AmqpError::new(Condition::NotAllowed)))),
        ..Noter::default()
    };
    let clients = starting(|cx, ()| {
        let connection = cx.connect("amqp://example.com");
        cx.create_receiver(connection, "jobs");
    });
    let mut net = Net::new(clients, servers);
    net.drive();
    assert_eq!(net.clients.count("link_error"), 1);
    assert_eq!(net.servers.notes.last().unwrap(), "sender_offered");
}

/// S-BEG-11: a refused session takes the links with it that are being attached.
#[test]
fn sessions_are_refused() {
    let servers = Noter {
        session_offered: Some(Box::new(|_, _| Decision::Refuse(AmqpError::new(Condition::NotAllowed)))),
        ..Noter::default()
    };
    let mut net = Net::new(with_sender(), servers);
    net.drive();
    let told = since(&net.clients.notes, "session_opened");
    same(
        &told,
        &[
            "link_error Remote amqp:not-allowed",
            "link_closed Remote amqp:not-allowed",
            "session_error Remote amqp:not-allowed",
            "session_closed Remote amqp:not-allowed",
        ],
    );
    assert_eq!(net.servers.notes.last().unwrap(), "session_offered");
    // The next link begins a new session.
    net.servers.session_offered = None;
    let connection = *net.joined.keys().next().unwrap();
    net.client.with(net.now, |cx| cx.create_sender(connection, "jobs"));
    net.drive();
    assert_eq!(net.clients.count("link_opened"), 1);
}

/// A decision can be made later, with the same effects.
#[test]
fn decisions_may_wait() {
    let (sessions, links) = (kept::<SessionToken>(), kept::<LinkToken>());
    let (session, sender, receiver) = (sessions.clone(), links.clone(), links.clone());
    let servers = Noter {
        session_offered: Some(Box::new(move |_, key| {
            session.borrow_mut().push(key);
            Decision::Later
        })),
        sender_offered: Some(Box::new(move |_, key| {
            sender.borrow_mut().push(key.into());
            Decision::Later
        })),
        receiver_offered: Some(Box::new(move |_, key| {
            receiver.borrow_mut().push(key.into());
            Decision::Later
        })),
        ..Noter::default()
    };
    let clients = starting(|cx, ()| {
        let connection = cx.connect("amqp://example.com");
        for address in ["a", "b"] {
            cx.create_sender(connection, address);
            cx.create_receiver(connection, address);
        }
    });
    let mut net = Net::new(clients, servers);
    net.drive();
    assert_eq!((net.clients.count("session_opened"), net.servers.count("session_opened")), (0, 0));
    let now = net.now;
    net.server.with(now, |cx| cx.accept_session(sessions.borrow()[0], SessionOptions::new())).unwrap();
    net.drive();
    assert_eq!((net.clients.count("session_opened"), net.servers.count("session_opened")), (1, 1));
    assert_eq!((links.borrow().len(), net.clients.count("link_opened")), (4, 0));
    for (at, link) in links.borrow().iter().enumerate() {
        net.server.with(now, |cx| match *link {
            _ if at >= 2 => cx.close_link_with(*link, AmqpError::new(Condition::NotFound)).unwrap(),
            LinkToken::Sender(sender) => cx.accept_sender(sender, SenderOptions::new()).unwrap(),
            LinkToken::Receiver(receiver) => cx.accept_receiver(receiver, ReceiverOptions::new()).unwrap(),
        });
    }
    net.drive();
    assert_eq!((net.clients.count("link_opened"), net.servers.count("link_opened")), (2, 2));
    assert_eq!((net.clients.count("link_error"), net.servers.count("link_error")), (2, 0));
    // Too late for this session.
    let again = net.server.with(now, |cx| cx.accept_session(sessions.borrow()[0], SessionOptions::new()));
    assert_eq!(again, Err(SessionError::NotOffered));
}

/// An end made by the handler is reported as closed without an error; the peer gets the error before the end.
#[test]
fn closing_is_reported_at_both_ends() {
    let mut net = Net::new(with_sender(), Noter::default());
    let links = kept::<LinkToken>();
    let link = links.clone();
    net.clients.link_opened = Some(Box::new(move |_, key| link.borrow_mut().push(key)));
    let sessions = kept::<SessionToken>();
    let session = sessions.clone();
    net.clients.session_opened = Some(Box::new(move |_, key| session.borrow_mut().push(key)));
    net.drive();
    let (now, link, session) = (net.now, links.borrow()[0], sessions.borrow()[0]);
    let error = || AmqpError::new(Condition::ResourceDeleted);
    net.clients.take();
    net.servers.take();

    net.client.with(now, |cx| cx.close_link_with(link, error())).unwrap();
    net.drive();
    same(&net.clients.take(), &["link_closed Local amqp:resource-deleted"]);
    same(
        &net.servers.take(),
        &["link_error Remote amqp:resource-deleted", "link_closed Remote amqp:resource-deleted"],
    );
    net.client.with(now, |cx| {
        assert_eq!(cx.close_link(link), Err(LinkError::Detached));
        let LinkToken::Sender(sender) = link else { panic!() };
        assert_eq!(cx.send(sender, "late"), Err(SendError::Detached));
        assert!(cx.connection_of(link).is_err());
        cx.close_session_with(session, error()).unwrap();
    });
    net.drive();
    same(&net.clients.take(), &["session_closed Local amqp:resource-deleted"]);
    same(
        &net.servers.take(),
        &["session_error Remote amqp:resource-deleted", "session_closed Remote amqp:resource-deleted"],
    );
    net.client.with(now, |cx| {
        assert_eq!(cx.close_session(session), Err(SessionError::Ended));
        assert!(cx.close_connection_with(session.connection(), error()));
        assert!(!cx.close_connection(session.connection()));
    });
    net.drive();
    same(&net.clients.take(), &["connection_closed Local amqp:resource-deleted"]);
    same(
        &net.servers.take(),
        &["connection_error Remote amqp:resource-deleted", "connection_closed Remote amqp:resource-deleted"],
    );
    assert!(net.joined.is_empty() && net.client.is_finished() && net.server.is_finished());
    net.client.with(now, |cx| assert!(!cx.close_connection(session.connection())));
}

/// A broken connection ends everything on it, with one callback each, deliveries included.
#[test]
fn a_broken_transport_takes_all_along() {
    let clients = Noter {
        sendable: Some(Box::new(|cx, sender| {
            cx.send(sender, "job").unwrap();
        })),
        ..with_sender()
    };
    let servers = Noter {
        receiver_offered: Some(Box::new(|_, _| {
            Decision::Accept(ReceiverOptions::new().with_auto_accept(false))
        })),
        ..Noter::default()
    };
    let mut net = Net::new(clients, servers);
    net.drive();
    net.clients.take();
    net.cut(*net.joined.keys().next().unwrap());
    net.drive();
    let why = "Transport";
    let ends = [
        "link_error",
        "link_closed",
        "session_error",
        "session_closed",
        "transport_error",
        "connection_closed",
    ];
    let mut told = vec!["lost delivery 0 None".to_string()];
    told.extend(ends.iter().map(|end| format!("{end} {why}")));
    same(&net.clients.notes, &told);
    assert_eq!(net.servers.count("lost"), 1);
    assert!(net.client.is_finished());
}

/// A connection that cannot be made is reported, and ends the links that wait for it. The same holds for one closed
/// before.
#[test]
fn a_connection_that_is_never_made() {
    let clients = starting(|cx, ()| {
        let connection = cx.connect("gopher://example.com");
        cx.create_receiver(connection, "jobs");
    });
    let mut net = Net::new(clients, Noter::default());
    net.drive();
    net.client.dispatch(net.now, &mut net.clients);
    let why = "Transport";
    let ends = ["link_error", "link_closed", "transport_error", "connection_closed"];
    same(&net.clients.notes[1..].to_vec(), &ends.map(|end| format!("{end} {why}")));
    assert!(net.client.is_finished());

    let clients = starting(|cx, ()| {
        let connection = cx.connect("amqp://example.com");
        cx.create_receiver(connection, "jobs");
        assert!(cx.close_connection(connection));
        assert!(!cx.close_connection(connection));
    });
    let mut net = Net::new(clients, Noter::default());
    net.drive();
    same(&net.clients.notes, &["start", "link_closed Local", "connection_closed Local"]);
    assert!(net.joined.is_empty() && net.client.is_finished());
}

/// A link that cannot be attached is reported as an error, once, whatever the reason.
#[test]
fn links_that_cannot_be_attached() {
    let mut net = Net::new(
        starting(|cx, ()| {
            let connection = cx.connect("amqp://example.com");
            for _ in 0..2 {
                cx.create_sender_with(connection, "the same", SenderOptions::to("jobs"));
            }
            let gone = cx.create_sender(connection, "never");
            cx.close_link(gone).unwrap();
            assert_eq!(cx.close_link(gone), Err(LinkError::Detached));
        }),
        Noter::default(),
    );
    net.drive();
    assert_eq!(net.clients.count("link_opened"), 1);
    let errors: Vec<_> = net.clients.notes.iter().filter(|note| note.starts_with("link_")).collect();
    same(
        &errors,
        &[
            "link_closed Local",
            "link_error Local amqp:resource-locked",
            "link_closed Local amqp:resource-locked",
            "link_opened",
        ],
    );
    net.clients.take();
    // The same on a connection or a session that is over.
    let connection = *net.joined.keys().next().unwrap();
    net.client.with(net.now, |cx| {
        let session = cx.create_session(connection, SessionOptions::new()).unwrap();
        cx.close_session(session).unwrap();
        cx.create_sender_on(session, "late", SenderOptions::to("jobs"));
        cx.close_connection(connection);
        cx.create_receiver(connection, "late");
        assert_eq!(cx.create_session(connection, SessionOptions::new()), Err(SessionError::NotOpen));
    });
    net.drive();
    net.client.with(net.now, |cx| cx.create_receiver(connection, "much later"));
    net.drive();
    assert_eq!(net.clients.count("link_error"), 3, "{:?}", net.clients.notes);
    assert!(net.client.is_finished());
}

/// A handler that retries at once, forever, does not block a dispatch.
#[test]
fn trying_again_forever_leaves_the_container_alive() {
    let mut net = Net::new(
        starting(|cx, ()| {
            let connection = cx.connect("amqp://example.com");
            cx.close_connection(connection);
        }),
        Noter::default(),
    );
    net.clients.closed = Some(Box::new(|cx, connection| {
        cx.create_sender(connection, "jobs");
    }));
    net.clients.link_closed = Some(Box::new(|cx, link| {
        let connection = cx.connection_of(link).unwrap();
        cx.create_sender(connection, "jobs");
    }));
    for times in 0..5 {
        net.client.dispatch(net.now, &mut net.clients);
        assert_eq!(net.clients.count("link_closed"), times);
        assert_eq!(net.client.next_deadline(), Some(net.now));
    }
}

/// L-DET-01, L-DET-03: a detached link that is attached again keeps its key.
#[test]
fn a_detached_link_keeps_its_key_when_attached_again() {
    let mut net = Net::new(
        starting(|cx, ()| {
            let connection = cx.connect("amqp://example.com");
            cx.create_sender_with(connection, "mine", SenderOptions::to("jobs"));
        }),
        Noter::default(),
    );
    let links = kept::<LinkToken>();
    let link = links.clone();
    net.clients.link_opened = Some(Box::new(move |_, key| link.borrow_mut().push(key)));
    let offers = kept::<ReceiverToken>();
    let offer = offers.clone();
    net.servers.receiver_offered = Some(Box::new(move |_, key| {
        offer.borrow_mut().push(key);
        Decision::Accept(ReceiverOptions::new())
    }));
    net.drive();
    let connection = *net.joined.keys().next().unwrap();
    for _ in 0..3 {
        let link = links.borrow()[0];
        net.client.with(net.now, |cx| cx.detach_link(link)).unwrap();
        net.drive();
        let again = net
            .client
            .with(net.now, |cx| cx.create_sender_with(connection, "mine", SenderOptions::to("jobs")));
        assert_eq!(LinkToken::from(again), link);
        net.drive();
    }
    assert_eq!((net.clients.count("link_detached"), net.clients.count("link_opened")), (3, 4));
    assert!(offers.borrow().iter().all(|key| *key == offers.borrow()[0]) && offers.borrow().len() == 4);
    assert_eq!(net.clients.count("link_closed") + net.servers.count("link_closed"), 0);
}

/// Threat D08: links that are detached for ever do not pile up.
#[test]
fn suspended_links_are_forgotten() {
    let mut net = Net::new(with_sender(), Noter::default());
    net.options = || Options::new("server").with_limits(Limits::DEFAULT.with_suspended_links(4));
    net.drive();
    let connection = *net.joined.keys().next().unwrap();
    let mut keys = Vec::new();
    for number in 0..200 {
        let link = net.client.with(net.now, |cx| {
            cx.create_sender_with(connection, format!("link {number}"), SenderOptions::to("jobs"))
        });
        net.drive();
        net.client.with(net.now, |cx| cx.detach_link(link)).unwrap();
        net.drive();
        keys.push(link);
    }
    assert_eq!(net.servers.count("link_detached"), 200);
    let known =
        keys.iter().filter(|key| net.client.with(net.now, |cx| cx.connection_of(**key)).is_ok()).count();
    assert!(known <= 65, "{known}");
}

/// No link is attached after the close of its connection.
#[test]
fn nothing_is_attached_behind_a_close() {
    let clients = Noter {
        session_opened: Some(Box::new(|cx, session| {
            cx.connection(session.connection()).unwrap().close();
            let mut view = cx.session(session).unwrap();
            let refused = view.attach_sender("late", SenderOptions::to("jobs"));
            assert_eq!(refused, Err(LinkError::NoSession));
        })),
        ..with_sender()
    };
    let mut net = Net::new(clients, Noter::default());
    net.drive();
    assert_eq!(net.clients.count("connection_closed"), 1);
}
