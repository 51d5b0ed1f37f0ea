//! The rules that a peer which connects has to follow: a client that sends or receives.

mod connection;
mod host;
mod links;
mod opening;

use super::case::Section;

pub(crate) const SECTIONS: [Section; 4] = [
    Section { title: "Version negotiation and SASL", cases: &opening::CASES, on_node: false },
    Section { title: "Connections and frames", cases: &connection::CASES, on_node: false },
    Section { title: "Sessions and links", cases: &links::CASES, on_node: false },
    Section { title: "Credit and deliveries", cases: &links::MESSAGES, on_node: false },
];
