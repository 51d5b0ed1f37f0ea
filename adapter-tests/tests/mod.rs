//! The tests that both adapters have, a file a subject.

mod common;

mod building;
mod credit;
mod ends;
mod errors;
mod exchange;
mod handles;
mod heartbeats;
mod refusals;
mod strangers;
mod streams;
