//! The hub and its waiters under many orders of turns, which shuttle chooses: no wake-up is lost, no message is taken twice,
//! and every wait ends.
//!
//! The hub is as it is in a program, and two threads move octets as those of this adapter do. The hub's lock is held only for
//! calls into the engine; nothing waits, writes or wakes a thread under it. So the threads here give way between these calls:
//! where a thread parks, wakes another one, reads or writes. A wake-up that is lost is a deadlock, which shuttle reports with
//! the turns that lead to it.
//!
//! `AMQP_INTERLEAVINGS=20000 cargo test --release -p amqp-blocking --test interleavings` plays more orders.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::io::{ErrorKind, Result};
use std::sync::Arc;
use std::task::Poll;

use amqp_proto::client::{
    ConnectionOptions, Error, Host, Peer, ReceiverSettings, Result as ClientResult, SenderSettings,
};
use amqp_proto::config::{Options, ReceiverOptions, SenderOptions, SessionOptions};
use amqp_proto::driver::{
    Clock, Connection, Delivery, Hub, HubOptions, Queued, Receiver, Sender, Sent, Try, Wait, Wake,
    WriteBuffer, WriteHere,
};
use amqp_proto::sasl::TransportSecurity;
use amqp_proto::types::{LinkKey, Moment, SenderKey};
use amqp_proto::wire::Outcome;
use amqp_proto::{Connection as Engine, Event, Reading};
use bytes::Buf;
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::sync::{Condvar, Mutex};
use shuttle::thread::{self, JoinHandle, Thread};
use shuttle::{Config, Runner};

/// The stack of a thread.
const STACK: usize = 1 << 20;
/// The most octets on the way to the server. A thread that writes more waits.
const ROOM: usize = 300;

/// Plays a scenario in many orders of turns: at random, and with few changes of thread at the worst places.
fn explore(scenario: fn(bool)) {
    let orders = std::env::var("AMQP_INTERLEAVINGS").map_or(150, |orders| orders.parse().unwrap());
    for (beside_driver, seed) in [(true, 1), (false, 2)] {
        let mut config = Config::new();
        config.stack_size = STACK;
        config.silence_warnings = true;
        let play = move || scenario(beside_driver);
        Runner::new(RandomScheduler::new_from_seed(seed, orders), config.clone()).run(play);
        Runner::new(PctScheduler::new_from_seed(seed, 3, orders), config).run(play);
    }
}

/// A thread that waits.
#[derive(Debug, Clone)]
struct Waiter(Thread);

impl Wake for Waiter {
    fn wake(self) {
        self.0.unpark();
    }

    fn will_wake(&self, other: &Self) -> bool {
        self.0.id() == other.0.id()
    }
}

fn parked<R>(mut poll: impl FnMut(&Waiter) -> Poll<R>) -> R {
    let me = Waiter(thread::current());
    loop {
        thread::yield_now();
        if let Poll::Ready(ready) = poll(&me) {
            return ready;
        }
        thread::park();
    }
}

fn ready<R>(mut wait: Wait<'_, Waiter, impl Try<Waiter, R>>) -> R {
    parked(|me| wait.poll(me))
}

/// One direction of a stream in memory.
#[derive(Default)]
struct Pipe {
    flow: Mutex<Flow>,
    changed: Condvar,
}

#[derive(Default)]
struct Flow {
    octets: Vec<u8>,
    is_ended: bool,
}

impl Pipe {
    /// Waits for octets; none at the end.
    fn read(&self) -> Vec<u8> {
        let mut flow = self.flow.lock().unwrap();
        while flow.octets.is_empty() && !flow.is_ended {
            flow = self.changed.wait(flow).unwrap();
        }
        self.changed.notify_all();
        std::mem::take(&mut flow.octets)
    }

