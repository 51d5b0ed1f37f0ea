//! The cases, each a function named after what it sees.

mod connecting;
mod encrypted;
mod links;
mod nodes;
mod receiving;
mod secured;
mod sending;
mod sizes;
mod streaming;

use crate::broker::Fixture;
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
                play: |fixture| block_on($group::$name::<$client>(fixture)),
            },)*)*]
        }
    };
}

cases! {
    /// For brokers that let everybody in.
    open<C>:
    connecting:
        a_connection_opens_without_sasl
        a_connection_opens_as_anonymous
        plain_lets_in
        plain_with_a_wrong_password_is_refused
        scram_lets_in
        scram_with_a_wrong_password_is_refused
        a_login_takes_what_is_offered
        heartbeats_keep_an_idle_connection;
    sending:
        a_message_of_ours_is_accepted
        a_message_of_ours_is_rejected_and_we_hear_why
        a_message_of_ours_is_released
        a_message_of_ours_is_modified
        outcomes_come_back_to_their_messages
        thousands_of_messages_arrive_in_order
        messages_that_are_sent_settled_arrive
        messages_on_a_settled_link_arrive
        what_was_sent_settled_survives_the_close
        a_receiver_that_settles_second_is_settled_for
        the_application_settles_what_it_sent
        what_is_said_about_a_message_arrives
        times_arrive
        who_has_sent_it_arrives
        octets_arrive
        text_arrives
        a_boolean_arrives
        lists_and_maps_arrive
        message_ids_keep_their_types
        a_priority_of_4_is_above_3;
    receiving:
        what_we_accept_is_gone
        what_we_reject_is_gone
        what_we_reject_for_a_reason_is_gone
        what_we_release_comes_again
        what_we_modify_as_failed_is_counted
        what_we_modify_as_not_failed_is_not_counted
        what_we_modify_as_undeliverable_does_not_come_back
        what_we_say_reaches_its_message
        what_we_leave_undecided_comes_again
        what_a_session_held_comes_again
        what_a_closed_connection_held_comes_again
        messages_come_settled_to_who_asks
        a_sender_settles_before_us_where_we_are_second
        credit_by_hand_is_kept_to
        two_receivers_share_a_queue
        a_source_of_messages_is_emptied
        a_drain_brings_what_there_is
        a_drain_of_nothing_ends;
    sizes:
        sizes_around_frames_of_512_octets
        sizes_around_frames_of_4096_octets
        sizes_around_frames_of_65536_octets
        ten_mebibytes_in_frames_of_512_octets
        ten_mebibytes_in_frames_of_4096_octets
        ten_mebibytes_in_frames_of_65536_octets;
    nodes:
        a_node_is_made_to_receive_from
        a_node_is_made_to_send_to
        messages_go_where_they_are_addressed
        requests_are_answered
        requests_are_answered_by_direct_reply_to;
    links:
        sessions_and_links_do_not_mix
        a_session_ends_by_itself
        links_are_attached_and_closed_again_and_again
        connections_are_opened_and_closed_again_and_again
        what_we_close_for_a_reason_is_closed
        the_error_of_a_refused_link_has_the_reason
        what_is_dropped_is_closed;
}

cases! {
    /// For brokers that let nobody in whom they do not know.
    known<C>:
    secured:
        the_url_lets_in
        nobody_is_refused
        who_does_without_sasl_is_refused;
}

cases! {
    /// For brokers that speak TLS.
    tls<C>:
    encrypted:
        who_shows_a_good_certificate_is_believed
        a_password_goes_over_tls
        who_is_vouched_for_by_nobody_known_is_not_believed;
}

cases! {
    /// For brokers whose certificate has expired.
    expired<C>:
    encrypted:
        an_expired_certificate_is_not_believed;
}

cases! {
    /// For brokers whose certificate is for another name.
    wrong_name<C>:
    encrypted:
        a_certificate_for_another_name_is_not_believed;
}

/// What only the client on tokio does.
fn streams() -> Vec<Case> {
    let case = |name, play| Case { group: "streaming", name, client: Tokio::NAME, play };
    vec![
        case("a_message_is_sent_in_pieces", |fixture| {
            block_on(streaming::a_message_is_sent_in_pieces(fixture))
        }),
        case("a_message_is_read_while_it_comes", |fixture| {
            block_on(streaming::a_message_is_read_while_it_comes(fixture))
        }),
        case("a_message_that_is_given_up_is_not_seen", |fixture| {
            block_on(streaming::a_message_that_is_given_up_is_not_seen(fixture))
        }),
    ]
}

/// What the brokers are started for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Set {
    /// They let everybody in.
    Open,
    /// They let nobody in whom they do not know.
    Secured,
    /// They speak TLS.
    Tls,
    /// They speak TLS, and their certificate has expired.
    Expired,
    /// They speak TLS, and their certificate is for another name.
    WrongName,
}

impl Set {
    /// The cases of a set, with both clients.
    pub(crate) fn cases(self) -> Vec<Case> {
        match self {
            Self::Open => [open::<Tokio>(), open::<Blocking>(), streams()].concat(),
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
