//! Sockets without AMQP, as a control: a message has the octets of a transfer, an answer those of a disposition.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, mpsc};

use crate::role::{Meter, Role, listening, print};

/// The octets of a transfer frame whose message has a body of 256.
const THERE: usize = 300;
/// The octets of a disposition frame.
const BACK: usize = 32;

/// Accepts connections one after the other and answers their messages.
pub(crate) fn receive(role: &Role) {
    let listener = TcpListener::bind(("127.0.0.1", role.port())).expect("a port");
    listening();
    for stream in listener.incoming() {
        answer(stream.expect("a connection"));
    }
}

fn answer(mut stream: TcpStream) {
    stream.set_nodelay(true).expect("a socket");
    let (mut input, mut output, mut rest) = (vec![0; 1 << 16], Vec::new(), 0);
    while let Ok(octets @ 1..) = stream.read(&mut input) {
        rest += octets;
        output.resize(rest / THERE * BACK, 0);
        rest %= THERE;
        if stream.write_all(&output).is_err() {
            return;
        }
    }
}

/// Sends one message at a time: on a socket of the standard library for `shape=blocking`, else on one of tokio.
pub(crate) fn send(role: &Role) {
    match role.text("shape") {
        "blocking" => alone_on_thread(role),
        _ => role.block_on(alone_on_tokio(role)),
    }
}

fn alone_on_thread(role: &Role) {
    let mut stream = TcpStream::connect(("127.0.0.1", role.port())).expect("the other end listens");
    stream.set_nodelay(true).expect("a socket");
    let (there, mut back, mut meter) = ([0; THERE], [0; BACK], Meter::new(role));
    for _ in 0..role.warm() + role.messages() {
        meter.begin();
        stream.write_all(&there).expect("the other end reads");
        stream.read_exact(&mut back).expect("the other end answers");
        meter.done();
    }
    meter.end();
}

async fn connect(role: &Role) -> tokio::net::TcpStream {
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", role.port())).await;
    let stream = stream.expect("the other end listens");
    stream.set_nodelay(true).expect("a socket");
    stream
}

async fn alone_on_tokio(role: &Role) {
    let mut stream = connect(role).await;
    let (there, mut back, mut meter) = ([0; THERE], [0; BACK], Meter::new(role));
    for _ in 0..role.warm() + role.messages() {
        meter.begin();
        stream.write_all(&there).await.expect("the other end reads");
        stream.read_exact(&mut back).await.expect("the other end answers");
        meter.done();
    }
    meter.end();
}

/// Runs tasks that each queue a message and wait for its answer; another task owns the socket.
pub(crate) fn tasks(role: &Role) {
    role.block_on(async {
        let (queue, queued) = mpsc::unbounded_channel();
        tokio::spawn(carry(connect(role).await, queued));
        share(role, &queue, role.warm()).await;
        let start = Instant::now();
        let sent = share(role, &queue, role.messages()).await;
        print("rate", sent as f64 / start.elapsed().as_secs_f64());
    });
}

async fn share(role: &Role, queue: &mpsc::UnboundedSender<Arc<Notify>>, messages: usize) -> usize {
    let each = messages.div_ceil(role.tasks());
    let tasks: Vec<_> = (0..role.tasks())
        .map(|_| {
            let (queue, answered) = (queue.clone(), Arc::new(Notify::new()));
            tokio::spawn(async move {
                for _ in 0..each {
                    queue.send(Arc::clone(&answered)).expect("the socket's task runs");
                    answered.notified().await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a task that does not panic");
    }
    each * role.tasks()
}

async fn carry(mut stream: tokio::net::TcpStream, mut queued: mpsc::UnboundedReceiver<Arc<Notify>>) {
    const MOST: usize = 1024;
    let (there, mut back) = (vec![0; MOST * THERE], vec![0; MOST * BACK]);
    let (mut waiting, mut batch, mut rest) = (VecDeque::new(), Vec::with_capacity(MOST), 0);
    loop {
        tokio::select! {
            count @ 1.. = queued.recv_many(&mut batch, MOST) => {
                waiting.extend(batch.drain(..));
                stream.write_all(&there[..count * THERE]).await.expect("the other end reads");
            }
            Ok(octets @ 1..) = stream.read(&mut back) => {
                rest += octets;
                for answered in waiting.drain(..rest / BACK) {
                    answered.notify_one();
                }
                rest %= BACK;
            }
            else => return,
        }
    }
}

/// Keeps a core awake.
pub(crate) fn spin() {
    loop {
        std::hint::spin_loop();
    }
}
