//! The memory that an engine counts against [`Limits::memory`], seen from outside. The least memory with which an engine
//! holds something and still begins another session tells what it counts, to five octets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use allocation_counter::measure;
use amqp_proto::config::{ReceiverOptions, SenderOptions, SessionOptions};
use amqp_proto::testing::{
    Literal, attach, attach_receiver, attach_sender, begin, detach, disposition, end, flow, transfer,
};
use amqp_proto::types::{Limits, LinkKey, ReceiverKey, SenderKey, Value};
use amqp_proto::wire::{Condition, DeliveryState};
use amqp_proto::{Event, Reason};
use bytes::Bytes;
use common::wire::{Wire, credit};

/// Five eighths of the memory are for what an engine holds. The memory is measured in steps of eight octets.
const STEP: u64 = 5;
/// The links that an engine has from the beginning. They are so many, and their names so long, that no other limit, which
/// the memory lowers too, comes first.
const LINKS: u32 = 40;
const NAME: usize = 480;
/// The handles of three of them: the engine receives, sends, and coordinates transactions.
const IN: u32 = 0;
const OUT: u32 = 1;
const CONTROL: u32 = 2;
/// The declare of a transaction, as a message.
const DECLARE: [u8; 7] = [0, 0x53, 0x77, 0, 0x53, 0x31, 0x45];

/// A server with a session; the test is its peer. Its application accepts what is offered, and commits what it can.
struct Engine {
    wire: Wire,
    /// `false` once the engine has refused something.
    is_whole: bool,
    receiver: Option<ReceiverKey>,
    sender: Option<SenderKey>,
    /// The id of the next delivery in each direction.
    next_in: u32,
    next_out: u32,
    declared: u32,
    conditions: Vec<Condition>,
}

impl Engine {
    fn new(memory: u64) -> Self {
        let limits = Limits::DEFAULT.with_memory(memory);
        let wire = Wire::begun_with(limits, SessionOptions::new(), 2048);
        let mut engine = Self {
            wire,
            is_whole: true,
            receiver: None,
            sender: None,
            next_in: 0,
            next_out: 0,
            declared: 0,
            conditions: Vec::new(),
        };
        for handle in 0..LINKS {
            match handle {
                CONTROL => engine.sends(coordinator("control", CONTROL)),
                _ => engine.attaches(handle, NAME),
            }
        }
        engine.sends(credit(OUT, 0, 1_000));
        engine
    }

    /// Attaches a link whose name has this many octets. The engine sends on links with odd handles.
    fn attaches(&mut self, handle: u32, name: usize) {
        let name = format!("{handle:0name$}");
        let attach = if handle % 2 == 1 { attach_receiver } else { attach_sender };
        self.sends(attach(&name, handle, "a", "b"));
    }

    fn sends(&mut self, frame: Literal) {
        self.wire.peer_sends(frame);
        while let Some(event) = self.wire.engine.poll_event() {
            self.on_event(event);
        }
        self.wire.octets();
    }

    fn on_event(&mut self, event: Event) {
        let engine = &mut self.wire.engine;
        match event {
            Event::SessionOffered(key) => engine.session(key).unwrap().accept(SessionOptions::new()).unwrap(),
            Event::LinkOffered(LinkKey::Receiver(key)) => {
                let mut link = engine.receiver(key).unwrap();
                let options = ReceiverOptions::new().with_prefetch(0);
                if link.accept_coordinator().is_err() {
                    link.accept_link(options).unwrap();
                }
                link.set_credit(1_000).unwrap();
                self.receiver.get_or_insert(key);
            }
            Event::LinkOffered(LinkKey::Sender(key)) => {
                let options = SenderOptions::new().with_auto_settle(false);
                engine.sender(key).unwrap().accept_link(options).unwrap();
                self.sender.get_or_insert(key);
            }
            Event::Discharge(key) => engine.transaction(key).unwrap().commit().unwrap(),
            Event::Declared(_) => self.declared += 1,
            Event::LinkDetached { reason, .. } | Event::SessionEnded { reason, .. } => self.ends(&reason),
            Event::Closed(reason) => self.ends(&reason),
            _ => {}
        }
    }

    /// Notes that the engine has refused something, unless the peer has ended it.
    fn ends(&mut self, reason: &Reason) {
        if let Some(error) = &reason.error {
            self.is_whole = false;
            self.conditions.push(error.condition.clone());
        }
    }

