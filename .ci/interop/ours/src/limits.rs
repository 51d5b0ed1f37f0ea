//! [`Limit`]: a case that a broker is known to fail, and the error by which it fails.
//!
//! A limit is asserted: the case must end with exactly this error. If it does not, the table is out of date.

use amqp_proto::Origin;

use crate::broker::Broker;
use crate::failure::{Failure, Over};

/// A known limit of a broker.
#[derive(Debug)]
pub(crate) struct Limit {
    broker: Broker,
    cases: &'static [&'static str],
    /// The possible ends of a case that meets the limit. Timing decides which one occurs.
    ends: &'static [End],
    /// The text for the matrix.
    pub(crate) note: &'static str,
}

/// The end of a case that meets a limit.
#[derive(Debug)]
enum End {
    /// The peer or this end ends an endpoint with this condition, and a description that contains these words.
    Error(Over, Origin, &'static str, &'static str),
    /// The transport fails, with an error that contains these words.
    Broken(Over, &'static str),
    /// An assertion of the case fails with these words.
    Wrong(&'static str),
}

impl Limit {
    /// Returns the known limit of this broker in this case.
    pub(crate) fn find(broker: Broker, case: &str) -> Option<&'static Self> {
        LIMITS.iter().find(|limit| limit.broker == broker && limit.cases.contains(&case))
    }

    /// Returns `true` if a case that meets the limit may end in this way.
    pub(crate) fn is_met(&self, failure: &Failure) -> bool {
        self.ends.iter().any(|end| end.is(failure))
    }
}

impl End {
    fn is(&self, failure: &Failure) -> bool {
        match (self, failure) {
            (End::Error(over, origin, condition, words), Failure::Problem(problem)) => {
                problem.over == *over
                    && problem.origin == Some(*origin)
                    && problem.condition.as_ref().is_some_and(|own| own.as_str() == *condition)
                    && problem.description.contains(words)
            }
            (End::Broken(over, words), Failure::Problem(problem)) => {
                problem.over == *over
                    && problem.origin == Some(Origin::Transport)
                    && problem.words.contains(words)
            }
            (End::Wrong(expected), Failure::Wrong(words)) => words.contains(expected),
            _ => false,
        }
    }
}

const fn remote(over: Over, condition: &'static str, words: &'static str) -> End {
    End::Error(over, Origin::Remote, condition, words)
}

static LIMITS: &[Limit] = &[
    Limit {
        broker: Broker::RabbitMq4,
        cases: &["a_connection_opens_without_sasl"],
        ends: &[End::Broken(Over::Connection, "SASL")],
        note: "refuses clients without SASL: it answers with the SASL header",
    },
    Limit {
        broker: Broker::RabbitMq4,
        cases: SCRAM,
        ends: &[NO_SCRAM],
        note: "offers no SCRAM: `amqp:unauthorized-access`, no SASL mechanism in common with the server",
    },
    Limit {
        broker: Broker::RabbitMq4,
        cases: &[
            "a_broker_rejects_our_message_with_a_reason",
            "a_broker_releases_our_message",
            "a_broker_modifies_our_message",
            "each_message_gets_its_own_outcome",
            "a_source_of_150_messages_is_emptied",
        ],
        ends: &[remote(Over::Link, "amqp:invalid-field", "amqp_address_v1_not_permitted")],
        note: "has no such addresses: `amqp:invalid-field`, amqp_address_v1_not_permitted",
    },
    Limit {
        broker: Broker::RabbitMq4,
        cases: SECOND,
        ends: &[remote(Over::Link, "amqp:not-implemented", "rcv-settle-mode second not supported")],
        note: "refuses the link: `amqp:not-implemented`, rcv-settle-mode second not supported",
    },
    Limit {
        broker: Broker::RabbitMq4,
        cases: &["a_user_id_arrives"],
        ends: &[remote(Over::Lost, "amqp:unauthorized-access", "user_id property set to 'guest'")],
        note: "ends the link where the user-id is not the login: `amqp:unauthorized-access`",
    },
    Limit {
        broker: Broker::RabbitMq4,
        cases: &["a_dynamic_source_is_created", "requests_are_answered"],
        ends: &[remote(Over::Link, "amqp:not-implemented", "Dynamic source not supported")],
        note: "creates no dynamic nodes: `amqp:not-implemented`, Dynamic source not supported",
    },
    Limit {
        broker: Broker::RabbitMq4,
        cases: &["a_dynamic_target_is_created"],
        ends: &[remote(Over::Link, "amqp:not-implemented", "Dynamic target not supported")],
        note: "creates no dynamic nodes: `amqp:not-implemented`, Dynamic target not supported",
    },
    Limit {
        broker: Broker::RabbitMq4,
        cases: &["the_error_of_a_refused_link_has_the_reason"],
        ends: &[End::Wrong("Attach refused: {bad_address,undefined}")],
        note: "reports an Erlang term: `amqp:invalid-field`, Attach refused: {bad_address,undefined}",
    },
    Limit {
        broker: Broker::RabbitMq4,
        cases: &["an_aborted_message_is_not_delivered"],
        ends: &[
            remote(Over::Link, "amqp:decode-error", "failed to parse message"),
            remote(Over::Lost, "amqp:decode-error", "failed to parse message"),
            // A later frame has arrived on the ended link.
            remote(Over::Session, "amqp:session:unattached-handle", "Unknown link handle"),
            remote(Over::Lost, "amqp:session:unattached-handle", "Unknown link handle"),
        ],
        note: "treats an aborted delivery as complete and ends the link: `amqp:decode-error`",
    },
    Limit {
        broker: Broker::RabbitMq,
        cases: SCRAM,
        ends: &[NO_SCRAM],
        note: "offers no SCRAM: `amqp:unauthorized-access`, no SASL mechanism in common with the server",
    },
    Limit {
        broker: Broker::Rhea,
        cases: SCRAM,
        ends: &[NO_SCRAM],
        note: "offers no SCRAM: `amqp:unauthorized-access`, no SASL mechanism in common with the server",
    },
    Limit {
        broker: Broker::RabbitMq,
        cases: &[
            "a_broker_rejects_our_message_with_a_reason",
            "a_broker_releases_our_message",
            "a_broker_modifies_our_message",
            "each_message_gets_its_own_outcome",
        ],
        ends: &[End::Wrong("accepted, not")],
        note: "has no addresses with a fixed outcome: all messages are accepted",
    },
    Limit {
        broker: Broker::RabbitMq,
        cases: &["a_source_of_150_messages_is_emptied"],
        ends: &[End::Wrong("\"no source\", not \"msg0\"")],
        note: "has no addresses with prepared messages",
    },
    Limit {
        broker: Broker::RabbitMq,
        cases: SECOND,
        ends: &[remote(Over::Session, "amqp:not-implemented", "rcv-settle-mode second not supported")],
        note: "ends the session: `amqp:not-implemented`, rcv-settle-mode second not supported",
    },
    Limit {
        broker: Broker::RabbitMq,
        cases: &[
            "a_modified_message_that_failed_is_counted",
            "a_modified_message_that_did_not_fail_is_not_counted",
        ],
        ends: &[remote(Over::Session, "amqp:invalid-field", "Unrecognised state")],
        note: "ends the session on modified: `amqp:invalid-field`, Unrecognised state",
    },
    Limit {
        broker: Broker::RabbitMq,
        cases: &["a_message_modified_as_undeliverable_here_is_not_redelivered"],
        ends: &[
            remote(Over::Lost, "amqp:invalid-field", "Unrecognised state"),
            remote(Over::Session, "amqp:invalid-field", "Unrecognised state"),
        ],
        note: "ends the session on modified: `amqp:invalid-field`, Unrecognised state",
    },
    Limit {
        broker: Broker::RabbitMq,
        cases: &["lists_and_maps_arrive"],
        ends: &[End::Broken(Over::Lost, TRANSPORT)],
        note: "closes the transport on a body that is a list or a map",
    },
    Limit {
        broker: Broker::RabbitMq,
        cases: &["a_drain_brings_all_messages", "a_drain_of_an_empty_queue_ends"],
        ends: &[remote(Over::Session, "amqp:internal-error", "send_drained")],
        note: "ends the session on drain: `amqp:internal-error`, function_clause",
    },
    Limit {
        broker: Broker::RabbitMq,
        cases: &[
            "a_dynamic_source_is_created",
            "requests_are_answered",
            "requests_are_answered_by_direct_reply_to",
        ],
        ends: &[remote(Over::Session, "amqp:not-implemented", "Dynamic sources not supported")],
        note: "creates no dynamic nodes and ends the session: `amqp:not-implemented`, Dynamic sources not supported",
    },
    Limit {
        broker: Broker::RabbitMq,
        cases: &["a_dynamic_target_is_created"],
        ends: &[remote(Over::Session, "amqp:not-implemented", "Dynamic targets not supported")],
        note: "creates no dynamic nodes and ends the session: `amqp:not-implemented`, Dynamic targets not supported",
    },
    Limit {
        broker: Broker::RabbitMq,
        cases: &["an_anonymous_sender_reaches_each_address", "the_error_of_a_refused_link_has_the_reason"],
        ends: &[remote(
            Over::Session,
            "amqp:invalid-field",
            "Attach rejected: {address_not_utf8_string,undefined}",
        )],
        note: "requires an address and ends the session: `amqp:invalid-field`, Attach rejected",
    },
    Limit {
        broker: Broker::RabbitMq,
        cases: &["a_message_is_sent_in_pieces", "a_message_is_read_while_it_arrives"],
        ends: UNEXPECTED,
        note: "ends the session on a last frame without octets: `amqp:internal-error`, Unexpected frame",
    },
    Limit {
        broker: Broker::RabbitMq,
        cases: &["an_aborted_message_is_not_delivered"],
        ends: UNEXPECTED,
        note: "ends the session on an aborted delivery: `amqp:internal-error`, Unexpected frame",
    },
    Limit {
        broker: Broker::Rhea,
        cases: &["an_aborted_message_is_not_delivered"],
        ends: BROKEN,
        note: "treats the sent part of an aborted delivery as a message, and closes the transport",
    },
    Limit {
        broker: Broker::Rhea,
        cases: &["message_ids_keep_their_types"],
        ends: &[End::Wrong("properties of octets")],
        note: "treats a binary message-id as a UUID",
    },
    Limit {
        broker: Broker::Rhea,
        cases: &["a_receiver_that_asks_for_settled_messages_gets_them"],
        ends: &[End::Wrong("not so: the delivery is settled")],
        note: "sends unsettled messages whatever the receiver requests",
    },
    Limit {
        broker: Broker::Rhea,
        cases: &["a_broker_settles_before_our_receiver_that_settles_second"],
        ends: &[End::Wrong(NOT_SETTLED)],
        note: "does not settle before the receiver settles",
    },
];

const SCRAM: &[&str] = &["a_login_by_scram_is_accepted", "scram_with_a_wrong_password_is_refused"];

const SECOND: &[&str] = &[
    "a_sender_settles_for_a_receiver_that_settles_second",
    "a_broker_settles_before_our_receiver_that_settles_second",
];

const NO_SCRAM: End = End::Error(
    Over::Connection,
    Origin::Local,
    "amqp:unauthorized-access",
    "no SASL mechanism in common with the server",
);

const UNEXPECTED: &[End] = &[
    remote(Over::Lost, "amqp:internal-error", "Unexpected frame"),
    remote(Over::Session, "amqp:internal-error", "Unexpected frame"),
];

/// The first words of the error if the peer closes or resets the transport.
const TRANSPORT: &str = "the transport ";

const BROKEN: &[End] = &[End::Broken(Over::Lost, TRANSPORT), End::Broken(Over::Connection, TRANSPORT)];

/// The words of a case whose peer does not settle.
pub(crate) const NOT_SETTLED: &str = "the sender does not settle";
