//! [`Listener`]: accepts TCP connections.

use std::net::{TcpListener, TcpStream, ToSocketAddrs};

use amqp_proto::client::{Acceptor, Result};
use amqp_proto::driver;

use crate::connection::Connection;

/// Accepts TCP connections of clients.
///
/// ```
/// use amqp_blocking::wire::Outcome;
/// use amqp_blocking::{Accepted, Connection, Listener};
///
/// let listener = Listener::bind("127.0.0.1:0")?;
/// let url = format!("amqp://{}", listener.local_addr()?);
/// let server = std::thread::spawn(move || {
///     let connection = listener.accept()?.open()?;
///     while let Some(offer) = connection.next_offer()? {
///         if let Accepted::Receiver(receiver) = offer.accept()? {
///             for delivery in &receiver {
///                 let delivery = delivery?;
///                 println!("{:?}", delivery.message()?.body()?);
///                 delivery.accept()?;
///             }
///         }
///     }
///     Ok::<(), amqp_blocking::Error>(())
/// });
///
/// let connection = Connection::open(&url)?;
/// let jobs = connection.sender("jobs").attach()?;
/// assert_eq!(jobs.send("hello")?, Outcome::Accepted);
/// connection.close()?;
/// server.join().unwrap()?;
/// # Ok::<(), amqp_blocking::Error>(())
/// ```
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    acceptor: Acceptor,
}

driver::skin::listener!(TcpListener TcpStream ToSocketAddrs);

impl Incoming {
    fn connect(self) -> Result<Connection> {
        Connection::accept(self.stream, &self.acceptor)
    }
}