    /// Transfers a message, or a part of one, to the engine.
    fn transfers(
        &mut self,
        handle: u32,
        payload: impl Into<Vec<u8>>,
        fields: impl FnOnce(Literal) -> Literal,
    ) {
        let id = self.next_in;
        self.next_in += 1;
        self.sends(fields(transfer(handle, id, &id.to_be_bytes())).payload(payload));
    }

    /// Takes all messages from the engine.
    fn takes(&mut self) {
        let receiver = self.receiver.and_then(|key| self.wire.engine.receiver(key).ok());
        if let Some(mut receiver) = receiver {
            while receiver.receive().is_some() {}
        }
        self.wire.octets();
    }

    /// Lets the engine send ten messages. Returns the id of the first.
    fn gets_ten(&mut self) -> u32 {
        for _ in 0..10 {
            let sender = self.sender.and_then(|key| self.wire.engine.sender(key).ok());
            self.is_whole &= sender.is_some_and(|mut sender| sender.send("").is_ok());
        }
        self.wire.octets();
        self.next_out += 10;
        self.next_out - 10
    }

    /// Tells the state of deliveries of the engine.
    fn tells(&mut self, first: u32, last: u32, settled: bool, state: &[u8]) {
        self.sends(disposition(true, first, Some(last)).boolean(settled).encoded(state));
    }

    fn declares(&mut self) {
        let before = self.declared;
        self.transfers(CONTROL, DECLARE, |frame| frame);
        self.is_whole &= self.declared > before;
    }

    /// Returns `true` if the engine has refused nothing, and begins another session.
    fn has_room(&mut self) -> bool {
        self.sends(begin(None, 0, 100, 100).on(99));
        self.is_whole
    }
}

/// An attach of a control link whose peer knows all outcomes.
fn coordinator(name: &str, handle: u32) -> Literal {
    attach(name, handle, false).nulls(2).raw("00532845").raw("00533045").nulls(2).uint(0)
}

/// A map of this many entries, each of seven octets; up to 30.
fn fields(entries: u32) -> Vec<u8> {
    let entry = |at| [&[0xa3, 4][..], format!("{at:04}").as_bytes(), &[0x43]].concat();
    let all: Vec<u8> = (0..entries).flat_map(entry).collect();
    let size = u8::try_from(all.len() + 1).unwrap();
    [&[0xc1, size, 2 * u8::try_from(entries).unwrap()][..], &all].concat()
}

fn list(descriptor: u8, count: u8, fields: &[u8]) -> Vec<u8> {
    let size = u8::try_from(fields.len() + 1).unwrap();
    [&[0, 0x53, descriptor, 0xc0, size, count][..], fields].concat()
}

/// The outcome modified, with this many annotations.
fn modified(entries: u32) -> Vec<u8> {
    list(0x27, 3, &[&[0x42, 0x42][..], &fields(entries)].concat())
}

/// A state in the transaction of this number, with an outcome or without.
fn in_transaction(number: u32, outcome: &[u8]) -> Vec<u8> {
    let id = [&[0xa0, 4][..], &number.to_be_bytes(), outcome].concat();
    list(0x34, if outcome.is_empty() { 1 } else { 2 }, &id)
}

/// Returns the memory that an engine counts, rounded up to [`STEP`], after something was done with it.
fn counted(hold: impl Fn(&mut Engine)) -> u64 {
    let suffices = |steps: u64| {
        let mut engine = Engine::new(8 * steps);
        hold(&mut engine);
        engine.has_room()
    };
    let (mut least, mut most) = (Limits::LEAST_MEMORY / 8, 1 << 17);
    assert!(suffices(most), "more is held than a megaoctet");
    while least < most {
        let middle = least.midpoint(most);
        if suffices(middle) { most = middle } else { least = middle + 1 }
    }
    STEP * least
}

/// Returns the memory that the allocator has given for something.
fn allocated(hold: impl Fn(&mut Engine)) -> u64 {
    let mut engine = Engine::new(1 << 20);
    let taken = measure(|| hold(&mut engine));
    u64::try_from(taken.bytes_current).unwrap_or(0)
}

/// Checks two measurements that are this many octets apart.
#[track_caller]
fn assert_apart(less: u64, more: u64, octets: u64) {
    assert!(
        more.saturating_sub(less).abs_diff(octets) < STEP,
        "{less} and {more} are not {octets} octets apart"
    );
}

