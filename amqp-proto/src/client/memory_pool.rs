//! [`MemoryPool`]: the memory of all connections of a server.

use std::sync::{Arc, Mutex, PoisonError};

/// The memory, in octets, that all connections of a server may hold together.
///
/// A connection takes the [memory of its limits](crate::types::Limits::memory) from the pool before it begins, and gives it
/// back when its last handle is dropped. If less is left, the client's open is answered with resource-limit-exceeded, and
/// the connection is closed. Such a connection has a few frames of memory, and only until then.
///
/// A clone is the same pool, so that several listeners can share one.
///
/// ```
/// use amqp_proto::client::{Acceptor, ConnectionOptions, MemoryPool};
/// use amqp_proto::types::Limits;
///
/// // Sixteen connections of 1 MiB.
/// let limits = Limits::default().with_memory(1 << 20);
/// let options = ConnectionOptions::new().with_limits(limits);
/// let pool = MemoryPool::new(16 << 20);
/// let acceptor = Acceptor::new(options).with_memory_pool(&pool);
/// # let _ = acceptor;
/// assert_eq!(pool.left(), 16 << 20);
/// ```
#[derive(Debug, Clone)]
pub struct MemoryPool {
    /// The octets that are left.
    left: Arc<Mutex<u64>>,
}

impl MemoryPool {
    /// Returns a pool of this many octets.
    pub fn new(octets: u64) -> Self {
        Self { left: Arc::new(Mutex::new(octets)) }
    }

    /// Returns the number of octets that no connection has taken.
    pub fn left(&self) -> u64 {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes octets until the share is dropped; `None` if less is left.
    pub(super) fn take(&self, octets: u64) -> Option<Share> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        *left = left.checked_sub(octets)?;
        Some(Share { pool: self.clone(), octets })
    }
}

/// Octets that were taken from a pool.
#[derive(Debug)]
pub(super) struct Share {
    pool: MemoryPool,
    octets: u64,
}

impl Drop for Share {
    fn drop(&mut self) {
        *self.pool.left.lock().unwrap_or_else(PoisonError::into_inner) += self.octets;
    }
}

#[cfg(test)]
mod tests {
    use super::MemoryPool;

    #[test]
    fn shares_come_back() {
        let pool = MemoryPool::new(10);
        let (first, second) = (pool.take(4), pool.clone().take(6));
        assert!(first.is_some() && second.is_some());
        assert!(pool.take(1).is_none());
        drop(second);
        assert_eq!(pool.left(), 6);
        assert!(pool.take(7).is_none());
        drop(first);
        assert_eq!(pool.left(), 10);
    }
}
