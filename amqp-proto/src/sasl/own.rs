//! [`OwnMechanism`]: a client mechanism of the application.

use core::fmt;

use alloc::boxed::Box;

use super::mechanism::ClientMechanism;

/// A mechanism that is copied for each connection, and never called itself.
pub(super) struct OwnMechanism(Box<dyn Prototype>);

impl OwnMechanism {
    pub(super) fn new(mechanism: impl ClientMechanism + Clone + Sync + 'static) -> Self {
        Self(Box::new(mechanism))
    }

    /// Returns a copy for one connection.
    pub(super) fn begin(&self) -> Box<dyn ClientMechanism> {
        self.0.to_mechanism()
    }
}

impl Clone for OwnMechanism {
    fn clone(&self) -> Self {
        Self(self.0.to_prototype())
    }
}

/// Prints only the name, since the mechanism's own `Debug` may print too much.
impl fmt::Debug for OwnMechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.begin().name().as_str())
    }
}

trait Prototype: Send + Sync {
    fn to_mechanism(&self) -> Box<dyn ClientMechanism>;
    fn to_prototype(&self) -> Box<dyn Prototype>;
}

impl<M: ClientMechanism + Clone + Sync + 'static> Prototype for M {
    fn to_mechanism(&self) -> Box<dyn ClientMechanism> {
        Box::new(self.clone())
    }

    fn to_prototype(&self) -> Box<dyn Prototype> {
        Box::new(self.clone())
    }
}
