//! Claims-based security under virtual time, and over two engines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use core::time::Duration;

use amqp_proto::config::{ReceiverOptions, SenderOptions};
use amqp_proto::message::{Body, Message};
use amqp_proto::policy::{Backoff, Cbs, CbsError, CbsEvent, CbsStep, CbsToken};
use amqp_proto::testing::Pair;
use amqp_proto::types::{Limits, LinkKey, Moment, Str, Value};
use amqp_proto::wire::{SenderSettleMode, Source, Target};

const SECRET: &str = "eyJhbGciOi";
const A: &str = "amqp://bus/a";
const B: &str = "amqp://bus/b";

fn at(seconds: u64) -> Moment {
    Moment::from_millis(seconds * 1_000)
}

fn name(audience: &'static str) -> Str {
    audience.into()
}

/// A clock, a policy with delays of ten seconds, and an obedient peer.
struct Run {
    cbs: Cbs,
    now: Moment,
}

impl Run {
    fn new(audiences: &[&'static str]) -> Self {
        let mut cbs = Cbs::new("answers").with_backoff(tens()).with_timeout(Duration::from_secs(5));
        audiences.iter().for_each(|audience| cbs.add(*audience));
        Self { cbs, now: Moment::START }
    }

    fn next(&mut self) -> CbsStep {
        self.cbs.next(self.now, 0)
    }

    fn fetches(&mut self, audience: &'static str) -> &mut Self {
        assert_eq!(self.next(), CbsStep::Fetch(name(audience)));
        self
    }

    /// Hands over a token with this life.
    fn token(&mut self, audience: &str, seconds: u64) -> &mut Self {
        let token = CbsToken::new(CbsToken::JWT, SECRET).with_expiry(self.now + Duration::from_secs(seconds));
        self.cbs.token(self.now, audience, token);
        self
    }

    fn puts(&mut self) -> Message {
        match self.next() {
            CbsStep::Put(message) => message,
            other => panic!("{other:?}"),
        }
    }

    fn waits(&mut self, seconds: u64) -> &mut Self {
        assert_eq!(self.next(), CbsStep::Wait(at(seconds)));
        self
    }

    fn answer(&mut self, request: &Message, status: i32) -> &mut Self {
        let answer = answer_to(request).with_property("status-code", status);
        assert!(self.cbs.answer(self.now, &answer));
        self
    }

    /// Puts a token of this life, which the peer accepts.
    fn accepted(&mut self, audience: &'static str, life: u64) -> &mut Self {
        let request = self.fetches(audience).token(audience, life).puts();
        assert_eq!(request.property("name").unwrap(), audience);
        self.answer(&request, 202).tells(CbsEvent::Accepted(name(audience)))
    }

    fn tells(&mut self, event: CbsEvent) -> &mut Self {
        assert_eq!(self.cbs.poll_event(), Some(event));
        self
    }

    fn fails(&mut self, audience: &'static str, error: CbsError) -> &mut Self {
        self.tells(CbsEvent::Failed { audience: name(audience), error })
    }

    fn quiet(&mut self) -> &mut Self {
        assert_eq!(self.cbs.poll_event(), None);
        self
    }

    fn time(&mut self, seconds: u64) -> &mut Self {
        assert!(at(seconds) >= self.now);
        self.now = at(seconds);
        self
    }
}

fn tens() -> Backoff {
    Backoff::new(Duration::from_secs(10), Duration::from_secs(20)).with_jitter(0)
}

fn answer_to(request: &Message) -> Message {
    Message::from("").with_correlation_id(request.message_id().unwrap().clone())
}

fn refused(status: u16) -> CbsError {
    CbsError::Refused { status, description: None, condition: None }
}

#[test]
fn a_token_is_put_as_its_definition_says() {
    let mut run = Run::new(&[A]);
    let request = run.fetches(A).token(A, 60).puts();
    assert_eq!(request.to().unwrap(), "$cbs");
    assert_eq!(request.reply_to().unwrap(), "answers");
    assert!(request.message_id().is_some());
    let property = |key| request.property(key).unwrap();
    assert_eq!(
        (property("operation"), property("type"), property("name")),
        (&"put-token".into(), &"jwt".into(), &A.into())
    );
    assert_eq!(request.body(), &Body::Value(Value::from(SECRET)));
    assert!(!run.cbs.is_accepted(A));
    run.answer(&request, 200).tells(CbsEvent::Accepted(name(A))).quiet();
    assert!(run.cbs.is_accepted(A) && !run.cbs.is_accepted(B));
    // Only one answer is read.
    assert!(!run.cbs.answer(run.now, &answer_to(&request)));
    assert!(!run.cbs.answer(run.now, &Message::from("")));
}

/// The next token is put when 80 % of the life are over; a token without expiry, once.
#[test]
fn a_token_is_refreshed_at_80_percent_of_its_life() {
    let mut run = Run::new(&[A]);
    run.accepted(A, 100).waits(80).time(79).waits(80);
    run.time(80).accepted(A, 200).waits(240).time(200).waits(240).quiet();
    assert!(run.cbs.is_accepted(A));

    let mut run = Run::new(&[A]);
    run.fetches(A).cbs.token(Moment::START, A, CbsToken::new(CbsToken::SAS, "sig"));
    let request = run.puts();
    assert_eq!(request.property("type").unwrap(), "servicebus.windows.net:sastoken");
    run.answer(&request, 202).tells(CbsEvent::Accepted(name(A)));
    assert_eq!(run.time(1_000_000).next(), CbsStep::Idle);
    // The application may hand one over at any time.
    let request = run.token(A, 100).puts();
    run.answer(&request, 202).tells(CbsEvent::Accepted(name(A))).waits(1_000_080);
}

/// A refresh that fails leaves the old token in force, is tried again by the back-off, and the audience is out of force
/// when the old one expires.
#[test]
fn a_refresh_that_fails_keeps_the_old_token() {
    let mut run = Run::new(&[A]);
    run.accepted(A, 100);
    let request = run.time(80).fetches(A).token(A, 100).puts();
    run.answer(&request, 401).fails(A, refused(401)).waits(90);
    assert!(run.cbs.is_accepted(A));
    run.time(90).fetches(A).cbs.no_token(at(90), A);
    run.fails(A, CbsError::NoToken).quiet().waits(100);
    assert!(run.cbs.is_accepted(A));
    run.time(100).waits(110).tells(CbsEvent::Expired(name(A))).quiet();
    assert!(!run.cbs.is_accepted(A));
    // The third attempt succeeds, and the back-off begins again.
    run.time(110).accepted(A, 100).waits(190);
    run.time(190).fetches(A).cbs.no_token(at(190), A);
    run.fails(A, CbsError::NoToken).waits(200);
}

#[test]
fn an_answer_that_does_not_come_in_time_is_a_failure() {
    let mut run = Run::new(&[A]);
    let request = run.fetches(A).token(A, 100).puts();
    run.waits(5).time(5).waits(15).fails(A, CbsError::TimedOut);
    // It is too late.
    assert!(!run.cbs.answer(at(6), &answer_to(&request).with_property("status-code", 202)));
    run.quiet().time(15).accepted(A, 100);
}

/// The attempts end with those of the back-off. The application may still hand over a token.
#[test]
fn attempts_end() {
    let mut run = Run::new(&[A]);
    run.cbs = run.cbs.with_backoff(tens().with_attempts(2));
    run.fetches(A).cbs.no_token(at(0), A);
    run.waits(10).time(10).fetches(A).cbs.no_token(at(10), A);
    assert_eq!(run.next(), CbsStep::Idle);
    run.fails(A, CbsError::NoToken).fails(A, CbsError::NoToken).quiet();
    let request = run.token(A, 100).puts();
    run.answer(&request, 200).tells(CbsEvent::Accepted(name(A))).waits(90);
}

/// One token is under way at a time, whatever else is due.
#[test]
fn one_token_is_under_way_at_a_time() {
    let mut run = Run::new(&[A, B]);
    run.cbs.add(A);
    run.fetches(A).fetches(B).token(B, 100).token(A, 100);
    let first = run.puts();
    assert_eq!(first.property("name").unwrap(), A);
    run.waits(5);
    // A second token for the one under way is not put.
    run.token(A, 1_000).waits(5);
    run.answer(&first, 202).tells(CbsEvent::Accepted(name(A)));
    let second = run.puts();
    assert_eq!(second.property("name").unwrap(), B);
    assert_ne!(second.message_id(), first.message_id());
    run.answer(&second, 404).fails(B, refused(404)).waits(10);
    assert!(run.cbs.is_accepted(A) && !run.cbs.is_accepted(B));
    run.cbs.remove(B);
    run.waits(80);
}

/// A token that has expired before its turn is not sent.
#[test]
fn a_token_that_is_too_late_is_not_sent() {
    let mut run = Run::new(&[A, B]);
    run.fetches(A).fetches(B).token(A, 100).token(B, 3);
    let request = run.puts();
    run.time(4).answer(&request, 202).tells(CbsEvent::Accepted(name(A)));
    assert!(matches!(run.next(), CbsStep::Wait(_)));
    run.fails(B, CbsError::TooLate);
    let at_once = run.time(80).next();
    assert!(matches!(&at_once, CbsStep::Fetch(_)), "{at_once:?}");
}

/// A removed audience leaves no trace, even if its token is under way.
#[test]
fn a_removed_audience_is_forgotten() {
    let mut run = Run::new(&[A]);
    let request = run.fetches(A).token(A, 100).puts();
    run.cbs.remove(A);
    run.answer(&request, 202).quiet();
    run.cbs.token(at(0), A, CbsToken::new(CbsToken::JWT, SECRET));
    run.cbs.no_token(at(0), A);
    assert_eq!(run.next(), CbsStep::Idle);
    // Added again, it has nothing to do with the token from before.
    run.cbs.add(A);
    let late = run.fetches(A).token(A, 100).puts();
    run.cbs.remove(A);
    run.cbs.add(A);
    run.fetches(A).token(A, 100).answer(&late, 401).quiet();
    let request = run.puts();
    run.answer(&request, 202).tells(CbsEvent::Accepted(name(A)));
}

/// Accepted tokens go with the connection; the next one gets fresh ones at once.
#[test]
fn a_new_connection_gets_fresh_tokens() {
    let mut run = Run::new(&[A, B]);
    run.accepted(A, 100);
    let request = run.fetches(B).token(B, 100).puts();
    run.time(10).cbs.disconnected(at(10));
    assert!(!run.cbs.is_accepted(A));
    assert!(!run.cbs.answer(at(10), &answer_to(&request).with_property("status-code", 202)));
    run.quiet().accepted(A, 100).accepted(B, 100).waits(90);
}

/// Both spellings of an answer are read, and every other answer is a failure.
#[test]
fn answers_are_read() {
    let told = |say: &dyn Fn(Message) -> Message| {
        let mut run = Run::new(&[A]);
        let request = run.fetches(A).token(A, 100).puts();
        assert!(run.cbs.answer(run.now, &say(answer_to(&request))));
        match run.cbs.poll_event().unwrap() {
            CbsEvent::Accepted(_) => None,
            CbsEvent::Failed { error, .. } => Some(error),
            other => panic!("{other:?}"),
        }
    };
    for status in [200, 202, 299] {
        assert_eq!(told(&|answer| answer.with_property("statusCode", status)), None);
    }
    for status in [0, 100, 199, 300, 401, 500, 65_535] {
        assert_eq!(
            told(&|answer| answer.with_property("status-code", i64::from(status))),
            Some(refused(status))
        );
    }
    for answer in [-1, 65_536] {
        assert_eq!(told(&|message| message.with_property("status-code", answer)), Some(CbsError::Malformed));
    }
    assert_eq!(told(&|answer| answer), Some(CbsError::Malformed));
    assert_eq!(told(&|answer| answer.with_property("status-code", "200")), Some(CbsError::Malformed));
    for [status, description, condition] in [
        ["status-code", "status-description", "error-condition"],
        ["statusCode", "statusDescription", "errorCondition"],
    ] {
        let error = told(&|answer| {
            let answer = answer.with_property(status, 401).with_property(description, "no\nclaim");
            answer.with_property(condition, "amqp:unauthorized-access")
        });
        let words = "the peer refused the token with status 401: amqp:unauthorized-access: no\\nclaim";
        assert_eq!(error.unwrap().to_string(), words);
    }
}

/// RabbitMQ 4: the first token was given at the opening of the connection; the next ones go to its management node.
#[test]
fn the_token_of_a_connection_to_rabbitmq_is_renewed() {
    let mut run = Run { cbs: Cbs::rabbitmq("broker", at(0), at(100)), now: at(0) };
    assert!(run.cbs.is_accepted("broker"));
    let request = run.waits(80).time(80).fetches("broker").token("broker", 100).puts();
    assert_eq!(
        (request.subject().unwrap().as_str(), request.to().unwrap().as_str()),
        ("PUT", "/auth/tokens")
    );
    assert_eq!(
        (request.reply_to().unwrap().as_str(), request.bytes().unwrap()),
        ("$me", SECRET.as_bytes().into())
    );
    let status = |status: &'static str| answer_to(&request).with_subject(status);
    assert!(run.cbs.answer(run.now, &status("204")));
    run.tells(CbsEvent::Accepted(name("broker"))).waits(160);
    let request = run.time(160).fetches("broker").token("broker", 100).puts();
    let refusal = Message::from("token expired").with_subject("400");
    let refusal = refusal.with_correlation_id(request.message_id().unwrap().clone());
    assert!(run.cbs.answer(run.now, &refusal));
    let description = Some("token expired".into());
    run.fails("broker", CbsError::Refused { status: 400, description, condition: None });
    assert!(run.cbs.is_accepted("broker"));
}

/// Threat E8: nothing prints a token.
#[test]
fn e8_nothing_prints_a_token() {
    let mut run = Run::new(&[A]);
    run.fetches(A).token(A, 100);
    let shown = format!("{:?} {:?}", CbsToken::new(CbsToken::JWT, SECRET), run.cbs);
    let step = run.next();
    let shown = format!("{shown} {step:?} {:?}", run.cbs);
    assert!(shown.contains("Put(..)") && !shown.contains("eyJ"), "{shown}");
}

/// A node `$cbs` behind two engines: it refuses the first token, and accepts the second.
#[test]
fn a_scripted_node_over_two_engines() {
    let mut pair = Pair::opened();
    let source =
        ReceiverOptions::new().with_source(Source::at(Cbs::ADDRESS)).with_target(Target::at("answers"));
    let answers = pair.client.attach_receiver_with("from-cbs", source);
    let options = SenderOptions::to(Cbs::ADDRESS).with_snd_settle_mode(SenderSettleMode::Settled);
    let requests = pair.client.attach_sender_with("to-cbs", options);
    pair.drive();
    let LinkKey::Sender(node_answers) = pair.server.expect_attach().accept() else { panic!() };
    let node_requests = pair.server.expect_attach().accept_with_credit(10);
    pair.client.receiver(answers).unwrap().add_credit(10).unwrap();
    pair.drive();

    let mut run = Run::new(&[A]);
    let mut statuses = [401, 202].into_iter();
    let mut steps = Vec::new();
    while !run.cbs.is_accepted(A) {
        let step = run.next();
        steps.push(format!("{step:?}"));
        match step {
            CbsStep::Fetch(audience) => {
                run.token(&audience, 100);
            }
            CbsStep::Put(message) => {
                pair.client.sender(requests).unwrap().send(message).unwrap();
            }
            CbsStep::Wait(until) => run.now = until,
            other => panic!("{other:?}"),
        }
        pair.drive();
        if let Some(request) = pair.server.receiver(node_requests).unwrap().receive() {
            let request = Message::decode(request.payload().clone(), &Limits::DEFAULT).unwrap();
            assert_eq!(request.text().unwrap(), SECRET);
            let answer = answer_to(&request).with_to(request.reply_to().unwrap().clone());
            let answer = answer.with_property("status-code", statuses.next().unwrap());
            pair.server.sender(node_answers).unwrap().send(answer).unwrap();
            pair.drive();
            let answer = pair.client.receiver(answers).unwrap().receive().unwrap();
            assert!(
                run.cbs
                    .answer(run.now, &Message::decode(answer.payload().clone(), &Limits::DEFAULT).unwrap())
            );
        }
    }
    let fetch = format!("Fetch({A:?})");
    assert_eq!(steps, [&fetch, "Put(..)", "Wait(10000 ms)", &fetch, "Put(..)"]);
    run.fails(A, refused(401)).tells(CbsEvent::Accepted(name(A))).waits(90);
}
