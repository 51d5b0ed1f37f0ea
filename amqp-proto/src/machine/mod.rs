//! Floor 4: the rules.
//!
//! State machines without bytes of their own: what came in as a typed value is checked against the standard, and
//! what has to be sent or told comes out as a value. No sockets, clocks or randomness; whoever drives a machine
//! brings them.

pub mod sasl;