/// Checks that so many octets cover what is allocated, and are no multiple of it.
#[track_caller]
fn assert_covers(counted: u64, allocated: u64) {
    assert!(allocated <= counted, "{allocated} octets are allocated, {counted} are counted");
    assert!(counted <= 4 * allocated, "{allocated} octets are allocated, {counted} are counted");
}

/// [2.6.1]: each link counts alike: for its name, which is kept twice, and the attach of the peer.
#[test]
fn a_link_counts_with_its_name_and_its_attach() {
    let [none, ten, twenty] =
        [0, 10, 20].map(|links| counted(|engine| (0..links).for_each(|at| engine.attaches(LINKS + at, 20))));
    assert_apart(ten, twenty, ten - none);
    let longer = counted(|engine| (0..10).for_each(|at| engine.attaches(LINKS + at, 120)));
    assert_apart(ten, longer, 10 * 3 * 100);
    let taken = allocated(|engine| (0..20).for_each(|at| engine.attaches(LINKS + at, 20)));
    assert_covers(twenty - none, taken);
}

/// [2.6.5]: a detached link counts no more.
#[test]
fn a_detached_link_counts_no_more() {
    let link = |engine: &mut Engine| engine.attaches(LINKS, 400);
    let detached = counted(|engine| {
        for _ in 0..20 {
            link(engine);
            engine.sends(detach(LINKS, true));
        }
        link(engine);
    });
    assert_apart(counted(link), detached, 0);
}

/// [2.5.1]: each session counts alike, and with the begin of the peer.
#[test]
fn a_session_counts_with_its_begin() {
    let begins = |engine: &mut Engine, sessions: u16, entries: u32| {
        for channel in 1..=sessions {
            let begin = begin(None, 0, 100, 100).nulls(3).encoded(&fields(entries));
            engine.sends(begin.on(channel));
        }
    };
    let [none, ten, twenty] = [0, 10, 20].map(|sessions| counted(|engine| begins(engine, sessions, 1)));
    assert_apart(ten, twenty, ten - none);
    assert_apart(ten, counted(|engine| begins(engine, 10, 21)), 10 * 20 * 7);
    assert_covers(twenty - none, allocated(|engine| begins(engine, 20, 1)));
}

/// [2.5.5]: a session that has ended counts no more.
#[test]
fn an_ended_session_counts_no_more() {
    let session = |engine: &mut Engine| engine.sends(begin(None, 0, 100, 100).on(1));
    let ended = counted(|engine| {
        for _ in 0..20 {
            session(engine);
            engine.sends(end().on(1));
        }
        session(engine);
    });
    assert_apart(counted(session), ended, 0);
}

/// [2.7.4]: the properties of a link's state count as long as they are kept: decoded, and once.
#[test]
fn the_properties_of_a_link_count_once() {
    let tells = |engine: &mut Engine, times: u32, entries: u32| {
        for _ in 0..times {
            let flow = flow(Some(0), 2048, 0, 2048).uint(IN).uint(0).nulls(4);
            engine.sends(flow.encoded(&fields(entries)));
        }
    };
    let once = counted(|engine| tells(engine, 1, 30));
    assert_apart(counted(|engine| tells(engine, 1, 10)), once, 20 * 7 * size_of::<Value>() as u64);
    assert_apart(once, counted(|engine| tells(engine, 20, 30)), 0);
    assert_covers(once - counted(|_| ()), allocated(|engine| tells(engine, 1, 30)));
}

/// [2.6.12]: the state that the peer gives to unsettled deliveries counts for each of them; accepted and released do not.
#[test]
fn states_count_for_each_delivery() {
    let told = |state: &[u8]| {
        counted(|engine| {
            let first = engine.gets_ten();
            engine.tells(first, first + 9, false, state);
        })
    };
    let none = counted(|engine| {
        engine.gets_ten();
    });
    for usual in ["accepted", "released"].into_iter().zip([0x24, 0x26]) {
        assert_eq!(told(&[0, 0x53, usual.1, 0x45]), none, "{}", usual.0);
    }
    let [short, long] = [10, 30].map(modified);
    let each = size_of::<DeliveryState>() + size_of::<Value>() * short.len();
    assert_apart(none, told(&short), 10 * each as u64);
    assert_apart(told(&short), told(&long), (10 * size_of::<Value>() * (long.len() - short.len())) as u64);
}

