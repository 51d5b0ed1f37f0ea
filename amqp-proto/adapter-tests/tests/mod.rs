//! The tests of both adapters, one file for each subject.

mod common;
#[allow(unreachable_pub)]
#[path = "../../tests/handler/programs.rs"]
mod programs;

mod building;
mod container;
mod credit;
mod dropping;
mod ends;
mod errors;
mod exchange;
mod handlers_recover;
mod handles;
mod heartbeats;
mod interruptions;
mod proton;
mod receiver_sets;
mod reconnect;
mod recovery;
mod refusals;
mod reopening;
mod requests;
mod resumption;
mod routing;
mod served_termini;
mod sockets;
mod strangers;
mod streams;
mod survivors;
mod termini;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "tls")]
mod tls_headers;
mod trace;
mod transactions;
mod turns;
mod written;
