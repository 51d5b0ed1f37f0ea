//! A pipe in memory, and a connection that is opened again over such pipes.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use amqp_proto::client::{Address, ConnectionOptions, DialPlan, DialStep, Host, Peer};
use amqp_proto::driver::{Clock, Dialer, Hub, HubOptions, Pump};
use amqp_proto::policy::Reconnect;
use amqp_proto::sasl::TransportSecurity;
use amqp_proto::types::Moment;

/// One direction of a pipe.
#[derive(Default)]
pub(crate) struct Way {
    octets: VecDeque<u8>,
    pub(crate) room: usize,
    pub(crate) is_ended: bool,
}

/// One end of a pipe.
pub(crate) struct Pipe {
    pub(crate) input: Rc<RefCell<Way>>,
    pub(crate) output: Rc<RefCell<Way>>,
    pub(crate) failure: Option<ErrorKind>,
}

pub(crate) fn pipe(room: usize) -> (Pipe, Pipe) {
    let ways = [0; 2].map(|_| Rc::new(RefCell::new(Way { room, ..Way::default() })));
    let end = |input: usize, output: usize| Pipe {
        input: Rc::clone(&ways[input]),
        output: Rc::clone(&ways[output]),
        failure: None,
    };
    (end(0, 1), end(1, 0))
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut way = self.input.borrow_mut();
        match way.octets.read(buffer)? {
            0 if !way.is_ended => Err(ErrorKind::WouldBlock.into()),
            octets => Ok(octets),
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let mut way = self.output.borrow_mut();
        match (self.failure, octets.len().min(way.room - way.octets.len())) {
            (Some(failure), _) => Err(failure.into()),
            (None, 0) => Err(ErrorKind::WouldBlock.into()),
            (None, taken) => way.octets.write(&octets[..taken]),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the hub of a connection that is opened again when it is lost, and its clock in milliseconds.
pub(crate) fn lasting_hub() -> (Arc<Hub<Waker>>, Arc<AtomicU64>) {
    let options = ConnectionOptions::new().without_sasl().with_reconnect(Reconnect::new());
    let (_, options) =
        DialPlan::new(["amqp://broker.example".parse::<Address>().unwrap()], options).first().unwrap();
    let (millis, peer) = (Arc::new(AtomicU64::new(0)), Peer::new(TransportSecurity::Clear));
    let engine = options.client(&host(), &peer, Moment::START).unwrap();
    let time = Arc::clone(&millis);
    let clock = Clock::new(move || Moment::from_millis(time.load(Ordering::Relaxed)));
    (Hub::new(engine, HubOptions::new(clock, "link".into(), &options)), millis)
}

fn host() -> Host {
    let fill = |octets: &mut [u8]| {
        octets.fill(7);
        Ok(())
    };
    Host::new(fill, |_| None, |_| {})
}

/// Opens a lost connection again, when it is time.
pub(crate) fn open_again(dialer: &Dialer<Waker>, millis: &AtomicU64) {
    for _ in 0..3 {
        match dialer.next(&host()).unwrap().unwrap() {
            DialStep::Wait(until) => millis.store(until.as_millis(), Ordering::Relaxed),
            DialStep::Dial(dial) => {
                let peer = Peer::new(TransportSecurity::Clear);
                assert!(dialer.connected(&host(), &peer, &dial.1, None));
                return;
            }
            step => panic!("{step:?}"),
        }
    }
    panic!("nothing is dialled");
}

/// Polls a future, with turns of both ends between, until it is ready.
pub(crate) fn run<T>(
    pump: &mut Pump<Waker>,
    pipe: &mut Pipe,
    mut peer: impl FnMut(),
    future: impl Future<Output = T>,
) -> T {
    let (mut future, mut context) = (std::pin::pin!(future), Context::from_waker(Waker::noop()));
    for _ in 0..100_000 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        pump.turn(pipe, Waker::noop());
        peer();
    }
    panic!("the future does not end")
}
