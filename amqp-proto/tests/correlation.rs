//! The correlation of answers with requests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use amqp_proto::message::Message;
use amqp_proto::policy::{Correlator, RequestError, answer_to};
use amqp_proto::types::{Moment, Uuid};
use amqp_proto::wire::MessageId;
use proptest::prelude::*;

fn at(millis: u64) -> Moment {
    Moment::from_millis(millis)
}

fn id(message: &Message) -> MessageId {
    message.properties().message_id.clone().unwrap()
}

/// Answers match their requests in any order, once; other messages match none.
#[test]
fn answers_find_their_requests() {
    let mut pending = Correlator::new(10);
    assert_eq!(pending.request("early", None, 0), Err(RequestError::NoAddress));
    pending.set_reply_to("temporary-1");
    assert_eq!(pending.reply_to().unwrap(), "temporary-1");
    let one = pending.request("one", None, 1).unwrap();
    let two = pending.request(Message::from("two").with_subject("sum"), None, 2).unwrap();
    assert_ne!(id(&one), id(&two));
    assert_eq!(two.properties().subject.as_deref(), Some("sum"));
    assert_eq!(one.properties().reply_to.as_deref(), Some("temporary-1"));
    for other in [MessageId::Ulong(99), "1".into(), Uuid::default().into(), MessageId::Binary("1".into())] {
        assert_eq!(pending.answer(Some(&other)), None);
    }
    assert_eq!(pending.answer(None), None);
    assert_eq!(pending.answer(Some(&id(&two))), Some(2));
    assert_eq!(pending.answer(Some(&id(&two))), None);
    assert_eq!(pending.cancel(&one), Some(1));
    assert!(pending.is_empty());
}

/// A service may copy the request's correlation-id or its message-id; both match.
#[test]
fn answers_name_their_requests() {
    let mut pending = Correlator::new(10);
    pending.set_reply_to("temporary-1");
    let request = pending.request(Message::from("one").with_correlation_id("mine"), None, 1).unwrap();
    assert_eq!(request.properties().correlation_id, Some(id(&request)));
    let answer = answer_to(request.properties(), "1").unwrap();
    assert_eq!(answer.properties().to.as_deref(), Some("temporary-1"));
    assert_eq!(pending.answer(answer.properties().correlation_id.as_ref()), Some(1));

    let request = Message::from("two").with_message_id("two").with_reply_to("there");
    let answer = answer_to(request.properties(), "2").unwrap();
    assert_eq!(answer.properties().correlation_id, Some("two".into()));
    let anonymous = answer_to(Message::from("3").with_reply_to("there").properties(), "3").unwrap();
    assert_eq!(anonymous.properties().correlation_id, None);
    assert_eq!(answer_to(Message::from("4").properties(), "4"), Err(RequestError::NoAddress));
}

/// The number of waiting requests is bounded; an answer makes room.
#[test]
fn requests_are_bounded() {
    let mut pending = Correlator::new(2);
    pending.set_reply_to("here");
    let one = pending.request("one", None, ()).unwrap();
    pending.request("two", None, ()).unwrap();
    assert_eq!(pending.request("three", None, ()), Err(RequestError::Full));
    assert_eq!(pending.len(), 2);
    pending.answer(Some(&id(&one))).unwrap();
    pending.request("three", None, ()).unwrap();
    assert_eq!(pending.clear().count(), 2);
    assert!(pending.is_empty());
}

/// Requests expire in order, and an answer after that is late.
#[test]
fn requests_expire_in_order() {
    let mut pending = Correlator::new(10);
    pending.set_reply_to("here");
    let late = pending.request("late", Some(at(30)), "late").unwrap();
    let early = pending.request("early", Some(at(10)), "early").unwrap();
    pending.request("never", None, "never").unwrap();
    let answered = pending.request("answered", Some(at(5)), "answered").unwrap();
    assert_eq!(pending.next_deadline(), Some(at(5)));
    pending.answer(Some(&id(&answered))).unwrap();
    assert_eq!((pending.next_deadline(), pending.expire(at(9))), (Some(at(10)), None));
    assert_eq!((pending.expire(at(10)), pending.expire(at(10))), (Some("early"), None));
    assert_eq!(pending.answer(Some(&id(&early))), None);
    assert_eq!((pending.expire(at(1_000)), pending.expire(at(1_000))), (Some("late"), None));
    assert_eq!(pending.answer(Some(&id(&late))), None);
    assert_eq!((pending.next_deadline(), pending.len()), (None, 1));
}

/// Numbers that wrap skip those of waiting requests.
#[test]
fn numbers_come_round() {
    let mut pending = Correlator::new(10).with_first_id(u64::MAX);
    pending.set_reply_to("here");
    let ids: Vec<_> = (0..3).map(|n| id(&pending.request("r", None, n).unwrap())).collect();
    assert_eq!(ids, [MessageId::Ulong(u64::MAX), MessageId::Ulong(0), MessageId::Ulong(1)]);
}

proptest! {
    /// Compared with a map: each request ends once, by its answer or by expiry, in any order.
    #[test]
    fn each_request_ends_once(steps in prop::collection::vec((0_u8..4, 0_u64..50, any::<prop::sample::Index>()), 0..200)) {
        let mut pending = Correlator::new(16);
        pending.set_reply_to("here");
        let (mut model, mut all, mut now) = (BTreeMap::new(), Vec::new(), 0);
        for (number, (step, span, pick)) in steps.into_iter().enumerate() {
            match step {
                0 | 1 => match pending.request("r", Some(at(now + span)), number) {
                    Ok(request) => {
                        model.insert(number, now + span);
                        all.push((number, id(&request)));
                    }
                    Err(error) => prop_assert_eq!((error, model.len()), (RequestError::Full, 16)),
                },
                2 if !all.is_empty() => {
                    let (number, id) = &all[pick.index(all.len())];
                    let expected = model.remove(number).map(|_| *number);
                    prop_assert_eq!(pending.answer(Some(id)), expected);
                }
                _ => {
                    now += span;
                    while let Some(number) = pending.expire(at(now)) {
                        prop_assert!(model.remove(&number).unwrap() <= now);
                    }
                    prop_assert!(model.values().all(|until| *until > now));
                }
            }
            prop_assert_eq!(pending.len(), model.len());
            prop_assert_eq!(pending.next_deadline(), model.values().min().map(|until| at(*until)));
        }
    }
}

/// M-PROP-04 [3.2.4]: a request with a reply-to of its own keeps it.
#[test]
fn m_prop_04_a_request_keeps_its_own_reply_to() {
    let mut pending = Correlator::new(10);
    let own = Message::from("list").with_reply_to("$me");
    let request = pending.request(own.clone(), None, ()).unwrap();
    assert_eq!(request.properties().reply_to.as_deref(), Some("$me"), "also where no other is known");
    pending.set_reply_to("temporary-1");
    assert_eq!(pending.request(own, None, ()).unwrap().properties().reply_to.as_deref(), Some("$me"));
    let other = pending.request(Message::from("list"), None, ()).unwrap();
    assert_eq!(other.properties().reply_to.as_deref(), Some("temporary-1"));
}
