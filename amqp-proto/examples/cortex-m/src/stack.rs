//! The stack, which was painted before the program began.

/// Returns the greatest number of octets of the stack that were in use at a time.
pub fn peak() -> usize {
    unsafe extern "C" {
        static _stack_end: u32;
        static _stack_start: u32;
    }
    let (end, start) = (&raw const _stack_end, &raw const _stack_start);
    let mut place = end;
    // SAFETY: all words from the stack's end to its start can be read; the start-up code has written them.
    while place < start && unsafe { place.read_volatile() } == cortex_m_rt::STACK_PAINT_VALUE {
        place = place.wrapping_add(1);
    }
    start as usize - place as usize
}
