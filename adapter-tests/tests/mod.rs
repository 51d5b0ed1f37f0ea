//! The tests that both adapters have, a file a subject.

mod ends;
mod errors;
mod handles;
mod heartbeats;
mod strangers;

mod common;
