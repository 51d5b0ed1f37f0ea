//! Addresses, filters, annotations and properties of certain brokers, as they write them.
//!
//! Nothing here decides, waits or sends: each function returns a part of an attach or of a message. [The guide to
//! brokers](crate::guide::brokers) says what each broker does with them.

pub mod artemis;
pub mod azure;
mod percent;
pub mod rabbitmq;

pub(crate) use percent::push_encoded;
