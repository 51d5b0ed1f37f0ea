//! [`Pipe`]: a stream in memory that takes and gives octets as a fuzzer says, and ends where it says.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One direction of a pipe.
#[derive(Debug)]
struct Way {
    octets: VecDeque<u8>,
    /// The number of octets that it holds.
    room: usize,
    /// The greatest number of octets that one read returns.
    portion: usize,
    /// The number of octets until it is cut.
    left: Option<usize>,
    is_ended: bool,
}

impl Way {
    fn new(room: usize, portion: usize) -> Self {
        Self { octets: VecDeque::new(), room, portion: portion.max(1), left: None, is_ended: false }
    }

    /// Returns the number of octets that can be read before the cut.
    fn len(&self) -> usize {
        self.octets.len().min(self.left.unwrap_or(usize::MAX))
    }

    fn is_over(&self) -> bool {
        self.left == Some(0) || (self.is_ended && self.octets.is_empty())
    }
}

/// One end of a pipe.
#[derive(Debug, Clone)]
pub struct Pipe {
    input: Arc<Mutex<Way>>,
    output: Arc<Mutex<Way>>,
}

/// Returns both ends of a pipe, whose ways hold and give at most so many octets at a time.
pub fn pipe(room: usize, portion: usize) -> (Pipe, Pipe) {
    let [near, far] = [0; 2].map(|_| Arc::new(Mutex::new(Way::new(room, portion))));
    (Pipe { input: Arc::clone(&near), output: Arc::clone(&far) }, Pipe { input: far, output: near })
}

fn lock(way: &Mutex<Way>) -> MutexGuard<'_, Way> {
    way.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pipe {
    /// Sets the number of octets that the output holds.
    pub fn set_room(&self, octets: usize) {
        lock(&self.output).room = octets;
    }

    /// Ends the input after so many more octets.
    pub fn cut_after(&self, octets: usize) {
        let mut input = lock(&self.input);
        input.left = Some(input.left.map_or(octets, |left| left.min(octets)));
    }

    /// Ends the output after the octets that it holds.
    pub fn end(&self) {
        lock(&self.output).is_ended = true;
    }

    /// Returns `true` if a read would not block.
    pub fn is_readable(&self) -> bool {
        let input = lock(&self.input);
        input.is_over() || input.len() > 0
    }

    /// Returns `true` if a write would not block.
    pub fn is_writable(&self) -> bool {
        let output = lock(&self.output);
        output.is_over() || output.octets.len() < output.room
    }
}

impl Read for Pipe {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let mut input = lock(&self.input);
        let octets = input.len().min(input.portion).min(space.len());
        if octets == 0 {
            return if input.is_over() { Ok(0) } else { Err(ErrorKind::WouldBlock.into()) };
        }
        input.left = input.left.map(|left| left - octets);
        input.octets.read(space.get_mut(..octets).unwrap_or_default())
    }
}

impl Write for Pipe {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let mut output = lock(&self.output);
        let taken = octets.len().min(output.room.saturating_sub(output.octets.len()));
        match taken {
            _ if output.is_over() => Err(ErrorKind::BrokenPipe.into()),
            0 => Err(ErrorKind::WouldBlock.into()),
            _ => output.octets.write(octets.get(..taken).unwrap_or_default()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
