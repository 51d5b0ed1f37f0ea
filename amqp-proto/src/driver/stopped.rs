//! [`Stopped`]: the error of work for a container that has ended.

use core::fmt;

/// The error of work for a container that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the container has ended")
    }
}

impl core::error::Error for Stopped {}