    /// Waits for room, and takes some octets.
    fn write(&self, octets: &[u8], room: usize) -> Result<usize> {
        let mut flow = self.flow.lock().unwrap();
        while flow.octets.len() >= room && !flow.is_ended {
            flow = self.changed.wait(flow).unwrap();
        }
        if flow.is_ended {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let taken = octets.len().min(room - flow.octets.len());
        flow.octets.extend_from_slice(&octets[..taken]);
        self.changed.notify_all();
        Ok(taken)
    }

    fn end(&self) {
        self.flow.lock().unwrap().is_ended = true;
        self.changed.notify_all();
    }
}

fn write(pipe: &Pipe, buffer: &mut WriteBuffer) -> Result<()> {
    buffer.write_with(|slices| {
        let octets: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        pipe.write(&octets, ROOM)
    })?;
    buffer.flushed();
    Ok(())
}

/// The thread that writes what no waiter writes.
fn write_out(hub: &Hub<Waiter>, pipe: &Pipe) {
    let me = Waiter(thread::current());
    loop {
        let has_output = hub.drive(|state| {
            state.run();
            state.has_output()
        });
        thread::yield_now();
        if has_output {
            hub.write_out();
        }
        if hub.drive(|state| state.is_through()) {
            break;
        }
        if !has_output {
            hub.drive(|state| state.sleep(&me, None));
            thread::park();
        }
    }
    pipe.end();
    hub.drive(|state| state.set_done());
}

/// The thread that reads.
fn read_in(hub: &Hub<Waiter>, pipe: &Pipe) {
    let me = Waiter(thread::current());
    loop {
        let octets = pipe.read();
        if octets.is_empty() {
            break;
        }
        loop {
            let is_taken = hub.drive(|state| {
                if state.reading() == Reading::Output {
                    state.sleep_reading(&me);
                    return false;
                }
                state.receive(&octets);
                true
            });
            if is_taken {
                break;
            }
            thread::park();
        }
    }
    hub.flush();
    hub.drive(|state| state.end_of_input(None));
}

/// The server: accepts everything, and sends messages with the numbers from 0. Returns the number of received messages.
fn serve(input: &Pipe, output: &Pipe, messages: u8) -> u32 {
    let mut engine = Engine::server(Options::new("server"), Moment::START);
    let (mut received, mut next) = (0, 0);
    let send = |engine: &mut Engine, key: SenderKey, next: &mut u8| {
        let mut sender = engine.sender(key).unwrap();
        while *next < messages && sender.send(vec![*next]).is_ok() {
            *next += 1;
        }
    };
    loop {
        let octets = input.read();
        if octets.is_empty() {
            engine.end_of_input();
        }
        engine.receive(Moment::START, &octets);
        while let Some(event) = engine.poll_event() {
            match event {
                Event::SessionOffered(key) => {
                    engine.session(key).unwrap().accept(SessionOptions::new()).unwrap();
                }
                Event::LinkOffered(LinkKey::Receiver(key)) => {
                    let options = ReceiverOptions::new().with_prefetch(2);
                    engine.receiver(key).unwrap().accept_link(options).unwrap();
                }
                Event::LinkOffered(LinkKey::Sender(key)) => {
                    engine.sender(key).unwrap().accept_link(SenderOptions::new()).unwrap();
                }
                Event::Sendable(key) => send(&mut engine, key, &mut next),
                Event::Message { receiver, .. } => {
                    let mut receiver = engine.receiver(receiver).unwrap();
                    while let Some(delivery) = receiver.receive() {
                        received += 1;
                        receiver.accept(delivery.key()).unwrap();
                    }
                }
                _ => {}
            }
        }
        let mut octets = engine.output();
        let count = octets.remaining();
        let octets = octets.copy_to_bytes(count);
        if !octets.is_empty() && output.write(&octets, usize::MAX).is_err() {
            engine.end_of_input();
        }
        if engine.is_over() {
            output.end();
            while !input.read().is_empty() {}
            return received;
        }
    }
}

/// A client, its threads, and a server that sends some messages.
struct World {
    connection: Connection<Waiter>,
    /// The octets from the server.
    input: Arc<Pipe>,
    movers: [JoinHandle<()>; 2],
    server: JoinHandle<u32>,
}

impl World {
    fn new(beside_driver: bool, messages: u8) -> Self {
        let options = ConnectionOptions::new().without_sasl();
        let host = Host::new(|_| Ok(()), |_| None, |_| {});
        let engine = options.client(&host, &Peer::new(TransportSecurity::Clear), Moment::START).unwrap();
        let (input, output) = (Arc::<Pipe>::default(), Arc::<Pipe>::default());
        let mut hub_options = HubOptions::new(Clock::new(|| Moment::START), "test".into(), &options);
        let here = Arc::clone(&output);
        let write_here = WriteHere::new(move |buffer| write(&here, buffer));
        hub_options.write_here = Some(if beside_driver { write_here.beside_driver() } else { write_here });
        let hub = Hub::new(engine, hub_options);
        let connection = Connection::new(Arc::clone(&hub));
        let (read_hub, read_pipe, write_pipe) = (Arc::clone(&hub), Arc::clone(&input), Arc::clone(&output));
        let movers = [
            thread::spawn(move || read_in(&read_hub, &read_pipe)),
            thread::spawn(move || write_out(&hub, &write_pipe)),
        ];
        let far = Arc::clone(&input);
        let server = thread::spawn(move || serve(&output, &far, messages));
        ready(Connection::opened(&connection)).unwrap();
        Self { connection, input, movers, server }
    }

