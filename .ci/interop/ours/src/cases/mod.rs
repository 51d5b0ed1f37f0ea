//! The cases. Each is a function with the name of the expected behaviour.

mod connecting;
mod encrypted;
mod links;
mod managing;
mod nodes;
mod receiving;
mod secured;
mod sending;
mod sizes;
mod streaming;
mod transacting;

use crate::broker::{Broker, Fixture};
use crate::client::Client;
use crate::failure::{Done, Failure};
use crate::on_blocking::Blocking;
use crate::on_tokio::Tokio;

/// A case, with one client.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) group: &'static str,
    pub(crate) name: &'static str,
    pub(crate) client: &'static str,
    /// The only broker that has what the case needs.
    pub(crate) only: Option<Broker>,
    pub(crate) play: fn(&Fixture) -> Done,
}

/// Cases of groups, as a function.
macro_rules! cases {
    ($(#[$doc:meta])* $set:ident<$client:ident>: $($group:ident: $($name:ident)*;)*) => {
        $(#[$doc])*
        fn $set<$client: Client>() -> Vec<Case> {
            vec![$($(Case {
                group: stringify!($group),
                name: stringify!($name),
                client: $client::NAME,
                only: None,
                play: |fixture| block_on($group::$name::<$client>(fixture)),
            },)*)*]
        }
    };
}

cases! {
    /// For brokers that accept anonymous clients.
    open<C>:
    connecting:
        a_connection_opens_without_sasl
        a_connection_opens_as_anonymous
        a_login_by_plain_is_accepted
        plain_with_a_wrong_password_is_refused
        a_login_by_scram_is_accepted
        scram_with_a_wrong_password_is_refused
        a_login_uses_a_mechanism_that_is_offered
        heartbeats_keep_an_idle_connection;
    sending:
        a_broker_accepts_our_message
        a_broker_rejects_our_message_with_a_reason
        a_broker_releases_our_message
        a_broker_modifies_our_message
        each_message_gets_its_own_outcome
        thousands_of_messages_arrive_in_order
        messages_that_are_sent_settled_arrive
        messages_on_a_settled_link_arrive
        settled_messages_survive_a_close
        a_sender_settles_for_a_receiver_that_settles_second
        the_application_settles_its_own_deliveries
        properties_and_annotations_arrive
        timestamps_arrive
        a_user_id_arrives
        binary_data_arrives
        strings_arrive
        a_boolean_arrives
        lists_and_maps_arrive
        message_ids_keep_their_types
        a_priority_of_4_is_above_3;
    receiving:
        an_accepted_message_is_gone
        a_rejected_message_is_gone
        a_message_rejected_with_an_error_is_gone
        a_released_message_is_redelivered
        a_modified_message_that_failed_is_counted
        a_modified_message_that_did_not_fail_is_not_counted
        a_message_modified_as_undeliverable_here_is_not_redelivered
        each_outcome_reaches_its_own_message
        an_unsettled_message_is_redelivered_after_a_detach
        an_unsettled_message_is_redelivered_after_an_end
        an_unsettled_message_is_redelivered_after_a_close
        a_receiver_that_asks_for_settled_messages_gets_them
        a_broker_settles_before_our_receiver_that_settles_second
        a_broker_keeps_to_credit_set_by_hand
        two_receivers_share_a_queue
        a_source_of_150_messages_is_emptied
        a_drain_brings_all_messages
        a_drain_of_an_empty_queue_ends;
    sizes:
        sizes_around_frames_of_512_octets
        sizes_around_frames_of_4096_octets
        sizes_around_frames_of_65536_octets
        ten_mebibytes_in_frames_of_512_octets
        ten_mebibytes_in_frames_of_4096_octets
        ten_mebibytes_in_frames_of_65536_octets;
    nodes:
        a_dynamic_source_is_created
        a_dynamic_target_is_created
        an_anonymous_sender_reaches_each_address
        requests_are_answered
        requests_are_answered_by_direct_reply_to;
    links:
        sessions_and_links_do_not_mix
        a_session_ends_without_its_connection
        links_are_attached_and_closed_again_and_again
        connections_are_opened_and_closed_again_and_again
        a_close_with_an_error_is_answered
        the_error_of_a_refused_link_has_the_reason
        dropped_handles_are_closed;
}

cases! {
    /// For RabbitMQ 4 with its management node.
    managed<C>:
    managing:
        a_queue_is_declared_bound_purged_and_deleted
        a_stream_is_read_again_from_an_offset;
}

cases! {
    /// For brokers that have transactions.
    transacted<C>:
    transacting:
        posted_messages_arrive_at_the_commit
        posted_messages_are_dropped_at_the_rollback
        accepted_messages_are_gone_at_the_commit
        accepted_messages_come_back_after_the_rollback
        messages_move_from_queue_to_queue
        a_transaction_without_its_handle_is_rolled_back
        transactions_follow_each_other;
}

cases! {
    /// For brokers that require a login.
    known<C>:
    secured:
        a_login_in_the_url_is_accepted
        an_anonymous_client_is_refused
        a_client_without_sasl_is_refused;
}

cases! {
    /// For brokers that speak TLS.
    tls<C>:
    encrypted:
        a_broker_with_a_trusted_certificate_is_accepted
        a_password_goes_over_tls
        a_certificate_of_an_unknown_authority_is_refused;
}

cases! {
    /// For brokers whose certificate has expired.
    expired<C>:
    encrypted:
        an_expired_certificate_is_refused;
}

cases! {
    /// For brokers whose certificate is for another name.
    wrong_name<C>:
    encrypted:
        a_certificate_for_another_name_is_refused;
}

/// Cases for the client on tokio only.
fn streams() -> Vec<Case> {
    let case = |name, play| Case { group: "streaming", name, client: Tokio::NAME, only: None, play };
    vec![
        case("a_message_is_sent_in_pieces", |fixture| {
            block_on(streaming::a_message_is_sent_in_pieces(fixture))
        }),
        case("a_message_is_read_while_it_arrives", |fixture| {
            block_on(streaming::a_message_is_read_while_it_arrives(fixture))
        }),
        case("an_aborted_message_is_not_delivered", |fixture| {
            block_on(streaming::an_aborted_message_is_not_delivered(fixture))
        }),
    ]
}

/// The configuration of the brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Set {
    /// The brokers accept anonymous clients.
    Open,
    /// The brokers have transactions, and accept anonymous clients.
    Transacted,
    /// The brokers require a login.
    Secured,
    /// The brokers speak TLS.
    Tls,
    /// The brokers speak TLS with an expired certificate.
    Expired,
    /// The brokers speak TLS with a certificate for another name.
    WrongName,
}

impl Set {
    /// Returns the cases for this configuration, with both clients.
    pub(crate) fn cases(self) -> Vec<Case> {
        match self {
            Self::Open => {
                let mut managed = [managed::<Tokio>(), managed::<Blocking>()].concat();
                managed.iter_mut().for_each(|case| case.only = Some(Broker::RabbitMq4));
                [open::<Tokio>(), open::<Blocking>(), streams(), managed].concat()
            }
            Self::Transacted => [transacted::<Tokio>(), transacted::<Blocking>()].concat(),
            Self::Secured => [known::<Tokio>(), known::<Blocking>()].concat(),
            Self::Tls => [tls::<Tokio>(), tls::<Blocking>()].concat(),
            Self::Expired => [expired::<Tokio>(), expired::<Blocking>()].concat(),
            Self::WrongName => [wrong_name::<Tokio>(), wrong_name::<Blocking>()].concat(),
        }
    }
}

fn block_on(case: impl Future<Output = Done>) -> Done {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(|error| Failure::wrong(format!("no runtime: {error}")))?.block_on(case)
}
