//! Handles in threads without a runtime: the driver keeps the time for them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::thread::{self, Thread};
use std::time::Duration;

use amqp_tokio::broker::Broker;
use amqp_tokio::wire::Outcome;
use amqp_tokio::{Connection, ConnectionOptions, Error, Listener};

/// Wakes the thread that waits.
struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future in a thread without a runtime.
fn wait<T: Send>(future: impl Future<Output = T> + Send) -> T {
    let work = || {
        let waker = Arc::new(Parked(thread::current())).into();
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return done;
            }
            thread::park();
        }
    };
    thread::scope(|scope| scope.spawn(work).join().unwrap())
}

/// All waits for the peer work in any thread.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[adapter_tests::bounded]
async fn handles_work_on_threads_outside_of_a_runtime() {
    let broker = Broker::builder().build().unwrap();
    let listener = Listener::bind_with("127.0.0.1:0", broker.acceptor()).await.unwrap();
    let url = format!("amqp://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { broker.serve(listener).await });
    let connection = Connection::open(&url).await.unwrap();
    let all = async {
        let session = connection.session().await.unwrap();
        let sender = session.sender("jobs").await.unwrap();
        let receiver = session.receiver("jobs").await.unwrap();
        assert_eq!(sender.send("job").await.unwrap(), Outcome::Accepted);
        let delivery = receiver.recv().await.unwrap().unwrap();
        let key = delivery.key();
        delivery.accept().unwrap();
        receiver.settled(key).await.unwrap();
        receiver.drain().await.unwrap();
        // The broker closes a detached link, so the result does not matter.
        let _ = sender.detach().await;
        receiver.close().await.unwrap();
        session.end().await.unwrap();
        drop(connection.requester("jobs").await.unwrap());
        connection.close().await.unwrap();
    };
    wait(all);
}

/// A timeout is reported in such a thread, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[adapter_tests::bounded]
async fn time_is_kept_for_threads_outside_of_a_runtime() {
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("amqp://{}", listener.local_addr().unwrap());
    // The server accepts the connection, and no session.
    let server = tokio::spawn(async move { listener.accept().await.unwrap().open().await.unwrap() });
    let options = ConnectionOptions::new().with_reply_timeout(Duration::from_millis(200));
    let connection = Connection::open_with(&url, options).await.unwrap();
    let _server = server.await.unwrap();
    assert!(matches!(wait(connection.session()), Err(Error::TimedOut)));
    assert!(matches!(wait(async { connection.sender("jobs").await }), Err(Error::TimedOut)));
}