    fn sender(&self) -> Sender<Waiter> {
        let home = Connection::home(&self.connection);
        let sender = Sender::attach(&home, &SenderSettings::to("jobs")).unwrap();
        ready(Sender::attached(&sender)).unwrap();
        sender
    }

    fn receiver(&self) -> Receiver<Waiter> {
        let home = Connection::home(&self.connection);
        let mut settings = ReceiverSettings::from("jobs");
        settings.options = ReceiverOptions::new().with_prefetch(2);
        let receiver = Receiver::attach(&home, &settings).unwrap();
        ready(Receiver::attached(&receiver)).unwrap();
        receiver
    }

    /// Waits for all threads. Returns the number of messages that the server has received.
    fn join(self) -> u32 {
        drop(self.connection);
        self.movers.into_iter().for_each(|mover| mover.join().unwrap());
        self.server.join().unwrap()
    }
}

/// Sends a message, and waits for its outcome.
fn send(sender: &Sender<Waiter>) -> ClientResult<Outcome> {
    let sent = match Sender::queue_and_wait(sender, "job")? {
        Queued::Sent(sent) => sent,
        Queued::Waiting(wait) => ready(wait)?,
    };
    parked(|me| Sent::poll_outcome(&sent, me))
}

/// Sends a message if that takes no wait, or only a short one. Returns how many it has sent.
fn send_or_leave(sender: &Sender<Waiter>) -> u32 {
    let me = Waiter(thread::current());
    let sent = match Sender::queue(sender, "job") {
        Ok(Queued::Sent(sent)) => Some(sent),
        Ok(Queued::Waiting(mut wait)) => {
            let mut polls = (0..2).map(|_| {
                thread::yield_now();
                wait.poll(&me)
            });
            polls.find_map(|poll| match poll {
                Poll::Ready(sent) => Some(sent.unwrap()),
                Poll::Pending => None,
            })
        }
        Err(error) => panic!("{error}"),
    };
    u32::from(sent.is_some())
}

/// More threads send than there is credit for; one of them leaves the line. All others have their turn, and each outcome
/// arrives.
#[test]
fn every_sender_has_its_turn() {
    explore(|beside_driver| {
        let world = World::new(beside_driver, 0);
        let sender = world.sender();
        let senders: [_; 3] = std::array::from_fn(|number| {
            let sender = sender.clone();
            thread::spawn(move || {
                if number == 0 {
                    return send_or_leave(&sender) + send_or_leave(&sender);
                }
                (0..2).for_each(|_| assert_eq!(send(&sender).unwrap(), Outcome::Accepted));
                2
            })
        });
        let sent: u32 = senders.into_iter().map(|sender| sender.join().unwrap()).sum();
        ready(Sender::written(&sender)).unwrap();
        drop(sender);
        ready(Connection::close(&world.connection)).unwrap();
        assert_eq!(world.join(), sent);
    });
}

/// Several threads receive on one link; one of them waits, and leaves. Each message is taken once.
#[test]
fn each_message_is_taken_once() {
    const MESSAGES: u8 = 5;
    explore(|beside_driver| {
        let world = World::new(beside_driver, MESSAGES);
        let receiver = world.receiver();
        let taken = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let take = move |delivery: Delivery<Waiter>, taken: &(Mutex<Vec<u8>>, Condvar)| {
            let number = delivery.message().unwrap().body().unwrap().as_bytes().unwrap()[0];
            delivery.accept().unwrap();
            taken.0.lock().unwrap().push(number);
            taken.1.notify_all();
        };
        let receivers: [_; 3] = std::array::from_fn(|number| {
            let (receiver, taken) = (receiver.clone(), Arc::clone(&taken));
            thread::spawn(move || {
                if number == 0 {
                    let me = Waiter(thread::current());
                    let mut wait = Receiver::recv(&receiver);
                    for _ in 0..2 {
                        if let Poll::Ready(delivery) = wait.poll(&me) {
                            return delivery.unwrap().into_iter().for_each(|delivery| take(delivery, &taken));
                        }
                        thread::yield_now();
                    }
                    return;
                }
                while let Ok(Some(delivery)) = ready(Receiver::recv(&receiver)) {
                    take(delivery, &taken);
                }
            })
        });
        let mut all = taken.0.lock().unwrap();
        while all.len() < usize::from(MESSAGES) {
            all = taken.1.wait(all).unwrap();
        }
        all.sort_unstable();
        assert_eq!(*all, (0..MESSAGES).collect::<Vec<_>>());
        drop(all);
        ready(Connection::close(&world.connection)).unwrap();
        receivers.into_iter().for_each(|receiver| receiver.join().unwrap());
        drop(receiver);
        world.join();
    });
}

/// Threads that send and receive until the end of the connection. Returns how many outcomes were accepted.
fn busy(world: &World) -> [JoinHandle<u32>; 3] {
    let (sender, receiver) = (world.sender(), world.receiver());
    let other = sender.clone();
    let send_on = |sender: Sender<Waiter>| {
        move || {
            let outcomes = (0..8).map_while(|_| send(&sender).ok());
            outcomes.map(|outcome| u32::from(outcome == Outcome::Accepted)).sum()
        }
    };
    [
        thread::spawn(send_on(sender)),
        thread::spawn(send_on(other)),
        thread::spawn(move || {
            while let Ok(Some(delivery)) = ready(Receiver::recv(&receiver)) {
                // The connection may end meanwhile.
                let _ = delivery.accept();
            }
            0
        }),
    ]
}

/// A close while threads send, wait for credit and outcomes, and receive: every wait ends, and no outcome is invented.
#[test]
fn a_close_ends_every_wait() {
    explore(|beside_driver| {
        let world = World::new(beside_driver, 4);
        let busy = busy(&world);
        ready(Connection::close(&world.connection)).unwrap();
        let accepted: u32 = busy.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert!(accepted <= world.join());
    });
}

/// The end of the stream while threads send, wait and receive: every wait ends with the reason.
#[test]
fn a_lost_stream_ends_every_wait() {
    explore(|beside_driver| {
        let world = World::new(beside_driver, 4);
        let busy = busy(&world);
        world.input.end();
        let accepted: u32 = busy.into_iter().map(|thread| thread.join().unwrap()).sum();
        let closed = ready(Connection::closed(&world.connection));
        let error = ready(Connection::close(&world.connection)).unwrap_err();
        assert!(closed.is_failure() && matches!(error, Error::Connection(_)), "{error:?}");
        assert!(accepted <= world.join());
    });
}

/// The last handles are dropped at once by several threads: the connection is closed, and what was sent arrives.
#[test]
fn dropped_handles_close() {
    explore(|beside_driver| {
        let world = World::new(beside_driver, 0);
        let sender = world.sender();
        let droppers: [_; 2] = std::array::from_fn(|_| {
            let sender = sender.clone();
            thread::spawn(move || drop(Sender::try_send(&sender, "job").unwrap()))
        });
        drop(sender);
        droppers.into_iter().for_each(|dropper| dropper.join().unwrap());
        assert_eq!(world.join(), 2);
    });
}
