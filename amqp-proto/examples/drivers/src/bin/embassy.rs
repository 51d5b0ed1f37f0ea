//! Drives a connection in embassy, over any stream of embedded-io-async.

use std::future::pending;
use std::net::TcpStream;

use amqp_drivers::{Exchange, Failure, MESSAGES, broker, leave, options};
use amqp_proto::types::Moment;
use amqp_proto::{Connection, Reading};
use async_io::Async;
use bytes::Buf;
use embassy_executor::Spawner;
use embassy_futures::select::{Either3, select3};
use embassy_time::{Instant, Timer};
use embedded_io_adapters::futures_03::FromFutures;
use embedded_io_async::{Read, Write};

#[embassy_executor::main]
async fn main(_spawner: Spawner) {
    let mut app = Exchange::new("embassy", MESSAGES);
    let driven = async {
        let socket = Async::<TcpStream>::connect(broker()).await?;
        // On a device these are the halves of an `embassy_net::tcp::TcpSocket`.
        let (reader, writer) = (FromFutures::new(&socket), FromFutures::new(&socket));
        drive(reader, writer, &mut app).await
    };
    leave(driven.await.and_then(|()| app.verdict()));
}

async fn drive<R: Read, W: Write>(mut reader: R, mut writer: W, app: &mut Exchange) -> Result<(), Failure>
where
    R::Error: Send + Sync + 'static,
    W::Error: Send + Sync + 'static,
{
    let now = || Moment::from_millis(Instant::now().as_millis());
    let (mut amqp, mut space) = (Connection::client(options("embassy"), now()), [0; 2_048]);
    loop {
        amqp.handle_deadline(now());
        while let Some(event) = amqp.poll_event() {
            app.on(event, &mut amqp);
        }
        let (reading, has_output) = (amqp.reading(), amqp.has_output());
        match reading {
            Reading::Over if !has_output => return Ok(writer.flush().await?),
            Reading::Events => continue,
            _ => {}
        }
        let until = amqp.next_deadline().map_or(Instant::MAX, |(at, _)| Instant::from_millis(at.as_millis()));
        let read = when(reading == Reading::Wanted, reader.read(&mut space));
        let mut output = amqp.output();
        let write = when(has_output, writer.write(output.chunk()));
        match select3(read, write, Timer::at(until)).await {
            Either3::First(read) => match read? {
                0 => amqp.end_of_input(),
                octets => amqp.receive(now(), &space[..octets]),
            },
            Either3::Second(written) => output.advance(written?),
            Either3::Third(()) => {}
        }
    }
}

/// Does this, or waits for ever.
async fn when<T>(is_wanted: bool, this: impl Future<Output = T>) -> T {
    if is_wanted { this.await } else { pending().await }
}
