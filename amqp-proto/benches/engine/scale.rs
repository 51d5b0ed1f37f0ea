//! Measures the heap of live objects, and the time to make one beside many.

use std::time::Instant;

use amqp_proto::config::{SenderOptions, SessionOptions};
use amqp_proto::message::Message;

use crate::pair::Pair;

/// Measures the heap that remains after something was made.
fn kept<T>(make: impl FnOnce() -> T) -> (T, i64) {
    let mut made = None;
    let info = allocation_counter::measure(|| made = Some(make()));
    (made.expect("it was made"), info.bytes_current)
}

fn line(what: &str, octets: i64, count: i64) {
    println!("{what:<44} {:>12}", octets / count);
}

pub(crate) fn report() {
    println!("\n{:<44} {:>12}", "live heap, octets, of both ends together", "each");
    let (mut pair, connection) = kept(|| {
        let mut pair = Pair::with_links(100, 0);
        pair.drive(100);
        pair
    });
    line("connection, open and idle", connection, 1);

    let ((), sessions) = kept(|| {
        for _ in 0..200 {
            pair.client.begin(SessionOptions::new()).expect("a session");
        }
        pair.drive(100);
    });
    line("session", sessions, 200);

    for links in [1_000, 10_000, 100_000] {
        let (_pair, octets) = kept(|| Pair::with_links(0, links));
        line(
            &format!("link, {links} of them"),
            octets - connection,
            i64::try_from(links).unwrap_or(i64::MAX),
        );
    }

    let payload = Message::from(vec![7; 16]).to_payload().expect("a message");
    for count in [100_000_u32, 1_000_000] {
        let mut pair = Pair::with_links(100, 2);
        let ((), octets) = kept(|| pair.pile_up(count, &payload));
        line(&format!("unsettled delivery, {count} of them"), octets, count.into());
    }

    println!("\n{:<44} {:>12}", "attach of one more link, both ends", "us");
    for links in [1_000, 10_000, 100_000] {
        let mut pair = Pair::with_links(0, links);
        let session = pair.client.sender(pair.senders[0]).expect("a link").session().expect("a session");
        let start = Instant::now();
        for more in 0..1_000 {
            let mut session = pair.client.session(session).expect("a session");
            session.attach_sender(format!("more-{more}"), SenderOptions::to("queue")).expect("a link");
            pair.drive(0);
        }
        println!("{:<44} {:>12.1}", format!("beside {links}"), start.elapsed().as_secs_f64() * 1e3);
    }
}
