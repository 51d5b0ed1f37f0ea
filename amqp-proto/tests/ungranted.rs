//! Requests in an attach that the peer's attach does not grant [2.6.3] [3.5.3].

use amqp_proto::config::{ReceiverOptions, SenderOptions, Ungranted};
use amqp_proto::types::{Described, Handle, Many, Symbol};
use amqp_proto::wire::{
    Attach, Coordinator, DistributionMode, ExpiryPolicy, ReceiverSettleMode, Role, SenderSettleMode, Source,
    Target, TerminusDurability,
};

fn name(name: &'static str) -> Symbol {
    Symbol::checked(name)
}

fn sender_attach(source: Source) -> Attach {
    Attach { source: Some(Box::new(source)), ..Attach::new("link".into(), Handle::new(0), Role::Sender) }
}

fn receiver_attach(target: Target) -> Attach {
    Attach {
        target: Some(Box::new(target.into())),
        ..Attach::new("link".into(), Handle::new(0), Role::Receiver)
    }
}

fn filter(code: u64, expression: &str) -> Described {
    Described::new(code, expression)
}

/// M-SRC-08 [3.5.3]: the filter set of the answer is in force. A filter that is missing or different is not granted.
/// Both forms of the descriptor name the same filter.
#[test]
fn m_src_08_a_filter_that_the_answer_does_not_have_is_not_granted() {
    let code = 0x0000_468c_0000_0004;
    let asked = Source::at("jobs").with_filter(name("selector"), filter(code, "n > 1"));
    let options = ReceiverOptions::new().with_source(asked.clone());
    let symbolic = Described::new(name("apache.org:selector-filter:string"), "n > 1");
    for granted in [asked, Source::at("jobs").with_filter(name("selector"), symbolic)] {
        assert_eq!(options.ungranted(&sender_attach(granted)), []);
    }
    let other = Source::at("jobs").with_filter(name("selector"), filter(code, "n > 2"));
    for granted in [other, Source::at("jobs")] {
        assert_eq!(options.ungranted(&sender_attach(granted)), [Ungranted::Filter(name("selector"))]);
    }
    assert_eq!(
        options.ungranted(&Attach::new("link".into(), Handle::new(0), Role::Sender)),
        [Ungranted::Filter(name("selector"))]
    );
}

/// L-EXT-01 [2.7.3]: a desired capability must be offered, on the link and on the terminus.
#[test]
fn l_ext_01_capabilities_that_are_not_offered_are_not_granted() {
    let source = Source { capabilities: Many::from(name("queue")), ..Source::at("jobs") };
    let options = ReceiverOptions::new()
        .with_source(source.clone())
        .with_desired_capabilities(Many::from(name("paging")));
    let mut answer = sender_attach(Source::at("jobs"));
    assert_eq!(
        options.ungranted(&answer),
        [Ungranted::Capability(name("paging")), Ungranted::Capability(name("queue"))]
    );
    answer.offered_capabilities = [name("other"), name("paging")].into_iter().collect();
    answer.source = Some(Box::new(source));
    assert_eq!(options.ungranted(&answer), []);

    let coordinator = Coordinator { capabilities: Many::from(name("amqp:multi-txns-per-ssn")) };
    let options = SenderOptions::to_coordinator(coordinator.clone());
    let mut answer = receiver_attach(Target::default());
    answer.target = Some(Box::new(Coordinator::default().into()));
    answer.snd_settle_mode = SenderSettleMode::Unsettled;
    assert_eq!(options.ungranted(&answer), [Ungranted::Capability(name("amqp:multi-txns-per-ssn"))]);
    answer.target = Some(Box::new(coordinator.into()));
    assert_eq!(options.ungranted(&answer), []);
}

/// M-SRC-08 [3.5.3] [3.5.4]: durability, expiry, dynamic nodes and the distribution mode are as the answer says. More
/// durable than requested is granted.
#[test]
fn m_src_08_a_terminus_that_survives_less_is_not_granted() {
    let asked = Source {
        durable: TerminusDurability::Configuration,
        expiry_policy: ExpiryPolicy::LinkDetach,
        timeout: 30,
        dynamic: true,
        distribution_mode: Some(DistributionMode::Copy),
        ..Source::default()
    };
    let options = ReceiverOptions::new().with_source(asked.clone());
    let granted = Source {
        durable: TerminusDurability::UnsettledState,
        timeout: 60,
        address: Some("made-up".into()),
        ..asked.clone()
    };
    assert_eq!(options.ungranted(&sender_attach(granted)), []);
    assert_eq!(
        options.ungranted(&sender_attach(Source::default())),
        [Ungranted::DistributionMode, Ungranted::Durability, Ungranted::Expiry, Ungranted::Dynamic]
    );
    let short = Source { timeout: 29, address: Some("made-up".into()), ..asked };
    assert_eq!(options.ungranted(&sender_attach(short)), [Ungranted::Expiry]);

    let never = Target { expiry_policy: ExpiryPolicy::Never, timeout: 30, ..Target::at("jobs") };
    let options = SenderOptions::new().with_target(never.clone());
    assert_eq!(options.ungranted(&receiver_attach(Target { timeout: 0, ..never.clone() })), []);
    assert_eq!(options.ungranted(&receiver_attach(Target::at("jobs"))), [Ungranted::Expiry]);
    let dynamic = SenderOptions::to_dynamic();
    let nameless = Target { dynamic: true, ..Target::default() };
    assert_eq!(dynamic.ungranted(&receiver_attach(nameless)), [Ungranted::Dynamic]);
    assert_eq!(dynamic.ungranted(&receiver_attach(Target::at("made-up"))), []);
}

/// L-MODE-01, L-MODE-02 [2.8.2] [2.8.3]: a requested settle mode must be that of the answer.
#[test]
fn l_mode_02_another_settle_mode_is_not_granted() {
    let answer = receiver_attach(Target::at("jobs"));
    assert_eq!(SenderOptions::to("jobs").ungranted(&answer), []);
    let options = SenderOptions::to("jobs")
        .with_snd_settle_mode(SenderSettleMode::Unsettled)
        .with_rcv_settle_mode(ReceiverSettleMode::Second);
    let missing = options.ungranted(&answer);
    assert_eq!(missing, [Ungranted::SenderSettleMode, Ungranted::ReceiverSettleMode]);
    let words: Vec<String> = missing.iter().map(ToString::to_string).collect();
    assert_eq!(words, ["snd-settle-mode", "rcv-settle-mode"]);
}
