//! Waiters that write output themselves, in place of the driver, which is not woken for it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{ErrorKind, Result};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use amqp_proto::client::{ConnectionOptions, Host, Outgoing, Peer, ReceiverSettings, SenderSettings};
use amqp_proto::config::{Options, ReceiverOptions, SenderOptions, SessionOptions};
use amqp_proto::driver::{
    Clock, Connection, Hub, HubOptions, Queued, Receiver, ReceiverSet, Sender, Sent, Wake, WriteBuffer,
    WriteHere,
};
use amqp_proto::sasl::TransportSecurity;
use amqp_proto::types::{LinkKey, Moment, SenderKey};
use amqp_proto::wire::Outcome;
use amqp_proto::{Connection as Engine, Event};

/// A task or a driver: counts how often it is woken.
#[derive(Debug, Clone, Default)]
struct Waiter(Arc<AtomicU32>);

impl Waiter {
    /// Returns how often it was woken since the last call.
    fn wakes(&self) -> u32 {
        self.0.swap(0, Ordering::Relaxed)
    }
}

impl Wake for Waiter {
    fn wake(self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn will_wake(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// The socket: takes octets while it has room, and runs work during its next write.
#[derive(Default)]
struct Socket {
    written: Vec<u8>,
    writes: u32,
    room: Option<usize>,
    is_broken: bool,
    /// The number of writes that a signal interrupts.
    interruptions: u32,
    meanwhile: Option<Box<dyn FnMut() + Send>>,
}

fn write(socket: &Mutex<Socket>, buffer: &mut WriteBuffer) -> Result<()> {
    let meanwhile = socket.lock().unwrap().meanwhile.take();
    if let Some(mut meanwhile) = meanwhile {
        meanwhile();
        socket.lock().unwrap().meanwhile.get_or_insert(meanwhile);
    }
    let mut socket = socket.lock().unwrap();
    socket.writes += 1;
    if socket.is_broken {
        return Err(ErrorKind::BrokenPipe.into());
    }
    buffer.write_with(|slices| {
        if socket.interruptions > 0 {
            socket.interruptions -= 1;
            return Err(ErrorKind::Interrupted.into());
        }
        let octets = slices.iter().flat_map(|slice| slice.to_vec()).collect::<Vec<_>>();
        let room = socket.room.unwrap_or(octets.len()).min(octets.len());
        socket.room = socket.room.map(|all| all - room);
        socket.written.extend_from_slice(&octets[..room]);
        if room > 0 { Ok(room) } else { Err(ErrorKind::WouldBlock.into()) }
    })?;
    buffer.flushed();
    Ok(())
}

/// A client whose driver the test plays, and a server.
struct World {
    hub: Arc<Hub<Waiter>>,
    connection: Connection<Waiter>,
    driver: Waiter,
    task: Waiter,
    socket: Arc<Mutex<Socket>>,
    server: Engine,
    /// The server's end of the link on which it sends.
    sending: Option<SenderKey>,
}

impl World {
    fn new() -> Self {
        let options = ConnectionOptions::new().without_sasl();
        let host = Host::new(|_| Ok(()), |_| None, |_| {});
        let engine = options.client(&host, &Peer::new(TransportSecurity::Clear), Moment::START).unwrap();
        let socket = Arc::new(Mutex::new(Socket::default()));
        let clock = Clock::new(|| Moment::START);
        let mut hub_options = HubOptions::new(clock, "test".into(), &options);
        let here = Arc::clone(&socket);
        hub_options.write_here = Some(WriteHere::new(move |buffer| write(&here, buffer)));
        let hub = Hub::new(engine, hub_options);
        let server = Engine::server(Options::new("server"), Moment::START);
        let connection = Connection::new(Arc::clone(&hub));
        Self {
            hub,
            connection,
            driver: Waiter::default(),
            task: Waiter::default(),
            socket,
            server,
            sending: None,
        }
    }

    /// Lets the server read and answer; its answer is returned.
    fn answer(&mut self) -> Vec<u8> {
        let written = std::mem::take(&mut self.socket.lock().unwrap().written);
        self.server.receive(Moment::START, &written);
        while let Some(event) = self.server.poll_event() {
            match event {
                Event::SessionOffered(key) => {
                    self.server.session(key).unwrap().accept(SessionOptions::new()).unwrap();
                }
                Event::LinkOffered(LinkKey::Receiver(key)) => {
                    let options = ReceiverOptions::new().with_prefetch(100);
                    self.server.receiver(key).unwrap().accept_link(options).unwrap();
                }
                Event::LinkOffered(LinkKey::Sender(key)) => {
                    self.server.sender(key).unwrap().accept_link(SenderOptions::new()).unwrap();
                    self.sending = Some(key);
                }
                Event::Message { receiver, .. } => {
                    let mut receiver = self.server.receiver(receiver).unwrap();
                    while let Some(delivery) = receiver.receive() {
                        receiver.accept(delivery.key()).unwrap();
                    }
                }
                _ => {}
            }
        }
        let mut output = self.server.output();
        let octets = bytes::Buf::remaining(&output);
        bytes::Buf::copy_to_bytes(&mut output, octets).to_vec()
    }

    /// Runs the driver until there is nothing to do, and lets it sleep.
    fn drive(&mut self) {
        loop {
            let taken = self.hub.drive(|state| {
                state.run();
                state.take_outlet()
            });
            if let Some(mut buffer) = taken {
                let written = write(&self.socket, &mut buffer);
                self.hub.drive(|state| state.put_back(buffer, written.err()));
            }
            let answer = self.answer();
            if answer.is_empty() && !self.hub.drive(|state| state.has_output()) {
                break;
            }
            self.hub.drive(|state| state.receive(&answer));
        }
        self.sleep();
    }

    /// Lets the driver sleep; from now on wakes and writes are counted.
    fn sleep(&mut self) {
        self.hub.drive(|state| state.sleep(&self.driver, None));
        let _ = (self.driver.wakes(), self.task.wakes());
        self.socket.lock().unwrap().writes = 0;
    }

    fn sender(&mut self) -> Sender<Waiter> {
        let sender =
            Sender::attach(&Connection::home(&self.connection), &SenderSettings::to("jobs")).unwrap();
        self.drive();
        sender
    }

    fn receiver(&mut self) -> (Receiver<Waiter>, SenderKey) {
        let home = Connection::home(&self.connection);
        let receiver = Receiver::attach(&home, &ReceiverSettings::from("jobs")).unwrap();
        self.drive();
        (receiver, self.sending.unwrap())
    }

    /// Lets the server send a message on each of these links.
    fn deliver(&mut self, links: &[SenderKey]) {
        for link in links {
            self.server.sender(*link).unwrap().send("job").unwrap();
        }
        let octets = self.answer();
        self.hub.drive(|state| state.receive(&octets));
    }

    /// Sends a message as `Sender::send` does: it waits for the outcome at once.
    fn send(&self, sender: &Sender<Waiter>) -> Sent<Waiter> {
        let Queued::Sent(sent) = Sender::queue_and_wait(sender, "job").unwrap() else {
            panic!("there is credit")
        };
        assert!(Sent::poll_outcome(&sent, &self.task).is_pending());
        sent
    }

    fn writes(&self) -> u32 {
        std::mem::take(&mut self.socket.lock().unwrap().writes)
    }
}

#[test]
fn a_task_that_waits_for_an_outcome_writes_the_message() {
    let mut world = World::new();
    let sender = world.sender();
    let sent = world.send(&sender);
    assert_eq!((world.writes(), world.driver.wakes()), (1, 0));
    let answer = world.answer();
    world.hub.drive(|state| state.receive(&answer));
    assert_eq!(world.task.wakes(), 1);
    assert_eq!(Sent::try_outcome(&sent).unwrap(), Some(Outcome::Accepted));
}

/// A write that a signal interrupts is tried again, as `std::io::Write::write_all` does.
#[test]
fn an_interrupted_write_is_tried_again() {
    let mut world = World::new();
    let sender = world.sender();
    world.socket.lock().unwrap().interruptions = 2;
    let sent = world.send(&sender);
    assert_eq!((world.writes(), world.driver.wakes()), (1, 0));
    let answer = world.answer();
    world.hub.drive(|state| state.receive(&answer));
    assert_eq!(Sent::try_outcome(&sent).unwrap(), Some(Outcome::Accepted));
}

#[test]
fn output_that_no_task_waits_for_is_left_to_the_driver() {
    let mut world = World::new();
    let sender = world.sender();
    assert!(matches!(Sender::queue(&sender, "job").unwrap(), Queued::Sent(_)));
    assert_eq!((world.writes(), world.driver.wakes()), (0, 1));
}

/// A message that is sent settled has no outcome, so no wait follows that could write it.
#[test]
fn a_settled_message_is_left_to_the_driver() {
    let mut world = World::new();
    let sender = world.sender();
    let message = Outgoing::from("job").with_settled(true);
    let queued = Sender::queue_and_wait(&sender, message).unwrap();
    assert!(matches!(queued, Queued::Sent(sent) if sent.is_settled()));
    assert_eq!((world.writes(), world.driver.wakes()), (0, 1));
}

/// A driver that is awake collects the output of several tasks.
#[test]
fn a_task_does_not_write_while_the_driver_is_awake() {
    let mut world = World::new();
    let sender = world.sender();
    world.hub.drive(|state| state.run());
    let _sent = world.send(&sender);
    assert_eq!((world.writes(), world.driver.wakes()), (0, 0));
    assert!(world.hub.drive(|state| state.has_output()));
}

#[test]
fn octets_that_a_task_cannot_write_at_once_are_left_to_the_driver() {
    let mut world = World::new();
    let sender = world.sender();
    world.socket.lock().unwrap().room = Some(10);
    let sent = world.send(&sender);
    assert_eq!((world.writes(), world.driver.wakes()), (1, 1));
    let _second = world.send(&sender);
    assert_eq!(world.writes(), 0, "the first message comes before it");
    world.socket.lock().unwrap().room = None;
    world.drive();
    assert_eq!(Sent::try_outcome(&sent).unwrap(), Some(Outcome::Accepted));
}

#[test]
fn a_write_that_fails_wakes_the_driver() {
    let mut world = World::new();
    let sender = world.sender();
    world.socket.lock().unwrap().is_broken = true;
    let _sent = world.send(&sender);
    assert_eq!((world.writes(), world.driver.wakes()), (1, 1));
    assert!(world.hub.drive(|state| state.is_broken()));
    let _second = world.send(&sender);
    assert_eq!(world.writes(), 0, "the transport accepts no more output");
}

/// Output that others queue while a task writes is written after it, and the driver is woken at last.
#[test]
fn output_that_is_queued_meanwhile_is_not_forgotten() {
    for endless in [false, true] {
        let mut world = World::new();
        let sender = world.sender();
        let other = sender.clone();
        let mut left = if endless { u32::MAX } else { 1 };
        world.socket.lock().unwrap().meanwhile = Some(Box::new(move || {
            if left > 0 {
                left -= 1;
                assert!(matches!(Sender::queue(&other, "other").unwrap(), Queued::Sent(_)));
            }
        }));
        let _sent = world.send(&sender);
        let seen = (world.writes(), world.driver.wakes());
        assert_eq!(seen, if endless { (8, 1) } else { (2, 0) });
    }
}

/// The sender may wait for the outcome of the last message at hand; those of earlier ones are written together.
#[test]
fn the_outcome_of_the_last_message_at_hand_is_written_at_once() {
    let mut world = World::new();
    let (receiver, peer) = world.receiver();
    for count in [1, 3] {
        for _ in 0..count {
            world.server.sender(peer).unwrap().send("job").unwrap();
        }
        let octets = world.answer();
        world.hub.drive(|state| state.receive(&octets));
        world.sleep();
        for left in (0..count).rev() {
            receiver.try_recv().unwrap().unwrap().accept().unwrap();
            let is_alone = count == 1;
            let wakes = u32::from(!is_alone && left == 2);
            assert_eq!(
                (world.writes(), world.driver.wakes()),
                (u32::from(is_alone), wakes),
                "{left} of {count}"
            );
        }
        world.drive();
        assert_eq!(world.server.sender(peer).unwrap().unsettled_len(), 0);
    }
}

/// A set that was woken for two messages takes one. Another task that waits for the other message is woken for it.
#[test]
fn a_set_of_receivers_passes_on_what_it_does_not_take() {
    let mut world = World::new();
    let (first, to_first) = world.receiver();
    let (second, to_second) = world.receiver();
    let (task, other) = (Waiter::default(), Waiter::default());
    let mut set = ReceiverSet::default();
    set.insert(1, &first);
    set.insert(2, &second);
    let mut turn = ReceiverSet::turn(&mut set);
    assert!(turn.poll(&task).is_pending());
    let mut next = Receiver::next(&second);
    assert!(next.poll(&other).is_pending());
    world.deliver(&[to_first, to_second]);
    assert_eq!((task.wakes(), other.wakes()), (2, 0));
    assert!(matches!(turn.poll(&task), Poll::Ready(Some((1, Ok(_))))));
    drop(turn);
    assert_eq!(other.wakes(), 1);
    assert!(matches!(next.poll(&other), Poll::Ready(Some(Ok(_)))));
}

/// A set that no longer waits takes no message, and no turn.
#[test]
fn a_set_of_receivers_that_is_dropped_takes_nothing() {
    for drops_set in [false, true] {
        let mut world = World::new();
        let (first, to_first) = world.receiver();
        let (second, _) = world.receiver();
        let (task, other) = (Waiter::default(), Waiter::default());
        let mut set = ReceiverSet::default();
        set.insert("first", &first);
        set.insert("second", &second);
        let mut turn = ReceiverSet::turn(&mut set);
        assert!(turn.poll(&task).is_pending());
        let mut next = Receiver::next(&first);
        assert!(next.poll(&other).is_pending());
        world.deliver(&[to_first]);
        assert_eq!((task.wakes(), other.wakes()), (1, 0));
        drop(turn);
        if drops_set {
            drop(set);
        }
        assert_eq!(other.wakes(), 1, "the message is passed on");
        assert!(matches!(next.poll(&other), Poll::Ready(Some(Ok(_)))));
        world.deliver(&[to_first]);
        assert_eq!(task.wakes(), 0);
    }
}

/// A transport that is lost takes none of the output, so that a sender that waited for that would wait for ever.
#[test]
fn a_send_after_the_end_fails_although_output_is_left() {
    let mut world = World::new();
    let sender = world.sender();
    world.socket.lock().unwrap().room = Some(0);
    while !matches!(Sender::queue(&sender, vec![0; 10_000]).unwrap(), Queued::Waiting(_)) {}
    world.hub.drive(|state| state.end_of_input(None));
    assert!(world.hub.drive(|state| state.is_over() && state.has_output()));
    assert!(Sender::queue(&sender, "late").is_err());
    assert!(matches!(Sender::sendable(&sender).poll(&world.task), Poll::Ready(Err(_))));
}

/// A task that stops a receiver which another one is stopping waits for the sender's answer, too.
#[test]
fn two_stops_end_with_the_answer_of_the_sender() {
    let mut world = World::new();
    let (receiver, _) = world.receiver();
    let mut stops =
        [Receiver::stop_before_close(&receiver).unwrap(), Receiver::stop_before_close(&receiver).unwrap()];
    let tasks = [Waiter::default(), Waiter::default()];
    for (stop, task) in stops.iter_mut().zip(&tasks) {
        assert!(stop.poll(task).is_pending());
    }
    world.drive();
    for (stop, task) in stops.iter_mut().zip(&tasks) {
        assert!(task.wakes() > 0);
        assert!(matches!(stop.poll(task), Poll::Ready(Ok(()))));
    }
}

/// Credit takes a stop back, which then waits for no answer.
#[test]
fn a_stop_ends_with_the_next_credit() {
    let mut world = World::new();
    let (receiver, _) = world.receiver();
    let mut stop = Receiver::stop_before_close(&receiver).unwrap();
    assert!(stop.poll(&world.task).is_pending());
    receiver.set_credit(5).unwrap();
    assert_eq!(world.task.wakes(), 1);
    assert!(matches!(stop.poll(&world.task), Poll::Ready(Ok(()))));
}
