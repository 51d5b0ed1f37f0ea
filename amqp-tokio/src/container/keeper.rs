//! [`Keeper`]: writes heartbeats while the handler of a container works.
//!
//! A handler may occupy its task, and with it the only thread of a runtime, for any time. So the keeper is a thread
//! of its own that needs no runtime: it polls transports as any task can.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::way::Way;

/// The transports whose peers have asked for heartbeats [2.4.5], and the thread that writes them. The thread starts
/// with the first transport and ends with the container.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    shared: Arc<Shared>,
    has_begun: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    ways: Vec<Weak<Way>>,
    is_over: bool,
}

impl Keeper {
    /// Adds a transport to the keeper.
    pub(super) fn add(&mut self, way: &Arc<Way>) {
        self.shared.lock().ways.push(Arc::downgrade(way));
        self.shared.changed.notify_one();
        if !self.has_begun {
            let shared = Arc::clone(&self.shared);
            // Without a thread, the container still writes heartbeats between callbacks.
            let begun = thread::Builder::new().name("amqp-keeper".into()).spawn(move || shared.run());
            self.has_begun = begun.is_ok();
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.changed.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut state = self.lock();
        while !state.is_over {
            // A transport without heartbeats is checked again together with the others.
            let mut next = None;
            state.ways.retain(|way| {
                let Some(way) = way.upgrade() else { return false };
                let at = way.lock().keep();
                next = next.into_iter().chain(at).min();
                true
            });
            let changed = match next {
                Some(at) => {
                    let left = at.saturating_duration_since(Instant::now()).max(SHORTEST);
                    self.changed
                        .wait_timeout(state, left)
                        .map(|(state, _)| state)
                        .map_err(|error| error.into_inner().0)
                }
                None => self.changed.wait(state).map_err(PoisonError::into_inner),
            };
            state = changed.unwrap_or_else(|state| state);
        }
    }
}

/// The shortest sleep of the keeper.
const SHORTEST: Duration = Duration::from_millis(1);
