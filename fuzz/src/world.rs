//! [`World`]: a client with tasks and a driver, and the servers that it connects to, one after the other.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;

use amqp_proto::client::{Address, ConnectionOptions, DialPlan, DialStep, Error, Host, Peer as Transport};
use amqp_proto::driver::{Clock, Dialer, Hub, HubOptions, Interest, Pump, WriteHere};
use amqp_proto::sasl::TransportSecurity;
use amqp_proto::types::Moment;
use arbitrary::Arbitrary;

use crate::peer::{Habits, Peer};
use crate::pipe::{Pipe, pipe};
use crate::tasks::{Flag, Tasks};

/// The number of rounds after which a world that is not at rest never will be.
const ROUNDS: u32 = 100_000;

/// The transport and the servers of a world.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub struct Setup {
    /// The habits of the servers.
    pub habits: Habits,
    /// The octets that each way of a pipe holds, and that one read returns.
    room: u16,
    portion: u16,
    /// Tasks write output themselves.
    writes_here: bool,
    /// The number of servers that are not reached, of those that are dialled again.
    unreachable: u8,
}

/// The work of the driver.
enum Stage {
    /// It moves octets, and has said what it waits for.
    Driving(Option<Interest>),
    /// It waits until this moment, or until the flag says that no connection is wanted.
    Waiting(Moment, Rc<Cell<bool>>),
    /// The connection is over.
    Over,
}

/// A client, its tasks, and its servers.
pub struct World {
    setup: Setup,
    /// The state of the connection.
    pub hub: Arc<Hub<Waker>>,
    /// The tasks of the client's application.
    pub tasks: Tasks,
    /// The server of the present transport.
    pub peer: Peer,
    millis: Arc<AtomicU64>,
    dialer: Option<Arc<Dialer<Waker>>>,
    pump: Option<Pump<Waker>>,
    stage: Stage,
    flag: Arc<Flag>,
    near: Pipe,
    far: Pipe,
}

fn host() -> Host {
    let fill = |octets: &mut [u8]| {
        octets.fill(7);
        Ok(())
    };
    Host::new(fill, |_| None, |_| {})
}

fn transport() -> Transport {
    Transport::new(TransportSecurity::Clear)
}

impl World {
    /// Returns a client that has not opened its connection yet. If the options say so, it is opened again when it is lost.
    pub fn new(setup: Setup, options: ConnectionOptions) -> Self {
        let address: Address = "amqp://broker.example".parse().expect("it is a URL");
        let (_, options) =
            DialPlan::new([address], options.without_sasl()).first().expect("there is a server");
        let millis = Arc::new(AtomicU64::new(0));
        let time = Arc::clone(&millis);
        let clock = Clock::new(move || Moment::from_millis(time.load(Ordering::Relaxed)));
        let engine = options.client(&host(), &transport(), Moment::START).expect("it needs nothing");
        let (near, far) = setup.pipe();
        let mut hub_options = HubOptions::new(clock, "fuzz".into(), &options);
        hub_options.write_here = setup.write_here(&near);
        let hub = Hub::new(engine, hub_options);
        Self {
            setup,
            tasks: Tasks::default(),
            peer: Peer::new(setup.habits, BTreeMap::new(), Moment::START),
            millis,
            dialer: options.reconnect().is_some().then(|| Arc::new(Dialer::new(&hub))),
            pump: Some(Pump::new(Arc::clone(&hub))),
            stage: Stage::Driving(None),
            flag: Flag::raised(),
            hub,
            near,
            far,
        }
    }

    /// Returns the current time.
    pub fn now(&self) -> Moment {
        Moment::from_millis(self.millis.load(Ordering::Relaxed))
    }

    /// Lets this number of milliseconds pass.
    pub fn pass(&self, millis: u64) {
        self.millis.fetch_add(millis, Ordering::Relaxed);
    }

    /// Lets time pass until the driver has something to do.
    pub fn pass_until_due(&self) {
        let due = match &self.stage {
            Stage::Driving(interest) => interest.and_then(|interest| interest.deadline),
            Stage::Waiting(until, _) => Some(*until),
            Stage::Over => None,
        };
        if let Some(due) = due {
            self.millis.fetch_max(due.as_millis(), Ordering::Relaxed);
        }
    }

    /// Ends both ways of the pipe after so many octets.
    pub fn cut(&self, to_client: u16, to_peer: u16) {
        self.near.cut_after(to_client.into());
        self.far.cut_after(to_peer.into());
    }

    /// Sets the numbers of octets that the ways of the pipe hold.
    pub fn set_room(&self, to_client: u16, to_peer: u16) {
        self.far.set_room(to_client.into());
        self.near.set_room(to_peer.into());
    }

    /// Returns `true` if the driver has a reason for a turn.
    fn is_due(&self) -> bool {
        match &self.stage {
            Stage::Over => false,
            Stage::Driving(None) => true,
            Stage::Driving(Some(interest)) => {
                self.flag.is_raised()
                    || interest.readable && self.near.is_readable()
                    || interest.writable && self.near.is_writable()
                    || interest.deadline.is_some_and(|by| by <= self.now())
            }
            Stage::Waiting(until, is_stopped) => {
                let deadline = self.hub.drive(|state| state.next_deadline());
                is_stopped.get() || deadline.into_iter().chain([*until]).any(|by| by <= self.now())
            }
        }
    }

