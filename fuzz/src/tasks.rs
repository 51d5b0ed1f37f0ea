//! [`Tasks`]: an executor that knows which task was woken, so that a wake-up that is missing can be seen.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// `true` once a task or a driver was woken.
#[derive(Debug, Default)]
pub struct Flag(AtomicBool);

impl Flag {
    /// Returns a flag that is set.
    pub fn raised() -> Arc<Self> {
        Arc::new(Self(AtomicBool::new(true)))
    }

    /// Returns `true` if it is set.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Clears the flag. Returns `true` if it was set.
    pub fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Counts the steps of a task, so that one that goes on without being woken is seen although it waits again.
#[derive(Debug, Clone, Default)]
pub struct Progress(Rc<Cell<u32>>);

impl Progress {
    /// Records a step.
    pub fn step(&self) {
        self.0.set(self.0.get().wrapping_add(1));
    }
}

struct Task {
    name: String,
    work: Pin<Box<dyn Future<Output = ()>>>,
    flag: Arc<Flag>,
    waker: Waker,
    progress: Progress,
}

impl Task {
    /// Polls the task. Returns `true` if it has ended.
    fn poll(&mut self) -> bool {
        self.work.as_mut().poll(&mut Context::from_waker(&self.waker)) == Poll::Ready(())
    }
}

/// Tasks that run when they were woken and the fuzzer says so.
#[derive(Default)]
pub struct Tasks {
    tasks: Vec<Task>,
}

impl Tasks {
    /// Adds a task, which counts its steps.
    pub fn spawn<F: Future<Output = ()> + 'static>(
        &mut self,
        name: impl Into<String>,
        work: impl FnOnce(Progress) -> F,
    ) {
        let (flag, progress) = (Flag::raised(), Progress::default());
        let waker = Waker::from(Arc::clone(&flag));
        let work = Box::pin(work(progress.clone()));
        self.tasks.push(Task { name: name.into(), work, flag, waker, progress });
    }

    /// Returns the number of tasks that have not ended.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Returns `true` if all tasks have ended.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Returns the names of the tasks that have not ended.
    pub fn names(&self) -> Vec<&str> {
        self.tasks.iter().map(|task| task.name.as_str()).collect()
    }

    /// Runs a task, if it was woken.
    pub fn run_one(&mut self, pick: u8) {
        let Some(at) = usize::from(pick).checked_rem(self.tasks.len()) else { return };
        let is_over = self.tasks.get_mut(at).is_some_and(|task| task.flag.take() && task.poll());
        if is_over {
            drop(self.tasks.remove(at));
        }
    }

    /// Drops a task where it waits.
    pub fn cancel(&mut self, pick: u8) {
        if let Some(at) = usize::from(pick).checked_rem(self.tasks.len()) {
            drop(self.tasks.remove(at));
        }
    }

    /// Runs each task that was woken once. Returns `true` if there was one.
    pub fn run(&mut self) -> bool {
        let mut any = false;
        self.tasks.retain_mut(|task| {
            let is_woken = task.flag.take();
            any |= is_woken;
            !(is_woken && task.poll())
        });
        any
    }

    /// Polls each task that was not woken, once nothing moves any more.
    ///
    /// # Panics
    ///
    /// If a task goes on: its condition is true, and nothing has woken it.
    pub fn check(&mut self) {
        for task in self.tasks.iter_mut().filter(|task| !task.flag.is_raised()) {
            let steps = task.progress.0.get();
            let is_over = task.poll();
            assert!(!is_over && task.progress.0.get() == steps, "a task was not woken: {}", task.name);
        }
    }
}
