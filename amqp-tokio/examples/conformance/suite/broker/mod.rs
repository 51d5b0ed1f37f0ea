//! The rules that a peer which accepts connections has to follow, such as a broker.

mod connection;
mod credit;
mod encodings;
mod frames;
mod headers;
mod links;
mod messages;
mod resuming;
mod sasl;
mod sessions;
mod settlement;
mod transactions;
mod transfers;
mod windows;

use super::case::Section;

pub(crate) const SECTIONS: [Section; 14] = [
    Section { title: "Version negotiation", cases: &headers::CASES, on_node: false },
    Section { title: "SASL", cases: &sasl::CASES, on_node: false },
    Section { title: "Frames", cases: &frames::CASES, on_node: false },
    Section { title: "Types and encodings", cases: &encodings::CASES, on_node: false },
    Section { title: "Connections", cases: &connection::CASES, on_node: false },
    Section { title: "Sessions", cases: &sessions::CASES, on_node: false },
    Section { title: "Session windows", cases: &windows::CASES, on_node: true },
    Section { title: "Links", cases: &links::CASES, on_node: false },
    Section { title: "Credit", cases: &credit::CASES, on_node: true },
    Section { title: "Transfers", cases: &transfers::CASES, on_node: true },
    Section { title: "Settlement", cases: &settlement::CASES, on_node: true },
    Section { title: "Messages", cases: &messages::CASES, on_node: true },
    Section { title: "Resuming", cases: &resuming::CASES, on_node: true },
    Section { title: "Transactions", cases: &transactions::CASES, on_node: true },
];