/// [2.6.12]: the states of deliveries that are settled are forgotten, all but a sixteenth of what is held.
#[test]
fn states_of_settled_deliveries_are_forgotten() {
    let states = |engine: &mut Engine| {
        let first = engine.gets_ten();
        engine.tells(first, first + 9, false, &modified(20));
        first
    };
    let once = counted(|engine| {
        states(engine);
    });
    let again = counted(|engine| {
        for _ in 0..20 {
            let first = states(engine);
            engine.tells(first, first + 9, true, &[0x40]);
        }
        states(engine);
    });
    assert!((once..once + once / 15).contains(&again), "once {once}, after many {again}");
}

/// [2.7.5]: a message counts until it is taken: its octets, and each of its frames alike.
#[test]
fn a_message_counts_until_it_is_taken() {
    let message = |engine: &mut Engine, frames: u32, octets: usize| {
        for at in 1..=frames {
            let more = at < frames;
            engine.transfers(IN, vec![7; octets], |frame| frame.boolean(true).boolean(more));
            engine.next_in -= u32::from(more);
        }
    };
    let messages =
        |frames: u32, octets: usize| counted(|engine| (0..10).for_each(|_| message(engine, frames, octets)));
    let [none, one] = [counted(|_| ()), messages(1, 60)];
    assert_apart(one, messages(1, 160), 10 * 100);
    assert_apart(messages(2, 60), messages(3, 60), one - none);
    let taken = counted(|engine| {
        for _ in 0..20 {
            message(engine, 1, 200);
            engine.takes();
        }
    });
    assert_apart(none, taken, 0);
}

/// [2.7.5]: the pieces of an incomplete message count, each with its place; an aborted one counts no more.
#[test]
fn the_pieces_of_a_message_count_until_it_is_aborted() {
    let pieces = |engine: &mut Engine, count: u32, octets: usize| {
        for _ in 0..count {
            engine.transfers(IN, vec![7; octets], |frame| frame.null().boolean(true));
            engine.next_in -= 1;
        }
    };
    let some = |count: u32, octets: usize| counted(|engine| pieces(engine, count, octets));
    let ten = some(10, 100);
    assert_apart(ten, some(10, 300), 10 * 200);
    assert_apart(ten, some(20, 100), 10 * (100 + 2 * size_of::<Bytes>() as u64));
    let aborted = counted(|engine| {
        for _ in 0..20 {
            pieces(engine, 3, 100);
            engine.transfers(IN, [], |frame| frame.nulls(5).boolean(true));
        }
        pieces(engine, 10, 100);
    });
    assert_apart(ten, aborted, 0);
}

/// [2.8.4]: an engine that holds all its memory, and not an octet more, takes a link, a session or a transaction; then
/// it refuses each of them.
#[test]
fn a_full_engine_refuses_more() {
    let exact = counted(|_| ()) / STEP * 8;
    assert!(!Engine::new(exact - 8).has_room());
    type Ask = fn(&mut Engine);
    let asks: [Ask; 2] =
        [|engine| engine.attaches(LINKS + 1, 9), |engine| engine.sends(begin(None, 0, 9, 9).on(9))];
    for ask in asks {
        let mut engine = Engine::new(exact);
        engine.attaches(LINKS, 9);
        assert!(engine.is_whole);
        ask(&mut engine);
        assert_eq!(engine.conditions.first(), Some(&Condition::ResourceLimitExceeded));
    }
    let mut engine = Engine::new(counted(Engine::declares) / STEP * 8);
    (0..9).for_each(|_| engine.declares());
    assert!((1..9).contains(&engine.declared), "{} transactions are declared", engine.declared);
    assert_eq!(engine.conditions, [], "the others are rejected");
}

/// Declares this many transactions.
fn declares(engine: &mut Engine, transactions: u32) {
    (0..transactions).for_each(|_| engine.declares());
}

/// Posts a message in each of so many transactions.
fn posts(engine: &mut Engine, transactions: u32) {
    for at in 0..transactions {
        let state = in_transaction(at, &[]);
        engine.transfers(IN, [0, 0x53, 0x77, 0x45], |frame| frame.nulls(3).encoded(&state));
    }
}

