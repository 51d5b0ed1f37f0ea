//! The heap, which counts.

use core::alloc::{GlobalAlloc, Layout};
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use embedded_alloc::LlffHeap;

/// The size of the heap.
pub const SIZE: usize = 64 << 10;

#[global_allocator]
static HEAP: Heap =
    Heap { inner: LlffHeap::empty(), allocations: AtomicUsize::new(0), peak: AtomicUsize::new(0) };

struct Heap {
    inner: LlffHeap,
    allocations: AtomicUsize,
    peak: AtomicUsize,
}

/// Gives the heap its memory.
pub fn init() {
    static mut MEMORY: [MaybeUninit<u8>; SIZE] = [MaybeUninit::uninit(); SIZE];
    // SAFETY: nothing else uses the memory, and the program calls this function once, before it allocates.
    unsafe { HEAP.inner.init(&raw mut MEMORY as usize, SIZE) }
}

/// Returns the number of allocations so far.
pub fn allocations() -> usize {
    HEAP.allocations.load(Relaxed)
}

/// Returns the greatest number of octets that were in use at a time, with what the allocator adds to each.
pub fn peak() -> usize {
    HEAP.peak.load(Relaxed)
}

/// Returns the number of octets in use.
pub fn used() -> usize {
    HEAP.inner.used()
}

// One core, and no allocation in an interrupt: the counts need no read-modify-write.
//
// SAFETY: the inner heap does all the work, and meets the contract.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is passed on.
        let memory = unsafe { self.inner.alloc(layout) };
        self.allocations.store(self.allocations.load(Relaxed) + 1, Relaxed);
        self.peak.store(self.peak.load(Relaxed).max(self.inner.used()), Relaxed);
        memory
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.inner.dealloc(memory, layout) }
    }
}