    /// Gives the driver a turn, if it has a reason. Returns `false` if it has none.
    pub fn drive(&mut self) -> bool {
        if !self.is_due() {
            return false;
        }
        match &self.stage {
            Stage::Driving(_) => {
                self.flag.take();
                let waker = Waker::from(Arc::clone(&self.flag));
                let interest = self.pump.as_mut().and_then(|pump| pump.turn(&mut self.near, &waker));
                match interest {
                    Some(interest) => self.stage = Stage::Driving(Some(interest)),
                    None => {
                        self.lose();
                        self.dial();
                    }
                }
            }
            Stage::Waiting(until, _) => {
                let is_due = *until <= self.now();
                let is_over = self.dialer.as_ref().is_none_or(|dialer| dialer.tick());
                if is_due || is_over {
                    self.dial();
                }
            }
            Stage::Over => {}
        }
        true
    }

    /// Ends the server's end of the transport.
    fn lose(&mut self) {
        self.near.end();
        self.far.cut_after(0);
        self.peer.turn(self.now(), &mut self.far);
        self.peer.lose();
    }

    /// Makes the next step to another connection.
    fn dial(&mut self) {
        let Some(dialer) = self.dialer.clone() else {
            self.stage = Stage::Over;
            return;
        };
        loop {
            match dialer.next(&host()).expect("there are random numbers") {
                Some(DialStep::Dial(_)) if self.setup.unreachable > 0 => {
                    self.setup.unreachable -= 1;
                    dialer.failed(Error::from(std::io::Error::from(std::io::ErrorKind::ConnectionRefused)));
                }
                Some(DialStep::Dial(dial)) => {
                    let (near, far) = self.setup.pipe();
                    let write_here = self.setup.write_here(&near);
                    if dialer.connected(&host(), &transport(), &dial.1, write_here) {
                        (self.near, self.far) = (near, far);
                        let kept = std::mem::take(&mut self.peer.kept);
                        let received = std::mem::take(&mut self.peer.received);
                        self.peer = Peer::new(self.setup.habits, kept, self.now());
                        self.peer.received = received;
                        self.stage = Stage::Driving(None);
                        return;
                    }
                }
                Some(DialStep::Wait(until)) => {
                    let is_stopped = Rc::new(Cell::new(false));
                    self.stage = Stage::Waiting(until, Rc::clone(&is_stopped));
                    self.tasks.spawn("the dialer", |_| async move {
                        dialer.stopped().await;
                        is_stopped.set(true);
                    });
                    return;
                }
                _ => {
                    self.stage = Stage::Over;
                    return;
                }
            }
        }
    }

    /// Gives the server a turn. Returns `false` if nothing moved.
    pub fn serve(&mut self) -> bool {
        self.peer.turn(self.now(), &mut self.far)
    }

    /// Lets everything move until nothing does.
    ///
    /// # Panics
    ///
    /// If there is no end of it.
    pub fn rest(&mut self) {
        let rests = (0..ROUNDS).any(|_| {
            let tasks = self.tasks.run();
            let driver = self.drive();
            !(self.serve() | tasks | driver)
        });
        assert!(rests, "there is no rest");
    }

    /// Makes this server and those after it accept everything, and the next one is reached.
    pub fn be_kind(&mut self) {
        self.setup.unreachable = 0;
        self.setup.habits = self.setup.habits.kind();
        self.peer.be_kind();
    }

    /// Lets everything move until nothing does, and checks that nothing waits for a wake-up that does not come.
    ///
    /// # Panics
    ///
    /// If a task or the driver could go on.
    pub fn check(&mut self) {
        self.set_room(u16::MAX, u16::MAX);
        self.rest();
        if let Stage::Driving(_) = self.stage {
            let has_work = self.hub.drive(|state| state.has_work());
            assert!(!has_work, "the driver was not woken");
        }
        self.tasks.check();
    }

    /// Ends the driver, as a runtime does that is shut down. Then every task ends.
    ///
    /// # Panics
    ///
    /// If a task goes on waiting.
    pub fn finish(mut self) {
        (self.pump, self.dialer, self.stage) = (None, None, Stage::Over);
        while self.tasks.run() {}
        self.tasks.check();
        assert!(self.tasks.is_empty(), "tasks wait for ever: {:?}", self.tasks.names());
    }
}

impl Setup {
    fn pipe(self) -> (Pipe, Pipe) {
        pipe(usize::from(self.room).max(64), usize::from(self.portion).max(8))
    }

    fn write_here(self, pipe: &Pipe) -> Option<WriteHere> {
        let pipe = pipe.clone();
        self.writes_here.then(|| {
            WriteHere::new(move |buffer| {
                let mut pipe = pipe.clone();
                buffer.write_with(|slices| std::io::Write::write_vectored(&mut pipe, slices))?;
                buffer.flushed();
                Ok(())
            })
        })
    }
}