/// Gives outcomes to ten messages, all in the first transaction.
fn retires(engine: &mut Engine, settled: bool, outcome: &[u8]) {
    let first = engine.gets_ten();
    for at in first..first + 10 {
        engine.tells(at, at, settled, &in_transaction(0, outcome));
    }
}

/// [4.2]: the transactions of a coordinator count.
#[test]
fn transactions_count() {
    let [none, few, many] = [0, 20, 40].map(|transactions| counted(|engine| declares(engine, transactions)));
    assert_covers(few - none, allocated(|engine| declares(engine, 20)));
    assert_covers(many - none, allocated(|engine| declares(engine, 40)));
}

/// [4.4.1]: what is posted in transactions counts, until they are discharged.
#[test]
fn postings_count_until_the_discharge() {
    let both = |engine: &mut Engine| {
        declares(engine, 20);
        posts(engine, 20);
    };
    let without = |engine: &mut Engine| {
        declares(engine, 20);
        (0..20).for_each(|_| engine.transfers(IN, [0, 0x53, 0x77, 0x45], |frame| frame));
    };
    assert_covers(counted(both) - counted(without), allocated(both) - allocated(without));
}

/// [4.4.2]: an outcome in a transaction counts, decoded, until the transaction is discharged.
#[test]
fn retirements_count_until_the_discharge() {
    let retired = |entries: u32| {
        move |engine: &mut Engine| {
            declares(engine, 1);
            retires(engine, false, &modified(entries));
        }
    };
    let [short, long] = [counted(retired(5)), counted(retired(15))];
    assert_apart(short, long, 10 * 10 * 7 * size_of::<Value>() as u64);
    let sent = |engine: &mut Engine| {
        declares(engine, 1);
        engine.gets_ten();
    };
    assert_covers(short - counted(sent), allocated(retired(5)) - allocated(sent));
    for settled in [false, true] {
        let discharged = counted(|engine| {
            for number in 0..20 {
                declares(engine, 1);
                let first = engine.gets_ten();
                for at in first..first + 10 {
                    engine.tells(at, at, settled, &in_transaction(number, &modified(15)));
                }
                let discharge = list(0x32, 2, &[&[0xa0, 4][..], &number.to_be_bytes(), &[0x42]].concat());
                engine.transfers(CONTROL, [&[0, 0x53, 0x77][..], &discharge].concat(), |frame| frame);
            }
        });
        assert!(discharged < long + long / 15, "{discharged} octets after the discharges, {long} before one");
    }
}

/// A frame without meaning: an empty one, with a kilooctet of header [2.3.1].
fn filler() -> Vec<u8> {
    [&[0, 0, 3, 0xfc, 0xff, 0, 0, 0][..], &[0; 0x3f4]].concat()
}

/// Checks that what waits does not keep the input that it came in. It is a small part of that, and is copied out, so that the
/// blocks of input can go: the memory that is allocated stays below [`Limits::memory`].
#[track_caller]
fn assert_input_goes(waits: impl Fn(&mut Engine, u32)) {
    const MEMORY: u64 = 1 << 19;
    let mut engine = Engine::new(MEMORY);
    declares(&mut engine, 1);
    for _ in 0..10 {
        engine.gets_ten();
    }
    let fillers = filler().repeat(12);
    let taken = measure(|| {
        for at in 0..100 {
            waits(&mut engine, at);
            engine.wire.engine.receive(engine.wire.now, &fillers);
        }
    });
    assert!(engine.is_whole, "{:?}", engine.conditions);
    let most = i64::try_from(MEMORY).unwrap();
    assert!(taken.bytes_current < most, "{} octets are allocated", taken.bytes_current);
}

#[test]
fn messages_do_not_keep_the_input() {
    assert_input_goes(|engine, _| engine.transfers(IN, [7; 20], |frame| frame.boolean(true)));
}

#[test]
fn states_of_the_sender_do_not_keep_the_input() {
    let state = modified(1);
    assert_input_goes(|engine, _| engine.transfers(IN, [7], |frame| frame.nulls(3).encoded(&state)));
}

#[test]
fn states_of_the_receiver_do_not_keep_the_input() {
    let state = modified(1);
    assert_input_goes(|engine, at| engine.tells(at, at, false, &state));
}

#[test]
fn outcomes_in_transactions_do_not_keep_the_input() {
    let state = in_transaction(0, &modified(1));
    assert_input_goes(|engine, at| engine.tells(at, at, at.is_multiple_of(2), &state));
}
