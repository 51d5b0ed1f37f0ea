//! The errors of the program: with their texts if it prints; else without, which keeps all texts out of the flash.

#[cfg(feature = "print")]
mod told {
    /// An error, with its text.
    pub type Failure = alloc::boxed::Box<dyn core::error::Error>;

    /// Returns the failure with this text.
    pub fn failure(text: &'static str) -> Failure {
        text.into()
    }
}

#[cfg(not(feature = "print"))]
mod told {
    use core::{error::Error, fmt};

    /// Any error.
    pub struct Failure;

    impl<E: Error> From<E> for Failure {
        fn from(_: E) -> Self {
            Self
        }
    }

    impl fmt::Display for Failure {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            Ok(())
        }
    }

    /// Returns the failure without its text.
    pub fn failure(_: &'static str) -> Failure {
        Failure
    }
}

pub use told::{Failure, failure};
